//! Which connection a request gets: what its client names, the provider's
//! default, the better fit; and a refusal that names the candidates where
//! that cannot be told.

use hyper::Request;
use serde_json::json;

use crate::client::{Gateway, Text, http1_over, sends};
use crate::template::{self, define, filled, provider};
use crate::world::World;

fn naming(address: &str, connection: &str) -> Request<Text> {
    let request = Request::get(address).header("x-vault-connection", connection);
    request.body(Text::default()).unwrap()
}

#[tokio::test]
async fn a_client_names_a_connection_and_the_header_goes_no_further() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let address = "https://api.acme.example/v1";
    for (name, key) in [
        ("team", template::TEAM_KEY),
        ("acme/team", template::TEAM_KEY),
        ("default", template::KEY),
        ("acme/default", template::KEY),
    ] {
        gateway.send(naming(address, name)).await.ok();
        let heard = world.last();
        assert_eq!(
            heard.header("authorization"),
            format!("Bearer {key}"),
            "{name}"
        );
        assert!(!heard.headers.contains_key("x-vault-connection"));
    }
    for (name, status, code) in [
        ("nobody", 424, "not_configured"),
        ("beta/one", 400, "bad_connection"),
        ("a b", 400, "bad_connection"),
        ("", 400, "bad_connection"),
        ("a/b/c", 400, "bad_connection"),
    ] {
        let answer = gateway.send(naming(address, name)).await;
        answer.refused(status, code);
    }
    let mut twice = naming(address, "team");
    let headers = twice.headers_mut();
    headers.append("x-vault-connection", "default".parse().unwrap());
    gateway.send(twice).await.refused(400, "bad_connection");
    assert_eq!(world.heard().len(), 4);
}

#[tokio::test]
async fn connect_names_a_connection_for_all_that_comes_inside() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let headers = format!(
        "Proxy-Authorization: {}\r\nX-Vault-Connection: team\r\n",
        gateway.authorization()
    );
    let stream = gateway
        .connects_with("api.acme.example:443", &headers)
        .await;
    let stream = gateway
        .secures(stream.unwrap(), "api.acme.example", &[])
        .await;
    let mut sender = http1_over(stream.unwrap()).await;
    let address = "https://api.acme.example/";
    sends(&mut sender, crate::client::get(address)).await.ok();
    let key = format!("Bearer {}", template::TEAM_KEY);
    assert_eq!(world.last().header("authorization"), key);
    sends(&mut sender, naming(address, "default")).await.ok();
    let key = format!("Bearer {}", template::KEY);
    assert_eq!(world.last().header("authorization"), key);
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_with_the_candidates() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let address = "https://api.beta.example/";
    let told = gateway.get(address).await.refused(409, "ambiguous");
    let text = told.to_string();
    assert!(
        text.contains("beta/one") && text.contains("beta/two"),
        "{text}"
    );
    assert!(text.contains("X-Vault-Connection: beta/one"), "{text}");
    let request = Request::get("/api/beta/v1").header("x-api-key", &tokens.ci);
    let answer = gateway.asks(request.body(Text::default()).unwrap()).await;
    answer.refused(409, "ambiguous");
    assert!(world.heard().is_empty());
    gateway.send(naming(address, "two")).await.ok();
    assert!(world.last().holds("FAKE-canary-of-beta-two"));
    environment.vault(["default", "beta/one"]).ok();
    gateway.get(address).await.ok();
    assert!(world.last().holds("FAKE-canary-of-beta-one"));
}

#[tokio::test]
async fn an_exact_host_and_a_longer_path_fit_better_and_a_tie_is_refused() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    for (name, host) in [
        ("exact", "exact.wild.example"),
        ("short", "api.shared.example/v1"),
        ("long", "api.shared.example/v1/long"),
        ("tied", "api.tie.example"),
        ("other", "api.tie.example"),
        ("first", "api.rank.example"),
        ("second", "api.rank.example"),
    ] {
        let priority = i32::from(name == "first");
        let more = json!({ "hosts": [host], "base_url": null, "priority": priority });
        define(&environment, &provider(name, more));
        let key = environment.secret("a key", format!("FAKE-canary-of-{name}"));
        environment
            .vault(["login", name, "--stdin"])
            .stdin(key)
            .ok();
    }
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    for (address, name) in [
        ("exact.wild.example/", "exact"),
        ("other.wild.example/", "wild"),
        ("api.shared.example/v1/x", "short"),
        ("api.shared.example/v1/long", "long"),
        ("api.shared.example/v1/long/x?y=1", "long"),
        ("api.shared.example/v1/longer", "short"),
        ("api.rank.example/", "first"),
    ] {
        gateway.get(&format!("https://{address}")).await.ok();
        let shown = world.last().header("authorization").to_owned();
        assert_eq!(shown, format!("Bearer FAKE-canary-of-{name}"), "{address}");
    }
    // The same host at another path is nobody's.
    gateway.get("https://api.shared.example/v2").await.ok();
    assert_eq!(world.last().header("authorization"), "");
    let told = gateway
        .get("https://api.tie.example/")
        .await
        .refused(409, "ambiguous");
    let text = told.to_string();
    assert!(
        text.contains("tied/default") && text.contains("other/default"),
        "{text}"
    );
    let named = naming("https://api.tie.example/", "other/default");
    gateway.send(named).await.ok();
    assert!(world.last().holds("FAKE-canary-of-other"));
}
