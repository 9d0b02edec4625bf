//! Requests to the token address and its neighbours: how they are written,
//! how the client proves itself, and how an answer is read that may say no in
//! more ways than one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

use super::server::{RENEWAL_TIMEOUT, TIMEOUT};
use super::tokens::Step;
use super::{FlowError, Server, Tokens, codex};
use crate::credential::attach::{Encoding, encoded};
use crate::credential::client::{OAuthClient, Proof};
use crate::net::{Address, Answer, Client, Request};
use crate::provider::{Protocol, Writing};
use crate::secret::{Secret, SecretBuffer};
use crate::text::printable;

/// More of a server's sentence is not shown.
const LONGEST_TOLD: usize = 200;
/// The parameters that are secret.
const SECRET: [&str; 9] = [
    "assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_auth_id",
    "device_code",
    "refresh_token",
    "token",
    "user_code",
];
/// A shorter text stands in many others.
const SHORTEST_HIDDEN: usize = 8;

/// Parameters of a request, in order.
pub(super) type Parameters<'a> = Vec<(&'a str, Secret)>;

pub(super) fn plain(text: impl Into<String>) -> Secret {
    Secret::from(text.into())
}

/// Trades a code for tokens.
///
/// # Errors
/// There is no answer, or it is no.
pub async fn exchange(
    server: &Server,
    app: &OAuthClient,
    code: &Secret,
    verifier: Option<&Secret>,
    redirect_uri: &str,
    client: &Client,
    now: Timestamp,
) -> Result<Tokens, FlowError> {
    let mut parameters = vec![("code", code.duplicate())];
    parameters.extend(verifier.map(|verifier| ("code_verifier", verifier.duplicate())));
    if server.protocol() == Protocol::OpenRouter {
        parameters.push(("code_challenge_method", plain("S256")));
        let request = written(server, &parameters, Writing::Json, None)?;
        return asked(server, request, Step::Login, client, now).await;
    }
    parameters.insert(0, ("grant_type", plain("authorization_code")));
    parameters.push(("redirect_uri", plain(redirect_uri)));
    tokens(server, app, parameters, client, now).await
}

/// Asks for new tokens with a refresh token.
///
/// # Errors
/// There is no answer, or it is no.
pub async fn refresh(
    server: &Server,
    app: &OAuthClient,
    refresh_token: &Secret,
    client: &Client,
    now: Timestamp,
) -> Result<Tokens, FlowError> {
    if server.protocol() == Protocol::Codex {
        return codex::refresh(server, app, refresh_token, client, now).await;
    }
    let parameters = vec![
        ("grant_type", plain("refresh_token")),
        ("refresh_token", refresh_token.duplicate()),
    ];
    let own = server.refresh.as_ref();
    let address = own.or(server.endpoints.token.as_ref());
    let address = server.address("refresh address", address)?;
    let request = compose(address, &parameters, server.oauth.token_request, Some(app));
    asked(server, request, Step::Renewal, client, now).await
}

/// Asks for tokens as the client itself.
///
/// # Errors
/// There is no answer, or it is no.
pub async fn client_credentials(
    server: &Server,
    app: &OAuthClient,
    scopes: &[String],
    client: &Client,
    now: Timestamp,
) -> Result<Tokens, FlowError> {
    let mut parameters = vec![("grant_type", plain("client_credentials"))];
    if !scopes.is_empty() {
        parameters.push(("scope", plain(joined(server, scopes))));
    }
    tokens(server, app, parameters, client, now).await
}

/// Asks for a token with a signed assertion (RFC 7523, section 2.1).
///
/// # Errors
/// There is no answer, or it is no.
pub async fn bearer(
    server: &Server,
    assertion: &Secret,
    client: &Client,
    now: Timestamp,
) -> Result<Tokens, FlowError> {
    let parameters = vec![
        (
            "grant_type",
            plain("urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ),
        ("assertion", assertion.duplicate()),
    ];
    let request = written(server, &parameters, Writing::Form, None)?;
    asked(server, request, Step::Login, client, now).await
}

/// Scopes as one text.
pub(super) fn joined(server: &Server, scopes: &[String]) -> String {
    scopes.join(server.oauth.scope_separator.as_deref().unwrap_or(" "))
}

/// Sends a request of the token address and reads the tokens in its answer.
pub(super) async fn tokens(
    server: &Server,
    app: &OAuthClient,
    parameters: Parameters<'_>,
    client: &Client,
    now: Timestamp,
) -> Result<Tokens, FlowError> {
    let request = written(server, &parameters, server.oauth.token_request, Some(app))?;
    asked(server, request, Step::Login, client, now).await
}

fn written(
    server: &Server,
    parameters: &Parameters<'_>,
    writing: Writing,
    app: Option<&OAuthClient>,
) -> Result<Prepared, FlowError> {
    let address = server.address("token address", server.endpoints.token.as_ref())?;
    Ok(compose(address, parameters, writing, app))
}

/// A request, and everything in it that an answer must not repeat to a
/// person.
pub(super) struct Prepared {
    pub request: Request,
    pub hidden: Vec<Secret>,
}

/// A request with these parameters, and with the client's proof.
pub(super) fn compose(
    address: Address,
    parameters: &Parameters<'_>,
    writing: Writing,
    app: Option<&OAuthClient>,
) -> Prepared {
    let mut parameters: Vec<(&str, Secret)> = parameters
        .iter()
        .map(|(name, value)| (*name, value.duplicate()))
        .collect();
    let mut headers = vec![("accept".to_owned(), plain("application/json"))];
    match app {
        Some(app) if app.proof == Proof::Basic => {
            headers.push(("authorization".to_owned(), basic(app)));
        }
        Some(app) => {
            parameters.push(("client_id", plain(app.id.clone())));
            if let Some(secret) = app.secret.as_ref().filter(|_| app.proof == Proof::Body) {
                parameters.push(("client_secret", secret.duplicate()));
            }
        }
        None => {}
    }
    let (content_type, body) = match writing {
        Writing::Form => ("application/x-www-form-urlencoded", form(&parameters)),
        Writing::Json => ("application/json", json(&parameters)),
    };
    headers.push(("content-type".to_owned(), plain(content_type)));
    let of_app = app.and_then(|app| app.secret.as_ref());
    let secret = parameters.iter().filter(|(name, _)| SECRET.contains(name));
    let values = secret.map(|(_, value)| value);
    let hidden = values.chain(of_app).flat_map(forms).collect();
    Prepared {
        hidden,
        request: Request {
            method: "POST".to_owned(),
            address,
            headers,
            body: Some(body),
            timeout: TIMEOUT,
        },
    }
}

/// A text in every form in which it may come back.
pub(super) fn forms(text: &Secret) -> Vec<Secret> {
    if text.len() < SHORTEST_HIDDEN {
        return Vec::new();
    }
    let text = text.reveal();
    let in_json = Zeroizing::new(serde_json::Value::from(text).to_string());
    vec![
        plain(text),
        plain(encoded(text, Encoding::Query)),
        plain(encoded(text, Encoding::Segment)),
        plain(in_json.trim_matches('"')),
        plain(STANDARD.encode(text)),
    ]
}

/// Basic authentication of a client; both parts are encoded first (RFC 6749,
/// section 2.3.1).
fn basic(app: &OAuthClient) -> Secret {
    let secret = app.secret.as_ref().map_or("", Secret::reveal);
    let pair = Zeroizing::new(format!(
        "{}:{}",
        encoded(&app.id, Encoding::Query),
        *Zeroizing::new(encoded(secret, Encoding::Query))
    ));
    let mut text = Zeroizing::new(String::from("Basic "));
    STANDARD.encode_string(pair.as_bytes(), &mut text);
    Secret::from(std::mem::take(&mut *text))
}

fn form(parameters: &[(&str, Secret)]) -> Secret {
    let mut text = Zeroizing::new(String::with_capacity(512));
    for (name, value) in parameters {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&Zeroizing::new(encoded(value.reveal(), Encoding::Query)));
    }
    Secret::from(std::mem::take(&mut *text))
}

fn json(parameters: &[(&str, Secret)]) -> Secret {
    let mut buffer = SecretBuffer::with_capacity(512);
    let mut object = crate::json::ObjectWriter::begin(&mut buffer);
    for (name, value) in parameters {
        object.secret(name, value);
    }
    object.end();
    Secret::from_utf8(buffer.into_bytes()).expect("the JSON writer writes UTF-8")
}

/// Sends a request and returns the tokens in its answer.
pub(super) async fn asked(
    server: &Server,
    prepared: Prepared,
    step: Step,
    client: &Client,
    now: Timestamp,
) -> Result<Tokens, FlowError> {
    let mut request = prepared.request;
    if step == Step::Renewal {
        request.timeout = RENEWAL_TIMEOUT;
    }
    let answer = client.send(request).await?;
    Tokens::of_answer(server, answer, &prepared.hidden, step, now)
}

/// Sends a request and returns what a good answer holds.
pub(super) async fn ask(
    server: &Server,
    prepared: Prepared,
    client: &Client,
) -> Result<Value, FlowError> {
    let answer = client.send(prepared.request).await?;
    read(server, answer, &prepared.hidden)
}

/// The JSON of an answer that does not say no. Some say it with a 200
/// (GitHub: `error`; Slack: `ok: false`).
pub(super) fn read(server: &Server, answer: Answer, hidden: &[Secret]) -> Result<Value, FlowError> {
    let status = answer.status;
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let is_good = (200..300).contains(&status);
    let code = body.as_ref().and_then(|body| error_code(body, is_good));
    let is_no = body.as_ref().and_then(|body| body.get("ok")) == Some(&Value::Bool(false));
    match (body, code) {
        (Some(body), code) if !is_good || is_no || code.is_some() => Err(refusal(
            server,
            status,
            code.as_deref(),
            description(&body),
            hidden,
        )),
        (Some(body), _) => Ok(body),
        (None, _) if is_good => Err(server.odd("is no JSON")),
        (None, _) => Err(refusal(server, status, None, None, hidden)),
    }
}

/// The word for why not, where it stands in one of the usual places.
fn error_code(body: &Value, is_good: bool) -> Option<String> {
    let error = body.get("error");
    let places = [
        error.and_then(|error| error.get("code")),
        error.and_then(|error| error.get("type")),
        error,
        body.get("error_code"),
        body.get("code").filter(|_| error.is_some() || !is_good),
    ];
    let word = places
        .into_iter()
        .flatten()
        .find_map(|place| place.as_str().filter(|text| !text.is_empty()));
    word.map(str::to_owned)
}

fn description(body: &Value) -> Option<String> {
    let error = body.get("error");
    let places = [
        body.get("error_description"),
        error.and_then(|error| error.get("message")),
        body.get("message"),
    ];
    let text = places.into_iter().flatten().find_map(Value::as_str);
    text.map(str::to_owned)
}

fn refusal(
    server: &Server,
    status: u16,
    code: Option<&str>,
    description: Option<String>,
    hidden: &[Secret],
) -> FlowError {
    let server = server.name.clone();
    if status == 429 || status >= 500 || (300..400).contains(&status) {
        return FlowError::Trouble { server, status };
    }
    let is_word = |code: &&str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        code.len() <= 64 && code.chars().all(fits) && shown(code, hidden).is_some()
    };
    let code = match code.filter(is_word) {
        Some(code) => code.to_owned(),
        None => format!("HTTP {status}"),
    };
    FlowError::Refused {
        server,
        code,
        description: description.and_then(|text| shown(&text, hidden)),
        status,
    }
}

/// A server's own text, unless something that we sent stands in it.
pub(super) fn shown(text: &str, hidden: &[Secret]) -> Option<String> {
    let is_ours = |secret: &Secret| text.contains(secret.reveal());
    // The first sentence: what follows are numbers for the server's people.
    let text = text.lines().next().unwrap_or_default().trim();
    let text = text.trim_end_matches('.');
    if text.is_empty() || hidden.iter().any(is_ours) {
        return None;
    }
    let cut: String = text.chars().take(LONGEST_TOLD).collect();
    Some(printable(&cut).into_owned())
}

#[cfg(test)]
pub(in crate::flow) mod tests {
    use super::*;
    use crate::provider::validate;

    pub(in crate::flow) fn server() -> Server {
        let text = r#"{"display_name": "Example", "auth": ["oauth2"], "oauth": {
            "authorization_url": "https://a.example.com/auth",
            "token_url": "https://a.example.com/token"}}"#;
        let definition = validate(text, std::path::Path::new("example.json")).unwrap();
        Server::of(&definition, None, &|_| None).unwrap()
    }

    fn answered(status: u16, body: &str) -> Result<Value, FlowError> {
        let answer = Answer {
            status,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        };
        let sent = [plain("FAKE-refresh-token")];
        read(&server(), answer, &sent)
    }

    #[test]
    fn no_is_no_whatever_the_status() {
        for (status, body, code) in [
            (400, r#"{"error": "invalid_grant"}"#, "invalid_grant"),
            (
                200,
                r#"{"error": "bad_verification_code"}"#,
                "bad_verification_code",
            ),
            (
                200,
                r#"{"ok": false, "error": "invalid_code"}"#,
                "invalid_code",
            ),
            (
                401,
                r#"{"error": {"code": "token_expired"}}"#,
                "token_expired",
            ),
            (
                428,
                r#"{"error": "authorization_pending"}"#,
                "authorization_pending",
            ),
            (403, "<html>no</html>", "HTTP 403"),
            (
                400,
                r#"{"error": "a sentence that is no word"}"#,
                "HTTP 400",
            ),
        ] {
            let error = answered(status, body).err().unwrap();
            assert!(error.is_code(code), "{body}: {error}");
        }
        assert!(answered(200, r#"{"ok": true}"#).is_ok());
        for status in [302, 429, 500, 503] {
            let error = answered(status, "{}").err().unwrap();
            assert!(matches!(error, FlowError::Trouble { .. }), "{status}");
        }
        assert!(answered(200, "access_token=FAKE").is_err());
    }

    #[test]
    fn what_a_server_says_is_not_repeated_where_it_holds_what_was_sent() {
        let say = |text: &str| {
            let body = serde_json::json!({"error": "invalid_grant", "error_description": text});
            answered(400, &body.to_string()).err().unwrap().to_string()
        };
        assert!(say("It has ended.").contains("It has ended (invalid_grant)"));
        let echoed = say("No such token: FAKE-refresh-token");
        assert!(!echoed.contains("FAKE"), "{echoed}");
        assert!(!say("\u{1b}[2Jgone").contains('\u{1b}'));
        let echoed = answered(400, r#"{"error": "FAKE-refresh-token"}"#);
        assert!(!echoed.err().unwrap().to_string().contains("FAKE"));
    }

    #[test]
    fn whatever_form_a_secret_was_sent_in_none_is_repeated() {
        let address = Address::parse(&plain("https://a.example.com/token"));
        let app = OAuthClient::new("id".to_owned(), Some(plain("FAKE/client+1")), Proof::Basic);
        let parameters = vec![("refresh_token", plain("1//0FAKE+\"x/:y"))];
        let prepared = compose(
            address.ok().unwrap(),
            &parameters,
            Writing::Form,
            Some(&app),
        );
        for told in [
            "no 1//0FAKE+\"x/:y here",
            "no 1//0FAKE+\\\"x/:y here",
            "no 1%2F%2F0FAKE%2B%22x%2F%3Ay here",
            "no FAKE/client+1 here",
            "no FAKE%2Fclient%2B1 here",
        ] {
            assert_eq!(shown(told, &prepared.hidden), None, "{told}");
        }
        assert!(shown("no such token", &prepared.hidden).is_some());
    }

    #[test]
    fn a_client_proves_itself_as_it_is_known() {
        let secret = || Some(plain("FAKE:secret"));
        let address = || {
            Address::parse(&plain("https://a.example.com/token"))
                .ok()
                .unwrap()
        };
        let body_of = |proof, writing| {
            let app = OAuthClient::new("my id".to_owned(), secret(), proof);
            let parameters = vec![("code", plain("FAKE+code"))];
            let request = compose(address(), &parameters, writing, Some(&app)).request;
            let authorization = request
                .headers
                .iter()
                .find(|(name, _)| name == "authorization")
                .map(|(_, value)| value.reveal().to_owned());
            (request.body.unwrap().reveal().to_owned(), authorization)
        };
        assert_eq!(
            body_of(Proof::None, Writing::Form),
            ("code=FAKE%2Bcode&client_id=my%20id".to_owned(), None)
        );
        assert_eq!(
            body_of(Proof::Body, Writing::Json).0,
            r#"{"code":"FAKE+code","client_id":"my id","client_secret":"FAKE:secret"}"#
        );
        let (body, authorization) = body_of(Proof::Basic, Writing::Form);
        assert_eq!(body, "code=FAKE%2Bcode");
        let expected = STANDARD.encode("my%20id:FAKE%3Asecret");
        assert_eq!(authorization.unwrap(), format!("Basic {expected}"));
    }
}
