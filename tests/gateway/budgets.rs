//! Budgets at the gateway: what was spent is known after a kill and to others,
//! and where nobody can know it, nothing goes through.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Bytes;
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::books::{CHAT, by_path, completion, policy, post, row, usage};
use crate::client::{Answer, Gateway, bounded};
use crate::support::make_folder;
use crate::template::filled;
use crate::world::{PATIENCE, World, reply};

const MODELS: &str = "https://api.openai.com/v1/models";
const ACME: &str = "https://api.acme.example/v1/x";

/// It must be told that all is spent, and until when.
#[track_caller]
fn spent(answer: &Answer, what: &str) {
    let told = answer.refused(429, "budget_spent");
    assert_eq!(told["error"], "Budget exceeded");
    let hint = told["hint"].as_str().unwrap();
    let said = hint.strip_prefix(&format!("{what} is spent; the next begins at "));
    let resets: Timestamp = said.unwrap_or_else(|| panic!("{hint}")).parse().unwrap();
    let wait: i64 = answer.header("retry-after").parse().unwrap();
    let left = resets.duration_since(Timestamp::now()).as_secs();
    assert!((1..=31 * 86_400).contains(&wait), "{wait}");
    assert!((left..left + 30).contains(&wait), "{wait} and {left}");
}

#[tokio::test]
async fn money_that_is_spent_stays_spent_when_the_gateway_is_killed() {
    let (mut environment, tokens) = filled();
    // 1,000 for 1.25 and 400 for 10 USD a million: 0.00525 USD.
    let world = World::answering(&mut environment, |_, _| async {
        Some(completion(1000, 400))
    });
    let budget = json!({"budgets": [{"agent": "ci", "provider": "openai", "usd": "0.0105",
        "per": "month"}]});
    policy(&environment, &budget);
    let what = "0.0105 USD per month for ci on openai";
    let mut gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for _ in 0..2 {
        gateway.send(post(CHAT, "{}")).await.ok();
    }
    spent(&gateway.send(post(CHAT, "{}")).await, what);
    gateway.get(ACME).await.ok();
    assert_eq!(world.heard().len(), 3);
    let rows = usage(&environment, "provider", 3).await;
    assert_eq!(row(&rows, "openai")["cost_usd"], "0.0105");
    gateway.running.signals(Signal::KILL);
    gateway.running.end();

    gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    spent(&gateway.send(post(CHAT, "{}")).await, what);
    assert_eq!(world.heard().len(), 3);
    // Nobody else's is spent.
    gateway.get(ACME).await.ok();
}

#[tokio::test]
async fn two_gateways_spend_from_one_budget() {
    let (mut environment, tokens) = filled();
    let world = World::answering(&mut environment, |_, heard| async move {
        Some(match heard.line.starts_with("POST") {
            true => completion(60, 40),
            false => reply(200, "nothing"),
        })
    });
    policy(
        &environment,
        &json!({"budgets": [{"agent": "ci", "tokens": 100, "per": "month"}],
            "limits": [{"requests": 1_000_000, "per": "60s"}]}),
    );
    let one = Gateway::serve(&environment, &tokens.ci, &[]);
    let other = Gateway::serve(&environment, &tokens.ci, &[]);
    other.get(MODELS).await.ok();
    one.send(post(CHAT, "{}")).await.ok();
    spent(&one.get(MODELS).await, "100 tokens per month for ci");
    // The other hears of it within a second.
    let deadline = Instant::now() + PATIENCE;
    let refused = loop {
        let answer = other.get(MODELS).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(Instant::now() < deadline);
    };
    spent(&refused, "100 tokens per month for ci");
    let posts = world.heard();
    let posts = posts.iter().filter(|heard| heard.line.starts_with("POST"));
    assert_eq!(posts.count(), 1);
}

#[tokio::test]
async fn those_in_flight_are_all_that_goes_over_a_budget() {
    let (mut environment, tokens) = filled();
    let gate = Arc::new(Semaphore::new(0));
    let (arrive, mut arrived) = mpsc::unbounded_channel();
    let own = Arc::clone(&gate);
    let world = World::answering(&mut environment, move |_, _| {
        let (own, arrive) = (Arc::clone(&own), arrive.clone());
        async move {
            let _ = arrive.send(());
            own.acquire().await.ok()?.forget();
            Some(completion(6, 4))
        }
    });
    let budget = json!({"budgets": [{"provider": "openai", "tokens": 10, "per": "month"}]});
    policy(&environment, &budget);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let client = gateway.client.clone();
        clients.spawn(async move {
            let request = by_path(&client, "/api/openai/v1/chat/completions", Bytes::new());
            client.asks(request).await
        });
    }
    for _ in 0..8 {
        bounded(arrived.recv()).await.unwrap();
    }
    gate.add_permits(64);
    for answer in bounded(clients.join_all()).await {
        answer.ok();
    }
    // Nothing of what they took is written yet, perhaps; it counts.
    spent(
        &gateway.send(post(CHAT, "{}")).await,
        "10 tokens per month for ci on openai",
    );
    assert_eq!(world.heard().len(), 8);
}

#[tokio::test]
async fn a_budget_that_nobody_can_keep_lets_nothing_through_until_somebody_can() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let database = environment.home().join("state/usage.db");
    make_folder(&database);
    let budget = json!({"budgets": [{"agent": "ci", "usd": "5.00", "per": "month"}]});
    policy(&environment, &budget);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for _ in 0..3 {
        let answer = gateway.get(ACME).await;
        let told = answer.refused(503, "metering_stopped");
        assert!(told["hint"].as_str().unwrap().contains("vault usage"));
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert!(world.heard().is_empty() && world.connects().is_empty());
    fs::remove_dir(&database).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while gateway.get(ACME).await.status != 200 {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(world.heard().len(), 1);
    gateway.running.signals(Signal::TERM);
    let said = gateway.running.end().stderr;
    assert_eq!(said.matches("Budgets cannot be kept").count(), 1, "{said}");
}

#[tokio::test]
async fn without_a_budget_traffic_goes_on_with_one_warning() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    make_folder(&environment.home().join("state/usage.db"));
    policy(
        &environment,
        &json!({"budgets": [{"agent": "narrow", "usd": "5.00", "per": "month"}]}),
    );
    let mut gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    gateway.get(ACME).await.ok();
    gateway.running.wait_for("a warning", |said| {
        said.contains("Usage is not recorded").then_some(())
    });
    for _ in 0..5 {
        gateway.get(ACME).await.ok();
    }
    // Who has one is held up; that was told when the gateway began.
    let answer = gateway.with_token(&tokens.narrow).get(ACME).await;
    answer.refused(503, "metering_stopped");
    assert_eq!(world.heard().len(), 6);
    gateway.running.signals(Signal::TERM);
    let said = gateway.running.end().stderr;
    assert_eq!(said.matches("Budgets cannot be kept").count(), 1, "{said}");
    assert_eq!(said.matches("Usage is not recorded").count(), 1, "{said}");
    assert_eq!(said.matches("Warning: ").count(), 3, "{said}");
    assert!(said.contains("6 requests could not be recorded"), "{said}");
}
