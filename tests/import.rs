//! `vault import`, through the binary.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;

use predicates::prelude::predicate;
use predicates::str::contains;
use proptest::prelude::*;
use support::TestEnvironment;
use vault::export::{Format, Settings, render};
use vault::import::{Reading, dotenv, json};
use vault::name::VariableName;
use vault::secret::Secret;

#[test]
fn a_dotenv_file_becomes_connections_and_plain_secrets_in_one_commit() {
    let made = TestEnvironment::new();
    let key = made.key("imported");
    let url = made.secret("a url", "postgres://FAKE:canary@db/x");
    let file = made.given(
        ".env",
        format!("# mine\nexport OPENAI_API_KEY='{key}'\nDATABASE_URL=\"{url}\"\nlower=1\n"),
    );
    let path = file.to_str().unwrap();
    let run = made.vault(["import", "--from", "dotenv", path]).ok();
    run.says(contains("Imported openai/default."))
        .says(contains("Imported plain secrets DATABASE_URL."))
        .says(contains("Not taken: line 4: lower: "))
        .says(contains("shred -u"));
    assert_eq!(made.stored("default"), key);
    made.vault(["get", "DATABASE_URL", "--show-secret"])
        .asks_for_secrets()
        .ok()
        .prints(predicate::eq(format!("{url}\n").as_str()));
    assert!(file.exists());
    let backups = fs::read_dir(made.backups()).map_or(0, Iterator::count);
    assert_eq!(backups, 0, "one commit made the vault and filled it");
    // Once more: everything is there.
    made.vault(["import", "--from", "dotenv", path])
        .fails(6)
        .says(contains("openai/default, DATABASE_URL are there already"));
    // Under another name, the connection comes in and the secret stays.
    made.vault(["import", "--from", "dotenv", path, "-c", "work"])
        .ok()
        .says(contains("Imported openai/work."))
        .says(contains(
            "There already, and were left as they are: DATABASE_URL.",
        ));
    made.vault(["import", "--from", "dotenv", path, "--force"])
        .ok()
        .says(contains("Imported openai/default."));
    made.vault(["history", "openai/default"]).ok();
}

#[test]
fn a_dry_run_changes_nothing() {
    let made = TestEnvironment::new();
    let key = made.key("dry");
    let run = made
        .vault(["import", "--from", "json", "-", "--dry-run", "--json"])
        .stdin(format!("{{\"openai\":{{\"api_key\":\"{key}\"}},\"N\":1}}"))
        .ok();
    let report = run.json();
    assert_eq!(report["status"], "dry_run");
    assert_eq!(report["connections"][0], "openai/default");
    assert_eq!(report["not_understood"][0]["name"], "N");
    assert!(!made.vault_file().exists());
}

#[test]
fn a_file_without_anything_to_take_is_refused() {
    let made = TestEnvironment::new();
    let refused = made.secret("a refused key", "FAKE-canary-not-openai");
    made.vault(["import", "--from", "dotenv", "-"])
        .stdin(format!("OPENAI_API_KEY={refused}\n{refused}\n"))
        .fails(5)
        .says(contains("line 1: OPENAI_API_KEY: this does not look like"))
        .says(contains("line 2: it is no NAME=value"))
        .says(contains("There is nothing in standard input"));
    made.vault(["import", "--from", "json", "-"])
        .stdin(format!("[\"{refused}\"]"))
        .fails(5)
        .says(contains("standard input: it is no object"));
    made.vault(["import", "--from", "dotenv", "gone.env"])
        .fails(1)
        .says(contains("There is no file gone.env"));
    assert!(!made.vault_file().exists());
}

#[test]
fn what_was_exported_is_imported_as_it_was() {
    for format in ["dotenv", "json"] {
        let from = TestEnvironment::new();
        let key = from.log_in("default");
        from.vault(["set", "PLAIN"]).stdin("a 'b' #c\nd").ok();
        let exported = from
            .vault(["export", "--format", format])
            .asks_for_secrets()
            .ok()
            .stdout;
        let to = TestEnvironment::new();
        to.vault(["import", "--from", format, "-"])
            .stdin(exported)
            .ok();
        assert_eq!(to.stored("default"), key);
        to.vault(["get", "PLAIN", "--show-secret"])
            .ok()
            .prints(predicate::eq("a 'b' #c\nd\n"));
    }
}

#[test]
fn an_authsome_home_gives_its_definitions_and_names_what_to_log_in_to() {
    let made = TestEnvironment::new();
    let home = made.path("given/authsome");
    fs::create_dir_all(home.join("providers")).unwrap();
    fs::create_dir_all(home.join("server/kv_store")).unwrap();
    let definition = include_str!("data/authsome/older-api-key.json");
    fs::write(home.join("providers/mine.json"), definition).unwrap();
    fs::write(home.join("providers/broken.json"), "{").unwrap();
    fs::write(
        home.join("server/kv_store/cache.db"),
        b"SQLite\0vault:v1:openai:connection:default\0\x01",
    )
    .unwrap();
    let path = home.to_str().unwrap();
    let dry = made
        .vault(["import", "--from", "authsome", path, "--dry-run"])
        .ok();
    assert!(!made.home().join("providers").exists(), "{dry}");
    made.vault(["import", "--from", "authsome", path])
        .ok()
        .says(contains("Imported the definitions of"))
        .says(contains("vault login openai"))
        .says(contains("broken.json"));
    made.vault(["import", "--from", "authsome", path]).fails(6);
    let empty = made.path("given/empty");
    fs::create_dir_all(&empty).unwrap();
    made.vault(["import", "--from", "authsome", empty.to_str().unwrap()])
        .fails(5);
    made.vault(["import", "--from", "authsome", "nowhere"])
        .fails(5)
        .says(contains("nowhere is no folder"));
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn pairs(reading: &Reading) -> Vec<(String, String)> {
    reading
        .items
        .iter()
        .map(|item| (item.slot.to_string(), item.value.reveal().to_owned()))
        .collect()
}

proptest! {
    #[test]
    fn what_export_writes_is_read_back_as_it_was(
        values in proptest::collection::vec("[ -~\n\té漢\"'\\\\$#`=]{1,40}", 1..6)
    ) {
        let named: Vec<(VariableName, Secret)> = values
            .iter()
            .enumerate()
            .map(|(index, value)| (format!("V{index}").parse().unwrap(), secret(value)))
            .collect();
        let borrowed: Vec<_> = named.iter().map(|(name, value)| (name.clone(), value)).collect();
        for format in [Format::Dotenv, Format::Json] {
            // What the format cannot carry is refused before, one by one here.
            let carried: Vec<_> = borrowed
                .iter()
                .filter(|pair| render(format, &Settings::default(), std::slice::from_ref(*pair)).is_ok())
                .map(|(name, value)| (name.clone(), *value))
                .collect();
            let rendered = render(format, &Settings::default(), &carried).unwrap();
            let text = Secret::from_utf8(rendered.text.into_bytes()).unwrap();
            let reading = match format {
                Format::Json => json(&text).unwrap(),
                _ => dotenv(&text),
            };
            prop_assert!(reading.left.is_empty(), "{format}");
            let expected: Vec<_> = carried
                .iter()
                .map(|(name, value)| (name.to_string(), value.reveal().to_owned()))
                .collect();
            let mut read = pairs(&reading);
            read.sort();
            prop_assert_eq!(read, expected);
        }
    }
}
