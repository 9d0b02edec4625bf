//! Every bundled definition against the schema.

use serde_json::{Value, json};

use super::conforms::violations;

fn provider_schema() -> Value {
    serde_json::from_str(vault::provider::SCHEMA).unwrap()
}

fn check(value: &Value) -> Vec<String> {
    let schema = provider_schema();
    violations(&schema, &schema, value, "")
}

#[test]
fn every_bundled_definition_fits_the_schema() {
    for entry in std::fs::read_dir("providers").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(check(&value), Vec::<String>::new(), "{}", path.display());
        for member in value.as_object().unwrap().keys() {
            let known = &provider_schema()["properties"];
            assert!(known.get(member).is_some(), "{}: {member}", path.display());
        }
    }
}

#[test]
fn the_schema_refuses_what_a_definition_cannot_hold() {
    for wrong in [
        json!([]),
        json!({"schema_version": 2}),
        json!({"name": "Open AI"}),
        json!({"hosts": "api.example.com"}),
        json!({"hosts": [1]}),
        json!({"ports": [0]}),
        json!({"ports": [70000]}),
        json!({"fields": [{"label": "no name"}]}),
        json!({"fields": [{"name": "a", "env": ["lower"]}]}),
        json!({"fields": [{"name": "a", "secret": "yes"}]}),
        json!({"inject": [{"in": "cookie", "name": "a", "value": "b"}]}),
        json!({"inject": [{"in": "header", "value": "b"}]}),
        json!({"inject": [{"in": "basic", "username": "b"}]}),
        json!({"extra_headers": {"a": 1}}),
        json!({"verify": {"url": "https://a.example", "answers": [{"status": 200, "result": "?"}]}}),
        json!({"verify": {"method": "DELETE", "url": "https://a.example"}}),
        json!({"verify": [{"method": "GET"}]}),
        json!({"verify": {"url": "https://a.example", "when": {"field": "a"}}}),
        json!({"detect": [{"min_entropy": 3}]}),
        json!({"rotate_after_days": 0}),
    ] {
        assert_ne!(check(&wrong), Vec::<String>::new(), "{wrong}");
    }
}

#[test]
#[should_panic(expected = "the keyword 'format' is not known here")]
fn a_keyword_that_the_validator_lacks_is_noticed() {
    violations(&json!({}), &json!({"format": "uri"}), &json!("x"), "");
}

#[test]
fn every_member_of_the_schema_is_read_or_known_to_be_ignored() {
    let schema = provider_schema();
    for member in schema["properties"].as_object().unwrap().keys() {
        let nonsense = json!({ member: [[[]]] }).to_string();
        let loaded = vault::provider::validate(&nonsense, std::path::Path::new("x.json"));
        let is_ignored = ["logo", "metadata"].contains(&member.as_str());
        assert_eq!(loaded.is_ok(), is_ignored, "{member}");
    }
}

/// What is said of the members of a definition.
fn remarks(text: &str) -> Vec<String> {
    let definition = vault::provider::validate(text, std::path::Path::new("x.json")).unwrap();
    assert_eq!(definition.warnings(), [""; 0], "loading is silent");
    definition.remarks()
}

#[test]
fn a_member_that_is_not_known_is_told_with_its_nearest_neighbour_wherever_it_is() {
    let text = r#"{
        // Comments are no members.
        "$schema": "provider.schema.json",
        "hots": ["api.example.com"], "x-team": {"a": 1},
        "hosts": ["api.example.com"],
        "fields": [{"name": "api_key"}, {"name": "app", "secert": false, "examples": {"fiting": []}}],
        "inject": [{"in": "header", "name": "A", "value": "{api_key}", "host": []}],
        "detect": [{"pattern": "^a$", "min-entropy": 3}],
        "verify": [{"url": "https://api.example.com/", "answers": [{"status": 404, "result": "ok", "equal": 1}]}],
        "\u001b[2J": 1}"#;
    assert_eq!(
        remarks(text),
        [
            "member '\\u{1b}[2J' is not known and is ignored",
            "member 'detect[0].min-entropy' is not known and is ignored; did you mean 'min_entropy'?",
            "member 'fields[1].examples.fiting' is not known and is ignored; did you mean 'fitting'?",
            "member 'fields[1].secert' is not known and is ignored; did you mean 'secret'?",
            "member 'hots' is not known and is ignored; did you mean 'hosts'?",
            "member 'inject[0].host' is not known and is ignored; did you mean 'hosts'?",
            "member 'verify[0].answers[0].equal' is not known and is ignored; did you mean 'equals'?",
            "member 'x-team' is not known and is ignored",
        ]
    );
}

#[test]
fn what_holds_names_of_anybodys_choice_is_left_alone() {
    let text = r#"{
        "api_key": {}, "hosts": ["api.example.com"], "metadata": {"owner": {"team": 1}},
        "extra_headers": {"X-Anything": "1"}, "export": {"env": {"api_key": "A_KEY"}},
        "oauth": {"authorization_params": {"prompt": "consent"}},
        "verify": {"url": "https://api.example.com/", "headers": {"X-More": "1"},
            "json": {"anything": {"at": "all"}}}}"#;
    assert_eq!(remarks(text), [""; 0]);
    let long = format!(r#"{{"{}": 1}}"#, "x".repeat(500_000));
    assert_eq!(remarks(&long).len(), 1, "and it ends soon");
}
