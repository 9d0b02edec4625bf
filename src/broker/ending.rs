//! Ending what was granted, at the provider. Best effort: whoever logs out is
//! told what goes on working, and where to end it by hand.

use super::grant::grant_of;
use crate::credential::Value;
use crate::credential::client::OAuthClient;
use crate::flow::revoke;
use crate::name::ConnectionId;
use crate::net::Client;
use crate::provider::Definition;

/// What became of it.
#[derive(Debug)]
pub enum Ending {
    /// The provider ended it.
    Ended,
    /// It goes on working.
    Alive {
        /// Why; a sentence without a full stop.
        reason: String,
        /// Where a person can end it.
        by_hand: Option<String>,
    },
}

/// Ends the tokens of one connection.
pub async fn end(
    id: &ConnectionId,
    definition: &Definition,
    value: &Value,
    clients: Vec<OAuthClient>,
    client: &Client,
) -> Ending {
    let alive = |reason: String| Ending::Alive {
        reason,
        by_hand: by_hand(definition),
    };
    let grant = match grant_of(id, definition, value, clients) {
        Ok(grant) => grant,
        Err(error) => return alive(error.to_string()),
    };
    let name = &definition.display_name;
    if !revoke::is_possible(&grant.server) {
        return alive(format!("{name} has no address to end tokens at"));
    }
    match revoke::revoke(&grant.server, &grant.app, value, client).await {
        Ok(()) => Ending::Ended,
        Err(error) => alive(format!("{name} did not end the tokens: {error}")),
    }
}

fn by_hand(definition: &Definition) -> Option<String> {
    let of_oauth = definition.oauth.as_ref();
    let page = of_oauth.and_then(|oauth| oauth.grants_url.clone());
    page.or_else(|| definition.key_url.clone())
}
