//! One authority: whatever in a request names a host names the same one, or
//! nothing is sent; and paths that could be read in two ways are refused.

use hyper::Request;
use hyper::header::HOST;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Client, Gateway, Text, bounded, get, sends2};
use crate::template::filled;
use crate::world::World;

/// Says this inside CONNECT, and reads what is said until the end.
async fn says_inside(client: &Client, host: &str, text: &str) -> String {
    let mut stream = client.inside(host, "http/1.1").await;
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let _ = bounded(stream.read_to_end(&mut said)).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[track_caller]
fn is_refused(said: &str, status: u16, code: &str) {
    let head = said.to_lowercase();
    assert!(
        head.starts_with(&format!("http/1.1 {status} "))
            && head.contains(&format!("x-vault-error: {code}\r\n")),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_request_inside_connect_names_the_host_of_its_connect() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    for (line, host, code) in [
        (
            "GET / HTTP/1.1",
            "Host: evil.example\r\n",
            "authority_mismatch",
        ),
        (
            "GET / HTTP/1.1",
            "Host: api.acme.example:444\r\n",
            "authority_mismatch",
        ),
        (
            "GET / HTTP/1.1",
            "Host: api.acme.example.evil.example\r\n",
            "authority_mismatch",
        ),
        (
            "GET / HTTP/1.1",
            "Host: api.acme.example\r\nHost: evil.example\r\n",
            "authority_mismatch",
        ),
        (
            "GET / HTTP/1.1",
            "Host: user@api.acme.example\r\n",
            "userinfo",
        ),
        (
            "GET / HTTP/1.1",
            "Host: api.acme.example, evil.example\r\n",
            "bad_authority",
        ),
        ("GET / HTTP/1.1", "", "no_host"),
        (
            "GET https://evil.example/ HTTP/1.1",
            "Host: api.acme.example\r\n",
            "authority_mismatch",
        ),
        (
            "GET http://api.acme.example/ HTTP/1.1",
            "Host: api.acme.example\r\n",
            "authority_mismatch",
        ),
        (
            "GET https://u:p@api.acme.example/ HTTP/1.1",
            "Host: api.acme.example\r\n",
            "userinfo",
        ),
        (
            "CONNECT api.acme.example:443 HTTP/1.1",
            "Host: api.acme.example\r\n",
            "bad_request",
        ),
    ] {
        let text = format!("{line}\r\n{host}Connection: close\r\n\r\n");
        let said = says_inside(&gateway, "api.acme.example", &text).await;
        is_refused(&said, 400, code);
    }
    assert!(world.heard().is_empty() && world.connects().is_empty());
    // Ports and dots that mean the same are the same.
    for host in [
        "api.acme.example:443",
        "API.Acme.Example",
        "api.acme.example.",
    ] {
        let request = Request::get("https://api.acme.example/").header(HOST, host);
        gateway
            .send(request.body(Text::default()).unwrap())
            .await
            .ok();
        assert_eq!(world.last().host, "api.acme.example");
    }
}

#[tokio::test]
async fn connect_and_its_host_header_agree() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for host in ["evil.example", "api.acme.example:444", "u@api.acme.example"] {
        let text = format!(
            "CONNECT api.acme.example:443 HTTP/1.1\r\nHost: {host}\r\n\
             Proxy-Authorization: Bearer {}\r\n\r\n",
            tokens.ci
        );
        let said = gateway.says(&text).await;
        is_refused(&said, 400, "authority_mismatch");
    }
    assert!(world.connects().is_empty());
}

#[tokio::test]
async fn http2_for_another_host_is_misdirected() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    let mut sender = gateway.http2("api.acme.example").await;
    for host in ["api.beta.example", "evil.example", "api.acme.example:444"] {
        let request = get(&format!("https://{host}/"));
        let answer = sends2(&mut sender, request).await;
        answer.refused(421, "misdirected");
    }
    let crossed = Request::get("https://api.acme.example/").header(HOST, "evil.example");
    let answer = sends2(&mut sender, crossed.body(Text::default()).unwrap()).await;
    answer.refused(421, "misdirected");
    // The connection is as good as it was.
    assert!(world.heard().is_empty());
    sends2(&mut sender, get("https://api.acme.example/"))
        .await
        .ok();
    assert_eq!(world.only().host, "api.acme.example");
}

#[tokio::test]
async fn tls_inside_connect_is_for_the_host_of_the_connect() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let stream = gateway.connects("api.acme.example:443").await.unwrap();
    let other = gateway.secures(stream, "api.beta.example", &["h2"]).await;
    // It is the gateway that says no, not the client that sees another's name.
    let error = other.map(drop).unwrap_err().to_string();
    assert!(!error.contains("invalid peer certificate"), "{error}");
    assert!(world.connects().is_empty());
}

#[tokio::test]
async fn a_whole_address_and_its_host_header_agree() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    let shown = gateway.authorization();
    for (line, host, code) in [
        ("http://a.example/", "b.example", "authority_mismatch"),
        ("http://a.example/", "a.example:81", "authority_mismatch"),
        ("http://u:p@a.example/", "a.example", "userinfo"),
        ("http://a.example/", "u@a.example", "userinfo"),
        ("http://127.1/", "127.1", "bad_authority"),
        ("ftp://a.example/", "a.example", "bad_scheme"),
    ] {
        let text = format!(
            "GET {line} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: {shown}\r\n\
             Connection: close\r\n\r\n"
        );
        is_refused(&gateway.says(&text).await, 400, code);
    }
    for target in [
        "api.acme.example",
        "u:p@api.acme.example:443",
        "a:0",
        "[::1",
        "127.1:443",
    ] {
        let answer = gateway.connects(target).await.unwrap_err();
        let code = if target.contains('@') {
            "userinfo"
        } else {
            "bad_authority"
        };
        answer.refused(400, code);
    }
    assert!(world.heard().is_empty() && world.connects().is_empty());
}

#[tokio::test]
async fn a_path_that_climbs_or_can_be_read_in_two_ways_is_refused() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let paths = [
        "/safe/../x",
        "/safe/%2e%2e/x",
        "/safe/.%2E/x",
        "/safe/./x",
        "//x",
        "/a//b",
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/a%252e%252e/b",
        "/a%00b",
        "/a%c0%ae",
        "/a%",
        "/a/..;/b",
    ];
    for path in paths {
        let text =
            format!("GET {path} HTTP/1.1\r\nHost: api.acme.example\r\nConnection: close\r\n\r\n");
        let said = says_inside(&gateway, "api.acme.example", &text).await;
        is_refused(&said, 400, "bad_path");
        let text = format!(
            "GET /api/acme{path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {}\r\n\
             Connection: close\r\n\r\n",
            tokens.ci
        );
        is_refused(&gateway.says(&text).await, 400, "bad_path");
    }
    let mut sender = gateway.http2("api.acme.example").await;
    let request = get("https://api.acme.example/safe/../x");
    sends2(&mut sender, request).await.refused(400, "bad_path");
    assert!(world.heard().is_empty());
    // What is usual passes as it was written.
    for path in [
        "/",
        "/a/b/",
        "/a%20b/%C3%A9?x=..//%2F",
        "/v1/a:b@c,d;e=f/~x",
    ] {
        gateway
            .get(&format!("https://api.acme.example{path}"))
            .await
            .ok();
        assert_eq!(world.last().line, format!("GET {path}"));
    }
}
