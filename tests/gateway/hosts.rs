//! A key goes to its own provider's hosts: whole names, over https, at the
//! port that the definition means; and to nobody else's.

use serde_json::json;

use hyper::Request;

use crate::client::{Gateway, Text, get, http1_over, sends};
use crate::template::{self, define, filled, provider};
use crate::world::World;

#[tokio::test]
async fn a_host_that_only_looks_like_a_providers_is_not_looked_into() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    // The world's own certificate is what the client sees: nobody is between.
    let client = gateway.trusting(world.roots());
    for host in [
        "api.acme.example.evil.test",
        "evilapi.acme.example",
        "api.acme.example.evil.acme.example",
        "acme.example",
        "wild.example",
        "x.wild.example.evil.test",
        "xwild.example",
        // An expression that foreign hosts match is used for nobody.
        "www.foreignapis.com",
        "foreignapis.evil.test",
        // Anyone can have a host there.
        "other.tenant.example",
    ] {
        client.get(&format!("https://{host}/")).await.ok();
        let heard = world.last();
        assert_eq!(
            (&*heard.host, &*heard.target),
            (host, &*format!("{host}:443"))
        );
        assert_eq!(heard.header("authorization"), "", "{host}");
        // Also where no certificate stands between.
        let whole = Request::get(format!("https://{host}/"))
            .header("proxy-authorization", gateway.authorization());
        gateway
            .asks(whole.body(Text::default()).unwrap())
            .await
            .ok();
        let heard = world.last();
        assert_eq!((&*heard.host, heard.header("authorization")), (host, ""));
    }
    for (host, key) in [
        ("api.foreign.example", "FAKE-canary-of-foreign"),
        ("own.tenant.example", template::TENANT_KEY),
        ("a.wild.example", template::WILD_KEY),
        ("A.b.WILD.example", template::WILD_KEY),
    ] {
        gateway.get(&format!("https://{host}/")).await.ok();
        let heard = world.last();
        assert_eq!(
            heard.header("authorization"),
            format!("Bearer {key}"),
            "{host}"
        );
    }
}

#[tokio::test]
async fn each_host_gets_its_own_key_and_no_others() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for (host, own) in [
        ("api.acme.example", template::KEY),
        ("api.openai.com", template::OPENAI_KEY),
        ("api.pair.example", template::SECRET),
        ("api.wild.wild.example", template::WILD_KEY),
    ] {
        gateway.get(&format!("https://{host}/v1")).await.ok();
        let heard = world.last();
        for key in [
            template::KEY,
            template::TEAM_KEY,
            template::OPENAI_KEY,
            template::SECRET,
            template::WILD_KEY,
        ] {
            assert_eq!(heard.holds(key), key == own, "{host}: {heard:?}");
        }
    }
}

#[tokio::test]
async fn dots_capitals_and_ports_of_connect_are_read_and_not_cut_off() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    for target in ["api.acme.example.:443", "API.acme.EXAMPLE:443"] {
        let stream = gateway.connects(target).await.unwrap();
        let stream = gateway
            .secures(stream, "api.acme.example", &[])
            .await
            .unwrap();
        let mut sender = http1_over(stream).await;
        sends(&mut sender, get("https://api.acme.example/"))
            .await
            .ok();
        let heard = world.last();
        assert_eq!(heard.target, "api.acme.example:443");
        assert_eq!(
            heard.header("authorization"),
            format!("Bearer {}", template::KEY)
        );
    }
    world.forget();
    // Another port is another service.
    let client = gateway.trusting(world.roots());
    for port in [444, 8443, 80] {
        client
            .get(&format!("https://api.acme.example:{port}/"))
            .await
            .ok();
        let heard = world.last();
        assert_eq!(heard.target, format!("api.acme.example:{port}"));
        assert_eq!(heard.header("authorization"), "");
    }
}

#[tokio::test]
async fn a_port_that_a_definition_names_gets_its_key() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let odd = provider(
        "odd",
        json!({ "hosts": ["api.odd.example:8443"], "base_url": null }),
    );
    define(&environment, &odd);
    let key = environment.secret("odd's key", "FAKE-canary-of-odd");
    environment
        .vault(["login", "odd", "--stdin"])
        .stdin(&key)
        .ok();
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    gateway.get("https://api.odd.example:8443/").await.ok();
    let heard = world.last();
    assert_eq!(heard.target, "api.odd.example:8443");
    assert_eq!(heard.host, "api.odd.example:8443");
    assert_eq!(heard.header("authorization"), format!("Bearer {key}"));
    let denied = gateway.get("https://api.odd.example/").await;
    assert_eq!(denied.status, 403, "{denied:?}");
}

#[tokio::test]
async fn plain_http_gets_no_key_and_goes_nowhere() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &["--allow-unmatched"]);
    for address in [
        "http://api.acme.example/",
        "http://api.acme.example:443/",
        "http://api.acme.example:8080/",
        "http://a.wild.example/",
    ] {
        let request = Request::get(address).header("authorization", "Bearer own");
        let answer = gateway.send(request.body(Text::default()).unwrap()).await;
        answer.refused(403, "plain_http");
    }
    assert!(world.heard().is_empty() && world.connects().is_empty());
}

#[tokio::test]
async fn a_whole_https_address_is_sent_on_over_tls() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let request = Request::get("https://api.acme.example/v1")
        .header("proxy-authorization", gateway.authorization());
    gateway
        .asks(request.body(Text::default()).unwrap())
        .await
        .ok();
    let heard = world.only();
    assert_eq!(heard.target, "api.acme.example:443");
    assert_eq!(
        heard.header("authorization"),
        format!("Bearer {}", template::KEY)
    );
}
