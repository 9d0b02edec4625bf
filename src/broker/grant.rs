//! What an OAuth connection was granted by, put together from its provider's
//! definition, the connection and the clients in the vault.

use crate::credential::Value;
use crate::credential::client::{OAuthClient, Proof};
use crate::error::{Error, Kind, Result};
use crate::flow::Server;
use crate::name::ConnectionId;
use crate::provider::Definition;

/// A server, and who we are there.
pub struct Grant {
    /// The authorization server.
    pub server: Server,
    /// The client that the tokens were given to.
    pub app: OAuthClient,
}

/// The server and client of a connection; `clients` are those in the vault.
///
/// # Errors
/// The definition has no OAuth any more, or the client is gone.
pub fn grant_of(
    id: &ConnectionId,
    definition: &Definition,
    value: &Value,
    clients: Vec<OAuthClient>,
) -> Result<Grant> {
    let plain = |name: &str| plain_field(definition, value, name);
    let server = Server::of(definition, value.base_url.as_deref(), &plain)?;
    let stored = clients
        .into_iter()
        .find(|client| Some(&client.id) == value.client.as_ref());
    let app = stored.or_else(|| public_client(definition, value));
    let app = app.ok_or_else(|| {
        let message = format!("The OAuth client of {id} is not in the vault any more");
        Error::new(Kind::NotFound, message)
            .with_hint(format!("Log in again: vault login {id} --force"))
    })?;
    Ok(Grant {
        server: server.known_to(&app),
        app,
    })
}

/// A field that may stand in an address: one that is no secret.
pub fn plain_field(definition: &Definition, value: &Value, name: &str) -> Option<String> {
    let known = definition.field(name).filter(|field| !field.is_secret)?;
    let stored = value.field(name).map(|stored| stored.reveal().to_owned());
    stored.or_else(|| known.default.clone())
}

/// The client that anyone may use; OpenRouter wants none at all.
fn public_client(definition: &Definition, value: &Value) -> Option<OAuthClient> {
    let own = definition.oauth.as_ref()?.client_id.as_ref();
    match (own, &value.client) {
        (Some(own), Some(used)) if own == used => {
            Some(OAuthClient::new(own.clone(), None, Proof::None))
        }
        (_, None) => Some(OAuthClient::new(String::new(), None, Proof::None)),
        _ => None,
    }
}
