//! `import`: taking in what other programs keep.

mod authsome;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::login::{ROTATE_AFTER_DAYS, kind_of};
use super::{init, secret};
use crate::audit::{Entry, Event};
use crate::cli::context::Context;
use crate::cli::{input, output};
use crate::credential::{AuthKind, Credential, Value, days_after};
use crate::error::{Error, Kind, Result};
use crate::import::{self, Incoming, Plan};
use crate::json::JsonError;
use crate::name::{ConnectionId, ConnectionName, ProviderName, VariableName};
use crate::provider::{self, Definition};
use crate::secret::Secret;
use crate::vault::Document;

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

impl From {
    fn as_str(self) -> &'static str {
        match self {
            Self::Dotenv => "dotenv",
            Self::Json => "json",
            Self::Authsome => "authsome",
        }
    }
}

/// Takes it in.
pub fn run(args: &ImportArgs, context: &Context) -> Result<()> {
    let reading = match args.from {
        From::Authsome => return authsome::take(args, context),
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
        let entry = Entry::new(Event::Import, "import").with("from", args.from.as_str());
        let entry = entry.with_list("connections", &report.connections);
        context.audit(&entry.with_list("secrets", &report.secrets));
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

/// What is stored of what comes in.
pub(super) fn value_of(incoming: &Incoming, definition: &Definition, context: &Context) -> Value {
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
    Value::of(fields, context.now)
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
