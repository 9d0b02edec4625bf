//! From a file's text to a definition, and what is said when it is broken:
//! always the file, and the line and column where they can be known.

use std::borrow::Cow;
use std::path::Path;

use super::assemble::{Problem, assemble};
use super::definition::Definition;
use super::raw::Raw;
use crate::error::{Error, Kind};
use crate::jsonc;
use crate::name::ProviderName;
use crate::text::printable;

/// How large a definition's file may be.
pub(super) const LARGEST: usize = 1 << 20;

/// Reads a definition that anyone may have written and checks everything in
/// it, the expressions too. `path` is where it was found, for messages; its
/// stem is the name of a definition that has none.
///
/// # Errors
/// It cannot be used; the message names the path, line and column.
pub fn validate(text: &str, path: &Path) -> Result<Definition, Error> {
    let place = path.display().to_string();
    let plain = plain(text, &place)?;
    let raw = parse(&plain, &place)?;
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let name = match (&raw.name, stem.map(str::parse)) {
        (Some(name), _) => name.0.clone(),
        (None, Some(Ok(name))) => name,
        (None, _) => {
            let message = "it has no 'name', and its file's name is not one either";
            return Err(broken(&place, None, message));
        }
    };
    finish(raw, name, Cow::Owned(text.to_owned()), &plain, &place).and_then(|definition| {
        check_patterns(&definition, &plain, &place)?;
        Ok(definition)
    })
}

/// Reads the user's own definition of `name` and checks everything in it.
pub(super) fn custom(text: String, name: &ProviderName, path: &Path) -> Result<Definition, Error> {
    let place = path.display().to_string();
    let plain = plain(&text, &place)?;
    let definition = own(Cow::Owned(text), name, &plain, &place)?;
    check_patterns(&definition, &plain, &place)?;
    Ok(definition)
}

/// Reads the bundled definition of `name`. Its expressions were tried by a
/// test and are compiled when first used.
pub(super) fn bundled(text: &'static str, name: &ProviderName) -> Result<Definition, Error> {
    let place = format!("the bundled {name}.json");
    let plain = plain(text, &place)?;
    own(Cow::Borrowed(text), name, &plain, &place)
}

fn own(
    text: Cow<'static, str>,
    name: &ProviderName,
    plain: &str,
    place: &str,
) -> Result<Definition, Error> {
    let raw = parse(plain, place)?;
    if let Some(inside) = raw.name.as_ref().filter(|inside| inside.0 != *name) {
        let message = format!(
            "it defines '{}', but its file is called '{name}.json'",
            inside.0
        );
        let position = find(plain, "name");
        return Err(broken(place, position, &message));
    }
    finish(raw, name.clone(), text, plain, place)
}

fn plain(text: &str, place: &str) -> Result<String, Error> {
    if text.len() > LARGEST {
        let message = format!("it is larger than {LARGEST} bytes");
        return Err(broken(place, None, &message));
    }
    let plain = jsonc::plain(text).map_err(|error| {
        let position = jsonc::position(text, error.offset);
        broken(place, Some(position), &error.to_string())
    })?;
    match plain.trim_start().as_bytes() {
        [] => Err(broken(place, None, "it is empty")),
        // A struct would be read from an array too.
        [b'[', ..] => Err(broken(place, Some((1, 1)), "a definition is an object")),
        _ => Ok(plain),
    }
}

fn parse(plain: &str, place: &str) -> Result<Raw, Error> {
    serde_json::from_str(plain).map_err(|error| {
        let position = (error.line(), error.column().max(1));
        let message = error.to_string();
        let end = format!(" at line {} column {}", error.line(), error.column());
        let message = message.strip_suffix(&end).unwrap_or(&message);
        broken(place, Some(position), message)
    })
}

fn finish(
    raw: Raw,
    name: ProviderName,
    text: Cow<'static, str>,
    plain: &str,
    place: &str,
) -> Result<Definition, Error> {
    assemble(raw, name, text).map_err(|Problem { message, near }| {
        let position = near.and_then(|near| find(plain, &near));
        broken(place, position, &message)
    })
}

fn check_patterns(definition: &Definition, plain: &str, place: &str) -> Result<(), Error> {
    definition
        .check_patterns()
        .map_err(|bad| broken(place, find(plain, &bad.expression), &bad.to_string()))
}

/// Where a text stands in the file as a JSON string.
fn find(plain: &str, wanted: &str) -> Option<(usize, usize)> {
    let quoted = serde_json::to_string(wanted).ok()?;
    plain
        .find(&quoted)
        .map(|offset| jsonc::position(plain, offset))
}

/// The error about a file that cannot be used.
pub(super) fn broken(place: &str, position: Option<(usize, usize)>, what: &str) -> Error {
    let place = printable(place);
    let what = printable(what);
    let message = match position {
        Some((line, column)) => {
            format!("Cannot use {place}, line {line}, column {column}: {what}")
        }
        None => format!("Cannot use {place}: {what}"),
    };
    Error::new(Kind::InvalidInput, message)
        .with_hint("See what a definition may hold: vault provider schema")
}
