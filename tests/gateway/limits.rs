//! Limits at the gateway: of many at once exactly so many go through, and what
//! is refused is heard by nobody.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::books::{CHAT, by_path, completion, policy, post};
use crate::client::{Answer, Client, Gateway, Text, bounded, get, http1_over, inner, sends2};
use crate::policy::governed;
use crate::template::filled;
use crate::world::World;

const ACME: &str = "https://api.acme.example/v1/x";

/// It must be told that it is too much, and for how long.
#[track_caller]
fn too_much(answer: &Answer, what: &str) {
    let told = answer.refused(429, "rate_limited");
    assert_eq!(told["error"], "Rate limit exceeded");
    assert_eq!(told["hint"], format!("At most {what}"));
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

/// One after the other over one connection, until one is refused or `most`
/// went through.
async fn let_through(client: &Client, address: &str, most: usize) -> (usize, Option<Answer>) {
    let host = address.split('/').nth(2).unwrap();
    let mut sender = client.http1::<Text>(host).await;
    for count in 0..most {
        bounded(sender.ready()).await.unwrap();
        let sent = bounded(sender.send_request(inner(get(address)))).await;
        let answer = Answer::of(sent.unwrap()).await;
        if answer.status != 200 {
            return (count, Some(answer));
        }
        answer.ok();
    }
    (most, None)
}

fn named(name: &str) -> Request<Text> {
    let mut request = get(ACME);
    let headers = request.headers_mut();
    headers.insert("x-vault-connection", name.parse().unwrap());
    request
}

#[tokio::test]
async fn of_64_clients_at_once_exactly_the_limit_goes_through() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let limit = json!({"limits": [{"provider": "acme", "requests": 40, "per": "60s"}]});
    policy(&environment, &limit);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let begin = Arc::new(Barrier::new(64));
    let mut clients = JoinSet::new();
    for _ in 0..64 {
        let (client, begin) = (gateway.client.clone(), Arc::clone(&begin));
        clients.spawn(async move {
            let mut sender = http1_over(client.connect().await).await;
            let mut request = by_path(&client, "/api/acme/v1/x", Bytes::new());
            let host = client.address.parse().unwrap();
            request.headers_mut().insert("host", host);
            begin.wait().await;
            Answer::of(bounded(sender.send_request(request)).await.unwrap()).await
        });
    }
    let answers = bounded(clients.join_all()).await;
    let (through, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((through.len(), refused.len()), (40, 24));
    let what = "40 requests per 1m for ci on acme/default";
    for answer in &refused {
        too_much(answer, what);
    }
    assert_eq!(world.heard().len(), 40);
    // However it comes.
    too_much(&gateway.get(ACME).await, what);
    let mut sender = gateway.http2("api.acme.example").await;
    too_much(&sends2(&mut sender, get(ACME)).await, what);
    assert_eq!(world.heard().len(), 40);
    // Others have their own, and so has each connection.
    gateway.with_token(&tokens.narrow).get(ACME).await.ok();
    gateway.send(named("team")).await.ok();
    gateway.get("https://one.wild.example/").await.ok();
    too_much(&gateway.send(named("default")).await, what);
}

#[tokio::test]
async fn agents_of_serve_have_limits_that_only_limits_of_requests_replace() {
    let (mut environment, tokens) = filled();
    let key = environment.secret("anthropic's key", "sk-ant-FAKE_CANARY_OF_LIMITS");
    let login = environment.vault(["login", "anthropic", "--stdin"]);
    login.stdin(key).ok();
    let world = World::new(&mut environment);
    // A limit of tokens alone says nothing of how many requests there may be.
    policy(
        &environment,
        &json!({"limits": [{"tokens": 1_000_000, "per": "60s"}]}),
    );
    let mut gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let (openai, anthropic) = (
        "https://api.openai.com/v1/models",
        "https://api.anthropic.com/v1",
    );
    let (count, refused) = let_through(&gateway, openai, 101).await;
    assert_eq!(count, 100);
    too_much(
        &refused.unwrap(),
        "100 requests per 1m for ci on openai/default",
    );
    let (count, refused) = let_through(&gateway, anthropic, 51).await;
    assert_eq!(count, 50);
    too_much(
        &refused.unwrap(),
        "50 requests per 1m for ci on anthropic/default",
    );
    assert_eq!(world.heard().len(), 150);
    // Another number takes its place, and what was counted stays counted.
    let more = json!({"limits": [{"provider": "openai", "requests": 103, "per": "60s"}]});
    governed(&environment, &mut gateway, &more.to_string());
    let (count, refused) = let_through(&gateway, openai, 10).await;
    assert_eq!(count, 3);
    too_much(
        &refused.unwrap(),
        "103 requests per 1m for ci on openai/default",
    );
    let (count, _) = let_through(&gateway, anthropic, 1).await;
    assert_eq!(count, 0);
}

#[tokio::test]
async fn the_program_of_run_has_no_limits_but_those_of_the_policy() {
    let (mut environment, _) = filled();
    let world = World::new(&mut environment);
    policy(
        &environment,
        &json!({"limits": [{"agent": "ci", "requests": 1, "per": "1h"}]}),
    );
    let gateway = Gateway::run(&environment, &[]);
    let (count, _) = let_through(&gateway, "https://api.openai.com/v1/models", 101).await;
    assert_eq!((count, world.heard().len()), (101, 101));
    let own = json!({"limits": [{"agent": "run", "requests": 103, "per": "60s"}]});
    policy(&environment, &own);
    // It is seen by the next request or one soon after it: counted or not,
    // the policy's limit holds from then on.
    let (count, refused) = let_through(&gateway, ACME, 200).await;
    assert!((103..200).contains(&count), "{count}");
    too_much(
        &refused.unwrap(),
        "103 requests per 1m for run on acme/default",
    );
}

#[tokio::test]
async fn tokens_count_once_they_are_metered_and_a_reload_forgets_none() {
    let (mut environment, tokens) = filled();
    let world = World::answering(&mut environment, |_, _| async { Some(completion(40, 20)) });
    let limit = |tokens: u64| {
        let limit: Value = json!({"limits": [{"agent": "ci", "tokens": tokens, "per": "60s"}]});
        limit
    };
    policy(&environment, &limit(100));
    let mut gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let ask = || gateway.send(post(CHAT, r#"{"model": "gpt-5"}"#));
    ask().await.ok();
    ask().await.ok();
    too_much(&ask().await, "100 tokens per 1m for ci on openai/default");
    assert_eq!(world.heard().len(), 2);
    governed(&environment, &mut gateway, &limit(120).to_string());
    let ask = || gateway.send(post(CHAT, r#"{"model": "gpt-5"}"#));
    too_much(&ask().await, "120 tokens per 1m for ci on openai/default");
    governed(&environment, &mut gateway, &limit(121).to_string());
    let ask = || gateway.send(post(CHAT, r#"{"model": "gpt-5"}"#));
    ask().await.ok();
    too_much(&ask().await, "121 tokens per 1m for ci on openai/default");
    assert_eq!(world.heard().len(), 3);
}
