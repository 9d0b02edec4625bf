//! Providers that send the browser back to certain ports only.

use std::net::TcpListener;

use serde_json::json;

use super::world::{Asked, World, acme, tokens};

/// A port that was free just now, held until dropped.
fn port() -> (TcpListener, u16) {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    (held, port)
}

fn acme_at(ports: [u16; 2]) -> serde_json::Value {
    let back = json!({ "host": "localhost", "ports": ports, "path": "/auth/callback" });
    acme(json!({ "redirect": back }))
}

#[test]
fn where_one_port_is_taken_the_other_one_is_used() {
    let world = World::new(|_| tokens());
    let (_held, taken) = port();
    let (free, other) = port();
    world.define(&acme_at([taken, other]));
    drop(free);
    let mut login = world.vault("login acme --flow pkce --no-open").begin();
    let asked = Asked::by(&mut login);
    let expected = format!("http://localhost:{other}/auth/callback");
    assert_eq!(asked.redirect_uri(), expected);
    // The page answers to the name that the provider was given, and no other.
    let by_address = asked.agreed().replace("localhost", "127.0.0.1");
    let page = super::support::browser::Visit::to(&by_address).go();
    assert_eq!(page.status, 421, "{page:?}");
    asked.agree();
    login.end().ok();
    assert_eq!(world.forms_at("/token")[0]["redirect_uri"], expected);
}

#[test]
fn where_both_are_taken_it_says_so_and_what_else_there_is() {
    let world = World::new(|_| tokens());
    let ((_one, first), (_other, second)) = (port(), port());
    let mut definition = acme_at([first, second]);
    world.define(&definition);
    let call = "login acme --flow pkce --no-open";
    let ended = world.vault(call).begin().end().fails(1);
    assert!(
        !ended.stderr.contains("device_code"),
        "there is none: {ended}"
    );
    definition["oauth"]["device_authorization_url"] = json!("https://login.acme.example/device");
    world.define(&definition);
    let before = world.vault_bytes();
    world
        .vault(call)
        .begin()
        .end()
        .fails(1)
        .says(&format!("port {first} or {second} only, which is taken"))
        .says("--flow device_code");
    assert_eq!(world.vault_bytes(), before);
    assert!(world.internet.seen().is_empty());
}
