//! Node: the SDKs of OpenAI and Anthropic. A current one goes through the
//! proxy; one before 22.21 knows no proxy and goes by base URLs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::python::{with_anthropic, with_openai, world};
use super::world::{play, runs, script};

/// What the scripts of the SDKs say.
const SAID: &str = "plain: Guten Tag\nstreamed: Guten Tag\n";
/// Since when Node reads the variables for proxies.
const SINCE: (u32, u32) = (22, 21);

/// A Node that knows proxies: that of the package `node`, or the machine's.
pub fn current() -> Option<PathBuf> {
    let folders = std::env::var_os("NODE_PATH").unwrap_or_default();
    let packaged = std::env::split_paths(&folders).map(|folder| folder.join(".bin/node"));
    packaged
        .chain([PathBuf::from("node")])
        .find(|node| version(node).is_some_and(|version| version >= SINCE))
}

/// The one that base URLs are for; the SDKs want 20 at least.
fn elder() -> Option<PathBuf> {
    let own = PathBuf::from("node");
    let is_fit = version(&own).is_some_and(|version| version >= (20, 0));
    if is_fit { Some(own) } else { current() }
}

/// Its version, as far as it matters.
pub fn version(node: &Path) -> Option<(u32, u32)> {
    let told = Command::new(node).arg("--version").output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let mut numbers = told.trim().strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Whether there is this package.
pub fn has(package: &str) -> bool {
    let asks = format!("require.resolve('{package}')");
    current().is_some_and(|node| runs(node, &["-e", &asks]))
}

pub fn node(node: PathBuf, name: &str) -> Vec<OsString> {
    vec![node.into(), script(name).into()]
}

#[test]
fn openais_sdk_goes_through_the_proxy() {
    let needed = [
        ("node-proxy", current().is_some()),
        ("openai-node", has("openai")),
    ];
    play(&needed, || {
        let world = world();
        let run = world.run(&[], node(current().unwrap(), "openai_sdk.cjs"));
        assert_eq!(run.stdout, SAID, "{run}");
        with_openai(&world.arrived_at("api.openai.com"));
    });
}

#[test]
fn anthropics_sdk_goes_through_the_proxy() {
    let needed = [
        ("node-proxy", current().is_some()),
        ("anthropic-node", has("@anthropic-ai/sdk")),
    ];
    play(&needed, || {
        let world = world();
        let run = world.run(&[], node(current().unwrap(), "anthropic_sdk.cjs"));
        assert_eq!(run.stdout, SAID, "{run}");
        with_anthropic(&world.arrived_at("api.anthropic.com"));
    });
}

#[test]
fn the_sdks_go_by_their_base_urls() {
    let needed = [
        ("openai-node", has("openai")),
        ("anthropic-node", has("@anthropic-ai/sdk")),
    ];
    play(&needed, || {
        let world = world();
        for name in ["openai_sdk.cjs", "anthropic_sdk.cjs"] {
            let mut command: Vec<OsString> = vec!["env".into(), "NODE_USE_ENV_PROXY=0".into()];
            command.extend(node(elder().unwrap(), name));
            let run = world.run(&["--base-urls"], command);
            assert_eq!(run.stdout, SAID, "{run}");
        }
        with_openai(&world.arrived_at("api.openai.com"));
        with_anthropic(&world.arrived_at("api.anthropic.com"));
    });
}

#[test]
fn nodes_own_https_goes_through_the_proxy() {
    play(&[("node-proxy", current().is_some())], || {
        let world = world();
        let run = world.run(&[], node(current().unwrap(), "node_https.cjs"));
        assert_eq!(run.stdout, "gpt-fake\n", "{run}");
        with_openai(&world.arrived_at("api.openai.com"));
    });
}
