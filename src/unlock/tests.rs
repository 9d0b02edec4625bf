//! Which source opens a door, which is passed over, and which ends the search.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A door whose locks are a passphrase and an identity, compared as text.
struct Wooden {
    passphrase: Option<&'static str>,
    identity: Option<String>,
    key: VaultKey,
}

impl Door for Wooden {
    fn takes_passphrase(&self) -> bool {
        self.passphrase.is_some()
    }
    fn takes_identities(&self) -> bool {
        self.identity.is_some()
    }
    fn try_passphrase(&self, passphrase: &Secret) -> Result<VaultKey, OpenError> {
        if self.passphrase == Some(passphrase.reveal()) {
            Ok(self.key.clone())
        } else {
            Err(OpenError::WrongPassphrase)
        }
    }
    fn try_identities(&self, identities: &IdentityFile) -> Result<VaultKey, OpenError> {
        let recipients = identities.recipients().unwrap();
        if recipients
            .iter()
            .any(|r| Some(r.as_str()) == self.identity.as_deref())
        {
            Ok(self.key.clone())
        } else {
            Err(OpenError::NoMatch)
        }
    }
    fn fits(&self, key: &VaultKey) -> bool {
        key.fingerprint() == self.key.fingerprint()
    }
    fn broken(&self, error: OpenError) -> Error {
        Error::new(Kind::Corrupt, error.to_string())
    }
}

/// A person who knows one answer, or nobody.
#[derive(Default)]
struct Person {
    answer: Option<&'static str>,
    asked: std::cell::Cell<usize>,
    heard: RefCell<Vec<String>>,
}

impl Ask for Person {
    fn passphrase(&self, _: &str) -> Result<Option<Secret>, Error> {
        self.asked.set(self.asked.get() + 1);
        Ok(self.answer.map(|answer| Secret::from(answer.to_owned())))
    }
    fn notice(&self, message: &str) {
        self.heard.borrow_mut().push(message.to_owned());
    }
}

struct Scene {
    folder: tempfile::TempDir,
    identity: Secret,
    door: Wooden,
}

impl Scene {
    fn new(passphrase: bool, identity: bool) -> Self {
        let (text, recipient) = IdentityFile::generate("2026-01-01T00:00:00Z");
        Self {
            folder: tempfile::tempdir().unwrap(),
            identity: text,
            door: Wooden {
                passphrase: passphrase.then_some("right"),
                identity: identity.then(|| recipient.as_str().to_owned()),
                key: VaultKey::generate(),
            },
        }
    }

    fn path(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn sources(&self, ranks: Vec<Rank>) -> Sources {
        Sources {
            ranks,
            session: None,
            identity_file: self.folder.path().join("identity.txt"),
            max_work_factor: 20,
            known: Known::default(),
        }
    }

    fn matching_identity(&self) -> IdentitySource {
        IdentitySource::Path(self.path("right.txt", self.identity.reveal()))
    }

    fn stranger(&self) -> IdentitySource {
        let (text, _) = IdentityFile::generate("2026-01-01T00:00:00Z");
        IdentitySource::Path(self.path("stranger.txt", text.reveal()))
    }
}

fn words(text: &str) -> PassphraseSource {
    PassphraseSource::Text("VAULT_PASSPHRASE", Secret::from(text.to_owned()))
}

fn rank(identities: Vec<IdentitySource>, passphrase: Vec<PassphraseSource>) -> Rank {
    Rank::new(identities, passphrase).unwrap()
}

fn kind(result: Result<Unlocked, Error>) -> Kind {
    result.err().unwrap().kind()
}

#[test]
fn the_first_rank_that_fits_wins() {
    let scene = Scene::new(true, true);
    let sources = scene.sources(vec![
        rank(vec![], vec![]),
        rank(vec![scene.matching_identity()], vec![]),
        rank(vec![], vec![words("wrong")]),
    ]);
    let opened = sources.open(&scene.door, &Person::default()).unwrap();
    assert!(opened.source.ends_with("right.txt"), "{}", opened.source);
}

#[test]
fn a_source_without_a_slot_is_skipped_with_a_notice() {
    let scene = Scene::new(false, true);
    scene.path("identity.txt", scene.identity.reveal());
    let person = Person::default();
    let sources = scene.sources(vec![rank(vec![], vec![words("anything")])]);
    assert!(sources.open(&scene.door, &person).is_ok());
    assert_eq!(
        person.heard.borrow()[..],
        ["VAULT_PASSPHRASE is skipped: the vault has no passphrase slot."]
    );

    let scene = Scene::new(true, false);
    let person = Person::default();
    let sources = scene.sources(vec![
        rank(vec![scene.matching_identity()], vec![]),
        rank(vec![], vec![words("right")]),
    ]);
    assert!(sources.open(&scene.door, &person).is_ok());
    assert!(person.heard.borrow()[0].contains("no slot for identities"));
}

#[test]
fn a_wrong_passphrase_never_falls_through() {
    let scene = Scene::new(true, true);
    scene.path("identity.txt", scene.identity.reveal());
    let person = Person {
        answer: Some("right"),
        ..Person::default()
    };
    let sources = scene.sources(vec![rank(vec![], vec![words("wrong")])]);
    assert_eq!(kind(sources.open(&scene.door, &person)), Kind::Locked);
}

#[test]
fn an_identity_that_does_not_match_gives_way_to_the_next_source() {
    let scene = Scene::new(true, true);
    let person = Person::default();
    let sources = scene.sources(vec![rank(vec![scene.stranger()], vec![words("right")])]);
    let opened = sources.open(&scene.door, &person).unwrap();
    assert_eq!(opened.source, "VAULT_PASSPHRASE");
    assert!(person.heard.borrow()[0].contains("not among the vault's recipients"));
}

#[test]
fn a_passphrase_beside_an_identity_is_for_the_identity() {
    use crate::seal::{VaultKey, seal_to_passphrase};
    let _ = VaultKey::generate();
    let scene = Scene::new(false, true);
    // Any age file under a passphrase that holds an identity will do; a slot
    // has that form.
    let inner = VaultKey::generate();
    let passphrase = Secret::from("right".to_owned());
    let sealed = seal_to_passphrase(&inner, &passphrase, 2).unwrap();
    let encrypted = IdentitySource::Path(scene.path("encrypted.age", &sealed));
    let file = IdentityFile::parse(sealed.as_bytes(), "x").unwrap();
    let recipient = file.unlock(&passphrase, 20).unwrap().recipients().unwrap();
    let door = Wooden {
        identity: Some(recipient[0].as_str().to_owned()),
        ..scene.door
    };
    let sources = Sources {
        // By flag and from the environment: they need not be of one rank.
        ranks: vec![
            rank(vec![encrypted], vec![]),
            rank(vec![], vec![words("right")]),
        ],
        session: None,
        identity_file: PathBuf::from("/nonexistent"),
        max_work_factor: 20,
        known: Known::default(),
    };
    let person = Person::default();
    assert!(sources.open(&door, &person).is_ok());
    assert!(person.heard.borrow().is_empty());
}

#[test]
fn two_passphrases_of_one_rank_are_a_usage_error() {
    let refused = Rank::new(vec![], vec![words("a"), PassphraseSource::Descriptor(3)]);
    let error = Error::from(refused.err().unwrap());
    assert_eq!(error.kind(), Kind::Usage);
    assert!(
        error
            .to_string()
            .contains("VAULT_PASSPHRASE and descriptor 3")
    );
}

#[test]
fn without_source_and_terminal_every_accepted_source_is_named() {
    for scene in [Scene::new(true, false), Scene::new(false, true)] {
        let refused = scene.sources(vec![]).open(&scene.door, &Person::default());
        let error = refused.err().unwrap();
        assert_eq!(error.kind(), Kind::Locked);
        let hint = error.hint().unwrap();
        for source in [
            "--identity",
            "--passphrase-file",
            "--passphrase-fd",
            "VAULT_IDENTITY",
            "VAULT_PASSPHRASE,",
            "VAULT_PASSPHRASE_FILE",
            "VAULT_PASSPHRASE_FD",
            "VAULT_PASSPHRASE_COMMAND",
            "vault.identity",
            "vault.passphrase",
            "vault unlock",
            "identity.txt",
            "terminal",
        ] {
            assert!(hint.contains(source), "{source}");
        }
    }
}

#[test]
fn a_person_is_asked_last() {
    let scene = Scene::new(true, true);
    let person = Person {
        answer: Some("right"),
        ..Person::default()
    };
    assert_eq!(
        scene
            .sources(vec![])
            .open(&scene.door, &person)
            .unwrap()
            .source,
        "the prompt"
    );
    scene.path("identity.txt", scene.identity.reveal());
    let opened = scene.sources(vec![]).open(&scene.door, &person).unwrap();
    assert!(opened.source.ends_with("identity.txt"));
}

#[test]
fn a_person_is_asked_once_for_one_passphrase() {
    let scene = Scene::new(true, false);
    let person = Person {
        answer: Some("right"),
        ..Person::default()
    };
    let sources = scene.sources(vec![]);
    assert!(sources.passphrase(&person).unwrap().is_none());
    for _ in 0..2 {
        assert!(sources.open(&scene.door, &person).is_ok());
    }
    assert_eq!(person.asked.get(), 1);
    // Whoever needs the passphrase after that gets the one that fitted.
    let used = sources.passphrase(&person).unwrap().unwrap();
    assert_eq!(used.reveal(), "right");
    // Another vault has another one: then a person is asked after all.
    let other = Wooden {
        passphrase: Some("other"),
        identity: None,
        key: VaultKey::generate(),
    };
    let person = Person {
        answer: Some("other"),
        ..Person::default()
    };
    assert!(sources.open(&other, &person).is_ok());
    assert_eq!(person.asked.get(), 1);
}

#[test]
fn a_passphrase_that_was_chosen_for_a_new_vault_is_tried_first() {
    let scene = Scene::new(true, false);
    let sources = scene.sources(vec![]);
    sources.remember_chosen(&Secret::from("right".to_owned()));
    let person = Person::default();
    assert!(sources.open(&scene.door, &person).is_ok());
    assert_eq!(person.asked.get(), 0);
}

#[test]
fn what_is_gone_after_one_read_is_read_once() {
    let scene = Scene::new(true, true);
    let file = scene.path("words", "right");
    let sources = scene.sources(vec![rank(
        vec![],
        vec![PassphraseSource::File(file.clone())],
    )]);
    assert!(sources.open(&scene.door, &Person::default()).is_ok());
    fs::remove_file(file).unwrap();
    assert!(sources.open(&scene.door, &Person::default()).is_ok());

    let identity = scene.matching_identity();
    let IdentitySource::Path(path) = &identity else {
        panic!("it is a file");
    };
    let path = path.clone();
    let sources = scene.sources(vec![rank(vec![identity], vec![])]);
    assert!(sources.open(&scene.door, &Person::default()).is_ok());
    fs::remove_file(path).unwrap();
    assert!(sources.open(&scene.door, &Person::default()).is_ok());
}

#[test]
fn passphrases_come_from_files_and_commands_without_their_last_newline() {
    let scene = Scene::new(true, false);
    for source in [
        PassphraseSource::File(scene.path("p", "right\n")),
        PassphraseSource::Command("echo right".to_owned()),
        words("right\n"),
    ] {
        let sources = scene.sources(vec![rank(vec![], vec![source])]);
        assert!(sources.open(&scene.door, &Person::default()).is_ok());
    }
}

#[test]
fn sources_that_fail_say_which_they_are() {
    let scene = Scene::new(true, true);
    for (source, named) in [
        (
            PassphraseSource::File(PathBuf::from("/nonexistent/p")),
            "/nonexistent/p",
        ),
        (PassphraseSource::File(scene.path("empty", "\n")), "empty"),
        (words("\n"), "VAULT_PASSPHRASE is empty"),
        (
            PassphraseSource::Command("exit 3".to_owned()),
            "exit status: 3",
        ),
        (
            PassphraseSource::Command("printf '\\377'".to_owned()),
            "UTF-8",
        ),
        (PassphraseSource::Descriptor(987), "descriptor 987"),
    ] {
        let sources = scene.sources(vec![rank(vec![], vec![source])]);
        let error = sources.open(&scene.door, &Person::default()).err().unwrap();
        assert_eq!(error.kind(), Kind::Locked, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
    let missing = IdentitySource::Path(PathBuf::from("/nonexistent/i"));
    let sources = scene.sources(vec![rank(vec![missing], vec![])]);
    assert_eq!(
        kind(sources.open(&scene.door, &Person::default())),
        Kind::Locked
    );
}

#[test]
fn an_identity_that_others_can_read_is_reported() {
    let scene = Scene::new(false, true);
    let path = scene.path("loose.txt", scene.identity.reveal());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let person = Person::default();
    let sources = scene.sources(vec![rank(vec![IdentitySource::Path(path)], vec![])]);
    assert!(sources.open(&scene.door, &person).is_ok());
    assert!(person.heard.borrow()[0].contains("chmod 600"));
}
