//! `serve`: agents with tokens of their own, through the proxy and by base
//! URLs, on a machine that has nothing of the vault.

use std::ffi::OsString;

use super::python::{with_anthropic, with_openai, world};
use super::support::Run;
use super::support::running::Running;
use super::world::{PATIENCE, World, play, runs, script};

/// What the scripts of the SDKs say.
const SAID: &str = "plain: Guten Tag\nstreamed: Guten Tag\nasync: Guten Tag\n\
                    async, streamed: Guten Tag\n";

fn has_sdks() -> [(&'static str, bool); 2] {
    let has = |module: &str| runs("python3", &["-c", &format!("import {module}")]);
    [
        ("openai-python", has("openai")),
        ("anthropic-python", has("anthropic")),
    ]
}

/// An agent's token, and the service with its address.
fn serving(world: &World) -> (String, Running<'_>, String) {
    let environment = &world.environment;
    let create = ["agent", "create", "ci", "--allow", "openai,anthropic"];
    let created = environment.vault(create).ok();
    let token = environment.secret("a token", created.stdout.trim_end());
    let mut service = environment
        .vault(["serve", "--listen", "127.0.0.1:0", "--ca-out"])
        .arg(environment.path("given/ca.pem"))
        .begin();
    let address = service.wait_for("address", |said| {
        let (_, rest) = said.split_once("127.0.0.1:")?;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("127.0.0.1:{port}"))
    });
    (token, service, address)
}

/// A client that `vault` did not start.
fn client<'a>(world: &'a World, name: &str) -> Run<'a> {
    let script: OsString = script(name).into();
    world
        .environment
        .run("python3", [script])
        .without_env("VAULT_HOME")
        .without_env("SSL_CERT_FILE")
        .within(PATIENCE)
}

/// Nothing of the token has arrived.
fn nothing_of(world: &World, token: &str) {
    for request in world.server.seen() {
        assert_eq!(request.count(token), 0, "{request}");
    }
}

fn at(world: &World, host: &str) -> Vec<super::seen::Seen> {
    let mut seen = world.server.seen();
    seen.retain(|request| request.host == host);
    assert!(!seen.is_empty(), "{}", world.told());
    seen
}

#[test]
fn the_sdks_go_by_base_urls_with_an_agents_token_as_the_key() {
    play(&has_sdks(), || {
        let world = world();
        let (token, service, address) = serving(&world);
        let run = client(&world, "openai_sdk.py")
            .env("OPENAI_BASE_URL", format!("http://{address}/api/openai/v1"))
            .env("OPENAI_API_KEY", &token)
            .ok();
        assert_eq!(run.stdout, SAID, "{run}");
        let run = client(&world, "anthropic_sdk.py")
            .env(
                "ANTHROPIC_BASE_URL",
                format!("http://{address}/api/anthropic"),
            )
            .env("ANTHROPIC_API_KEY", &token)
            .ok();
        assert_eq!(run.stdout, SAID, "{run}");
        with_openai(&at(&world, "api.openai.com"));
        with_anthropic(&at(&world, "api.anthropic.com"));
        nothing_of(&world, &token);
        drop(service);
    });
}

#[test]
fn the_sdks_go_through_the_proxy_with_any_text_as_the_key() {
    play(&has_sdks(), || {
        let world = world();
        let (token, service, address) = serving(&world);
        for (name, variable) in [
            ("openai_sdk.py", "OPENAI_API_KEY"),
            ("anthropic_sdk.py", "ANTHROPIC_API_KEY"),
        ] {
            let run = client(&world, name)
                .env("HTTPS_PROXY", format!("http://ci:{token}@{address}"))
                .env("SSL_CERT_FILE", world.environment.path("given/ca.pem"))
                .env(variable, "nothing")
                .ok();
            assert_eq!(run.stdout, SAID, "{run}");
        }
        let seen = at(&world, "api.openai.com");
        with_openai(&seen);
        with_anthropic(&at(&world, "api.anthropic.com"));
        nothing_of(&world, &token);
        nothing_of(&world, "nothing");
        drop(service);
    });
}
