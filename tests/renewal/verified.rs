//! `verify`, where a token's end shows by being refused.

use predicates::str::contains;

use super::server::{LONG, SHORT, World, access, is_renewal, refresh};
use super::support::internet::Reply;

/// The paths that were asked for, in order.
fn paths(world: &World) -> Vec<String> {
    let seen = world.internet.seen();
    seen.iter().map(|seen| seen.path.clone()).collect()
}

#[test]
fn a_refused_token_is_renewed_once_and_asked_about_once_more() {
    let world = World::new();
    world.log_in("peer", None);
    // Somebody ended it: only the next one is good.
    world.set(|mood| mood.issued = 2);
    world.answer_renewals(
        200,
        &format!(
            r#"{{"access_token": "{}", "refresh_token": "{}"}}"#,
            access(2),
            refresh(2)
        ),
    );
    let run = world.environment.vault(["verify", "peer", "--json"]).ok();
    assert_eq!(run.json()["results"][0]["result"], "ok", "{run}");
    assert_eq!(paths(&world), ["/me", "/token", "/me"]);
    let bearer = |at: usize| world.internet.seen()[at].headers["authorization"].clone();
    assert_eq!(bearer(0), format!("Bearer {}", access(1)));
    assert_eq!(bearer(2), format!("Bearer {}", access(2)));
    assert_eq!(world.stored("peer", "access_token"), access(2));
    assert_eq!(world.stored("peer", "refresh_token"), refresh(2));
    assert_eq!(world.status("peer"), "connected");
}

#[test]
fn a_token_that_is_refused_twice_is_rejected_after_one_renewal() {
    let world = World::new();
    world.log_in("peer", None);
    world.set(|mood| mood.api = Some(Reply::new(401, "{}")));
    world
        .environment
        .vault(["verify", "peer"])
        .finds(9)
        .says(contains("vault login peer/default --force"));
    assert_eq!(paths(&world), ["/me", "/token", "/me"]);
    assert_eq!(world.stored("peer", "refresh_token"), refresh(2));
    assert_eq!(world.status("peer"), "invalid");
}

#[test]
fn a_token_that_was_renewed_ahead_is_not_renewed_again() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    world.set(|mood| mood.api = Some(Reply::new(401, "{}")));
    world.environment.vault(["verify", "peer"]).finds(9);
    assert_eq!(paths(&world), ["/token", "/me"]);
}

#[test]
fn a_login_that_has_ended_is_rejected_without_a_question_to_the_api() {
    let world = World::new();
    world.log_in_ended("peer");
    world.answer_renewals(400, r#"{"error": "invalid_grant"}"#);
    let run = world
        .environment
        .vault(["verify", "peer", "--json"])
        .finish();
    assert_eq!(run.code, Some(9), "{run}");
    assert_eq!(run.json()["results"][0]["result"], "rejected", "{run}");
    assert_eq!(paths(&world), ["/token"]);
    assert_eq!(world.status("peer"), "expired");
}

#[test]
fn an_authorization_server_in_trouble_changes_no_status() {
    let world = World::new();
    world.log_in("peer", None);
    world.set(|mood| mood.api = Some(Reply::new(401, "{}")));
    world.answer_renewals(503, "{}");
    let run = world
        .environment
        .vault(["verify", "peer", "--json"])
        .finish();
    assert_eq!(run.code, Some(8), "{run}");
    assert_eq!(world.status("peer"), "connected");
    assert_eq!(world.renewals().len(), 1);
}

#[test]
fn a_token_without_a_way_to_renew_it_is_asked_about_once() {
    let world = World::new();
    world.set(|mood| mood.gives_no_refresh = true);
    world.set(|mood| mood.lives = None);
    world
        .environment
        .vault(["login", "peer", "--flow", "device_code", "--no-open"])
        .args(["--client-id", "peer-client"])
        .ok();
    world.internet.forget();
    world.set(|mood| mood.api = Some(Reply::new(401, "{}")));
    world.environment.vault(["verify", "peer"]).finds(9);
    assert_eq!(paths(&world), ["/me"]);
    assert!(!world.internet.seen().iter().any(is_renewal));
    assert_eq!(world.status("peer"), "invalid");
}

#[test]
fn a_login_that_was_refused_once_can_be_mended() {
    let world = World::new();
    world.log_in("peer", Some(LONG));
    world.set(|mood| mood.api = Some(Reply::new(401, "{}")));
    world.environment.vault(["verify", "peer"]).finds(9);
    assert_eq!(world.status("peer"), "invalid");
    world.set(|mood| mood.api = None);
    world.environment.vault(["verify", "peer"]).ok();
    assert_eq!(world.status("peer"), "connected");
}
