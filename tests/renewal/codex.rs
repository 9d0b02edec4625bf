//! The login of the Codex CLI: taken from its file, renewed as that program
//! does it, and written back.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};

use super::server::line;
use super::support::internet::{Internet, Reply};
use super::support::{Run, TestEnvironment};

/// A machine with a vault, and what the server answers next.
struct Codex {
    environment: TestEnvironment,
    internet: Internet,
    next: Arc<Mutex<Reply>>,
}

impl Codex {
    /// With the login of this file.
    fn with(file: &Value) -> Self {
        let mut environment = TestEnvironment::new().with_identity_vault();
        let next = Arc::new(Mutex::new(Reply::new(500, "{}")));
        let theirs = Arc::clone(&next);
        let internet = Internet::start(&environment, move |_| theirs.lock().unwrap().clone());
        internet.reach(&mut environment);
        for name in ["id_token", "access_token", "refresh_token"] {
            environment.secret(name, file["tokens"][name].as_str().unwrap());
        }
        let path = environment.given("auth.json", file.to_string());
        environment
            .vault(["login", "openai-codex", "--from-file"])
            .arg(path)
            .ok();
        assert_eq!(internet.seen().len(), 0);
        Self {
            environment,
            internet,
            next,
        }
    }

    fn answer(&self, status: u16, body: &Value) {
        *self.next.lock().unwrap() = Reply::new(status, body.to_string());
    }

    fn get(&self, field: &str) -> Run<'_> {
        self.environment
            .vault(["get", "openai-codex", "--field", field, "--show-secret"])
            .asks_for_secrets()
    }

    fn stored(&self, field: &str) -> String {
        line(&self.get(field).arg("--no-refresh").ok())
    }
}

/// A token that says of itself what is in `claims`, and is signed by nobody.
fn token(name: &str, claims: &Value) -> String {
    let body = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("FAKE-{name}.{body}.FAKE-signature")
}

fn id_token(account: &str) -> String {
    let claims = json!({
        "email": "me@example.com",
        "https://api.openai.com/auth": { "chatgpt_account_id": account },
    });
    token("id", &claims)
}

/// A token that ends so many seconds from now.
fn access_token(name: &str, seconds: i64) -> String {
    let end = Timestamp::now().as_second() + seconds;
    token(name, &json!({ "exp": end }))
}

/// The file of `codex login`, with an access token.
fn auth_file(access: &str, last_refresh: &str) -> Value {
    json!({
        "OPENAI_API_KEY": null,
        "tokens": {
            "id_token": id_token("FAKE-account"),
            "access_token": access,
            "refresh_token": "FAKE-refresh-codex-1",
            "account_id": "FAKE-account",
        },
        "last_refresh": last_refresh,
    })
}

fn days_ago(days: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(24 * days)).to_string()
}

#[test]
fn a_renewal_is_json_and_names_the_client() {
    let codex = Codex::with(&auth_file(&access_token("old", 200), &days_ago(1)));
    let new = access_token("new", 9000);
    codex.answer(
        200,
        &json!({
            "id_token": id_token("FAKE-account"),
            "access_token": new,
            "refresh_token": "FAKE-refresh-codex-2",
        }),
    );
    assert_eq!(line(&codex.get("access_token").ok()), new);
    let seen = codex.internet.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (&*seen[0].host, &*seen[0].path),
        ("auth.openai.com", "/oauth/token")
    );
    assert_eq!(seen[0].headers["content-type"], "application/json");
    assert_eq!(
        serde_json::from_str::<Value>(&seen[0].body).unwrap(),
        json!({
            "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
            "grant_type": "refresh_token",
            "refresh_token": "FAKE-refresh-codex-1",
        })
    );
    assert_eq!(codex.stored("refresh_token"), "FAKE-refresh-codex-2");
    assert_eq!(line(&codex.get("access_token").ok()), new);
    assert_eq!(codex.internet.seen().len(), 1, "it is far from its end");
}

#[test]
fn what_an_answer_lacks_stays_as_it_was() {
    let names = ["id_token", "access_token", "refresh_token"];
    for lacking in names {
        let file = auth_file(&access_token("old", 200), &days_ago(1));
        let codex = Codex::with(&file);
        let mut answer = json!({
            "id_token": format!("{}2", id_token("FAKE-account")),
            "access_token": access_token("new", 9000),
            "refresh_token": "FAKE-refresh-codex-2",
        });
        answer.as_object_mut().unwrap().remove(lacking);
        codex.answer(200, &answer);
        codex.get("access_token").ok();
        for name in names {
            let expected = match name == lacking {
                true => &file["tokens"][name],
                false => &answer[name],
            };
            assert_eq!(
                codex.stored(name),
                expected.as_str().unwrap(),
                "{lacking}: {name}"
            );
        }
        assert_eq!(codex.stored("account_id"), "FAKE-account");
    }
}

#[test]
fn the_tokens_of_another_account_are_not_stored() {
    for seconds in [200, -200] {
        let old = access_token("old", seconds);
        let codex = Codex::with(&auth_file(&old, &days_ago(1)));
        codex.answer(
            200,
            &json!({
                "id_token": id_token("FAKE-other"),
                "access_token": access_token("new", 9000),
                "refresh_token": "FAKE-refresh-codex-2",
            }),
        );
        let refused = codex.get("access_token").fails(9);
        refused.says(contains("another account"));
        assert_eq!(codex.stored("account_id"), "FAKE-account");
        assert_eq!(codex.stored("access_token"), old);
        assert_eq!(codex.stored("status"), "expired");
        codex.get("access_token").fails(9);
        assert_eq!(codex.internet.seen().len(), 1, "it is asked once");
    }
}

#[test]
fn a_token_that_does_not_say_its_end_is_renewed_after_eight_days() {
    let opaque = token("old", &json!({}));
    for (days, renewals) in [(7, 0), (9, 1)] {
        let codex = Codex::with(&auth_file(&opaque, &days_ago(days)));
        let new = token("new", &json!({}));
        codex.answer(200, &json!({ "access_token": new }));
        let expected = if renewals == 0 { &opaque } else { &new };
        for _ in 0..2 {
            assert_eq!(&line(&codex.get("access_token").ok()), expected, "{days}");
        }
        assert_eq!(codex.internet.seen().len(), renewals, "{days}");
    }
}

#[test]
fn any_401_is_the_end_of_the_login() {
    for error in [
        json!({ "error": { "code": "refresh_token_reused" } }),
        json!({ "error": { "code": "refresh_token_expired" } }),
        json!({ "error": "something_new" }),
        json!({}),
    ] {
        let codex = Codex::with(&auth_file(&access_token("old", 200), &days_ago(1)));
        codex.answer(401, &error);
        let hint = "vault login openai-codex/default --force";
        let run = codex.get("access_token").fails(9).says(contains(hint));
        let is_reused = error.to_string().contains("reused");
        assert_eq!(run.stderr.contains("was used before"), is_reused, "{run}");
        codex.get("access_token").fails(9).says(contains(hint));
        assert_eq!(codex.internet.seen().len(), 1, "{error}");
        assert_eq!(codex.stored("status"), "expired");
    }
}

#[test]
fn the_file_comes_out_as_it_went_in() {
    let file = auth_file(&access_token("old", 9000), "2026-11-01T10:00:00.123Z");
    let codex = Codex::with(&file);
    let export = ["export", "openai-codex", "--format", "codex-auth"];
    let run = codex.environment.vault(export).asks_for_secrets().ok();
    let written = run.json();
    assert_eq!(written["tokens"], file["tokens"]);
    assert_eq!(written["last_refresh"], file["last_refresh"]);
    assert_eq!(written["OPENAI_API_KEY"], Value::Null);
    run.says(contains("the same login"));
    // Elsewhere the refresh token stays in.
    let run = codex.environment.vault(["export"]).asks_for_secrets().ok();
    assert!(!run.stdout.contains("FAKE-refresh-codex"), "{run}");
    assert_eq!(codex.internet.seen().len(), 0);
}

#[test]
fn the_account_travels_as_a_header() {
    let codex = Codex::with(&auth_file(&access_token("old", 9000), &days_ago(1)));
    let arguments = ["get", "openai-codex", "--field", "header"];
    codex.environment.vault(arguments).ok().prints(
        predicates::str::is_match("(?i)authorization: Bearer ")
            .unwrap()
            .and(predicates::str::is_match("(?i)chatgpt-account-id: ").unwrap()),
    );
    codex.answer(200, &json!({}));
    codex.environment.vault(["verify", "openai-codex"]).ok();
    let seen = codex.internet.seen();
    assert_eq!(seen[0].host, "chatgpt.com");
    assert_eq!(seen[0].headers["chatgpt-account-id"], "FAKE-account");
}

#[test]
fn a_logout_ends_the_refresh_token_as_its_own_client() {
    let codex = Codex::with(&auth_file(&access_token("old", 200), &days_ago(1)));
    codex.answer(200, &json!({}));
    codex.environment.vault(["logout", "openai-codex"]).ok();
    let bodies: Vec<Value> = codex
        .internet
        .seen()
        .iter()
        .map(|seen| {
            assert_eq!(
                (&*seen.host, &*seen.path),
                ("auth.openai.com", "/oauth/revoke")
            );
            serde_json::from_str(&seen.body).unwrap()
        })
        .collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0]["token"], "FAKE-refresh-codex-1");
    assert_eq!(bodies[0]["client_id"], "app_EMoamEEZ73f0CkXaXp7hrann");
    assert_eq!(bodies[1]["token_type_hint"], "access_token");
    assert!(bodies[1].get("client_id").is_none());
}
