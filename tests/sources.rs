//! Sources that give what they have only once, what their programs see, and
//! words that may be a key in the wrong place.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use predicates::prelude::*;
use predicates::str::contains;

use support::{TestEnvironment, chmod};

/// A vault under a passphrase that no run is given, and two generations.
fn locked_vault() -> (TestEnvironment, String) {
    let mut environment = TestEnvironment::new().with_passphrase_vault();
    environment.log_in("first");
    environment.unset("VAULT_PASSPHRASE");
    let passphrase = environment.passphrase("of the vault");
    (environment, passphrase)
}

#[test]
fn no_vault_is_sealed_under_the_empty_passphrase() {
    let environment = TestEnvironment::new();
    let empty = environment.given("empty", "\n");
    for (arguments, variable) in [
        (&["init"][..], "VAULT_PASSPHRASE"),
        (&["init", "--passphrase"], "VAULT_PASSPHRASE"),
        (&["init", "--passphrase"], "VAULT_NEW_PASSPHRASE"),
    ] {
        for value in ["\n", "\r\n"] {
            environment
                .vault(arguments)
                .env(variable, value)
                .fails(4)
                .says(contains(format!("{variable} is empty")));
        }
    }
    environment
        .vault(["init", "--passphrase-file"])
        .arg(&empty)
        .fails(4);
    assert!(!environment.vault_file().exists());
    let environment = environment.with_identity_vault();
    environment
        .vault(["rekey", "--passphrase"])
        .env("VAULT_NEW_PASSPHRASE", "\n")
        .fails(4);
    environment
        .vault(["recipients"])
        .ok()
        .prints(contains("passphrase").not());
}

#[test]
fn a_pipe_is_read_once_and_serves_the_whole_command() {
    let (environment, passphrase) = locked_vault();
    let words = environment.given("words", &passphrase);
    for arguments in [
        "rekey --work-factor 2 --passphrase-fd 3 3<&0 < /dev/null",
        "rekey --work-factor 2 --passphrase-file /dev/stdin",
        "backups restore 2 --passphrase-file /dev/stdin",
    ] {
        let script = format!("cat \"$1\" | \"$0\" {arguments}");
        environment
            .run("sh", ["-c", &script])
            .arg(assert_cmd::cargo::cargo_bin!("vault"))
            .arg(&words)
            .ok();
    }
    let environment = TestEnvironment::new().with_identity_vault();
    environment.log_in("first");
    let text = fs::read_to_string(environment.identity_file()).unwrap();
    environment.secret_identity(&text);
    fs::remove_file(environment.identity_file()).unwrap();
    environment
        .vault(["backups", "restore", "1", "--identity", "/dev/stdin"])
        .stdin(&text)
        .ok();
}

#[test]
fn a_passphrase_command_runs_once() {
    let (environment, passphrase) = locked_vault();
    let words = environment.given("words", &passphrase);
    let count = environment.path("given/count");
    let command = format!("echo >> '{}'; cat '{}'", count.display(), words.display());
    for arguments in [
        &["rekey", "--work-factor", "2"][..],
        &["backups", "restore", "2"],
    ] {
        environment
            .vault(arguments)
            .env("VAULT_PASSPHRASE_COMMAND", &command)
            .ok();
        assert_eq!(fs::read_to_string(&count).unwrap(), "\n");
        fs::remove_file(&count).unwrap();
    }
}

#[test]
fn a_person_types_a_passphrase_once_in_a_command() {
    let (environment, passphrase) = locked_vault();
    for arguments in [
        &["rekey", "--work-factor", "2"][..],
        &["backups", "restore", "2"],
    ] {
        let mut terminal = environment.vault(arguments).at_terminal();
        terminal
            .wait_for("Passphrase of the vault: ")
            .types(&format!("{passphrase}\n"));
        let ended = terminal.end();
        assert_eq!(ended.code, 0, "{}", ended.shown);
        assert_eq!(ended.shown.matches("Passphrase of").count(), 1);
    }
    // A backup under an older passphrase needs both.
    let changed = environment.passphrase("that is newer");
    environment
        .vault(["rekey", "--passphrase", "--work-factor", "2"])
        .env("VAULT_PASSPHRASE", &passphrase)
        .env("VAULT_NEW_PASSPHRASE", &changed)
        .ok();
    let mut terminal = environment.vault(["backups", "restore", "2"]).at_terminal();
    for words in [&passphrase, &changed] {
        terminal
            .wait_for("Passphrase of the vault: ")
            .types(&format!("{words}\n"));
    }
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
}

#[test]
fn a_passphrase_is_read_from_a_socket() {
    let (environment, passphrase) = locked_vault();
    let (ours, theirs) = UnixStream::pair().unwrap();
    (&ours).write_all(passphrase.as_bytes()).unwrap();
    ours.shutdown(Shutdown::Write).unwrap();
    let number = theirs.as_raw_fd().to_string();
    environment
        .vault(["list", "--passphrase-fd", &number])
        .before(move || {
            rustix::io::fcntl_setfd(&theirs, rustix::io::FdFlags::empty())?;
            Ok(())
        })
        .ok();
}

#[test]
fn a_passphrase_command_sees_no_secret_variable() {
    let (environment, passphrase) = locked_vault();
    let words = environment.given("words", &passphrase);
    let seen = environment.path("given/seen");
    let command = format!("env > '{}'; cat '{}'", seen.display(), words.display());
    let (text, _) = vault::seal::IdentityFile::generate("x");
    environment
        .vault(["list"])
        .env("VAULT_PASSPHRASE_COMMAND", command)
        .env("VAULT_NEW_PASSPHRASE", "FAKE new words")
        .env("VAULT_IDENTITY", text.reveal())
        .ok();
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("VAULT_HOME="), "{seen}");
    for secret in ["FAKE new words", "AGE-SECRET-KEY", "PASSPHRASE_COMMAND"] {
        assert!(!seen.contains(secret), "{seen}");
    }
}

#[test]
fn a_key_in_the_wrong_place_is_not_repeated() {
    let (environment, _) = locked_vault();
    let (text, _) = vault::seal::IdentityFile::generate("x");
    let key = text.reveal().lines().last().unwrap().to_owned();
    let lower = key.to_lowercase();
    let at = format!("@{key}");
    let silent = |run: support::Run<'_>, code: i32| {
        let finished = run.fails(code);
        let said = finished.stderr.to_lowercase();
        assert!(!said.contains("age-secret-key-1"), "{finished}");
        assert!(!said.contains("aaaabbbb"), "{finished}");
        finished
    };
    for key in [&key, &lower] {
        silent(environment.vault(["list", "--identity", key]), 2).says(contains("VAULT_IDENTITY"));
        silent(environment.vault(["list"]).env("VAULT_IDENTITY", key), 4);
        silent(
            environment.vault(["init", "--file", "x.age", "--recipient", key]),
            2,
        );
    }
    silent(
        environment.vault(["init", "--file", "x.age", "--recipient", &at]),
        2,
    );
    silent(environment.vault(["login", "SK-LIVE-aaaaBBBB"]), 2)
        .says(contains("What was given is not a provider name"));
}

#[test]
fn vaults_that_are_made_at_once_share_the_one_identity() {
    for round in 0..4 {
        let environment = TestEnvironment::at(&format!("home-{round}"));
        let vault = assert_cmd::cargo::cargo_bin!("vault");
        // All begin when the gate opens.
        let script = "for n in 1 2 3 4 5 6 7 8; do (until test -e gate; do :; done; exec \"$0\" \
                      init --quiet --file \"$n.age\" 2> \"error-$n\") & done; \
                      : > gate; wait; cat error-*; ls *.age | wc -l";
        environment
            .run("sh", ["-c", script])
            .arg(vault)
            .ok()
            .prints(predicates::str::diff("8\n"));
        for number in 1..=8 {
            let file = format!("{number}.age");
            environment.vault(["list", "--file", &file]).ok();
        }
    }
}

#[test]
fn doctor_reports_given_files_that_others_can_read() {
    let (environment, passphrase) = locked_vault();
    let (text, _) = vault::seal::IdentityFile::generate("x");
    let identity = environment.given("loose-identity", text.reveal());
    let words = environment.given("loose-words", &passphrase);
    chmod(&identity, 0o644);
    chmod(&words, 0o640);
    let finished = environment
        .vault(["doctor", "--identity"])
        .arg(&identity)
        .finish()
        .prints(contains("loose-identity (mode 644)"));
    assert_eq!(finished.code, Some(1));
    environment
        .vault(["doctor"])
        .env("VAULT_IDENTITY", &identity)
        .env("VAULT_PASSPHRASE_FILE", &words)
        .finish()
        .prints(contains("loose-identity (mode 644)").and(contains("loose-words (mode 640)")));
}
