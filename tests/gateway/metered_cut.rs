//! Answers that do not come to their end, and sockets, which have many: what
//! was counted until then is told, and that it was cut.

use http_body_util::BodyExt;
use hyper::Request;
use hyper_util::rt::TokioIo;
use rusqlite::types::Value;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::books::{CHAT, post, row, usage};
use crate::client::{Gateway, Text, bounded, inner};
use crate::metered::read;
use crate::support::TestEnvironment;
use crate::template::filled;
use crate::world::{Manner, Piped, World, piece, pipe, reply, reply_with};

const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
const REALTIME: &str = "https://api.openai.com/v1/realtime?model=gpt-realtime";
const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n";

fn anthropic(environment: &TestEnvironment) {
    let key = environment.secret("anthropic's key", "sk-ant-FAKE_CANARY_OF_CUTS");
    let login = environment.vault(["login", "anthropic", "--stdin"]);
    login.stdin(key).ok();
}

fn cuts(environment: &TestEnvironment) -> Vec<Vec<Value>> {
    read(
        environment,
        "SELECT status, is_cut, input, output FROM request ORDER BY id",
    )
}

#[tokio::test]
async fn an_answer_that_either_side_cuts_is_told_with_what_was_counted() {
    let (mut environment, tokens) = filled();
    anthropic(&environment);
    let (hand, mut feeds) = tokio::sync::mpsc::unbounded_channel();
    let world = World::answering(&mut environment, move |_, _| {
        let (feed, body) = pipe();
        feed.send(piece(START)).unwrap();
        hand.send(feed).unwrap();
        async move {
            let mut response = hyper::Response::new(Piped::boxed(body));
            let kind = "text/event-stream".parse().unwrap();
            response.headers_mut().insert("content-type", kind);
            Some(response)
        }
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--drain", "1s"]);
    // The client goes, over HTTP/1.1 and HTTP/2.
    let mut one = gateway.http1::<Text>("api.anthropic.com").await;
    let mut two = gateway.http2::<Text>("api.anthropic.com").await;
    let response = bounded(one.send_request(inner(post(MESSAGES, "{}")))).await;
    let mut first = response.unwrap().into_body();
    let response = bounded(two.send_request(post(MESSAGES, "{}"))).await;
    let mut second = response.unwrap().into_body();
    for body in [&mut first, &mut second] {
        let frame = bounded(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), START);
    }
    drop((first, second));
    let rows = usage(&environment, "provider", 2);
    assert_eq!(row(&rows, "anthropic")["input_tokens"], 50);
    // The gateway stops before the answer has ended.
    let mut last = gateway.http1::<Text>("api.anthropic.com").await;
    let response = bounded(last.send_request(inner(post(MESSAGES, "{}")))).await;
    let mut third = response.unwrap().into_body();
    bounded(third.frame()).await.unwrap().unwrap();
    gateway.running.signals(Signal::TERM);
    gateway.running.end().ok();
    let rows = usage(&environment, "provider", 3);
    assert_eq!(row(&rows, "anthropic")["output_tokens"], 3);
    // The upstream hangs up in the midst of it.
    world.set(
        "api.anthropic.com",
        Manner::raw(|mut stream| async move {
            let mut head = Vec::new();
            while !head.ends_with(b"{}") {
                head.push(stream.read_u8().await.unwrap());
            }
            let said = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{START}\r\n",
                START.len()
            );
            stream.write_all(said.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }),
    );
    world.without_http2();
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http1::<Text>("api.anthropic.com").await;
    let response = bounded(sender.send_request(inner(post(MESSAGES, "{}")))).await;
    let body = response.unwrap().into_body();
    assert!(bounded(body.collect()).await.is_err());
    usage(&environment, "provider", 4);
    let expected: [Value; 4] = [200.into(), 1.into(), 25.into(), 1.into()];
    assert_eq!(cuts(&environment), vec![expected.to_vec(); 4]);
    while feeds.try_recv().is_ok() {}
}

/// A message of text as a server sends it (RFC 6455, 5.2).
fn message(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 126];
    frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend(text.as_bytes());
    frame
}

fn asking(address: &str) -> Request<Text> {
    let request = Request::get(address)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "FAKE==");
    request.body(Text::default()).unwrap()
}

/// Answers each byte that it hears with one answer of a session.
fn realtime(environment: &mut TestEnvironment) -> World {
    World::answering(environment, |mut request, heard| async move {
        if heard.line.contains("/no") {
            return Some(reply(403, "no"));
        }
        let switched = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(switched.await.unwrap());
            let hello = r#"{"type":"session.created","session":{"model":"gpt-realtime"}}"#;
            stream.write_all(&message(hello)).await.unwrap();
            while stream.read_u8().await.is_ok() {
                for text in [
                    r#"{"type":"response.created","response":{"usage":null}}"#,
                    r#"{"type":"response.done","response":{"usage":{"total_tokens":253,"input_tokens":132,"output_tokens":121,"input_token_details":{"text_tokens":132,"cached_tokens":64}}}}"#,
                ] {
                    stream.write_all(&message(text)).await.unwrap();
                }
                stream.flush().await.unwrap();
            }
            let _ = stream.shutdown().await;
        });
        let headers = [("upgrade", "websocket"), ("connection", "upgrade")];
        Some(reply_with(101, &headers, ""))
    })
}

/// Opens a session, and has it answer so often.
async fn session(gateway: &Gateway<'_>, answers: usize) -> TokioIo<hyper::upgrade::Upgraded> {
    let mut sender = gateway.http1("api.openai.com").await;
    let response = bounded(sender.send_request(inner(asking(REALTIME)))).await;
    let response = response.unwrap();
    assert_eq!(response.status(), 101);
    let mut stream = TokioIo::new(bounded(hyper::upgrade::on(response)).await.unwrap());
    for _ in 0..answers {
        stream.write_all(b"x").await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut said = Vec::new();
    let count = |said: &[u8]| {
        String::from_utf8_lossy(said)
            .matches("response.done")
            .count()
    };
    while count(&said) < answers || !said.ends_with(b"}") {
        said.push(bounded(stream.read_u8()).await.unwrap());
    }
    stream
}

#[tokio::test]
async fn all_answers_of_a_socket_are_counted_also_of_one_that_a_stop_cuts() {
    let (mut environment, tokens) = filled();
    let world = realtime(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--drain", "1s"]);
    let mut stream = session(&gateway, 3).await;
    stream.shutdown().await.unwrap();
    assert_eq!(bounded(stream.read(&mut [0])).await.unwrap(), 0);
    let rows = usage(&environment, "model", 1);
    let counted = row(&rows, "gpt-realtime");
    assert_eq!(
        (
            &counted["input_tokens"],
            &counted["output_tokens"],
            &counted["cached_tokens"]
        ),
        (&396.into(), &363.into(), &192.into())
    );
    // Those that did not come about.
    let mut sender = gateway.http1("api.openai.com").await;
    let no = "https://api.openai.com/no";
    let response = bounded(sender.send_request(inner(asking(no))))
        .await
        .unwrap();
    assert_eq!(response.status(), 403);
    drop(response);
    world.set("api.openai.com", Manner::Refused);
    gateway
        .send(asking(REALTIME))
        .await
        .refused(502, "unreachable");
    gateway
        .send(post(CHAT, "{}"))
        .await
        .refused(502, "unreachable");
    usage(&environment, "agent", 4);
    let statuses = read(&environment, "SELECT status FROM request ORDER BY status");
    let expected = [101, 403, 502, 502].map(|status| vec![Value::from(status)]);
    assert_eq!(statuses, expected);
    drop(gateway);

    let world = realtime(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--drain", "1s"]);
    let stream = session(&gateway, 2).await;
    gateway.running.signals(Signal::TERM);
    gateway.running.end().ok();
    let rows = usage(&environment, "model", 5);
    assert_eq!(row(&rows, "gpt-realtime")["input_tokens"], 396 + 264);
    drop((stream, world));
}
