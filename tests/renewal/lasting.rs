//! Answers that are the end of a login: the vault says so from then on, and
//! what is spent is not sent again.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;

use super::server::{LONG, SHORT, World, access, refresh};

/// The ways in which servers say that a login has ended.
const ENDS: [(u16, &str); 5] = [
    (400, r#"{"error": "invalid_grant"}"#),
    (200, r#"{"error": "bad_refresh_token"}"#),
    (200, r#"{"ok": false, "error": "invalid_refresh_token"}"#),
    (200, r#"{"ok": false, "error": "token_revoked"}"#),
    (401, r#"{"error": {"code": "token_expired"}}"#),
];

#[test]
fn a_login_that_has_ended_says_how_to_log_in_again() {
    for (status, body) in ENDS {
        let world = World::new();
        world.log_in("peer/team", Some(SHORT));
        world.answer_renewals(status, body);
        world
            .get("peer/team")
            .fails(9)
            .says(contains("vault login peer/team --force"));
        assert_eq!(world.status("peer/team"), "expired", "{body}");
        assert_eq!(world.renewals(), [refresh(1)], "{body}");
        world
            .get("peer/team")
            .fails(9)
            .says(contains("vault login peer/team --force"));
        let shown = world.environment.vault(["get", "peer/team"]).ok();
        let shown = shown.says(contains("vault login").or(contains("has ended")));
        assert!(shown.stdout.contains("expired"), "{shown}");
        assert_eq!(world.renewals(), [refresh(1)], "{body}: asked again");
    }
}

#[test]
fn github_says_with_a_200_that_a_login_has_ended() {
    let world = World::new();
    world.log_in("github", Some(SHORT));
    world.answer_renewals(200, r#"{"error": "bad_refresh_token"}"#);
    let hint = "vault login github/default --force";
    world.get("github").fails(9).says(contains(hint));
    assert_eq!(world.status("github"), "expired");
    world.get("github").fails(9).says(contains(hint));
    assert_eq!(world.renewals(), [refresh(1)]);
}

#[test]
fn a_new_login_begins_anew() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    world.answer_renewals(400, r#"{"error": "invalid_grant"}"#);
    world.get("peer").fails(9);
    world.set(|mood| {
        mood.renewal = None;
        mood.lives = Some(LONG);
    });
    world.login("peer").arg("--force").ok();
    assert_eq!(world.status("peer"), "connected");
    assert_eq!(world.token("peer"), access(2));
}

#[test]
fn what_a_server_repeats_of_what_was_sent_is_not_shown() {
    let secret = "FAKE-client-secret-canary";
    for (status, body) in [
        (
            400,
            json!({"error": "invalid_grant", "error_description": format!("spent: {}", refresh(1))}),
        ),
        (400, json!({"error": refresh(1)})),
        (
            400,
            json!({"error": {"code": refresh(1), "message": secret}}),
        ),
        (
            401,
            json!({"error": "invalid_client", "error_description": format!("not {secret}")}),
        ),
        (200, json!({"ok": false, "error": refresh(1)})),
        (503, json!({"error": "x", "error_description": refresh(1)})),
    ] {
        // The harness hunts for both in everything that is said.
        let world = World::new();
        world.log_in_ended("peer");
        world.answer_renewals(status, &body.to_string());
        let run = world.get("peer").finish();
        assert!(matches!(run.code, Some(8 | 9)), "{run}");
        world.environment.vault(["get", "peer"]).ok();
        world.environment.vault(["export", "peer"]).finish();
        world.environment.vault(["verify"]).finish();
        world.set(|mood| mood.revocation = mood.renewal.clone());
        world.environment.vault(["logout", "peer"]).ok();
    }
}

#[test]
fn a_token_that_no_header_can_carry_is_not_stored() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    let body = json!({"access_token": "FAKE\r\nX-Evil: 1", "refresh_token": "FAKE-new"});
    world.answer_renewals(200, &body.to_string());
    let run = world.get("peer").ok().says(contains("was not renewed"));
    assert_eq!(run.stdout.trim_end(), access(1));
    assert_eq!(world.stored("peer", "access_token"), access(1));
}
