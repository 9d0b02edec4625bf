//! Connections to upstreams: through the proxy that is set, used again, and
//! made anew where the other side has hung up meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use crate::client::{Gateway, Text, bounded, get, sends};
use crate::template::filled;
use crate::world::{Manner, World};

#[tokio::test]
async fn one_upstream_connection_carries_many_requests_of_many_clients() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http1("api.acme.example").await;
    for number in 0..10 {
        let request = Request::post(format!("https://api.acme.example/{number}"));
        let request = request.body(Text::from("text")).unwrap();
        sends(&mut sender, request).await.ok();
    }
    assert_eq!(world.connects().len(), 1);
    for _ in 0..20 {
        gateway.get("https://api.acme.example/").await.ok();
    }
    // Each thread of the gateway has its own.
    let threads = std::thread::available_parallelism().unwrap().get().min(8);
    let connects = world.connects().len();
    assert!(connects <= threads, "{connects} connections");
    // Of another host there is no connection yet.
    gateway.get("https://api.openai.com/").await.ok();
    assert_eq!(world.connects().len(), connects + 1);
}

/// Reads one request with its body of four bytes, if it has one.
async fn read(stream: &mut TlsStream<TcpStream>) -> Option<String> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.ok()?);
    }
    if seen.starts_with(b"POST") {
        let mut body = [0; 4];
        stream.read_exact(&mut body).await.ok()?;
    }
    Some(String::from_utf8(seen).unwrap())
}

#[tokio::test]
async fn an_upstream_that_closes_idle_connections_is_not_noticed() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let (tell, mut closed) = mpsc::unbounded_channel();
    // Answers one request as if it would take another, and hangs up.
    let fickle = Manner::raw(move |mut stream| {
        let (count, tell) = (Arc::clone(&count), tell.clone());
        async move {
            if read(&mut stream).await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
                let text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                let _ = stream.write_all(text).await;
                let _ = stream.shutdown().await;
            }
            drop(stream);
            let _ = tell.send(());
        }
    });
    world.set("api.acme.example", fickle);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http1("api.acme.example").await;
    for number in 0..20 {
        // At once: it may be sent just as the other side goes.
        sends(&mut sender, get("https://api.acme.example/"))
            .await
            .ok();
        for _ in 0..if number == 0 { 1 } else { 2 } {
            bounded(closed.recv()).await.unwrap();
        }
        // Later: it must have been noticed, for a body cannot be sent twice.
        let request = Request::post("https://api.acme.example/").body(Text::from("text"));
        sends(&mut sender, request.unwrap()).await.ok();
    }
    assert_eq!(answered.load(Ordering::SeqCst), 40);
}

#[tokio::test]
async fn the_proxy_that_was_set_for_us_is_ours_and_sees_its_own_password_alone() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let proxy = format!("http://me:FAKE-pass@127.0.0.1:{}", world.port);
    environment.set("HTTPS_PROXY", &proxy);
    environment.set("http_proxy", &proxy);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow", "plain.example"]);
    gateway.get("https://api.acme.example/").await.ok();
    assert_eq!(world.connects(), ["api.acme.example:443"]);
    // Inside of the tunnel nothing of it is seen.
    assert_eq!(world.last().header("proxy-authorization"), "");
    gateway.get("http://plain.example/x").await.ok();
    let heard = world.last();
    let shown = format!("Basic {}", STANDARD.encode("me:FAKE-pass"));
    assert_eq!(heard.header("proxy-authorization"), shown);
    assert!(!heard.holds(&tokens.ci));
    // And the child's proxy is the gateway, whatever was ours.
    let ran = Gateway::run(&environment, &[]);
    assert!(ran.variable("HTTPS_PROXY").ends_with(&ran.address));
    assert!(
        !ran.environment
            .iter()
            .any(|(_, value)| value.contains("FAKE-pass"))
    );
    ran.get("https://api.acme.example/").await.ok();
}
