//! Logins that come to nothing: what was there is as it was, to the byte.

use serde_json::json;

use super::support::internet::Reply;
use super::support::running::Ended;
use super::world::{ACCESS, Asked, CODE, World, acme, says, tokens};

/// A login whose exchange is answered so, with a vault and without one; it
/// must leave no trace.
fn must_leave_nothing(reply: &Reply, code: i32, says: &str) {
    must_leave_nothing_after(reply, Asked::agreed, |ended| {
        ended.fails(code).says(says);
    });
}

fn must_leave_nothing_after(reply: &Reply, back: impl Fn(&Asked) -> String, look: impl Fn(Ended)) {
    for is_first in [false, true] {
        let reply = reply.clone();
        let world = if is_first {
            World::on_first_day(move |_| reply.clone())
        } else {
            World::new(move |_| reply.clone())
        };
        world.define(&acme(json!({ "issuer": "https://login.acme.example" })));
        let before = world.vault_bytes();
        assert_eq!(before.is_none(), is_first);
        let mut login = world.vault("login acme --flow pkce --no-open").begin();
        let asked = Asked::by(&mut login);
        let page = super::support::browser::Visit::to(&back(&asked)).go();
        assert_eq!(page.status, 200, "{page:?}");
        look(login.end());
        assert_eq!(world.vault_bytes(), before);
        let identity = world.environment.identity_file();
        assert_eq!(identity.exists(), !is_first, "no key for nothing");
        assert_eq!(world.stored("acme", "status"), "not_connected");
    }
}

#[test]
fn a_person_who_declines_is_believed() {
    let declined = |asked: &Asked| {
        let text = "Not\u{1b}[31m today";
        asked.back(&[
            ("error", "access_denied"),
            ("error_description", text),
            ("state", asked.state()),
        ])
    };
    must_leave_nothing_after(&tokens(), declined, |ended| {
        let ended = ended.fails(9).says("(access_denied)");
        assert!(!ended.stderr.contains('\u{1b}'), "{ended}");
    });
}

#[test]
fn what_the_browser_brings_is_no_word_of_ours() {
    let odd = |asked: &Asked| {
        let text = "<b>\u{1b}]0;evil\u{7}";
        asked.back(&[("error", text), ("state", asked.state())])
    };
    must_leave_nothing_after(&tokens(), odd, |ended| {
        let ended = ended.fails(9).says("an unknown error");
        assert!(!ended.stderr.contains("evil"), "{ended}");
    });
}

#[test]
fn an_answer_of_another_issuer_is_refused() {
    for foreign in ["https://evil.example", "https://login.acme.example/", ""] {
        let mixed_up = |asked: &Asked| {
            let state = asked.state();
            asked.back(&[("code", CODE), ("state", state), ("iss", foreign)])
        };
        must_leave_nothing_after(&tokens(), mixed_up, |ended| {
            ended.fails(9).says("another issuer");
        });
    }
}

#[test]
fn an_answer_of_the_right_issuer_is_taken() {
    let world = World::new(|_| tokens());
    world.define(&acme(json!({ "issuer": "https://login.acme.example" })));
    let mut login = world.vault("login acme --no-open").begin();
    let asked = Asked::by(&mut login);
    let issuer = ("iss", "https://login.acme.example");
    let right = asked.back(&[("code", CODE), ("state", asked.state()), issuer]);
    super::support::browser::Visit::to(&right).go();
    login.end().ok();
}

#[test]
fn a_no_is_one_whatever_its_status() {
    let github = json!({
        "error": "bad_verification_code",
        "error_description": "The code passed is incorrect or expired.",
    });
    must_leave_nothing(&says(200, &github), 9, "bad_verification_code");
    let slack = json!({ "ok": false, "error": "invalid_code" });
    must_leave_nothing(&says(200, &slack), 9, "invalid_code");
    let usual = json!({ "error": "invalid_grant" });
    must_leave_nothing(&says(400, &usual), 9, "invalid_grant");
    must_leave_nothing(&Reply::new(403, "<html>no</html>"), 9, "HTTP 403");
}

#[test]
fn a_no_beats_the_tokens_beside_it() {
    let both = json!({ "ok": false, "error": "invalid_code", "access_token": ACCESS });
    must_leave_nothing(&says(200, &both), 9, "invalid_code");
}

#[test]
fn a_server_in_trouble_is_no_refusal() {
    must_leave_nothing(&Reply::new(500, "oops"), 8, "HTTP 500");
    must_leave_nothing(&Reply::new(429, "{}"), 8, "HTTP 429");
    must_leave_nothing(&Reply::new(0, ""), 8, "login.acme.example");
}

#[test]
fn a_server_that_sends_us_elsewhere_is_not_followed() {
    let mut reply = Reply::new(307, "{}");
    let elsewhere = "https://evil.example/token".to_owned();
    reply.headers.push(("Location".to_owned(), elsewhere));
    must_leave_nothing(&reply, 8, "HTTP 307");
}

#[test]
fn an_answer_that_is_no_json_is_none() {
    must_leave_nothing(&Reply::new(200, "<html>hello</html>"), 8, "is no JSON");
    let as_form = format!("access_token={ACCESS}&token_type=bearer");
    must_leave_nothing(&Reply::new(200, as_form), 8, "is no JSON");
    must_leave_nothing(&Reply::new(200, ""), 8, "is no JSON");
}

#[test]
fn a_token_that_no_header_can_carry_is_none() {
    for body in [
        json!({ "access_token": format!("{ACCESS}\nX-Evil: 1") }),
        json!({ "access_token": format!("{ACCESS}\r\n") }),
        json!({ "access_token": format!("{ACCESS} two") }),
        json!({ "access_token": format!("{ACCESS}\u{e9}") }),
    ] {
        must_leave_nothing(&says(200, &body), 8, "no header can carry");
    }
}

#[test]
fn an_answer_without_a_token_is_none() {
    must_leave_nothing(&says(200, &json!({})), 8, "has no token");
    must_leave_nothing(&says(200, &json!({ "access_token": "" })), 8, "no token");
    let number = json!({ "access_token": 12345 });
    must_leave_nothing(&says(200, &number), 8, "is no text");
    let bound = json!({ "access_token": ACCESS, "token_type": "DPoP" });
    must_leave_nothing(&says(200, &bound), 8, "more than showing it");
}

#[test]
fn what_a_server_repeats_of_a_request_is_not_shown() {
    let world = World::new(|seen| {
        let text = format!("You sent \u{1b}[2J {}", seen.body);
        says(
            400,
            &json!({ "error": "invalid_grant", "error_description": text }),
        )
    });
    let mut login = world.vault("login acme --no-open").begin();
    Asked::by(&mut login).agree();
    let ended = login.end().fails(9).says("invalid_grant");
    let form = &world.forms_at("/token")[0];
    for sent in ["code", "code_verifier"] {
        assert!(!ended.stderr.contains(&form[sent]), "{sent}: {ended}");
    }
    assert!(!ended.stderr.contains('\u{1b}'), "{ended}");
}
