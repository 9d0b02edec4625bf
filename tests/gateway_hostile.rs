//! Clients and upstreams of the gateway that play tricks with HTTP itself.
//! Most of these worked once.

#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::time::Duration;

use stage::{CANARY, HOST, Script, Stage, TOKEN, conversation};

#[allow(dead_code, reason = "the fuzz target uses the rest of it")]
#[path = "fuzz/stage.rs"]
mod stage;

/// Long enough that an answer on loopback comes within it.
const MOMENT: Duration = Duration::from_millis(400);

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(text).unwrap();
    to.finish().unwrap()
}

fn whole(head: &str, body: &[u8]) -> Script {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\n\r\n");
    Script::of([head.as_bytes(), body].concat())
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(work)
}

/// What a client inside CONNECT hears; also checks that all that came
/// upstream was well-formed, and to the right host with the right key.
fn heard(stage: &Stage, said: &str) -> Vec<u8> {
    let said = stage.filled(said.as_bytes(), TOKEN);
    let heard = run(async {
        let mut stream = stage.inside(false).await.unwrap();
        conversation(&mut stream, &said, MOMENT).await.unwrap()
    });
    assert_eq!(stage.upstream.take_faults(), [""; 0]);
    heard
}

/// The same straight to the gateway.
fn heard_outside(stage: &Stage, said: &str) -> Vec<u8> {
    let said = stage.filled(said.as_bytes(), TOKEN);
    let heard = run(async {
        let mut stream = stage.dial().await;
        conversation(&mut stream, &said, MOMENT).await.unwrap()
    });
    assert_eq!(stage.upstream.take_faults(), [""; 0]);
    heard
}

fn has(heard: &[u8], text: &str) -> bool {
    heard
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

fn echoed_key() -> Vec<u8> {
    // Long enough that compression changes every byte of it.
    let text = format!("{{\"your\": \"Bearer {CANARY}\"}}");
    text.repeat(20).into_bytes()
}

/// The body is compressed: it must come back opened.
#[track_caller]
fn assert_opened(heard: &[u8]) {
    let shown = String::from_utf8_lossy(heard);
    assert!(has(heard, "{\"your\": \"Bearer ***"), "{shown}");
    assert!(
        !has(heard, CANARY) && !has(heard, "content-encoding"),
        "{shown}"
    );
}

#[test]
fn a_refused_upgrade_is_looked_through_like_any_answer() {
    let stage = Stage::new();
    let packed = gzip(&echoed_key());
    stage
        .upstream
        .plays(move |_| whole("Content-Encoding: gzip\r\n", &packed));
    assert_opened(&heard(
        &stage,
        "GET /v1 HTTP/1.1\r\nHost: {host}\r\nConnection: upgrade\r\nUpgrade: websocket\r\nAccept-Encoding: gzip\r\n\r\n",
    ));
}

#[test]
fn a_reason_phrase_says_nothing() {
    let stage = Stage::new();
    stage.upstream.plays(|_| {
        Script::of(format!(
            "HTTP/1.1 200 {CANARY}\r\nContent-Length: 0\r\n\r\n"
        ))
    });
    for upgrade in ["", "Connection: upgrade\r\nUpgrade: websocket\r\n"] {
        let heard = heard(
            &stage,
            &format!("GET /v1 HTTP/1.1\r\nHost: {{host}}\r\n{upgrade}\r\n"),
        );
        assert!(has(&heard, "HTTP/1.1 200 OK\r\n"));
        assert!(!has(&heard, CANARY));
    }
    stage.upstream.plays(|_| Script {
        closes: true,
        ..Script::of(format!(
            "HTTP/1.1 101 {CANARY}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        ))
    });
    let heard = heard(
        &stage,
        "GET /v1 HTTP/1.1\r\nHost: {host}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert!(has(&heard, "HTTP/1.1 101 ") && !has(&heard, CANARY));
}

#[test]
fn codings_on_several_lines_are_one_list() {
    let stage = Stage::new();
    let packed = gzip(&echoed_key());
    stage.upstream.plays(move |_| {
        whole(
            "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n",
            &packed,
        )
    });
    assert_opened(&heard(&stage, "GET /v1 HTTP/1.1\r\nHost: {host}\r\n\r\n"));
}

#[test]
fn text_of_every_kind_is_opened() {
    let stage = Stage::new();
    for kind in [
        "message/http",
        "multipart/mixed; boundary=x",
        "application/x-yaml",
    ] {
        let packed = gzip(&echoed_key());
        stage.upstream.plays(move |_| {
            whole(
                &format!("Content-Type: {kind}\r\nContent-Encoding: gzip\r\n"),
                &packed,
            )
        });
        assert_opened(&heard(&stage, "TRACE /v1 HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
}

#[test]
fn frames_of_grpc_are_not_asked_for_compressed() {
    let stage = Stage::new();
    heard(
        &stage,
        "POST /v1 HTTP/1.1\r\nHost: {host}\r\ngrpc-accept-encoding: gzip\r\nContent-Length: 0\r\n\r\n",
    );
    let seen = stage.upstream.take_seen();
    assert!(!seen[0].head.contains("grpc-accept-encoding"));
}

/// `Connection` names `Transfer-Encoding`: with that gone first, the length
/// beside it went on and was a lie.
#[test]
fn a_length_beside_chunks_is_never_believed() {
    let stage = Stage::new();
    let heard = heard(
        &stage,
        "PUT /v1/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n\r\n6\r\nhello!\r\n0\r\n\r\n",
    );
    assert!(
        has(&heard, "HTTP/1.1 204 "),
        "{}",
        String::from_utf8_lossy(&heard)
    );
    let seen = stage.upstream.take_seen();
    assert_eq!(seen[0].body, b"hello!");
    assert!(!seen[0].head.to_ascii_lowercase().contains("content-length"));
}

#[test]
fn the_same_of_an_upstream_is_never_believed() {
    let stage = Stage::new();
    stage.upstream.plays(|_| {
        Script::of(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n\r\n6\r\nhello!\r\n0\r\n\r\n",
        )
    });
    let heard = heard(&stage, "GET /v1/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert!(
        !has(&heard, "content-length: 3"),
        "{}",
        String::from_utf8_lossy(&heard)
    );
    assert!(has(&heard, "hello!"));
}

#[test]
fn a_body_in_chunks_goes_on_whatever_the_method() {
    let stage = Stage::new();
    heard(
        &stage,
        "GET /v1/_search HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n",
    );
    assert_eq!(stage.upstream.take_seen()[0].body, b"hello!");
}

/// The rest of what an upstream said is no beginning of the next answer.
#[test]
fn what_stands_behind_an_answer_reaches_nobody() {
    let stage = Stage::new();
    stage.upstream.plays(|_| {
        Script::of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON")
    });
    for _ in 0..3 {
        let heard = heard(&stage, "GET /v1/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert!(has(&heard, "\r\n\r\nok") && !has(&heard, "POISON"));
    }
    let seen = stage.upstream.take_seen();
    let mut connections: Vec<_> = seen.iter().map(|seen| seen.connection).collect();
    connections.dedup();
    assert_eq!(connections.len(), 3, "each over a connection of its own");
}

/// NTLM and Negotiate say who is at the other end of a connection, and then
/// whoever uses the connection is that.
#[test]
fn a_connection_that_somebody_logged_in_on_is_nobody_elses() {
    let stage = Stage::new();
    let connections = |said: &str| {
        for _ in 0..2 {
            heard(&stage, said);
        }
        let seen = stage.upstream.take_seen();
        seen.iter().map(|seen| seen.connection).collect::<Vec<_>>()
    };
    stage.upstream.plays(|_| whole("", b"ok"));
    let usual = connections("GET /v1/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert_eq!(usual[0], usual[1], "a connection is used again");
    for scheme in ["NTLM", "Negotiate", "negotiate"] {
        stage
            .upstream
            .plays(move |_| whole(&format!("WWW-Authenticate: {scheme} RkFLRQ==\r\n"), b"ok"));
        let own = connections("GET /v1/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_ne!(own[0], own[1], "{scheme}");
    }
}

#[test]
fn only_options_asks_about_a_server_as_a_whole() {
    let stage = Stage::new();
    for method in ["GET", "DELETE"] {
        let heard = heard(
            &stage,
            &format!("{method} * HTTP/1.1\r\nHost: {{host}}\r\n\r\n"),
        );
        assert!(
            has(&heard, "HTTP/1.1 400 "),
            "{}",
            String::from_utf8_lossy(&heard)
        );
    }
    assert!(stage.upstream.take_seen().is_empty());
    let heard = heard(&stage, "OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert!(has(&heard, "HTTP/1.1 204 "));
}

/// Behind a change to HTTP/2 in the clear, requests would go past us.
#[test]
fn nobody_changes_to_http_2_past_us() {
    let stage = Stage::new();
    stage.upstream.plays(|seen| match seen.head.to_ascii_lowercase().contains("upgrade: h2c") {
        true => Script {
            echoes: true,
            ..Script::of("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
        },
        false => whole("", b"ok"),
    });
    for upgrade in ["h2c", "H2C", "websocket, h2c"] {
        let heard = heard(
            &stage,
            &format!(
                "GET /v1 HTTP/1.1\r\nHost: {{host}}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
            ),
        );
        assert!(
            has(&heard, "HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&heard)
        );
    }
}

#[test]
fn an_upstream_does_not_speak_in_our_name() {
    let stage = Stage::new();
    stage
        .upstream
        .plays(|_| whole("X-Vault-Error: locked\r\nX-Own: 1\r\n", b"ok"));
    let heard = heard(&stage, "GET /v1 HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert!(has(&heard, "x-own: 1") && !has(&heard, "x-vault-error"));
}

#[test]
fn an_answer_before_the_end_of_a_body_leaves_nothing_behind() {
    let stage = Stage::new();
    stage.upstream.plays(|_| whole("", b"ok"));
    // No token: the body is not read, and is no request.
    let heard = heard_outside(
        &stage,
        "POST /api/fake/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\nGET /-/health HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert!(has(&heard, "HTTP/1.1 401 ") && !has(&heard, "HTTP/1.1 200 "));
    assert!(stage.upstream.take_seen().is_empty());
}

#[test]
fn hosts_that_only_look_like_the_one_of_connect_are_refused() {
    let stage = Stage::new();
    stage.upstream.plays(|_| whole("", b"ok"));
    let port = stage.tls;
    for other in [
        format!("evil.example:{port}"),
        format!("{HOST}.evil.example:{port}"),
        format!("{HOST}:{}", stage.plain),
        format!("me@{HOST}:{port}"),
        format!("{HOST}\u{212a}:{port}"),
        format!("xn--{HOST}:{port}"),
        format!("{HOST}..:{port}"),
        HOST.to_owned(),
    ] {
        for said in [
            format!("GET /v1 HTTP/1.1\r\nHost: {other}\r\n\r\n"),
            format!("GET /v1 HTTP/1.1\r\nHost: {{host}}\r\nHost: {other}\r\n\r\n"),
            format!("GET https://{other}/v1 HTTP/1.1\r\nHost: {{host}}\r\n\r\n"),
        ] {
            let heard = heard(&stage, &said);
            assert!(
                has(&heard, "HTTP/1.1 400 "),
                "{said}: {}",
                String::from_utf8_lossy(&heard)
            );
        }
    }
    assert!(stage.upstream.take_seen().is_empty());
    let heard = heard(
        &stage,
        &format!("GET /v1 HTTP/1.1\r\nHost: API.fake.localhost.:{port}\r\n\r\n"),
    );
    assert!(has(&heard, "HTTP/1.1 200 "));
}

/// hyper holds against us a length that is not the body's.
#[test]
fn the_length_of_content_that_did_not_change_is_not_that_of_the_answer() {
    let stage = Stage::new();
    stage
        .upstream
        .plays(|_| Script::of("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: x\r\n\r\n"));
    let heard = heard(&stage, "GET /v1 HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert!(has(&heard, "HTTP/1.1 304 ") && has(&heard, "etag: x"));
}

#[test]
fn whoever_shows_no_token_does_not_learn_where_the_vault_is() {
    let stage = Stage::new();
    // What was no vault when the gateway began is a broken one now.
    std::fs::write(stage.folder().join("none.age"), "FAKE").unwrap();
    let place = stage.folder().to_str().unwrap().to_owned();
    // The file is looked at again only after a moment.
    let asks = || heard_outside(&stage, "GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!((0..20).any(|_| has(&asks(), " 503 ")));
    for said in [
        "GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT {host} HTTP/1.1\r\nProxy-Authorization: Bearer vat_FAKEofNobody\r\n\r\n",
        "GET /api/fake/v1 HTTP/1.1\r\nHost: x\r\nx-api-key: vat_FAKEofNobody\r\n\r\n",
    ] {
        let heard = heard_outside(&stage, said);
        let shown = String::from_utf8_lossy(&heard);
        assert!(has(&heard, " 503 ") && has(&heard, "locked"), "{shown}");
        assert!(!has(&heard, &place), "{shown}");
    }
    // Whoever shows one is told what to do.
    let heard = heard_outside(
        &stage,
        "CONNECT {host} HTTP/1.1\r\nProxy-Authorization: Bearer {token}\r\n\r\n",
    );
    assert!(has(&heard, &place), "{}", String::from_utf8_lossy(&heard));
}

#[test]
fn a_client_that_goes_takes_its_request_with_it() {
    let stage = Stage::new();
    for upgrade in ["", "Connection: upgrade\r\nUpgrade: websocket\r\n"] {
        stage.upstream.plays(|_| Script::of(""));
        let heard = heard(
            &stage,
            &format!("GET /v1 HTTP/1.1\r\nHost: {{host}}\r\n{upgrade}\r\n"),
        );
        assert!(heard.is_empty(), "{upgrade}");
    }
}

#[test]
fn an_answer_is_the_same_over_http_2_whatever_the_upstream_calls_it() {
    let stage = Stage::new();
    let packed = gzip(&echoed_key());
    stage.upstream.plays(move |_| {
        whole(
            "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n",
            &packed,
        )
    });
    let request = hyper::Request::builder().uri(format!("https://{HOST}:{}/v1", stage.tls));
    let request = request
        .body(http_body_util::Empty::<hyper::body::Bytes>::new())
        .unwrap();
    let body = run(async {
        use http_body_util::BodyExt as _;
        use hyper_util::rt::{TokioExecutor, TokioIo};
        let stream = TokioIo::new(stage.inside(true).await.unwrap());
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = shaken.await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    });
    assert_opened(&body);
    assert_eq!(stage.upstream.take_faults(), [""; 0]);
}
