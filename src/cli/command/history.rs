//! `history` and `restore`: earlier values of a connection or plain secret.

use clap::Args;
use serde_json::json;

use crate::audit;
use crate::broker::select;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::table::{Table, terminal_width};
use crate::credential::{AuthKind, Credential, fingerprint};
use crate::error::{Error, Kind, Result};
use crate::name::{ConnectionId, ConnectionName, Target, VariableName};
use crate::vault::{BadDocument, Document};

/// List earlier values of a connection or secret
#[derive(Debug, Args)]
#[command(
    after_help = "Values are told apart by fingerprint; none is shown. Versions count from \
1, oldest first.\n\nExamples:\n  vault history openai/team\n  vault restore openai/team --version 1"
)]
pub struct HistoryArgs {
    /// The connection (openai/team) or plain secret (DATABASE_URL); all that have a history without it
    #[arg(value_name = "P/C")]
    target: Option<Target>,
    /// The connection of the provider
    #[arg(long, short, value_name = "NAME")]
    connection: Option<ConnectionName>,
}

/// Put an earlier value back in force
#[derive(Debug, Args)]
#[command(
    after_help = "The value that was in force becomes history in its turn.\n\nExamples:\n  \
vault history openai/team\n  vault restore openai/team --version 1"
)]
pub struct RestoreArgs {
    /// The connection (openai/team) or plain secret (DATABASE_URL)
    #[arg(value_name = "P/C")]
    target: Target,
    /// The connection of the provider
    #[arg(long, short, value_name = "NAME")]
    connection: Option<ConnectionName>,
    /// Which version, as `history` counts them
    #[arg(long, value_name = "N")]
    version: usize,
}

/// Lists earlier values.
pub fn run(args: &HistoryArgs, context: &Context) -> Result<()> {
    let (store, opened) = context.open()?;
    let document = &opened.document;
    let named = match &args.target {
        Some(target) => vec![Entry::find(document, target, args.connection.as_ref())?],
        None => Entry::all(document),
    };
    let damaged = |bad: BadDocument| store.damaged(bad);
    if context.output.json {
        let mut listed = Vec::new();
        for entry in &named {
            let credential = entry.credential(document).map_err(damaged)?;
            listed.extend(versions(entry, &credential, document));
        }
        return output::print_json(&json!({"versions": listed}));
    }
    let mut table = Table::new(&["NAME", "VERSION", "STORED", "REPLACED", "FINGERPRINT"])
        .dispensable(&["FINGERPRINT", "REPLACED"]);
    let mut any = false;
    for entry in &named {
        let credential = entry.credential(document).map_err(damaged)?;
        for version in versions(entry, &credential, document) {
            let text = |key: &str| version[key].as_str().unwrap_or("-").to_owned();
            let moment = |key: &str| {
                text(key)
                    .chars()
                    .take(16)
                    .collect::<String>()
                    .replace('T', " ")
            };
            table.row([
                entry.to_string(),
                version["version"].to_string(),
                moment("stored_at"),
                moment("replaced_at"),
                text("fingerprint"),
            ]);
            any = true;
        }
    }
    if any {
        return output::print(&table.render(terminal_width()));
    }
    context.output.note("There are no earlier values.");
    Ok(())
}

fn versions(entry: &Entry, credential: &Credential, document: &Document) -> Vec<serde_json::Value> {
    let describe = |(index, earlier): (usize, &crate::credential::Earlier)| {
        json!({
            "name": entry.to_string(),
            "version": index + 1,
            "stored_at": earlier.value.stored_at.to_string(),
            "replaced_at": earlier.replaced_at.to_string(),
            "account": earlier.value.account,
            "fingerprint": earlier.value.fields.values().next()
                .map(|secret| fingerprint(document.fingerprint_key(), secret)),
        })
    };
    credential
        .history
        .iter()
        .enumerate()
        .map(describe)
        .collect()
}

/// Puts an earlier value back in force.
pub fn restore(args: &RestoreArgs, context: &Context) -> Result<()> {
    let store = context.store()?;
    let mut are_tokens = false;
    let restored = context.change("restore", |document| {
        let entry = Entry::find(document, &args.target, args.connection.as_ref())?;
        let mut credential = entry
            .credential(document)
            .map_err(|bad| store.damaged(bad))?;
        if !credential.restore(args.version, context.now) {
            let message = format!("{entry} has no version {}", args.version);
            return Err(Error::new(Kind::NotFound, message)
                .with_hint(format!("See which there are: vault history {entry}")));
        }
        match &entry {
            Entry::Connection(id) => {
                are_tokens = credential.kind == AuthKind::OAuth;
                document.put_connection(id, &credential);
            }
            Entry::Secret(name) => document.put_secret(name, &credential),
        }
        Ok(entry)
    })?;
    let told = audit::Entry::new(audit::Event::Restore, "restore");
    let told = match &restored {
        Entry::Connection(id) => told.on(id),
        Entry::Secret(name) => told.with("secret", name),
    };
    context.audit(&told.with_number("version", args.version as u64));
    if context.output.json {
        return output::print_json(&restored.changed());
    }
    context
        .output
        .note(&format!("Restored version {} of {restored}.", args.version));
    if are_tokens {
        context.output.note(&format!(
            "Its tokens may have been renewed or ended since then. See: vault verify {restored}"
        ));
    }
    Ok(())
}

/// Something in the vault that has a history.
pub enum Entry {
    /// A connection.
    Connection(ConnectionId),
    /// A plain secret.
    Secret(VariableName),
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connection(id) => id.fmt(f),
            Self::Secret(name) => name.fmt(f),
        }
    }
}

impl Entry {
    fn find(
        document: &Document,
        target: &Target,
        connection: Option<&ConnectionName>,
    ) -> Result<Self> {
        match target {
            Target::Connection(reference) => {
                let reference = select::named(reference, connection)?;
                let found = select::existing(document, &reference);
                // What was logged out of still has its history.
                let id = ConnectionId {
                    provider: reference.provider,
                    connection: reference
                        .connection
                        .unwrap_or_else(ConnectionName::default_name),
                };
                let retired = document.retired_connections().any(|retired| retired == id);
                match found {
                    Err(_) if retired => Ok(Self::Connection(id)),
                    found => found.map(Self::Connection),
                }
            }
            Target::Secret(name)
                if document.secrets().any(|known| known == name)
                    || document.retired_secrets().any(|known| known == name) =>
            {
                Ok(Self::Secret(name.clone()))
            }
            Target::Secret(name) => Err(Error::new(
                Kind::NotFound,
                format!("There is no plain secret {name}"),
            )
            .with_hint("See what there is: vault list")),
        }
    }

    fn all(document: &Document) -> Vec<Self> {
        let connections = document.connections().chain(document.retired_connections());
        let secrets = document.secrets().chain(document.retired_secrets());
        let connections = connections.map(Self::Connection);
        connections
            .chain(secrets.cloned().map(Self::Secret))
            .collect()
    }

    fn credential(&self, document: &Document) -> Result<Credential, BadDocument> {
        let found = match self {
            Self::Connection(id) => match document.connection(id)? {
                None => document.retired_connection(id)?,
                found => found,
            },
            Self::Secret(name) => match document.secret(name)? {
                None => document.retired_secret(name)?,
                found => found,
            },
        };
        Ok(found.expect("the entry was found in this very document"))
    }

    fn changed(&self) -> serde_json::Value {
        match self {
            Self::Connection(id) => json!({
                "status": "connected",
                "provider": id.provider.as_str(),
                "connection": id.connection.as_str(),
            }),
            Self::Secret(name) => json!({"status": "connected", "name": name.as_str()}),
        }
    }
}
