//! What must be true of a vault on disk, whatever happens to the file.

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
    let value = Value {
        fields: BTreeMap::from([("api_key".parse().unwrap(), Secret::from(key.to_owned()))]),
        account: None,
        scopes: Vec::new(),
        base_url: None,
        expires_at: None,
        rotate_at: None,
        stored_at: moment().now,
    };
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
fn every_truncation_and_every_flipped_byte_is_an_error_or_changes_nothing() {
    let fixture = Fixture::new();
    fixture.put("openai/default", "sk-FAKE");
    let whole = fs::read(fixture.file()).unwrap();
    for end in 0..whole.len() {
        fs::write(fixture.file(), &whole[..end]).unwrap();
        assert!(
            fixture.open_from_slot(&fixture.store).is_err(),
            "cut at {end}"
        );
    }
    for position in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[position] ^= 1 << (position % 8);
        fs::write(fixture.file(), &flipped).unwrap();
        if let Ok(opened) = fixture.open_from_slot(&fixture.store) {
            let found = opened
                .document
                .connection(&id("openai/default"))
                .unwrap()
                .unwrap();
            assert_eq!(found.value.fields["api_key"].reveal(), "sk-FAKE");
        }
    }
}

#[test]
fn an_older_vault_is_refused_until_accepted() {
    let fixture = Fixture::new();
    fixture.put("openai/default", "sk-FAKE-1");
    let old = fs::read(fixture.file()).unwrap();
    fixture.put("openai/default", "sk-FAKE-2");
    fs::write(fixture.file(), old).unwrap();
    let refused = fixture.store.open(fixture.key.clone());
    assert!(matches!(
        refused,
        Err(VaultError::RolledBack {
            found: 2,
            seen: 3,
            ..
        })
    ));

    let sealed = fixture.store.read().unwrap().unwrap();
    let opened = fixture
        .store
        .open_unpinned(&sealed, fixture.key.clone())
        .unwrap();
    fixture.store.accept(&opened).unwrap();
    assert_eq!(
        fixture.key_of("openai/default").as_deref(),
        Some("sk-FAKE-1")
    );
}

#[test]
fn a_forked_vault_is_refused() {
    let fixture = Fixture::new();
    let base = fs::read(fixture.file()).unwrap();
    // The other machine makes its own second generation.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("vault.age"), &base).unwrap();
    store_in(elsewhere.path())
        .change(&fixture.key, moment(), Change::Ordinary, |document| {
            document.put_connection(&id("openai/default"), &credential("sk-FAKE-OTHER"));
            Ok(())
        })
        .unwrap();
    fixture.put("openai/default", "sk-FAKE-HERE");
    fs::copy(elsewhere.path().join("vault.age"), fixture.file()).unwrap();
    let refused = fixture.store.open(fixture.key.clone());
    assert!(matches!(
        refused,
        Err(VaultError::Forked { generation: 2, .. })
    ));
}

#[test]
fn another_vault_at_the_same_place_is_refused() {
    let fixture = Fixture::new();
    let other = Fixture::new();
    fs::copy(other.file(), fixture.file()).unwrap();
    let refused = fixture.store.open(other.key.clone());
    assert!(matches!(refused, Err(VaultError::Swapped { .. })));
}

#[test]
fn a_vault_with_another_fingerprint_than_asked_for_is_refused() {
    let fixture = Fixture::new();
    let other = VaultKey::generate().fingerprint();
    for (wanted, fits) in [(fixture.key.fingerprint(), true), (other, false)] {
        let places = Places {
            file: fixture.file(),
            state: fixture.folder.path().join("nothing-seen-here"),
            backups: None,
        };
        let store = Store::at(places, Some(wanted)).unwrap();
        assert_eq!(store.open(fixture.key.clone()).is_ok(), fits);
    }
}

#[test]
fn a_slot_put_back_from_an_earlier_file_is_refused() {
    let fixture = Fixture::new();
    let rewrite = |passphrase: &str| {
        let passphrase = Secret::from(passphrase.to_owned());
        fixture
            .store
            .rekey(&fixture.key, moment(), |opened| {
                Ok(Slotted {
                    key: fixture.key.clone(),
                    passphrase: Some(seal_to_passphrase(&fixture.key, &passphrase, 2)?),
                    recipients: opened.slot(SlotKind::Recipients).cloned(),
                    roster: opened.document.roster.clone(),
                })
            })
            .unwrap();
        fs::read_to_string(fixture.file()).unwrap()
    };
    let part = |text: &str| {
        let start = text.find("slot passphrase").unwrap();
        text[start..text.find("slot recipients").unwrap()].to_owned()
    };
    let old = rewrite("leaked words");
    let new = rewrite("new words");
    fs::write(fixture.file(), new.replace(&part(&new), &part(&old))).unwrap();
    let refused = fixture.store.open(fixture.key.clone());
    assert!(matches!(refused, Err(VaultError::SwappedSlot { .. })));
}

#[test]
fn a_newer_format_is_refused_and_never_rewritten() {
    let fixture = Fixture::new();
    let text = fs::read_to_string(fixture.file()).unwrap();
    let layout = layout::Layout::of(&text).unwrap();
    let parts = layout::Parts::of(&text, &layout);
    for document in [r#"{"format":2}"#, r#"{"format":99,"connections":[]}"#] {
        let payload = fixture.key.seal(document.as_bytes()).unwrap();
        let newer = parts.render(&payload);
        fs::write(fixture.file(), &newer).unwrap();
        let refused = fixture.store.open(fixture.key.clone());
        assert!(
            matches!(refused, Err(VaultError::Newer { .. })),
            "{document}"
        );
        let change = fixture
            .store
            .change(&fixture.key, moment(), Change::Ordinary, |_| Ok(()));
        assert_eq!(change.unwrap_err().kind(), Kind::Corrupt);
        assert_eq!(fs::read_to_string(fixture.file()).unwrap(), newer);
    }
}

#[test]
fn hostile_documents_are_refused_without_a_crash() {
    let fixture = Fixture::new();
    let text = fs::read_to_string(fixture.file()).unwrap();
    let layout = layout::Layout::of(&text).unwrap();
    let parts = layout::Parts::of(&text, &layout);
    let deep = "[".repeat(100_000);
    for document in [
        String::new(),
        "null".to_owned(),
        deep.clone(),
        format!(r#"{{"format":1,"connections":{deep}"#),
        format!(r#"{{"format":1,"roster":{deep}{}}}"#, "]".repeat(100_000)),
        r#"{"format":1,"format":1}"#.to_owned(),
        "\u{0}".repeat(4096),
    ] {
        let payload = fixture.key.seal(document.as_bytes()).unwrap();
        fs::write(fixture.file(), parts.render(&payload)).unwrap();
        let refused = fixture.store.open(fixture.key.clone());
        assert!(matches!(refused, Err(VaultError::Damaged { .. })));
    }
}

#[test]
fn a_huge_file_of_zeros_is_refused_at_once() {
    let fixture = Fixture::new();
    fs::write(fixture.file(), vec![0; 64 * 1024 * 1024]).unwrap();
    assert!(matches!(
        fixture.store.read(),
        Err(VaultError::Damaged { .. })
    ));
    let file = fs::OpenOptions::new()
        .write(true)
        .open(fixture.file())
        .unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(matches!(
        fixture.store.read(),
        Err(VaultError::Damaged { .. })
    ));
}

#[test]
fn the_last_ten_earlier_files_are_kept_and_renewals_leave_none() {
    let fixture = Fixture::new();
    for number in 0..13 {
        fixture.put("openai/default", &format!("sk-FAKE-{number}"));
    }
    let numbers: Vec<_> = fixture
        .store
        .backups()
        .unwrap()
        .iter()
        .map(Backup::number)
        .collect();
    let expected: Vec<_> = (4..=13).rev().map(|number| number.to_string()).collect();
    assert_eq!(numbers, expected);
    fixture
        .store
        .change(&fixture.key, moment(), Change::Renewal, |_| Ok(()))
        .unwrap();
    assert_eq!(fixture.store.backups().unwrap().len(), 10);
    assert_eq!(fixture.store.backups().unwrap()[0].number(), "13");
}

#[test]
fn an_earlier_file_comes_back_with_the_keys_in_force() {
    let fixture = Fixture::new();
    fixture.put("openai/default", "sk-FAKE-1");
    fixture.put("openai/default", "sk-FAKE-2");
    let sealed = fixture.store.read_backup("2").unwrap();
    let earlier = fixture
        .store
        .open_unpinned(&sealed, fixture.key.clone())
        .unwrap();
    fixture
        .store
        .restore_content(&fixture.key, moment(), earlier)
        .unwrap();
    assert_eq!(
        fixture.key_of("openai/default").as_deref(),
        Some("sk-FAKE-1")
    );
    assert!(matches!(
        fixture.store.read_backup("77"),
        Err(VaultError::NoBackup { .. })
    ));
}

#[test]
fn a_damaged_vault_is_replaced_by_an_earlier_one_and_kept_aside() {
    let fixture = Fixture::new();
    fixture.put("openai/default", "sk-FAKE-1");
    fixture.put("openai/default", "sk-FAKE-2");
    fs::write(fixture.file(), "rubble").unwrap();
    let sealed = fixture.store.read_backup("2").unwrap();
    let earlier = fixture
        .store
        .open_unpinned(&sealed, fixture.key.clone())
        .unwrap();
    fixture.store.restore_whole(moment(), earlier).unwrap();
    assert_eq!(
        fixture.key_of("openai/default").as_deref(),
        Some("sk-FAKE-1")
    );
    let aside = fixture.folder.path().join("backups/damaged-1-vault.age");
    assert_eq!(fs::read_to_string(aside).unwrap(), "rubble");
}

#[test]
fn an_earlier_file_of_another_vault_is_not_taken() {
    let fixture = Fixture::new();
    fixture.put("openai/default", "sk-FAKE-MINE");
    let stranger = Fixture::new();
    stranger.put("openai/default", "sk-FAKE-THEIRS");
    fs::copy(
        stranger.file(),
        fixture.folder.path().join("backups/00000900-vault.age"),
    )
    .unwrap();
    let sealed = fixture.store.read_backup("900").unwrap();
    let earlier = fixture
        .store
        .open_unpinned(&sealed, stranger.key.clone())
        .unwrap();
    let refused = fixture
        .store
        .restore_content(&fixture.key, moment(), earlier);
    assert_eq!(refused.unwrap_err().kind(), Kind::Corrupt);
    let earlier = fixture
        .store
        .open_unpinned(&sealed, stranger.key.clone())
        .unwrap();
    let refused = fixture.store.restore_whole(moment(), earlier);
    assert_eq!(refused.unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(
        fixture.key_of("openai/default").as_deref(),
        Some("sk-FAKE-MINE")
    );
}

#[test]
fn vaults_of_like_names_do_not_take_each_others_earlier_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = |name: &str| {
        let places = Places {
            file: folder.path().join(name),
            state: folder.path().join("state"),
            backups: None,
        };
        Store::at(places, None).unwrap()
    };
    let names = ["w.age", "w.vault", "x-w.age"];
    for name in names {
        let fixture = Fixture::new();
        fs::copy(fixture.file(), folder.path().join(name)).unwrap();
        let change = |_: &mut Document| Ok(());
        store(name)
            .change(&fixture.key, moment(), Change::Ordinary, change)
            .unwrap();
    }
    for name in names {
        assert_eq!(store(name).backups().unwrap().len(), 1, "{name}");
    }
    assert_eq!(store("w.vault").purge_backups().unwrap(), 1);
    assert_eq!(store("w.age").backups().unwrap().len(), 1);
    assert_eq!(store("x-w.age").backups().unwrap().len(), 1);
}

#[test]
fn after_an_older_vault_was_accepted_its_earlier_files_are_kept_all_the_same() {
    let fixture = Fixture::new();
    let old = fs::read(fixture.file()).unwrap();
    for number in 0..12 {
        fixture.put("openai/default", &format!("sk-FAKE-{number}"));
    }
    fs::write(fixture.file(), old).unwrap();
    let sealed = fixture.store.read().unwrap().unwrap();
    let opened = fixture
        .store
        .open_unpinned(&sealed, fixture.key.clone())
        .unwrap();
    fixture.store.accept(&opened).unwrap();
    fixture.put("openai/default", "sk-FAKE-a");
    fixture.put("openai/default", "sk-FAKE-b");
    let newest = fixture
        .store
        .read_backup(&fixture.store.backups().unwrap()[0].number())
        .unwrap();
    let opened = fixture
        .store
        .open_unpinned(&newest, fixture.key.clone())
        .unwrap();
    let found = opened
        .document
        .connection(&id("openai/default"))
        .unwrap()
        .unwrap();
    assert_eq!(found.value.fields["api_key"].reveal(), "sk-FAKE-a");
}

#[test]
fn a_file_that_was_kept_before_a_kill_is_kept_once() {
    let fixture = Fixture::new();
    fixture.put("openai/default", "sk-FAKE");
    for _ in 0..3 {
        backup::keep(fixture.store.backups_folder(), fixture.store.path(), 2).unwrap();
    }
    assert_eq!(fixture.store.backups().unwrap().len(), 2);
    let kept = backup::keep(fixture.store.backups_folder(), fixture.store.path(), 2).unwrap();
    kept.undo();
    assert_eq!(
        fixture.store.backups().unwrap().len(),
        2,
        "it was there before"
    );
}

#[test]
fn no_new_vault_is_made_where_one_was_seen_or_another_is_asked_for() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.file()).unwrap();
    let create = |store: &Store| {
        let never = || -> Result<Slotted, Error> { panic!("no key is made") };
        store.create(moment(), never, |_| Ok(())).unwrap_err()
    };
    assert!(create(&fixture.store).to_string().contains("is gone"));
    fixture.store.forget().unwrap();
    let places = Places {
        file: fixture.file(),
        state: fixture.folder.path().join("elsewhere"),
        backups: None,
    };
    let store = Store::at(places, Some(fixture.key.fingerprint())).unwrap();
    assert!(create(&store).to_string().contains("none is made"));
}

#[test]
fn a_generation_that_leaves_no_room_is_damage() {
    let fixture = Fixture::new();
    let text = fs::read_to_string(fixture.file()).unwrap();
    let layout = layout::Layout::of(&text).unwrap();
    let parts = layout::Parts::of(&text, &layout);
    let plain = fixture
        .key
        .open(text[layout.payload.clone()].as_bytes())
        .unwrap();
    let plain = String::from_utf8(plain.to_vec()).unwrap();
    let hostile = plain.replace("\"generation\":1,", "\"generation\":18446744073709551615,");
    assert_ne!(hostile, plain);
    fs::write(
        fixture.file(),
        parts.render(&fixture.key.seal(hostile.as_bytes()).unwrap()),
    )
    .unwrap();
    let refused = fixture.store.open(fixture.key.clone());
    assert!(matches!(refused, Err(VaultError::Damaged { .. })));
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
