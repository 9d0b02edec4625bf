//! `schemas/policy.schema.json` against the parser, in both directions.

use serde_json::{Value, json};
use vault::policy::{Policy, SCHEMA};

use super::conforms::violations;
use super::corpus::cases;

fn check(policy: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    violations(&schema, &schema, policy, "")
}

#[test]
fn every_policy_of_the_corpus_fits_the_schema() {
    for case in cases() {
        let policy = serde_json::from_str(case.policy.get()).unwrap();
        assert_eq!(check(&policy), Vec::<String>::new(), "{}", case.name);
    }
}

#[test]
fn what_the_parser_takes_fits_the_schema() {
    for policy in [
        json!({}),
        json!({"$schema": "x", "default": "deny", "rules": [], "limits": [], "budgets": [], "routes": {}}),
        json!({"notify": "cat", "ask_for_usage": true}),
        json!({"rules": [{"name": "a b", "agent": ["ci-*"], "provider": "*", "connection": ["openai/*", "team"],
            "host": "**.example.com", "method": ["get"], "path": "**", "action": "approve", "timeout": "3m",
            "body": {"": null, "/a": [1, true, "x*", {">": 1, ">=": 1, "<": 2.5, "<=": 2}], "/b": {"<": 1}}}]}),
        json!({"limits": [{"requests": 1, "tokens": 2, "per": "60s", "agent": "*", "provider": "a", "connection": "b/c"}]}),
        json!({"budgets": [{"usd": "5.00", "per": "day"}, {"usd": 1.5, "per": "hour"}, {"tokens": 1, "per": "month"}]}),
        json!({"routes": {"default": [{"to": "openai"}, {"model": ["a", "b*"], "to": "openai/team",
            "fallback": "ollama", "rename": "x"}]}}),
    ] {
        Policy::parse(&policy.to_string()).unwrap_or_else(|bad| panic!("{bad} {policy}"));
        assert_eq!(check(&policy), Vec::<String>::new(), "{policy}");
    }
}

#[test]
fn what_the_schema_refuses_the_parser_refuses_too() {
    for policy in [
        json!([]),
        json!({"rule": []}),
        json!({"default": "approve"}),
        json!({"rules": {}}),
        json!({"rules": [{}]}),
        json!({"rules": [{"action": "block"}]}),
        json!({"rules": [{"action": "deny", "agents": "ci"}]}),
        json!({"rules": [{"action": "deny", "agent": []}]}),
        json!({"rules": [{"action": "deny", "agent": "CI"}]}),
        json!({"rules": [{"action": "deny", "agent": null}]}),
        json!({"rules": [{"action": "deny", "connection": "a/b/c"}]}),
        json!({"rules": [{"action": "deny", "method": "GET /"}]}),
        json!({"rules": [{"action": "deny", "path": "v1"}]}),
        json!({"rules": [{"action": "deny", "body": {}}]}),
        json!({"rules": [{"action": "deny", "body": {"/a": {}}}]}),
        json!({"rules": [{"action": "deny", "body": {"/a": {"=": 1}}}]}),
        json!({"rules": [{"action": "deny", "body": {"/a": {">": "1"}}}]}),
        json!({"rules": [{"action": "deny", "body": {"/a": [["x"]]}}]}),
        json!({"rules": [{"action": "deny", "name": " "}]}),
        json!({"rules": [{"action": "approve", "timeout": 180}]}),
        json!({"rules": [{"action": "approve", "timeout": "soon"}]}),
        json!({"limits": [{"requests": 0, "per": "1m"}]}),
        json!({"limits": [{"requests": 1}]}),
        json!({"limits": [{"per": "1m"}]}),
        json!({"budgets": [{"per": "day"}]}),
        json!({"budgets": [{"usd": "five", "per": "day"}]}),
        json!({"budgets": [{"usd": 5, "per": "week"}]}),
        json!({"routes": {"a": []}}),
        json!({"routes": {"a": [{"model": "x"}]}}),
        json!({"routes": {"a": [{"to": "Open AI"}]}}),
        json!({"notify": " "}),
        json!({"ask_for_usage": "yes"}),
    ] {
        assert_ne!(check(&policy), Vec::<String>::new(), "{policy}");
        assert!(Policy::parse(&policy.to_string()).is_err(), "{policy}");
    }
}
