//! `vault route`: the sets of routes, the one in use, and where a model leads.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;
use support::TestEnvironment;

const POLICY: &str = r#"{
  // Hosted, and on this machine.
  "routes": {
    "default": [
      { "model": ["llama*", "qwen*"], "to": "ollama" },
      { "model": "gpt-*", "to": "openai/team", "fallback": ["openai/personal", "groq"] },
    ],
    "local": [{ "to": "ollama", "rename": "llama3.2" }],
    "other": [{ "model": "x", "to": "groq" }],
  },
}"#;

fn with_policy(text: &str) -> TestEnvironment {
    let environment = TestEnvironment::new();
    support::make_folder(environment.home());
    fs::write(environment.home().join("policy.json"), text).unwrap();
    environment
}

#[test]
fn the_sets_are_listed_with_the_one_in_use() {
    let environment = with_policy(POLICY);
    let list = || environment.vault(["route", "list"]);
    list().ok().prints(
        contains("default (in use)")
            .and(contains("llama*, qwen*"))
            .and(contains("openai/personal, groq"))
            .and(contains("llama3.2"))
            .and(contains("other")),
    );
    environment.vault(["route", "use", "local"]).ok();
    let listed = list().arg("--json").ok().json();
    let expected = json!({ "sets": [
        { "name": "default", "in_use": false, "routes": [
            { "model": ["llama*", "qwen*"], "connection": "ollama", "sent_as": null, "fallback": [] },
            { "model": ["gpt-*"], "connection": "openai/team", "sent_as": null,
              "fallback": ["openai/personal", "groq"] },
        ] },
        { "name": "local", "in_use": true, "routes": [
            { "model": ["*"], "connection": "ollama", "sent_as": "llama3.2", "fallback": [] },
        ] },
        { "name": "other", "in_use": false, "routes": [
            { "model": ["x"], "connection": "groq", "sent_as": null, "fallback": [] },
        ] },
    ] });
    assert_eq!(listed, expected);
    fs::write(
        environment.home().join("policy.json"),
        r#"{"routes":{"default":[{"to":"groq"}]}}"#,
    )
    .unwrap();
    list()
        .ok()
        .says(contains("The set in use, local, is not there"));
}

#[test]
fn a_set_is_put_into_use_if_it_is_there() {
    let environment = with_policy(POLICY);
    let run = |name: &str| environment.vault(["route", "use", name]);
    run("local")
        .ok()
        .says(contains("those of local").and(contains("at once")));
    let chosen = || fs::read_to_string(environment.home().join("state/route")).unwrap();
    assert_eq!(chosen(), "local\n");
    let said = run("default").arg("--json").ok().json();
    assert_eq!(said, json!({ "status": "in_use", "route": "default" }));
    run("locla").fails(3).says(
        contains("locla")
            .and(contains("Did you mean local?"))
            .and(contains("vault route list")),
    );
    run("a\u{1b}[2Jb").fails(3).says(contains("\u{1b}").not());
    assert_eq!(chosen(), "default\n");
}

#[test]
fn a_model_is_followed_to_its_connection() {
    let environment = with_policy(POLICY);
    let test = |model: &str| environment.vault(["route", "test", "--model", model]);
    test("gpt-5").ok().prints(
        contains("openai/team")
            .and(contains("openai/personal, groq"))
            .and(contains("default")),
    );
    let found = test("anything")
        .args(["--route", "local", "--json"])
        .ok()
        .json();
    let expected = json!({
        "route": "local", "model": "anything", "connection": "ollama", "sent_as": "llama3.2",
        "fallback": [],
    });
    assert_eq!(found, expected);
    test("claude-5")
        .fails(3)
        .says(contains("set default").and(contains("vault route list")));
    test("gpt-5").args(["--route", "other"]).fails(3);
    test("gpt-5")
        .args(["--route", "nothing"])
        .fails(3)
        .says(contains("default, local, other"));
    environment.vault(["route", "use", "local"]).ok();
    test("claude-5").ok().prints(contains("llama3.2"));
}

#[test]
fn routes_may_stand_in_another_file_and_a_broken_one_is_said_to_be() {
    let environment = TestEnvironment::new();
    let list = || environment.vault(["route", "list"]);
    list().ok().says(contains("docs/routes.md"));
    let listed = list().arg("--json").ok().json();
    assert_eq!(listed, json!({ "sets": [] }));
    environment
        .vault(["route", "use", "local"])
        .fails(3)
        .says(contains("docs/routes.md"));
    let other = environment.given("other.json", POLICY);
    list()
        .arg("--policy")
        .arg(&other)
        .ok()
        .prints(contains("ollama"));
    let broken = environment.given("broken.json", r#"{"routes": {"default": [{"to": "a b"}]}}"#);
    list()
        .arg("--policy")
        .arg(&broken)
        .fails(5)
        .says(contains("line 1, column"));
    let absent = environment.path("absent.json");
    list()
        .arg("--policy")
        .arg(&absent)
        .fails(5)
        .says(contains("is not there"));
}
