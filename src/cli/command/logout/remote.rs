//! Telling the provider, before the vault forgets: best effort, and whoever
//! logs out hears what goes on working.

use crate::broker::ending::{self, Ending};
use crate::cli::context::Context;
use crate::credential::{AuthKind, Credential};
use crate::error::Result;
use crate::name::{ConnectionId, ProviderName};
use crate::net::wait_for;
use crate::provider::Definition;
use crate::vault::{Document, Store};

/// Ends the tokens of these connections where they came from.
///
/// # Errors
/// A record of the vault cannot be read.
pub(super) fn end(
    document: &Document,
    ids: &[ConnectionId],
    store: &Store,
    context: &Context,
) -> Result<()> {
    for id in ids {
        let found = document.connection(id);
        let Some(credential) = found.map_err(|bad| store.damaged(bad))? else {
            continue;
        };
        if credential.kind == AuthKind::OAuth {
            end_one(id, &credential, document, store, context)?;
        }
    }
    Ok(())
}

fn end_one(
    id: &ConnectionId,
    credential: &Credential,
    document: &Document,
    store: &Store,
    context: &Context,
) -> Result<()> {
    let definition = match definition_of(&id.provider, context) {
        Ok(definition) => definition,
        Err(error) => {
            let message = format!("The tokens of {id} go on working: {error}");
            context.output.warn(&message);
            return Ok(());
        }
    };
    let clients = document.clients_of(&id.provider);
    let clients = clients.map_err(|bad| store.damaged(bad))?;
    let client = context.client();
    let value = &credential.value;
    let ended = wait_for(ending::end(id, &definition, value, clients, &client))?;
    match ended {
        Ending::Ended => context.output.note(&format!(
            "{} ended the tokens of {id}.",
            definition.display_name
        )),
        Ending::Alive { reason, by_hand } => {
            let page = by_hand.map_or(String::new(), |url| format!(" End them by hand: {url}"));
            context.output.warn(&format!(
                "The tokens of {id} go on working until they expire: {reason}.{page}"
            ));
        }
    }
    Ok(())
}

/// Takes back the clients of a provider that registered themselves.
///
/// # Errors
/// A record of the vault cannot be read.
pub(super) fn forget_clients(
    document: &Document,
    provider: &ProviderName,
    store: &Store,
    context: &Context,
) -> Result<()> {
    let clients = document.clients_of(provider);
    let clients = clients.map_err(|bad| store.damaged(bad))?;
    for app in clients.iter().filter(|app| app.is_registered()) {
        let Ok(definition) = definition_of(provider, context) else {
            continue;
        };
        let client = context.client();
        if let Err(error) = wait_for(ending::forget(&definition, app, &client))? {
            context.output.warn(&format!(
                "The client that registered itself at {} stays registered: {error}.",
                definition.display_name
            ));
        }
    }
    Ok(())
}

fn definition_of(provider: &ProviderName, context: &Context) -> Result<Definition> {
    Ok(context.catalog()?.find(provider)?.definition)
}
