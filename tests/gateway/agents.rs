//! Agents: what each may use, and that a token that is taken back is worth
//! nothing from then on, also on connections that are open.

use hyper::Request;

use crate::client::{Gateway, Text, get, sends, sends2};
use crate::template::{self, filled};
use crate::world::World;

#[tokio::test]
async fn an_agent_uses_what_it_was_granted_and_nothing_else() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.narrow, &[]);
    // It is the only one that is this agent's, so it need not be named.
    for path in ["https://api.acme.example/", "https://api.acme.example/v1/x"] {
        gateway.get(path).await.ok();
        let shown = world.last().header("authorization").to_owned();
        assert_eq!(shown, format!("Bearer {}", template::TEAM_KEY));
    }
    world.forget();
    for (address, name) in [
        ("https://api.acme.example/", "default"),
        ("https://api.acme.example/", "acme/default"),
        ("https://api.openai.com/v1/models", ""),
        ("https://api.wild.wild.example/", ""),
        // Connected or not: that is not for this agent to know.
        ("https://api.mistral.ai/v1/models", ""),
    ] {
        let mut request = Request::get(address).header("authorization", "Bearer own");
        if !name.is_empty() {
            request = request.header("x-vault-connection", name);
        }
        let answer = gateway.send(request.body(Text::default()).unwrap()).await;
        let told = answer.refused(403, "not_granted");
        assert!(
            told["hint"]
                .as_str()
                .unwrap()
                .contains("vault agent create")
        );
    }
    for path in [
        "/api/acme/default/v1",
        "/api/openai/v1/models",
        "/api/mistral/v1/models",
    ] {
        let request = Request::get(path).header("x-api-key", &tokens.narrow);
        let answer = gateway.asks(request.body(Text::default()).unwrap()).await;
        answer.refused(403, "not_granted");
    }
    assert!(world.heard().is_empty() && world.connects().is_empty());
}

#[tokio::test]
async fn a_token_that_is_taken_back_ends_on_connections_that_are_open() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let narrow = gateway.with_token(&tokens.narrow);
    let mut first = gateway.http1("api.acme.example").await;
    let mut second = gateway.http2("api.acme.example").await;
    let mut third = narrow.http1("api.acme.example").await;
    let request = || get("https://api.acme.example/");
    sends(&mut first, request()).await.ok();
    sends2(&mut second, request()).await.ok();
    sends(&mut third, request()).await.ok();
    world.forget();
    let fresh = environment
        .vault(["agent", "rotate", "ci"])
        .asks_for_secrets()
        .ok();
    let fresh = environment.secret("an agent's token", fresh.stdout.trim_end());
    sends(&mut first, request())
        .await
        .refused(407, "unauthorized");
    sends2(&mut second, request())
        .await
        .refused(407, "unauthorized");
    let old = gateway.connects("api.acme.example:443").await.unwrap_err();
    old.refused(407, "unauthorized");
    let path_form = |token: &str| {
        let request = Request::get("/api/acme/v1").header("x-api-key", token);
        request.body(Text::default()).unwrap()
    };
    let old = gateway.asks(path_form(&tokens.ci)).await;
    old.refused(401, "unauthorized");
    assert!(world.heard().is_empty());
    gateway
        .with_token(&fresh)
        .get("https://api.acme.example/")
        .await
        .ok();
    gateway.asks(path_form(&fresh)).await.ok();

    sends(&mut third, request()).await.ok();
    world.forget();
    environment.vault(["agent", "revoke", "narrow"]).ok();
    sends(&mut third, request())
        .await
        .refused(407, "unauthorized");
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn an_agent_that_is_made_while_the_gateway_runs_gets_in_at_once() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let made = environment
        .vault([
            "agent",
            "create",
            "new",
            "--allow",
            "acme",
            "--expires",
            "30d",
        ])
        .asks_for_secrets()
        .ok();
    let token = environment.secret("an agent's token", made.stdout.trim_end());
    let new = gateway.with_token(&token);
    new.get("https://api.acme.example/").await.ok();
    let shown = world.last().header("authorization").to_owned();
    assert_eq!(shown, format!("Bearer {}", template::KEY));
    // A whole provider was granted: both of its connections.
    let team = Request::get("https://api.acme.example/").header("x-vault-connection", "team");
    new.send(team.body(Text::default()).unwrap()).await.ok();
    new.get("https://api.openai.com/")
        .await
        .refused(403, "not_granted");
}
