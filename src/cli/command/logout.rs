//! `logout`, `revoke` and `remove`: letting go of credentials.

mod remote;

use clap::Args;
use serde_json::json;

use crate::audit::{Entry, Event};
use crate::broker::select;
use crate::cli::context::Context;
use crate::cli::output;
use crate::credential::client::OAuthClient;
use crate::credential::{AuthKind, Credential};
use crate::error::{Error, Kind, Result};
use crate::name::{ConnectionId, ConnectionName, ConnectionRef, ProviderName};
use crate::provider::{self, Catalog};
use crate::seal::VaultKey;
use crate::secret::Secret;
use crate::text::counted;
use crate::vault::{Document, Store};

/// Remove a credential
#[derive(Debug, Args)]
#[command(
    after_help = "The value becomes history in the vault, so that a slip can be undone with \
restore; --purge removes that too.\n\nExamples:\n  vault logout openai\n  vault logout openai/team \
--purge\n  vault logout openai --all"
)]
pub struct LogoutArgs {
    /// The provider, or PROVIDER/CONNECTION
    #[arg(value_name = "P")]
    target: ConnectionRef,
    /// The connection of the provider
    #[arg(long, short, value_name = "NAME")]
    connection: Option<ConnectionName>,
    /// Every connection of the provider
    #[arg(long, conflicts_with = "connection")]
    all: bool,
    /// Do not tell the provider
    #[arg(long)]
    local: bool,
    /// Remove its history, and the backups that hold it, too
    #[arg(long)]
    purge: bool,
}

/// Remove everything of a provider, and tell it so where it can be told
#[derive(Debug, Args)]
#[command(
    after_help = "API keys can be taken back on the provider's own page only; its address is \
printed.\n\nExamples:\n  vault revoke openai\n  vault remove mycompany"
)]
pub struct RevokeArgs {
    /// The provider
    #[arg(value_name = "P")]
    provider: ProviderName,
}

/// Logs out.
pub fn run(args: &LogoutArgs, context: &Context) -> Result<()> {
    let reference = select::named(&args.target, args.connection.as_ref())?;
    if args.all && reference.connection.is_some() {
        let message = format!("--all is every connection, and {reference} is one");
        return Err(Error::new(Kind::Usage, message)
            .with_hint(format!("vault logout {} --all", reference.provider)));
    }
    let (store, opened) = match context.open_if_there()? {
        Some(opened) => opened,
        None => {
            context.catalog()?.find(&reference.provider)?;
            return Err(select::not_connected(&reference));
        }
    };
    let ids = if args.all {
        all_of(&opened.document, &reference.provider, args.purge, context)?
    } else {
        vec![which(&opened.document, &reference, args.purge, context)?]
    };
    let leaving = Leaving {
        ids: &ids,
        purge: args.purge,
        clients_of: None,
    };
    let gone = leave(&store, &opened.key, &leaving, "logout", context)?;
    let entry = Entry::new(Event::Logout, "logout").with_list("connections", &ids);
    context.audit(&entry.with_flag("purged", args.purge));
    let was_connected = |id: &ConnectionId| opened.document.connections().any(|held| held == *id);
    let what = if ids.iter().any(was_connected) {
        "Logged out of"
    } else {
        "Removed the history of"
    };
    if !args.local {
        remote::end(&gone, context)?;
    }
    report(&ids, what, context)
}

/// Lets go of everything of a provider.
pub fn revoke(args: &RevokeArgs, context: &Context) -> Result<()> {
    let left = revoke_all(&args.provider, "revoke", context)?;
    report(&left.ids, "Logged out of", context)?;
    if left.has_keys {
        tell_what_still_works(&args.provider, context)?;
    }
    Ok(())
}

/// Lets go of everything of a provider, its definition included.
pub fn remove(args: &RevokeArgs, context: &Context) -> Result<()> {
    let name = &args.provider;
    let catalog = context.catalog()?;
    let definition_there = catalog.path_of(name).is_some_and(|path| path.exists());
    let connected = match context.open_if_there()? {
        Some((_, opened)) => !opened.document.connections_of(name).is_empty(),
        None => false,
    };
    if !connected && !definition_there {
        catalog.find(name)?;
        let bare = ConnectionRef {
            provider: name.clone(),
            connection: None,
        };
        return Err(select::not_connected(&bare));
    }
    let left = if connected {
        revoke_all(name, "remove", context)?.ids
    } else {
        Vec::new()
    };
    if provider::remove(&context.places()?.providers, name)? {
        context.output.note(&if Catalog::is_bundled(name) {
            format!("Removed your definition of {name}; the bundled one is in force.")
        } else {
            format!("Removed the definition of {name}.")
        });
    }
    context.audit(&Entry::new(Event::Remove, "remove").with("provider", name));
    if left.is_empty() && context.output.json {
        return output::print_json(&json!({
            "status": "not_connected", "provider": name.as_str(), "connection": null,
        }));
    }
    report(&left, "Logged out of", context)
}

/// What was let go of.
struct Revoked {
    ids: Vec<ConnectionId>,
    /// Whether there were keys among it, which no program can take back.
    has_keys: bool,
}

fn revoke_all(
    provider: &ProviderName,
    command: &'static str,
    context: &Context,
) -> Result<Revoked> {
    let (store, opened) = context.open()?;
    let document = &opened.document;
    let clients = document.clients_of(provider);
    let has_clients = !clients.map_err(|bad| store.damaged(bad))?.is_empty();
    let ids = match all_of(document, provider, false, context) {
        // Nobody is logged in, but the OAuth client is still there.
        Err(error) if error.kind() == Kind::NotFound && has_clients => Vec::new(),
        ids => ids?,
    };
    let leaving = Leaving {
        ids: &ids,
        purge: false,
        clients_of: Some(provider),
    };
    let gone = leave(&store, &opened.key, &leaving, "revoke", context)?;
    let entry = Entry::new(Event::Revoke, command).with("provider", provider);
    context.audit(&entry.with_list("connections", &ids));
    remote::end(&gone, context)?;
    remote::forget_clients(&gone.clients, context)?;
    let is_key = |credential: &Credential| credential.kind == AuthKind::ApiKey;
    let has_keys = gone.connections.iter().any(|(_, held)| is_key(held));
    if has_clients {
        context
            .output
            .note(&format!("Removed the OAuth client of {provider}."));
    }
    Ok(Revoked { ids, has_keys })
}

/// A key that nobody took back at its provider goes on working.
fn tell_what_still_works(provider: &ProviderName, context: &Context) -> Result<()> {
    let definition = context
        .catalog()?
        .find(provider)
        .ok()
        .map(|found| found.definition);
    if let Some(url) = definition.and_then(|definition| definition.key_url) {
        context.output.note(&format!(
            "The key itself still works; take it back at {url}"
        ));
    }
    Ok(())
}

fn which(
    document: &Document,
    reference: &ConnectionRef,
    purge: bool,
    context: &Context,
) -> Result<ConnectionId> {
    match select::existing(document, reference) {
        Ok(id) => Ok(id),
        Err(error) => {
            // What is logged out of already may still have a history to purge.
            let id = ConnectionId {
                provider: reference.provider.clone(),
                connection: reference
                    .connection
                    .clone()
                    .unwrap_or_else(ConnectionName::default_name),
            };
            if purge && document.retired_connections().any(|retired| retired == id) {
                return Ok(id);
            }
            if document.connections_of(&reference.provider).is_empty() {
                context.catalog()?.find(&reference.provider)?;
            }
            Err(error)
        }
    }
}

fn all_of(
    document: &Document,
    provider: &ProviderName,
    purge: bool,
    context: &Context,
) -> Result<Vec<ConnectionId>> {
    let mut ids: Vec<_> = document
        .connections()
        .filter(|id| id.provider == *provider)
        .collect();
    if purge {
        ids.extend(
            document
                .retired_connections()
                .filter(|id| id.provider == *provider),
        );
    }
    if ids.is_empty() {
        context.catalog()?.find(provider)?;
        let bare = ConnectionRef {
            provider: provider.clone(),
            connection: None,
        };
        return Err(select::not_connected(&bare));
    }
    Ok(ids)
}

/// What goes.
struct Leaving<'a> {
    ids: &'a [ConnectionId],
    /// With its history, and the backups that hold it.
    purge: bool,
    /// The provider whose OAuth clients go too.
    clients_of: Option<&'a ProviderName>,
}

/// What was in force, as it was when it went.
#[derive(Default)]
struct Gone {
    connections: Vec<(ConnectionId, Credential)>,
    /// The OAuth clients of their provider.
    clients: Vec<OAuthClient>,
}

fn leave(
    store: &Store,
    key: &VaultKey,
    leaving: &Leaving<'_>,
    command: &str,
    context: &Context,
) -> Result<Gone> {
    let Leaving { ids, purge, .. } = *leaving;
    let (gone, secrets) = context.commit(store, key, command, |document| {
        let mut gone = Gone::default();
        let mut secrets = Vec::new();
        let provider = ids.first().map(|id| &id.provider).or(leaving.clients_of);
        if let Some(provider) = provider {
            let clients = document.clients_of(provider);
            gone.clients = clients.map_err(|bad| store.damaged(bad))?;
        }
        if let Some(provider) = leaving.clients_of {
            document.forget_clients(provider);
        }
        for id in ids {
            let found = document.connection(id).map_err(|bad| store.damaged(bad))?;
            if let Some(held) = &found {
                gone.connections.push((id.clone(), held.duplicate()));
            }
            if purge {
                let retired = document
                    .retired_connection(id)
                    .map_err(|bad| store.damaged(bad))?;
                let all = found.into_iter().chain(retired);
                secrets.extend(all.flat_map(Credential::into_secrets));
                document.retire_connection(id, None);
            } else if let Some(mut credential) = found {
                credential.retire(context.now);
                document.retire_connection(id, Some(&credential));
            }
        }
        Ok((gone, secrets))
    })?;
    if purge {
        purge_backups(store, key, &secrets, context, |document| {
            let mut held = document.connections().chain(document.retired_connections());
            held.any(|held| ids.contains(&held))
        })?;
    }
    Ok(gone)
}

/// Removes the backups that hold one of these secrets, under whatever name, or
/// what is `named`; those that this key does not open are told of, since they
/// may.
pub fn purge_backups(
    store: &Store,
    key: &VaultKey,
    gone: &[Secret],
    context: &Context,
    named: impl Fn(&Document) -> bool,
) -> Result<()> {
    let purged = store.purge_backups_where(key, |document| {
        Ok(named(document) || document.holds_any(gone)?)
    })?;
    if purged.removed > 0 {
        let files = counted(purged.removed, "earlier vault file");
        context
            .output
            .note(&format!("Removed {files} that held it."));
    }
    if purged.unreadable > 0 {
        context.output.warn(&format!(
            "This key does not open {}, which may hold it too. Remove them all: vault rekey \
             --purge-backups",
            counted(purged.unreadable, "earlier vault file")
        ));
    }
    Ok(())
}

fn report(left: &[ConnectionId], what: &str, context: &Context) -> Result<()> {
    for id in left {
        let ConnectionId {
            provider,
            connection,
        } = id;
        if context.output.json {
            output::print_json(&json!({
                "status": "not_connected",
                "provider": provider.as_str(),
                "connection": connection.as_str(),
            }))?;
        } else {
            context
                .output
                .note(&format!("{what} {provider} ({connection})."));
        }
    }
    Ok(())
}
