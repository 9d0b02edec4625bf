//! What must be true of a credential, its history and its JSON.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn value(key: &str, stored_at: Timestamp) -> Value {
    Value::of(
        BTreeMap::from([("api_key".parse().unwrap(), Secret::from(key.to_owned()))]),
        stored_at,
    )
}

fn key_of(value: &Value) -> &str {
    value.fields["api_key"].reveal()
}

const NOON: &str = "2026-01-01T12:00:00Z";

#[test]
fn the_last_ten_earlier_values_are_kept_oldest_first() {
    let mut credential = Credential::new(AuthKind::ApiKey, value("k1", at(NOON)));
    for number in 2..=13 {
        credential.replace(AuthKind::ApiKey, value(&format!("k{number}"), at(NOON)));
    }
    assert_eq!(credential.history.len(), HISTORY);
    assert_eq!(key_of(&credential.history[0].value), "k3");
    assert_eq!(key_of(&credential.history[9].value), "k12");
    assert_eq!(key_of(&credential.value), "k13");
}

#[test]
fn restoring_puts_a_version_in_force_and_keeps_what_was() {
    let mut credential = Credential::new(AuthKind::ApiKey, value("old", at(NOON)));
    credential.replace(AuthKind::ApiKey, value("new", at(NOON)));
    credential.status = Status::Invalid;
    assert!(credential.restore(1, at("2026-01-02T00:00:00Z")));
    assert_eq!(key_of(&credential.value), "old");
    assert_eq!(key_of(&credential.history[1].value), "new");
    assert_eq!(credential.status, Status::Connected);
    assert!(!credential.restore(0, at(NOON)));
    assert!(!credential.restore(3, at(NOON)));
}

#[test]
fn a_connection_past_its_end_is_expired_and_due() {
    let mut credential = Credential::new(AuthKind::ApiKey, value("k", at(NOON)));
    assert!(!credential.is_due(at("2030-01-01T00:00:00Z")));
    credential.value.expires_at = Some(at("2026-06-01T00:00:00Z"));
    assert_eq!(
        credential.status_at(at("2026-05-31T23:59:59Z")),
        Status::Connected
    );
    assert_eq!(
        credential.status_at(at("2026-06-01T00:00:00Z")),
        Status::Expired
    );
    assert!(credential.is_due(at("2026-06-01T00:00:00Z")));
    credential.value.expires_at = None;
    credential.value.rotate_at = Some(at("2026-06-01T00:00:00Z"));
    assert!(credential.is_due(at("2026-06-01T00:00:00Z")));
    assert_eq!(
        credential.status_at(at("2026-06-01T00:00:00Z")),
        Status::Connected
    );
}

#[test]
fn members_of_a_newer_version_survive_at_every_level() {
    let text = r#"{"auth_type":"api_key","status":"connected","created_at":"2026-01-01T12:00:00Z",
        "updated_at":"2026-01-01T12:00:00Z","stored_at":"2026-01-01T12:00:00Z",
        "fields":{"api_key":"sk-FAKE"},"x":{"y":1},
        "history":[{"replaced_at":"2026-01-01T12:00:00Z","stored_at":"2026-01-01T12:00:00Z",
        "fields":{},"z":[true]}]}"#;
    let written = Credential::from_json(text).unwrap().to_json();
    let before: serde_json::Value = serde_json::from_str(text).unwrap();
    let after: serde_json::Value = serde_json::from_str(written.reveal()).unwrap();
    assert_eq!(before, after);
}

#[test]
fn equal_secrets_have_equal_fingerprints_under_one_key_only() {
    let secret = |text: &str| Secret::from(text.to_owned());
    let one = fingerprint(&secret("key"), &secret("sk-FAKE"));
    assert_eq!(one, fingerprint(&secret("key"), &secret("sk-FAKE")));
    assert_ne!(one, fingerprint(&secret("other"), &secret("sk-FAKE")));
    assert_ne!(one, fingerprint(&secret("key"), &secret("sk-FAKE2")));
    assert_eq!(one.len(), 16);
}

proptest! {
    #[test]
    fn any_field_value_round_trips(text in "\\PC*|[\\x00-\\x7f]*", account in proptest::option::of("\\PC*")) {
        let mut stored = value(&text, at(NOON));
        stored.account = account.clone();
        let credential = Credential::new(AuthKind::ApiKey, stored);
        let read = Credential::from_json(credential.to_json().reveal()).unwrap();
        prop_assert_eq!(key_of(&read.value), text);
        prop_assert_eq!(read.value.account, account);
    }
}

#[test]
fn the_same_credential_has_the_same_fields_at_the_same_place() {
    let make = |key: &str, url: Option<&str>| Value {
        base_url: url.map(str::to_owned),
        ..value(key, at(NOON))
    };
    let one = make("FAKE", None);
    assert!(one.is_same(&make("FAKE", None)));
    assert!(!one.is_same(&make("FAKF", None)));
    assert!(!one.is_same(&make("FAKE", Some("https://a.example"))));
    let mut more = make("FAKE", None);
    more.fields
        .insert("other".parse().unwrap(), Secret::from("x".to_owned()));
    assert!(!one.is_same(&more) && !more.is_same(&one));
}
