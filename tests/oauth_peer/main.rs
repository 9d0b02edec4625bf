//! The flows of OAuth against an authorization server that is not ours
//! (`oidc-provider`, certified by the OpenID Foundation), its pages being
//! driven by a real browser.
//!
//! Needs `node` with `oidc-provider` and `playwright-core` in `NODE_PATH`, and
//! `chromium`. Where they are missing each test is skipped, unless
//! `VAULT_TEST_REQUIRE` asks for `oidc-provider` or `chromium`.

#![allow(clippy::unwrap_used)] // also in helpers

mod peer;
mod person;
#[path = "../support/mod.rs"]
mod support;

use std::fs;

use peer::{CLIENT_SECRET, Peer};
use person::Person;
use serde_json::json;
use support::running::{Ended, Running};
use support::{TestEnvironment, make_folder};

/// Far from its end, so that nothing renews it.
const LONG: u32 = 3600;

/// Within five minutes of its end from the beginning.
const SHORT: u32 = 200;

fn environment() -> TestEnvironment {
    TestEnvironment::new().with_identity_vault()
}

fn start<'a>(environment: &'a TestEnvironment, arguments: &[&str]) -> Running<'a> {
    Running::start(environment.vault(arguments).command())
}

/// Leaves what a login said where the hunt looks.
fn keep(environment: &TestEnvironment, ended: &Ended) {
    let count = fs::read_dir(environment.path("work")).unwrap().count();
    let said = format!("{}{}", ended.stdout, ended.stderr);
    fs::write(environment.path(&format!("work/login-{count}")), said).unwrap();
}

fn must_succeed(environment: &TestEnvironment, ended: &Ended, connection: &str) {
    keep(environment, ended);
    let success = format!("Successfully logged in to {connection}.");
    assert!(
        ended.code == 0 && ended.stderr.contains(&success),
        "{:?}: {}",
        ended.code,
        ended.stderr
    );
}

/// The first address in what was said that begins so.
fn address(said: &str, beginning: &str) -> Option<String> {
    let mut words = said.split_whitespace();
    words
        .find(|word| word.starts_with(beginning))
        .map(str::to_owned)
}

/// A user code as this server makes them: `ABCD-EFGH`.
fn user_code(said: &str) -> Option<String> {
    let is_part = |part: &str| part.len() == 4 && part.bytes().all(|b| b.is_ascii_uppercase());
    said.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .find(|word| {
            word.split_once('-')
                .is_some_and(|(a, b)| is_part(a) && is_part(b))
        })
        .map(str::to_owned)
}

/// `vault ARGUMENTS --no-open`, and a person who agrees in the browser.
/// Returns the address that the browser was sent to.
fn log_in(environment: &TestEnvironment, peer: &Peer, arguments: &[&str], name: &str) -> String {
    let person = Person::sits_down();
    let arguments = [arguments, &["--no-open"]].concat();
    let mut login = start(environment, &arguments);
    let beginning = format!("{}/auth?", peer.issuer());
    let url = login.wait_for("address", |said| address(said, &beginning));
    let page = person.agrees_at(&url);
    assert!(page.contains("close this window"), "{page}");
    must_succeed(environment, &login.end(), name);
    url
}

fn log_in_with_pkce(environment: &TestEnvironment, peer: &Peer) {
    peer.define_usual(environment);
    let call = ["login", "peer", "--flow", "pkce"];
    log_in(environment, peer, &call, "peer (default)");
}

/// What `get` gives a script.
fn token(environment: &TestEnvironment, target: &str) -> String {
    let finished = environment
        .vault(["get", target, "--field", "access_token", "--show-secret"])
        .asks_for_secrets()
        .ok();
    finished.stdout.trim_end().to_owned()
}

fn status(environment: &TestEnvironment, target: &str) -> String {
    let finished = environment
        .vault(["get", target, "--field", "status"])
        .finish();
    finished.stdout.trim_end().to_owned()
}

#[test]
fn the_server_insists_on_what_the_flows_promise() {
    let Some(peer) = Peer::start(SHORT) else {
        return;
    };
    let (code, asked) = peer.post("/device/auth", "client_id=vault-public&scope=openid+api");
    assert_eq!(code, 200);
    let text = |member: &str| asked[member].as_str().unwrap();
    let page = Person::sits_down().types_code_at(text("verification_uri"), text("user_code"));
    assert!(page.contains("successful"), "{page}");
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let (code, granted) = peer.post(
        "/token",
        &format!(
            "grant_type={grant}&client_id=vault-public&device_code={}",
            text("device_code")
        ),
    );
    assert_eq!((code, granted["expires_in"].as_u64()), (200, Some(200)));
    let access = granted["access_token"].as_str().unwrap();
    let first = granted["refresh_token"].as_str().unwrap();
    assert!(peer.takes(access) && peer.takes(first));

    let renewal = format!("grant_type=refresh_token&client_id=vault-public&refresh_token={first}");
    peer.let_tokens_live(LONG);
    let (code, renewed) = peer.post("/token", &renewal);
    assert_eq!((code, renewed["expires_in"].as_u64()), (200, Some(3600)));
    let second = renewed["refresh_token"].as_str().unwrap();
    assert!(!peer.takes(first) && peer.takes(second));
    let (code, refused) = peer.post("/token", &renewal);
    assert_eq!(
        (code, refused["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    assert!(!peer.takes(second), "reuse ends the grant");
    assert!(!peer.takes(renewed["access_token"].as_str().unwrap()));
    assert_eq!(peer.count("token_refresh"), 1);
    assert_eq!(peer.count("token_refresh_refused"), 1);
    assert_eq!(peer.issued("refresh_token"), [first, second]);
}

#[test]
fn a_person_logs_in_with_pkce_and_out_again() {
    let Some(peer) = Peer::start(LONG) else {
        return;
    };
    let environment = environment();
    peer.define_usual(&environment);
    let call = ["login", "peer", "--flow", "pkce"];
    let url = log_in(&environment, &peer, &call, "peer (default)");
    assert!(url.contains("code_challenge_method=S256"), "{url}");
    assert!(
        url.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A"),
        "{url}"
    );
    let state = url.split(['?', '&']).find_map(|p| p.strip_prefix("state="));
    assert!(state.is_some_and(|state| state.len() >= 22), "{url}");

    assert_eq!(status(&environment, "peer"), "connected");
    let access = token(&environment, "peer");
    assert_eq!(peer.issued("access_token"), [access.as_str()]);
    assert!(peer.takes(&access));
    assert_eq!(peer.count("token_authorization_code"), 1);
    assert_eq!(peer.count("token_refresh"), 0, "it is far from its end");

    peer.hunt_in(&environment);
    environment.vault(["logout", "peer"]).ok();
    assert!(peer.count("revocation") >= 1);
    assert!(!peer.takes(&access), "it was revoked");
    let refresh = &peer.issued("refresh_token")[0];
    assert!(!peer.takes(refresh), "and what renews it");
    assert_eq!(status(&environment, "peer"), "not_connected");
}

#[test]
fn a_person_who_does_not_agree_is_not_logged_in() {
    let Some(peer) = Peer::start(LONG) else {
        return;
    };
    let environment = environment();
    peer.define_usual(&environment);
    let person = Person::sits_down();
    let mut login = start(
        &environment,
        &["login", "peer", "--flow", "pkce", "--no-open"],
    );
    let beginning = format!("{}/auth?", peer.issuer());
    let url = login.wait_for("address", |said| address(said, &beginning));
    person.declines_at(&url);
    let ended = login.end();
    keep(&environment, &ended);
    assert_eq!(ended.code, 9, "{}", ended.stderr);
    assert!(ended.stderr.contains("Error: "), "{}", ended.stderr);
    assert_eq!(status(&environment, "peer"), "not_connected");
    assert_eq!(peer.count("token_authorization_code"), 0);
    peer.hunt_in(&environment);
}

#[test]
fn a_machine_without_a_browser_logs_in_with_a_code() {
    let Some(peer) = Peer::start(LONG) else {
        return;
    };
    let environment = environment();
    peer.define_usual(&environment);
    let person = Person::sits_down();
    let mut login = start(
        &environment,
        &["login", "peer", "--flow", "device_code", "--no-open"],
    );
    let beginning = format!("{}/device", peer.issuer());
    let (url, code) = login.wait_for("address and code", |said| {
        Some((address(said, &beginning)?, user_code(said)?))
    });
    person.types_code_at(&url, &code);
    must_succeed(&environment, &login.end(), "peer (default)");
    drop(person);
    let access = token(&environment, "peer");
    assert!(peer.takes(&access));
    assert_eq!(peer.count("token_device_code"), 1);

    peer.hunt_in(&environment);
    environment.vault(["logout", "peer", "--local"]).ok();
    assert_eq!(peer.count("revocation"), 0);
    assert!(peer.takes(&access), "only the local copy is gone");
    assert_eq!(status(&environment, "peer"), "not_connected");
}

#[test]
fn a_client_registers_itself_once_for_an_issuer() {
    let Some(peer) = Peer::start(LONG) else {
        return;
    };
    let environment = environment();
    // Nothing is known but who issues the tokens.
    peer.define(&environment, "peer", &json!({ "supports_dcr": true }));
    let call = ["login", "peer", "--flow", "dcr_pkce"];
    log_in(&environment, &peer, &call, "peer (default)");
    let again = ["login", "peer/second", "--flow", "dcr_pkce"];
    log_in(&environment, &peer, &again, "peer (second)");
    assert!(peer.count("discovery") >= 1);
    assert_eq!(peer.count("registration"), 1);
    let tokens = peer.issued("access_token");
    assert_eq!(tokens.len(), 2);
    assert_eq!(token(&environment, "peer/default"), tokens[0]);
    assert_eq!(token(&environment, "peer/second"), tokens[1]);

    peer.hunt_in(&environment);
    environment.vault(["revoke", "peer"]).ok();
    for left in tokens.iter().chain(&peer.issued("refresh_token")) {
        assert!(!peer.takes(left), "it was revoked");
    }
    assert_eq!(peer.count("client_delete"), 1, "and the client with them");
}

#[test]
fn a_client_with_a_secret_logs_in_with_pkce_too() {
    let Some(peer) = Peer::start(SHORT) else {
        return;
    };
    let environment = environment()
        .with("PEER_CLIENT_ID", "vault-secret")
        .with("PEER_CLIENT_SECRET", CLIENT_SECRET);
    let at = |path: &str| format!("{}{path}", peer.issuer());
    let oauth = json!({
        "authorization_url": at("/auth"),
        "token_url": at("/token"),
        "revocation_url": at("/token/revocation"),
        "authorization_method": "body",
        "client_secret_for": ["pkce"],
        "client": { "client_id_env": "PEER_CLIENT_ID", "client_secret_env": "PEER_CLIENT_SECRET" },
    });
    peer.define(&environment, "peer", &oauth);
    let call = ["login", "peer", "--flow", "pkce"];
    log_in(&environment, &peer, &call, "peer (default)");
    peer.let_tokens_live(LONG);
    assert!(peer.takes(&token(&environment, "peer")));
    assert_eq!(peer.count("token_refresh"), 1);
    peer.hunt_in(&environment);
}

#[test]
fn a_machine_gets_a_token_for_itself_and_the_next_one_in_time() {
    let Some(peer) = Peer::start(SHORT) else {
        return;
    };
    let environment = environment()
        .with("PEER_CLIENT_ID", "vault-machine")
        .with("PEER_CLIENT_SECRET", CLIENT_SECRET);
    let oauth = json!({
        "token_url": format!("{}/token", peer.issuer()),
        "authorization_method": "basic",
        "scopes": ["api"],
        "flows": ["client_credentials"],
        "client": { "client_id_env": "PEER_CLIENT_ID", "client_secret_env": "PEER_CLIENT_SECRET" },
    });
    peer.define(&environment, "peer", &oauth);
    let login = start(
        &environment,
        &["login", "peer", "--flow", "client_credentials"],
    );
    must_succeed(&environment, &login.end(), "peer (default)");
    assert_eq!(peer.count("token_client_credentials"), 1);
    peer.let_tokens_live(LONG);
    let access = token(&environment, "peer");
    assert!(peer.takes(&access));
    assert_eq!(token(&environment, "peer"), access);
    assert_eq!(peer.count("token_client_credentials"), 2);
    peer.hunt_in(&environment);
}

#[test]
fn twenty_at_once_renew_once_and_keep_what_was_rotated() {
    let Some(peer) = Peer::start(SHORT) else {
        return;
    };
    let environment = environment();
    log_in_with_pkce(&environment, &peer);
    let get = ["get", "peer", "--field", "access_token", "--show-secret"];
    let stored = environment
        .vault(get)
        .arg("--no-refresh")
        .asks_for_secrets()
        .ok();
    assert_eq!(stored.stdout.trim_end(), peer.issued("access_token")[0]);
    assert_eq!(peer.count("token_refresh"), 0);

    peer.let_tokens_live(LONG);
    let all: Vec<_> = (0..20).map(|_| start(&environment, &get)).collect();
    for running in all {
        let ended = running.end();
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(ended.stdout.trim_end(), peer.issued("access_token")[1]);
    }
    assert_eq!(peer.count("token_refresh"), 1);
    assert_eq!(peer.count("token_refresh_refused"), 0);

    // The one that was rotated in is the one that counts from here on.
    let rotated = peer.issued("refresh_token");
    assert_eq!(rotated.len(), 2);
    assert!(!peer.takes(&rotated[0]) && peer.takes(&rotated[1]));
    peer.hunt_in(&environment);
    environment.vault(["logout", "peer"]).ok();
    assert!(!peer.takes(&rotated[1]));
    assert!(!peer.takes(&peer.issued("access_token")[1]));
}

#[test]
fn every_renewal_uses_the_token_that_the_last_one_brought() {
    let Some(peer) = Peer::start(SHORT) else {
        return;
    };
    let environment = environment();
    log_in_with_pkce(&environment, &peer);
    for renewals in 1..=3 {
        let access = token(&environment, "peer");
        assert!(peer.takes(&access));
        assert_eq!(peer.count("token_refresh"), renewals);
    }
    assert_eq!(peer.count("token_refresh_refused"), 0);
    peer.hunt_in(&environment);
}

#[test]
fn a_copy_that_renews_with_a_spent_token_is_told_to_log_in_again() {
    let Some(peer) = Peer::start(SHORT) else {
        return;
    };
    let mut environment = environment();
    log_in_with_pkce(&environment, &peer);
    let other = environment.path("other");
    make_folder(&other.join("providers"));
    for name in ["vault.age", "providers/peer.json"] {
        fs::copy(environment.home().join(name), other.join(name)).unwrap();
    }
    peer.let_tokens_live(LONG);
    let renewed = token(&environment, "peer");
    assert!(peer.takes(&renewed));

    // The copy knows nothing of that renewal.
    environment.set("VAULT_IDENTITY", environment.identity_file());
    environment.set("VAULT_HOME", other);
    let refused = environment
        .vault(["get", "peer", "--field", "access_token", "--show-secret"])
        .fails(9);
    assert!(
        refused.stderr.contains("vault login peer/default --force"),
        "{refused}"
    );
    assert_eq!(peer.count("token_refresh"), 1);
    assert_eq!(peer.count("token_refresh_refused"), 1);
    assert_eq!(status(&environment, "peer"), "expired");
    assert!(!peer.takes(&renewed), "the grant is gone for both");

    // What will not work is not tried again.
    environment
        .vault(["get", "peer", "--field", "access_token", "--show-secret"])
        .fails(9);
    assert_eq!(peer.count("token_refresh_refused"), 1);

    let call = ["login", "peer", "--flow", "pkce", "--force"];
    log_in(&environment, &peer, &call, "peer (default)");
    assert_eq!(status(&environment, "peer"), "connected");
    assert!(peer.takes(&token(&environment, "peer")));
    peer.hunt_in(&environment);
}
