use proptest::prelude::*;

use super::*;
use crate::name::ProviderName;
use crate::provider::{Catalog, Definition};

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn pairs(reading: &Reading) -> Vec<(String, String)> {
    reading
        .items
        .iter()
        .map(|item| (item.slot.to_string(), item.value.reveal().to_owned()))
        .collect()
}

fn one(line: &str) -> String {
    let reading = dotenv(&secret(line));
    assert!(reading.left.is_empty(), "{line:?}: {:?}", reading.left);
    pairs(&reading).remove(0).1
}

fn bundled() -> Vec<Definition> {
    let catalog = Catalog::new(None);
    let find = |name: ProviderName| catalog.find(&name).unwrap().definition;
    catalog.names().into_iter().map(find).collect()
}

fn planned(text: &str) -> Plan {
    Plan::of(dotenv(&secret(text)), &bundled())
}

const KEY: &str = "sk-FAKEFAKEFAKEFAKEFAKEFAKE";

#[test]
fn the_common_forms_of_a_line_are_read() {
    for (line, value) in [
        ("A=b", "b"),
        ("export A=b", "b"),
        ("  export\tA = b  ", "b"),
        ("A=b # comment", "b"),
        ("A=b#c", "b#c"),
        ("A=b=c==", "b=c=="),
        ("A='b # $c \\n'", "b # $c \\n"),
        (r"A='it\'s \\'", r"it's \"),
        (r#"A="a\nb\t\"c\" \\ \q" # x"#, "a\nb\t\"c\" \\ \\q"),
        ("A=\"one\ntwo\"", "one\ntwo"),
        ("A=\"one\r\ntwo\"\r\n", "one\ntwo"),
        ("A='one\ntwo'", "one\ntwo"),
        ("A=`b`", "b"),
        ("\u{feff}A=b\r\n", "b"),
        ("A=", ""),
        ("A=''", ""),
    ] {
        assert_eq!(one(line), value, "{line:?}");
    }
}

#[test]
fn what_is_not_understood_is_told_by_line_and_never_shows_a_secret() {
    let text = "A=1\nFAKEkeyFAKEkey\nFAKEkeyFAKEkey==\nB='open\nC=\"x\" y\n\n# fine\n-----BEGIN-----\nD=2\n";
    let reading = dotenv(&secret(text));
    let told: Vec<_> = reading.left.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 2: it is no NAME=value",
            "line 3: it is no NAME=value",
            "line 4: B: the quote is not closed",
            "line 5: C: something follows the closing quote",
            "line 8: it is no NAME=value",
        ]
    );
    assert_eq!(pairs(&reading).len(), 2);
}

#[test]
fn a_key_that_stands_alone_on_a_line_is_not_told_as_a_name() {
    for line in ["FAKEJBSWY3DPEHPK=", "FAKEc2VjcmV0a2V5=", "sk-FAKE-c2Vj="] {
        let plan = planned(line);
        assert_eq!(plan.left[0].to_string(), "line 1: the value is empty");
        assert!(plan.secrets.is_empty());
    }
    // The second time too.
    let plan = planned("FAKEc2VjcmV0a2V5=\nFAKEc2VjcmV0a2V5=\n");
    assert!(
        plan.left.iter().all(|left| left.name.is_none()),
        "{:?}",
        plan.left
    );
}

#[test]
fn lines_are_counted_through_values_of_several_lines() {
    let reading = dotenv(&secret("A=\"1\n2\n3\"\nB=4\noops"));
    let lines: Vec<_> = reading.items.iter().map(|item| item.line).collect();
    assert_eq!(lines, [1, 4]);
    assert_eq!(reading.left[0].line, 5);
}

#[test]
fn json_has_variables_and_providers_with_fields() {
    let text = format!(
        "{{\"DATABASE_URL\": \"postgres://x\",\n \"openai\": {{\"api_key\": \"{KEY}\"}},\n \"PORT\": 80,\n \"x\": [1]}}"
    );
    let reading = json(&secret(&text)).unwrap();
    assert_eq!(
        pairs(&reading),
        [
            ("DATABASE_URL".to_owned(), "postgres://x".to_owned()),
            ("openai.api_key".to_owned(), KEY.to_owned()),
        ]
    );
    let told: Vec<_> = reading.left.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 3: PORT: the value is no text",
            "line 4: x: the value is no text"
        ]
    );
    for bad in ["[]", "\"x\"", "{", "{\"A\":\"1\",\"A\":\"2\"}"] {
        assert!(json(&secret(bad)).is_err(), "{bad}");
    }
}

#[test]
fn known_variables_become_connections_and_others_plain_secrets() {
    let plan = planned(&format!(
        "OPENAI_API_KEY={KEY}\nDATABASE_URL=postgres://x\nlower=1\n"
    ));
    assert_eq!(plan.connections.len(), 1);
    assert_eq!(plan.connections[0].provider.as_str(), "openai");
    assert_eq!(plan.secrets[0].0.as_str(), "DATABASE_URL");
    assert_eq!(plan.left.len(), 1);
    assert_eq!(plan.left[0].reason, Reason::Name);
}

#[test]
fn several_fields_of_one_provider_are_one_connection() {
    let sid = format!("AC{}", "0a".repeat(16));
    let token = "0f".repeat(16);
    let text = format!("TWILIO_ACCOUNT_SID={sid}\nTWILIO_AUTH_TOKEN={token}\n");
    let plan = planned(&text);
    let told: Vec<_> = plan.left.iter().map(ToString::to_string).collect();
    assert_eq!(plan.connections.len(), 1, "{told:?}");
    assert!(plan.connections[0].fields.len() >= 2);
    // One of them alone is no connection, and is not lost.
    let plan = planned(&format!("TWILIO_AUTH_TOKEN={token}\n"));
    assert!(plan.connections.is_empty());
    assert_eq!(plan.secrets[0].0.as_str(), "TWILIO_AUTH_TOKEN");
    assert!(plan.left[0].reason.is_stored());
}

#[test]
fn a_value_that_its_pattern_refuses_is_told_and_not_stored() {
    let plan = planned("OPENAI_API_KEY=FAKE-not-a-key\n");
    assert!(plan.connections.is_empty() && plan.secrets.is_empty());
    assert_eq!(
        plan.left[0].to_string(),
        "line 1: OPENAI_API_KEY: this does not look like a valid OpenAI API key"
    );
}

#[test]
fn of_two_lines_with_one_name_the_last_counts() {
    let plan = planned("A=1\nA=2\n");
    assert_eq!(plan.secrets.len(), 1);
    assert_eq!(plan.secrets[0].1.reveal(), "2");
    assert_eq!(
        plan.left[0].to_string(),
        "line 1: A: line 2 sets it again; that one counts"
    );
}

#[test]
fn the_providers_of_an_authsome_database_are_found() {
    let database = b"\0\x12vault:v1:openai:connection:default{\"data\":\0profile:default:github:connection:work\xff::connection:";
    let found: Vec<_> = providers_in(database)
        .into_iter()
        .map(|name| name.to_string())
        .collect();
    assert_eq!(found, ["github", "openai"]);
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "\\PC*|[A-Z=\"'\\\\\n#` \r]{0,60}") {
        let _ = Plan::of(dotenv(&secret(&text)), &[]);
        let _ = json(&secret(&text));
    }
}
