//! Telling the provider, after the vault let go: best effort, and whoever
//! logs out hears what goes on working.

use super::Gone;
use crate::broker::ending::{self, Ending};
use crate::cli::context::Context;
use crate::credential::client::OAuthClient;
use crate::credential::{AuthKind, Credential};
use crate::error::Result;
use crate::flow::revoke;
use crate::name::{ConnectionId, ProviderName};
use crate::net::wait_for;
use crate::provider::Definition;

/// Ends the tokens of connections that were let go of, where they came from.
///
/// # Errors
/// The system gives us no event queue.
pub(super) fn end(gone: &Gone, context: &Context) -> Result<()> {
    for (id, credential) in &gone.connections {
        if credential.kind == AuthKind::OAuth {
            end_one(id, credential, &gone.clients, context)?;
        }
    }
    Ok(())
}

fn end_one(
    id: &ConnectionId,
    credential: &Credential,
    clients: &[OAuthClient],
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
    let clients = clients.iter().map(OAuthClient::duplicate).collect();
    let client = context.client();
    let value = &credential.value;
    let ended = wait_for(ending::end(id, &definition, value, clients, &client))?;
    match ended {
        Ending::Ended => context.output.note(&format!(
            "{} ended the tokens of {id}.",
            definition.display_name
        )),
        Ending::Alive { reason, by_hand } => {
            let page = match by_hand {
                Some(url) => format!("at {url}"),
                None => format!(
                    "in the settings of your {} account",
                    definition.display_name
                ),
            };
            context.output.warn(&format!(
                "The tokens of {id} go on working: {reason}. End them {page}."
            ));
        }
    }
    Ok(())
}

/// Takes back the clients that registered themselves.
///
/// # Errors
/// The system gives us no event queue.
pub(super) fn forget_clients(clients: &[OAuthClient], context: &Context) -> Result<()> {
    for app in clients.iter().filter(|app| app.is_registered()) {
        let client = context.client();
        if let Err(error) = wait_for(revoke::forget_client(app, &client))? {
            context.output.warn(&format!(
                "The client that registered itself at {} stays registered: {error}.",
                app.server
            ));
        }
    }
    Ok(())
}

fn definition_of(provider: &ProviderName, context: &Context) -> Result<Definition> {
    Ok(context.catalog()?.find(provider)?.definition)
}
