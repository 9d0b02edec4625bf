//! Files that are damaged, or made to hurt: each costs little, and ends in
//! exit 7 or 4 with an error that says what to do.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use predicates::prelude::*;
use predicates::str::contains;
use rustix::process::Resource;

use support::{Finished, Run, TestEnvironment};

const MEMORY: u64 = 1 << 30;
const PATIENCE: Duration = Duration::from_secs(10);

/// A run that may cost only so much.
fn bounded(run: Run<'_>) -> Run<'_> {
    run.within(PATIENCE).limited(Resource::As, MEMORY)
}

/// The run must end with 7, unless it comes to read the same as before: then
/// true. 4 is for a slot that no longer opens.
fn is_refused_or_harmless(run: Run<'_>, key: &str) -> (bool, Finished) {
    let finished = bounded(run.asks_for_secrets()).finish();
    if finished.code == Some(0) {
        assert_eq!(finished.stdout.trim_end(), key, "{finished}");
        return (true, finished);
    }
    assert!(matches!(finished.code, Some(4 | 7)), "{finished}");
    assert!(finished.stderr.contains("Error: "), "{finished}");
    assert!(finished.stderr.contains("Hint: "), "{finished}");
    assert!(finished.stdout.is_empty(), "{finished}");
    (false, finished)
}

/// A vault with both slots, its text, and both ways to read the key in it.
struct Scene {
    environment: TestEnvironment,
    text: String,
    key: String,
    passphrase: String,
}

impl Scene {
    fn new() -> Self {
        let (environment, passphrase) = TestEnvironment::new().with_both_slots();
        let key = environment.log_in("target");
        Self {
            text: fs::read_to_string(environment.vault_file()).unwrap(),
            environment,
            key,
            passphrase,
        }
    }

    fn put(&self, content: impl AsRef<[u8]>) {
        fs::write(self.environment.vault_file(), content).unwrap();
    }

    fn get(&self) -> Run<'_> {
        self.environment
            .vault(["get", "openai/target", "-F", "api_key", "--show-secret"])
    }

    /// Reads with the identity, or with the passphrase.
    fn get_with(&self, passphrase: bool) -> Run<'_> {
        if passphrase {
            self.get().env("VAULT_PASSPHRASE", &self.passphrase)
        } else {
            self.get()
        }
    }

    /// This content must be refused as damaged, whoever asks for it.
    fn refuses(&self, content: impl AsRef<[u8]>, said: &str) {
        self.put(content);
        for passphrase in [false, true] {
            bounded(self.get_with(passphrase))
                .fails(7)
                .says(contains(said));
        }
        bounded(self.environment.vault(["list"])).fails(7);
        bounded(self.environment.vault(["login", "openai/more", "--stdin"]))
            .stdin(self.environment.key("more"))
            .fails(7);
    }

    /// The text with another payload, sealed to the vault's own key.
    fn with_payload(&self, document: &str) -> String {
        let key = self.environment.vault_key();
        let payload = key.seal(document.as_bytes()).unwrap();
        let (slots, _) = self.text.split_once("payload\n").unwrap();
        format!("{slots}payload\n{payload}")
    }

    /// The text with this age file in the place of the passphrase slot.
    fn with_passphrase_slot(&self, armored: &str) -> String {
        let (_, rest) = self.text.split_once("slot recipients\n").unwrap();
        format!("vault-file/1\nslot passphrase\n{armored}slot recipients\n{rest}")
    }

    /// The text with this age file in the place of the recipients slot.
    fn with_recipients_slot(&self, armored: &str) -> String {
        let (before, rest) = self.text.split_once("slot recipients\n").unwrap();
        let (_, payload) = rest.split_once("payload\n").unwrap();
        format!("{before}slot recipients\n{armored}payload\n{payload}")
    }
}

fn armored(binary: &[u8]) -> String {
    let encoded = STANDARD.encode(binary);
    let mut text = "-----BEGIN AGE ENCRYPTED FILE-----\n".to_owned();
    for line in encoded.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text.push_str("-----END AGE ENCRYPTED FILE-----\n");
    text
}

#[test]
fn every_truncation_is_refused() {
    let scene = Scene::new();
    for step in 0..64 {
        let length = scene.text.len() * step / 64;
        scene.put(&scene.text[..length]);
        let run = scene.get_with(step % 2 == 1);
        let (harmless, finished) = is_refused_or_harmless(run, &scene.key);
        assert!(
            !harmless && finished.code == Some(7),
            "{length}: {finished}"
        );
    }
}

#[test]
fn every_flipped_byte_is_refused_or_harmless() {
    let scene = Scene::new();
    let bytes = scene.text.as_bytes();
    let mut opened = 0;
    for step in 0..256 {
        let at = bytes.len() * step / 256;
        let mut flipped = bytes.to_owned();
        // All bits are flipped in some places: of text into other text, and
        // into what is no text.
        flipped[at] ^= 1 << (step % 8);
        scene.put(&flipped);
        let run = scene.get_with(step % 2 == 1);
        opened += usize::from(is_refused_or_harmless(run, &scene.key).0);
    }
    assert!(opened < 8, "{opened} flipped bytes went unnoticed");
}

#[test]
fn files_that_are_no_vault_are_refused() {
    let scene = Scene::new();
    for junk in [
        &b""[..],
        b"\n",
        b"vault-file/1",
        b"PK\x03\x04",
        &[0xff; 100],
    ] {
        scene.refuses(junk, "is damaged");
    }
    scene.refuses("vault-file/2\nanything\n", "newer");
    let crlf = scene.text.replace('\n', "\r\n");
    scene.refuses(crlf, "is damaged");
    scene.refuses(format!("{}\n", scene.text), "follows its payload");
}

#[test]
fn zeros_without_end_are_refused() {
    let scene = Scene::new();
    for length in [64 << 20, (64 << 20) + 1, 1 << 40] {
        let file = fs::File::create(scene.environment.vault_file()).unwrap();
        file.set_len(length).unwrap();
        drop(file);
        bounded(scene.get()).fails(7).says(contains("is damaged"));
    }
    // The hunt has better things to read.
    fs::remove_file(scene.environment.vault_file()).unwrap();
}

#[test]
fn a_header_of_a_million_stanzas_is_refused() {
    let scene = Scene::new();
    let mut header = b"age-encryption.org/v1\n".to_vec();
    for _ in 0..1_000_000 {
        header.extend(b"-> X25519 AAAA\nAAAA\n");
    }
    header.extend(b"--- AAAA\n");
    let slot = armored(&header);
    scene.put(scene.with_recipients_slot(&slot));
    bounded(scene.get()).fails(7).says(contains("recipients"));
    let (slots, _) = scene.text.split_once("payload\n").unwrap();
    scene.put(format!("{slots}payload\n{slot}"));
    bounded(scene.get()).fails(7).says(contains("recipients"));
    // The hunt has better things to read.
    fs::remove_file(scene.environment.vault_file()).unwrap();
}

#[test]
fn scrypt_work_without_measure_is_refused() {
    let scene = Scene::new();
    for work in ["40", "21", "255", "4294967296", "-1", "0x10", "020"] {
        let header = format!(
            "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA {work}\n{}\n--- {}\n",
            "A".repeat(43),
            "A".repeat(43)
        );
        let mut file = header.into_bytes();
        file.extend([0; 64]);
        scene.put(scene.with_passphrase_slot(&armored(&file)));
        let refused = bounded(scene.get_with(true)).fails(7);
        if work == "40" {
            refused
                .says(contains("2^40, more than the limit of 2^20"))
                .says(contains("--max-work-factor"));
        }
    }
}

#[test]
fn a_document_that_is_nested_without_end_is_refused() {
    let scene = Scene::new();
    let deep = 100_000;
    for document in [
        "[".repeat(deep),
        format!("{}{}", "[".repeat(deep), "]".repeat(deep)),
        format!(
            "{{\"format\":1,\"x\":{}{}}}",
            "[".repeat(deep),
            "]".repeat(deep)
        ),
        format!(
            "{{\"connections\":{}1{}}}",
            "{\"a\":".repeat(deep),
            "}".repeat(deep)
        ),
        "{\"format\":1}".to_owned(),
        "{\"format\":1,\"format\":1}".to_owned(),
        "null".to_owned(),
        String::new(),
    ] {
        scene.refuses(scene.with_payload(&document), "is damaged");
    }
}

#[test]
fn a_newer_format_is_refused_and_not_rewritten() {
    let scene = Scene::new();
    for document in [
        "{\"format\":2}",
        "{\"format\":2,\"connections\":[1,2]}",
        "{\"format\":999999999999}",
    ] {
        let newer = scene.with_payload(document);
        scene.refuses(&newer, "newer version");
        let now = fs::read_to_string(scene.environment.vault_file()).unwrap();
        assert_eq!(now, newer);
    }
}

#[test]
fn a_payload_that_was_sealed_to_another_key_is_refused() {
    let scene = Scene::new();
    let payload = vault::seal::VaultKey::generate().seal(b"{}").unwrap();
    let (slots, _) = scene.text.split_once("payload\n").unwrap();
    scene.refuses(format!("{slots}payload\n{payload}"), "another key");
}

#[test]
fn a_slot_from_before_is_refused() {
    let scene = Scene::new();
    let environment = &scene.environment;
    let other = environment.passphrase("another one");
    environment
        .vault(["rekey", "--passphrase", "--work-factor", "2"])
        .env("VAULT_NEW_PASSPHRASE", &other)
        .ok();
    // Whoever knew the old passphrase puts the old slot back.
    let (old_slots, _) = scene.text.split_once("slot recipients\n").unwrap();
    let now = fs::read_to_string(environment.vault_file()).unwrap();
    let (_, rest) = now.split_once("slot recipients\n").unwrap();
    scene.refuses(format!("{old_slots}slot recipients\n{rest}"), "swapped");
    // Taking a slot away is no better.
    scene.put(format!("vault-file/1\nslot recipients\n{rest}"));
    bounded(scene.get()).fails(7).says(contains("swapped"));
}

#[test]
fn an_older_vault_is_refused_until_it_is_accepted() {
    let scene = Scene::new();
    let environment = &scene.environment;
    environment.log_in("later");
    scene.refuses(&scene.text, "older than the one last seen");
    environment
        .vault(["doctor", "--json"])
        .finish()
        .prints(contains("older than the one last seen"));
    // What is accepted is data: it is told even where nothing else is.
    let accepted = environment.vault(["doctor", "--accept", "--quiet"]).ok();
    accepted
        .prints(contains("Last seen here: generation 4"))
        .prints(contains("The vault now:  generation 3"))
        .says(predicates::str::is_empty());
    assert_eq!(environment.stored("target"), scene.key);
    environment.vault(["doctor"]).ok();
}

#[test]
fn a_forked_vault_is_refused_until_it_is_accepted() {
    let scene = Scene::new();
    let environment = &scene.environment;
    environment.log_in("one-branch");
    let branch = fs::read(environment.vault_file()).unwrap();
    scene.put(&scene.text);
    environment.vault(["doctor", "--accept"]).ok();
    environment.log_in("other-branch");
    scene.refuses(&branch, "not the one last seen here");
    environment.vault(["doctor", "--accept", "--json"]).ok();
    assert_eq!(
        environment.stored("one-branch"),
        support::fake_key("one-branch")
    );
}

#[test]
fn another_vault_is_refused_until_it_is_accepted() {
    let scene = Scene::new();
    let environment = &scene.environment;
    let other = environment.home().join("other.age");
    environment.vault(["init", "--file"]).arg(&other).ok();
    let other = fs::read(&other).unwrap();
    scene.put(&other);
    bounded(scene.get())
        .fails(7)
        .says(contains("another one than last seen"))
        .says(contains("vault doctor --accept"));
    environment.vault(["doctor", "--accept"]).ok();
    environment.vault(["list"]).ok();
}

#[test]
fn a_machine_without_state_can_ask_for_one_vault() {
    let environment = TestEnvironment::new().with_identity_vault();
    let shown = environment.vault(["recipients", "--json"]).ok().json();
    let fingerprint = shown["fingerprint"].as_str().unwrap();
    environment
        .vault(["list", "--vault-fingerprint", fingerprint])
        .ok();
    environment
        .vault(["list"])
        .env("VAULT_FINGERPRINT", fingerprint)
        .ok();
    let another = "0".repeat(32);
    environment
        .vault(["list", "--vault-fingerprint", &another])
        .fails(7)
        .says(contains(fingerprint).and(contains(&another)));
    environment
        .vault(["list"])
        .env("VAULT_FINGERPRINT", &another)
        .fails(7);
    environment
        .vault(["list", "--vault-fingerprint", "x"])
        .fails(2);
}

#[test]
fn a_damaged_pin_is_refused_until_it_is_written_anew() {
    let scene = Scene::new();
    let environment = &scene.environment;
    let state = environment.home().join("state");
    let pin = environment
        .files_under(&state)
        .into_iter()
        .find(|path| path.to_string_lossy().contains("pin-"))
        .unwrap();
    for junk in ["", "{}", "[[[[", &"[".repeat(4000), &"x".repeat(10_000)] {
        fs::write(&pin, junk).unwrap();
        let refused = bounded(scene.get()).finish();
        assert_eq!(refused.code, Some(7), "{refused}");
        assert!(refused.stderr.contains("pin"), "{refused}");
        assert!(refused.stderr.contains("doctor --accept"), "{refused}");
        environment.vault(["doctor", "--accept"]).ok();
        assert_eq!(environment.stored("target"), scene.key);
    }
}

#[test]
fn hostile_identities_cost_little() {
    let environment = TestEnvironment::new().with_identity_vault();
    fs::remove_file(environment.identity_file()).unwrap();
    let huge = environment.given("huge", "");
    fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let header = format!(
        "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 40\n{}\n--- {}\n",
        "A".repeat(43),
        "A".repeat(43)
    );
    let costly = environment.given("costly", armored(header.as_bytes()));
    let many = environment.given("many", "AGE-SECRET-KEY-1FAKE\n".repeat(40_000));
    let refused = |path: &Path| {
        let run = environment.vault(["list", "--identity"]).arg(path);
        let finished = bounded(run).env("VAULT_PASSPHRASE_FILE", "").finish();
        assert!(matches!(finished.code, Some(1 | 4)), "{finished}");
        assert!(finished.stderr.contains("Hint: "), "{finished}");
    };
    refused(&huge);
    refused(&many);
    let words = environment.given("words", "FAKE words");
    bounded(environment.vault(["list", "--identity"]))
        .arg(&costly)
        .arg("--passphrase-file")
        .arg(words)
        .fails(4)
        .says(contains("2^40").and(contains("--max-work-factor")));
}
