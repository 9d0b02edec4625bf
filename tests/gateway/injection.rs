//! What is put into requests, in every place that a definition can name, and
//! what of the client's own is taken off first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use serde_json::json;

use crate::client::{Gateway, Text, get};
use crate::template::{self, define, filled, provider};
use crate::world::World;

#[tokio::test]
async fn a_key_goes_into_its_header_in_the_place_of_what_the_client_put_there() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut request = get("https://api.acme.example/v1/models?q=1");
    let headers = request.headers_mut();
    headers.append("authorization", "Bearer client's own".parse().unwrap());
    headers.append("authorization", "Basic client's own".parse().unwrap());
    headers.append("x-mine", "stays".parse().unwrap());
    gateway.send(request).await.ok();
    let heard = world.only();
    assert_eq!(heard.line, "GET /v1/models?q=1");
    assert_eq!(heard.host, "api.acme.example");
    let values: Vec<_> = heard.headers.get_all("authorization").iter().collect();
    assert_eq!(values, [&format!("Bearer {}", template::KEY)]);
    assert_eq!(heard.header("x-mine"), "stays");
    assert!(!heard.holds("client's own") && !heard.holds(&tokens.ci));
}

#[tokio::test]
async fn a_key_goes_into_every_place_that_a_definition_names() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);

    let pair = Request::get("https://api.pair.example/")
        .header("x-pair-id", "client's own")
        .header("X-PAIR-SECRET", "client's own");
    gateway.send(pair.body(Text::default()).unwrap()).await.ok();
    let heard = world.last();
    assert_eq!(heard.header("x-pair-id"), template::ID);
    assert_eq!(heard.header("x-pair-secret"), template::SECRET);
    assert_eq!(heard.header("x-pair-version"), "7");
    assert!(!heard.holds("client's own"));

    let pair = Request::get("https://api.pair.example/").header("x-pair-version", "8");
    gateway.send(pair.body(Text::default()).unwrap()).await.ok();
    // No secret: the client's own may be a newer one.
    assert_eq!(world.last().header("x-pair-version"), "8");

    let key = "FAKE-canary%26of%3Dquery";
    for (asked, sent) in [
        ("/v1", format!("/v1?key={key}")),
        ("/v1?key=own&a=1", format!("/v1?a=1&key={key}")),
        (
            "/v1?a=1&%6bey=own&KEY=2",
            format!("/v1?a=1&KEY=2&key={key}"),
        ),
        ("/v1?key", format!("/v1?key={key}")),
    ] {
        let address = format!("https://api.query.example{asked}");
        gateway.get(&address).await.ok();
        assert_eq!(world.last().line, format!("GET {sent}"), "{asked}");
    }

    let basic = Request::get("https://api.basic.example/").header("authorization", "Bearer own");
    gateway
        .send(basic.body(Text::default()).unwrap())
        .await
        .ok();
    let pair = STANDARD.encode(format!("FAKE-user:{}", template::PASSWORD));
    assert_eq!(
        world.last().header("authorization"),
        format!("Basic {pair}")
    );

    let key = template::PATH_KEY.replace(':', "%3A");
    for asked in ["/bot/getMe?a=1", "/botFAKE:own/getMe?a=1", "/getMe?a=1"] {
        gateway
            .get(&format!("https://api.path.example{asked}"))
            .await
            .ok();
        let line = world.last().line.replace("%3a", "%3A");
        let plain = format!("GET /bot{}/getMe?a=1", template::PATH_KEY);
        assert!(
            line == plain || line == format!("GET /bot{key}/getMe?a=1"),
            "{asked}: {line}"
        );
    }
}

#[tokio::test]
async fn a_place_that_takes_keys_elsewhere_is_emptied_everywhere() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let bearer = |host: &str| json!({ "in": "header", "name": "Authorization", "value": "Bearer {api_key}", "hosts": [host] });
    let places = json!({
        "hosts": ["api.places.example", "old.places.example"],
        "inject": [
            bearer("api.places.example"),
            { "in": "header", "name": "X-Old-Key", "value": "{api_key}", "hosts": ["old.places.example"] },
            { "in": "query", "name": "old_key", "value": "{api_key}", "hosts": ["old.places.example"] },
        ],
    });
    define(&environment, &provider("places", places));
    let key = environment.secret("a key", "FAKE-canary-of-places");
    environment
        .vault(["login", "places", "--stdin"])
        .stdin(&key)
        .ok();
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    for host in ["api.places.example", "old.places.example"] {
        let request = Request::get(format!("https://{host}/?old_key=own&a=1"))
            .header("authorization", "Bearer own")
            .header("x-old-key", "own");
        gateway
            .send(request.body(Text::default()).unwrap())
            .await
            .ok();
        let heard = world.last();
        let is_new = host.starts_with("api");
        let (bearer, old) = (format!("Bearer {key}"), key.as_str());
        assert_eq!(
            heard.header("authorization"),
            if is_new { &bearer } else { "" }
        );
        assert_eq!(heard.header("x-old-key"), if is_new { "" } else { old });
        let query = if is_new {
            String::new()
        } else {
            format!("&old_key={key}")
        };
        assert_eq!(heard.line, format!("GET /?a=1{query}"));
    }
}

#[tokio::test]
async fn a_request_to_aws_is_signed_anew() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let signature = format!(
        "AWS4-HMAC-SHA256 Credential={}/20200101/eu-central-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={}",
        template::AWS_ID,
        "0".repeat(64)
    );
    let request = Request::put("https://bucket.s3.eu-central-1.amazonaws.com/a%20b?x=1")
        .header("authorization", &signature)
        .header("x-amz-date", "20200101T000000Z")
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    gateway
        .send(request.body(Text::from("body")).unwrap())
        .await
        .ok();
    let heard = world.only();
    let shown = heard.header("authorization");
    let date = &heard.header("x-amz-date")[..8];
    let scope = format!(
        "Credential={}/{date}/eu-central-1/s3/aws4_request",
        template::AWS_ID
    );
    assert!(shown.contains(&scope) && date != "20200101", "{heard:?}");
    assert!(!shown.contains(&"0".repeat(64)), "{shown}");
    assert_eq!(heard.line, "PUT /a%20b?x=1");
}

#[tokio::test]
async fn what_is_between_two_neighbours_goes_no_further() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let request = Request::get("https://api.acme.example/")
        .header("connection", "keep-alive, x-hop, authorization")
        .header("x-hop", "neighbour's")
        .header("keep-alive", "neighbour's")
        .header("proxy-authorization", "Basic neighbour's")
        .header("proxy-connection", "neighbour's")
        .header("te", "gzip, neighbour's")
        .header("x-vault-anything", "neighbour's")
        .header("x-end", "stays");
    gateway
        .send(request.body(Text::default()).unwrap())
        .await
        .ok();
    let heard = world.only();
    assert!(!heard.holds("neighbour's"), "{heard:?}");
    assert_eq!(heard.header("x-end"), "stays");
    // Naming it between neighbours does not keep the key out.
    assert_eq!(
        heard.header("authorization"),
        format!("Bearer {}", template::KEY)
    );
}
