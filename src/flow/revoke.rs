//! Ending tokens where they came from (RFC 7009), best effort: the refresh
//! token first, since it outlives the others.

use super::request::{Prepared, ask, compose, forms, plain};
use super::server::TIMEOUT;
use super::{FlowError, Server, codex};
use crate::credential::Value;
use crate::credential::client::OAuthClient;
use crate::net::{Client, Request};
use crate::provider::Protocol;
use crate::secret::Secret;

/// Whether a server can be asked to end tokens.
pub fn is_possible(server: &Server) -> bool {
    server.endpoints.revocation.is_some()
}

/// Ends the tokens of a credential.
///
/// # Errors
/// The server did not say that it did.
pub async fn revoke(
    server: &Server,
    app: &OAuthClient,
    value: &Value,
    client: &Client,
) -> Result<(), FlowError> {
    let mut first_error = None;
    // Ending the refresh token ends what was got with it, where the server
    // does not end that by itself.
    let mut has_ended_one = false;
    for (field, hint) in [
        ("refresh_token", "refresh_token"),
        ("access_token", "access_token"),
    ] {
        let Some(token) = value.field(field) else {
            continue;
        };
        let request = request(server, app, token, hint)?;
        // Slack answers `ok: true`, others an empty 200: no JSON is no fault.
        match ask(server, request, client).await {
            Ok(_) | Err(FlowError::Odd { .. }) => has_ended_one = true,
            Err(error) if error.says_ended() => has_ended_one = true,
            Err(error) if has_ended_one && error.is_code("unsupported_token_type") => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(()), Err)
}

fn request(
    server: &Server,
    app: &OAuthClient,
    token: &Secret,
    hint: &str,
) -> Result<Prepared, FlowError> {
    let address = server.address("revocation address", server.endpoints.revocation.as_ref())?;
    let parameters = vec![
        ("token", token.duplicate()),
        ("token_type_hint", plain(hint)),
    ];
    Ok(match server.protocol() {
        Protocol::Codex => codex::revocation(address, &parameters, app),
        _ => compose(address, &parameters, server.oauth.token_request, Some(app)),
    })
}

/// Takes back a client that registered itself (RFC 7592).
///
/// # Errors
/// The server did not say that it did.
pub async fn forget_client(app: &OAuthClient, client: &Client) -> Result<(), FlowError> {
    let Some((url, token)) = &app.registration else {
        return Ok(());
    };
    let server = Server::of_registration(app);
    let address = server.address("registration", Some(url))?;
    let bearer = format!("Bearer {}", token.reveal());
    let prepared = Prepared {
        hidden: forms(token),
        request: Request {
            method: "DELETE".to_owned(),
            address,
            headers: vec![("authorization".to_owned(), Secret::from(bearer))],
            body: None,
            timeout: TIMEOUT,
        },
    };
    match ask(&server, prepared, client).await {
        Ok(_) | Err(FlowError::Odd { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
