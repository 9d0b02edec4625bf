//! OAuth tokens on their way: renewed before their end, once for all that
//! wait, and once where the provider refuses one that should be good.

use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use serde_json::json;

use crate::client::{Gateway, Text, get, sends};
use crate::support::TestEnvironment;
use crate::template::{define, filled, provider};
use crate::world::{Heard, Reply, World, reply};

/// What the provider does.
struct Mood {
    issued: usize,
    lives: u32,
    renews: bool,
}

fn access(number: usize) -> String {
    format!("FAKE-canary-access-{number}-FAKE")
}

async fn answer(request: Request<Incoming>, heard: Heard, mood: Arc<Mutex<Mood>>) -> Option<Reply> {
    let body = request.into_body().collect().await.ok()?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    let mut mood = mood.lock().unwrap();
    let newest = access(mood.issued);
    Some(match (&*heard.host, &*heard.line) {
        ("auth.peer.example", "POST /device") => {
            let given = json!({
                "device_code": "FAKE-device", "user_code": "FAKE", "interval": 0,
                "verification_uri": "https://auth.peer.example/type-it",
            });
            reply(200, given.to_string())
        }
        ("auth.peer.example", "POST /token") if body.contains("refresh_token") && !mood.renews => {
            reply(400, r#"{"error":"invalid_grant"}"#)
        }
        ("auth.peer.example", "POST /token") => {
            mood.issued += 1;
            let given = json!({
                "access_token": access(mood.issued), "token_type": "Bearer",
                "refresh_token": format!("FAKE-canary-refresh-{}", mood.issued),
                "expires_in": mood.lives,
            });
            reply(200, given.to_string())
        }
        (_, _) if heard.header("authorization") == format!("Bearer {newest}") => reply(200, body),
        _ => reply(401, "refused"),
    })
}

/// A machine that is logged in at `peer` with a token that lives so long.
fn logged_in(lives: u32) -> (TestEnvironment, String, World, Arc<Mutex<Mood>>) {
    let (mut environment, tokens) = filled();
    let mood = Arc::new(Mutex::new(Mood {
        issued: 0,
        lives,
        renews: true,
    }));
    let own = Arc::clone(&mood);
    let world = World::answering(&mut environment, move |request, heard| {
        answer(request, heard, Arc::clone(&own))
    });
    for number in 1..=4 {
        environment.secret("an access token", access(number));
        environment.secret("a refresh token", format!("FAKE-canary-refresh-{number}"));
    }
    let peer = json!({
        "auth": ["oauth2"],
        "fields": [],
        "inject": [{ "in": "header", "name": "Authorization", "value": "Bearer {access_token}" }],
        "oauth": {
            "token_url": "https://auth.peer.example/token",
            "device_authorization_url": "https://auth.peer.example/device",
            "flows": ["device_code"],
            "client_id": "peer-client",
        },
    });
    define(&environment, &provider("peer", peer));
    environment
        .vault(["login", "peer", "--flow", "device_code", "--no-open"])
        .ok();
    mood.lock().unwrap().lives = 3600;
    world.forget();
    (environment, tokens.ci, world, mood)
}

fn renewals(world: &World) -> usize {
    let heard = world.heard();
    heard
        .iter()
        .filter(|heard| heard.line == "POST /token")
        .count()
}

#[tokio::test]
async fn a_token_that_is_about_to_end_is_renewed_once_for_all_requests() {
    // Over within seconds: it is no good to anybody any more.
    let (environment, token, world, mood) = logged_in(1);
    let gateway = Gateway::serve(&environment, &token, &[]);
    let mut asked = Vec::new();
    for _ in 0..20 {
        let client = gateway.client.clone();
        let one = async move { client.get("https://api.peer.example/").await };
        asked.push(tokio::spawn(one));
    }
    for one in asked {
        one.await.unwrap().ok();
    }
    assert_eq!(renewals(&world), 1);
    assert_eq!(mood.lock().unwrap().issued, 2);
    // It was saved before it was used.
    let stored = environment
        .vault([
            "get",
            "peer",
            "--field",
            "access_token",
            "--show-secret",
            "--no-refresh",
        ])
        .asks_for_secrets()
        .ok();
    assert_eq!(stored.stdout.trim_end(), access(2));
}

#[tokio::test]
async fn a_refusal_leads_to_one_renewal_and_the_request_is_sent_again() {
    let (environment, token, world, mood) = logged_in(3600);
    let gateway = Gateway::serve(&environment, &token, &[]);
    gateway.get("https://api.peer.example/").await.ok();
    // The provider takes it back before its end.
    mood.lock().unwrap().issued += 1;
    world.forget();
    // Whatever comes from the world now is refused, until there is a new one.
    let answer = gateway.get("https://api.peer.example/a?b=1").await.ok();
    assert_eq!(answer.status, 200);
    assert_eq!(renewals(&world), 1);
    let lines: Vec<_> = world
        .heard()
        .into_iter()
        .filter(|heard| heard.host == "api.peer.example")
        .map(|heard| heard.line)
        .collect();
    assert_eq!(lines, ["GET /a?b=1", "GET /a?b=1"]);
}

#[tokio::test]
async fn a_request_with_a_body_is_not_sent_again_but_the_next_one_has_the_new_token() {
    let (environment, token, world, mood) = logged_in(3600);
    let gateway = Gateway::serve(&environment, &token, &[]);
    let mut sender = gateway.http1("api.peer.example").await;
    mood.lock().unwrap().issued += 1;
    let post = || {
        Request::post("https://api.peer.example/")
            .body(Text::from("body"))
            .unwrap()
    };
    let answer = sends(&mut sender, post()).await;
    assert_eq!((answer.status, answer.text()), (401, "refused"));
    let posts = |world: &World| {
        let heard = world.heard();
        heard.iter().filter(|heard| heard.line == "POST /").count()
    };
    assert_eq!((posts(&world), renewals(&world)), (1, 1));
    let answer = sends(&mut sender, post()).await.ok();
    assert_eq!(answer.text(), "body");
    assert_eq!((posts(&world), renewals(&world)), (2, 1));
}

#[tokio::test]
async fn a_refresh_token_that_is_spent_is_told_and_asked_for_once() {
    let (environment, token, world, mood) = logged_in(1);
    mood.lock().unwrap().renews = false;
    let gateway = Gateway::serve(&environment, &token, &["--allow-unmatched"]);
    for _ in 0..3 {
        let mut request = get("https://api.peer.example/");
        let own = "Bearer own".parse().unwrap();
        request.headers_mut().insert("authorization", own);
        let told = gateway.send(request).await.refused(424, "login_ended");
        assert!(
            told["hint"].as_str().unwrap().contains("vault login peer"),
            "{told}"
        );
    }
    assert_eq!(renewals(&world), 1);
    let hosts: Vec<_> = world.heard().into_iter().map(|heard| heard.host).collect();
    assert_eq!(hosts, ["auth.peer.example"]);
}

#[tokio::test]
async fn a_renewal_follows_no_redirect() {
    let (environment, token, world, _) = logged_in(3600);
    environment
        .vault([
            "login",
            "peer",
            "--flow",
            "device_code",
            "--no-open",
            "--force",
        ])
        .args(["--expires", "2020-01-31"])
        .ok();
    let gateway = Gateway::serve(&environment, &token, &[]);
    let moved = crate::world::Manner::raw(|mut stream| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut seen = vec![0; 8192];
        let _ = stream.read(&mut seen).await;
        let text = "HTTP/1.1 307 Fake\r\nLocation: https://evil.example/token\r\n\
                    Content-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
    });
    world.set("auth.peer.example", moved);
    world.forget();
    let answer = gateway.get("https://api.peer.example/").await;
    assert!(answer.status == 502 || answer.status == 424, "{answer:?}");
    assert_eq!(world.connects(), ["auth.peer.example:443"]);
}
