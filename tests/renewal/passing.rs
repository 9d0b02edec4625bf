//! Trouble that may pass: a token that is still good is used, and nothing that
//! is stored changes.

use predicates::prelude::*;
use predicates::str::contains;

use super::server::{SHORT, World, access, refresh};
use super::support::internet::Reply;

/// What a server that is not well answers.
const TROUBLE: [(u16, &str); 6] = [
    (503, "{}"),
    (429, r#"{"error": "slow_down"}"#),
    (500, "<html>no</html>"),
    (0, ""),
    (200, "no JSON"),
    (400, r#"{"error": "temporarily_unavailable"}"#),
];

#[test]
fn a_token_that_is_still_good_is_used_with_a_warning() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    for (status, body) in TROUBLE {
        world.internet.forget();
        world.answer_renewals(status, body);
        let run = world.get("peer").ok();
        let run = run.says(contains("was not renewed").and(contains("It is good until")));
        assert_eq!(run.stdout.trim_end(), access(1), "{status} {body}");
        assert_eq!(world.renewals(), [refresh(1)], "{status} {body}");
        assert_eq!(world.status("peer"), "connected", "{status} {body}");
    }
    world.set(|mood| mood.renewal = None);
    assert_eq!(world.token("peer"), access(2), "it passed");
}

#[test]
fn a_token_that_has_ended_is_given_to_nobody() {
    let world = World::new();
    world.log_in_ended("peer");
    for (status, body) in TROUBLE {
        world.answer_renewals(status, body);
        world.get("peer").fails(8).says(contains("peer/default"));
        let arguments = ["get", "peer", "--field", "status"];
        let shown = world.environment.vault(arguments).ok();
        assert_eq!(shown.stdout, "connected\n", "{status} {body}");
    }
    world.set(|mood| mood.renewal = None);
    assert_eq!(world.token("peer"), access(2), "it passed");
}

#[test]
fn a_server_that_cannot_be_reached_is_trouble_that_may_pass() {
    let world = World::new();
    world.log_in("peer/good", Some(SHORT));
    world.log_in_ended("peer/ended");
    // What a proxy says that does not find the name.
    world.internet.refuse("HTTP/1.1 502 Bad Gateway");
    let run = world
        .get("peer/good")
        .ok()
        .says(contains("was not renewed"));
    assert_eq!(run.stdout.trim_end(), access(1));
    world.get("peer/ended").fails(8);
    // Nobody listens there.
    let nowhere = "http://127.0.0.1:9";
    let run = world.get("peer/good").env("HTTPS_PROXY", nowhere).ok();
    assert_eq!(run.stdout.trim_end(), access(1));
    world.get("peer/ended").env("HTTPS_PROXY", nowhere).fails(8);
    assert_eq!(world.internet.seen().len(), 0);
}

#[test]
fn no_call_follows_a_redirect() {
    let world = World::new();
    let elsewhere = || {
        let mut reply = Reply::new(302, "{}");
        let place = "https://evil.example.com/token".to_owned();
        reply.headers.push(("Location".to_owned(), place));
        Some(reply)
    };
    world.log_in("peer", Some(SHORT));
    world.set(|mood| {
        mood.renewal = elsewhere();
        mood.revocation = elsewhere();
    });
    world.get("peer").ok().says(contains("HTTP 302"));
    world
        .environment
        .vault(["logout", "peer"])
        .ok()
        .says(contains("go on working"));
    let seen = world.internet.seen();
    let hosts: Vec<_> = seen.iter().map(|seen| &*seen.host).collect();
    assert_eq!(hosts, ["auth.peer.example.com"; 3]);
}

#[test]
fn a_client_that_is_not_known_leaves_a_good_token_in_use() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    world.answer_renewals(401, r#"{"error": "invalid_client"}"#);
    let run = world
        .get("peer")
        .ok()
        .says(contains("does not know this client"));
    assert_eq!(run.stdout.trim_end(), access(1));
    assert_eq!(world.status("peer"), "connected");
    assert_eq!(world.stored("peer", "refresh_token"), refresh(1));
}

#[test]
fn a_client_that_is_not_known_ends_nothing_for_good() {
    let world = World::new();
    world.log_in_ended("peer");
    world.answer_renewals(401, r#"{"error": "invalid_client"}"#);
    let before = std::fs::read(world.environment.vault_file()).unwrap();
    world.get("peer").fails(9).says(contains("--client-id"));
    let after = std::fs::read(world.environment.vault_file()).unwrap();
    assert_eq!(before, after, "the login itself may be fine");
    world.set(|mood| mood.renewal = None);
    assert_eq!(world.token("peer"), access(2));
}
