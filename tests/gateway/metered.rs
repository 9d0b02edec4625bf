//! What goes through is counted: answers whole, streamed and compressed, by
//! every way in, and nothing of it is changed or kept.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Bytes;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::books::{CHAT, by_path, completion, policy, post, row, usage};
use crate::client::{Gateway, Text, bounded, inner, sends2};
use crate::support::TestEnvironment;
use crate::template::filled;
use crate::world::{Piped, World, piece, pipe, reply_with};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
/// 93 for 1.25, 1024 for 0.125 and 146 for 10 USD a million: 0.00170425 USD.
const COMPLETION: &str = r#"{"model":"gpt-5-2025-08-07","choices":[{"message":{"content":"\"usage\": {\"prompt_tokens\": 9}"}}],"usage":{"prompt_tokens":1117,"completion_tokens":146,"total_tokens":1263,"prompt_tokens_details":{"cached_tokens":1024},"completion_tokens_details":{"reasoning_tokens":64}}}"#;
const NANO: i64 = 1_704_250;
/// The same as a stream.
const STREAM: &str = "data: {\"model\":\"gpt-5-2025-08-07\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\ndata: {\"model\":\"gpt-5-2025-08-07\",\"choices\":[],\"usage\":{\"prompt_tokens\":1117,\"completion_tokens\":146,\"total_tokens\":1263,\"prompt_tokens_details\":{\"cached_tokens\":1024},\"completion_tokens_details\":{\"reasoning_tokens\":64}}}\n\ndata: [DONE]\n\n";
/// Counts that grow: 25 for 3, 100 for 3.75, 200 for 0.3 and 15 for 15 USD a
/// million are 0.000735 USD.
const CLAUDE: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5-20250929\",\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":200,\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// One block that is not compressed (RFC 7932, 9.2), and an empty last one.
fn brotli(text: &str) -> Vec<u8> {
    let head = u32::try_from(text.len() - 1).unwrap() << 4 | 1 << 20;
    [&head.to_le_bytes()[..3], text.as_bytes(), &[3]].concat()
}

/// Rows of the database of a machine.
pub fn read(environment: &TestEnvironment, query: &str) -> Vec<Vec<rusqlite::types::Value>> {
    let path = environment.home().join("state/usage.db");
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = database.prepare(query).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| (0..width).map(|at| row.get(at)).collect());
    rows.unwrap().map(Result::unwrap).collect()
}

/// A head and a body that the world gives to everybody until it is given
/// another.
type Said = Arc<Mutex<(&'static str, &'static str, Vec<u8>)>>;

fn saying(environment: &mut TestEnvironment) -> (World, Said) {
    let said: Said = Arc::default();
    let own = Arc::clone(&said);
    let world = World::answering(environment, move |_, _| {
        let (kind, coding, body) = own.lock().unwrap().clone();
        let headers = [("content-type", kind), ("content-encoding", coding)];
        let count = if coding.is_empty() { 1 } else { 2 };
        async move { Some(reply_with(200, &headers[..count], body)) }
    });
    (world, said)
}

#[tokio::test]
async fn sums_are_those_worked_out_by_hand_whichever_way_an_answer_comes() {
    let (mut environment, tokens) = filled();
    let key = environment.secret("anthropic's key", "sk-ant-FAKE_CANARY_OF_METERING");
    let login = environment.vault(["login", "anthropic", "--stdin"]);
    login.stdin(key).ok();
    let (_world, said) = saying(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http2("api.openai.com").await;
    for (kind, text) in [(JSON, COMPLETION), (EVENTS, STREAM)] {
        for (coding, body) in [
            ("", text.as_bytes().to_vec()),
            ("gzip", gzip(text)),
            ("br", brotli(text)),
        ] {
            *said.lock().unwrap() = (kind, coding, body);
            let request = by_path(&gateway, "/api/openai/v1/chat/completions", "{}");
            for answer in [
                gateway.send(post(CHAT, "{}")).await,
                sends2(&mut sender, post(CHAT, "{}")).await,
                gateway.asks(request).await,
            ] {
                assert_eq!(answer.ok().text(), text, "{kind} {coding}");
            }
        }
    }
    for (coding, body) in [("", CLAUDE.as_bytes().to_vec()), ("gzip", gzip(CLAUDE))] {
        *said.lock().unwrap() = (EVENTS, coding, body);
        let answer = gateway.send(post(MESSAGES, "{}")).await.ok();
        assert_eq!(answer.text(), CLAUDE);
    }
    // What counts no tokens costs nothing and is not unpriced.
    *said.lock().unwrap() = ("text/plain", "", b"ok".to_vec());
    gateway.get("https://api.acme.example/v1/x").await.ok();
    let rows = usage(&environment, "provider", 21).await;
    let expected = json!({"key": "openai", "requests": 18, "input_tokens": 18 * 1117,
        "output_tokens": 18 * 146, "cached_tokens": 18 * 1024, "cost_usd": "0.0306765",
        "unpriced_requests": 0});
    assert_eq!(row(&rows, "openai"), expected);
    assert_eq!(18 * NANO, 30_676_500);
    let expected = json!({"key": "anthropic", "requests": 2, "input_tokens": 650,
        "output_tokens": 30, "cached_tokens": 400, "cost_usd": "0.00147",
        "unpriced_requests": 0});
    assert_eq!(row(&rows, "anthropic"), expected);
    let acme = row(&rows, "acme");
    assert_eq!(
        (&acme["requests"], &acme["unpriced_requests"]),
        (&json!(1), &json!(0))
    );
    let rows = usage(&environment, "model", 21).await;
    assert_eq!(row(&rows, "gpt-5-2025-08-07")["requests"], 18);

    let found = read(
        &environment,
        "SELECT agent_id, service, SUM(tokens_used), SUM(cost_usd) FROM api_usage
         GROUP BY agent_id, service ORDER BY service",
    );
    let found: Vec<_> = found.iter().map(|row| format!("{row:?}")).collect();
    let tokens = 18 * 1263;
    assert!(
        found[0].starts_with("[Text(\"ci\"), Text(\"acme\"), Null, Null"),
        "{found:?}"
    );
    assert!(found[1].starts_with("[Text(\"ci\"), Text(\"anthropic\"), Integer(680), Real(0.00147"));
    let openai = format!("[Text(\"ci\"), Text(\"openai\"), Integer({tokens}), Real(0.030676");
    assert!(found[2].starts_with(&openai), "{found:?}");
    assert!(read(&environment, "SELECT 1 FROM request WHERE is_cut").is_empty());
}

#[tokio::test]
async fn lines_of_json_are_counted_whatever_they_call_themselves_and_compressed() {
    let (mut environment, tokens) = filled();
    let (_world, said) = saying(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let kinds = [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/x-jsonlines",
        "application/stream+json",
    ];
    for kind in kinds {
        *said.lock().unwrap() = (kind, "gzip", gzip(&format!("{COMPLETION}\n")));
        gateway.send(post(CHAT, "{}")).await.ok();
    }
    let rows = usage(&environment, "agent", 6).await;
    assert_eq!(row(&rows, "ci")["output_tokens"], 6 * 146);
}

#[tokio::test]
async fn an_event_of_a_metered_stream_arrives_before_the_next_is_sent() {
    let (mut environment, tokens) = filled();
    let (hand, mut feeds) = tokio::sync::mpsc::unbounded_channel();
    let _world = World::answering(&mut environment, move |request, _| {
        let (feed, body) = pipe();
        hand.send(feed).unwrap();
        let is_gzip = request.headers().contains_key("x-gzip");
        async move {
            let mut response = hyper::Response::new(Piped::boxed(body));
            let headers = response.headers_mut();
            headers.insert("content-type", EVENTS.parse().unwrap());
            if is_gzip {
                headers.insert("content-encoding", "gzip".parse().unwrap());
            }
            Some(response)
        }
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut one = gateway.http1::<Text>("api.openai.com").await;
    let mut two = gateway.http2::<Text>("api.openai.com").await;
    let events: Vec<_> = STREAM.split_inclusive("\n\n").collect();
    for (is_http2, is_gzip) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut request = post(CHAT, "{}");
        if is_gzip {
            request.headers_mut().insert("x-gzip", "1".parse().unwrap());
        }
        let response = match is_http2 {
            false => bounded(one.send_request(inner(request))).await,
            true => bounded(two.send_request(request)).await,
        };
        let mut body = response.unwrap().into_body();
        let feed = bounded(feeds.recv()).await.unwrap();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        for event in &events {
            let sent = match is_gzip {
                false => event.as_bytes().to_vec(),
                true => {
                    encoder.write_all(event.as_bytes()).unwrap();
                    encoder.flush().unwrap();
                    std::mem::take(encoder.get_mut())
                }
            };
            feed.send(piece(sent)).unwrap();
            let mut came = Vec::new();
            while came.len() < event.len() {
                let frame = bounded(body.frame()).await.unwrap().unwrap();
                came.extend(frame.into_data().unwrap());
            }
            assert_eq!(came, event.as_bytes());
        }
        if is_gzip {
            feed.send(piece(encoder.finish().unwrap())).unwrap();
        }
        drop(feed);
        let rest = bounded(body.collect()).await.unwrap().to_bytes();
        assert!(rest.is_empty());
    }
    let rows = usage(&environment, "agent", 4).await;
    assert_eq!(row(&rows, "ci")["cost_usd"], "0.006817");
}

#[tokio::test]
async fn what_run_uses_is_counted_and_what_went_nowhere_is_not() {
    let (mut environment, _) = filled();
    let _world = World::answering(&mut environment, |_, _| async { Some(completion(10, 5)) });
    let gateway = Gateway::run(&environment, &[]);
    let acme = gateway.variable("ACME_API_KEY").to_owned();
    let mut misplaced = post(CHAT, "{}");
    misplaced
        .headers_mut()
        .insert("x-any", acme.parse().unwrap());
    let refused = gateway.send(misplaced).await;
    refused.refused(403, "placeholder_misplaced");
    gateway.send(post(CHAT, "{}")).await.ok();
    let rows = usage(&environment, "agent", 1).await;
    assert_eq!(row(&rows, "run")["input_tokens"], 10);
    // They are written in order.
    let found = read(&environment, "SELECT status FROM request");
    assert_eq!(found, [[200.into()]]);
}

#[tokio::test]
async fn nothing_that_was_said_is_kept() {
    let (mut environment, tokens) = filled();
    let marks = ["query", "header", "body", "answer", "reply-header"];
    let [query, header, body, said, replied] =
        marks.map(|mark| environment.secret(mark, format!("FAKE-canary-mark-of-{mark}")));
    let _world = World::answering(&mut environment, move |_, _| {
        let text =
            format!(r#"{{"model": "gpt-5", "text": "{said}", "usage": {{"prompt_tokens": 1}}}}"#);
        let replied = replied.clone();
        async move {
            let headers = [("content-type", JSON), ("x-said", &*replied)];
            Some(reply_with(200, &headers, text))
        }
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--verbose"]);
    let mut request = post(&format!("{CHAT}?key={query}#x"), body);
    request
        .headers_mut()
        .insert("x-own", header.parse().unwrap());
    gateway.send(request).await.ok();
    let path = format!("/api/path/bot{}/getMe?a={query}", tokens.ci);
    gateway.asks(by_path(&gateway, &path, "")).await.ok();
    usage(&environment, "agent", 2).await;
    let found = read(&environment, "SELECT endpoint FROM api_usage ORDER BY id");
    let expected = ["/v1/chat/completions", "/botKEY/getMe"];
    let found: Vec<_> = found.into_iter().flatten().collect();
    assert_eq!(found, expected.map(|text| text.to_owned().into()));
    // While the gateway runs, rows lie in the log beside the database. The
    // hunt reads both.
    let files = environment.files_under(&environment.home().join("state"));
    let holds = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(8).any(|part| part == b"/botKEY/")
    };
    let found: Vec<_> = files.iter().filter(|path| holds(path)).collect();
    assert!(
        found
            .iter()
            .any(|path| path.to_string_lossy().contains("usage.db")),
        "{files:?}"
    );
    assert_eq!(environment.hunt(), [""; 0]);
    // One that is there would be found.
    environment.secret("a path", "/botKEY/getMe");
    assert!(!environment.hunt().is_empty());
    environment.end_hunt();
}

#[tokio::test]
async fn usage_is_asked_for_in_streams_of_chat_completions_and_nothing_else_changes() {
    let (mut environment, tokens) = filled();
    let bodies = Arc::new(Mutex::new(Vec::<Bytes>::new()));
    let own = Arc::clone(&bodies);
    let world = World::answering(&mut environment, move |request, _| {
        let own = Arc::clone(&own);
        async move {
            let body = request.into_body().collect().await.ok()?.to_bytes();
            own.lock().unwrap().push(body);
            Some(reply_with(200, &[("content-type", EVENTS)], STREAM))
        }
    });
    policy(&environment, &json!({"ask_for_usage": true}));
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut two = gateway.http2::<Text>("api.openai.com").await;
    let plain = r#"{ "model":"gpt-5", "messages":[ ] ,"stream":true}"#;
    let asking = r#"{"stream_options":{"include_usage":true}, "model":"gpt-5", "messages":[ ] ,"stream":true}"#;
    let own = r#"{"messages":[],"stream":true,"stream_options":{"include_usage":false}}"#;
    // Who does not want to be counted is counted all the same.
    let asked = r#"{"messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;
    let whole = r#"{"messages":[],"stream":false}"#;
    let responses = "https://api.openai.com/v1/responses";
    for (address, sent, expected) in [
        (CHAT, plain, asking),
        (CHAT, own, asked),
        (CHAT, whole, whole),
        (responses, plain, plain),
        ("https://api.acme.example/v1/chat/completions", plain, plain),
    ] {
        let mut answers = vec![gateway.send(post(address, sent)).await];
        if address.contains("openai") {
            answers.push(sends2(&mut two, post(address, sent)).await);
        }
        for answer in answers {
            assert_eq!(answer.ok().text(), STREAM);
            let heard = bodies.lock().unwrap().pop().unwrap();
            assert_eq!(heard, expected, "{address}");
            assert_eq!(
                world.last().header("content-length"),
                expected.len().to_string()
            );
        }
    }
    // One whose length is not said.
    let (feed, body) = pipe();
    let mut sender = gateway.http1::<Piped>("api.openai.com").await;
    let (first, second) = plain.split_at(20);
    for part in [first, second] {
        feed.send(piece(part)).unwrap();
    }
    drop(feed);
    let request = Request::post(CHAT).body(body).unwrap();
    let response = bounded(sender.send_request(inner(request))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(bodies.lock().unwrap().pop().unwrap(), asking);
    // What is too long to be read goes on as it is: nobody forbade it.
    let long = format!(
        r#"{{"messages":["{}"],"stream":true}}"#,
        "x".repeat(33 << 20)
    );
    gateway.send(post(CHAT, long.clone())).await.ok();
    assert!(bodies.lock().unwrap().pop().unwrap() == long);
}
