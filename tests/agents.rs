//! Agents of the gateway and its certificate authority, through the binary:
//! tokens are printed once and kept as digests, the authority's key never
//! leaves the vault.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use jiff::Timestamp;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use support::{Finished, TestEnvironment};
use vault::seal::VaultKey;
use vault::vault::{Change, Document, Moment, Places, Store};

/// A vault that the machine's own identity opens.
fn filled() -> TestEnvironment {
    TestEnvironment::new().with_identity_vault()
}

fn store(made: &TestEnvironment) -> (Store, VaultKey) {
    let places = Places {
        file: made.vault_file(),
        state: made.home().join("state"),
        backups: None,
    };
    (Store::at(places, None).unwrap(), made.vault_key())
}

/// What the vault holds.
fn document(made: &TestEnvironment) -> Document {
    let (store, key) = store(made);
    store.open(key).unwrap().document
}

fn text_of(document: &Document) -> String {
    String::from_utf8(document.render().as_bytes().to_vec()).unwrap()
}

fn agents(made: &TestEnvironment) -> Value {
    let listed = made.vault(["agent", "list", "--json"]).ok().json();
    listed["agents"].clone()
}

/// Makes an agent; its token must not be seen from here on.
fn create(made: &TestEnvironment, arguments: &[&str]) -> String {
    let run = made.vault(["agent", "create"]).args(arguments);
    token_of(made, &run.asks_for_secrets().ok())
}

fn token_of(made: &TestEnvironment, run: &Finished) -> String {
    let token = run.stdout.strip_suffix('\n').unwrap();
    assert!(token.starts_with("vat_") && token.len() == 47, "{token}");
    assert!(!run.stderr.contains(token), "{run}");
    made.secret("an agent's token", token)
}

fn digest(token: &str) -> String {
    let digest = Sha256::digest(token);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_token_is_printed_once_and_the_vault_keeps_its_digest() {
    let made = filled();
    let token = create(&made, &["ci"]);
    let text = text_of(&document(&made));
    assert!(!text.contains(&token));
    assert!(text.contains(&digest(&token)), "{text}");
    // The hunt sees to it that none of these shows the token.
    made.vault(["agent", "list"]).ok();
    agents(&made);
    made.vault(["agent", "create", "ci"]).fails(6);
}

#[test]
fn people_are_told_how_a_token_is_used_and_scripts_get_the_token_alone() {
    let made = filled();
    let run = made.vault(["agent", "create", "ci"]).asks_for_secrets();
    let run = run.ok();
    token_of(&made, &run);
    for line in [
        "  HTTPS_PROXY=http://ci:TOKEN@127.0.0.1:8765",
        "  OPENAI_BASE_URL=http://127.0.0.1:8765/api/openai/v1",
    ] {
        assert!(run.stderr.lines().any(|said| said == line), "{run}");
    }
    let allowed = ["agent", "create", "b", "--allow", "anthropic"];
    let run = made.vault(allowed).asks_for_secrets().ok();
    token_of(&made, &run);
    assert!(
        contains("ANTHROPIC_BASE_URL=http://127.0.0.1:8765/api/anthropic\n").eval(&run.stderr),
        "{run}"
    );
    let run = made.vault(["agent", "create", "c", "--quiet"]);
    let run = run.asks_for_secrets().ok();
    token_of(&made, &run);
    assert_eq!(run.stderr, "");
}

#[test]
fn scripts_get_the_shapes_that_they_rely_on() {
    let made = filled();
    let call = ["agent", "create", "ci", "--json"];
    let run = made.vault(call).asks_for_secrets().ok();
    let first = run.json();
    made.secret("an agent's token", first["token"].as_str().unwrap());
    assert_eq!(run.stderr, "");
    assert_eq!(first["agent"], "ci");
    assert_eq!(first["expires_at"], Value::Null);
    assert_eq!(first.as_object().unwrap().len(), 3, "{first}");
    let call = ["agent", "create", "b", "--json", "--quiet"];
    let options = ["--allow", "github,openai/team", "--expires", "2099-01-31"];
    let run = made.vault(call).args(options).asks_for_secrets().ok();
    let second = run.json();
    made.secret("an agent's token", second["token"].as_str().unwrap());
    assert_eq!(second["expires_at"], "2099-01-31T00:00:00Z");
    let listed = agents(&made);
    let created = |at: usize| listed[at]["created_at"].clone();
    assert_eq!(
        listed,
        json!([
            {"agent": "b", "allow": ["github", "openai/team"], "created_at": created(0),
             "expires_at": "2099-01-31T00:00:00Z", "status": "active"},
            {"agent": "ci", "allow": [], "created_at": created(1),
             "expires_at": null, "status": "active"},
        ])
    );
    let time: Timestamp = created(0).as_str().unwrap().parse().unwrap();
    assert_eq!(time.subsec_nanosecond(), 0);
    let gone = made.vault(["agent", "revoke", "ci", "--json"]).ok().json();
    assert_eq!(gone, json!({"status": "revoked", "agent": "ci"}));
    let refused = made.vault(["agent", "create", "b", "--json"]).finish();
    assert_eq!(refused.code, Some(6));
    let error: Value = serde_json::from_str(&refused.stderr).unwrap();
    assert_eq!(error["error"]["code"], "conflict");
}

#[test]
fn a_new_token_ends_the_old_one_and_leaves_the_rest() {
    let made = filled();
    let old = create(&made, &["ci", "--allow", "openai", "--expires", "30d"]);
    let before = agents(&made);
    let rotated = made.vault(["agent", "rotate", "ci"]).asks_for_secrets();
    let new = token_of(&made, &rotated.ok());
    assert_ne!(old, new);
    let text = text_of(&document(&made));
    assert!(text.contains(&digest(&new)));
    assert!(!text.contains(&digest(&old)));
    assert_eq!(agents(&made), before);
    made.vault(["agent", "rotate", "other"]).fails(3);
}

#[test]
fn an_agent_of_a_name_that_is_taken_needs_force() {
    let made = filled();
    let old = create(&made, &["ci", "--allow", "openai"]);
    made.vault(["agent", "create", "ci"])
        .fails(6)
        .says(contains("vault agent rotate ci"));
    assert!(text_of(&document(&made)).contains(&digest(&old)));
    let new = create(&made, &["ci", "--force", "--allow", "github"]);
    let text = text_of(&document(&made));
    assert!(text.contains(&digest(&new)) && !text.contains(&digest(&old)));
    assert_eq!(agents(&made)[0]["allow"], json!(["github"]));
}

#[test]
fn a_revoked_agent_is_gone_and_an_earlier_vault_does_not_bring_it_back() {
    let made = filled();
    let token = create(&made, &["ci"]);
    create(&made, &["other"]);
    made.log_in("team");
    made.vault(["agent", "revoke", "ci"]).ok();
    made.vault(["agent", "revoke", "ci"])
        .fails(3)
        .says(contains("vault agent list"));
    let listed = made.vault(["backups", "--json"]).ok().json();
    let newest = listed["backups"][0]["backup"].as_str().unwrap().to_owned();
    made.vault(["backups", "restore", &newest]).ok();
    assert!(!text_of(&document(&made)).contains(&digest(&token)));
    assert_eq!(agents(&made).as_array().unwrap().len(), 1);
    made.stored("team");
}

#[test]
fn where_no_vault_knows_better_a_person_is_told_which_agents_are_back() {
    let made = filled();
    create(&made, &["ci"]);
    made.vault(["agent", "revoke", "ci"]).ok();
    let listed = made.vault(["backups", "--json"]).ok().json();
    let newest = listed["backups"][0]["backup"].as_str().unwrap().to_owned();
    std::fs::write(made.vault_file(), "rubble").unwrap();
    made.vault(["backups", "restore", &newest])
        .ok()
        .says(contains("vault agent revoke ci"));
}

#[test]
fn an_agent_that_has_ended_says_so() {
    let made = filled();
    let run = made.vault(["agent", "create", "ci", "--expires", "2020-01-31"]);
    let run = run.asks_for_secrets().ok();
    token_of(&made, &run);
    run.says(contains("in the past"));
    assert_eq!(agents(&made)[0]["status"], "expired");
    let table = made.vault(["agent", "list"]).ok().stdout;
    assert!(table.contains("2020-01-31 (expired)"), "{table}");
    made.vault(["agent", "rotate", "ci"])
        .fails(5)
        .says(contains("--expires 30d"));
    let later = ["agent", "rotate", "ci", "--expires", "30d"];
    token_of(&made, &made.vault(later).asks_for_secrets().ok());
    assert_eq!(agents(&made)[0]["status"], "active");
}

#[test]
fn what_an_agent_may_use_has_to_be_known_and_may_be_missing_yet() {
    let made = filled();
    let run = |allow: &str| made.vault(["agent", "create", "ci", "--allow", allow]);
    run("opneai")
        .fails(3)
        .says(contains("Did you mean 'openai'"));
    for wrong in ["", ",", "openai,", "openai/", "Open AI", "openai/team/x"] {
        run(wrong).fails(2);
    }
    assert_eq!(agents(&made), json!([]));
    let missing = run("openai/team,github").asks_for_secrets().ok();
    token_of(&made, &missing);
    missing.says(contains("no connection openai/team yet"));
    made.log_in("team");
    let again = run("openai/team,github").arg("--force").asks_for_secrets();
    let again = again.ok();
    token_of(&made, &again);
    again.says(contains("yet").not());
}

#[test]
fn an_agent_follows_a_connection_to_its_new_name() {
    let made = filled();
    made.log_in("team");
    create(&made, &["a", "--allow", "github,openai/team", "--quiet"]);
    create(&made, &["b", "--allow", "openai", "--quiet"]);
    made.vault(["rename", "openai/team", "work"]).ok();
    let listed = agents(&made);
    assert_eq!(listed[0]["allow"], json!(["github", "openai/work"]));
    assert_eq!(listed[1]["allow"], json!(["openai"]));
    // It is not let into more when the connection goes.
    made.vault(["logout", "openai/work", "--local"]).ok();
    assert_eq!(agents(&made)[0]["allow"], json!(["github", "openai/work"]));
}

#[test]
fn without_a_vault_there_are_no_agents_and_none_is_made() {
    let made = TestEnvironment::new();
    for call in [
        &["agent", "create", "ci"][..],
        &["agent", "list"],
        &["agent", "rotate", "ci"],
        &["agent", "revoke", "ci"],
        &["ca"],
    ] {
        made.vault(call).fails(3).says(contains("vault init"));
    }
    assert!(!made.vault_file().exists());
    made.vault(["agent", "create", "A B"]).fails(2);
}

#[test]
fn the_table_shows_who_may_use_what() {
    let made = filled();
    made.vault(["agent", "list"])
        .ok()
        .says(contains("vault agent create"));
    create(
        &made,
        &["ci", "--allow", "github,openai", "--expires", "2099-01-31"],
    );
    create(&made, &["all"]);
    let table = made.vault(["agent", "list"]).ok().stdout;
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["AGENT", "EXPIRES", "CREATED", "ALLOW"]);
    assert_eq!((lines[1][0], lines[1][1], lines[1][3]), ("all", "-", "all"));
    assert_eq!(lines[2][..2], ["ci", "2099-01-31"]);
    assert_eq!(lines[2][3..], ["github,", "openai"]);
}

#[test]
fn names_of_agents_complete_where_they_are_taken() {
    let made = filled();
    create(&made, &["nightly"]);
    for command in ["rotate", "revoke"] {
        let run = made.vault(["--", "vault", "agent", command, ""]);
        let run = run.env("COMPLETE", "fish").ok();
        assert!(run.stdout.contains("nightly"), "{run}");
    }
    let run = made.vault(["--", "vault", "agent", "create", "x", "--allow", "open"]);
    let run = run.env("COMPLETE", "fish").ok();
    assert!(run.stdout.contains("openai"), "{run}");
}

#[test]
fn the_certificate_is_the_same_each_time_and_its_key_stays_in_the_vault() {
    let made = filled();
    let first = made.vault(["ca"]).ok().stdout;
    assert_eq!(first.matches("-----BEGIN").count(), 1);
    assert!(
        first.starts_with("-----BEGIN CERTIFICATE-----\n"),
        "{first}"
    );
    assert!(first.ends_with("-----END CERTIFICATE-----\n"));
    let stored = document(&made).authority().unwrap().unwrap();
    assert_eq!(stored.certificate, first);
    for line in stored.key.reveal().lines().filter(|line| line.len() == 64) {
        made.secret("the authority's key", line);
    }
    let generation = document(&made).generation;
    assert_eq!(made.vault(["ca", "export"]).ok().stdout, first);
    let said = made.vault(["ca", "--json"]).ok().json();
    assert_eq!(said, json!({"certificate": first}));
    made.vault(["list", "--connected"]).ok();
    made.vault(["recipients"]).ok();
    // Printing what is there changes nothing.
    assert_eq!(document(&made).generation, generation);
    // Nor does a new key for the vault, or an earlier vault.
    made.vault(["rekey"]).ok();
    made.vault(["backups", "restore", "1"]).ok();
    assert_eq!(made.vault(["ca"]).ok().stdout, first);
    let second = made.vault(["ca", "renew"]).ok().stdout;
    assert_ne!(second, first);
    assert_eq!(made.vault(["ca"]).ok().stdout, second);
}

#[test]
fn a_host_of_a_new_provider_gets_into_the_certificate() {
    let made = filled();
    let first = made.vault(["ca"]).ok().stdout;
    let definition = json!({
        "schema_version": 1, "name": "corp", "display_name": "Corp", "auth_type": "api_key",
        "host_url": "https://api.corp.example", "api_key": {"header_name": "Authorization"}
    });
    let file = made.given("corp.json", definition.to_string());
    made.vault(["provider", "register"]).arg(file).ok();
    let second = made.vault(["ca"]).ok().stdout;
    assert_ne!(first, second);
    let key = |made: &TestEnvironment| document(made).authority().unwrap().unwrap().key;
    let kept = key(&made);
    assert_eq!(made.vault(["ca"]).ok().stdout, second);
    // It stays there, so that no two of them take turns.
    made.vault(["provider", "remove", "corp"]).ok();
    assert_eq!(made.vault(["ca"]).ok().stdout, second);
    assert!(key(&made).matches(&kept));
}

#[test]
fn what_a_newer_version_keeps_for_the_gateway_survives() {
    let made = filled();
    create(&made, &["ci"]);
    made.vault(["ca"]).ok();
    let (store, key) = store(&made);
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    let moment = Moment {
        now,
        command: "test",
    };
    store
        .change(&key, moment, Change::Ordinary, |document| {
            let text = text_of(document);
            let text = text
                .replacen(
                    r#""gateway":{"#,
                    r#""gateway":{"later":{"x" : [1, 2.50]},"#,
                    1,
                )
                .replacen(r#""token_sha256""#, r#""quota":7,"token_sha256""#, 1)
                .replacen(r#""authority":{"#, r#""authority":{"also":1,"#, 1);
            *document = Document::parse(text.into_bytes().into()).unwrap();
            Ok(())
        })
        .unwrap();
    made.vault(["agent", "rotate", "ci"])
        .asks_for_secrets()
        .ok();
    made.vault(["ca", "renew"]).ok();
    create(&made, &["other"]);
    made.log_in("team");
    let text = text_of(&document(&made));
    for kept in [
        r#""later":{"x" : [1, 2.50]}"#,
        r#""quota":7"#,
        r#""also":1"#,
    ] {
        assert!(text.contains(kept), "{kept}");
    }
}

#[test]
fn the_name_of_the_program_of_run_is_no_agents() {
    let environment = TestEnvironment::new();
    environment.log_in("default");
    let run = environment.vault(["agent", "create", "run"]);
    run.fails(2).says(contains("'run'"));
}
