//! What metering costs: a short answer by itself, and long ones a second.
//!
//! `cargo run --release --example meter`, which `bench/meter` does.

#![allow(clippy::print_stdout)] // the table is what it is for

use std::hint::black_box;
use std::time::{Duration, Instant};

use vault::name::ProviderName;
use vault::usage::meter::{Meter, Shape};

/// As large as the pieces in which a gateway reads.
const PIECE: usize = 64 * 1024;
const LONG: usize = 50 << 20;
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

fn main() {
    let chat = chat();
    println!(
        "{:<44}{:>12}{:>14}{:>14}",
        "ns an answer", "metered", "IgnoredAny", "memchr"
    );
    for (name, body) in [
        (format!("chat completion, {} bytes", chat.len()), &chat),
        ("the same, indented".to_owned(), &indented(&chat)),
    ] {
        let ours = each(|| meter(Shape::OpenAi, JSON, body));
        let parsed = each(|| parse(body));
        let looked = each(|| look(body));
        println!("{name:<44}{ours:>12.0}{parsed:>14.0}{looked:>14.0}");
    }
    println!();
    println!(
        "{:<44}{:>12}{:>14}{:>14}",
        "GB/s, 50 MiB", "metered", "IgnoredAny", "memchr"
    );
    for (name, shape, kind, body) in [
        ("JSON: one long text", Shape::OpenAi, JSON, long_text()),
        ("JSON: a picture in base64", Shape::Gemini, JSON, picture()),
        ("JSON: embeddings", Shape::OpenAi, JSON, embeddings()),
        (
            "JSON: embeddings, indented",
            Shape::OpenAi,
            JSON,
            indented(&embeddings()),
        ),
        (
            "JSON: log probabilities",
            Shape::OpenAi,
            JSON,
            probabilities(),
        ),
        (
            "events: a chat, word by word",
            Shape::OpenAi,
            EVENTS,
            events_of_chat(),
        ),
        (
            "events: messages, word by word",
            Shape::Anthropic,
            EVENTS,
            events_of_messages(),
        ),
        (
            "events: a response in one",
            Shape::OpenAi,
            EVENTS,
            event_of_response(),
        ),
    ] {
        let size = body.len() as f64 / 1e9;
        let ours = size / best(|| meter(shape, kind, &body)).as_secs_f64();
        let looked = size / best(|| look(&body)).as_secs_f64();
        let parsed = match kind {
            JSON => format!("{:.2}", size / best(|| parse(&body)).as_secs_f64()),
            _ => "-".to_owned(),
        };
        println!("{name:<44}{ours:>12.2}{parsed:>14}{looked:>14.2}");
    }
}

fn meter(shape: Shape, kind: &str, body: &[u8]) {
    let provider: ProviderName = "openai".parse().expect("it is a provider's name");
    let mut meter = Meter::new(shape, &provider, Some(kind), 200).expect("this is metered");
    for piece in body.chunks(PIECE) {
        meter.feed(black_box(piece));
    }
    let metered = black_box(meter.finish(true));
    assert!(metered.tokens.is_some() && !metered.is_cut);
}

fn parse(body: &[u8]) {
    let parsed: serde::de::IgnoredAny =
        serde_json::from_slice(black_box(body)).expect("this is JSON");
    black_box(parsed);
}

fn look(body: &[u8]) {
    black_box(memchr::memchr(0, black_box(body)));
}

/// Nanoseconds of one among many, in the best of some turns.
fn each(run: impl Fn()) -> f64 {
    const TIMES: u32 = 20_000;
    let turn = best(|| (0..TIMES).for_each(|_| run()));
    turn.as_nanos() as f64 / f64::from(TIMES)
}

fn best(run: impl Fn()) -> Duration {
    (0..7)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .expect("there are turns")
}

const USAGE: &str = r#""usage":{"prompt_tokens":1117,"completion_tokens":146,"total_tokens":1263,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":64,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#;

const TEXT: &str = "Loopback addresses stay on the machine: \\\"127.0.0.1\\\" never reaches a wire.\\n\\n1. Bind to it.\\n2. Check who asks. ";

fn chat() -> Vec<u8> {
    format!(
        r#"{{"id":"chatcmpl-FAKEfakeFAKEfakeFAKEfakeFAK","object":"chat.completion","created":1790000000,"model":"gpt-5.4-mini-2026-03-17","choices":[{{"index":0,"message":{{"role":"assistant","content":"{TEXT}{TEXT}{TEXT}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],{USAGE},"service_tier":"default","system_fingerprint":"fp_FAKE000000"}}"#
    )
    .into_bytes()
}

fn indented(body: &[u8]) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_slice(body).expect("this is JSON");
    serde_json::to_vec_pretty(&value).expect("a value is JSON")
}

/// As many of a part as there is room for, between a beginning and an end.
fn filled(begin: &str, part: impl Fn(usize) -> String, end: &str) -> Vec<u8> {
    let mut body = begin.as_bytes().to_vec();
    let mut number = 0;
    while body.len() < LONG {
        body.extend_from_slice(part(number).as_bytes());
        number += 1;
    }
    body.extend_from_slice(end.as_bytes());
    body
}

fn long_text() -> Vec<u8> {
    filled(
        r#"{"model":"m","choices":[{"message":{"content":""#,
        |_| TEXT.to_owned(),
        &format!(r#""}}}}],{USAGE}}}"#),
    )
}

fn picture() -> Vec<u8> {
    filled(
        r#"{"candidates":[{"content":{"parts":[{"inlineData":{"data":""#,
        |_| "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ".to_owned(),
        r#""}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1290}}"#,
    )
}

fn embeddings() -> Vec<u8> {
    let numbers: Vec<String> = (0..1536_u32)
        .map(|index| {
            format!(
                "{:.9}",
                f64::from(index.wrapping_mul(2_654_435_761) >> 8) / 2e8 - 0.04
            )
        })
        .collect();
    let numbers = numbers.join(",");
    filled(
        r#"{"object":"list","data":["#,
        |index| {
            let comma = if index > 0 { "," } else { "" };
            format!(r#"{comma}{{"object":"embedding","index":{index},"embedding":[{numbers}]}}"#)
        },
        r#"],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
    )
}

fn probabilities() -> Vec<u8> {
    filled(
        r#"{"model":"m","choices":[{"logprobs":{"content":["#,
        |index| {
            let comma = if index > 0 { "," } else { "" };
            format!(
                r#"{comma}{{"token":" word","logprob":-0.0{index},"bytes":[32,119,111,114,100],"top_logprobs":[]}}"#
            )
        },
        &format!(r#"]}}}}],{USAGE}}}"#),
    )
}

fn events_of_chat() -> Vec<u8> {
    let head = r#""id":"chatcmpl-FAKEfakeFAKEfakeFAKEfakeFAK","object":"chat.completion.chunk","created":1790000000,"model":"gpt-5.4-mini-2026-03-17","service_tier":"default","system_fingerprint":"fp_FAKE000000""#;
    filled(
        "",
        |index| {
            format!(
                "data: {{{head},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{index}\"}},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":null,\"obfuscation\":\"FAKE\"}}\n\n"
            )
        },
        &format!("data: {{{head},\"choices\":[],{USAGE}}}\n\ndata: [DONE]\n\n"),
    )
}

fn events_of_messages() -> Vec<u8> {
    filled(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-opus-4-8\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n",
        |index| {
            format!(
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\" word{index}\"}}}}\n\n"
            )
        },
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    )
}

fn event_of_response() -> Vec<u8> {
    filled(
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"m\",\"output\":[{\"content\":[{\"text\":\"",
        |_| TEXT.to_owned(),
        "\"}]}],\"usage\":{\"input_tokens\":25,\"output_tokens\":15}}}\n\n",
    )
}
