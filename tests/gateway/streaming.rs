//! Both ways streamed: what one side sends arrives before it sends more, what
//! one side does not read the other cannot send, and who goes away is missed.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Bytes, Frame};
use hyper::header::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

use crate::client::{Answer, Gateway, Text, bounded, get, inner};
use crate::template::{self, filled};
use crate::world::{Manner, Piped, Reply, World, piece, pipe, reply};

/// So much may lie in sockets between two that do not read.
const SOCKETS: usize = 48 << 20;
/// Whoever can send nothing for so long is held up.
const STALL: Duration = Duration::from_millis(700);

type Feed = mpsc::UnboundedSender<Frame<Bytes>>;

/// A world that answers with bodies which the test feeds.
fn feeding(
    environment: &mut crate::support::TestEnvironment,
) -> (World, mpsc::UnboundedReceiver<Feed>) {
    let (hand, feeds) = mpsc::unbounded_channel();
    let world = World::answering(environment, move |_, _| {
        let (feed, body) = pipe();
        hand.send(feed).unwrap();
        async move {
            let mut response = Reply::new(body.boxed());
            let kind = "text/event-stream".parse().unwrap();
            response.headers_mut().insert("content-type", kind);
            Some(response)
        }
    });
    (world, feeds)
}

async fn next(body: &mut hyper::body::Incoming) -> Bytes {
    let frame = bounded(body.frame()).await.unwrap().unwrap();
    frame.into_data().unwrap()
}

/// The body must be over; over HTTP/2 an empty piece may say so.
async fn is_over(body: hyper::body::Incoming) -> bool {
    let rest = bounded(body.collect()).await;
    let rest = rest.map(|rest| rest.to_bytes());
    rest.as_ref().is_ok_and(Bytes::is_empty) || panic!("{rest:?}")
}

#[tokio::test]
async fn an_event_arrives_before_the_next_is_sent() {
    let (mut environment, tokens) = filled();
    let (_world, mut feeds) = feeding(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut one = gateway.http1("api.acme.example").await;
    let mut two = gateway.http2("api.acme.example").await;
    for is_http2 in [false, true] {
        let request = get("https://api.acme.example/events");
        let response = match is_http2 {
            false => bounded(one.send_request(inner(request))).await,
            true => bounded(two.send_request(request)).await,
        };
        let mut body = response.unwrap().into_body();
        let feed = bounded(feeds.recv()).await.unwrap();
        for number in 0..20 {
            // Also one that ends as a key begins: a frame's end is in no key.
            let event = format!("data: {number} Bearer\n\n");
            feed.send(piece(event.clone())).unwrap();
            assert_eq!(next(&mut body).await, event);
        }
        drop(feed);
        assert!(is_over(body).await);
    }
}

#[tokio::test]
async fn a_request_body_of_unknown_size_arrives_while_it_is_sent() {
    let (mut environment, tokens) = filled();
    // Says back what it hears, piece by piece.
    let world = World::answering(&mut environment, |request, _| async move {
        let (feed, body) = pipe();
        let mut incoming = request.into_body();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = incoming.frame().await {
                let _ = feed.send(frame);
            }
        });
        Some(Reply::new(body.boxed()))
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut one = gateway.http1::<Piped>("api.acme.example").await;
    let mut two = gateway.http2::<Piped>("api.acme.example").await;
    for is_http2 in [false, true] {
        let (feed, body) = pipe();
        let request = Request::post("https://api.acme.example/upload")
            .body(body)
            .unwrap();
        feed.send(piece("first")).unwrap();
        let response = match is_http2 {
            false => bounded(one.send_request(inner(request))).await,
            true => bounded(two.send_request(request)).await,
        };
        let mut back = response.unwrap().into_body();
        assert_eq!(next(&mut back).await, "first");
        feed.send(piece("second")).unwrap();
        assert_eq!(next(&mut back).await, "second");
        drop(feed);
        assert!(is_over(back).await);
        let heard = world.last();
        assert_eq!(heard.header("content-length"), "");
        assert_eq!(
            heard.header("authorization"),
            format!("Bearer {}", template::KEY)
        );
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let (mut environment, tokens) = filled();
    let world = World::answering(&mut environment, |request, _| async move {
        let body = request.into_body().collect().await.ok()?.to_bytes();
        Some(reply(200, body))
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut stream = gateway.inside("api.acme.example", "http/1.1").await;
    let head = "POST / HTTP/1.1\r\nHost: api.acme.example\r\nContent-Length: 4\r\n\
                Expect: 100-continue\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = [0; 25];
    bounded(stream.read_exact(&mut said)).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"text").await.unwrap();
    let mut rest = String::new();
    let _ = bounded(stream.read_to_string(&mut rest)).await;
    assert!(
        rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.ends_with("\r\n\r\ntext"),
        "{rest:?}"
    );
    assert_eq!(world.last().header("expect"), "");
    // Nothing is asked for that would be refused.
    let mut refused = gateway
        .with_token(&tokens.narrow)
        .inside("api.openai.com", "http/1.1")
        .await;
    let head = head.replace("api.acme.example", "api.openai.com");
    refused.write_all(head.as_bytes()).await.unwrap();
    let mut rest = String::new();
    let _ = bounded(refused.read_to_string(&mut rest)).await;
    assert!(rest.starts_with("HTTP/1.1 403 "), "{rest:?}");
}

#[tokio::test]
async fn trailers_pass_both_ways_over_http2() {
    let (mut environment, tokens) = filled();
    let heard = Arc::new(Mutex::new(None));
    let own = Arc::clone(&heard);
    let _world = World::answering(&mut environment, move |request, _| {
        let own = Arc::clone(&own);
        async move {
            let te = request.headers().get("te").cloned();
            let body = request.into_body().collect().await.ok()?;
            *own.lock().unwrap() = Some((te, body.trailers().cloned()));
            let (feed, answer) = pipe();
            let _ = feed.send(piece("message"));
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            trailers.insert("grpc-message", template::KEY.parse().unwrap());
            let _ = feed.send(Frame::trailers(trailers));
            Some(Reply::new(answer.boxed()))
        }
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http2::<Piped>("api.acme.example").await;
    let (feed, body) = pipe();
    feed.send(piece("question")).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "1".parse().unwrap());
    feed.send(Frame::trailers(trailers)).unwrap();
    drop(feed);
    let request = Request::post("https://api.acme.example/rpc").header("te", "trailers");
    let request = request.body(body).unwrap();
    let response = bounded(sender.send_request(request)).await.unwrap();
    let answer = Answer::of(response).await.ok();
    assert_eq!(answer.text(), "message");
    let trailers = answer.trailers.unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    // What comes after a body is looked through like what comes before it.
    assert_eq!(trailers["grpc-message"], "*".repeat(template::KEY.len()));
    let (te, trailers) = heard.lock().unwrap().take().unwrap();
    assert_eq!(te.unwrap(), "trailers");
    assert_eq!(trailers.unwrap()["x-sum"], "1");
}

/// Tells when it is dropped.
struct Missed(Piped, Arc<Notify>);

impl Drop for Missed {
    fn drop(&mut self) {
        self.1.notify_one();
    }
}

impl Body for Missed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_missed_by_the_upstream() {
    let (mut environment, tokens) = filled();
    let gone = Arc::new(Notify::new());
    let own = Arc::clone(&gone);
    let _world = World::answering(&mut environment, move |_, _| {
        let own = Arc::clone(&own);
        async move {
            let (feed, body) = pipe();
            feed.send(piece("first")).unwrap();
            // Nobody ends it.
            std::mem::forget(feed);
            Some(Reply::new(Missed(body, own).boxed()))
        }
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut one = gateway.http1("api.acme.example").await;
    let mut two = gateway.http2("api.acme.example").await;
    for is_http2 in [false, true] {
        let request = get("https://api.acme.example/");
        let response = match is_http2 {
            false => bounded(one.send_request(inner(request))).await,
            true => bounded(two.send_request(request)).await,
        };
        let mut body = response.unwrap().into_body();
        assert_eq!(next(&mut body).await, "first");
        drop(body);
        bounded(gone.notified()).await;
    }
}

/// Gives pieces as long as somebody takes them, and counts.
struct Endless(Arc<AtomicUsize>);

impl Body for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let given = self.0.fetch_add(1 << 16, Ordering::SeqCst);
        if given > 4 * SOCKETS {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(piece(vec![b'x'; 1 << 16]))))
    }
}

/// Waits until the count stands still; says how far it came.
async fn stalled(count: &AtomicUsize) -> usize {
    let mut before = usize::MAX;
    loop {
        let now = count.load(Ordering::SeqCst);
        if now == before && now > 0 {
            return now;
        }
        before = now;
        tokio::time::sleep(STALL).await;
    }
}

#[tokio::test]
async fn what_the_upstream_does_not_read_its_client_cannot_send() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let still = Manner::raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    world.set("api.acme.example", still);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let count = Arc::new(AtomicUsize::new(0));
    let mut sender = gateway.http1::<Endless>("api.acme.example").await;
    let request = Request::post("https://api.acme.example/").body(Endless(Arc::clone(&count)));
    let sending = tokio::spawn(sender.send_request(inner(request.unwrap())));
    let sent = bounded(stalled(&count)).await;
    assert!(sent < SOCKETS, "{sent} bytes went somewhere");
    sending.abort();
}

#[tokio::test]
async fn what_the_client_does_not_read_its_upstream_cannot_send() {
    let (mut environment, tokens) = filled();
    let count = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&count);
    let _world = World::answering(&mut environment, move |_, _| {
        let body = Endless(Arc::clone(&own));
        async move { Some(Reply::new(body.boxed())) }
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http1("api.acme.example").await;
    let request = inner(get("https://api.acme.example/"));
    let response = bounded(sender.send_request(request)).await.unwrap();
    let sent = bounded(stalled(&count)).await;
    assert!(sent < SOCKETS, "{sent} bytes went somewhere");
    drop(response);
}

#[tokio::test]
async fn one_that_does_not_read_holds_up_nobody_else_over_http2() {
    let (mut environment, tokens) = filled();
    let count = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&count);
    let world = World::answering(&mut environment, move |_, heard| {
        let own = Arc::clone(&own);
        async move {
            if heard.line.ends_with("/endless") {
                return Some(Reply::new(Endless(own).boxed()));
            }
            Some(reply(200, vec![b'x'; 100_000]))
        }
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut still = gateway.http2::<Text>("api.acme.example").await;
    let request = get("https://api.acme.example/endless");
    let unread = bounded(still.send_request(request)).await.unwrap();
    let sent = bounded(stalled(&count)).await;
    assert!(sent < SOCKETS, "{sent} bytes went somewhere");
    // On as many threads as there may be, and so on the same connection too.
    for _ in 0..10 {
        let mut other = gateway.http2::<Text>("api.acme.example").await;
        let response = other.send_request(get("https://api.acme.example/"));
        let answer = Answer::of(bounded(response).await.unwrap()).await.ok();
        assert_eq!(answer.body.len(), 100_000);
    }
    let threads = std::thread::available_parallelism().unwrap().get().min(8);
    assert!(world.connects().len() <= threads);
    drop(unread);
}

#[tokio::test]
async fn many_small_pieces_that_wait_do_not_end_a_connection() {
    let (mut environment, tokens) = filled();
    let _world = World::answering(&mut environment, |request, _| async move {
        let sent = request.into_body().collect().await.ok()?.to_bytes();
        let (feed, body) = pipe();
        for byte in sent {
            let _ = feed.send(piece(vec![byte]));
        }
        Some(Reply::new(body.boxed()))
    });
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http2::<Piped>("api.acme.example").await;
    let (feed, body) = pipe();
    for _ in 0..5000 {
        feed.send(piece("x")).unwrap();
    }
    drop(feed);
    let request = Request::post("https://api.acme.example/")
        .body(body)
        .unwrap();
    let response = bounded(sender.send_request(request)).await.unwrap();
    assert_eq!(Answer::of(response).await.ok().body.len(), 5000);
}
