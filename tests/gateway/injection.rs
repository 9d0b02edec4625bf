//! What is put into requests, in every place that a definition can name, and
//! what of the client's own is taken off first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;

use crate::client::{Gateway, Text, get};
use crate::template::{self, filled};
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
