//! `import --from authsome`: a folder of definitions beside connections that
//! cannot be read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{ImportArgs, listed, shown};
use crate::audit::{Entry, Event};
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{Error, Kind, Result};
use crate::files::{self, PathContext};
use crate::import;
use crate::name::ProviderName;
use crate::provider::{self, Catalog};

/// The largest definition and the largest database that are looked at.
const LARGEST_DEFINITION: usize = 1024 * 1024;
const LARGEST_DATABASE: usize = 64 * 1024 * 1024;

/// Provider definitions come in; connections are sealed with a key that lies
/// in a keychain or in a scheme of authsome's own, so they are named, to be
/// logged in to again.
pub(super) fn take(args: &ImportArgs, context: &Context) -> Result<()> {
    let home = &args.path;
    if !home.is_dir() {
        let message = format!("{} is no folder", shown(home));
        return Err(Error::new(Kind::InvalidInput, message)
            .with_hint("Name the home of authsome: vault import --from authsome ~/.authsome"));
    }
    let mut taken = Vec::new();
    let mut existing = Vec::new();
    let mut left = Vec::new();
    for file in definition_files(home)? {
        match register(&file, args, context) {
            Ok(Some(name)) => taken.push(name),
            Ok(None) => existing.push(file_stem(&file)),
            Err(error) => left.push((file_stem(&file), error.to_string())),
        }
    }
    let sealed = sealed_connections(home)?;
    for (_, reason) in &left {
        context.output.warn(reason);
    }
    if !existing.is_empty() {
        context.output.note(&format!(
            "There already, and left as they are: {}. Replace them with --force.",
            listed(&existing)
        ));
    }
    if !sealed.is_empty() {
        let commands: Vec<_> = sealed
            .iter()
            .map(|name| format!("vault login {name}"))
            .collect();
        context.output.note(&format!(
            "The connections are sealed with authsome's own key and cannot be taken. Log in \
             again:\n  {}",
            commands.join("\n  ")
        ));
    }
    if taken.is_empty() {
        return Err(nothing_taken(home, &existing, &sealed));
    }
    if !args.dry_run {
        let entry = Entry::new(Event::Import, "import").with("from", args.from.as_str());
        context.audit(&entry.with_list("providers", &taken));
    }
    if context.output.json {
        let left: Vec<_> = left
            .iter()
            .map(|(name, reason)| json!({"name": name, "reason": reason}))
            .collect();
        return output::print_json(&json!({
            "status": if args.dry_run { "dry_run" } else { "imported" },
            "providers": taken,
            "existing": existing,
            "log_in_again": sealed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "not_understood": left,
        }));
    }
    let done = if args.dry_run {
        "Would import"
    } else {
        "Imported"
    };
    context
        .output
        .note(&format!("{done} the definitions of {}.", listed(&taken)));
    Ok(())
}

fn nothing_taken(home: &Path, existing: &[String], sealed: &BTreeSet<ProviderName>) -> Error {
    let home = shown(home);
    if !existing.is_empty() {
        let message = "Nothing was imported: all definitions are there already";
        return Error::new(Kind::Conflict, message).with_hint(format!(
            "Replace them: vault import --from authsome '{home}' --force"
        ));
    }
    let message = format!("There is nothing in {home} that could be imported");
    let error = Error::new(Kind::InvalidInput, message);
    match sealed.first() {
        Some(name) => error.with_hint(format!("Log in again: vault login {name}")),
        None => {
            error.with_hint("Name the home of authsome: vault import --from authsome ~/.authsome")
        }
    }
}

/// The definitions that a user of authsome registered, where its versions
/// have kept them.
fn definition_files(home: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in ["providers", "server/providers"] {
        for path in entries(&home.join(folder))? {
            if path.extension().is_some_and(|end| end == "json") && path.is_file() {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Takes one definition in; `None` where there is one of that name.
fn register(file: &Path, args: &ImportArgs, context: &Context) -> Result<Option<String>> {
    let Some(content) = files::read_private(file, LARGEST_DEFINITION)? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&content.bytes).map_err(|_| {
        Error::new(
            Kind::InvalidInput,
            format!("{}: it is not UTF-8 text", shown(file)),
        )
    })?;
    let definition = provider::validate(text, file)?;
    let name = definition.name;
    let own = context.catalog()?.path_of(&name);
    let is_there = Catalog::is_bundled(&name) || own.is_some_and(|path| path.exists());
    if is_there && !args.force {
        return Ok(None);
    }
    if !args.dry_run {
        let folder = context.places()?.providers;
        provider::register(&folder, text, file, args.force)?;
    }
    Ok(Some(name.to_string()))
}

fn sealed_connections(home: &Path) -> Result<BTreeSet<ProviderName>> {
    let mut databases = vec![];
    for profile in entries(&home.join("profiles"))? {
        databases.extend(entries(&profile)?);
    }
    for store in ["kv_store", "server/kv_store"] {
        databases.extend(entries(&home.join(store))?);
    }
    let mut found = BTreeSet::new();
    for path in databases {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_database = ["store.db", "cache.db"]
            .iter()
            .any(|db| name.starts_with(db));
        if is_database && let Ok(Some(content)) = files::read_private(&path, LARGEST_DATABASE) {
            found.extend(import::providers_in(&content.bytes));
        }
    }
    Ok(found)
}

/// What is in a folder, in order; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).at("read", folder)? {
        paths.push(entry.at("read", folder)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn file_stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    crate::text::printable(&stem).into_owned()
}
