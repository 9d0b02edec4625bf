//! Failing closed: a credential that cannot be used means a refusal in the
//! one form that programs know, and never the client's own header in its
//! place. Nothing that is said or kept holds a secret or a query.

use std::fs;

use hyper::Request;
use rustix::process::Signal;
use serde_json::json;

use crate::client::{Gateway, Text};
use crate::template::{define, filled, provider};
use crate::world::{Manner, World, reply};

fn with_own_key(address: &str) -> Request<Text> {
    let request = Request::get(address)
        .header("authorization", "Bearer client's own")
        .header("x-api-key", "client's own");
    request.body(Text::default()).unwrap()
}

#[tokio::test]
async fn a_credential_that_has_ended_is_refused_and_the_clients_own_is_not_sent() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    environment
        .vault(["login", "gamma", "--stdin", "--expires", "2020-01-31"])
        .stdin(environment.secret("gamma's key", "FAKE-canary-of-gamma"))
        .ok();
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    let ran = Gateway::run(&environment, &[]);
    for client in [&gateway.client, &ran.client] {
        let answer = client
            .send(with_own_key("https://api.gamma.example/"))
            .await;
        let told = answer.refused(424, "login_ended");
        assert_eq!(told["hint"], "vault login gamma/default --force");
    }
    let request = Request::get("/api/gamma/v1").header("x-api-key", &tokens.ci);
    let answer = gateway.asks(request.body(Text::default()).unwrap()).await;
    answer.refused(424, "login_ended");
    assert!(world.heard().is_empty() && world.connects().is_empty());
}

#[tokio::test]
async fn a_broken_definition_blocks_its_own_provider_alone() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let path = environment.home().join("providers/beta.json");
    fs::write(path, "{ broken").unwrap();
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let answer = gateway
        .send(with_own_key("https://api.beta.example/"))
        .await;
    assert_eq!(answer.status, 403, "{answer:?}");
    gateway.get("https://api.acme.example/").await.ok();
    assert_eq!(world.heard().len(), 1);
}

#[tokio::test]
async fn upstreams_that_cannot_be_reached_are_told_in_one_form() {
    let (mut environment, tokens) = filled();
    let world = World::answering(&mut environment, |_, heard| async move {
        // Hangs up without a word, each time.
        (!heard.host.starts_with("mute.")).then(|| reply(200, "ok"))
    });
    world.set("untrusted.wild.example", Manner::Untrusted);
    world.set("refused.wild.example", Manner::Refused);
    world.set("gone.wild.example", Manner::raw(|_| async {}));
    let garbage = Manner::raw(|mut stream| async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"220 mail\r\n\r\n").await;
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
    });
    world.set("garbage.wild.example", garbage);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for host in ["untrusted", "refused", "gone", "garbage", "mute"] {
        let address = format!("https://{host}.wild.example/a?b=c");
        let told = gateway.get(&address).await.refused(502, "unreachable");
        assert_eq!(told["error"], "Network request failed", "{host}");
        let hint = told["hint"].as_str().unwrap();
        assert!(
            hint.contains("wild.example") && !hint.contains("b=c"),
            "{hint}"
        );
        let request = Request::post(&address);
        let answer = gateway
            .send(request.body(Text::from("text")).unwrap())
            .await;
        answer.refused(502, "unreachable");
    }
    // A certificate that is not trusted is shown no request.
    let hosts: Vec<_> = world.heard().into_iter().map(|heard| heard.host).collect();
    assert!(
        hosts.iter().all(|host| host == "mute.wild.example"),
        "{hosts:?}"
    );
}

#[tokio::test]
async fn neither_a_secret_nor_a_query_is_in_what_is_said_or_kept() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    world.set("refused.wild.example", Manner::Refused);
    let odd = provider(
        "odd",
        json!({ "hosts": ["127.0.0.1:1"], "allow_http": true }),
    );
    define(&environment, &odd);
    for hidden in [
        "FAKE-canary-in-query",
        "FAKE-canary-in-header",
        "FAKE-canary-in-body",
    ] {
        environment.secret("what a client sent", hidden);
    }
    let mut gateway = Gateway::serve(
        &environment,
        &tokens.ci,
        &["--verbose", "--allow", "ok.example"],
    );
    for address in [
        "https://api.acme.example/v1/x",
        "https://api.query.example/v1/x",
        "https://api.path.example/getMe",
        "https://api.beta.example/",
        "https://refused.wild.example/",
        "https://denied.example/",
        "http://ok.example/",
        "http://u:FAKE-canary-in-header@denied.example/",
        "https://api.acme.example/v1//x",
    ] {
        let address = format!("{address}?q=FAKE-canary-in-query");
        let request = Request::post(&address)
            .header("authorization", "Bearer FAKE-canary-in-header")
            .header("x-vault-agent-id", "ci");
        let request = request.body(Text::from("FAKE-canary-in-body")).unwrap();
        let uri = request.uri().to_string();
        let answer = match uri.contains('@') {
            true => gateway.asks(request).await,
            false => gateway.send(request).await,
        };
        let text = format!("{answer:?} {}", String::from_utf8_lossy(&answer.body));
        assert!(!text.contains("canary"), "{text}");
    }
    gateway.running.wait_for("line", |said| {
        said.contains("/v1/x with query").then_some(())
    });
    gateway.running.signals(Signal::TERM);
    // The hunt looks into what it said, and into every file.
    let ended = gateway.running.end();
    assert!(
        ended
            .stderr
            .contains("ci: POST api.acme.example:443/v1/x with acme/default: 200"),
        "{ended}"
    );
    assert!(!ended.stderr.contains("q="), "{ended}");
}
