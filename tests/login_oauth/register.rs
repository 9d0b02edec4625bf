//! A client that registers itself, where all that is known is who issues the
//! tokens.

use serde_json::{Value, json};

use super::support::internet::{Reply, Seen};
use super::world::{ACCESS, Asked, CODE, World, acme, says, tokens};

const ISSUER: &str = "https://login.acme.example";
const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";
const LOGIN: &str = "login acme --flow dcr_pkce --no-open";

fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "registration_endpoint": format!("{ISSUER}/register"),
        "code_challenge_methods_supported": ["plain", "S256"],
    })
}

/// Acme, of which nothing is known but its name; it says this of itself, and
/// this to who registers.
fn unknown(
    metadata: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    registration: Reply,
) -> World {
    let world = World::new(move |seen| match &*seen.path {
        "/register" => registration.clone(),
        "/token" => tokens(),
        _ => metadata(seen),
    });
    world.define(&acme(json!({
        "issuer": ISSUER,
        "supports_dcr": true,
        "authorization_url": null,
        "token_url": null,
        "client_id": null,
    })));
    world
}

fn registered() -> Reply {
    says(
        201,
        &json!({ "client_id": "registered-1", "token_endpoint_auth_method": "none" }),
    )
}

fn log_in(world: &World, arguments: &str) -> Asked {
    let mut login = world.vault(arguments).begin();
    let asked = Asked::by(&mut login);
    asked.agree();
    login.end().ok();
    asked
}

fn must_fail(world: &World, code: i32, reason: &str) {
    let before = world.vault_bytes();
    let ended = world.vault(LOGIN).begin().end().fails(code).says(reason);
    assert!(!ended.stderr.contains("authorize?"), "{ended}");
    assert_eq!(world.vault_bytes(), before);
}

#[test]
fn a_client_registers_itself_and_logs_in() {
    let world = unknown(|_| says(200, &metadata()), registered());
    let asked = log_in(&world, "login acme --no-open");
    assert_eq!(asked.query["client_id"], "registered-1");
    assert_eq!(asked.query["code_challenge_method"], "S256");
    let seen = world.internet.seen();
    let paths: Vec<_> = seen.iter().map(|seen| &*seen.path).collect();
    assert_eq!(paths, [WELL_KNOWN, "/register", "/token"]);
    assert!(seen.iter().all(|seen| seen.host == "login.acme.example"));
    let body: Value = serde_json::from_str(&seen[1].body).unwrap();
    assert_eq!(
        body,
        json!({
            "client_name": "vault",
            "redirect_uris": [asked.redirect_uri()],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
            "scope": "read write",
        })
    );
    let form = &world.forms_at("/token")[0];
    assert_eq!(form["client_id"], "registered-1");
    assert_eq!(form["code"], CODE);
    assert_eq!(world.stored("acme", "access_token"), ACCESS);
}

#[test]
fn a_second_login_uses_the_same_client() {
    let world = unknown(|_| says(200, &metadata()), registered());
    let first = log_in(&world, LOGIN);
    let second = log_in(&world, "login acme/second --flow dcr_pkce --no-open");
    assert_eq!(world.seen_at("/register").len(), 1);
    assert_eq!(world.seen_at(WELL_KNOWN).len(), 1);
    assert_eq!(second.query["client_id"], "registered-1");
    assert_eq!(second.redirect_uri(), first.redirect_uri());
    assert_ne!(second.state(), first.state());
}

#[test]
fn a_client_that_was_given_a_secret_proves_itself_with_it() {
    let secret = "FAKE-registered-client-secret";
    let world = unknown(
        |_| says(200, &metadata()),
        says(
            201,
            &json!({ "client_id": "registered-1", "client_secret": secret }),
        ),
    );
    world.environment.secret("a client secret", secret);
    log_in(&world, LOGIN);
    let seen = &world.seen_at("/token")[0];
    assert!(seen.headers["authorization"].starts_with("Basic "));
    assert!(!seen.body.contains(secret));
}

#[test]
fn an_issuer_that_names_another_one_is_refused() {
    for named in [
        "https://login.acme.example/",
        "https://LOGIN.acme.example",
        "https://evil.example",
        "",
    ] {
        let world = unknown(
            move |_| {
                let mut metadata = metadata();
                metadata["issuer"] = json!(named);
                says(200, &metadata)
            },
            registered(),
        );
        must_fail(&world, 9, "another issuer");
        assert!(world.seen_at("/register").is_empty(), "{named}");
    }
}

#[test]
fn the_other_well_known_address_is_asked_too() {
    let world = unknown(
        |seen| match &*seen.path {
            "/.well-known/openid-configuration" => says(200, &metadata()),
            _ => Reply::new(404, "not here"),
        },
        registered(),
    );
    log_in(&world, LOGIN);
}

#[test]
fn addresses_that_are_in_the_clear_are_not_asked() {
    for (name, address) in [
        ("token_endpoint", "http://login.acme.example/token"),
        (
            "authorization_endpoint",
            "http://login.acme.example/authorize",
        ),
        (
            "registration_endpoint",
            "http://login.acme.example/register",
        ),
    ] {
        let world = unknown(
            move |_| {
                let mut metadata = metadata();
                metadata[name] = json!(address);
                says(200, &metadata)
            },
            registered(),
        );
        must_fail(&world, 5, "http");
        assert!(world.seen_at("/register").is_empty(), "{name}");
    }
}

#[test]
fn a_server_without_s256_is_none_for_us() {
    let world = unknown(
        |_| {
            let mut metadata = metadata();
            metadata["code_challenge_methods_supported"] = json!(["plain"]);
            says(200, &metadata)
        },
        registered(),
    );
    must_fail(&world, 8, "no PKCE with S256");
}

#[test]
fn a_registration_that_is_refused_leaves_nothing() {
    let no = json!({
        "error": "invalid_redirect_uri",
        "error_description": "Loopback addresses are not allowed.",
    });
    let world = unknown(|_| says(200, &metadata()), says(400, &no));
    must_fail(&world, 9, "Loopback addresses are not allowed");
    let world = unknown(|_| says(200, &metadata()), Reply::new(401, ""));
    must_fail(&world, 9, "HTTP 401");
    let world = unknown(|_| says(200, &metadata()), Reply::new(500, ""));
    must_fail(&world, 8, "HTTP 500");
    let world = unknown(|_| says(200, &metadata()), says(201, &json!({})));
    must_fail(&world, 8, "no client in it");
}

#[test]
fn a_client_is_kept_only_with_the_login_that_it_was_for() {
    let world = unknown(|_| says(200, &metadata()), registered());
    let before = world.vault_bytes();
    let mut login = world.vault(LOGIN).begin();
    let asked = Asked::by(&mut login);
    let no = asked.back(&[("error", "access_denied"), ("state", asked.state())]);
    super::support::browser::Visit::to(&no).go();
    login.end().fails(9);
    assert_eq!(world.vault_bytes(), before);
    log_in(&world, LOGIN);
    assert_eq!(world.seen_at("/register").len(), 2);
}
