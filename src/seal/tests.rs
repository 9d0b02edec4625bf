//! What must be true of sealing and opening, whatever the files say.

use super::*;

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn opened_with(sealed: &str, opener: &Opener<'_>) -> Result<VaultKey, OpenError> {
    open_slot(
        sealed.as_bytes(),
        opener,
        MAX_WORK_FACTOR,
        &Prompts::nobody(),
    )
}

#[test]
fn a_passphrase_slot_opens_with_its_passphrase_alone() {
    let key = VaultKey::generate();
    let sealed = seal_to_passphrase(&key, &secret("correct horse"), 2).unwrap();
    let opened = opened_with(&sealed, &Opener::Passphrase(&secret("correct horse"))).unwrap();
    assert_eq!(opened.fingerprint(), key.fingerprint());
    for wrong in ["correct horsf", "", "correct horse "] {
        let refused = opened_with(&sealed, &Opener::Passphrase(&secret(wrong)));
        assert!(
            matches!(refused, Err(OpenError::WrongPassphrase)),
            "{wrong}"
        );
    }
}

#[test]
fn the_empty_passphrase_seals_nothing() {
    assert!(seal_to_passphrase(&VaultKey::generate(), &secret(""), 2).is_err());
}

#[test]
fn key_text_is_told_from_paths_in_any_case() {
    for text in [
        "AGE-SECRET-KEY-1FAKE",
        "age-secret-key-1fake",
        "# a comment\nAge-Secret-Key-1FAKE\n",
        "AGE-PLUGIN-YUBIKEY-1FAKEFAKE",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ] {
        assert!(IdentityFile::looks_like_identities(text), "{text}");
        let refused = Recipient::parse(text).unwrap_err().to_string();
        assert!(!refused.to_lowercase().contains("fake"), "{refused}");
    }
    for path in [
        "identity.txt",
        "/home/me/AGE-SECRET-KEY-1",
        "age-secret-key-1.txt",
        "age-plugin-yubikey-identity.txt",
        "age-plugin-yubikey",
    ] {
        assert!(!IdentityFile::looks_like_identities(path), "{path}");
    }
}

#[test]
fn a_recipients_slot_opens_with_any_of_its_identities() {
    let key = VaultKey::generate();
    let (first, first_recipient) = IdentityFile::generate("2026-01-01T00:00:00Z");
    let (second, second_recipient) = IdentityFile::generate("2026-01-01T00:00:00Z");
    let (stranger, _) = IdentityFile::generate("2026-01-01T00:00:00Z");
    let sealed = seal_to_recipients(
        &key,
        &[first_recipient, second_recipient],
        &Prompts::nobody(),
    )
    .unwrap();
    for identity in [first, second] {
        let file = IdentityFile::parse(identity.reveal().as_bytes(), "identity.txt").unwrap();
        let opened = opened_with(&sealed, &Opener::Identities(&file)).unwrap();
        assert_eq!(opened.fingerprint(), key.fingerprint());
    }
    let file = IdentityFile::parse(stranger.reveal().as_bytes(), "identity.txt").unwrap();
    let refused = opened_with(&sealed, &Opener::Identities(&file));
    assert!(matches!(refused, Err(OpenError::NoMatch)));
}

#[test]
fn an_identity_under_a_passphrase_opens_with_it() {
    let (plain, recipient) = IdentityFile::generate("2026-01-01T00:00:00Z");
    let passphrase = age::secrecy::SecretString::from("fake words".to_owned());
    let mut wrapper = age::scrypt::Recipient::new(passphrase);
    wrapper.set_work_factor(2);
    let encrypted = seal(&[Box::new(wrapper)], plain.reveal().as_bytes()).unwrap();

    let file = IdentityFile::parse(encrypted.as_bytes(), "identity.age").unwrap();
    assert!(file.needs_passphrase());
    let wrong = file.unlock(&secret("other words"), MAX_WORK_FACTOR);
    assert!(matches!(wrong, Err(OpenError::WrongPassphrase)));
    let file = IdentityFile::parse(encrypted.as_bytes(), "identity.age").unwrap();
    let file = file.unlock(&secret("fake words"), MAX_WORK_FACTOR).unwrap();
    assert!(!file.needs_passphrase());
    assert_eq!(file.recipients().unwrap(), [recipient]);
}

#[test]
fn a_payload_opens_with_its_own_key_alone() {
    let key = VaultKey::generate();
    let sealed = key.seal(b"document").unwrap();
    assert_eq!(&key.open(sealed.as_bytes()).unwrap()[..], b"document");
    let other = VaultKey::generate().open(sealed.as_bytes());
    assert!(matches!(other, Err(OpenError::NoMatch)));
}

#[test]
fn the_key_survives_its_own_text() {
    let key = VaultKey::generate();
    let again = VaultKey::from_slot_text(key.slot_text().as_bytes()).unwrap();
    assert_eq!(again.fingerprint(), key.fingerprint());
    assert!(VaultKey::from_slot_text(b"AGE-SECRET-KEY-1FAKE").is_none());
}

#[test]
fn a_fingerprint_reads_back_and_nothing_else_is_one() {
    let fingerprint = VaultKey::generate().fingerprint();
    assert_eq!(
        fingerprint.as_str().parse::<Fingerprint>().unwrap(),
        fingerprint
    );
    for bad in ["", "abc", "zz345678901234567890123456789012"] {
        assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
    }
}

#[test]
fn no_message_about_an_identity_quotes_it() {
    let line = "AGE-SECRET-KEY-1FAKEFAKEFAKE";
    let refused = IdentityFile::parse(format!("# c\n\n{line}\n").as_bytes(), "k.txt");
    let message = refused.err().unwrap().to_string();
    assert_eq!(message, "Line 3 of k.txt is not an age identity");
    let refused = Recipient::parse(line).unwrap_err().to_string();
    assert!(!refused.contains("FAKE"), "{refused}");
}

#[test]
fn an_empty_identity_file_is_an_error() {
    for empty in ["", "\n\n", "# only a comment\n"] {
        let refused = IdentityFile::parse(empty.as_bytes(), "k.txt");
        assert!(
            matches!(refused, Err(BadIdentity::Empty { .. })),
            "{empty:?}"
        );
    }
}

#[test]
fn hostile_ciphertext_is_refused_without_work() {
    let key = VaultKey::generate();
    let zeros = vec![0; 1 << 20];
    for garbage in [&b""[..], b"-----BEGIN AGE ENCRYPTED FILE-----\n", &zeros] {
        assert!(matches!(key.open(garbage), Err(OpenError::Damaged(_))));
    }
}

#[cfg(feature = "ssh")]
#[test]
fn an_ssh_public_key_keeps_its_comment_as_label() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
    let recipient = Recipient::parse(&format!("{key} alice@host")).unwrap();
    assert_eq!(recipient.as_str(), key);
    assert_eq!(recipient.label(), Some("alice@host"));
    assert_eq!(recipient.kind(), &RecipientKind::SshEd25519);
}

#[test]
fn a_plugin_recipient_names_its_plugin() {
    // From the test data of the age plugin specification.
    let parsed = Recipient::parse("age1test10qdmzv9q");
    if let Ok(recipient) = parsed {
        assert_eq!(recipient.kind(), &RecipientKind::Plugin("test".to_owned()));
    } else {
        panic!("a plugin's recipient is accepted");
    }
    for bad in [
        "",
        "age1",
        "age1xyz",
        "ssh-dss AAAA",
        "hello",
        "ssh-ed25519",
    ] {
        assert!(Recipient::parse(bad).is_err(), "{bad}");
    }
}
