//! What the shells are offered, asked of the binary and of the real shells.
//!
//! A shell that is not installed is skipped by name, unless
//! `VAULT_TEST_REQUIRE` (names, comma between) asks for it.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{TestEnvironment, skip};

/// What `fish` would be offered for a line.
fn offered(made: &TestEnvironment, line: &[&str]) -> Vec<String> {
    let run = made
        .vault(["--", "vault"])
        .args(line)
        .env("COMPLETE", "fish")
        .finish();
    assert!(run.code == Some(0) && run.stderr.is_empty(), "{run}");
    let lines = run.stdout.lines();
    lines
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .collect()
}

fn has(offered: &[String], name: &str) -> bool {
    offered.iter().any(|candidate| candidate == name)
}

#[test]
fn providers_connections_fields_and_formats_complete() {
    let made = TestEnvironment::new().with_identity_vault();
    made.log_in("team");
    made.vault(["set", "DATABASE_URL"]).stdin("FAKE").ok();
    assert_eq!(
        offered(&made, &["get", "opena"]),
        ["openai", "openai-codex", "openai/team"]
    );
    assert_eq!(offered(&made, &["get", "openai/"]), ["openai/team"]);
    assert_eq!(offered(&made, &["get", "DATA"]), ["DATABASE_URL"]);
    assert_eq!(offered(&made, &["unset", "D"]), ["DATABASE_URL"]);
    assert_eq!(
        offered(&made, &["revoke", "opena"]),
        ["openai", "openai-codex"]
    );
    assert_eq!(
        offered(&made, &["get", "openai", "--connection", ""]),
        ["team"]
    );
    let fields = offered(&made, &["get", "openai", "--field", ""]);
    assert!(
        has(&fields, "api_key") && has(&fields, "status"),
        "{fields:?}"
    );
    let fields = offered(&made, &["login", "twilio", "--field", ""]);
    assert!(has(&fields, "auth_token=-"), "{fields:?}");
    let formats = offered(&made, &["export", "--format", "d"]);
    assert_eq!(formats, ["dotenv", "docker"]);
    assert_eq!(offered(&made, &["completions", "z"]), ["zsh"]);
    assert!(has(&offered(&made, &["lo"]), "login"));
    assert_eq!(offered(&made, &["run", "--only", "openai,DAT"]).len(), 1);
}

#[test]
fn without_a_silent_way_in_connections_are_left_out() {
    let made = TestEnvironment::new().with_passphrase_vault();
    made.log_in("team");
    let before = made.files_under(made.home());
    let start = std::time::Instant::now();
    assert_eq!(
        offered(&made, &["get", "opena"]),
        ["openai", "openai-codex"]
    );
    assert!(start.elapsed().as_secs() < 5);
    assert_eq!(made.files_under(made.home()), before);
    // With a session there is one.
    made.vault(["unlock", "--ttl", "1m"]).ok();
    assert_eq!(
        offered(&made, &["get", "opena"]),
        ["openai", "openai-codex", "openai/team"]
    );
    made.vault(["lock"]).ok();
}

#[test]
fn whatever_is_wrong_nothing_is_said_and_nothing_written() {
    for content in ["", "vault-file/1\nrubbish", "{"] {
        let made = TestEnvironment::new();
        support::make_folder(made.home());
        fs::write(made.vault_file(), content).unwrap();
        assert_eq!(
            offered(&made, &["get", "opena"]),
            ["openai", "openai-codex"]
        );
    }
    let mut made = TestEnvironment::new();
    assert!(offered(&made, &["get", "nothing-of-the-kind"]).is_empty());
    assert!(!made.home().exists());
    made.unset("VAULT_HOME");
    let _ = offered(&made, &["get", "opena"]);
    // A passphrase command is not run, and an identity in a pipe not read.
    made.set("VAULT_HOME", made.path("home"));
    made.set("VAULT_PASSPHRASE_COMMAND", "touch ran");
    let _ = offered(&made, &["get", "opena"]);
    assert!(!made.path("work/ran").exists());
}

#[test]
fn a_variable_of_that_name_that_is_not_a_question_changes_nothing() {
    let made = TestEnvironment::new();
    for value in ["1", "fish", "tcsh", ""] {
        made.vault(["provider", "show", "openai"])
            .env("COMPLETE", value)
            .ok();
    }
}

#[test]
fn every_shell_gets_an_answer() {
    let made = TestEnvironment::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish", "nu"] {
        let run = made
            .vault(["--", "vault", "get", "opena"])
            .env("COMPLETE", shell)
            .env("_CLAP_COMPLETE_INDEX", "2")
            .ok();
        assert!(run.stdout.contains("openai"), "{shell}: {run}");
    }
    let run = made
        .vault(["--", "vault", "get", "opena"])
        .env("COMPLETE", "nu")
        .ok();
    assert_eq!(run.json()[0]["value"], "openai");
}

/// What a real shell prints after a script of its own; `None` where it is not
/// installed.
fn in_shell(
    made: &TestEnvironment,
    shell: &str,
    arguments: &[&str],
    script: &str,
) -> Option<String> {
    if Command::new(shell).arg("--version").output().is_err() {
        skip(shell, "it is not installed");
        return None;
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_vault")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let run = made
        .run(shell, arguments)
        .arg(script)
        .env("PATH", format!("{}:{path}", binary.display()))
        .env("HOME", made.path("work"))
        .env("TERM", "dumb")
        .finish();
    assert!(run.code == Some(0), "{run}");
    assert!(run.stderr.is_empty(), "{run}");
    Some(run.stdout)
}

fn script(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    folder.join(name).display().to_string()
}

#[test]
fn bash_completes() {
    let made = TestEnvironment::new().with_identity_vault();
    made.log_in("team");
    let ask = format!(
        "source '{}'; complete -p vault >/dev/null || exit 9
         COMP_WORDS=(vault get opena); COMP_CWORD=2; COMP_TYPE=9
         _clap_complete_vault vault opena get
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script("vault.bash")
    );
    if let Some(answer) = in_shell(&made, "bash", &["--norc", "-c"], &ask) {
        assert_eq!(
            answer.lines().collect::<Vec<_>>(),
            ["openai", "openai-codex", "openai/team"]
        );
    }
}

#[test]
fn fish_completes() {
    let made = TestEnvironment::new().with_identity_vault();
    made.log_in("team");
    let ask = format!(
        "source '{}'; complete -C'vault get opena'",
        script("vault.fish")
    );
    if let Some(answer) = in_shell(&made, "fish", &["--no-config", "-c"], &ask) {
        let names: Vec<_> = answer
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect();
        assert_eq!(names, ["openai", "openai-codex", "openai/team"]);
    }
}

#[test]
fn zsh_completes() {
    let made = TestEnvironment::new().with_identity_vault();
    made.log_in("team");
    // Completion needs its editor; what it is handed is looked at instead.
    let ask = format!(
        "autoload -Uz compinit; compinit -u -D; source '{}'
         [[ ${{_comps[vault]}} == _clap_dynamic_completer_vault ]] || exit 9
         _describe() {{ shift 2; print -l -- ${{(P)1}} }}
         words=(vault get opena); CURRENT=3
         _clap_dynamic_completer_vault",
        script("_vault")
    );
    if let Some(answer) = in_shell(&made, "zsh", &["-f", "-c"], &ask) {
        let names: Vec<_> = answer
            .lines()
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(names, ["openai", "openai-codex", "openai/team"]);
    }
}

#[test]
fn other_shells_read_their_scripts() {
    let made = TestEnvironment::new();
    let name = script("vault.ps1");
    let ask = format!(
        ". '{name}'; (TabExpansion2 'vault get opena' 15).CompletionMatches.CompletionText"
    );
    if let Some(answer) = in_shell(&made, "pwsh", &["-NoProfile", "-c"], &ask) {
        assert!(answer.contains("openai"), "{answer}");
    }
    let ask = format!("source '{}'", script("vault.nu"));
    in_shell(&made, "nu", &["--no-config-file", "-c"], &ask);
    let ask = format!("eval (slurp < '{}')", script("vault.elv"));
    in_shell(&made, "elvish", &["-norc", "-c"], &ask);
}
