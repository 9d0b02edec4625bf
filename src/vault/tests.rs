//! What must be true of a vault on disk, whatever happens to the file.

mod backups;
mod refusals;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::credential::{AuthKind, Credential, Value};
use crate::name::ConnectionId;
use crate::seal::{
    IdentityFile, MAX_WORK_FACTOR, Opener, Prompts, VaultKey, seal_to_passphrase,
    seal_to_recipients,
};
use crate::secret::Secret;

fn moment() -> Moment<'static> {
    Moment {
        now: "2026-01-01T12:00:00Z".parse().unwrap(),
        command: "test",
    }
}

fn id(text: &str) -> ConnectionId {
    let (provider, connection) = text.split_once('/').unwrap();
    ConnectionId {
        provider: provider.parse().unwrap(),
        connection: connection.parse().unwrap(),
    }
}

fn credential(key: &str) -> Credential {
    let value = Value::of(
        BTreeMap::from([("api_key".parse().unwrap(), Secret::from(key.to_owned()))]),
        moment().now,
    );
    Credential::new(AuthKind::ApiKey, value)
}

/// A vault in a folder of its own, opened by one identity.
struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
    key: VaultKey,
    identity: IdentityFile,
}

impl Fixture {
    /// The key of `openai/default` in a vault that was opened.
    fn key_in(opened: &Opened) -> String {
        let found = opened.document.connection(&id("openai/default"));
        let found = found.unwrap().unwrap();
        found.value.fields["api_key"].reveal().to_owned()
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path());
        let key = VaultKey::generate();
        let (identity, recipient) = IdentityFile::generate("2026-01-01T00:00:00Z");
        let entry = RosterEntry::new(recipient.clone(), moment().now);
        let made = store
            .create(
                moment(),
                || {
                    Ok(Slotted {
                        key: key.clone(),
                        passphrase: None,
                        recipients: Some(seal_to_recipients(
                            &key,
                            &[recipient],
                            &Prompts::nobody(),
                        )?),
                        roster: Roster::new(None, vec![entry]),
                    })
                },
                |_| Ok(()),
            )
            .unwrap();
        assert!(made.is_some());
        let identity = IdentityFile::parse(identity.reveal().as_bytes(), "identity").unwrap();
        Self {
            folder,
            store,
            key,
            identity,
        }
    }

    fn put(&self, name: &str, key: &str) {
        self.store
            .change(&self.key, moment(), Change::Ordinary, |document| {
                document.put_connection(&id(name), &credential(key));
                Ok(())
            })
            .unwrap();
    }

    fn key_of(&self, name: &str) -> Option<String> {
        let opened = self.store.open(self.key.clone()).unwrap();
        let found = opened.document.connection(&id(name)).unwrap()?;
        Some(found.value.fields["api_key"].reveal().to_owned())
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("vault.age")
    }

    /// What somebody with the identity gets to see, through all the checks.
    fn open_from_slot(&self, store: &Store) -> Result<Opened, VaultError> {
        let sealed = store.read()?.expect("the file is there");
        let opened = sealed.try_slot(
            &Opener::Identities(&self.identity),
            MAX_WORK_FACTOR,
            &Prompts::nobody(),
        );
        match opened {
            Some(Ok(key)) => store.open(key),
            Some(Err(error)) => Err(damaged(store.path(), error)),
            None => Err(damaged(store.path(), "no slot")),
        }
    }
}

fn store_in(folder: &std::path::Path) -> Store {
    let places = Places {
        file: folder.join("vault.age"),
        state: folder.join("state"),
        backups: Some(folder.join("backups")),
    };
    Store::at(places, None).unwrap()
}

#[test]
fn what_was_put_in_is_found_again() {
    let fixture = Fixture::new();
    fixture.put("openai/default", "sk-FAKE-1");
    fixture.put("openai/team", "sk-FAKE-2");
    assert_eq!(
        fixture.key_of("openai/default").as_deref(),
        Some("sk-FAKE-1")
    );
    assert_eq!(fixture.key_of("openai/team").as_deref(), Some("sk-FAKE-2"));
    assert_eq!(fixture.key_of("openai/other"), None);
}

#[test]
fn nothing_is_readable_without_the_key() {
    let fixture = Fixture::new();
    fixture.put("canaryprovider/canaryconnection", "sk-CANARY");
    for entry in fs::read_dir(fixture.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let content = fs::read_to_string(&path).unwrap().to_lowercase();
            assert!(!content.contains("canary"), "{}", path.display());
        }
    }
}

#[test]
fn members_of_the_roster_that_are_not_known_survive_a_rewrite() {
    let mut document = Document::new(Roster::default(), moment().now);
    let (_, recipient) = IdentityFile::generate("2026-01-01T00:00:00Z");
    document
        .roster
        .recipients
        .push(RosterEntry::new(recipient, moment().now));
    let text = String::from_utf8(document.render().as_bytes().to_vec()).unwrap();
    let newer = text
        .trim_end()
        .replace("\"roster\":{", "\"roster\":{\"future\":[1],")
        .replace("{\"recipient\":", "{\"expires\":\"soon\",\"recipient\":");
    let mut read = Document::parse(zeroize::Zeroizing::new(newer.into_bytes())).unwrap();
    let mut roster = read.roster.clone();
    roster.passphrase = Some(moment().now);
    read.roster = roster;
    let rewritten = read.render();
    let rewritten = std::str::from_utf8(rewritten.as_bytes()).unwrap();
    assert!(rewritten.contains("\"future\":[1]"), "{rewritten}");
    assert!(rewritten.contains("\"expires\":\"soon\""), "{rewritten}");
}

#[test]
fn between_the_announcement_of_a_new_key_and_the_change_either_vault_opens() {
    let fixture = Fixture::new();
    let old = fs::read(fixture.file()).unwrap();
    let seen = fixture.store.pin().unwrap().unwrap();
    let new_key = VaultKey::generate();
    let rekey = |opened: &Opened| {
        let identities = fixture.identity.recipients().unwrap();
        Ok(Slotted {
            key: new_key.clone(),
            passphrase: None,
            recipients: Some(seal_to_recipients(
                &new_key,
                &identities,
                &Prompts::nobody(),
            )?),
            roster: opened.document.roster.clone(),
        })
    };
    fixture.store.rekey(&fixture.key, moment(), rekey).unwrap();
    let new = fs::read(fixture.file()).unwrap();
    // As a writer leaves it that is killed just before or after the rename.
    let announced = Pin {
        next: Some((new_key.fingerprint(), 2)),
        ..seen
    };
    for (content, key) in [(&old, &fixture.key), (&new, &new_key)] {
        fs::write(fixture.file(), content).unwrap();
        fixture.store.pin.set(&announced).unwrap();
        assert!(fixture.store.open(key.clone()).is_ok());
    }
    // Once the new one was seen, the old one is another vault.
    fs::write(fixture.file(), old).unwrap();
    let refused = fixture.store.open(fixture.key.clone());
    assert!(matches!(refused, Err(VaultError::Swapped { .. })));
}

#[test]
fn the_pin_remembers_how_long_the_audit_log_ever_was() {
    let fixture = Fixture::new();
    let state = fixture.store.pin.folder().to_owned();
    let mark = |seq: u64, digit: &str| format!("{seq:020} {}", digit.repeat(64));
    let after = |head: Option<String>| {
        let path = state.join("audit.head");
        match head {
            Some(head) => fs::write(path, head + "\n").unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        fixture.put("openai/default", "sk-FAKE");
        let seen = fixture.store.pin().unwrap().unwrap().audit;
        assert_eq!(
            audit_marks(&state),
            seen.clone().into_iter().collect::<Vec<_>>()
        );
        seen
    };
    assert_eq!(fixture.store.pin().unwrap().unwrap().audit, None);
    assert_eq!(after(Some(mark(9, "a"))), Some(mark(9, "a")));
    assert_eq!(after(Some(mark(12, "b"))), Some(mark(12, "b")));
    // Whatever happens to the log and to what is kept beside it.
    assert_eq!(after(Some(mark(9, "c"))), Some(mark(12, "b")));
    assert_eq!(after(None), Some(mark(12, "b")));
    assert_eq!(after(Some("z".repeat(85))), Some(mark(12, "b")));
    assert_eq!(after(Some(mark(13, "d"))), Some(mark(13, "d")));
}

#[test]
fn a_failed_change_leaves_the_vault_as_it_was() {
    let fixture = Fixture::new();
    fixture.put("openai/default", "sk-FAKE");
    let before = fs::read(fixture.file()).unwrap();
    let refused: Result<(), Error> =
        fixture
            .store
            .change(&fixture.key, moment(), Change::Ordinary, |document| {
                document.retire_connection(&id("openai/default"), None);
                Err(Error::new(Kind::InvalidInput, "no"))
            });
    assert!(refused.is_err());
    assert_eq!(fs::read(fixture.file()).unwrap(), before);
}

#[test]
fn temporary_files_of_dead_writers_are_swept_by_the_next_commit() {
    let fixture = Fixture::new();
    let dead = fixture.folder.path().join(".vault.age.tmp-1-0000");
    fs::write(&dead, "half a vault").unwrap();
    fixture.put("openai/default", "sk-FAKE");
    assert!(!dead.exists());
}

#[test]
fn files_and_folders_are_for_their_owner_alone() {
    let fixture = Fixture::new();
    fixture.put("openai/default", "sk-FAKE");
    let mut pending = vec![fixture.folder.path().to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            if path.is_dir() {
                assert_eq!(mode, 0o700, "{}", path.display());
                pending.push(path);
            } else {
                assert_eq!(mode, 0o600, "{}", path.display());
            }
        }
    }
}

#[test]
fn a_vault_behind_a_link_stays_behind_it() {
    let fixture = Fixture::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.age");
    std::os::unix::fs::symlink(fixture.file(), &link).unwrap();
    let places = Places {
        file: link.clone(),
        state: fixture.folder.path().join("state"),
        backups: None,
    };
    let store = Store::at(places, None).unwrap();
    store
        .change(&fixture.key, moment(), Change::Ordinary, |document| {
            document.put_connection(&id("openai/default"), &credential("sk-FAKE"));
            Ok(())
        })
        .unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fixture.key_of("openai/default").as_deref(), Some("sk-FAKE"));
}

#[test]
fn the_document_is_padded_so_that_its_size_says_little() {
    let fixture = Fixture::new();
    let size = || fs::metadata(fixture.file()).unwrap().len();
    let empty = size();
    fixture.put("openai/default", "sk-FAKE");
    // The header carries a random stanza of a few bytes to a few lines.
    assert!(size().abs_diff(empty) < 600, "{} {empty}", size());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_rewrite_keeps_members_that_it_does_not_know(
        name in "[a-z]{12}",
        value in prop_oneof![Just("1e3".to_owned()), Just("{\"a\" : [null, \"\\u00e9\"]}".to_owned()), "[1-9][0-9]{0,17}"],
    ) {
        let mut document = Document::new(Roster::default(), moment().now);
        document.put_connection(&id("openai/default"), &credential("sk-FAKE"));
        let text = String::from_utf8(document.render().as_bytes().to_vec()).unwrap();
        let trimmed = text.trim_end().strip_suffix('}').unwrap();
        let extended = format!("{trimmed},\"{name}\":{value}}}");
        let read = Document::parse(zeroize::Zeroizing::new(extended.clone().into_bytes())).unwrap();
        let written = read.render();
        let written = std::str::from_utf8(written.as_bytes()).unwrap();
        prop_assert_eq!(written.len() % 4096, 0);
        prop_assert_eq!(written.trim_end(), extended);
    }
}
