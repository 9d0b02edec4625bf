//! Earlier files of a vault: kept, and put back.

use super::*;

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
    assert_eq!(Fixture::key_in(&opened), "sk-FAKE-a");
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
