//! What tests of limits, budgets and metering share: answers that say what
//! they used, and what `vault usage` says of them.

use std::fs;
use std::time::Instant;

use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::client::{Client, Text};
use crate::support::TestEnvironment;
use crate::world::{PATIENCE, Reply, reply_with};

pub const CHAT: &str = "https://api.openai.com/v1/chat/completions";

/// A policy from the first request on.
pub fn policy(environment: &TestEnvironment, policy: &Value) {
    fs::write(environment.home().join("policy.json"), policy.to_string()).unwrap();
}

/// A chat completion of gpt-5 that took so many tokens.
pub fn completion(input: u64, output: u64) -> Reply {
    let body = json!({
        "object": "chat.completion", "model": "gpt-5-2025-08-07", "choices": [],
        "usage": { "prompt_tokens": input, "completion_tokens": output,
            "total_tokens": input + output },
    });
    let kind = [("content-type", "application/json")];
    reply_with(200, &kind, body.to_string())
}

/// A question to a model.
pub fn post(address: &str, body: impl Into<Bytes>) -> Request<Text> {
    Request::post(address)
        .header("content-type", "application/json")
        .body(Text::from(body.into()))
        .unwrap()
}

/// The same in the path form, straight to a gateway.
pub fn by_path(client: &Client, path: &str, body: impl Into<Bytes>) -> Request<Text> {
    let mut request = post(path, body);
    let shown = format!("Bearer {}", client.token).parse().unwrap();
    request.headers_mut().insert("authorization", shown);
    request
}

/// The rows of `vault usage --by KEY`, once so many requests are in them: they
/// are written a moment after they were answered.
#[track_caller]
pub fn usage(environment: &TestEnvironment, key: &str, requests: u64) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let run = environment.vault(["usage", "--json", "--by", key]).ok();
        let rows = run.json()["rows"].as_array().unwrap().clone();
        let counted: u64 = rows
            .iter()
            .map(|row| row["requests"].as_u64().unwrap())
            .sum();
        if counted == requests {
            return rows;
        }
        let is_waiting = counted < requests && Instant::now() < deadline;
        assert!(is_waiting, "not {requests} requests: {rows:?}");
    }
}

/// The row of one key.
#[track_caller]
pub fn row(rows: &[Value], key: &str) -> Value {
    let found = rows.iter().find(|row| row["key"] == key);
    found.unwrap_or_else(|| panic!("{key}: {rows:?}")).clone()
}
