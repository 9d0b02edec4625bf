//! The authorization code with PKCE, by a browser on this machine.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::support::browser::{Desktop as _, Visit, address, opened, opened_so_far};
use super::world::{ACCESS, AUTHORIZE, Asked, CODE, REFRESH, World, acme, says, tokens};

fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

fn is_unguessable(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.len() >= 43 && text.chars().all(fits)
}

#[test]
fn a_person_agrees_and_the_tokens_are_in_the_vault() {
    let world = World::new(|_| tokens());
    let mut login = world.vault("login acme --no-open").begin();
    let asked = Asked::by(&mut login);
    let page = asked.agree();
    assert!(page.text.contains("close this window"), "{page:?}");
    assert!(!page.text.contains(CODE) && !page.text.contains(asked.state()));
    login
        .end()
        .ok()
        .says("Successfully logged in to acme (default).");
    assert_eq!(world.stored("acme", "access_token"), ACCESS);
    assert_eq!(world.stored("acme", "refresh_token"), REFRESH);
    assert_eq!(world.stored("acme", "status"), "connected");
    assert_eq!(world.stored("acme", "auth_type"), "oauth2");
    assert_eq!(world.internet.seen().len(), 1, "one exchange");
}

#[test]
fn the_address_asks_for_a_code_with_a_challenge_and_a_state() {
    let world = World::new(|_| tokens());
    let mut login = world.vault("login acme --no-open --scopes a,b").begin();
    let asked = Asked::by(&mut login);
    let said = |name: &str| asked.query[name].as_str();
    assert!(asked.url.starts_with(&format!("{AUTHORIZE}?")));
    assert_eq!(said("response_type"), "code");
    assert_eq!(said("client_id"), "acme-public");
    assert_eq!(said("scope"), "a b");
    assert_eq!(said("code_challenge_method"), "S256");
    assert_eq!(said("code_challenge").len(), 43);
    assert!(is_unguessable(said("state")), "{}", said("state"));
    let port = asked
        .redirect_uri()
        .strip_prefix("http://127.0.0.1:")
        .and_then(|rest| rest.strip_suffix("/callback"));
    assert!(port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)));
    assert_eq!(asked.query.len(), 7, "and nothing else: {}", asked.url);
}

#[test]
fn the_exchange_proves_that_the_code_was_asked_for_here() {
    let world = World::new(|_| tokens());
    let mut login = world.vault("login acme --no-open").begin();
    let asked = Asked::by(&mut login);
    asked.agree();
    let ended = login.end().ok();
    let [seen] = &world.internet.seen()[..] else {
        panic!("not one request: {:?}", world.internet.seen());
    };
    assert_eq!(
        (&*seen.method, &*seen.host, &*seen.path),
        ("POST", "login.acme.example", "/token")
    );
    assert_eq!(
        seen.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert!(!seen.headers.contains_key("authorization"));
    let form = &world.forms_at("/token")[0];
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["code"], CODE);
    assert_eq!(form["client_id"], "acme-public");
    assert_eq!(form["redirect_uri"], asked.redirect_uri());
    let verifier = world
        .environment
        .secret("the verifier", &form["code_verifier"]);
    assert!(is_unguessable(&verifier));
    assert_eq!(challenge_of(&verifier), asked.query["code_challenge"]);
    for hidden in [&*verifier, CODE] {
        assert!(!ended.stderr.contains(hidden), "{ended}");
    }
}

#[test]
fn two_logins_share_no_state_and_no_challenge() {
    let world = World::new(|_| tokens());
    let mut one = world.vault("login acme/one --no-open").begin();
    let mut other = world.vault("login acme/other --no-open").begin();
    let (first, second) = (Asked::by(&mut one), Asked::by(&mut other));
    for name in ["state", "code_challenge", "redirect_uri"] {
        assert_ne!(first.query[name], second.query[name], "{name}");
    }
    let crossed = second.back(&[("code", CODE), ("state", first.state())]);
    assert_eq!(Visit::to(&crossed).go().status, 400);
    second.agree();
    other.end().ok();
    assert!(one.is_going_on());
    first.agree();
    one.end().ok();
}

#[test]
fn the_address_is_shown_even_to_the_quiet() {
    let world = World::new(|_| tokens());
    let mut login = world.vault("login acme --no-open --quiet").begin();
    Asked::by(&mut login).agree();
    let ended = login.end().ok();
    assert!(!ended.stderr.contains("Successfully"), "{ended}");
}

#[test]
fn json_is_all_that_is_printed_where_it_is_asked_for() {
    let world = World::new(|_| tokens());
    let mut login = world.vault("login acme --no-open --json").begin();
    Asked::by(&mut login).agree();
    let ended = login.end();
    assert_eq!(ended.code, 0, "{ended}");
    let printed: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        printed,
        json!({"status": "connected", "provider": "acme", "connection": "default"})
    );
}

#[test]
fn strays_change_nothing_and_do_not_end_the_login() {
    let world = World::new(|_| tokens());
    let before = world.vault_bytes();
    let mut login = world.vault("login acme --no-open").begin();
    let asked = Asked::by(&mut login);
    let state = asked.state();
    let right = asked.agreed();
    let port = right["http://127.0.0.1:".len()..]
        .split('/')
        .next()
        .unwrap();
    let elsewhere = |path: &str| {
        let query = right.split_once('?').unwrap().1;
        format!("http://127.0.0.1:{port}{path}?{query}")
    };
    let localhost = format!("localhost:{port}");
    let other = format!("127.0.0.1:{}", port.parse::<u16>().unwrap() ^ 1);
    let strays = [
        (
            404,
            Visit::to(&format!("http://127.0.0.1:{port}/favicon.ico")),
        ),
        (404, Visit::to(&elsewhere("/"))),
        (404, Visit::to(&elsewhere("/callback/"))),
        (404, Visit::to(&elsewhere("//callback"))),
        (400, Visit::to(asked.redirect_uri())),
        (400, Visit::to(&asked.back(&[("code", CODE)]))),
        (
            400,
            Visit::to(&asked.back(&[("code", CODE), ("state", "")])),
        ),
        (
            400,
            Visit::to(&asked.back(&[("code", CODE), ("state", "other")])),
        ),
        (400, Visit::to(&asked.back(&[("error", "access_denied")]))),
        (400, Visit::to(&asked.back(&[("state", state)]))),
        (
            400,
            Visit::to(&asked.back(&[("code", ""), ("state", state)])),
        ),
        (400, Visit::to(&format!("{right}&state={state}"))),
        (400, Visit::to(&format!("{right}&code=FAKE"))),
        (400, Visit::to(&format!("{right}&error=access_denied"))),
        (405, Visit::to(&right).posting("")),
        (405, Visit::to(&right).by("HEAD")),
        (421, Visit::to(&right).with("Host", "evil.example")),
        (421, Visit::to(&right).with("Host", "127.0.0.1")),
        (421, Visit::to(&right).with("Host", &localhost)),
        (421, Visit::to(&right).with("Host", &other)),
        (400, Visit::to(&right).without("Host")),
    ];
    for (number, (status, stray)) in strays.into_iter().enumerate() {
        let page = stray.go();
        assert_eq!(page.status, status, "stray {number}: {page:?}");
        assert!(!page.text.contains(state), "stray {number}: {page:?}");
        assert!(!page.text.contains("Access-Control"), "{page:?}");
    }
    assert!(login.is_going_on());
    assert!(world.internet.seen().is_empty(), "nothing was traded");
    assert_eq!(world.vault_bytes(), before);
    asked.agree();
    login.end().ok();
    assert_eq!(world.stored("acme", "access_token"), ACCESS);
}

#[test]
fn the_right_answer_works_once() {
    let world = World::new(|_| tokens());
    let mut login = world.vault("login acme --no-open").begin();
    let asked = Asked::by(&mut login);
    asked.agree();
    // Nobody listens there, or somebody else does by now.
    assert_ne!(Visit::to(&asked.agreed()).go().status, 200);
    login.end().ok();
    assert_eq!(world.internet.seen().len(), 1);
}

#[test]
fn on_a_desktop_the_page_is_opened_with_no_token_in_sight() {
    let mut world = World::new(|_| tokens());
    // A browser has no business with the vault's key.
    let passphrase = world.environment.passphrase("of the vault");
    world
        .vault("rekey --passphrase --work-factor 2")
        .env("VAULT_NEW_PASSPHRASE", &passphrase)
        .ok();
    world.environment.set("VAULT_PASSPHRASE", passphrase);
    let mut login = world
        .vault("login acme")
        .on_desktop(&world.environment)
        .begin();
    let asked = Asked::by(&mut login);
    let given = opened(&world.environment);
    assert_eq!(given.lines().next(), Some(&*asked.url), "and that alone");
    asked.agree();
    let ended = login.end().ok();
    let verifier = &world.forms_at("/token")[0]["code_verifier"];
    world.environment.secret("the verifier", verifier);
    assert!(!given.contains(verifier.as_str()) && !ended.stderr.contains(verifier.as_str()));
    // What the opener was given is a file, and the hunt reads it at the end.
}

#[test]
fn nothing_is_opened_where_that_was_refused() {
    let world = World::new(|_| tokens());
    let mut login = world
        .vault("login acme --no-open")
        .on_desktop(&world.environment)
        .begin();
    Asked::by(&mut login).agree();
    login.end().ok();
    assert_eq!(opened_so_far(&world.environment), None);
}

#[test]
fn a_first_login_makes_the_vault() {
    let world = World::on_first_day(|_| tokens());
    let mut login = world.vault("login acme --no-open").begin();
    Asked::by(&mut login).agree();
    login.end().ok();
    assert_eq!(world.stored("acme", "access_token"), ACCESS);
}

#[test]
fn a_second_login_replaces_the_first_by_force_alone() {
    let world = World::new(|_| tokens());
    let mut login = world.vault("login acme --no-open").begin();
    Asked::by(&mut login).agree();
    login.end().ok();
    world.internet.forget();
    let before = world.vault_bytes();
    let refused = world.vault("login acme --no-open").begin().end().fails(6);
    assert!(!refused.stderr.contains("https://"), "{refused}");
    assert!(world.internet.seen().is_empty());
    assert_eq!(world.vault_bytes(), before);
    let mut login = world.vault("login acme --no-open --force").begin();
    Asked::by(&mut login).agree();
    login.end().ok();
    assert_eq!(world.internet.seen().len(), 1);
}

#[test]
fn tokens_are_found_where_the_definition_says() {
    // As Slack has it.
    let world = World::new(|_| {
        says(
            200,
            &json!({
                "ok": true,
                "team": { "name": "FAKE Team" },
                "authed_user": { "access_token": ACCESS, "token_type": "user" },
            }),
        )
    });
    world.define(&acme(json!({
        "tokens_at": "/authed_user",
        "account_at": "/team/name",
        "scope_parameter": "user_scope",
        "scope_separator": ",",
    })));
    let mut login = world.vault("login acme --no-open").begin();
    let asked = Asked::by(&mut login);
    assert_eq!(asked.query["user_scope"], "read,write");
    asked.agree();
    login.end().ok();
    assert_eq!(world.stored("acme", "access_token"), ACCESS);
    assert_eq!(world.stored("acme", "account"), "FAKE Team");
}

#[test]
fn openrouter_gives_a_key_and_has_the_state_in_the_path() {
    let key = format!("sk-or-v1-{}", "fa4e".repeat(16));
    let given = key.clone();
    let world = World::new(move |_| says(200, &json!({ "key": given, "user_id": null })));
    world.environment.secret("a key of OpenRouter", &key);
    let mut login = world
        .vault("login openrouter --flow pkce --no-open")
        .begin();
    let begins = "https://openrouter.ai/auth?";
    let asked = Asked::of(login.wait_for("address", |said| address(said, begins)));
    let back = &asked.query["callback_url"];
    let state = back.rsplit('/').next().unwrap();
    assert!(is_unguessable(state), "{back}");
    assert_eq!(asked.query["code_challenge_method"], "S256");
    assert!(!asked.query.contains_key("client_id"));
    let without = back.strip_suffix(state).unwrap();
    for stray in [
        format!("{without}?code=FAKE"),
        format!("{without}other?code=FAKE"),
        format!("{without}?code=FAKE&state={state}"),
    ] {
        assert_eq!(Visit::to(&stray).go().status, 404, "{stray}");
    }
    assert!(login.is_going_on() && world.internet.seen().is_empty());
    let page = Visit::to(&format!("{back}?code=FAKE-code")).go();
    assert_eq!(page.status, 200, "{page:?}");
    login.end().ok();
    let [seen] = &world.seen_at("/api/v1/auth/keys")[..] else {
        panic!("not one exchange: {:?}", world.internet.seen());
    };
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body["code"], "FAKE-code");
    assert_eq!(body["code_challenge_method"], "S256");
    let verifier = body["code_verifier"].as_str().unwrap();
    assert_eq!(challenge_of(verifier), asked.query["code_challenge"]);
    assert_eq!(world.stored("openrouter", "auth_type"), "api_key");
    assert_eq!(world.stored("openrouter", "api_key"), key);
}
