//! A machine that logs in as itself, with the secret of its client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::support::Run;
use super::support::internet::Reply;
use super::world::{ACCESS, World, acme_with_own_client, says};

const LOGIN: &str = "login acme --flow client_credentials";
/// Every character that Basic authentication and forms write differently.
const SECRET: &str = "FAKE client:secret/+%&=é";

fn machine(method: &str) -> World {
    let world = World::new(|_| says(200, &json!({ "access_token": ACCESS, "expires_in": 3600 })));
    define(&world, json!({ "authorization_method": method }));
    world.environment.secret("a client secret", SECRET);
    world
}

fn define(world: &World, mut section: Value) {
    section["authorization_url"] = Value::Null;
    world.define(&acme_with_own_client(section));
}

fn known(run: Run<'_>) -> Run<'_> {
    run.env("ACME_CLIENT_ID", "machine/1+")
        .env("ACME_CLIENT_SECRET", SECRET)
}

#[test]
fn a_machine_proves_itself_in_the_body() {
    let world = machine("body");
    known(world.vault("login acme")).begin().end().ok();
    let seen = &world.seen_at("/token")[0];
    assert!(!seen.headers.contains_key("authorization"));
    let form = &world.forms_at("/token")[0];
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["scope"], "read write");
    assert_eq!(form["client_id"], "machine/1+");
    assert_eq!(form["client_secret"], SECRET);
    assert_eq!(world.stored("acme", "access_token"), ACCESS);
}

#[test]
fn a_machine_proves_itself_with_basic_authentication() {
    let world = machine("basic");
    known(world.vault(LOGIN)).begin().end().ok();
    let seen = &world.seen_at("/token")[0];
    let encoded = super::support::browser::encoded;
    let pair = format!("{}:{}", encoded("machine/1+"), encoded(SECRET));
    assert_eq!(
        seen.headers["authorization"],
        format!("Basic {}", STANDARD.encode(pair))
    );
    let form = &world.forms_at("/token")[0];
    assert!(!form.contains_key("client_id") && !form.contains_key("client_secret"));
}

#[test]
fn without_a_secret_it_is_said_where_one_belongs() {
    let world = machine("body");
    let before = world.vault_bytes();
    let run = world.vault(LOGIN).env("ACME_CLIENT_ID", "machine");
    run.begin()
        .end()
        .fails(5)
        .says("wants the secret of the OAuth client")
        .says("Set ACME_CLIENT_SECRET for this command alone");
    let run = world.vault(LOGIN).env("ACME_CLIENT_SECRET", SECRET);
    run.begin().end().fails(5).says("ACME_CLIENT_ID");
    assert!(world.internet.seen().is_empty());
    assert_eq!(world.vault_bytes(), before);
}

#[test]
fn no_secret_is_taken_from_the_command_line() {
    let world = machine("body");
    let run = world.vault(LOGIN).args(["--client-secret", "FAKE"]);
    let ended = run.begin().end().fails(2);
    assert!(!ended.stderr.contains("FAKE"), "{ended}");
    assert!(ended.stderr.contains("No secret is taken"), "{ended}");
    assert!(world.internet.seen().is_empty());
}

#[test]
fn a_wrong_secret_is_refused_and_not_kept() {
    let world = World::new(|_| says(401, &json!({ "error": "invalid_client" })));
    define(&world, json!({}));
    world.environment.secret("a client secret", SECRET);
    let before = world.vault_bytes();
    known(world.vault(LOGIN))
        .begin()
        .end()
        .fails(9)
        .says("does not know this client (invalid_client)");
    assert_eq!(world.vault_bytes(), before);
}

#[test]
fn a_client_that_worked_is_kept_and_used_again() {
    let world = machine("body");
    known(world.vault(LOGIN)).begin().end().ok();
    let again = "login acme/second --flow client_credentials";
    world.vault(again).begin().end().ok();
    assert_eq!(world.forms_at("/token")[1]["client_secret"], SECRET);
}

#[test]
fn a_server_in_trouble_is_no_refusal() {
    let world = World::new(|_| Reply::new(503, ""));
    define(&world, json!({}));
    known(world.vault(LOGIN)).begin().end().fails(8);
}
