//! Routes whose connections fail: who is asked next, who is not, and what is
//! remembered of it.

use serde_json::json;

use crate::client::Gateway;
use crate::routes::{Stage, asked, asks, policy, routes};
use crate::template::{define, filled, provider};
use crate::world::Manner;

#[tokio::test]
async fn whoever_fails_before_it_answers_is_followed_by_the_next() {
    for status in [0, 1, 429, 500, 503, 529] {
        let (mut environment, tokens) = filled();
        let stage = Stage::default();
        let world = stage.world(&mut environment);
        let way = json!([{ "to": "acme", "fallback": ["beta/two", "pair"], "rename": "b" }]);
        routes(&environment, &json!({ "default": way }));
        match status {
            0 => world.set("api.acme.example", Manner::Refused),
            // Hangs up on whoever asks.
            1 => world.set("api.acme.example", Manner::raw(async |stream| drop(stream))),
            status => stage.answers("acme", status, &vec![], "fault"),
        }
        let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
        let answer = asks(&gateway, "a").await.ok();
        assert_eq!(answer.header("x-vault-connection"), "beta/two", "{status}");
        assert_eq!(answer.text(), r#"{"model":"b"}"#);
        let came: &[&str] = if status < 2 {
            &["beta"]
        } else {
            &["acme", "beta"]
        };
        assert_eq!(asked(&world), came);
    }
}

#[tokio::test]
async fn a_local_server_that_does_not_run_is_followed_by_the_next() {
    let (mut environment, tokens) = filled();
    let world = Stage::default().world(&mut environment);
    environment.set("NO_PROXY", "127.0.0.1");
    environment.set("no_proxy", "127.0.0.1");
    let local = json!({
        "hosts": ["127.0.0.1:1"], "allow_http": true, "base_url": "http://127.0.0.1:1",
        "auth": ["none"], "fields": [], "inject": [],
    });
    define(&environment, &provider("local", local));
    environment.vault(["login", "local"]).ok();
    let way = json!([{ "to": "local", "fallback": ["acme"] }]);
    routes(&environment, &json!({ "default": way }));
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let answer = asks(&gateway, "a").await.ok();
    assert_eq!(answer.header("x-vault-connection"), "acme/default");
    assert_eq!(asked(&world), ["acme"]);
}

#[tokio::test]
async fn an_answer_that_is_about_the_request_is_given_as_it_is() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    let way = json!([{ "to": "acme", "fallback": ["beta/two"] }]);
    routes(&environment, &json!({ "default": way }));
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for status in [302, 400, 401, 403, 404, 413, 422] {
        stage.answers("acme", status, &vec![("location", "/x")], "upstream's");
        let answer = asks(&gateway, "a").await;
        assert_eq!((answer.status, answer.text()), (status, "upstream's"));
        assert_eq!(answer.header("x-vault-connection"), "acme/default");
        assert_eq!(asked(&world), ["acme"], "{status}");
    }
}

#[tokio::test]
async fn when_all_fail_the_last_answer_of_an_upstream_is_given() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    let sets = json!({
        "default": [{ "to": "acme", "fallback": ["beta/two"] }],
        "mixed": [{ "to": "pair", "fallback": ["query"] }],
        "gone": [{ "to": "basic", "fallback": ["query"] }],
    });
    routes(&environment, &sets);
    stage.answers("acme", 503, &vec![("retry-after", "1")], "first");
    stage.answers("beta", 429, &vec![("retry-after", "7")], "last");
    stage.answers("pair", 500, &vec![], "the only one that said anything");
    world.set("api.query.example", Manner::Refused);
    world.set("api.basic.example", Manner::Refused);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let answer = asks(&gateway, "a").await;
    assert_eq!((answer.status, answer.text()), (429, "last"));
    assert_eq!(answer.header("retry-after"), "7");
    assert_eq!(answer.header("x-vault-connection"), "beta/two");
    environment.vault(["route", "use", "mixed"]).ok();
    let answer = asks(&gateway, "a").await;
    assert_eq!(answer.text(), "the only one that said anything");
    assert_eq!(answer.header("x-vault-connection"), "pair/default");
    environment.vault(["route", "use", "gone"]).ok();
    let answer = asks(&gateway, "a").await;
    answer.refused(502, "unreachable");
    assert_eq!(answer.header("x-vault-connection"), "query/default");
}

#[tokio::test]
async fn who_just_failed_comes_last_and_is_not_given_up() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    let way = json!([{ "to": "acme", "fallback": ["beta/two"] }]);
    routes(&environment, &json!({ "default": way }));
    stage.answers("acme", 429, &vec![("retry-after", "300")], "busy");
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    asks(&gateway, "a").await.ok();
    assert_eq!(asked(&world), ["acme", "beta"]);
    // All threads know it, and all agents profit.
    for _ in 0..6 {
        asks(&gateway, "a").await.ok();
    }
    assert_eq!(asked(&world), ["beta"; 6]);
    stage.answers("beta", 503, &vec![], "fault");
    stage.answers("acme", 200, &vec![], "well again");
    let answer = asks(&gateway, "a").await.ok();
    assert_eq!(answer.text(), "well again");
    assert_eq!(asked(&world), ["beta", "acme"]);
    // A success is remembered too.
    asks(&gateway, "a").await.ok();
    assert_eq!(asked(&world), ["acme"]);
}

#[tokio::test]
async fn a_limit_of_ours_leads_on_and_is_no_fault_of_the_connection() {
    let (mut environment, tokens) = filled();
    let world = Stage::default().world(&mut environment);
    let made = environment.vault(["agent", "create", "other"]);
    let made = made.asks_for_secrets().ok();
    let other = environment.secret("another agent's token", made.stdout.trim_end());
    policy(
        &environment,
        &json!({
            "limits": [{ "agent": "ci", "provider": "acme", "requests": 1, "per": "1h" }],
            "routes": {
                "default": [{ "to": "acme/team", "fallback": ["beta/two"] }],
                "alone": [{ "to": "acme/team" }],
            },
        }),
    );
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for _ in 0..3 {
        asks(&gateway, "a").await.ok();
    }
    assert_eq!(asked(&world), ["acme", "beta", "beta"]);
    // For another agent acme is as well as before.
    asks(&gateway.with_token(&other), "a").await.ok();
    assert_eq!(asked(&world), ["acme"]);
    environment.vault(["route", "use", "alone"]).ok();
    let answer = asks(&gateway, "a").await;
    answer.refused(429, "rate_limited");
    assert_ne!(answer.header("retry-after"), "");
    assert!(asked(&world).is_empty());
}

#[tokio::test]
async fn what_policy_denies_ends_the_search() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    policy(
        &environment,
        &json!({
            "rules": [
                { "connection": "acme/default", "body": { "/model": "dear*" }, "action": "deny" },
                { "connection": "beta/two", "path": "/v1/chat/**", "action": "deny" },
            ],
            "routes": {
                "default": [{ "to": "acme", "fallback": ["pair"] }],
                "second": [{ "to": "query", "fallback": ["beta/two", "pair"] }],
                "renamed": [{ "to": "acme", "fallback": ["pair"], "rename": "dear-one" }],
            },
        }),
    );
    stage.answers("query", 503, &vec![], "fault");
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    asks(&gateway, "dear-one")
        .await
        .refused(403, "policy_denied");
    asks(&gateway, "cheap").await.ok();
    assert_eq!(asked(&world), ["acme"]);
    environment.vault(["route", "use", "second"]).ok();
    asks(&gateway, "a").await.refused(403, "policy_denied");
    assert_eq!(asked(&world), ["query"]);
    // Rules see what the upstream would.
    environment.vault(["route", "use", "renamed"]).ok();
    asks(&gateway, "cheap").await.refused(403, "policy_denied");
    assert!(asked(&world).is_empty());
}

#[tokio::test]
async fn a_fallback_that_is_not_the_clients_is_passed_over() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    let create = ["agent", "create", "two", "--allow", "acme/team,pair"];
    let made = environment.vault(create).asks_for_secrets().ok();
    let two = environment.secret("another agent's token", made.stdout.trim_end());
    let sets = json!({
        "default": [{ "to": "acme/team", "fallback": ["beta/two", "gamma", "pair"] }],
        "other": [{ "to": "beta/two", "fallback": ["acme/team"] }],
    });
    routes(&environment, &sets);
    stage.answers("acme", 503, &vec![], "fault");
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let narrow = gateway.with_token(&tokens.narrow);
    let answer = asks(&narrow, "a").await;
    assert_eq!((answer.status, answer.text()), (503, "fault"));
    assert_eq!(asked(&world), ["acme"]);
    asks(&gateway.with_token(&two), "a").await.ok();
    assert_eq!(asked(&world).last().unwrap(), "pair");
    // For whom a route itself is not, its fallback is not either, however
    // ill it may be.
    environment.vault(["route", "use", "other"]).ok();
    stage.answers("beta", 503, &vec![], "fault");
    asks(&gateway, "a").await;
    assert_eq!(asked(&world).first().unwrap(), "beta");
    asks(&narrow, "a").await.refused(403, "not_granted");
    assert!(asked(&world).is_empty());
}
