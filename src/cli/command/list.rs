//! `list`: every provider and what is stored of it.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use crate::broker::select::{self, Unnamed};
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::table::{Table, terminal_width};
use crate::credential::Credential;
use crate::error::Result;
use crate::name::{ConnectionName, ProviderName, VariableName};
use crate::provider::{Definition, Source};

/// List providers, their connections, and plain secrets
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vault list\n  vault list --connected\n  vault list --due || \
echo 'time to rotate'\n  vault list --json"
)]
pub struct ListArgs {
    /// Only what is connected
    #[arg(long)]
    connected: bool,
    /// Only what is expired or past its rotation date; exit code 1 if there is any
    #[arg(long)]
    due: bool,
    /// Only providers of this kind, such as llm
    #[arg(long, value_name = "C")]
    category: Option<String>,
}

/// A provider with its connections.
struct Listed {
    name: ProviderName,
    definition: Option<Definition>,
    source: &'static str,
    connections: Vec<(ConnectionName, Credential, bool)>,
}

/// Lists; the exit code is 1 where something is due and that was the question.
pub fn run(args: &ListArgs, context: &Context) -> Result<u8> {
    let (providers, secrets) = gather(args, context)?;
    let any = providers
        .iter()
        .any(|provider| !provider.connections.is_empty())
        || !secrets.is_empty();
    if context.output.json {
        output::print_json(&as_json(&providers, &secrets, context.now))?;
    } else {
        print_table(&providers, &secrets, args, context)?;
    }
    Ok(u8::from(args.due && any))
}

type Secrets = Vec<(VariableName, Credential)>;

fn gather(args: &ListArgs, context: &Context) -> Result<(Vec<Listed>, Secrets)> {
    let mut providers = BTreeMap::new();
    for entry in context.catalog()?.all()? {
        match (entry.name.parse::<ProviderName>(), entry.definition) {
            (Ok(name), Ok(definition)) => {
                let source = match entry.source {
                    Source::Bundled => "bundled",
                    Source::Custom => "custom",
                };
                providers.insert(name, (Some(definition), source));
            }
            (_, Err(error)) => context.output.warn(&error.to_string()),
            (Err(_), Ok(_)) => {}
        }
    }
    let opened = context.open_if_there()?;
    let mut connections: BTreeMap<ProviderName, Vec<_>> = BTreeMap::new();
    let mut secrets = Vec::new();
    if let Some((store, opened)) = &opened {
        let document = &opened.document;
        for id in document.connections() {
            let found = document.connection(&id).map_err(|bad| store.damaged(bad))?;
            let Some(credential) = found else { continue };
            if args.due && !credential.is_due(context.now) {
                continue;
            }
            // The one that is used when none is named, chosen or not.
            let meant = select::unnamed(document, &id.provider);
            let chosen = matches!(meant, Unnamed::One(name) if *name == id.connection);
            // Something may be stored of a provider whose definition is gone.
            providers
                .entry(id.provider.clone())
                .or_insert((None, "custom"));
            connections
                .entry(id.provider)
                .or_default()
                .push((id.connection, credential, chosen));
        }
        for name in document.secrets() {
            let found = document.secret(name).map_err(|bad| store.damaged(bad))?;
            let Some(credential) = found else { continue };
            if args.category.is_none() && (!args.due || credential.is_due(context.now)) {
                secrets.push((name.clone(), credential));
            }
        }
    }
    let wanted = |category: Option<&str>| match &args.category {
        Some(asked) => category == Some(asked),
        None => true,
    };
    let listed = providers
        .into_iter()
        .map(|(name, (definition, source))| Listed {
            connections: connections.remove(&name).unwrap_or_default(),
            name,
            definition,
            source,
        })
        .filter(|listed| wanted(listed.category()))
        .filter(|listed| !(args.connected || args.due) || !listed.connections.is_empty())
        .collect();
    Ok((listed, secrets))
}

impl Listed {
    fn category(&self) -> Option<&str> {
        self.definition.as_ref()?.category.as_deref()
    }

    fn auth_type(&self) -> &str {
        self.definition
            .as_ref()
            .map_or("-", |definition| definition.auth_type().as_str())
    }
}

fn as_json(providers: &[Listed], secrets: &Secrets, now: Timestamp) -> serde_json::Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let providers: Vec<_> = providers
        .iter()
        .map(|listed| {
            let connections: Vec<_> = listed
                .connections
                .iter()
                .map(|(name, credential, chosen)| {
                    json!({
                        "connection": name.as_str(),
                        "status": credential.status_at(now).as_str(),
                        "default": chosen,
                        "expires_at": time(credential.value.expires_at),
                        "rotate_at": time(credential.value.rotate_at),
                        "account": credential.value.account,
                    })
                })
                .collect();
            json!({
                "name": listed.name.as_str(),
                "display_name": listed.definition.as_ref().map(|d| d.display_name.as_str()),
                "auth_type": listed.definition.as_ref().map(|d| d.auth_type().as_str()),
                "category": listed.category(),
                "source": listed.source,
                "connections": connections,
            })
        })
        .collect();
    let secrets: Vec<_> = secrets
        .iter()
        .map(|(name, credential)| {
            json!({"name": name.as_str(), "rotate_at": time(credential.value.rotate_at)})
        })
        .collect();
    json!({"providers": providers, "secrets": secrets})
}

fn print_table(
    providers: &[Listed],
    secrets: &Secrets,
    args: &ListArgs,
    context: &Context,
) -> Result<()> {
    let day = |time: Option<Timestamp>| {
        time.map_or_else(|| "-".to_owned(), |time| time.to_string()[..10].to_owned())
    };
    let headings = [
        "PROVIDER",
        "CONNECTION",
        "TYPE",
        "STATUS",
        "SOURCE",
        "EXPIRES",
        "ROTATE",
    ];
    let mut table = Table::new(&headings).dispensable(&["TYPE", "SOURCE", "EXPIRES", "ROTATE"]);
    let mut rows = 0;
    for listed in providers {
        if listed.connections.is_empty() {
            let name = listed.name.as_str();
            table.row([
                name,
                "-",
                listed.auth_type(),
                "not_connected",
                listed.source,
                "-",
                "-",
            ]);
            rows += 1;
        }
        for (name, credential, chosen) in &listed.connections {
            let mark = if *chosen && listed.connections.len() > 1 {
                " *"
            } else {
                ""
            };
            table.row([
                listed.name.as_str(),
                &format!("{name}{mark}"),
                listed.auth_type(),
                credential.status_at(context.now).as_str(),
                listed.source,
                &day(credential.value.expires_at),
                &day(credential.value.rotate_at),
            ]);
            rows += 1;
        }
    }
    for (name, credential) in secrets {
        let status = credential.status_at(context.now).as_str();
        let rotate = day(credential.value.rotate_at);
        let expires = day(credential.value.expires_at);
        table.row([name.as_str(), "-", "plain", status, "-", &expires, &rotate]);
        rows += 1;
    }
    if rows > 0 {
        return output::print(&table.render(terminal_width()));
    }
    context.output.note(match (args.due, args.connected) {
        (true, _) => "Nothing is due.",
        (_, true) => "Nothing is connected yet. Begin with: vault login openai",
        _ => "There is no provider in that category. See the categories: vault provider list",
    });
    Ok(())
}
