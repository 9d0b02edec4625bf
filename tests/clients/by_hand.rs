//! Clients that read nothing, or not all, from the environment: what
//! `docs/clients.md` says to do for them is enough.

use super::node::version;
use super::python::{with_openai, world};
use super::world::{World, play, runs, script};

const MODELS: &str = "https://api.openai.com/v1/models";

fn asks(world: &World, line: &str) {
    let run = world.run(&[], ["sh", "-euc", line]);
    assert!(run.stdout.contains("gpt-fake"), "{run}");
    with_openai(&world.arrived_at("api.openai.com"));
}

#[test]
fn wget_is_told_what_to_trust() {
    play(&[("wget", runs("wget", &["--version"]))], || {
        let world = world();
        let trust = r#"--ca-certificate="$SSL_CERT_FILE""#;
        asks(&world, &format!("wget -qO- {trust} {MODELS}"));
    });
}

#[test]
fn java_is_told_the_proxy_and_what_to_trust() {
    play(&[("java", runs("javac", &["-version"]))], || {
        let world = world();
        let line = format!(
            "keytool -importcert -noprompt -alias vault -file \"$NODE_EXTRA_CA_CERTS\" \
               -keystore ../trust.p12 -storepass changeit >&2\n\
             java -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=\"${{HTTPS_PROXY##*:}}\" \
               -Djdk.http.auth.tunneling.disabledSchemes= \
               -Djavax.net.ssl.trustStore=../trust.p12 \
               -Djavax.net.ssl.trustStorePassword=changeit '{}'",
            script("Ask.java").display()
        );
        asks(&world, &line);
    });
}

#[test]
fn an_old_node_does_not_know_the_proxy() {
    let is_old = version("node".as_ref()).is_some_and(|version| version < (22, 21));
    play(&[("old-node", is_old)], || {
        let world = world();
        let line = format!("node -e 'fetch(\"{MODELS}\").catch(() => process.exit(3))'");
        let run = world.try_run(&[], ["sh", "-c", &line]);
        assert_eq!(run.code, Some(3), "{run}");
        // It has not gone past the gateway with anything either.
        assert!(world.server.seen().is_empty(), "{}", world.told());
    });
}
