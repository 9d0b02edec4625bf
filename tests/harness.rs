//! The harness itself: that its hunt catches what gets out, and that prompts
//! at a terminal work as a person expects.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;

use base64::Engine as _;
use predicates::prelude::*;
use predicates::str::contains;

use support::TestEnvironment;

/// What the hunt says of this environment, which is then let go.
fn caught(environment: &TestEnvironment) -> String {
    let caught = environment.hunt().join("\n");
    environment.end_hunt();
    caught
}

#[test]
fn the_hunt_catches_a_secret_in_a_file_in_every_form() {
    let forms: [fn(&str) -> String; 6] = [
        |key| format!("before {key} after"),
        |key| base64::engine::general_purpose::STANDARD.encode(format!("x{key}y")),
        |key| {
            let encoded =
                base64::engine::general_purpose::URL_SAFE.encode(format!("{{\"k\":\"{key}\"}}"));
            let lines: Vec<_> = encoded.as_bytes().chunks(10).map(|c| c.to_vec()).collect();
            String::from_utf8(lines.join(&b'\n')).unwrap()
        },
        |key| key.bytes().map(|byte| format!("{byte:02x}")).collect(),
        |key| key.bytes().map(|byte| format!("{byte:02X}")).collect(),
        |key| serde_json::to_string(key).unwrap(),
    ];
    for (number, form) in forms.iter().enumerate() {
        for place in ["home/backups", "tmp", "work", "home/state"] {
            let environment = TestEnvironment::new();
            let key = environment.secret("an API key", "FAKE \"canary\"\n\\ of a key");
            support::make_folder(&environment.path(place));
            let planted = environment.path(place).join("planted");
            fs::write(&planted, form(&key)).unwrap();
            let caught = caught(&environment);
            assert!(caught.contains("planted"), "form {number}: {caught:?}");
        }
    }
}

#[test]
fn the_hunt_catches_a_secret_on_both_streams_and_in_arguments() {
    let environment = TestEnvironment::new();
    let key = environment.key("printed");
    let given = environment.given("key", &key);
    let given = given.to_str().unwrap();
    environment.run("sh", ["-c", "cat \"$0\" >&2", given]).ok();
    assert!(environment.hunt().join("").contains("standard error"));
    environment.run("sh", ["-c", "cat \"$0\"", given]).ok();
    assert!(environment.hunt().join("").contains("standard output"));
    environment.run("true", [&key]).ok();
    assert!(environment.hunt().join("").contains("an argument"));
    assert_eq!(environment.hunt().len(), 3);
    environment
        .run("sh", ["-c", "cat \"$0\"", given])
        .asks_for_secrets()
        .ok();
    assert_eq!(environment.hunt().len(), 3);
    environment.end_hunt();
}

#[test]
fn the_hunt_knows_the_identity_and_the_key_of_the_vault() {
    let environment = TestEnvironment::new().with_identity_vault();
    assert!(environment.hunt().is_empty());
    let identity = fs::read_to_string(environment.identity_file()).unwrap();
    fs::write(environment.home().join("copy"), identity).unwrap();
    assert!(caught(&environment).contains("the identity plain"));

    let environment = TestEnvironment::new().with_identity_vault();
    environment.vault(["unlock"]).ok();
    let socket = environment.home().join("state");
    let socket = fs::read_dir(socket)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "sock"))
        .unwrap();
    let key = vault::unlock::session::key(&socket).unwrap();
    fs::write(environment.path("tmp/core.1"), key.slot_text().as_bytes()).unwrap();
    let caught = caught(&environment);
    assert!(caught.contains("the vault's key plain"), "{caught}");
    assert!(caught.contains("a core file"), "{caught}");
}

#[test]
#[should_panic(expected = "secrets got out")]
fn a_test_fails_when_the_hunt_catches_something() {
    let environment = TestEnvironment::new();
    let key = environment.key("leaked");
    fs::write(environment.path("tmp/leak"), key).unwrap();
}

#[test]
fn a_passphrase_is_asked_for_at_the_terminal_and_never_shown() {
    let mut environment = TestEnvironment::new().with_passphrase_vault();
    environment.unset("VAULT_PASSPHRASE");
    let passphrase = environment.passphrase("of the vault");
    let mut terminal = environment.vault(["recipients", "--json"]).at_terminal();
    terminal.wait_for("Passphrase of the vault: ");
    assert!(!terminal.echoes());
    terminal.types(&format!("{passphrase}\n"));
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
    assert!(ended.stdout.contains("\"kind\":\"passphrase\""));
    assert!(ended.echoes, "the terminal is as it was");
}

#[test]
fn a_wrong_passphrase_at_the_prompt_is_exit_4() {
    let mut environment = TestEnvironment::new().with_passphrase_vault();
    environment.unset("VAULT_PASSPHRASE");
    // Often: the answer comes at once, and whatever of it the terminal shows
    // depends on which is first.
    let wrong = environment.passphrase("that is wrong");
    for _ in 0..10 {
        let mut terminal = environment.vault(["list"]).at_terminal();
        terminal
            .wait_for("Passphrase of the vault: ")
            .types(&format!("{wrong}\n"));
        let ended = terminal.end();
        assert_eq!(ended.code, 4, "{}", ended.shown);
        assert!(
            ended
                .shown
                .contains("The passphrase from the prompt is wrong")
        );
        assert!(ended.echoes);
    }
}

#[test]
fn a_key_is_shown_as_stars_while_it_is_typed() {
    let environment = TestEnvironment::new().with_identity_vault();
    let key = environment.key("typed");
    let mut terminal = environment.vault(["login", "openai/typed"]).at_terminal();
    terminal
        .wait_for("OpenAI API key: ")
        .types(&format!("{key}\n"));
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
    assert!(
        ended.shown.contains(&"*".repeat(key.len())),
        "{}",
        ended.shown
    );
    assert_eq!(environment.stored("typed"), key);
}

#[test]
fn ctrl_c_at_a_prompt_is_exit_130_and_leaves_the_terminal_as_it_was() {
    let mut environment = TestEnvironment::new().with_passphrase_vault();
    environment.unset("VAULT_PASSPHRASE");
    let before = fs::read(environment.vault_file()).unwrap();
    for arguments in [&["list"][..], &["login", "openai"]] {
        let mut terminal = environment.vault(arguments).at_terminal();
        terminal.wait_for("Passphrase of the vault: ");
        assert!(!terminal.echoes());
        terminal.types("half a passphr\x03");
        let ended = terminal.end();
        assert_eq!(ended.code, 130, "{}", ended.shown);
        assert!(ended.echoes, "the echo is back on");
    }
    assert_eq!(fs::read(environment.vault_file()).unwrap(), before);
}

#[test]
fn ctrl_c_works_after_a_prompt_too() {
    let mut environment = TestEnvironment::new().with_passphrase_vault();
    environment.unset("VAULT_PASSPHRASE");
    let passphrase = environment.passphrase("of the vault");
    let mut terminal = environment.vault(["set", "FOO", "--stdin"]).at_terminal();
    terminal
        .wait_for("Passphrase of the vault: ")
        .types(&format!("{passphrase}\n"))
        .wait_for("on standard input")
        .types("\x03");
    let ended = terminal.end();
    assert_eq!(ended.code, 130, "{}", ended.shown);
    assert!(ended.echoes);
}

#[test]
fn a_signal_at_a_prompt_puts_the_terminal_back_before_it_ends_the_program() {
    use rustix::process::Signal;
    let mut environment = TestEnvironment::new().with_passphrase_vault();
    environment.unset("VAULT_PASSPHRASE");
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let mut terminal = environment.vault(["list"]).at_terminal();
        terminal.wait_for("Passphrase of the vault: ");
        assert!(!terminal.echoes());
        terminal.signals(signal);
        let ended = terminal.end();
        assert_eq!(ended.code, code, "{}", ended.shown);
        assert!(ended.echoes, "the echo is back on after {signal:?}");
    }
}

#[test]
fn a_prompt_cannot_steer_the_terminal() {
    let environment = TestEnvironment::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ssh");
    let key = fs::read(folder.join("ed25519-locked")).unwrap();
    let key = environment.given("a\x1b[2Jb", key);
    environment.vault(["init", "--identity"]).arg(&key).ok();
    let list = environment.vault(["list", "--identity"]).arg(&key);
    let mut terminal = list.at_terminal();
    terminal.wait_for("a\\u{1b}[2Jb: ").types("\x03");
    assert!(!terminal.end().shown.contains("\x1b[2J"));
}

#[test]
fn without_input_nothing_is_asked_even_at_a_terminal() {
    let mut environment = TestEnvironment::new().with_passphrase_vault();
    environment.unset("VAULT_PASSPHRASE");
    for run in [
        environment.vault(["list", "--no-input"]),
        environment.vault(["list"]).env("VAULT_NO_INPUT", "1"),
    ] {
        let ended = run.at_terminal().end();
        assert_eq!(ended.code, 4, "{}", ended.shown);
        assert!(!ended.shown.contains("Passphrase of the vault"));
    }
}

#[test]
fn a_passphrase_is_asked_for_while_a_key_comes_through_a_pipe() {
    let mut environment = TestEnvironment::new().with_passphrase_vault();
    environment.unset("VAULT_PASSPHRASE");
    let passphrase = environment.passphrase("of the vault");
    let key = environment.key("piped");
    let mut terminal = environment
        .vault(["login", "openai/piped"])
        .stdin(&key)
        .at_terminal();
    terminal
        .wait_for("Passphrase of the vault: ")
        .types(&format!("{passphrase}\n"));
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
    environment.set("VAULT_PASSPHRASE", passphrase);
    assert_eq!(environment.stored("piped"), key);
}

#[test]
fn a_new_passphrase_is_asked_for_twice() {
    let environment = TestEnvironment::new().with_identity_vault();
    let passphrase = environment.passphrase("new");
    let arguments = ["rekey", "--passphrase", "--work-factor", "2"];
    let mut terminal = environment.vault(arguments).at_terminal();
    terminal
        .wait_for("New passphrase: ")
        .types(&format!("{passphrase}\n"))
        .wait_for("once more: ")
        .types("another\n");
    let ended = terminal.end();
    assert_eq!(ended.code, 5, "{}", ended.shown);
    let mut terminal = environment.vault(arguments).at_terminal();
    terminal
        .wait_for("New passphrase: ")
        .types(&format!("{passphrase}\n"))
        .wait_for("once more: ")
        .types(&format!("{passphrase}\n"));
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
    fs::remove_file(environment.identity_file()).unwrap();
    environment
        .vault(["list", "--connected"])
        .env("VAULT_PASSPHRASE", &passphrase)
        .ok();
}

#[test]
fn a_first_login_at_a_terminal_lets_a_person_choose_a_key_file() {
    let environment = TestEnvironment::new();
    let key = environment.key("first");
    let mut terminal = environment.vault(["login", "openai/first"]).at_terminal();
    terminal
        .wait_for("OpenAI API key: ")
        .types(&format!("{key}\n"))
        .wait_for("empty for a key file): ")
        .types("\n");
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
    assert!(environment.identity_file().exists());
    assert_eq!(environment.stored("first"), key);
}

#[test]
fn nothing_is_read_from_the_real_home() {
    let environment = TestEnvironment::on_platform_folders().with_identity_vault();
    environment
        .vault(["doctor"])
        .ok()
        .prints(contains(environment.home().to_str().unwrap()));
    assert!(environment.vault_file().exists());
    assert!(environment.identity_file().exists());
    environment
        .run("env", [] as [&str; 0])
        .ok()
        .prints(contains("LD_PRELOAD").not());
}
