//! The README's commands get everything out of a vault with stock `age`.
//! They are taken from the README and run as they stand there.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{TestEnvironment, skip};

const README: &str = include_str!("../README.md");
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn stock_age_opens_a_vault_with_an_identity() {
    if !age_is_installed() {
        return;
    }
    let machine = TestEnvironment::new().with_identity_vault();
    let key = machine.log_in("default");
    let ended = machine
        .run("sh", ["-ec", &commands("identity")])
        .asks_for_secrets()
        .ok();
    found_in(&ended.stdout, &key, &machine);
}

#[test]
fn stock_age_opens_a_vault_with_a_passphrase() {
    if !age_is_installed() {
        return;
    }
    let (machine, passphrase) = TestEnvironment::new().with_both_slots();
    let key = machine.log_in("default");
    let mut terminal = machine
        .run("sh", ["-ec", &commands("passphrase")])
        .at_terminal();
    terminal.wait_for("assphrase");
    // age asks first and stops the echo then.
    let asked = Instant::now();
    while terminal.echoes() {
        assert!(asked.elapsed() < PATIENCE, "age does not stop the echo");
        std::thread::yield_now();
    }
    terminal.types(&format!("{passphrase}\n"));
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
    found_in(&ended.stdout, &key, &machine);
}

#[test]
fn the_readme_takes_three_commands() {
    for way in ["identity", "passphrase"] {
        assert_eq!(block(way).lines().count(), 3, "{way}");
    }
}

/// The document came out, and nothing of the way stays behind.
fn found_in(document: &str, key: &str, machine: &TestEnvironment) {
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    let stored = &document["connections"]["openai"]["default"]["fields"]["api_key"];
    assert_eq!(stored, key);
    assert!(!machine.home().join("vault.key").exists());
}

/// The README's commands, in the folder that it says.
fn commands(way: &str) -> String {
    format!("cd \"$VAULT_HOME\"\n{}", block(way))
}

/// The block of commands after the comment `<!-- recovery: WAY -->`.
fn block(way: &str) -> &'static str {
    README
        .split_once(&format!("<!-- recovery: {way} -->\n```sh\n"))
        .and_then(|(_, after)| after.split_once("```"))
        .map_or_else(
            || panic!("the README has no block for {way}"),
            |(block, _)| block,
        )
}

fn age_is_installed() -> bool {
    let found = Command::new("age")
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        skip("age", "it is not installed");
    }
    found
}
