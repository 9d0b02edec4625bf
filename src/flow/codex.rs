//! The login of the Codex CLI, as that program does it: JSON where others
//! have forms, a device login of its own, and `auth.json`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::device::seconds;
use super::request::{Parameters, Prepared, ask, asked, compose, plain};
use super::tokens::Step;
use super::{FlowError, Server, Tokens, Weight, jwt};
use crate::credential;
use crate::credential::client::OAuthClient;
use crate::json::ObjectWriter;
use crate::net::{Address, Client};
use crate::provider::{Protocol, Writing};
use crate::secret::{Secret, SecretBuffer};

/// Where the claims about ChatGPT stand in an id token.
const CLAIMS: &str = "https://api.openai.com/auth";
/// It waits no longer for the person.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);
const INTERVAL: u64 = 5;
/// A token that does not say its end is renewed after so many days.
const RENEW_AFTER_DAYS: i64 = 8;

/// A code to type, and where.
pub struct DeviceCode {
    id: Secret,
    /// What to type.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    interval: u64,
}

/// Asks for a code.
///
/// # Errors
/// There is no answer, or it is no.
pub async fn begin(
    server: &Server,
    app: &OAuthClient,
    client: &Client,
) -> Result<DeviceCode, FlowError> {
    let parameters = vec![("client_id", plain(app.id.clone()))];
    let request = request(server, "/api/accounts/deviceauth/usercode", &parameters)?;
    let mut body = match ask(server, request, client).await {
        Err(FlowError::Refused { status: 404, .. }) => {
            return Err(FlowError::Refused {
                server: server.name.clone(),
                code: "device_flow_disabled".to_owned(),
                description: None,
                status: 404,
            });
        }
        other => other?,
    };
    let Some(Value::String(id)) = body.get_mut("device_auth_id").map(Value::take) else {
        return Err(server.odd("has no device code"));
    };
    let user_code = ["user_code", "usercode"]
        .iter()
        .find_map(|name| body.get(name)?.as_str())
        .ok_or_else(|| server.odd("has no code to type"))?;
    Ok(DeviceCode {
        id: Secret::from(id),
        user_code: user_code.to_owned(),
        verification_uri: format!("{}/codex/device", origin(server)?),
        interval: seconds(body.get("interval"))
            .unwrap_or(INTERVAL)
            .clamp(1, 60),
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
        loop {
            tokio::time::sleep(Duration::from_secs(code.interval)).await;
            let parameters = vec![
                ("device_auth_id", code.id.duplicate()),
                ("user_code", plain(code.user_code.clone())),
            ];
            let request = request(server, "/api/accounts/deviceauth/token", &parameters)?;
            match ask(server, request, client).await {
                Ok(body) => return granted(server, body),
                // Nobody agreed yet.
                Err(FlowError::Refused {
                    status: 403 | 404, ..
                }) => {}
                Err(FlowError::Net(_) | FlowError::Trouble { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    };
    let granted = tokio::time::timeout(PATIENCE, polling).await;
    let (authorization_code, verifier) = granted.unwrap_or_else(|_| {
        Err(FlowError::TimedOut {
            server: server.name.clone(),
        })
    })?;
    let redirect = format!("{}/deviceauth/callback", origin(server)?);
    super::exchange(
        server,
        app,
        &authorization_code,
        Some(&verifier),
        &redirect,
        client,
        now(),
    )
    .await
}

fn granted(server: &Server, mut body: Value) -> Result<(Secret, Secret), FlowError> {
    let mut take = |name: &str| match body.get_mut(name).map(Value::take) {
        Some(Value::String(text)) if !text.is_empty() => Ok(Secret::from(text)),
        _ => Err(server.odd("has no code to trade")),
    };
    Ok((take("authorization_code")?, take("code_verifier")?))
}

/// Asks for new tokens. Whatever comes back takes the place of the old one,
/// and any 401 is the end.
pub(super) async fn refresh(
    server: &Server,
    app: &OAuthClient,
    refresh_token: &Secret,
    client: &Client,
    now: Timestamp,
) -> Result<Tokens, FlowError> {
    let address = server.address("token address", server.endpoints.token.as_ref())?;
    let parameters = vec![
        ("client_id", plain(app.id.clone())),
        ("grant_type", plain("refresh_token")),
        ("refresh_token", refresh_token.duplicate()),
    ];
    let request = compose(address, &parameters, Writing::Json, None);
    match asked(server, request, Step::Renewal, client, now).await {
        Ok(tokens) => Ok(tokens),
        Err(FlowError::Refused {
            server,
            code,
            description,
            status: 401,
        }) => Err(FlowError::Refused {
            server,
            code: match code.as_str() {
                "refresh_token_expired" | "refresh_token_reused" => code,
                _ => "refresh_token_invalidated".to_owned(),
            },
            description,
            status: 401,
        }),
        // Its own words for the end; all else is worth another try.
        Err(error) if error.weight() == Weight::Client => Err(FlowError::Trouble {
            server: server.name.clone(),
            status: error.status(),
        }),
        Err(error) => Err(error),
    }
}

/// How a token is ended: JSON, with the client beside a refresh token only.
pub(super) fn revocation(
    address: Address,
    parameters: &Parameters<'_>,
    app: &OAuthClient,
) -> Prepared {
    let mut parameters: Vec<(&str, Secret)> = parameters
        .iter()
        .map(|(name, value)| (*name, value.duplicate()))
        .collect();
    let is_refresh = parameters
        .iter()
        .any(|(_, value)| value.reveal() == "refresh_token");
    if is_refresh {
        parameters.push(("client_id", plain(app.id.clone())));
    }
    compose(address, &parameters, Writing::Json, None)
}

/// What the tokens say of themselves: their end, and the account.
pub(super) fn complete(tokens: &mut Tokens) {
    if let Some(access) = &tokens.access {
        tokens.expires_at = jwt::end(access).or(tokens.expires_at);
    }
    if let Some(id_token) = &tokens.id_token {
        tokens.account_id = account_id(id_token);
        tokens.account = tokens.account.take().or_else(|| jwt::account(id_token));
    }
}

fn account_id(id_token: &Secret) -> Option<String> {
    let claims = jwt::claims(id_token)?;
    let account = claims.get(CLAIMS)?.get("chatgpt_account_id")?.as_str()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_one = !account.is_empty() && account.len() <= 128 && account.chars().all(fits);
    is_one.then(|| account.to_owned())
}

/// Whether tokens that do not say their end are to be renewed.
pub fn is_old(renewed_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(renewed_at) > SignedDuration::from_hours(24 * RENEW_AFTER_DAYS)
}

/// What whoever takes a login over, or hands one out, has to know.
pub const SHARED: &str = "Codex and vault now hold the same login, and whoever renews it first \
                          logs the other one out. Use it from one of them.";

/// The file that `codex login` writes.
#[derive(Deserialize)]
struct AuthFile {
    #[serde(default)]
    tokens: Option<AuthTokens>,
    #[serde(default)]
    last_refresh: Option<String>,
}

#[derive(Deserialize)]
struct AuthTokens {
    id_token: Secret,
    access_token: Secret,
    refresh_token: Secret,
    #[serde(default)]
    account_id: Option<String>,
}

/// Tokens from `auth.json`, and when they were last renewed.
///
/// # Errors
/// It is no such file, or holds no login.
pub fn read_auth_file(text: &Secret) -> Result<(Tokens, Option<Timestamp>), FlowError> {
    const OTHER: FlowError = FlowError::File(
        "The file is no auth.json of Codex: it is not the JSON that codex login writes",
    );
    const EMPTY: FlowError =
        FlowError::File("The auth.json holds no ChatGPT login, perhaps only an API key");
    let file: AuthFile = serde_json::from_str(text.reveal()).map_err(|_| OTHER)?;
    let held = file.tokens.ok_or(EMPTY)?;
    let is_token = |token: &Secret| {
        let text = token.reveal();
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !is_token(&held.access_token) || !is_token(&held.refresh_token) {
        return Err(EMPTY);
    }
    let refresh = Some(held.refresh_token);
    let mut tokens = Tokens::of(held.access_token, refresh, Protocol::Codex);
    tokens.id_token = Some(held.id_token).filter(is_token);
    complete(&mut tokens);
    tokens.account_id = tokens.account_id.or(held.account_id);
    let last = file.last_refresh.and_then(|time| time.parse().ok());
    Ok((tokens, last))
}

/// The same file from what is stored; `None` where it holds no such login.
pub fn write_auth_file(value: &credential::Value) -> Option<Secret> {
    let access = value.field("access_token")?;
    let refresh = value.field("refresh_token")?;
    let id_token = value.field("id_token")?;
    let mut buffer = SecretBuffer::with_capacity(8 * 1024);
    let mut object = ObjectWriter::begin(&mut buffer);
    object.member("auth_mode", &"chatgpt");
    object.member("OPENAI_API_KEY", &Value::Null);
    object.object("tokens", |tokens| {
        tokens.secret("id_token", id_token);
        tokens.secret("access_token", access);
        tokens.secret("refresh_token", refresh);
        match value.field("account_id") {
            Some(account) => tokens.secret("account_id", account),
            None => tokens.member("account_id", &Value::Null),
        }
    });
    let last = value.renewed_at.unwrap_or(value.stored_at);
    object.member("last_refresh", &last.to_string());
    object.end();
    buffer.push(b"\n");
    Secret::from_utf8(buffer.into_bytes()).ok()
}

/// The issuer, without a path.
fn origin(server: &Server) -> Result<String, FlowError> {
    let address = server.address("token address", server.endpoints.token.as_ref())?;
    let scheme = if address.is_tls { "https" } else { "http" };
    Ok(format!("{scheme}://{}", address.host_header()))
}

fn request(
    server: &Server,
    path: &str,
    parameters: &Parameters<'_>,
) -> Result<Prepared, FlowError> {
    let url = format!("{}{path}", origin(server)?);
    let address = server.address("device address", Some(&url))?;
    Ok(compose(address, parameters, Writing::Json, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn token(claims: &Value) -> String {
        format!("FAKE.{}.FAKE", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn the_file_of_codex_is_read_and_written_back_the_same() {
        let id = token(&serde_json::json!({
            "email": "me@example.com", CLAIMS: {"chatgpt_account_id": "FAKE-account"}
        }));
        let file = serde_json::json!({
            "OPENAI_API_KEY": null,
            "tokens": {
                "id_token": id,
                "access_token": token(&serde_json::json!({"exp": 1_900_000_000})),
                "refresh_token": "FAKE-refresh",
                "account_id": "FAKE-account",
            },
            "last_refresh": "2026-11-01T10:00:00.123Z",
        });
        let (tokens, last) = read_auth_file(&Secret::from(file.to_string()))
            .ok()
            .unwrap();
        assert_eq!(tokens.account_id.as_deref(), Some("FAKE-account"));
        assert_eq!(tokens.account.as_deref(), Some("me@example.com"));
        assert_eq!(tokens.expires_at.unwrap().as_second(), 1_900_000_000);
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let mut value = credential::Value::of(std::collections::BTreeMap::new(), now);
        value.renewed_at = last;
        tokens.put_into(&mut value);
        let written: Value =
            serde_json::from_str(write_auth_file(&value).unwrap().reveal()).unwrap();
        assert_eq!(written["tokens"], file["tokens"]);
        assert_eq!(written["last_refresh"], file["last_refresh"]);
        assert_eq!(written["OPENAI_API_KEY"], Value::Null);
    }

    #[test]
    fn a_file_without_a_login_is_refused_and_not_repeated() {
        for odd in [
            "FAKE",
            "[]",
            r#"{"OPENAI_API_KEY": "sk-FAKEFAKEFAKE"}"#,
            r#"{"tokens": {"id_token": "", "access_token": "", "refresh_token": "FAKE"}}"#,
        ] {
            let error = read_auth_file(&Secret::from(odd.to_owned())).err().unwrap();
            assert!(!error.to_string().contains("FAKE"), "{odd}");
        }
    }

    #[test]
    fn tokens_without_an_end_are_old_after_eight_days() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(!is_old(
            at("2026-11-01T00:00:00Z"),
            at("2026-11-08T23:00:00Z")
        ));
        assert!(is_old(
            at("2026-11-01T00:00:00Z"),
            at("2026-11-09T01:00:00Z")
        ));
    }
}
