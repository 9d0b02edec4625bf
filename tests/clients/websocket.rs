//! WebSockets: the head is opened and gets the key, the frames pass both ways.

use std::ffi::OsString;

use super::node::{current, has, node};
use super::python::{with_openai, world};
use super::world::{World, play, runs, script};

const SAID: &str = "text: Guten Tag\nbytes: 100000\n";

fn has_websockets() -> bool {
    runs("python3", &["-c", "import websockets.asyncio.client"])
}

fn echoed(world: &World, options: &[&str], command: Vec<OsString>) -> String {
    let run = world.run(options, command);
    assert!(run.stdout.starts_with(SAID), "{run}\n{}", world.told());
    let seen = world.arrived_at("api.openai.com");
    with_openai(&seen);
    let last = seen.last().unwrap();
    assert_eq!(last.header("upgrade"), Some("websocket"), "{last}");
    run.stdout[SAID.len()..].to_owned()
}

#[test]
fn pythons_websockets_goes_through_the_proxy_and_by_its_base_url() {
    play(&[("websocket", has_websockets())], || {
        let world = world();
        let mut command: Vec<OsString> =
            vec!["python3".into(), script("websockets_echo.py").into()];
        assert_eq!(echoed(&world, &[], command.clone()), "pong\n");
        command.push("base-url".into());
        assert_eq!(echoed(&world, &["--base-urls"], command), "pong\n");
    });
}

#[test]
fn the_package_ws_goes_by_its_base_url() {
    play(&[("websocket", has("ws"))], || {
        let world = world();
        let command = node(current().unwrap(), "ws_echo.cjs");
        assert_eq!(echoed(&world, &["--base-urls"], command), "pong\n");
    });
}

#[test]
fn nodes_own_websocket_goes_through_the_proxy() {
    play(&[("node-proxy", current().is_some())], || {
        let world = world();
        let command = node(current().unwrap(), "node_websocket.cjs");
        assert_eq!(echoed(&world, &[], command), "");
    });
}
