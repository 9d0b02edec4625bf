//! The commands that look after the vault: its keys, its history, its
//! backups, its health.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;
use std::path::PathBuf;

use predicates::prelude::*;
use predicates::str::contains;

use support::{Run, TestEnvironment};

/// An identity that the test gives, and its recipient.
fn new_identity(environment: &TestEnvironment, name: &str) -> (PathBuf, String) {
    let (text, recipient) = vault::seal::IdentityFile::generate("2026-01-01T00:00:00Z");
    let line = text.reveal().lines().last().unwrap();
    environment.secret("an identity", line);
    let path = environment.given(name, text.reveal());
    (path, recipient.as_str().to_owned())
}

fn fingerprint(environment: &TestEnvironment) -> String {
    let shown = environment.vault(["recipients", "--json"]).ok().json();
    shown["fingerprint"].as_str().unwrap().to_owned()
}

fn slots(run: Run<'_>) -> Vec<String> {
    let shown = run.args(["recipients", "--json"]).ok().json();
    let slots = shown["slots"].as_array().unwrap().clone();
    slots
        .iter()
        .map(|slot| {
            let recipient = slot["recipient"].as_str().unwrap_or("");
            assert!(slot["added"].as_str().unwrap().ends_with('Z'));
            format!("{} {recipient}", slot["kind"].as_str().unwrap())
        })
        .collect()
}

const NONE: [&str; 0] = [];

#[test]
fn init_makes_the_vault_that_it_was_asked_for() {
    // Nothing given: an identity of the machine's own.
    let environment = TestEnvironment::new();
    let made = environment
        .vault(["init", "--json"])
        .ok()
        .says(contains("identity.txt"))
        .json();
    assert_eq!(made["slots"], serde_json::json!(["recipients"]));
    assert_eq!(made["fingerprint"], fingerprint(&environment));
    assert_eq!(
        made["identity"],
        environment.identity_file().to_str().unwrap()
    );

    // An identity that is there is used, and not touched.
    let environment = TestEnvironment::new();
    let (given, recipient) = new_identity(&environment, "given");
    support::make_folder(environment.home());
    fs::copy(&given, environment.identity_file()).unwrap();
    environment.secret_identity(&fs::read_to_string(&given).unwrap());
    let before = fs::read(environment.identity_file()).unwrap();
    environment.end_hunt(); // `new_identity` allows it nowhere.
    environment.vault(["init"]).ok();
    assert_eq!(fs::read(environment.identity_file()).unwrap(), before);
    assert_eq!(
        slots(environment.vault(NONE)),
        [format!("x25519 {recipient}")]
    );

    // A passphrase from any source, with or without saying so.
    for say in [true, false] {
        let environment = TestEnvironment::new();
        let words = environment.passphrase("of the vault");
        environment
            .vault(["init", "--work-factor", "2"])
            .args(say.then_some("--passphrase"))
            .env("VAULT_PASSPHRASE", &words)
            .ok();
        assert!(!environment.identity_file().exists());
        let slots = slots(environment.vault(NONE).env("VAULT_PASSPHRASE", &words));
        assert_eq!(slots, ["passphrase "]);
    }

    // A passphrase and recipients, one of them from a file.
    let environment = TestEnvironment::new();
    let words = environment.passphrase("of the vault");
    let (one, first) = new_identity(&environment, "one");
    let (two, second) = new_identity(&environment, "two");
    let team = environment.given("team", format!("# the team\n{second}\n\n"));
    environment
        .vault(["init", "--work-factor", "2", "--recipient", &first])
        .args(["--recipient", &format!("@{}", team.display())])
        .env("VAULT_PASSPHRASE", &words)
        .ok();
    for identity in [one, two] {
        environment
            .vault(["list"])
            .arg("--identity")
            .arg(identity)
            .ok();
    }
    environment
        .vault(["list"])
        .env("VAULT_PASSPHRASE", &words)
        .ok();
    environment.vault(["list"]).fails(4);
}

#[test]
fn init_refuses_what_it_cannot_make() {
    let environment = TestEnvironment::new().with_identity_vault();
    let before = fs::read(environment.vault_file()).unwrap();
    environment
        .vault(["init"])
        .fails(6)
        .says(contains("There is a vault already"));
    assert_eq!(fs::read(environment.vault_file()).unwrap(), before);

    let environment = TestEnvironment::new();
    environment.vault(["init", "--passphrase"]).fails(4);
    environment
        .vault(["init", "--recipient", "age1nonsense"])
        .finish();
    environment
        .vault(["init", "--recipient", "@/nonexistent"])
        .fails(1);
    environment.vault(["init", "--work-factor", "31"]).fails(2);
    environment
        .vault(["init", "--identity", "/nonexistent"])
        .fails(4);
    assert!(!environment.vault_file().exists());
    assert!(!environment.identity_file().exists());
}

#[test]
fn the_default_work_factor_is_17() {
    let environment = TestEnvironment::new();
    let words = environment.passphrase("of the vault");
    environment
        .vault(["init"])
        .env("VAULT_PASSPHRASE", &words)
        .ok();
    let text = fs::read_to_string(environment.vault_file()).unwrap();
    let slot: String = text
        .lines()
        .skip(3)
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    use base64::Engine as _;
    let head = base64::engine::general_purpose::STANDARD
        .decode(slot)
        .unwrap();
    let head = String::from_utf8_lossy(&head).into_owned();
    let stanza = head.lines().nth(1).unwrap();
    assert!(
        stanza.starts_with("-> scrypt ") && stanza.ends_with(" 17"),
        "{stanza}"
    );
    // Two slots of one run cost one scrypt each way; a limit below is a no.
    environment
        .vault(["list", "--max-work-factor", "16"])
        .env("VAULT_PASSPHRASE", &words)
        .fails(7)
        .says(contains("2^17").and(contains("2^16")));
}

#[test]
fn a_rekey_without_options_gives_a_new_key_to_all_who_had_the_old() {
    let (environment, words) = TestEnvironment::new().with_both_slots();
    let key = environment.log_in("kept");
    let before = fingerprint(&environment);
    environment
        .vault(["rekey"])
        .fails(4)
        .says(contains("needs the passphrase too"));
    environment
        .vault(["rekey"])
        .env("VAULT_PASSPHRASE", "FAKE and wrong")
        .fails(4);
    assert_eq!(fingerprint(&environment), before);
    environment
        .vault(["rekey", "--work-factor", "2"])
        .env("VAULT_PASSPHRASE", &words)
        .ok()
        .says(contains("--purge-backups"));
    assert_ne!(fingerprint(&environment), before);
    assert_eq!(environment.stored("kept"), key);
    environment
        .vault(["list"])
        .env("VAULT_PASSPHRASE", &words)
        .ok();
    environment.vault(["doctor"]).ok();
    // At a terminal the passphrase is asked for.
    let now = fingerprint(&environment);
    let mut terminal = environment
        .vault(["rekey", "--work-factor", "2"])
        .at_terminal();
    terminal
        .wait_for("to seal the new key under it: ")
        .types(&format!("{words}\n"));
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
    assert_ne!(fingerprint(&environment), now);
}

#[test]
fn the_passphrase_can_be_set_changed_and_taken_away() {
    let environment = TestEnvironment::new().with_identity_vault();
    let before = fingerprint(&environment);
    let first = environment.passphrase("first");
    let second = environment.passphrase("second");
    let opens = |words: &str| {
        let run = environment.vault(["list", "--connected"]);
        run.env("VAULT_PASSPHRASE", words).finish()
    };
    let file = environment.given("first", format!("{first}\n"));
    environment
        .vault(["rekey", "--passphrase", "--work-factor", "2"])
        .arg("--new-passphrase-file")
        .arg(&file)
        .ok();
    assert_eq!(opens(&first).code, Some(0));
    environment
        .vault(["rekey", "--passphrase", "--work-factor", "2"])
        .env("VAULT_NEW_PASSPHRASE", &second)
        .ok();
    assert_eq!(opens(&first).code, Some(4));
    assert_eq!(opens(&second).code, Some(0));
    assert_eq!(fingerprint(&environment), before, "the key is the same");
    environment.vault(["rekey", "--no-passphrase"]).ok();
    assert_ne!(
        fingerprint(&environment),
        before,
        "whoever knew it knew the key"
    );
    opens(&second).says(contains("the vault has no passphrase slot"));
    environment.vault(["rekey", "--no-passphrase"]).fails(3);
    environment.vault(["rekey", "--passphrase"]).fails(4);
    environment
        .vault(["rekey", "--passphrase", "--no-passphrase"])
        .fails(2);
}

#[test]
fn recipients_come_and_go() {
    let environment = TestEnvironment::new().with_identity_vault();
    let key = environment.log_in("shared");
    let before = fingerprint(&environment);
    let (other, recipient) = new_identity(&environment, "other");
    let get = |code: i32| {
        let run = environment
            .vault([
                "get",
                "openai/shared",
                "-F",
                "api_key",
                "--show-secret",
                "--identity",
            ])
            .arg(&other)
            .asks_for_secrets();
        let finished = run
            .without_env("VAULT_IDENTITY")
            .env("VAULT_NO_INPUT", "1")
            .finish();
        assert_eq!(finished.code, Some(code), "{finished}");
        finished.stdout.trim_end().to_owned()
    };
    environment
        .vault(["rekey", "--add-recipient", &recipient])
        .ok();
    assert_eq!(fingerprint(&environment), before, "adding changes no key");
    let own = fs::read(environment.identity_file()).unwrap();
    fs::remove_file(environment.identity_file()).unwrap();
    assert_eq!(get(0), key);
    fs::write(environment.identity_file(), own).unwrap();
    support::chmod(&environment.identity_file(), 0o600);
    // Once is enough.
    environment
        .vault(["rekey", "--add-recipient", &recipient])
        .ok();
    assert_eq!(slots(environment.vault(NONE)).len(), 2);
    environment
        .vault(["rekey", "--remove-recipient", &recipient])
        .ok();
    assert_ne!(
        fingerprint(&environment),
        before,
        "removing makes a new key"
    );
    assert_eq!(slots(environment.vault(NONE)).len(), 1);
    let own = fs::read(environment.identity_file()).unwrap();
    fs::remove_file(environment.identity_file()).unwrap();
    assert_eq!(get(4), "");
    fs::write(environment.identity_file(), own).unwrap();
    support::chmod(&environment.identity_file(), 0o600);
    environment
        .vault(["rekey", "--remove-recipient", &recipient])
        .fails(3);
}

#[test]
fn the_last_way_in_cannot_be_removed() {
    let environment = TestEnvironment::new().with_identity_vault();
    let only = slots(environment.vault(NONE)).remove(0);
    let only = only.strip_prefix("x25519 ").unwrap();
    let before = fs::read(environment.vault_file()).unwrap();
    environment
        .vault(["rekey", "--remove-recipient", only])
        .fails(2)
        .says(contains("last way into the vault"));
    assert_eq!(fs::read(environment.vault_file()).unwrap(), before);
    let environment = TestEnvironment::new().with_passphrase_vault();
    environment.vault(["rekey", "--no-passphrase"]).fails(2);
    // In exchange for another one it can.
    let (identity, recipient) = new_identity(&environment, "next");
    environment
        .vault(["rekey", "--no-passphrase", "--add-recipient", &recipient])
        .ok();
    environment
        .vault(["list", "--identity"])
        .arg(identity)
        .without_env("VAULT_PASSPHRASE")
        .ok();
}

#[test]
fn purging_removes_what_old_keys_open() {
    let environment = TestEnvironment::new().with_identity_vault();
    for _ in 0..3 {
        environment
            .vault(["login", "openai", "--force", "--stdin"])
            .stdin(environment.key("purged"))
            .ok();
    }
    let now = fingerprint(&environment);
    assert!(fs::read_dir(environment.backups()).unwrap().count() >= 3);
    environment
        .vault(["rekey", "--purge-backups"])
        .ok()
        .says(contains("Removed 3 earlier vault files"));
    assert_eq!(fs::read_dir(environment.backups()).unwrap().count(), 0);
    assert_eq!(fingerprint(&environment), now, "nothing else was asked for");
}

#[test]
fn a_change_by_somebody_else_ends_an_old_key() {
    // The session keeps the old key; the vault moved on.
    let environment = TestEnvironment::new().with_identity_vault();
    environment.vault(["unlock"]).ok();
    environment.vault(["rekey"]).ok();
    environment.vault(["unlock"]).ok();
    let key = environment.log_in("after");
    assert_eq!(environment.stored("after"), key);
}

#[test]
fn earlier_values_are_listed_and_come_back() {
    let environment = TestEnvironment::new().with_identity_vault();
    let keys: Vec<_> = (0..13)
        .map(|number| {
            let key = environment.key(&format!("value{number}"));
            environment
                .vault(["login", "openai/turns", "--force", "--stdin"])
                .stdin(&key)
                .ok();
            key
        })
        .collect();
    let history = environment
        .vault(["history", "openai/turns", "--json"])
        .ok()
        .json();
    let versions = history["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 10, "the last ten");
    environment
        .vault(["history"])
        .ok()
        .prints(contains("openai/turns").and(contains("FINGERPRINT")));
    let newest = versions.last().unwrap()["version"].to_string();
    environment
        .vault(["restore", "openai/turns", "--version", &newest])
        .ok();
    assert_eq!(environment.stored("turns"), keys[11]);
    // What was in force became history in its turn.
    let again = environment
        .vault(["history", "openai", "-c", "turns", "--json"])
        .ok()
        .json();
    let newest = again["versions"].as_array().unwrap().last().unwrap()["version"].to_string();
    environment
        .vault(["restore", "openai/turns", "--version", &newest])
        .ok();
    assert_eq!(environment.stored("turns"), keys[12]);
    for none in ["0", "99"] {
        environment
            .vault(["restore", "openai/turns", "--version", none])
            .fails(3);
    }
    environment.vault(["history", "openai/other"]).fails(3);
    environment.vault(["restore", "openai/turns"]).fails(2);
}

#[test]
fn earlier_vault_files_are_kept_and_come_back() {
    let environment = TestEnvironment::new().with_identity_vault();
    for number in 0..14 {
        environment.log_in(&format!("number{number}"));
    }
    let listed = environment.vault(["backups", "--json"]).ok().json();
    let listed = listed["backups"].as_array().unwrap();
    assert_eq!(listed.len(), 10, "the last ten");
    let numbers: Vec<_> = listed
        .iter()
        .map(|backup| backup["generation"].as_u64().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a > b), "newest first");
    let before = fingerprint(&environment);
    let third = listed[2]["backup"].as_str().unwrap();
    environment
        .vault(["backups", "restore", third])
        .ok()
        .says(contains("Restored the vault as it was"));
    environment.vault(["get", "openai/number10"]).ok();
    environment.vault(["get", "openai/number13"]).fails(3);
    assert_eq!(fingerprint(&environment), before, "the keys stay");
    environment.vault(["doctor"]).ok();
    // A restore is a change like any other: it can be taken back.
    let newest = environment.vault(["backups", "--json"]).ok().json();
    let newest = newest["backups"][0]["backup"].as_str().unwrap().to_owned();
    environment.vault(["backups", "restore", &newest]).ok();
    environment.vault(["get", "openai/number13"]).ok();
    environment.vault(["backups", "restore", "999"]).fails(3);
    environment.vault(["backups", "restore", "../x"]).fails(3);
}

#[test]
fn a_damaged_vault_is_replaced_by_an_earlier_one() {
    for damage in ["cut", "junk", "gone"] {
        let environment = TestEnvironment::new().with_identity_vault();
        let key = environment.log_in("saved");
        environment.log_in("lost");
        let file = environment.vault_file();
        let whole = fs::read(&file).unwrap();
        match damage {
            "cut" => fs::write(&file, &whole[..whole.len() / 2]).unwrap(),
            "junk" => fs::write(&file, "junk").unwrap(),
            _ => fs::remove_file(&file).unwrap(),
        }
        if damage != "gone" {
            environment
                .vault(["list"])
                .fails(7)
                .says(contains("vault backups"));
        }
        let listed = environment.vault(["backups", "--json"]).ok().json();
        let newest = listed["backups"][0]["backup"].as_str().unwrap();
        environment.vault(["backups", "restore", newest]).ok();
        assert_eq!(environment.stored("saved"), key, "{damage}");
        environment.vault(["doctor"]).ok();
        let kept = environment
            .files_under(&environment.backups())
            .iter()
            .filter(|path| path.to_string_lossy().contains("damaged"))
            .count();
        assert_eq!(kept, usize::from(damage != "gone"), "{damage}");
    }
}

#[test]
fn a_backup_from_before_a_rekey_needs_its_own_key() {
    let (environment, words) = TestEnvironment::new().with_both_slots();
    environment.log_in("early");
    environment
        .vault(["rekey", "--work-factor", "2"])
        .env("VAULT_PASSPHRASE", &words)
        .ok();
    environment.log_in("late");
    let before = fingerprint(&environment);
    let listed = environment.vault(["backups", "--json"]).ok().json();
    let old = listed["backups"][1]["backup"].as_str().unwrap();
    environment.vault(["backups", "restore", old]).ok();
    assert_eq!(fingerprint(&environment), before, "the new keys stay");
    environment.vault(["get", "openai/late"]).fails(3);
    environment.vault(["get", "openai/early"]).ok();
}

#[test]
fn doctor_says_what_is_well_and_what_is_not() {
    let environment = TestEnvironment::new().with_identity_vault();
    environment.log_in("well");
    let checks = |environment: &TestEnvironment, code: i32| {
        let finished = environment.vault(["doctor", "--json"]).finish();
        assert_eq!(finished.code, Some(code), "{finished}");
        let shown = finished.json();
        let checks = shown["checks"].as_array().unwrap();
        for check in checks {
            let status = check["status"].as_str().unwrap();
            assert!(["ok", "warn", "fail"].contains(&status));
            assert_eq!(check["hint"].is_null(), status == "ok", "{check}");
        }
        let line = |check: &serde_json::Value| {
            let word = |name: &str| check[name].as_str().unwrap_or("").to_owned();
            format!("{} {}: {}\n", word("status"), word("name"), word("message"))
        };
        checks.iter().map(line).collect::<String>()
    };
    let well = checks(&environment, 0);
    for word in [
        "vault",
        "unlock",
        "integrity",
        "clock",
        "pin",
        "lock",
        "memory",
        "path",
    ] {
        assert!(well.contains(&format!("ok {word}: ")), "{word}: {well}");
    }
    assert!(well.contains("1 connection and 0 plain secrets"), "{well}");
    // Others may change what is in the folder.
    support::chmod(environment.home(), 0o777);
    assert!(checks(&environment, 1).contains("fail folder"));
    support::chmod(environment.home(), 0o700);
    // A locked vault is no failure, and nobody is asked.
    let locked = TestEnvironment::new().with_passphrase_vault();
    let ended = locked
        .vault(["doctor"])
        .without_env("VAULT_PASSPHRASE")
        .at_terminal()
        .end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
    assert!(ended.stdout.contains("warn  unlock: the vault is locked"));
    // A damaged one is.
    fs::write(environment.vault_file(), "junk").unwrap();
    assert!(checks(&environment, 1).contains("fail vault"));
    fs::remove_file(environment.vault_file()).unwrap();
    // So is one that was here and is gone, until its owner says that it may be.
    let gone = checks(&environment, 1);
    assert!(gone.contains("fail vault: "), "{gone}");
    assert!(gone.contains("is gone"), "{gone}");
    environment.vault(["doctor", "--accept"]).ok();
    assert!(checks(&environment, 0).contains("warn vault: there is none"));
}

#[test]
fn doctor_knows_another_vault_in_the_path() {
    let mut environment = TestEnvironment::new().with_identity_vault();
    let other = environment.given("vault", "#!/bin/sh\n");
    support::chmod(&other, 0o755);
    let path = std::env::var("PATH").unwrap();
    environment.set(
        "PATH",
        format!("{}:{path}", other.parent().unwrap().display()),
    );
    environment
        .vault(["doctor"])
        .ok()
        .prints(contains("another vault stands earlier in PATH"));
}
