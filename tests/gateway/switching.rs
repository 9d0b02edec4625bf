//! Requests that become something else than HTTP, such as WebSocket: bytes
//! both ways, with the key on the way there and without it on the way back.

use http_body_util::BodyExt;
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Gateway, Text, bounded, inner};
use crate::support::TestEnvironment;
use crate::template::{self, filled};
use crate::world::{World, reply_with};

/// Agrees to `echo`, and then says everything back.
pub fn echoing(environment: &mut TestEnvironment) -> World {
    World::answering(environment, |mut request, heard| async move {
        if heard.line.ends_with("/no") {
            return Some(reply_with(403, &[("x-why", template::KEY)], template::KEY));
        }
        let switched = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(switched.await.unwrap());
            let mut buffer = vec![0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..count]).await.unwrap();
                stream.flush().await.unwrap();
            }
            let _ = stream.shutdown().await;
        });
        let headers = [
            ("upgrade", "echo"),
            ("connection", "upgrade"),
            ("x-accept", "7"),
        ];
        Some(reply_with(101, &headers, ""))
    })
}

pub fn asking(address: &str) -> Request<Text> {
    let request = Request::get(address)
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "echo")
        .header("sec-websocket-key", "FAKE==")
        .header("sec-websocket-extensions", "permessage-deflate")
        .header("authorization", "Bearer own");
    request.body(Text::default()).unwrap()
}

#[tokio::test]
async fn bytes_go_both_ways_after_a_switch_and_the_key_does_not_come_back() {
    let (mut environment, tokens) = filled();
    let world = echoing(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http1("api.acme.example").await;
    let request = inner(asking("https://api.acme.example/socket"));
    let response = bounded(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["upgrade"], "echo");
    assert_eq!(response.headers()["x-accept"], "7");
    let heard = world.only();
    assert_eq!(
        heard.header("authorization"),
        format!("Bearer {}", template::KEY)
    );
    assert_eq!(
        (heard.header("upgrade"), heard.header("sec-websocket-key")),
        ("echo", "FAKE==")
    );
    // Nobody could look into compressed frames.
    assert_eq!(heard.header("sec-websocket-extensions"), "");

    let mut stream = TokioIo::new(bounded(hyper::upgrade::on(response)).await.unwrap());
    for text in ["first", "second\0\u{1f980}"] {
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut back = vec![0; text.len()];
        bounded(stream.read_exact(&mut back)).await.unwrap();
        assert_eq!(back, text.as_bytes());
    }
    // In pieces, and between other bytes: as long as it was.
    let (one, other) = template::KEY.split_at(9);
    for text in ["a", one, other, "b"] {
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut back = vec![0; template::KEY.len() + 2];
    bounded(stream.read_exact(&mut back)).await.unwrap();
    let expected = format!("a{}b", "*".repeat(template::KEY.len()));
    assert_eq!(String::from_utf8(back).unwrap(), expected);
    stream.shutdown().await.unwrap();
    assert_eq!(bounded(stream.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_switch_that_is_refused_is_an_answer_like_any_other() {
    let (mut environment, tokens) = filled();
    let _world = echoing(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http1("api.acme.example").await;
    let request = inner(asking("https://api.acme.example/no"));
    let response = bounded(sender.send_request(request)).await.unwrap();
    let mask = "*".repeat(template::KEY.len());
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["x-why"], mask.as_str());
    let body = bounded(response.into_body().collect())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, mask);
}

#[tokio::test]
async fn a_switch_needs_the_same_token_host_and_path_as_any_request() {
    let (mut environment, tokens) = filled();
    let world = echoing(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.narrow, &[]);
    let named = |address: &str| {
        let mut request = asking(address);
        let headers = request.headers_mut();
        headers.insert("x-vault-connection", "default".parse().unwrap());
        request
    };
    let answer = gateway.send(named("https://api.acme.example/socket")).await;
    answer.refused(403, "not_granted");
    let answer = gateway.send(asking("https://api.acme.example/a//b")).await;
    answer.refused(400, "bad_path");
    assert!(world.heard().is_empty());
}
