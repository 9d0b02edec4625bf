//! Vaults that are not believed: older, foreign, forged, damaged.

use super::*;

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
            assert_eq!(Fixture::key_in(&opened), "sk-FAKE");
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
