//! The definitions in the binary: a sorted table of names and texts, made by
//! `build.rs` from `providers/*.json`. None is parsed before it is asked for.

static TEXTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/bundled_providers.rs"));

/// The text of the bundled definition of this name.
pub(super) fn text(name: &str) -> Option<&'static str> {
    TEXTS
        .binary_search_by_key(&name, |(name, _)| name)
        .ok()
        .map(|position| TEXTS[position].1)
}

/// The names of all bundled definitions, sorted.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(name, _)| *name)
}
