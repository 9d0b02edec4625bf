//! The login of the Codex CLI: its own device login, and the file that it
//! writes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::support::internet::{Reply, Seen};
use super::world::{InTurn, World, says};

const LOGIN: &str = "login openai-codex --flow device_code --no-open";

/// A token that says this of itself, signed by nobody.
fn signed(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.FAKE", part(&json!({ "alg": "none" })), part(claims))
}

fn id_token() -> String {
    signed(&json!({
        "email": "fake@example.com",
        "https://api.openai.com/auth": { "chatgpt_account_id": "fake-account-id" },
    }))
}

fn access_token() -> String {
    signed(&json!({ "exp": 4_000_000_000_u64 }))
}

const REFRESH: &str = "FAKE-refresh-token-of-codex";

fn tokens() -> Value {
    json!({
        "id_token": id_token(),
        "access_token": access_token(),
        "refresh_token": REFRESH,
    })
}

fn codex(offer: Reply, answers: impl IntoIterator<Item = Reply>) -> World {
    let answers = InTurn::of(answers);
    let world = World::new(move |seen: &Seen| match &*seen.path {
        "/api/accounts/deviceauth/usercode" => offer.clone(),
        "/api/accounts/deviceauth/token" => answers.next(),
        _ => says(200, &tokens()),
    });
    hide(&world);
    world
}

/// None of the tokens may be seen.
fn hide(world: &World) {
    world.environment.secret("an id token", id_token());
    world.environment.secret("an access token", access_token());
    world.environment.secret("a refresh token", REFRESH);
}

fn must_be_stored(world: &World) {
    for (field, value) in [
        ("access_token", &*access_token()),
        ("refresh_token", REFRESH),
        ("account_id", "fake-account-id"),
        ("account", "fake@example.com"),
        ("auth_type", "oauth2"),
        ("status", "connected"),
    ] {
        assert_eq!(world.stored("openai-codex", field), value, "{field}");
    }
}

#[test]
fn a_code_of_codex_brings_tokens() {
    let offer = json!({
        "device_auth_id": "FAKE-device-auth-id",
        "user_code": "FAKE-1234",
        "interval": "1",
    });
    let granted = json!({
        "authorization_code": "FAKE-authorization-code",
        "code_challenge": "FAKE-challenge",
        "code_verifier": "FAKE-verifier-of-the-server",
    });
    // Nobody agreed yet, in two ways of saying so.
    let answers = [
        says(403, &json!({})),
        Reply::new(404, ""),
        says(200, &granted),
    ];
    let world = codex(says(200, &offer), answers);
    world
        .environment
        .secret("a code", "FAKE-authorization-code");
    world
        .environment
        .secret("a verifier", "FAKE-verifier-of-the-server");
    let ended = world.vault(LOGIN).begin().end().ok();
    assert!(ended.stderr.contains("│   FAKE-1234   │"), "{ended}");
    assert!(
        ended
            .stderr
            .contains("https://auth.openai.com/codex/device")
    );
    let seen = world.seen_at("/api/accounts/deviceauth/token");
    assert_eq!(seen.len(), 3);
    let poll: Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(
        poll,
        json!({ "device_auth_id": "FAKE-device-auth-id", "user_code": "FAKE-1234" })
    );
    let exchange = &world.forms_at("/oauth/token")[0];
    assert_eq!(exchange["code"], "FAKE-authorization-code");
    assert_eq!(exchange["code_verifier"], "FAKE-verifier-of-the-server");
    assert_eq!(
        exchange["redirect_uri"],
        "https://auth.openai.com/deviceauth/callback"
    );
    let hosts = world.internet.seen().into_iter().map(|seen| seen.host);
    assert!(hosts.into_iter().all(|host| host == "auth.openai.com"));
    must_be_stored(&world);
}

#[test]
fn where_codes_are_not_allowed_it_says_so_at_once() {
    let world = codex(Reply::new(404, ""), [says(200, &json!({}))]);
    let before = world.vault_bytes();
    let ended = world.vault(LOGIN).begin().end().fails(9);
    assert!(ended.stderr.contains("device_flow_disabled"), "{ended}");
    assert_eq!(world.internet.seen().len(), 1);
    assert_eq!(world.vault_bytes(), before);
}

#[test]
fn a_refusal_that_is_none_of_waiting_ends_it() {
    let offer = json!({ "device_auth_id": "FAKE-id", "usercode": "FAKE-1234", "interval": 1 });
    let no = says(400, &json!({ "error": { "code": "access_denied" } }));
    let world = codex(says(200, &offer), [no]);
    let before = world.vault_bytes();
    world
        .vault(LOGIN)
        .begin()
        .end()
        .fails(9)
        .says("access_denied");
    assert_eq!(world.vault_bytes(), before);
}

fn auth_json() -> String {
    let file = json!({
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": null,
        "tokens": {
            "id_token": id_token(),
            "access_token": access_token(),
            "refresh_token": REFRESH,
            "account_id": "fake-account-id",
        },
        "last_refresh": "2026-11-19T12:00:00Z",
    });
    file.to_string()
}

fn nobody() -> World {
    let world = World::on_first_day(|_| Reply::new(500, ""));
    hide(&world);
    world
}

#[test]
fn the_file_of_codex_is_taken_over() {
    let world = nobody();
    let file = world.environment.given("auth.json", auth_json());
    let run = world.vault("login openai-codex --from-file").arg(&file);
    let ended = run.ok();
    assert!(ended.stderr.contains("hold the same login"), "{ended}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), auth_json());
    must_be_stored(&world);
    assert!(world.internet.seen().is_empty(), "nobody was asked");
}

#[test]
fn the_file_of_codex_is_taken_from_standard_input() {
    let world = nobody();
    world
        .vault("login openai-codex --stdin")
        .stdin(auth_json())
        .ok();
    must_be_stored(&world);
}

#[test]
fn a_file_with_an_api_key_alone_is_refused() {
    let world = nobody();
    let key = world.environment.key("codex");
    for (content, reason) in [
        (
            json!({ "OPENAI_API_KEY": key, "tokens": null }).to_string(),
            "perhaps only an API key",
        ),
        (
            json!({ "OPENAI_API_KEY": key }).to_string(),
            "only an API key",
        ),
        (key.clone(), "is no auth.json"),
        (auth_json().replace(REFRESH, ""), "no ChatGPT login"),
        (auth_json().replace(REFRESH, "a\\nb"), "no ChatGPT login"),
    ] {
        let file = world.environment.given("auth.json", &content);
        let run = world.vault("login openai-codex --from-file").arg(&file);
        let ended = run.fails(5);
        assert!(ended.stderr.contains(reason), "{ended}");
        assert!(ended.stderr.contains("Hint: Make a new one: codex login"));
        let run = world.vault("login openai-codex --stdin");
        assert!(run.stdin(&content).fails(5).stderr.contains(reason));
    }
    assert_eq!(world.vault_bytes(), None);
}
