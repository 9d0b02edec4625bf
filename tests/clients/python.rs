//! Python: the SDKs of OpenAI and Anthropic, and its HTTP clients.

use std::ffi::OsString;

use hyper::Version;

use super::answers::models;
use super::seen::Seen;
use super::world::{World, play, runs, script};

const OPENAI: &str = "sk-FAKE_OPENAI_KEY_FAKEFAKEFAKE";
const ANTHROPIC: &str = "sk-ant-FAKE_ANTHROPIC_KEY_FAKEFAKE";
/// What the scripts of the SDKs say.
const SAID: &str = "plain: Guten Tag\nstreamed: Guten Tag\nasync: Guten Tag\n\
                    async, streamed: Guten Tag\n";

fn has(module: &str) -> bool {
    runs("python3", &["-c", &format!("import {module}")])
}

fn python(name: &str) -> Vec<OsString> {
    vec!["python3".into(), script(name).into()]
}

pub fn world() -> World {
    let world = World::new(models(OPENAI.to_owned(), ANTHROPIC.to_owned()));
    world.with_key("openai", OPENAI);
    world.with_key("anthropic", ANTHROPIC);
    world
}

/// The key of OpenAI is in all of them, once.
pub fn with_openai(seen: &[Seen]) {
    for request in seen {
        request.carries(OPENAI, "authorization", &format!("Bearer {OPENAI}"));
        assert_eq!(request.header("x-api-key"), None, "{request}");
    }
}

/// The key of Anthropic is in all of them, once.
pub fn with_anthropic(seen: &[Seen]) {
    for request in seen {
        request.carries(ANTHROPIC, "x-api-key", ANTHROPIC);
        assert_eq!(request.header("authorization"), None, "{request}");
        assert!(request.header("anthropic-version").is_some(), "{request}");
    }
}

#[test]
fn openais_sdk_goes_through_the_proxy() {
    play(&[("openai-python", has("openai"))], || {
        let world = world();
        let run = world.run(&[], python("openai_sdk.py"));
        assert_eq!(run.stdout, SAID, "{run}");
        with_openai(&world.arrived_at("api.openai.com"));
    });
}

#[test]
fn anthropics_sdk_goes_through_the_proxy() {
    play(&[("anthropic-python", has("anthropic"))], || {
        let world = world();
        let run = world.run(&[], python("anthropic_sdk.py"));
        assert_eq!(run.stdout, SAID, "{run}");
        with_anthropic(&world.arrived_at("api.anthropic.com"));
    });
}

#[test]
fn the_sdks_go_by_their_base_urls() {
    let needed = [
        ("openai-python", has("openai")),
        ("anthropic-python", has("anthropic")),
    ];
    play(&needed, || {
        let world = world();
        for name in ["openai_sdk.py", "anthropic_sdk.py"] {
            // Without the proxy there is no other way out.
            let mut command: Vec<OsString> = vec!["env".into()];
            for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
                command.extend(["-u".into(), variable.into()]);
            }
            command.extend(python(name));
            let run = world.run(&["--base-urls"], command);
            assert_eq!(run.stdout, SAID, "{run}");
        }
        with_openai(&world.arrived_at("api.openai.com"));
        with_anthropic(&world.arrived_at("api.anthropic.com"));
    });
}

#[test]
fn the_http_clients_go_through_the_proxy() {
    let needed = [
        ("requests", has("requests")),
        ("httpx", has("httpx, h2")),
        ("aiohttp", has("aiohttp")),
    ];
    play(&needed, || {
        let world = world();
        for client in ["urllib", "requests", "httpx", "httpx_over_http2", "aiohttp"] {
            let mut command = python("python_http.py");
            command.push(client.into());
            let run = world.run(&[], command);
            assert_eq!(run.stdout, "Guten Tag\n", "{client}: {run}");
        }
        let seen = world.arrived_at("api.openai.com");
        assert_eq!(seen.len(), 5);
        with_openai(&seen);
        // Who speaks HTTP/2 is passed on in it.
        let is_http2 = |request: &&Seen| request.version == Version::HTTP_2;
        assert_eq!(seen.iter().filter(is_http2).count(), 1);
    });
}
