//! What changes in the vault is seen by the next request; a vault that cannot
//! be opened any more gives nothing out.

use std::fs;

use crate::client::{Gateway, get, sends};
use crate::support::TestEnvironment;
use crate::template::{self, filled};
use crate::world::World;

fn log_in(environment: &TestEnvironment, target: &str, key: &str) {
    environment
        .vault(["login", target, "--stdin", "--force"])
        .stdin(environment.secret("a new key", key))
        .ok();
}

#[tokio::test]
async fn a_login_a_logout_and_a_default_are_seen_by_the_next_request() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let ran = Gateway::run(&environment, &["--deny-unmatched"]);
    for client in [&gateway.client, &ran.client] {
        let key = format!("FAKE-canary-new-for-{}", &client.address[10..]);
        let mut open = client.http1("api.acme.example").await;
        let request = || get("https://api.acme.example/");
        sends(&mut open, request()).await.ok();
        log_in(&environment, "acme", &key);
        sends(&mut open, request()).await.ok();
        assert_eq!(
            world.last().header("authorization"),
            format!("Bearer {key}")
        );
        environment.vault(["default", "acme/team"]).ok();
        sends(&mut open, request()).await.ok();
        let team = format!("Bearer {}", template::TEAM_KEY);
        assert_eq!(world.last().header("authorization"), team);
        environment.vault(["default", "acme/default"]).ok();
    }
    let count = world.heard().len();
    let mut open = gateway.http1("api.openai.com").await;
    environment.vault(["logout", "openai", "--local"]).ok();
    let answer = sends(&mut open, get("https://api.openai.com/v1")).await;
    let told = answer.refused(424, "not_configured");
    assert_eq!(told["error"], "OpenAI API key not configured in vault.");
    assert_eq!(told["hint"], "vault login openai");
    let told = gateway
        .get("https://api.openai.com/v1")
        .await
        .refused(424, "not_configured");
    assert_eq!(told["hint"], "vault login openai");
    assert_eq!(world.heard().len(), count);
}

#[tokio::test]
async fn a_vault_that_is_gone_or_has_another_key_gives_nothing_out() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    let mut open = gateway.http1("api.acme.example").await;
    let request = || get("https://api.acme.example/");
    sends(&mut open, request()).await.ok();
    world.forget();
    let health = gateway.asks(get("/-/health")).await.ok();
    assert_eq!(health.text(), r#"{"status":"ok"}"#);

    let aside = environment.path("given/aside");
    fs::rename(environment.vault_file(), &aside).unwrap();
    // The file is looked at every 2 ms, which a rename can be faster than.
    let mut answer = sends(&mut open, request()).await;
    for _ in 0..1000 {
        if answer.status != 200 {
            break;
        }
        answer = sends(&mut open, request()).await;
    }
    world.forget();
    let told = answer.refused(503, "locked");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(!told["hint"].as_str().unwrap().is_empty());
    gateway
        .get("https://api.acme.example/")
        .await
        .refused(503, "locked");
    gateway
        .get("https://elsewhere.example/")
        .await
        .refused(503, "locked");
    gateway.asks(get("/-/health")).await.refused(503, "locked");
    assert!(world.heard().is_empty());
    fs::rename(&aside, environment.vault_file()).unwrap();
    let mut sender = gateway.connects("api.acme.example:443").await;
    for _ in 0..1000 {
        if sender.is_ok() {
            break;
        }
        sender = gateway.connects("api.acme.example:443").await;
    }
    gateway.get("https://api.acme.example/").await.ok();

    world.forget();
    environment.vault(["rekey"]).ok();
    gateway
        .get("https://api.acme.example/")
        .await
        .refused(503, "locked");
    gateway.asks(get("/-/health")).await.refused(503, "locked");
    assert!(world.heard().is_empty());
}
