//! One renewal for all who need it, when it is due and not before.

use std::process::Stdio;

use serde_json::json;

use super::server::{LONG, SHORT, World, access, line, refresh};
use super::support::internet::Reply;

#[test]
fn twenty_at_once_ask_once_and_all_print_the_new_token() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    let history = ["history", "peer", "--json"];
    let before = world.environment.vault(history).ok().stdout;
    let backups = world.environment.files_under(&world.environment.backups());
    let all: Vec<_> = (0..20)
        .map(|_| {
            let mut command = world.get("peer").command();
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for running in all {
        let output = running.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said, "");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(printed.trim_end(), access(2));
    }
    assert_eq!(world.renewals(), [refresh(1)]);
    assert_eq!(world.internet.seen().len(), 1);
    assert_eq!(world.stored("peer", "access_token"), access(2));
    assert_eq!(world.stored("peer", "refresh_token"), refresh(2));
    assert_eq!(
        world.environment.files_under(&world.environment.backups()),
        backups,
        "a renewal is nothing that a person wants back"
    );
    let after = world.environment.vault(history).ok().stdout;
    assert_eq!(after, before, "renewals are no history");
}

#[test]
fn twenty_at_once_ask_once_where_the_login_has_ended() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    world.answer_renewals(400, r#"{"error": "invalid_grant"}"#);
    let all: Vec<_> = (0..20)
        .map(|_| {
            let mut command = world.get("peer").command();
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for running in all {
        let output = running.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(9), "{said}");
        assert!(output.stdout.is_empty());
        assert!(said.contains("vault login peer/default --force"), "{said}");
    }
    assert_eq!(world.renewals(), [refresh(1)]);
}

#[test]
fn each_renewal_uses_the_refresh_token_that_the_last_one_brought() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    world.set(|mood| mood.lives = Some(SHORT));
    for number in 2..=4 {
        assert_eq!(world.token("peer"), access(number));
    }
    assert_eq!(world.renewals(), [refresh(1), refresh(2), refresh(3)]);
    world.set(|mood| mood.lives = Some(LONG));
    assert_eq!(world.token("peer"), access(5));
    assert_eq!(world.token("peer"), access(5), "it is far from its end");
    assert_eq!(world.renewals().len(), 4);
}

#[test]
fn a_refresh_token_that_is_not_rotated_stays() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    let body = json!({ "access_token": access(2), "expires_in": SHORT });
    world.answer_renewals(200, &body.to_string());
    assert_eq!(world.token("peer"), access(2));
    assert_eq!(world.token("peer"), access(2));
    assert_eq!(world.renewals(), [refresh(1), refresh(1)]);
}

#[test]
fn a_login_with_a_code_is_renewed_as_the_same_client() {
    let world = World::new();
    world.set(|mood| mood.lives = Some(SHORT));
    world
        .environment
        .vault(["login", "peer", "--flow", "device_code", "--no-open"])
        .args(["--client-id", "another-client"])
        .ok();
    world.set(|mood| mood.lives = Some(LONG));
    world.internet.forget();
    assert_eq!(world.token("peer"), access(2));
    let seen = &world.internet.seen()[0];
    assert_eq!(super::server::form(seen, "client_id"), "another-client");
    assert!(!seen.body.contains("client_secret"), "{}", seen.body);
    assert_eq!(seen.headers["host"], "auth.peer.example.com");
    assert!(!seen.headers.contains_key("authorization"));
}

#[test]
fn a_machines_own_login_is_renewed_by_logging_in_once_more() {
    let world = World::new();
    world.set(|mood| {
        mood.gives_no_refresh = true;
        mood.lives = Some(SHORT);
    });
    let call = ["login", "peer", "--flow", "client_credentials"];
    let login = world.environment.vault(call);
    login
        .env("PEER_CLIENT_ID", "peer-client")
        .env("PEER_CLIENT_SECRET", "FAKE-client-secret-canary")
        .ok();
    world.set(|mood| mood.lives = Some(LONG));
    world.internet.forget();
    assert_eq!(world.token("peer"), access(2));
    assert_eq!(world.token("peer"), access(2));
    let seen = world.internet.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].body.contains("grant_type=client_credentials"));
}

#[test]
fn what_has_ended_is_renewed_too() {
    let world = World::new();
    world.log_in_ended("peer");
    assert_eq!(world.status("peer"), "connected", "it can be renewed");
    assert_eq!(world.token("peer"), access(2));
    assert_eq!(world.status("peer"), "connected");
}

#[test]
fn a_token_whose_end_nobody_said_is_not_renewed_ahead() {
    let world = World::new();
    world.log_in("peer", None);
    assert_eq!(world.token("peer"), access(1));
    world
        .environment
        .vault(["export", "peer"])
        .asks_for_secrets()
        .ok();
    assert_eq!(world.internet.seen().len(), 0);
}

#[test]
fn who_wants_no_renewal_makes_no_request() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    world.log_in_ended("peer/ended");
    for target in ["peer/default", "peer/ended"] {
        world.get(target).arg("--no-refresh").ok();
        world.status(target);
        world
            .environment
            .vault(["get", target, "--no-refresh"])
            .ok();
    }
    world.environment.vault(["list"]).ok();
    assert_eq!(world.internet.seen().len(), 0);
}

#[test]
fn whoever_looks_at_a_connection_gets_a_fresh_one() {
    let world = World::new();
    world.log_in_ended("peer");
    let arguments = ["get", "peer", "--field", "status"];
    let shown = line(&world.environment.vault(arguments).ok());
    assert_eq!(shown, "connected");
    assert_eq!(world.renewals().len(), 1);
}

#[test]
fn a_key_never_leads_to_a_request() {
    let world = World::new();
    world.internet.forget();
    world.set(|mood| mood.api = Some(Reply::new(500, "")));
    let key = world.environment.key("short");
    world
        .environment
        .vault(["login", "openai", "--stdin", "--expires", "2020-01-31"])
        .stdin(&key)
        .ok();
    assert_eq!(world.environment.stored("default"), key);
    world.environment.vault(["export"]).asks_for_secrets().ok();
    world.environment.vault(["logout", "openai"]).ok();
    assert_eq!(world.internet.seen().len(), 0);
}
