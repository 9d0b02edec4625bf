//! The device login: a code that a person types elsewhere, and the asking
//! for its tokens meanwhile.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::browser::{Desktop as _, opened};
use super::support::internet::{Reply, Seen};
use super::world::{ACCESS, InTurn, REFRESH, World, acme, acme_with_own_client, says, tokens};

const LOGIN: &str = "login acme --flow device_code --no-open";
const DEVICE_CODE: &str = "FAKE-device-code-FAKE-device-code";

/// What the device address says, with some of it changed.
fn offer(changed: Value) -> Reply {
    let mut offer = json!({
        "device_code": DEVICE_CODE,
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://acme.example/device",
        "expires_in": 60,
        "interval": 1,
    });
    for (member, value) in changed.as_object().unwrap() {
        offer[member] = value.clone();
    }
    says(200, &offer)
}

fn pending() -> Reply {
    says(400, &json!({ "error": "authorization_pending" }))
}

fn refusal(error: &str) -> Reply {
    says(400, &json!({ "error": error }))
}

/// Acme with devices, offering this and answering so, one after the other.
fn devices(offer: Reply, answers: impl IntoIterator<Item = Reply>) -> World {
    let answers = InTurn::of(answers);
    let world = World::new(move |seen: &Seen| match &*seen.path {
        "/device" => offer.clone(),
        _ => answers.next(),
    });
    world.define(&acme(with_devices()));
    world.environment.secret("a device code", DEVICE_CODE);
    world
}

fn with_devices() -> Value {
    json!({ "device_authorization_url": "https://login.acme.example/device" })
}

/// A login that must fail so, before or after the code was shown.
fn must_fail(world: &World, code: i32, reason: &str) {
    let before = world.vault_bytes();
    world.vault(LOGIN).begin().end().fails(code).says(reason);
    assert_eq!(world.vault_bytes(), before);
    assert_eq!(world.stored("acme", "status"), "not_connected");
}

#[test]
fn a_code_that_is_typed_elsewhere_brings_tokens_here() {
    let world = devices(offer(json!({})), [pending(), pending(), tokens()]);
    let begun = Instant::now();
    let mut login = world.vault(LOGIN).begin();
    login.wait_for("frame", |said| {
        said.contains("│   WDJB-MJHT   │").then_some(())
    });
    let ended = login.end().ok();
    assert!(ended.stderr.contains("https://acme.example/device"));
    assert!(ended.stderr.contains("at most 1 minute …"), "{ended}");
    assert!(
        begun.elapsed() >= Duration::from_secs(3),
        "it waits between"
    );
    let asked = &world.forms_at("/device")[0];
    assert_eq!(asked["client_id"], "acme-public");
    assert_eq!(asked["scope"], "read write");
    let polls = world.forms_at("/token");
    assert_eq!(polls.len(), 3);
    for poll in polls {
        assert_eq!(
            poll["grant_type"],
            "urn:ietf:params:oauth:grant-type:device_code"
        );
        assert_eq!(poll["device_code"], DEVICE_CODE);
        assert_eq!(poll["client_id"], "acme-public");
    }
    assert_eq!(world.stored("acme", "access_token"), ACCESS);
    assert_eq!(world.stored("acme", "refresh_token"), REFRESH);
}

#[test]
fn the_quiet_are_shown_the_code_too() {
    let world = devices(offer(json!({})), [tokens()]);
    let login = world.vault(LOGIN).arg("--quiet").begin();
    let ended = login.end().ok().says("WDJB-MJHT");
    assert!(!ended.stderr.contains("Waiting"), "{ended}");
}

#[test]
fn a_server_that_is_asked_too_often_is_asked_less_often() {
    let world = devices(offer(json!({})), [refusal("slow_down"), tokens()]);
    let begun = Instant::now();
    world.vault(LOGIN).begin().end().ok();
    // One second, and then five more than that.
    assert!(begun.elapsed() >= Duration::from_secs(7));
    assert_eq!(world.forms_at("/token").len(), 2);
}

#[test]
fn an_interval_that_is_not_said_is_five_seconds() {
    let world = devices(offer(json!({ "interval": null })), [tokens()]);
    let begun = Instant::now();
    world.vault(LOGIN).begin().end().ok();
    assert!(begun.elapsed() >= Duration::from_secs(5));
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let world = devices(offer(json!({})), [Reply::new(503, "oops"), tokens()]);
    world.vault(LOGIN).begin().end().ok();
    assert_eq!(world.forms_at("/token").len(), 2);
}

#[test]
fn a_code_that_nobody_typed_ends_the_login() {
    let world = devices(offer(json!({})), [refusal("expired_token")]);
    must_fail(&world, 9, "type the code sooner");
    let world = devices(offer(json!({ "expires_in": 2 })), [pending()]);
    must_fail(&world, 8, "Nobody agreed at Acme in time");
}

#[test]
fn a_person_who_declines_ends_the_login() {
    let world = devices(offer(json!({})), [pending(), refusal("access_denied")]);
    must_fail(&world, 9, "the request was declined (access_denied)");
}

#[test]
fn a_refusal_at_the_beginning_shows_no_code() {
    let world = devices(refusal("unauthorized_client"), [tokens()]);
    must_fail(&world, 9, "unauthorized_client");
    let world = devices(Reply::new(500, "oops"), [tokens()]);
    must_fail(&world, 8, "HTTP 500");
    assert!(world.forms_at("/token").is_empty());
}

#[test]
fn a_page_that_is_none_is_not_shown_to_anybody() {
    for page in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://acme.example/device",
        "//acme.example/device",
        "https://acme.example/\u{1b}[2Jdevice",
        "https://acme.example/ device",
        "https://acme.example/\n--help",
        "--help",
        "",
    ] {
        let world = devices(offer(json!({ "verification_uri": page })), [tokens()]);
        must_fail(&world, 8, "has no page to type the code at");
        assert!(world.forms_at("/token").is_empty(), "{page}");
    }
}

#[test]
fn a_page_with_the_code_in_it_is_shown_where_it_is_one() {
    let complete = "https://acme.example/device?user_code=WDJB-MJHT";
    for (given, is_shown) in [(complete, true), ("javascript:alert(1)", false)] {
        let changed = json!({ "verification_uri_complete": given });
        let world = devices(offer(changed), [tokens()]);
        let ended = world.vault(LOGIN).begin().end().ok();
        assert_eq!(ended.stderr.contains(given), is_shown, "{ended}");
    }
}

#[test]
fn on_a_desktop_the_page_is_opened_and_the_code_is_shown() {
    let world = devices(offer(json!({})), [tokens()]);
    let login = world
        .vault("login acme --flow device_code")
        .on_desktop(&world.environment)
        .begin();
    login.end().ok().says("WDJB-MJHT");
    let given = opened(&world.environment);
    assert_eq!(given.lines().next(), Some("https://acme.example/device"));
}

#[test]
fn a_code_with_control_characters_is_shown_without_them() {
    let world = devices(offer(json!({ "user_code": "\u{1b}[2JAB\nCD" })), [tokens()]);
    let ended = world.vault(LOGIN).begin().end().ok();
    assert!(!ended.stderr.contains('\u{1b}'), "{ended}");
    assert!(!ended.stderr.contains("AB\nCD"), "{ended}");
}

#[test]
fn google_is_understood() {
    let answers = InTurn::of([
        says(428, &json!({ "error": "authorization_pending" })),
        tokens(),
    ]);
    let world = World::new(move |seen| {
        if seen.path.ends_with("/device/code") {
            let mut offer = offer(json!({ "verification_url": "https://www.google.com/device" }));
            offer.body = offer.body.replace("verification_uri\"", "nothing\"");
            return offer;
        }
        answers.next()
    });
    let secret = world
        .environment
        .secret("a client secret", "FAKE-google-client-secret");
    let login = world
        .vault("login google-workspace --flow device_code --no-open")
        .env("GOOGLE_CLIENT_ID", "fake.apps.googleusercontent.com")
        .env("GOOGLE_CLIENT_SECRET", &secret)
        .begin();
    login.end().ok().says("https://www.google.com/device");
    let polls = world.forms_at("/token");
    assert_eq!(polls.len(), 2);
    assert_eq!(polls[1]["client_secret"], secret);
    assert_eq!(world.stored("google-workspace", "access_token"), ACCESS);
}

#[test]
fn github_is_understood() {
    let no = |error: &str| says(200, &json!({ "error": error }));
    let answers = InTurn::of([
        no("authorization_pending"),
        says(
            200,
            &json!({ "access_token": ACCESS, "token_type": "bearer", "scope": "repo" }),
        ),
    ]);
    let world = World::new(move |seen| match &*seen.path {
        "/login/device/code" => offer(json!({})),
        _ => answers.next(),
    });
    let login = world
        .vault("login github --flow device_code --no-open")
        .env("GITHUB_CLIENT_ID", "Iv1.FAKE")
        .begin();
    login.end().ok();
    let polls = world.seen_at("/login/oauth/access_token");
    assert_eq!(polls.len(), 2);
    assert_eq!(polls[0].headers["accept"], "application/json");
    assert_eq!(world.stored("github", "access_token"), ACCESS);
    assert_eq!(world.stored("github", "scopes"), "repo");

    let world = World::new(move |seen| match &*seen.path {
        "/login/device/code" => no("device_flow_disabled"),
        _ => tokens(),
    });
    let login = world
        .vault("login github --flow device_code --no-open")
        .env("GITHUB_CLIENT_ID", "Iv1.FAKE")
        .begin();
    login.end().fails(9).says("Allow the device flow");
}

#[test]
fn a_device_shows_its_clients_secret_where_that_is_wanted() {
    let world = devices(offer(json!({})), [tokens()]);
    let mut section = with_devices();
    section["client_secret_for"] = json!(["device_code"]);
    section["authorization_method"] = json!("basic");
    world.define(&acme_with_own_client(section));
    let secret = world
        .environment
        .secret("a client secret", "FAKE-acme-client-secret");
    let login = world
        .vault(LOGIN)
        .env("ACME_CLIENT_ID", "mine")
        .env("ACME_CLIENT_SECRET", &secret)
        .begin();
    login.end().ok();
    for seen in world.internet.seen() {
        assert!(seen.headers["authorization"].starts_with("Basic "));
        assert!(!seen.body.contains("FAKE-acme-client-secret"));
    }
}
