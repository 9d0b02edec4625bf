//! What passes unchanged: answers without a secret in them to the byte,
//! answers without a body, parts of a file, redirects.

use hyper::{Method, Request};

use crate::client::{Gateway, Text, get, sends, sends2};
use crate::template::filled;
use crate::world::{World, reply_with};

/// Bytes of every kind.
fn bytes() -> Vec<u8> {
    let mut state = 7_u32;
    let mut bytes = Vec::new();
    for _ in 0..200_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push(state.to_le_bytes()[3]);
    }
    bytes
}

#[tokio::test]
async fn an_answer_without_a_secret_is_the_same_to_the_byte() {
    let (mut environment, tokens) = filled();
    let _world = World::answering(&mut environment, |_, heard| async move {
        let packed = heard.line.ends_with("packed");
        let mut headers = vec![
            ("content-type", "application/octet-stream"),
            ("etag", "\"tag\""),
            ("x-one", "a"),
            ("x-one", "b"),
            ("cache-control", "no-store"),
            // Another protocol would go around the gateway.
            ("alt-svc", "h3=\":443\""),
        ];
        if packed {
            // No text: it stays as it is, whatever it is.
            headers.push(("content-encoding", "gzip"));
        }
        Some(reply_with(200, &headers, bytes()))
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http2("api.acme.example").await;
    for path in ["plain", "packed"] {
        let address = format!("https://api.acme.example/{path}");
        for answer in [
            gateway.get(&address).await.ok(),
            sends2(&mut sender, get(&address)).await.ok(),
        ] {
            assert!(
                answer.body == bytes(),
                "{path}: {} bytes",
                answer.body.len()
            );
            assert_eq!(answer.header("content-length"), "200000");
            assert_eq!(answer.header("etag"), "\"tag\"");
            let one: Vec<_> = answer.headers.get_all("x-one").iter().collect();
            assert_eq!(one, ["a", "b"]);
            assert_eq!(answer.header("alt-svc"), "");
            let is_packed = path == "packed";
            assert_eq!(answer.header("content-encoding") == "gzip", is_packed);
        }
    }
}

#[tokio::test]
async fn answers_without_a_body_and_parts_of_a_file_are_left_as_they_are() {
    let (mut environment, tokens) = filled();
    let world = World::answering(&mut environment, |_, heard| async move {
        let (method, path) = heard.line.split_once(' ').unwrap();
        Some(match (method, path) {
            ("HEAD", _) => reply_with(
                200,
                &[
                    ("content-length", "1234"),
                    ("content-encoding", "gzip"),
                    ("content-type", "text/plain"),
                ],
                "",
            ),
            (_, "/empty") => reply_with(204, &[], ""),
            (_, "/same") => reply_with(304, &[("etag", "\"tag\"")], ""),
            (_, "/part") => reply_with(206, &[("content-range", "bytes 2-5/9")], "text"),
            (_, "/moved") => reply_with(307, &[("location", "https://evil.example/")], "moved"),
            _ => reply_with(
                200,
                &[("content-type", "text/plain"), ("content-encoding", "gzip")],
                "",
            ),
        })
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    // One connection: nothing may be left over for the next request.
    let mut one = gateway.http1("api.acme.example").await;
    let mut two = gateway.http2("api.acme.example").await;
    let request = |method: Method, path: &str| {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://api.acme.example{path}"))
            .header("range", "bytes=2-5")
            .header("if-none-match", "\"tag\"");
        request.body(Text::default()).unwrap()
    };
    for is_http2 in [false, true] {
        for (method, path, status, body) in [
            (Method::HEAD, "/", 200, ""),
            (Method::GET, "/empty", 204, ""),
            (Method::GET, "/same", 304, ""),
            (Method::GET, "/part", 206, "text"),
            (Method::GET, "/moved", 307, "moved"),
            (Method::OPTIONS, "/", 200, ""),
            (Method::from_bytes(b"PURGE").unwrap(), "/empty", 204, ""),
        ] {
            let request = request(method.clone(), path);
            let answer = match is_http2 {
                false => sends(&mut one, request).await,
                true => sends2(&mut two, request).await,
            };
            assert_eq!(
                (answer.status, answer.text()),
                (status, body),
                "{method} {path}"
            );
            if method == Method::HEAD {
                assert_eq!(answer.header("content-length"), "1234");
                assert_eq!(answer.header("content-encoding"), "gzip");
            }
            match path {
                "/part" => assert_eq!(answer.header("content-range"), "bytes 2-5/9"),
                "/same" => assert_eq!(answer.header("etag"), "\"tag\""),
                "/moved" => assert_eq!(answer.header("location"), "https://evil.example/"),
                _ => {}
            }
            let heard = world.last();
            assert_eq!(heard.header("range"), "bytes=2-5");
            assert_eq!(heard.header("if-none-match"), "\"tag\"");
        }
    }
    // Where an answer pointed, nobody went.
    assert!(
        !world
            .connects()
            .iter()
            .any(|target| target.contains("evil"))
    );
}
