//! The provider: HTTP/1.1 over TLS on loopback, in one thread.
//!
//! `upstream --ca-out FILE` prints its port, then serves until it is killed:
//!
//! - `/small`: 200 bytes of JSON;
//! - `/body/N`: N MiB without a shape, `/body/N?text` of JSON;
//! - `/sse`: an event a second (`?every=MILLISECONDS`), without an end.
//!
//! A request whose `Authorization` is not exactly the key's gets 401, so that
//! nobody is fast by not injecting.

use std::io::Result;
use std::time::Duration;

use peers::wire::{Length, Wire};
use peers::{HOST, KEY, Outcome, listener, option, required, tls};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const MIB: usize = 1024 * 1024;
const PIECE: usize = 64 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let authority = tls::authority()?;
    let acceptor = TlsAcceptor::from(tls::server(&authority, HOST)?);
    std::fs::write(required("--ca-out")?, authority.pem())?;
    let listener = listener()?;
    println!("{}", listener.local_addr()?.port());
    let pages: &'static Pages = Box::leak(Box::new(Pages::new()));
    let is_loud = option("--loud").is_some();
    loop {
        let (stream, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let served = match acceptor.accept(stream).await {
                Ok(stream) => serve(Wire::with_room(stream, 4096), pages).await,
                Err(error) => Err(error),
            };
            // A client that goes without a word is no news here.
            if let (Err(error), true) = (served, is_loud) {
                eprintln!("upstream: {error}");
            }
        });
    }
}

/// What is sent, made once.
struct Pages {
    small: Vec<u8>,
    refused: Vec<u8>,
    binary: Vec<u8>,
    text: Vec<u8>,
    expected: String,
}

impl Pages {
    fn new() -> Self {
        let json = format!(
            r#"{{"id":"answer-1","object":"list","text":"{}"}}"#,
            "word ".repeat(32)
        );
        let words = br#"{"id":"chunk-17","object":"completion","choices":[{"index":0,"delta":{"content":" some words of an answer, as models give them"}}]},"#;
        // Bytes without a shape, by a generator that is good enough for it.
        let mut state = 1_u64;
        let binary = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        });
        Self {
            small: page("200 OK", "application/json", json.as_bytes()),
            refused: page(
                "401 Unauthorized",
                "application/json",
                br#"{"error":"not the key"}"#,
            ),
            binary: binary.take(PIECE).collect(),
            text: words.iter().copied().cycle().take(PIECE).collect(),
            expected: format!("Bearer {KEY}"),
        }
    }
}

fn page(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut page =
        format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n")
            .into_bytes();
    page.extend_from_slice(body);
    page
}

async fn serve(mut wire: Wire<TlsStream<TcpStream>>, pages: &Pages) -> Result<()> {
    while let Some(request) = wire.request().await? {
        wire.body(Length::Known(request.length)).await?;
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        if request.authorization != pages.expected {
            wire.send(&pages.refused).await?;
        } else if path == "/small" {
            wire.send(&pages.small).await?;
        } else if let Some(size) = path.strip_prefix("/body/") {
            let size = size.parse::<usize>().unwrap_or(1) * MIB;
            body(&mut wire, size, query.starts_with("text"), pages).await?;
        } else if path == "/sse" {
            let every = query
                .strip_prefix("every=")
                .and_then(|text| text.parse().ok());
            events(&mut wire, Duration::from_millis(every.unwrap_or(1000))).await?;
        } else {
            wire.send(&page("404 Not Found", "text/plain", b"no such page"))
                .await?;
        }
    }
    Ok(())
}

async fn body(
    wire: &mut Wire<TlsStream<TcpStream>>,
    size: usize,
    is_text: bool,
    pages: &Pages,
) -> Result<()> {
    let (kind, piece) = if is_text {
        ("application/json", &pages.text)
    } else {
        ("application/octet-stream", &pages.binary)
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {size}\r\n\r\n");
    wire.send(head.as_bytes()).await?;
    for _ in 0..size / PIECE {
        wire.send(piece).await?;
    }
    Ok(())
}

async fn events(wire: &mut Wire<TlsStream<TcpStream>>, every: Duration) -> Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    wire.send(head.as_bytes()).await?;
    let mut clock = tokio::time::interval(every);
    for count in 0_u64.. {
        clock.tick().await;
        let event = format!(
            "data: {{\"id\":\"chunk-{count}\",\"object\":\"completion\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" some words\"}}}}]}}\n\n"
        );
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        wire.send(chunk.as_bytes()).await?;
    }
    Ok(())
}
