//! `import`: taking in what other programs keep.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::login::{ROTATE_AFTER_DAYS, kind_of};
use super::{init, secret};
use crate::cli::context::Context;
use crate::cli::{input, output};
use crate::credential::{AuthKind, Credential, Value, days_after};
use crate::error::{Error, Kind, Result};
use crate::files::{self, PathContext};
use crate::import::{self, Incoming, Plan};
use crate::json::JsonError;
use crate::name::{ConnectionId, ConnectionName, ProviderName, VariableName};
use crate::provider::{self, Catalog, Definition};
use crate::secret::Secret;
use crate::vault::Document;

/// The largest definition and the largest database that are looked at.
const LARGEST_DEFINITION: usize = 1024 * 1024;
const LARGEST_DATABASE: usize = 64 * 1024 * 1024;

/// Take in the keys of a .env file, a JSON file or an authsome home
#[derive(Debug, Args)]
#[command(
    after_help = "Variables of known providers become connections, the others plain secrets. What \
was not understood is told by line and name. Nothing is deleted.\n\nExamples:\n  vault import \
--from dotenv .env --dry-run\n  vault import --from dotenv .env --connection work\n  pass show \
keys.json | vault import --from json -\n  vault import --from authsome ~/.authsome"
)]
pub struct ImportArgs {
    /// What the file is
    #[arg(long, value_name = "KIND")]
    from: From,
    /// The file, - for standard input, or the home folder of authsome
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// The name that the connections get
    #[arg(long, short, value_name = "NAME", default_value = "default")]
    connection: ConnectionName,
    /// Replace what is there; the old values stay in the history
    #[arg(long)]
    force: bool,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

/// What is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// Lines of NAME=value, as in a .env file
    Dotenv,
    /// {"OPENAI_API_KEY":"…"} or {"openai":{"api_key":"…"}}
    Json,
    /// The home folder of authsome: its provider definitions
    Authsome,
}

/// Takes it in.
pub fn run(args: &ImportArgs, context: &Context) -> Result<()> {
    let reading = match args.from {
        From::Authsome => return authsome(args, context),
        From::Dotenv => import::dotenv(&read(args, context)?),
        From::Json => import::json(&read(args, context)?).map_err(|bad| {
            let bad = match bad {
                JsonError::Syntax { .. } => bad.to_string(),
                _ => "it is no object, or a name stands in it twice".to_owned(),
            };
            Error::new(Kind::InvalidInput, format!("{}: {bad}", shown(&args.path))).with_hint(
                "It takes an object of texts: {\"OPENAI_API_KEY\":\"…\"} or \
                 {\"openai\":{\"api_key\":\"…\"}}",
            )
        })?,
    };
    let plan = Plan::of(reading, &definitions(context)?);
    let opened = context.open_if_there()?;
    let known = |document: &Document| Known::of(document, &plan, args);
    let known = opened
        .as_ref()
        .map_or_else(Known::default, |(_, opened)| known(&opened.document));
    let report = Report::of(&plan, &known, args);
    report.refuse_nothing(&args.path, context)?;
    if !args.dry_run {
        let key = opened.map(|(_, opened)| opened.key);
        init::store(context, "import", key, |document| {
            put(document, &plan, args, context)
        })?;
    }
    report.print(args, context)
}

fn read(args: &ImportArgs, context: &Context) -> Result<Secret> {
    if args.path == Path::new("-") {
        return input::read_stdin("the file", context);
    }
    if !args.path.exists() {
        let message = format!("There is no file {}", shown(&args.path));
        return Err(Error::new(Kind::Failed, message)
            .with_hint("Check the path; a dash takes it from standard input."));
    }
    input::read_file(&args.path, "the file")
}

/// The definitions that a login could use; a broken one blocks only itself.
fn definitions(context: &Context) -> Result<Vec<Definition>> {
    let mut usable = Vec::new();
    for entry in context.catalog()?.all()? {
        match entry.definition {
            Ok(definition) if kind_of(&definition).is_ok() => usable.push(definition),
            Ok(_) => {}
            Err(error) => context.output.warn(&error.to_string()),
        }
    }
    Ok(usable)
}

/// What is there already and stays.
#[derive(Default)]
struct Known {
    connections: BTreeSet<ProviderName>,
    secrets: BTreeSet<VariableName>,
}

impl Known {
    fn of(document: &Document, plan: &Plan, args: &ImportArgs) -> Self {
        if args.force {
            return Self::default();
        }
        let providers = plan.connections.iter().map(|incoming| &incoming.provider);
        let is_known = |provider: &&ProviderName| {
            document
                .connections_of(provider)
                .contains(&&args.connection)
        };
        let stored: BTreeSet<_> = document.secrets().collect();
        let names = plan.secrets.iter().map(|(name, _)| name);
        Self {
            connections: providers.filter(is_known).cloned().collect(),
            secrets: names
                .filter(|name| stored.contains(name))
                .cloned()
                .collect(),
        }
    }
}

/// Puts everything in that is not there yet.
fn put(document: &mut Document, plan: &Plan, args: &ImportArgs, context: &Context) -> Result<()> {
    // Once more: another process may have stored one in the meantime.
    let known = Known::of(document, plan, args);
    let catalog = context.catalog()?;
    for incoming in &plan.connections {
        if known.connections.contains(&incoming.provider) {
            continue;
        }
        let definition = catalog.find(&incoming.provider)?.definition;
        let id = ConnectionId {
            provider: incoming.provider.clone(),
            connection: args.connection.clone(),
        };
        let value = value_of(incoming, &definition, context);
        let existing = document.connection(&id).ok().flatten();
        let retired = document.retired_connection(&id).ok().flatten();
        let kind = kind_of(&definition)?;
        document.put_connection(&id, &Credential::stored(kind, value, existing, retired));
    }
    for (name, secret) in &plan.secrets {
        if known.secrets.contains(name) {
            continue;
        }
        let fields = [(secret::value_field(), secret.duplicate())];
        let value = Value {
            rotate_at: days_after(context.now, secret::ROTATE_AFTER_DAYS),
            ..blank(fields.into(), context)
        };
        let existing = document.secret(name).ok().flatten();
        let retired = document.retired_secret(name).ok().flatten();
        let credential = Credential::stored(AuthKind::Plain, value, existing, retired);
        document.put_secret(name, &credential);
    }
    Ok(())
}

fn value_of(incoming: &Incoming, definition: &Definition, context: &Context) -> Value {
    let local = definition.auth_type() == &provider::AuthKind::None;
    let days = definition.rotate_after_days.unwrap_or(ROTATE_AFTER_DAYS);
    let fields = incoming.fields.iter();
    let fields = fields.map(|(name, secret)| (name.clone(), secret.duplicate()));
    let own_url = || definition.base_url.clone().filter(|_| local);
    Value {
        base_url: incoming.base_url.clone().or_else(own_url),
        rotate_at: days_after(context.now, days).filter(|_| !local),
        ..blank(fields.collect(), context)
    }
}

fn blank(
    fields: std::collections::BTreeMap<crate::name::FieldName, Secret>,
    context: &Context,
) -> Value {
    Value {
        fields,
        account: None,
        scopes: Vec::new(),
        base_url: None,
        expires_at: None,
        rotate_at: None,
        stored_at: context.now,
    }
}

/// What was done, for a person and for a script.
struct Report {
    connections: Vec<String>,
    secrets: Vec<String>,
    existing: Vec<String>,
    left: Vec<import::Left>,
}

impl Report {
    fn of(plan: &Plan, known: &Known, args: &ImportArgs) -> Self {
        let mut report = Self {
            connections: Vec::new(),
            secrets: Vec::new(),
            existing: Vec::new(),
            left: plan.left.clone(),
        };
        for Incoming { provider, .. } in &plan.connections {
            let id = format!("{provider}/{}", args.connection);
            if known.connections.contains(provider) {
                report.existing.push(id);
            } else {
                report.connections.push(id);
            }
        }
        for (name, _) in &plan.secrets {
            if known.secrets.contains(name) {
                report.existing.push(name.to_string());
            } else {
                report.secrets.push(name.to_string());
            }
        }
        report
    }

    /// That nothing came in is an error: of everything being there already,
    /// or of nothing being understood.
    fn refuse_nothing(&self, path: &Path, context: &Context) -> Result<()> {
        if !self.connections.is_empty() || !self.secrets.is_empty() {
            return Ok(());
        }
        if !self.existing.is_empty() {
            self.tell_left(context);
            let message = format!(
                "Nothing was imported: {} {} there already",
                listed(&self.existing),
                if self.existing.len() == 1 {
                    "is"
                } else {
                    "are"
                }
            );
            return Err(Error::new(Kind::Conflict, message).with_hint(
                "Replace them with --force, or give the connections another name with --connection",
            ));
        }
        self.tell_left(context);
        let message = format!("There is nothing in {} that could be imported", shown(path));
        Err(Error::new(Kind::InvalidInput, message)
            .with_hint("See what is taken: vault import --help"))
    }

    fn tell_left(&self, context: &Context) {
        for left in &self.left {
            let word = if left.reason.is_stored() {
                "Note"
            } else {
                "Not taken"
            };
            context.output.note(&format!("{word}: {left}"));
        }
    }

    fn print(&self, args: &ImportArgs, context: &Context) -> Result<()> {
        self.tell_left(context);
        if context.output.json {
            let left = self.left.iter().map(|left| {
                json!({
                    "line": left.line,
                    "name": left.name,
                    "reason": left.reason.to_string(),
                    "stored": left.reason.is_stored(),
                })
            });
            return output::print_json(&json!({
                "status": if args.dry_run { "dry_run" } else { "imported" },
                "connections": self.connections,
                "secrets": self.secrets,
                "existing": self.existing,
                "not_understood": left.collect::<Vec<_>>(),
            }));
        }
        let (done, noun) = if args.dry_run {
            ("Would import", "would be")
        } else {
            ("Imported", "were")
        };
        for (what, names) in [("", &self.connections), ("plain secrets ", &self.secrets)] {
            if !names.is_empty() {
                context
                    .output
                    .note(&format!("{done} {what}{}.", listed(names)));
            }
        }
        if !self.existing.is_empty() {
            context.output.note(&format!(
                "There already, and {noun} left as they are: {}. Replace them with --force.",
                listed(&self.existing)
            ));
        }
        if !args.dry_run && args.path != Path::new("-") {
            context.output.note(&format!(
                "The file is still there. Once all is well (vault list), remove it: shred -u '{}'",
                shown(&args.path)
            ));
        }
        Ok(())
    }
}

fn listed(names: &[String]) -> String {
    names.join(", ")
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        return "standard input".to_owned();
    }
    crate::text::printable(&path.display().to_string()).into_owned()
}

/// Provider definitions come in; connections are sealed with a key that lies
/// in a keychain or in a scheme of authsome's own, so they are named, to be
/// logged in to again.
fn authsome(args: &ImportArgs, context: &Context) -> Result<()> {
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
