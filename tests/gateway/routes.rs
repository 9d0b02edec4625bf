//! `/v1`: the model picks the connection, by the routes of the policy.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::client::{Answer, Client, Gateway, Text, bounded, get, http1_over};
use crate::support::TestEnvironment;
use crate::template::{self, define, filled, provider};
use crate::world::{Reply, World, piece, pipe, reply_with};

type Headers = Vec<(&'static str, &'static str)>;

/// Hosts that answer as a test says, and what they were sent.
#[derive(Clone, Default)]
pub struct Stage(Arc<Mutex<Played>>);

#[derive(Default)]
struct Played {
    answers: HashMap<String, (u16, Headers, String)>,
    bodies: Vec<Bytes>,
}

impl Stage {
    /// A world in which every host answers 200 with what it was sent, unless
    /// it is told otherwise.
    pub fn world(&self, environment: &mut TestEnvironment) -> World {
        let own = self.clone();
        World::answering(environment, move |request, heard| {
            let own = own.clone();
            async move {
                let body = request.into_body().collect().await.ok()?.to_bytes();
                let mut played = own.0.lock().unwrap();
                played.bodies.push(body.clone());
                Some(match played.answers.get(&heard.host) {
                    Some((status, headers, text)) => reply_with(*status, headers, text.clone()),
                    None => reply_with(200, &[("content-type", "application/json")], body),
                })
            }
        })
    }

    /// How the API of a provider of the template answers from now on.
    pub fn answers(&self, provider: &str, status: u16, headers: &Headers, text: &str) {
        let answer = (status, headers.clone(), text.to_owned());
        let host = format!("api.{provider}.example");
        self.0.lock().unwrap().answers.insert(host, answer);
    }

    fn last_body(&self) -> Bytes {
        self.0.lock().unwrap().bodies.last().unwrap().clone()
    }
}

/// Makes this the policy.
pub fn policy(environment: &TestEnvironment, policy: &Value) {
    fs::write(environment.home().join("policy.json"), policy.to_string()).unwrap();
}

/// A policy with these routes alone.
pub fn routes(environment: &TestEnvironment, sets: &Value) {
    policy(environment, &json!({ "routes": sets }));
}

pub fn asking(token: &str, body: impl Into<Bytes>) -> Request<Text> {
    Request::post("/v1/chat/completions")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Text::new(body.into()))
        .unwrap()
}

/// Asks for a model.
pub async fn asks(client: &Client, model: &str) -> Answer {
    let body = json!({ "model": model }).to_string();
    client.asks(asking(&client.token, body)).await
}

/// The hosts that were asked, in their order; they are forgotten.
pub fn asked(world: &World) -> Vec<String> {
    let heard = world.heard();
    world.forget();
    let name = |host: &str| host.split('.').nth(1).unwrap().to_owned();
    heard.iter().map(|heard| name(&heard.host)).collect()
}

#[tokio::test]
async fn the_model_picks_the_connection_and_the_first_route_that_fits_wins() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    routes(
        &environment,
        &json!({ "default": [
            { "model": ["llama*", "*:local"], "to": "beta/one" },
            { "model": "gpt-5-mini", "to": "acme" },
            { "model": "gpt-*", "to": "acme/team" },
            { "model": "llama4", "to": "query" },
            { "to": "pair" },
        ] }),
    );
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for (model, host, connection) in [
        ("llama3.2", "api.beta.example", "beta/one"),
        ("llama4", "api.beta.example", "beta/one"),
        ("org/model:local", "api.beta.example", "beta/one"),
        ("gpt-5-mini", "api.acme.example", "acme/default"),
        ("gpt-5", "api.acme.example", "acme/team"),
        ("GPT-5", "api.pair.example", "pair/default"),
        ("", "api.pair.example", "pair/default"),
        ("ünïcode 🦙", "api.pair.example", "pair/default"),
    ] {
        let answer = asks(&gateway, model).await.ok();
        let heard = world.last();
        assert_eq!(heard.host, host, "{model}");
        assert_eq!(heard.line, "POST /v1/chat/completions");
        assert_eq!(answer.header("x-vault-connection"), connection);
        assert_eq!(answer.header("x-vault-route"), "default");
        assert_eq!(answer.text(), json!({ "model": model }).to_string());
        assert!(
            !heard.holds(&tokens.ci) && !heard.holds("x-vault"),
            "{heard:?}"
        );
    }
    asks(&gateway, "gpt-5").await.ok();
    let key = format!("Bearer {}", template::TEAM_KEY);
    assert_eq!(world.last().header("authorization"), key);
}

#[tokio::test]
async fn any_endpoint_with_a_model_is_served_and_what_was_for_us_goes_no_further() {
    let (mut environment, tokens) = filled();
    let world = Stage::default().world(&mut environment);
    routes(&environment, &json!({ "default": [{ "to": "pair" }] }));
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for (path, name, value) in [
        (
            "/v1/completions?x=1&key=2",
            "authorization",
            format!("Bearer {}", tokens.ci),
        ),
        ("/v1/embeddings", "x-api-key", tokens.ci.clone()),
        ("/v1/responses", "api-key", tokens.ci.clone()),
        ("/v1/a/b.c", "x-vault-agent-token", tokens.ci.clone()),
        ("/v1/images", "proxy-authorization", gateway.authorization()),
    ] {
        let request = Request::post(path)
            .header(name, value)
            .header("x-auth-token", "FAKE-of-somebody-else")
            .header("cookie", "FAKE=1")
            .header("openai-beta", "assistants=v2")
            .body(Text::from(r#"{"model":"a"}"#));
        gateway.asks(request.unwrap()).await.ok();
        let heard = world.last();
        assert_eq!(heard.line, format!("POST {path}"));
        for hidden in [&*tokens.ci, "FAKE-of-somebody-else", "FAKE=1"] {
            assert!(!heard.holds(hidden), "{name}: {heard:?}");
        }
        assert_eq!(heard.header("openai-beta"), "assistants=v2");
        assert_eq!(heard.header("x-pair-id"), template::ID);
    }
    // In the query it is taken off as well.
    let path = format!("/v1/x?a=b&key={}", tokens.ci);
    let request = Request::post(path).body(Text::from(r#"{"model":"a"}"#));
    gateway.asks(request.unwrap()).await.ok();
    assert_eq!(world.last().line, "POST /v1/x?a=b");
}

#[tokio::test]
async fn another_name_is_put_in_byte_for_byte() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    let name = "ll\"ama\\3.2 🦙";
    routes(
        &environment,
        &json!({ "default": [{ "model": "*a*", "to": "acme", "rename": name }] }),
    );
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for (body, expected) in [
        (r#"{"model":"a"}"#, r#"{"model":"ll\"ama\\3.2 🦙"}"#),
        (
            "{\r\n  \"messages\" : [ {\"model\": \"a\"} ],\n\t\"model\" :\t\"g\\u0061\\\"\" ,\n \"n\": 1.00e0 }\n\n",
            "{\r\n  \"messages\" : [ {\"model\": \"a\"} ],\n\t\"model\" :\t\"ll\\\"ama\\\\3.2 🦙\" ,\n \"n\": 1.00e0 }\n\n",
        ),
        (
            r#"{"x":"\ud83e\udd99é","mod\u0065l":"a🦙","y":{"model":"z"}}"#,
            r#"{"x":"\ud83e\udd99é","mod\u0065l":"ll\"ama\\3.2 🦙","y":{"model":"z"}}"#,
        ),
    ] {
        gateway.asks(asking(&tokens.ci, body)).await.ok();
        assert_eq!(stage.last_body(), expected);
        let length = expected.len().to_string();
        assert_eq!(world.last().header("content-length"), length);
    }
    // What has that name already stays as it is.
    let same = r#"{ "model":"ll\u0022ama\\3.2 \ud83e\udd99" }"#;
    gateway.asks(asking(&tokens.ci, same)).await.ok();
    assert_eq!(stage.last_body(), same);
}

#[tokio::test]
async fn compressed_and_chunked_bodies_are_read_too() {
    let (mut environment, tokens) = filled();
    let stage = Stage::default();
    let world = stage.world(&mut environment);
    routes(
        &environment,
        &json!({ "default": [
            { "model": "a", "to": "acme", "rename": "renamed" },
            { "model": "b", "to": "acme" },
        ] }),
    );
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let zipped = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let sent = |body: Vec<u8>| {
        let mut request = asking(&tokens.ci, body);
        request
            .headers_mut()
            .insert("content-encoding", "gzip".parse().unwrap());
        request
    };
    gateway
        .asks(sent(zipped(r#"{"model":"a","n":1}"#)))
        .await
        .ok();
    assert_eq!(stage.last_body(), r#"{"model":"renamed","n":1}"#);
    assert_eq!(world.last().header("content-encoding"), "");
    let same = zipped(r#"{"model":"b","n":1}"#);
    gateway.asks(sent(same.clone())).await.ok();
    assert_eq!(stage.last_body(), same);
    assert_eq!(world.last().header("content-encoding"), "gzip");
    let broken = gateway.asks(sent(b"{\"model\":\"b\"}".to_vec())).await;
    broken.refused(415, "body_unreadable");
    // Of no length that is said beforehand.
    let (feed, body) = pipe();
    for text in ["{\"mod", "el\":", "\"a\"}"] {
        feed.send(piece(text)).unwrap();
    }
    drop(feed);
    let mut request = asking(&tokens.ci, "").map(|_| body);
    let host = gateway.address.parse().unwrap();
    request.headers_mut().insert("host", host);
    let mut sender = http1_over(gateway.connect().await).await;
    let answer = bounded(sender.send_request(request)).await.unwrap();
    Answer::of(answer).await.ok();
    assert_eq!(stage.last_body(), r#"{"model":"renamed"}"#);
    assert_eq!(world.last().header("content-length"), "19");
}

#[tokio::test]
async fn an_answer_streams_as_it_does_elsewhere() {
    let (mut environment, tokens) = filled();
    let (hand, mut feeds) = tokio::sync::mpsc::unbounded_channel();
    let _world = World::answering(&mut environment, move |_, _| {
        let (feed, body) = pipe();
        hand.send(feed).unwrap();
        async move { Some(Reply::new(body.boxed())) }
    });
    let fallback = json!([{ "to": "acme", "fallback": ["beta/one"], "rename": "x" }]);
    routes(&environment, &json!({ "default": fallback }));
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut request = asking(&tokens.ci, r#"{"model":"a","stream":true}"#);
    let host = gateway.address.parse().unwrap();
    request.headers_mut().insert("host", host);
    let mut sender = http1_over(gateway.connect().await).await;
    let response = bounded(sender.send_request(request)).await.unwrap();
    let mut body = response.into_body();
    let feed = bounded(feeds.recv()).await.unwrap();
    for number in 0..20 {
        let event = format!("data: {number}\n\n");
        feed.send(piece(event.clone())).unwrap();
        let frame = bounded(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event);
    }
    // Nobody else is asked once it has begun, also if it breaks off.
    drop((feed, body));
    assert!(feeds.try_recv().is_err());
}

#[tokio::test]
async fn each_provider_has_its_path() {
    let (mut environment, tokens) = filled();
    let world = Stage::default().world(&mut environment);
    for (name, more) in [
        (
            "deep",
            json!({ "base_url": "https://api.deep.example", "openai_path": "/openai/v1" }),
        ),
        (
            "bare",
            json!({ "base_url": "https://api.bare.example/x/", "openai_path": "" }),
        ),
        ("usual", json!({ "base_url": "https://api.usual.example" })),
        (
            "whole",
            json!({ "base_url": "https://api.whole.example/api/v1" }),
        ),
        ("mute", json!({ "openai_path": false })),
    ] {
        define(&environment, &provider(name, more));
        let key = environment.secret(name, format!("FAKE-canary-of-{name}"));
        environment
            .vault(["login", name, "--stdin"])
            .stdin(key)
            .ok();
    }
    let all = ["deep", "bare", "usual", "whole", "mute"];
    let all: Vec<_> = all
        .iter()
        .map(|name| json!({ "model": name, "to": name }))
        .collect();
    routes(&environment, &json!({ "default": all }));
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for (model, line) in [
        ("deep", "POST /openai/v1/chat/completions"),
        ("bare", "POST /x/chat/completions"),
        ("usual", "POST /v1/chat/completions"),
        ("whole", "POST /api/v1/chat/completions"),
    ] {
        asks(&gateway, model).await.ok();
        assert_eq!(world.last().line, line);
    }
    world.forget();
    asks(&gateway, "mute").await.refused(400, "no_openai_path");
    for path in [
        "/v1/../x",
        "/v1//x",
        "/v1/%2e%2e/x",
        "/v1/a%2Fb",
        "/v1/x/./y",
    ] {
        let mut request = asking(&tokens.ci, r#"{"model":"bare"}"#);
        *request.uri_mut() = path.parse().unwrap();
        gateway.asks(request).await.refused(400, "bad_path");
    }
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn a_local_server_without_tls_is_served_too() {
    let (mut environment, tokens) = filled();
    let world = Stage::default().world(&mut environment);
    environment.set("NO_PROXY", "127.0.0.1");
    environment.set("no_proxy", "127.0.0.1");
    let place = format!("127.0.0.1:{}", world.port);
    let local = json!({
        "hosts": [place], "allow_http": true, "base_url": format!("http://{place}"),
        "auth": ["none"], "fields": [], "inject": [],
    });
    define(&environment, &provider("local", local));
    environment.vault(["login", "local"]).ok();
    routes(
        &environment,
        &json!({ "default": [{ "model": "llama*", "to": "local", "rename": "llama3.2" }] }),
    );
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let answer = asks(&gateway, "llama").await.ok();
    assert_eq!(answer.text(), r#"{"model":"llama3.2"}"#);
    assert_eq!(
        (world.only().host, world.only().target),
        (place, String::new())
    );
}

#[tokio::test]
async fn a_set_is_the_one_in_use_unless_a_request_names_another() {
    let (mut environment, tokens) = filled();
    let world = Stage::default().world(&mut environment);
    let sets = json!({
        "default": [{ "to": "acme" }],
        "local": [{ "to": "beta/one" }],
        "third": [{ "to": "pair" }],
    });
    routes(&environment, &sets);
    let mut gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let naming = |name: &str| {
        let mut request = asking(&tokens.ci, r#"{"model":"a"}"#);
        request
            .headers_mut()
            .insert("x-vault-route", name.parse().unwrap());
        request
    };
    let open = http1_over(gateway.connect().await).await;
    let open = tokio::sync::Mutex::new(open);
    let unnamed = async || {
        let mut request = asking(&tokens.ci, r#"{"model":"a"}"#);
        request
            .headers_mut()
            .insert("host", "gateway".parse().unwrap());
        let answer = open.lock().await.send_request(request);
        let answer = Answer::of(bounded(answer).await.unwrap()).await.ok();
        answer.header("x-vault-route").to_owned()
    };
    assert_eq!(unnamed().await, "default");
    let answer = gateway.asks(naming("third")).await.ok();
    assert_eq!(answer.header("x-vault-route"), "third");
    assert!(!world.last().holds("x-vault-route"));
    environment.vault(["route", "use", "local"]).ok();
    assert_eq!(unnamed().await, "local");
    assert_eq!(asked(&world), ["acme", "pair", "beta"]);
    let told = gateway
        .asks(naming("nothing"))
        .await
        .refused(400, "bad_route");
    assert!(
        told["hint"]
            .as_str()
            .unwrap()
            .contains("default, local, third"),
        "{told}"
    );
    let mut twice = naming("third");
    twice
        .headers_mut()
        .append("x-vault-route", "third".parse().unwrap());
    gateway.asks(twice).await.refused(400, "bad_route");
    // What is gone is not replaced by what somebody did not choose.
    routes(&environment, &json!({ "default": [{ "to": "acme" }] }));
    gateway.running.wait_for("the new policy", |said| {
        said.contains("has changed and is in force").then_some(())
    });
    let told = asks(&gateway, "a").await.refused(404, "no_route");
    assert!(
        told["hint"].as_str().unwrap().contains("vault route use"),
        "{told}"
    );
    environment.vault(["route", "use", "default"]).ok();
    assert_eq!(unnamed().await, "default");
    assert_eq!(asked(&world), ["acme"]);
}

#[tokio::test]
async fn what_cannot_be_routed_is_refused_before_anything_is_sent() {
    let (mut environment, tokens) = filled();
    let world = Stage::default().world(&mut environment);
    routes(
        &environment,
        &json!({ "default": [
            { "model": "a", "to": "acme" }, { "model": "b", "to": "beta" },
            { "model": "c", "to": "gamma" }, { "model": "d", "to": "nobody" },
        ] }),
    );
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    asks(&gateway.with_token("vat_FAKE"), "a")
        .await
        .refused(401, "unauthorized");
    asks(&gateway.with_token(&tokens.ended), "a")
        .await
        .refused(401, "unauthorized");
    asks(&gateway.with_token(&tokens.narrow), "b")
        .await
        .refused(403, "not_granted");
    asks(&gateway, "b").await.refused(409, "ambiguous");
    asks(&gateway, "c").await.refused(424, "not_configured");
    asks(&gateway, "d").await.refused(404, "unknown_provider");
    let told = asks(&gateway, "x\u{1b}[2J\n")
        .await
        .refused(404, "no_route");
    let said = told["error"].as_str().unwrap();
    assert!(
        said.contains("set default") && said.contains("x\\u{1b}[2J"),
        "{said}"
    );
    let long = asks(&gateway, &"ü".repeat(100_000))
        .await
        .refused(404, "no_route");
    assert!(long["error"].as_str().unwrap().len() < 500);
    for body in [
        "",
        "[]",
        "model=a",
        r#"{"model":5}"#,
        r#"{"model":"a","model":"a"}"#,
    ] {
        let answer = gateway.asks(asking(&tokens.ci, body)).await;
        answer.refused(400, "body_unreadable");
    }
    let mut named = asking(&tokens.ci, r#"{"model":"a"}"#);
    named
        .headers_mut()
        .insert("x-vault-connection", "team".parse().unwrap());
    gateway.asks(named).await.refused(400, "bad_connection");
    let head = format!(
        "POST /v1/x HTTP/1.1\r\nHost: x\r\nX-Api-Key: {}\r\nContent-Length: 33554433\r\n\r\n",
        tokens.ci
    );
    let said = gateway.says(&head).await;
    assert!(
        said.starts_with("HTTP/1.1 413 ") && said.contains("body_unreadable"),
        "{said}"
    );
    for path in [
        "/v1",
        "/v1/",
        "/v1/chat/completions",
        "/v1/modelsx",
        "/v2/x",
    ] {
        gateway.asks(get(path)).await.refused(404, "not_found");
    }
    assert!(world.heard().is_empty());
    environment.vault(["agent", "revoke", "ci"]).ok();
    asks(&gateway, "a").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn without_routes_there_is_nothing() {
    let (mut environment, tokens) = filled();
    let world = Stage::default().world(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let told = asks(&gateway, "a").await.refused(404, "no_route");
    assert!(
        told["hint"].as_str().unwrap().contains("docs/routes.md"),
        "{told}"
    );
    asks(&gateway.with_token(""), "a")
        .await
        .refused(401, "unauthorized");
    assert!(world.heard().is_empty());
}
