//! Requests that wait for a person, from the client that is held to whoever
//! decides: nothing goes upstream before that, and nothing secret is shown.

use std::time::Instant;

use hyper::Request;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::books::{CHAT, by_path, policy, post};
use crate::client::{Answer, Client, Gateway, Text, bounded, get, http1_over, inner};
use crate::policy::governed;
use crate::support::TestEnvironment;
use crate::template::{self, Tokens, filled};
use crate::world::{PATIENCE, World};

const ACME: &str = "https://api.acme.example/v1/x";
/// What no list, log or notice may hold.
const QUERY: &str = "FAKE-canary-of-a-query";
const HEADER: &str = "FAKE-canary-of-a-header";
const BODY: &str = r#"{"model": "gpt-5-pro", "input": "FAKE words of a body"}"#;

fn asks_for_approval() -> Value {
    json!({"rules": [{"name": "ask me", "action": "approve"}]})
}

/// A gateway's machine whose policy wants everything approved.
fn careful() -> (TestEnvironment, Tokens, World) {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    policy(&environment, &asks_for_approval());
    environment.secret("a query", QUERY);
    environment.secret("a header", HEADER);
    (environment, tokens, world)
}

/// Sends it in the background.
fn sent(client: &Client, request: Request<Text>) -> JoinHandle<Answer> {
    let client = client.clone();
    tokio::spawn(async move { client.send(request).await })
}

fn list(environment: &TestEnvironment, more: &[&str]) -> Vec<Value> {
    let run = environment.vault(["approvals", "list", "--json"]);
    let list = run.args(more).ok().json();
    list["approvals"].as_array().unwrap().clone()
}

/// Waits until so many are held.
async fn held(environment: &TestEnvironment, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Whoever is to be held has to get there.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let list = list(environment, &[]);
        if list.len() == count {
            return list;
        }
        assert!(Instant::now() < deadline, "not {count}: {list:?}");
    }
}

/// Decides on the only one.
async fn decides(environment: &TestEnvironment, arguments: &[&str]) -> Value {
    let mut list = held(environment, 1).await;
    let facts = list.remove(0);
    let (verb, more) = arguments.split_first().unwrap();
    let id = facts["id"].as_str().unwrap();
    environment.vault(["approvals", verb, id]).args(more).ok();
    facts
}

async fn answer(sent: JoinHandle<Answer>) -> Answer {
    bounded(sent).await.unwrap()
}

/// The audit log's lines of these kinds.
fn audit(environment: &TestEnvironment) -> Vec<Value> {
    let run = environment.vault(["audit", "--json"]).ok();
    let lines = run.stdout.lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_one = |line: &Value| line["event"] == "approval" || line["event"] == "denial";
    lines.filter(is_one).collect()
}

#[tokio::test]
async fn a_request_goes_on_once_it_is_approved_and_its_facts_show_nothing_secret() {
    let (environment, tokens, world) = careful();
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut request = post(&format!("{CHAT}?q={QUERY}"), BODY);
    request
        .headers_mut()
        .insert("x-own", HEADER.parse().unwrap());
    let waiting = sent(&gateway, request);
    let facts = held(&environment, 1).await.remove(0);
    assert!(world.heard().is_empty() && world.connects().is_empty());
    let expected = [
        ("agent", json!("ci")),
        ("method", json!("POST")),
        ("host", json!("api.openai.com:443")),
        ("path", json!("/v1/chat/completions")),
        ("model", json!("gpt-5-pro")),
        ("bytes", json!(BODY.len())),
    ];
    for (name, value) in expected {
        assert_eq!(facts[name], value, "{facts}");
    }
    assert!(facts.get("body").is_none());
    let shown = list(&environment, &["--show-body"]).remove(0);
    assert_eq!(shown["body"], BODY);
    let table = environment.vault(["approvals", "list"]).ok().stdout;
    assert!(
        table.contains("ask me") && !table.contains("FAKE words"),
        "{table}"
    );
    assert!(world.heard().is_empty() && world.connects().is_empty());
    decides(&environment, &["approve"]).await;
    answer(waiting).await.ok();
    let heard = world.only();
    assert_eq!(heard.header("content-length"), BODY.len().to_string());
    assert_eq!(heard.header("x-own"), HEADER);
    assert_eq!(
        heard.header("authorization"),
        format!("Bearer {}", template::OPENAI_KEY)
    );

    // A key's place in a path is shown as such.
    let path = format!("/api/path/bot{}/getMe", tokens.ci);
    let waiting = tokio::spawn({
        let client = gateway.client.clone();
        async move { client.asks(by_path(&client, &path, "")).await }
    });
    let facts = decides(&environment, &["deny"]).await;
    assert_eq!(facts["path"], "/botKEY/getMe");
    answer(waiting).await.refused(403, "approval_denied");
    assert_eq!(world.heard().len(), 1);

    let lines = audit(&environment);
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["event"].as_str(),
                line["outcome"].as_str(),
                line["agent"].as_str(),
            )
        })
        .collect();
    let expected = [
        (Some("approval"), Some("approved"), Some("ci")),
        (Some("denial"), Some("denied"), Some("ci")),
    ];
    assert_eq!(told, expected, "{lines:?}");
    assert_eq!(lines[0]["path"], "/v1/chat/completions");
    environment.vault(["audit", "verify"]).ok();
}

#[tokio::test]
async fn what_nobody_approves_in_time_is_denied() {
    let (environment, tokens, world) = careful();
    let rule = json!({"rules": [{"name": "soon", "action": "approve", "timeout": "1s"}]});
    policy(&environment, &rule);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let told = gateway.get(ACME).await.refused(403, "approval_timeout");
    assert!(told["error"].as_str().unwrap().contains("soon"), "{told}");
    assert!(world.heard().is_empty());
    assert_eq!(audit(&environment)[0]["outcome"], "timed_out");
    assert!(list(&environment, &[]).is_empty());
}

#[tokio::test]
async fn whoever_goes_away_is_not_waited_for() {
    let (environment, tokens, world) = careful();
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    // HTTP/1.1, with a body that was heard and without.
    for request in [get(ACME), post(ACME, BODY)] {
        let mut sender = http1_over(gateway.inside("api.acme.example", "http/1.1").await).await;
        let waiting = tokio::spawn(async move { sender.send_request(inner(request)).await });
        held(&environment, 1).await;
        waiting.abort();
        held(&environment, 0).await;
    }
    // HTTP/2: one of two streams.
    let mut sender = gateway.http2::<Text>("api.acme.example").await;
    let first = tokio::spawn(sender.send_request(get(ACME)));
    held(&environment, 1).await;
    let other = tokio::spawn(sender.send_request(post(ACME, BODY)));
    held(&environment, 2).await;
    other.abort();
    let facts = held(&environment, 1).await.remove(0);
    assert_eq!(facts["method"], "GET");
    first.abort();
    held(&environment, 0).await;
    // A tunnel.
    let client = gateway.client.clone();
    let tunnel =
        tokio::spawn(async move { client.connects("www.other.example:443").await.is_ok() });
    let facts = held(&environment, 1).await.remove(0);
    assert_eq!(
        (&facts["method"], &facts["path"]),
        (&json!("CONNECT"), &json!(""))
    );
    tunnel.abort();
    held(&environment, 0).await;
    assert!(world.heard().is_empty() && world.connects().is_empty());
    let lines = audit(&environment);
    assert!(
        lines.iter().all(|line| line["outcome"] == "withdrawn"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 5);
    // The same tunnel, approved.
    let client = gateway.client.clone();
    let tunnel =
        tokio::spawn(async move { client.connects("www.other.example:443").await.is_ok() });
    decides(&environment, &["approve"]).await;
    assert!(bounded(tunnel).await.unwrap());
}

#[tokio::test]
async fn a_gateway_that_stops_answers_those_whom_it_holds() {
    let (environment, tokens, world) = careful();
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let waiting = sent(&gateway, get(ACME));
    held(&environment, 1).await;
    gateway.running.signals(Signal::TERM);
    answer(waiting).await.refused(503, "stopping");
    gateway.running.end().ok();
    assert!(world.heard().is_empty());
    assert_eq!(audit(&environment)[0]["outcome"], "stopped");
}

#[tokio::test]
async fn what_is_approved_ahead_passes_until_the_policy_changes() {
    let (environment, tokens, world) = careful();
    let mut gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let waiting = sent(&gateway, get(ACME));
    decides(&environment, &["approve", "--for", "1h"]).await;
    answer(waiting).await.ok();
    gateway.get(ACME).await.ok();
    // For that agent, and no other.
    let waiting = sent(&gateway.with_token(&tokens.narrow), get(ACME));
    decides(&environment, &["deny"]).await;
    answer(waiting).await.refused(403, "approval_denied");
    let other = json!({"rules": [{"name": "ask me", "action": "approve", "method": "GET"}]});
    governed(&environment, &mut gateway, &other.to_string());
    let waiting = sent(&gateway, get(ACME));
    decides(&environment, &["deny"]).await;
    answer(waiting).await.refused(403, "approval_denied");
    assert_eq!(world.heard().len(), 2);
    assert_eq!(audit(&environment)[0]["for"], "1h");
}

#[tokio::test]
async fn an_approval_gives_nothing_to_an_agent_that_was_revoked_meanwhile() {
    let (environment, tokens, world) = careful();
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    let waiting = sent(&gateway, get(ACME));
    held(&environment, 1).await;
    let client = gateway.client.clone();
    let tunnel = tokio::spawn(async move { client.connects("www.other.example:443").await });
    held(&environment, 2).await;
    environment.vault(["agent", "revoke", "ci"]).ok();
    for facts in held(&environment, 2).await {
        let id = facts["id"].as_str().unwrap();
        environment.vault(["approvals", "approve", id]).ok();
    }
    answer(waiting).await.refused(407, "unauthorized");
    let refused = bounded(tunnel).await.unwrap().unwrap_err();
    refused.refused(407, "unauthorized");
    assert!(world.heard().is_empty() && world.connects().is_empty());
}

#[tokio::test]
async fn the_notify_command_hears_the_facts_and_no_more() {
    let (environment, tokens, _world) = careful();
    let (told, done) = (environment.path("work/told"), environment.path("work/done"));
    // All of it is there once it has its name.
    let command = format!(
        "cat > {0} && env >> {0} && mv {0} {1}",
        told.display(),
        done.display()
    );
    let mut rules = asks_for_approval();
    rules["notify"] = json!(command);
    policy(&environment, &rules);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut request = post(&format!("{CHAT}?q={QUERY}"), BODY);
    request
        .headers_mut()
        .insert("x-own", HEADER.parse().unwrap());
    let waiting = sent(&gateway, request);
    let facts = held(&environment, 1).await.remove(0);
    let deadline = Instant::now() + PATIENCE;
    let told = loop {
        if let Ok(text) = std::fs::read_to_string(&done) {
            break text;
        }
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    };
    let (line, variables) = told.split_once('\n').unwrap();
    let heard: Value = serde_json::from_str(line).unwrap();
    for name in [
        "id", "agent", "method", "host", "path", "model", "bytes", "expires",
    ] {
        assert_eq!(heard[name], facts[name], "{heard}");
    }
    assert_eq!(heard["rules"], json!(["ask me"]));
    assert!(!told.contains("FAKE words"), "{told}");
    for name in ["VAULT_PASSPHRASE", "VAULT_IDENTITY"] {
        assert!(!variables.contains(name), "{variables}");
    }
    decides(&environment, &["approve"]).await;
    answer(waiting).await.ok();
}
