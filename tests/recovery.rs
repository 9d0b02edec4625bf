//! The README's commands get everything out of a vault with stock `age`.
//!
//! They are taken from the README and run as they stand there. Where `age` is
//! not installed they are skipped with a line that says so, unless
//! `VAULT_TEST_REQUIRE` (names, comma between) has `age`.

#![allow(clippy::unwrap_used)] // a test, outside #[test] too

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const README: &str = include_str!("../README.md");
const KEY: &str = "sk-fake-recovery-0123456789abcdefghij";
const PASSPHRASE: &str = "fake words for a test";

#[test]
fn stock_age_opens_a_vault_with_an_identity() {
    if !age_is_installed() {
        return;
    }
    let home = vault_with_a_key(&[]);
    let output = Command::new("sh")
        .args(["-ec", &commands("identity")])
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    found_in(&output, &home);
}

#[test]
fn stock_age_opens_a_vault_with_a_passphrase() {
    // age asks for a passphrase on a terminal and nowhere else.
    if !age_is_installed() || !a_terminal_can_be_made() {
        return;
    }
    let home = vault_with_a_key(&[("VAULT_PASSPHRASE", PASSPHRASE)]);
    assert!(!home.path().join("identity.txt").exists());
    let lines = commands("passphrase");
    let lines: Vec<_> = lines.lines().collect();
    let mut asked = Command::new("script")
        .args(["-qec", lines[0], "/dev/null"])
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The terminal keeps what is typed before the question.
    let mut keyboard = asked.stdin.take().unwrap();
    writeln!(keyboard, "{PASSPHRASE}").unwrap();
    let answered = asked.wait_with_output().unwrap();
    drop(keyboard);
    assert!(answered.status.success(), "{answered:?}");
    let output = Command::new("sh")
        .args(["-ec", &lines[1..].join("\n")])
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    found_in(&output, &home);
}

#[test]
fn the_readme_takes_three_commands() {
    for way in ["identity", "passphrase"] {
        assert_eq!(commands(way).lines().count(), 3, "{way}");
    }
}

/// The document is what came out, and nothing of the way stays behind.
fn found_in(output: &Output, home: &tempfile::TempDir) {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        document["connections"]["openai"]["default"]["fields"]["api_key"],
        KEY
    );
    assert!(!home.path().join("vault.key").exists());
}

/// The block of commands after the comment `<!-- recovery: WAY -->`.
fn commands(way: &str) -> String {
    let (_, after) = README
        .split_once(&format!("<!-- recovery: {way} -->\n```sh\n"))
        .unwrap();
    let (block, _) = after.split_once("```").unwrap();
    block.trim_end().to_owned()
}

fn vault_with_a_key(variables: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let mut login = vault(home.path(), &["login", "openai"]);
    login.envs(variables.iter().copied());
    login.write_stdin(KEY).assert().success();
    // A second commit, as a vault in use has many.
    let mut rekey = vault(home.path(), &["rekey"]);
    rekey.envs(variables.iter().copied()).assert().success();
    home
}

fn vault(home: &Path, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_vault"));
    command
        .env_clear()
        .env("VAULT_HOME", fs::canonicalize(home).unwrap())
        .env("VAULT_NO_INPUT", "1")
        .args(arguments);
    command
}

fn age_is_installed() -> bool {
    let found = succeeds(Command::new("age").arg("--version"));
    if !found {
        let required = std::env::var("VAULT_TEST_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name.trim() == "age"),
            "age is required and not installed"
        );
        say("skipped: age is not installed");
    }
    found
}

/// `script` of util-linux; other ones take other arguments.
fn a_terminal_can_be_made() -> bool {
    let found = succeeds(Command::new("script").args(["-qec", "true", "/dev/null"]));
    if !found {
        say("skipped: script (util-linux) is not installed, which age's question needs");
    }
    found
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Says it past the test runner, which keeps what is printed to itself.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
