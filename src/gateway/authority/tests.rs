use std::process::Command;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{ServerName, UnixTime};

use super::*;
use crate::provider::Host;
use crate::secret::Secret;

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

fn permitted(names: &[&str]) -> Vec<PermittedHost> {
    names
        .iter()
        .map(|name| PermittedHost::exact(&host(name)).unwrap())
        .collect()
}

fn authority(names: &[&str]) -> Authority {
    Authority::new(&permitted(names), Lasting::Stored, now()).unwrap()
}

/// What a client that trusts `trusted` alone says of a leaf.
fn verdict(
    trusted: &CertificateDer<'static>,
    leaf: &CertificateDer<'static>,
    name: &str,
    at: Timestamp,
) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots.into(), default_provider().into())
            .build()
            .unwrap();
    let seconds = u64::try_from(at.as_second()).unwrap();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier
        .verify_server_cert(leaf, &[], &name, &[], time)
        .map(|_| ())
        .map_err(|error| format!("{error:?}"))
}

#[test]
fn clients_take_a_leaf_for_a_permitted_host_and_for_that_host_only() {
    let authority = authority(&["api.example.com", "other.example.org"]);
    let (leaf, _) = authority.leaf(&host("api.example.com"), now()).unwrap();
    let trusted = authority.certificate();
    assert_eq!(verdict(trusted, &leaf, "api.example.com", now()), Ok(()));
    let other = verdict(trusted, &leaf, "other.example.org", now());
    assert!(other.unwrap_err().contains("NotValidForName"));
}

#[test]
fn clients_refuse_a_leaf_for_a_host_that_is_not_listed() {
    // As whoever stole the key could sign one.
    let mut authority = authority(&["api.example.com"]);
    authority.permitted = permitted(&["bank.example.org", "evilapi.example.com"]);
    for name in ["bank.example.org", "evilapi.example.com"] {
        let (leaf, _) = authority.leaf(&host(name), now()).unwrap();
        let said = verdict(authority.certificate(), &leaf, name, now());
        assert!(
            said.as_ref().unwrap_err().contains("NameConstraint"),
            "{said:?}"
        );
    }
}

#[test]
fn clients_refuse_a_certificate_for_an_address() {
    let authority = authority(&["api.example.com"]);
    for address in ["127.0.0.1", "192.0.2.1", "::1"] {
        let mut leaf = CertificateParams::default();
        leaf.subject_alt_names = vec![SanType::IpAddress(address.parse().unwrap())];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        finish(&mut leaf, now() - DAY, now() + DAY).unwrap();
        let leaf = leaf.signed_by(&authority.leaf_public, &authority.issuer);
        let said = verdict(authority.certificate(), leaf.unwrap().der(), address, now());
        assert!(
            said.as_ref().unwrap_err().contains("NameConstraint"),
            "{address}: {said:?}"
        );
    }
}

#[test]
fn there_is_no_leaf_for_what_it_does_not_speak_for() {
    let authority = authority(&["api.example.com"]);
    for other in [
        "example.com",
        "x.api.example.com",
        "127.0.0.1",
        "[::1]",
        "localhost",
    ] {
        assert!(!authority.covers(&host(other)), "{other}");
        let said = authority.leaf(&host(other), now()).err();
        assert_eq!(said, Some(AuthorityError::NotPermitted), "{other}");
    }
}

#[test]
fn there_is_no_authority_for_nothing() {
    let local = Host::parse("http://localhost:11434", None).unwrap();
    assert!(PermittedHost::exact(local.exact().unwrap()).is_none());
    let none = Authority::new(&[], Lasting::Run, now()).err();
    assert_eq!(none, Some(AuthorityError::NothingPermitted));
    let stored = authority(&["api.example.com"]).to_stored();
    let none = Authority::restore(&stored, &[], now()).err();
    assert_eq!(none, Some(AuthorityError::NothingPermitted));
}

#[test]
fn a_leaf_lasts_a_week_and_never_longer_than_its_authority() {
    let authority = Authority::new(&permitted(&["a.example.com"]), Lasting::Run, now()).unwrap();
    let name = host("a.example.com");
    let (leaf, _) = authority.leaf(&name, now()).unwrap();
    let ends = |leaf: &CertificateDer<'static>| certificate::read(leaf).unwrap().end;
    assert_eq!(ends(&leaf), now() + DAY * 6);
    assert!(ends(&leaf) > now() + LEAF_IS_FRESH_FOR);
    let late = now() + DAY * 29;
    let (leaf, _) = authority.leaf(&name, late).unwrap();
    assert_eq!(ends(&leaf), now() + DAY * 30);
    let trusted = authority.certificate();
    assert_eq!(verdict(trusted, &leaf, "a.example.com", late), Ok(()));
    let ended = authority.leaf(&name, now() + DAY * 30).err();
    assert_eq!(ended, Some(AuthorityError::Ended));
}

#[test]
fn leaves_share_a_key_that_is_not_the_authoritys_and_no_serial_number() {
    let authority = authority(&["a.example.com", "b.example.com"]);
    let (first, _) = authority.leaf(&host("a.example.com"), now()).unwrap();
    let (second, _) = authority.leaf(&host("b.example.com"), now()).unwrap();
    let key = |leaf: &CertificateDer<'static>| certificate::read(leaf).unwrap().public_key;
    assert_eq!(key(&first), key(&second));
    assert_ne!(key(&first), key(authority.certificate()));
    // Version [0] takes 5 bytes after two headers of 4; a serial number of
    // 16 bytes follows.
    assert_ne!(first[13..31], second[13..31]);
}

#[test]
fn two_authorities_never_share_a_name() {
    let name = |authority: &Authority| certificate::read(authority.certificate()).unwrap().name;
    let (one, two) = (authority(&["a.example.com"]), authority(&["a.example.com"]));
    assert_ne!(name(&one), name(&two));
    assert!(name(&one).starts_with("vault gateway "));
}

#[test]
fn what_was_stored_is_the_same_authority_again() {
    let names = ["a.example.com", "b.example.com"];
    let first = authority(&names);
    let again = Authority::restore(&first.to_stored(), &permitted(&names), now()).unwrap();
    assert!(!again.is_changed());
    assert_eq!(again.certificate_pem(), first.certificate_pem());
    assert!(again.to_stored().key.matches(&first.to_stored().key));
    let (leaf, _) = again.leaf(&host("b.example.com"), now()).unwrap();
    let trusted = first.certificate();
    assert_eq!(verdict(trusted, &leaf, "b.example.com", now()), Ok(()));
    // Fewer hosts need no other certificate.
    let fewer = Authority::restore(&first.to_stored(), &permitted(&names[..1]), now()).unwrap();
    assert!(!fewer.is_changed());
    assert!(!fewer.covers(&host("b.example.com")));
}

#[test]
fn a_host_that_is_new_gets_a_new_certificate_of_the_same_name_and_key() {
    let first = authority(&["a.example.com"]);
    let wanted = permitted(&["b.example.com"]);
    let second = Authority::restore(&first.to_stored(), &wanted, now()).unwrap();
    assert!(second.is_changed());
    let said = |authority: &Authority| certificate::read(authority.certificate()).unwrap();
    assert_eq!(said(&first).name, said(&second).name);
    assert_eq!(said(&first).public_key, said(&second).public_key);
    assert_eq!(said(&second).subtrees, ["a.example.com", "b.example.com"]);
    let (leaf, _) = second.leaf(&host("b.example.com"), now()).unwrap();
    let trusted = second.certificate();
    assert_eq!(verdict(trusted, &leaf, "b.example.com", now()), Ok(()));
    // A client with the old certificate goes on with the old hosts.
    let both = permitted(&["a.example.com", "b.example.com"]);
    let third = Authority::restore(&second.to_stored(), &both, now()).unwrap();
    assert!(!third.is_changed());
    let (leaf, _) = third.leaf(&host("a.example.com"), now()).unwrap();
    let trusted = first.certificate();
    assert_eq!(verdict(trusted, &leaf, "a.example.com", now()), Ok(()));
}

#[test]
fn an_authority_that_ends_soon_is_signed_again() {
    let names = permitted(&["a.example.com"]);
    let stored = authority(&["a.example.com"]).to_stored();
    let late = now() + DAY * (STORED_DAYS - SOON_DAYS + 1);
    let again = Authority::restore(&stored, &names, late).unwrap();
    assert!(again.is_changed());
    let said = certificate::read(again.certificate()).unwrap();
    assert_eq!(said.end, late + DAY * STORED_DAYS);
    // By then the end is a GeneralizedTime or not: both are read.
    let far: Timestamp = "2060-01-01T00:00:00Z".parse().unwrap();
    let again = Authority::restore(&stored, &names, far).unwrap();
    let said = certificate::read(again.certificate()).unwrap();
    assert_eq!(said.end, far + DAY * STORED_DAYS);
}

#[test]
fn what_is_stored_badly_is_refused_without_a_word_of_the_key() {
    let names = permitted(&["a.example.com"]);
    let (one, two) = (authority(&["a.example.com"]), authority(&["a.example.com"]));
    let refused = |key: Secret, certificate: &str| {
        let certificate = certificate.to_owned();
        let stored = StoredAuthority { key, certificate };
        let error = Authority::restore(&stored, &names, now()).err().unwrap();
        assert!(matches!(error, AuthorityError::Stored(_)), "{error:?}");
        error.to_string()
    };
    let key = || one.to_stored().key;
    assert!(refused(key(), two.certificate_pem()).contains("of another key"));
    assert!(refused(key(), "").contains("certificate"));
    assert!(refused(Secret::from("FAKE".to_owned()), one.certificate_pem()).contains("PEM"));
    let cut = key().reveal().replacen("MIG", "FAK", 1);
    let said = refused(Secret::from(cut), one.certificate_pem());
    assert_eq!(
        said,
        "The gateway's authority in the vault cannot be read: its key is none of this kind"
    );
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let whole = authority(&["a.example.com"]).certificate().to_vec();
    assert!(certificate::read(&whole).is_some());
    for at in 0..whole.len() {
        certificate::read(&whole[..at]);
        for byte in [0, 0x30, 0x7f, 0x80, 0x81, 0x84, 0xff] {
            let mut changed = whole.clone();
            changed[at] = byte;
            certificate::read(&changed);
        }
    }
}

/// Python 3.13 verifies as `-x509_strict` does.
#[test]
fn a_strict_verifier_takes_the_chain() {
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    let long = format!("{}.example.com", "a".repeat(60));
    let authority = authority(&["api.example.com", &long, "x.test.org"]);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("ca.pem");
    std::fs::write(&root, authority.certificate_pem()).unwrap();
    let seconds = now().as_second().to_string();
    for name in ["api.example.com", &long] {
        let (leaf, _) = authority.leaf(&host(name), now()).unwrap();
        let path = folder.path().join("leaf.der");
        std::fs::write(&path, &leaf).unwrap();
        let answer = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", "sslserver"])
            .args(["-attime", &seconds, "-verify_hostname", name])
            .args(["-no-CApath", "-no-CAstore", "-CAfile"])
            .args([&root, &path])
            .output()
            .unwrap();
        assert!(answer.status.success(), "{answer:?}");
    }
    let text = Command::new("openssl")
        .args(["x509", "-noout", "-text", "-in"])
        .arg(&root)
        .output()
        .unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "X509v3 Basic Constraints: critical CA:TRUE, pathlen:0",
        "X509v3 Key Usage: critical Certificate Sign, CRL Sign",
        "X509v3 Name Constraints: critical Permitted:",
        "Excluded: IP:0.0.0.0/0.0.0.0 IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0",
        "X509v3 Subject Key Identifier:",
        "X509v3 Authority Key Identifier:",
    ] {
        assert!(words.contains(said), "{said}: {text}");
    }
}
