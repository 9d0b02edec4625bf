//! Rules at the gateway: the corpus of `tests/policy` through a real gateway
//! and through `rule test`, which never disagree; bodies that rules read; and
//! policies that change while the gateway runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;

use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::client::{Answer, Client, Gateway, Text, bounded, roots};
use crate::corpus::{Case, cases};
use crate::support::{TestEnvironment, chmod};
use crate::template::filled;
use crate::world::{World, reply};

/// A key that each provider's pattern takes; obviously nobody's.
fn key(provider: &str, name: &str) -> String {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    match provider {
        "openai" => format!("sk-FAKE_CANARY_OF_CORPUS_{name}"),
        "anthropic" => format!("sk-ant-FAKE_CANARY_OF_CORPUS_{name}"),
        "github" => format!("ghp_{:F<36}", format!("FAKECANARYOFCORPUS{name}")),
        "stripe" => format!("sk_test_FAKECANARYOFCORPUS{name}"),
        "mistral" => format!("{:F<32}", format!("FAKECANARY{name}")),
        other => panic!("no key is known for {other}"),
    }
}

/// A vault with these connections, and the token of each agent.
fn connected(
    connections: &[String],
    agents: &[String],
) -> (TestEnvironment, BTreeMap<String, String>) {
    let environment = TestEnvironment::new().with_identity_vault();
    for connection in connections {
        let (provider, name) = connection.split_once('/').unwrap();
        let key = environment.secret("a key of the corpus", key(provider, name));
        let login = environment.vault(["login", connection, "--stdin"]);
        login.stdin(&key).ok();
    }
    let mut tokens = BTreeMap::new();
    for agent in agents {
        let made = environment.vault(["agent", "create", agent, "--json"]);
        let made: Value = serde_json::from_str(&made.asks_for_secrets().ok().stdout).unwrap();
        let token = made["token"].as_str().unwrap().to_owned();
        tokens.insert(agent.clone(), token);
    }
    (environment, tokens)
}

/// Writes the policy, all of it at one instant.
pub fn write_policy(environment: &TestEnvironment, text: &str) {
    let path = environment.home().join("policy.json");
    let new = environment.home().join("policy.new");
    fs::write(&new, text).unwrap();
    chmod(&new, 0o600);
    fs::rename(&new, &path).unwrap();
}

/// Puts another policy into force, and waits until the gateway has it.
pub fn governed(environment: &TestEnvironment, gateway: &mut Gateway<'_>, text: &str) {
    let path = environment.home().join("policy.json");
    if fs::read_to_string(&path).is_ok_and(|before| before == text) {
        return;
    }
    let told = |said: &str| said.matches("policy.json").count();
    let count = gateway
        .running
        .wait_for("anything", |said| Some(told(said)));
    write_policy(environment, text);
    gateway.running.signals(rustix::process::Signal::HUP);
    let is_told = |said: &str| (told(said) > count).then_some(());
    gateway.running.wait_for("the new policy", is_told);
}

fn request(case: &Case) -> Request<Text> {
    let mut request = Request::builder()
        .method(case.method.as_str())
        .uri(&case.url);
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    if let Some(name) = &case.connection {
        request = request.header("x-vault-connection", name);
    }
    let body = case.body().map(Bytes::copy_from_slice).unwrap_or_default();
    request.body(Text::from(body)).unwrap()
}

/// What the gateway does with it; a request that it holds is denied by hand.
async fn gateways(environment: &TestEnvironment, client: &Client, case: &Case) -> (String, Value) {
    let sent = client.send(request(case));
    let mut sent = std::pin::pin!(sent);
    let mut held = false;
    let answer: Answer = loop {
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), sent.as_mut());
        match waited.await {
            Ok(answer) => break answer,
            Err(_) => held |= denies_one(environment),
        }
    };
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = match (answer.status, answer.header("x-vault-error")) {
        (200, "") => "allow",
        (403, "policy_denied" | "policy_unreadable") => "deny",
        (403, "approval_denied") if held => "approve",
        _ => return (format!("{} {body}", answer.status), body),
    };
    (said.to_owned(), body)
}

fn denies_one(environment: &TestEnvironment) -> bool {
    let list = environment.vault(["approvals", "list", "--json"]).ok();
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let Some(id) = list["approvals"][0]["id"].as_str() else {
        return false;
    };
    environment.vault(["approvals", "deny", id]).finish();
    true
}

/// What `rule test` says of it.
fn tests(environment: &TestEnvironment, case: &Case) -> Value {
    let mut run = environment
        .vault(["rule", "test", "--json", "--agent", &case.agent])
        .args(["--method", &case.method, "--url", &case.url]);
    if let Some(name) = &case.connection {
        run = run.args(["--connection", name]);
    }
    if let Some(body) = case.body() {
        let path = environment.given("body", body);
        run = run.arg("--body").arg(path);
    }
    let finished = run.finish();
    let said: Value = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|_| panic!("{}: {finished}", case.name));
    let expected = if said["decision"] == "allow" { 0 } else { 9 };
    assert_eq!(finished.code, Some(expected), "{}: {finished}", case.name);
    said
}

#[tokio::test]
async fn the_gateway_and_rule_test_decide_the_corpus_alike() {
    let mut groups: BTreeMap<Vec<String>, Vec<Case>> = BTreeMap::new();
    for case in cases() {
        let group = groups.entry(case.connections.clone()).or_default();
        group.push(case);
    }
    let mut wrong = Vec::new();
    for (connections, mut cases) in groups {
        // Those of one policy one after the other.
        cases.sort_by_key(|case| case.policy.get().to_owned());
        let mut agents: Vec<_> = cases.iter().map(|case| case.agent.clone()).collect();
        agents.retain(|agent| agent != "run");
        agents.sort();
        agents.dedup();
        let (mut environment, tokens) = connected(&connections, &agents);
        let world = World::new(&mut environment);
        let mut gateway = Gateway::serve(&environment, "", &["--allow-unmatched"]);
        for case in &cases {
            let Some(token) = tokens.get(&case.agent) else {
                continue;
            };
            governed(&environment, &mut gateway, case.policy.get());
            let mut client = gateway.with_token(token);
            // Behind a tunnel there is the world itself.
            client.roots.roots.extend(roots(world.roots()).roots);
            let (said, body) = gateways(&environment, &client, case).await;
            if said != case.expect.decision {
                wrong.push(format!(
                    "the gateway: {}, {}: {said} {body}",
                    case.file, case.name
                ));
            }
            let told = tests(&environment, case);
            if told["decision"] != case.expect.decision || told["rules"] != json!(case.expect.rules)
            {
                wrong.push(format!("rule test: {}, {}: {told}", case.file, case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn post(address: &str, body: impl Into<Bytes>) -> Request<Text> {
    Request::post(address)
        .body(Text::from(body.into()))
        .unwrap()
}

const LARGE: &str = r#"{"rules": [{"name": "large models", "provider": "openai",
    "body": {"/model": ["gpt-5*-pro"], "/max_tokens": {">": 8000}}, "action": "deny"},
    {"name": "pro", "provider": "openai", "body": {"/model": "*-pro"}, "action": "deny"}]}"#;
const RESPONSES: &str = "https://api.openai.com/v1/responses";

#[tokio::test]
async fn a_rule_sees_the_whole_body_or_the_request_is_refused() {
    let (mut environment, tokens) = filled();
    let world = World::answering(&mut environment, |request, _| async {
        let body = request.into_body().collect().await.ok()?;
        Some(reply(200, body.to_bytes().len().to_string()))
    });
    write_policy(&environment, LARGE);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let padding = "x".repeat(3_000_000);
    let hidden = format!(r#"{{"padding": "{padding}", "model": "gpt-5-pro"}}"#);
    let told = gateway.send(post(RESPONSES, hidden)).await;
    let told = told.refused(403, "policy_denied");
    assert_eq!(told["error"], "Denied by policy: pro");
    for body in [
        r#"{"model": "gpt-5", "model": "gpt-5-pro"}"#,
        r#"{"Model": "gpt-5-pro", "model": "gpt-5"}"#,
        "model=gpt-5-pro",
        "\u{feff}{\"model\": \"gpt-5\"}",
        "{\"model\": \"gpt-5\"} {}",
    ] {
        let answer = gateway.send(post(RESPONSES, body)).await;
        answer.refused(403, "policy_unreadable");
    }
    // Longer than what is held: not one byte of it is waited for.
    let said = gateway
        .says(&format!(
            "POST /api/openai/v1/responses HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
             Content-Length: 40000000\r\n\r\n",
            tokens.ci
        ))
        .await;
    assert!(said.starts_with("HTTP/1.1 403 "), "{said}");
    assert!(said.contains("x-vault-error: policy_unreadable"), "{said}");
    assert!(world.heard().is_empty());
    let allowed = format!(r#"{{"padding": "{padding}", "model": "gpt-5"}}"#);
    let answer = gateway.send(post(RESPONSES, allowed.clone())).await.ok();
    let length = allowed.len().to_string();
    assert_eq!(answer.text(), length);
    assert_eq!(world.only().header("content-length"), length);
}

#[tokio::test]
async fn a_compressed_body_is_opened_for_its_rule_and_goes_on_as_it_came() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    write_policy(&environment, LARGE);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let sends = |coding: &'static str, body: Vec<u8>| {
        let mut request = post(RESPONSES, body);
        let headers = request.headers_mut();
        headers.insert("content-encoding", coding.parse().unwrap());
        gateway.send(request)
    };
    let denied = sends("gzip", gzip(r#"{"model": "gpt-5-pro"}"#)).await;
    denied.refused(403, "policy_denied");
    for (coding, body) in [
        ("snappy", gzip(r#"{"model": "gpt-5"}"#)),
        ("gzip", b"no gzip".to_vec()),
        ("gzip, gzip", gzip(r#"{"model": "gpt-5"}"#)),
    ] {
        sends(coding, body).await.refused(403, "policy_unreadable");
    }
    // A bomb: what comes out is more than is held.
    let bomb = gzip(&format!(r#"{{"a": "{}"}}"#, "x".repeat(40 << 20)));
    sends("gzip", bomb).await.refused(403, "policy_unreadable");
    assert!(world.heard().is_empty());
    let small = gzip(r#"{"model": "gpt-5"}"#);
    sends("gzip", small.clone()).await.ok();
    let heard = world.only();
    assert_eq!(heard.header("content-encoding"), "gzip");
    assert_eq!(heard.header("content-length"), small.len().to_string());
}

#[tokio::test]
async fn a_policy_that_breaks_leaves_the_last_good_one_in_force() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    write_policy(&environment, r#"{"default": "deny"}"#);
    let mut gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let address = "https://api.acme.example/v1";
    let denied = gateway.get(address).await;
    denied.refused(403, "policy_denied");
    governed(
        &environment,
        &mut gateway,
        "{\"default\": \"allow\"\n \"rules\": []}",
    );
    let said = gateway.running.wait_for("the trouble", |said| {
        said.contains("line 2").then(|| said.to_owned())
    });
    assert!(said.contains("Error: "), "{said}");
    gateway.get(address).await.refused(403, "policy_denied");
    assert!(world.heard().is_empty());
    governed(&environment, &mut gateway, r#"{"default": "allow"}"#);
    gateway.get(address).await.ok();
}

#[tokio::test]
async fn a_policy_that_is_broken_at_the_start_starts_nothing() {
    let (environment, _) = filled();
    write_policy(&environment, "{");
    environment
        .vault(["serve", "--listen", "127.0.0.1:0"])
        .fails(5);
    environment.vault(["run", "--", "true"]).fails(125);
    write_policy(&environment, "{}");
    let missing = environment.path("none.json");
    let run = environment.vault(["serve", "--listen", "127.0.0.1:0", "--policy"]);
    run.arg(missing).fails(5);
}

#[tokio::test]
async fn rules_are_for_tunnels_plain_requests_and_runs_too() {
    let (mut environment, _) = filled();
    let world = World::new(&mut environment);
    let policy = r#"{"rules": [
        {"name": "no tunnels there", "agent": "run", "host": "*.evil.example", "action": "deny"},
        {"name": "no plain writes", "method": "POST", "host": "plain.example", "action": "deny"}]}"#;
    write_policy(&environment, policy);
    let gateway = Gateway::run(&environment, &[]);
    let answer = gateway.get("https://www.evil.example/").await;
    answer.refused(403, "policy_denied");
    let answer = gateway.send(post("http://plain.example/x", "a")).await;
    answer.refused(403, "policy_denied");
    assert!(world.heard().is_empty() && world.connects().is_empty());
    gateway.get("http://plain.example/x").await.ok();
    let stream = bounded(gateway.connects("www.good.example:443")).await;
    assert!(stream.is_ok());
}
