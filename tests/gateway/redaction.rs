//! What an upstream says back of a secret: written over, in every form that
//! encoders make of it, wherever it stands and however it comes in pieces;
//! as long as it was.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http_body_util::BodyExt;
use hyper::Request;

use crate::client::{Gateway, Text, bounded, get, inner, sends2};
use crate::support::TestEnvironment;
use crate::template::{self, KEY, filled};
use crate::world::{Reply, World, piece, pipe, reply_with};

/// The key as others write it.
fn forms() -> Vec<String> {
    let basic = STANDARD.encode(KEY);
    vec![
        KEY.to_owned(),
        format!("Bearer {KEY}").split_off(7),
        "FAKE-canary-of-acme%2Fdefault%2B1".to_owned(),
        "FAKE-canary-of-acme%2fdefault%2b1".to_owned(),
        "FAKE-canary-of-acme/default%2B1".to_owned(),
        r"FAKE-canary-of-acme\/default+1".to_owned(),
        r"FAKE-canary-of-acme/default\u002b1".to_owned(),
        basic.trim_end_matches('=').to_owned(),
    ]
}

fn mask(text: &str) -> String {
    "*".repeat(text.len())
}

/// A world that says this, with these headers.
fn saying(
    environment: &mut TestEnvironment,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
) -> World {
    World::answering(environment, move |_, _| {
        let shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let reply = reply_with(200, &shown, body.clone());
        async move { Some(reply) }
    })
}

#[tokio::test]
async fn a_key_is_written_over_in_every_form_in_bodies_and_headers() {
    let (mut environment, tokens) = filled();
    let mut body = String::from("{\"all\":[");
    let mut expected = body.clone();
    let mut headers = Vec::new();
    for form in forms() {
        body.push_str(&format!("\"a {form} b\","));
        expected.push_str(&format!("\"a {} b\",", mask(&form)));
        headers.push(("x-echo", format!("v={form}; x")));
    }
    headers.push((
        "location",
        "https://x.example/?k=FAKE-canary-of-acme%2Fdefault%2B1&b=1".to_owned(),
    ));
    headers.push(("set-cookie", format!("k={KEY}; Path=/")));
    let _world = saying(&mut environment, headers, body.into_bytes());
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http2("api.acme.example").await;
    let address = "https://api.acme.example/";
    let path_form = Request::get("/api/acme/v1").header("x-api-key", &tokens.ci);
    for answer in [
        gateway.get(address).await.ok(),
        sends2(&mut sender, get(address)).await.ok(),
        gateway
            .asks(path_form.body(Text::default()).unwrap())
            .await
            .ok(),
    ] {
        assert_eq!(answer.text(), expected);
        assert_eq!(answer.header("content-length"), expected.len().to_string());
        let echoed: Vec<_> = answer
            .headers
            .get_all("x-echo")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        let masked: Vec<_> = forms()
            .iter()
            .map(|form| format!("v={}; x", mask(form)))
            .collect();
        assert_eq!(echoed, masked);
        let location = format!(
            "https://x.example/?k={}&b=1",
            mask("FAKE-canary-of-acme%2Fdefault%2B1")
        );
        assert_eq!(answer.header("location"), location);
        assert_eq!(
            answer.header("set-cookie"),
            format!("k={}; Path=/", mask(KEY))
        );
    }
}

#[tokio::test]
async fn the_secrets_of_every_placement_are_written_over() {
    let (mut environment, tokens) = filled();
    // Says back what it was sent: the head of the request.
    let _world = World::answering(&mut environment, |request, heard| async move {
        let text = format!("{} {:?}", heard.line, request.headers());
        Some(reply_with(418, &[("content-type", "text/plain")], text))
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let basic = STANDARD.encode(format!("FAKE-user:{}", template::PASSWORD));
    for (address, hidden) in [
        (
            "https://api.pair.example/",
            vec![template::ID, template::SECRET],
        ),
        (
            "https://api.query.example/",
            vec![template::QUERY_KEY, "FAKE-canary%26of%3Dquery"],
        ),
        (
            "https://api.path.example/bot/x",
            vec![template::PATH_KEY, "canary-of-path"],
        ),
        (
            "https://api.basic.example/",
            vec![template::PASSWORD, &basic],
        ),
    ] {
        let answer = gateway.get(address).await;
        assert_eq!(answer.status, 418);
        let text = answer.text();
        for hidden in hidden {
            assert!(!text.contains(hidden), "{address}: {text}");
        }
        // Headers that are marked as sensitive may be hidden by Debug alone.
        assert!(
            text.contains("****") || text.contains("Sensitive"),
            "{address}: {text}"
        );
    }
}

#[tokio::test]
async fn a_key_in_pieces_is_found_and_what_is_none_goes_on_at_once() {
    let (mut environment, tokens) = filled();
    let _world = World::answering(&mut environment, |_, _| async move {
        let (feed, body) = pipe();
        for form in forms() {
            for byte in format!("<{form}>").bytes() {
                let _ = feed.send(piece(vec![byte]));
            }
            let _ = feed.send(piece(&b"FAKE-canary-of-acm"[..]));
        }
        Some(Reply::new(body.boxed()))
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut expected = String::new();
    for form in forms() {
        expected.push_str(&format!("<{}>FAKE-canary-of-acm", mask(&form)));
    }
    let address = "https://api.acme.example/";
    let mut sender = gateway.http2("api.acme.example").await;
    assert_eq!(gateway.get(address).await.ok().text(), expected);
    assert_eq!(
        sends2(&mut sender, get(address)).await.ok().text(),
        expected
    );
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// One block that is not compressed (RFC 7932, 9.2), and an empty last one.
fn brotli(text: &[u8]) -> Vec<u8> {
    let head = u32::try_from(text.len() - 1).unwrap() << 4 | 1 << 20;
    [&head.to_le_bytes()[..3], text, &[3]].concat()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; zstd_safe::compress_bound(text.len())];
    let length = zstd_safe::compress(&mut packed[..], text, 3).unwrap();
    packed.truncate(length);
    packed
}

#[tokio::test]
async fn compressed_text_is_opened_and_looked_through() {
    let (mut environment, tokens) = filled();
    let text = format!("{{\"your key\":\"{KEY}\"}} {}", "all else ".repeat(500));
    let own = text.clone();
    let world = World::answering(&mut environment, move |_, heard| {
        let own = own.clone();
        async move {
            let coding = heard.line.rsplit('/').next().unwrap().to_owned();
            let bytes = match &*coding {
                "gzip" => gzip(own.as_bytes()),
                "deflate" => zlib(own.as_bytes()),
                "raw" => deflate(own.as_bytes()),
                "br" => brotli(own.as_bytes()),
                "zstd" => zstd(own.as_bytes()),
                "twice" => gzip(&zstd(own.as_bytes())),
                _ => own.into_bytes(),
            };
            let coding = match &*coding {
                "raw" => "deflate",
                "twice" => "zstd, gzip",
                other => other,
            };
            let headers = [
                ("content-type", "application/json"),
                ("content-encoding", coding),
                ("etag", "\"tag\""),
            ];
            Some(reply_with(200, &headers, bytes))
        }
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http2("api.acme.example").await;
    let expected = text.replace(KEY, &mask(KEY));
    for coding in ["gzip", "deflate", "raw", "br", "zstd", "twice", "identity"] {
        for is_http2 in [false, true] {
            let request = Request::get(format!("https://api.acme.example/{coding}")).header(
                "accept-encoding",
                "compress, gzip;q=0.5, br, zstd, deflate, *;q=0.1",
            );
            let request = request.body(Text::default()).unwrap();
            let answer = match is_http2 {
                false => gateway.send(request).await.ok(),
                true => sends2(&mut sender, request).await.ok(),
            };
            assert_eq!(answer.text(), expected, "{coding}");
            if coding != "identity" {
                assert_eq!(answer.header("content-encoding"), "", "{coding}");
                assert_eq!(answer.header("etag"), "W/\"tag\"");
            }
            // Nothing is asked for that could not be opened.
            let asked = world.last().header("accept-encoding").to_owned();
            assert!(
                asked.contains("gzip;q=0.5") && !asked.contains("compress"),
                "{asked}"
            );
        }
    }
}

#[tokio::test]
async fn a_compressed_body_that_is_cut_short_is_not_taken_for_a_whole_one() {
    let (mut environment, tokens) = filled();
    let packed = gzip("text that goes on ".repeat(100).as_bytes());
    let short = packed[..packed.len() / 2].to_vec();
    let headers = vec![
        ("content-type", "text/plain".to_owned()),
        ("content-encoding", "gzip".to_owned()),
    ];
    let _world = saying(&mut environment, headers, short);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http1::<Text>("api.acme.example").await;
    let request = inner(get("https://api.acme.example/"));
    // Its head may have gone already, or not.
    if let Ok(response) = bounded(sender.send_request(request)).await {
        assert!(bounded(response.into_body().collect()).await.is_err());
    }
}
