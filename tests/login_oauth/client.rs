//! Which client a login is made with.

use serde_json::json;

use super::world::{Asked, World, acme_with_own_client, tokens};

const LOGIN: &str = "login acme --no-open";

fn world() -> World {
    let world = World::new(|_| tokens());
    world.define(&acme_with_own_client(json!({})));
    world
}

/// The client of a login that succeeds.
fn client_of(world: &World, arguments: &str, variable: &str) -> String {
    let mut login = world
        .vault(arguments)
        .env("ACME_CLIENT_ID", variable)
        .begin();
    let asked = Asked::by(&mut login);
    asked.agree();
    login.end().ok();
    let form = world.forms_at("/token").pop().unwrap();
    assert_eq!(form["client_id"], asked.query["client_id"]);
    form["client_id"].clone()
}

#[test]
fn a_named_client_comes_before_the_environment_and_that_before_the_vault() {
    let world = world();
    let named = "login acme/a --no-open --client-id named";
    assert_eq!(client_of(&world, named, "from-environment"), "named");
    let call = "login acme/b --no-open";
    assert_eq!(client_of(&world, call, ""), "named", "it was kept");
    assert_eq!(
        client_of(&world, "login acme/c --no-open", "from-environment"),
        "from-environment"
    );
}

#[test]
fn of_several_clients_one_has_to_be_named() {
    let world = world();
    client_of(&world, "login acme/a --no-open --client-id first", "");
    client_of(&world, "login acme/b --no-open --client-id second", "");
    world.internet.forget();
    let before = world.vault_bytes();
    let ended = world.vault("login acme/c --no-open").begin().end().fails(2);
    assert!(ended.stderr.contains("first, second"), "{ended}");
    assert!(ended.stderr.contains("--client-id first"), "{ended}");
    assert_eq!(world.vault_bytes(), before);
    let named = "login acme/c --no-open --client-id second";
    assert_eq!(client_of(&world, named, ""), "second");
}

#[test]
fn without_a_client_it_is_said_where_to_register_one() {
    let world = world();
    let before = world.vault_bytes();
    world
        .vault(LOGIN)
        .begin()
        .end()
        .fails(5)
        .says("wants an OAuth client of your own")
        .says("https://acme.example/apps")
        .says("http://127.0.0.1/callback")
        .says("vault login acme --client-id ID")
        .says("ACME_CLIENT_ID");
    assert_eq!(world.vault_bytes(), before);
}

#[test]
fn the_redirect_address_to_register_has_the_port_that_is_used() {
    let world = world();
    let redirect = json!({ "host": "localhost", "ports": [7997, 7998], "path": "/back" });
    world.define(&acme_with_own_client(json!({ "redirect": redirect })));
    let ended = world.vault(LOGIN).begin().end().fails(5);
    assert!(
        ended.stderr.contains("http://localhost:7997/back"),
        "{ended}"
    );
}

#[test]
fn at_a_terminal_the_client_and_its_secret_are_asked_for() {
    let world = world();
    let section = json!({ "client_secret_for": ["pkce"] });
    world.define(&acme_with_own_client(section));
    let secret = world
        .environment
        .secret("a client secret", "FAKE-acme-client-secret");
    let mut terminal = world
        .vault("login acme --flow pkce --no-open")
        .at_terminal();
    terminal.wait_for("https://acme.example/apps");
    terminal.wait_for("Acme client ID: ").types("typed\n");
    terminal
        .wait_for("Acme client secret: ")
        .types(&format!("{secret}\n"));
    let begins = super::world::AUTHORIZE;
    let url = terminal.wait_until("address", |said| {
        super::support::browser::address(said, begins)
    });
    Asked::of(url).agree();
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
    let form = &world.forms_at("/token")[0];
    assert_eq!(form["client_id"], "typed");
    assert_eq!(form["client_secret"], secret);
}

#[test]
fn a_client_that_is_none_is_refused() {
    let world = world();
    for odd in ["a b", "a\u{1b}[2J", ""] {
        let run = world.vault(LOGIN).args(["--client-id", odd]);
        let ended = run.begin().end().fails(5);
        assert!(!ended.stderr.contains('\u{1b}'), "{ended}");
    }
}

#[test]
fn a_client_of_another_server_is_not_used() {
    let world = world();
    client_of(&world, "login acme/a --no-open --client-id first", "");
    let elsewhere = json!({ "token_url": "https://other.acme.example/token" });
    world.define(&acme_with_own_client(elsewhere));
    let login = world.vault("login acme/b --no-open").begin();
    login.end().fails(5).says("none was given");
}
