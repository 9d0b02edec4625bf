//! The three ways in, and where a token may stand: CONNECT with HTTP/1.1 and
//! HTTP/2, whole addresses, and the path form. Whoever shows no token gets
//! nothing; no token goes on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use serde_json::json;

use crate::client::{Gateway, Text, get, sends, sends2};
use crate::support::TestEnvironment;
use crate::template::{self, define, filled, provider};
use crate::world::World;

fn key() -> String {
    format!("Bearer {}", template::KEY)
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let served = Gateway::serve(&environment, "", &["--allow-unmatched"]);
    let ran = Gateway::run(&environment, &[]);
    for address in [&served.address, &ran.address] {
        for token in ["", "vat_FAKEwrong", &tokens.ended, "vault", "agent", "ci"] {
            let mut client = served.with_token(token);
            client.address.clone_from(address);
            for target in [
                "api.acme.example:443",
                "elsewhere.example:443",
                "a b",
                "u@x:1",
            ] {
                let answer = client.connects(target).await;
                // What cannot be read as a request at all is refused as that.
                if target != "a b" {
                    answer.unwrap_err().refused(407, "unauthorized");
                }
            }
            let answer = client.get("http://api.acme.example/").await;
            answer.refused(407, "unauthorized");
            assert!(answer.header("proxy-authenticate").starts_with("Basic "));
            for path in [
                "/api/acme/v1",
                "/api/acme/team/v1",
                "/api/nothing/v1",
                &format!("/api/acme/v1?key={token}x&api_key={token}y"),
            ] {
                let request = Request::get(path).header("authorization", format!("Bearer {token}"));
                let answer = client.asks(request.body(Text::default()).unwrap()).await;
                answer.refused(401, "unauthorized");
            }
        }
    }
    // The token of one is nothing to the other.
    let mut crossed = ran.client.clone();
    crossed.address.clone_from(&served.address);
    let answer = crossed.connects("api.acme.example:443").await.unwrap_err();
    answer.refused(407, "unauthorized");
    assert_eq!((world.heard().len(), world.connects().len()), (0, 0));
}

#[tokio::test]
async fn a_token_is_taken_in_each_place_for_it_and_goes_no_further() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let token = &tokens.ci;
    let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    for headers in [
        format!("Proxy-Authorization: {}\r\n", basic(format!("ci:{token}"))),
        format!("Proxy-Authorization: {}\r\n", basic(format!("{token}:"))),
        format!("Proxy-Authorization: {}\r\n", basic(token.clone())),
        format!("Proxy-Authorization: Bearer {token}\r\n"),
        format!("Proxy-Authorization: bearer {token}\r\n"),
        format!("X-Vault-Agent-ID: ci\r\nX-Vault-Agent-Token: {token}\r\n"),
        format!("X-Vault-Agent-Token: {token}\r\n"),
    ] {
        let tunnel = gateway
            .connects_with("api.acme.example:443", &headers)
            .await;
        let stream = gateway
            .secures(tunnel.unwrap(), "api.acme.example", &["http/1.1"])
            .await
            .unwrap();
        let mut sender = crate::client::http1_over(stream).await;
        // Clients that know no better say it again inside.
        let mut request = get("https://api.acme.example/");
        for line in headers.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            let name: hyper::header::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
            .headers_mut()
            .append("x-own", format!("a {token}").parse().unwrap());
        request
            .headers_mut()
            .append("x-other", basic(format!("me:{token}")).parse().unwrap());
        sends(&mut sender, request).await.ok();
        let heard = world.last();
        assert!(!heard.holds(token), "{headers}: {heard:?}");
        assert!(!heard.holds(&STANDARD.encode(format!("me:{token}"))));
        assert_eq!(heard.header("authorization"), key());
    }
    let wrong = format!("X-Vault-Agent-ID: narrow\r\nX-Vault-Agent-Token: {token}\r\n");
    let answer = gateway.connects_with("api.acme.example:443", &wrong).await;
    answer.unwrap_err().refused(407, "unauthorized");
}

#[tokio::test]
async fn the_path_form_takes_the_token_in_the_place_of_the_key() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let token = &tokens.ci;
    for (name, value) in [
        ("authorization", format!("Bearer {token}")),
        ("authorization", format!("token {token}")),
        ("authorization", token.clone()),
        (
            "authorization",
            format!("Basic {}", STANDARD.encode(format!("x:{token}"))),
        ),
        ("x-api-key", token.clone()),
        ("x-goog-api-key", token.clone()),
        ("proxy-authorization", format!("Bearer {token}")),
        ("x-vault-agent-token", token.clone()),
    ] {
        let request = Request::post("/api/acme/v1/chat?a=1").header(name, &value);
        gateway
            .asks(request.body(Text::from("text")).unwrap())
            .await
            .ok();
        let heard = world.last();
        assert_eq!(heard.target, "api.acme.example:443", "{name}");
        assert_eq!(heard.line, "POST /v1/chat?a=1");
        assert_eq!(heard.host, "api.acme.example");
        assert_eq!(heard.header("authorization"), key(), "{name}");
        assert!(!heard.holds(token), "{name}: {heard:?}");
    }
    for (path, line) in [
        (format!("/api/acme/v1?key={token}&b=2"), "GET /v1?b=2"),
        (format!("/api/acme/v1?b=2&api_key={token}"), "GET /v1?b=2"),
        (format!("/api/acme?access_token={token}"), "GET /"),
        (format!("/api/acme/?token={token}"), "GET /"),
    ] {
        gateway.asks(get(&path)).await.ok();
        let heard = world.last();
        assert_eq!(heard.line, line, "{path}");
        assert!(!heard.holds(token));
    }
    // In the place that a definition names.
    let address = format!("/api/query/v1?key={token}");
    gateway.asks(get(&address)).await.ok();
    assert_eq!(world.last().line, "GET /v1?key=FAKE-canary%26of%3Dquery");
    let request = Request::get("/api/pair/x").header("X-Pair-Secret", token);
    gateway
        .asks(request.body(Text::default()).unwrap())
        .await
        .ok();
    assert_eq!(world.last().header("x-pair-secret"), template::SECRET);
}

#[tokio::test]
async fn the_path_form_names_a_connection_in_its_second_step() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let ask =
        |path: &str| Request::get(path).header("authorization", format!("Bearer {}", tokens.ci));
    for (path, line, key) in [
        ("/api/acme/team/v1/x", "GET /v1/x", template::TEAM_KEY),
        ("/api/acme/default/v1", "GET /v1", template::KEY),
        ("/api/acme/team", "GET /", template::TEAM_KEY),
        ("/api/acme/teams/x", "GET /teams/x", template::KEY),
        ("/api/acme/team?a=1", "GET /?a=1", template::TEAM_KEY),
    ] {
        gateway
            .asks(ask(path).body(Text::default()).unwrap())
            .await
            .ok();
        let heard = world.last();
        assert_eq!(heard.line, line, "{path}");
        assert_eq!(heard.header("authorization"), format!("Bearer {key}"));
    }
    let crossed = ask("/api/acme/team/v1").header("x-vault-connection", "default");
    let answer = gateway.asks(crossed.body(Text::default()).unwrap()).await;
    answer.refused(400, "bad_connection");
    let request = ask("/api/nothing/v1").body(Text::default()).unwrap();
    gateway.asks(request).await.refused(404, "unknown_provider");
    let request = ask("/api/gamma/v1").body(Text::default()).unwrap();
    let told = gateway.asks(request).await.refused(424, "not_configured");
    assert_eq!(told["hint"], "vault login gamma");
    assert_eq!(told["error"], "gamma API key not configured in vault.");
    // Without a provider it is nothing.
    let request = ask("/v2/models").body(Text::default()).unwrap();
    gateway.asks(request).await.refused(404, "not_found");
    assert_eq!(world.heard().len(), 5);
}

#[tokio::test]
async fn http2_inside_connect_carries_many_requests_each_with_its_key() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http2("api.acme.example").await;
    for number in 0..5 {
        let mut request = get(&format!("https://api.acme.example/{number}"));
        request
            .headers_mut()
            .append("authorization", "Bearer own".parse().unwrap());
        let answer = sends2(&mut sender, request).await.ok();
        assert_eq!(answer.text(), "ok");
    }
    let mut request = get("https://api.acme.example/team");
    let headers = request.headers_mut();
    headers.append("x-vault-connection", "team".parse().unwrap());
    sends2(&mut sender, request).await.ok();
    let heard = world.heard();
    assert_eq!(heard.len(), 6);
    for heard in &heard[..5] {
        assert!(heard.is_http2 && heard.host == "api.acme.example");
        assert_eq!(heard.header("authorization"), key());
    }
    assert_eq!(
        heard[5].header("authorization"),
        format!("Bearer {}", template::TEAM_KEY)
    );
    assert_eq!(heard[5].header("x-vault-connection"), "");
    // One connection of the client, one to the upstream.
    assert_eq!(world.connects(), ["api.acme.example:443"]);
}

#[tokio::test]
async fn a_client_of_http2_reaches_an_upstream_that_speaks_http1() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    world.without_http2();
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut sender = gateway.http2("api.acme.example").await;
    let request = Request::post("https://api.acme.example/a?b=1")
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    sends2(&mut sender, request.body(Text::from("text")).unwrap())
        .await
        .ok();
    let heard = world.only();
    assert!(!heard.is_http2);
    assert_eq!(
        (&*heard.line, &*heard.host),
        ("POST /a?b=1", "api.acme.example")
    );
    assert_eq!(heard.header("cookie"), "a=1; b=2");
    assert_eq!(heard.header("authorization"), key());
}

/// A provider on this machine, for which plain http is allowed.
fn local(environment: &TestEnvironment, port: u16) {
    define(
        environment,
        &provider(
            "local",
            json!({
                "hosts": [format!("127.0.0.1:{port}")],
                "allow_http": true,
                "base_url": format!("http://127.0.0.1:{port}/v1"),
            }),
        ),
    );
    let key = environment.secret("local's key", "FAKE-canary-of-local");
    environment
        .vault(["login", "local", "--stdin"])
        .stdin(key)
        .ok();
}

#[tokio::test]
async fn a_whole_address_is_for_plain_http_where_a_definition_allows_it() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    local(&environment, world.port);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow", "plain.example"]);
    let origin = format!("http://127.0.0.1:{}", world.port);
    gateway.get(&format!("{origin}/v1/models?a=1")).await.ok();
    let heard = world.last();
    assert_eq!(heard.line, "GET /v1/models?a=1");
    assert_eq!(heard.header("authorization"), "Bearer FAKE-canary-of-local");
    assert_eq!(heard.header("proxy-authorization"), "");
    let request = Request::get("/api/local/v1/x").header("x-api-key", &tokens.ci);
    gateway
        .asks(request.body(Text::default()).unwrap())
        .await
        .ok();
    let heard = world.last();
    assert_eq!(heard.header("authorization"), "Bearer FAKE-canary-of-local");
    assert!(!heard.holds(&tokens.ci));
    // Others go through the upstream proxy, whole and without a key.
    gateway.get("http://plain.example/x").await.ok();
    let heard = world.last();
    assert_eq!(heard.line, "GET http://plain.example/x");
    assert!(!heard.holds(&tokens.ci) && heard.header("authorization").is_empty());
}
