//! `/v1/models`: what the routes can reach, and nothing that its client may
//! not ask for.

use hyper::Request;
use serde_json::{Value, json};

use crate::client::{Answer, Client, Gateway, Text, get};
use crate::routes::{Stage, policy, routes};
use crate::template::filled;
use crate::world::Manner;

async fn listed(client: &Client, path: &str) -> Answer {
    let request = Request::get(path).header("authorization", format!("Bearer {}", client.token));
    client.asks(request.body(Text::default()).unwrap()).await
}

/// Each model with its connection.
fn pairs(answer: &Answer) -> Vec<String> {
    let value: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(value["object"], "list");
    let data = value["data"].as_array().unwrap().iter().map(|model| {
        assert_eq!(model["object"], "model");
        let text = |name: &str| model[name].as_str().unwrap().to_owned();
        format!("{} {}", text("id"), text("owned_by"))
    });
    data.collect()
}

fn models(names: &[&str]) -> String {
    let data: Vec<_> = names
        .iter()
        .map(|name| json!({ "id": name, "created": 1 }))
        .collect();
    json!({ "object": "list", "data": data }).to_string()
}

#[tokio::test]
async fn the_models_that_a_set_would_send_somewhere_are_listed() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    routes(
        &environment,
        &json!({
            "default": [
                { "model": "llama*", "to": "beta/one" },
                { "model": ["fast", "small*"], "to": "beta/one", "rename": "llama3.2" },
                { "model": ["fast", "llama-x"], "to": "pair", "rename": "y" },
                { "to": "acme", "fallback": ["query"] },
            ],
            "local": [{ "to": "beta/one", "rename": "qwen3" }],
        }),
    );
    stage.answers(
        "beta",
        200,
        &vec![],
        &models(&["qwen3", "llama3.2", "llama3.2", "fast", "org/llama"]),
    );
    stage.answers("acme", 200, &vec![], &models(&["gpt-5", "llama9", "a/b"]));
    stage.answers("query", 200, &vec![], &models(&["q"]));
    stage.answers("pair", 500, &vec![], "fault");
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let answer = listed(&gateway, "/v1/models").await.ok();
    let expected = [
        "a/b acme/default",
        "fast beta/one",
        "gpt-5 acme/default",
        "llama3.2 beta/one",
    ];
    assert_eq!(pairs(&answer), expected);
    assert_eq!(answer.header("x-vault-route"), "default");
    let mut lines: Vec<_> = world
        .heard()
        .iter()
        .map(|heard| {
            let path = heard.line.split('?').next().unwrap();
            format!("{path} {}", heard.host)
        })
        .collect();
    lines.sort();
    let each = ["acme", "beta", "pair", "query"];
    assert_eq!(
        lines,
        each.map(|name| format!("GET /v1/models api.{name}.example"))
    );
    // Each by itself; nobody is asked who would not get it.
    world.forget();
    for (path, status, owner) in [
        ("/v1/models/gpt-5", 200, "acme/default"),
        ("/v1/models/a/b", 200, "acme/default"),
        ("/v1/models/a%2Fb", 200, "acme/default"),
        ("/v1/models/q", 404, ""),
        ("/v1/models/llama9", 404, ""),
        ("/v1/models/small-one", 200, "beta/one"),
    ] {
        let answer = listed(&gateway, path).await;
        assert_eq!(answer.status, status, "{path}");
        let value: Value = serde_json::from_slice(&answer.body).unwrap();
        match status {
            200 => assert_eq!(value["owned_by"], owner, "{path}"),
            _ => assert_eq!(value["code"], "no_model"),
        }
    }
    assert!(
        world
            .heard()
            .iter()
            .all(|heard| heard.host != "api.pair.example")
    );
    environment.vault(["route", "use", "local"]).ok();
    let answer = listed(&gateway, "/v1/models").await.ok();
    assert_eq!(pairs(&answer), ["qwen3 beta/one"]);
}

#[tokio::test]
async fn a_fallback_lists_its_models_while_it_would_be_asked() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    routes(
        &environment,
        &json!({ "default": [{ "to": "acme", "fallback": ["query"] }] }),
    );
    world.set("api.acme.example", Manner::Refused);
    stage.answers("query", 200, &vec![], &models(&["q"]));
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let answer = listed(&gateway, "/v1/models").await.ok();
    assert_eq!(pairs(&answer), ["q query/default"]);
}

#[tokio::test]
async fn a_client_sees_no_models_that_it_may_not_ask_for() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    policy(
        &environment,
        &json!({
            "rules": [{ "connection": "pair/default", "action": "deny" }],
            "routes": { "default": [
                { "model": "renamed", "to": "beta/one", "rename": "x" },
                { "model": "q*", "to": "query", "fallback": ["acme/team"] },
                { "model": "p*", "to": "pair" },
                { "to": "acme/team" },
            ] },
        }),
    );
    for (name, model) in [("beta", "b"), ("query", "q"), ("pair", "p"), ("acme", "a")] {
        stage.answers(name, 200, &vec![], &models(&[model, "q-of-all"]));
    }
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let narrow = gateway.with_token(&tokens.narrow);
    assert_eq!(
        pairs(&listed(&narrow, "/v1/models").await.ok()),
        ["a acme/team"]
    );
    assert_eq!(world.only().host, "api.acme.example");
    listed(&narrow, "/v1/models/q")
        .await
        .refused(404, "no_model");
    listed(&narrow, "/v1/models/renamed")
        .await
        .refused(403, "not_granted");
    let all = pairs(&listed(&gateway, "/v1/models").await.ok());
    let expected = [
        "a acme/team",
        "q query/default",
        "q-of-all query/default",
        "renamed beta/one",
    ];
    assert_eq!(all, expected);
    gateway
        .asks(get("/v1/models"))
        .await
        .refused(401, "unauthorized");
}

#[tokio::test]
async fn what_is_too_long_or_no_list_is_left_out() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let _world = stage.world(&mut environment);
    let ways: Vec<_> = ["acme", "beta/one", "pair", "query"]
        .iter()
        .map(|to| json!({ "model": format!("{}*", &to[..1]), "to": to }))
        .collect();
    routes(&environment, &json!({ "default": ways }));
    let long = models(&["a"]) + &" ".repeat(5 << 20);
    stage.answers("acme", 200, &vec![], &long);
    stage.answers("beta", 200, &vec![], "<html>");
    stage.answers("pair", 302, &vec![("location", "/x")], &models(&["p"]));
    stage.answers("query", 200, &vec![], r#"[{"id":"q"},{"id":"q\u001b[2J"}]"#);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let answer = listed(&gateway, "/v1/models").await.ok();
    assert_eq!(pairs(&answer), ["q query/default"]);
}
