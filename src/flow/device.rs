//! The device login (RFC 8628): a code that the person types elsewhere, and
//! the waiting for it. The interval is kept, and lengthened when the server
//! says so.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::request::{Parameters, ask, asked, compose, joined, plain};
use super::tokens::Step;
use super::{FlowError, Server, Tokens};
use crate::credential::client::OAuthClient;
use crate::net::Client;
use crate::provider::Writing;
use crate::secret::Secret;

/// Between two questions, where the server says nothing.
const INTERVAL: u64 = 5;
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// A code lives no longer, whatever the server says.
const LONGEST_LIFE: u64 = 30 * 60;
/// No code that a person types is longer.
const LONGEST_CODE: usize = 64;

/// A code to type, and where.
pub struct DeviceCode {
    device_code: Secret,
    /// What to type.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it.
    pub complete: Option<String>,
    /// How long it lives.
    pub life: Duration,
    interval: u64,
}

/// Asks for a code.
///
/// # Errors
/// There is no answer, or it is no.
pub async fn begin(
    server: &Server,
    app: &OAuthClient,
    scopes: &[String],
    client: &Client,
) -> Result<DeviceCode, FlowError> {
    let address = server.address("device address", server.endpoints.device.as_ref())?;
    let mut parameters: Parameters<'_> = Vec::new();
    if !scopes.is_empty() {
        parameters.push(("scope", plain(joined(server, scopes))));
    }
    let request = compose(address, &parameters, writing(server), Some(app));
    let mut body = ask(server, request, client).await?;
    let text = |body: &Value, name: &str| {
        let text = body.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let Some(Value::String(device_code)) = body.get_mut("device_code").map(Value::take) else {
        return Err(server.odd("has no device code"));
    };
    let user_code = text(&body, "user_code").filter(|code| code.len() <= LONGEST_CODE);
    // Google's own name for it.
    let uri = text(&body, "verification_uri").or_else(|| text(&body, "verification_url"));
    let number = |name: &str| seconds(body.get(name));
    Ok(DeviceCode {
        device_code: Secret::from(device_code),
        user_code: user_code.ok_or_else(|| server.odd("has no code to type"))?,
        verification_uri: uri
            .filter(|uri| is_page(uri))
            .ok_or_else(|| server.odd("has no page to type the code at"))?,
        complete: text(&body, "verification_uri_complete").filter(|uri| is_page(uri)),
        life: Duration::from_secs(number("expires_in").unwrap_or(900).min(LONGEST_LIFE)),
        interval: number("interval").unwrap_or(INTERVAL).min(LONGEST_LIFE),
    })
}

/// Waits until the person agreed.
///
/// # Errors
/// They did not, or not in time.
pub async fn wait(
    server: &Server,
    app: &OAuthClient,
    code: &DeviceCode,
    client: &Client,
    now: &dyn Fn() -> Timestamp,
) -> Result<Tokens, FlowError> {
    let polling = async {
        let mut interval = code.interval;
        loop {
            // Some servers say that no time need pass.
            let pause = Duration::from_secs(interval).max(SHORTEST_PAUSE);
            tokio::time::sleep(pause).await;
            let error = match poll(server, app, code, client, now()).await {
                Ok(tokens) => return Ok(tokens),
                Err(error) => error,
            };
            let slower = match &error {
                _ if error.is_code("authorization_pending") => interval,
                _ if error.is_code("slow_down") => interval + INTERVAL,
                // Nothing is lost by asking again: fewer and fewer times.
                FlowError::Net(_) | FlowError::Trouble { .. } => (interval * 2).max(1),
                _ => return Err(error),
            };
            interval = slower.min(LONGEST_LIFE);
        }
    };
    tokio::time::timeout(code.life, polling)
        .await
        .unwrap_or_else(|_| {
            Err(FlowError::TimedOut {
                server: server.name.clone(),
            })
        })
}

async fn poll(
    server: &Server,
    app: &OAuthClient,
    code: &DeviceCode,
    client: &Client,
    now: Timestamp,
) -> Result<Tokens, FlowError> {
    let parameters = vec![
        (
            "grant_type",
            plain("urn:ietf:params:oauth:grant-type:device_code"),
        ),
        ("device_code", code.device_code.duplicate()),
    ];
    let address = server.address("token address", server.endpoints.token.as_ref())?;
    let request = compose(address, &parameters, writing(server), Some(app));
    asked(server, request, Step::Login, client, now).await
}

fn writing(server: &Server) -> Writing {
    match server.oauth.device_token_request.as_deref() {
        Some("json") => Writing::Json,
        Some(_) => Writing::Form,
        None => server.oauth.token_request,
    }
}

/// A number, or its digits (Codex).
pub(super) fn seconds(given: Option<&Value>) -> Option<u64> {
    match given? {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}

/// Whether a person may be sent there: a page on the web, or on this machine.
fn is_page(uri: &str) -> bool {
    let fits = uri.len() <= 2048 && uri.bytes().all(|byte| byte.is_ascii_graphic());
    fits && (uri.starts_with("https://") || uri.starts_with("http://") && !in_the_clear(uri))
}

fn in_the_clear(uri: &str) -> bool {
    crate::provider::is_in_the_clear(uri.split(['?', '#']).next().unwrap_or(uri))
}
