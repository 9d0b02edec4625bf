//! `rule list` and `rule check`, through the binary.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;

use support::TestEnvironment;

const POLICY: &str = r#"{
  // What the build server may do.
  "default": "deny",
  "rules": [
    {"name": "no fine-tuning", "agent": "ci", "connection": "openai/*", "method": ["POST"], "path": "/v1/fine_tuning/**", "action": "deny"},
    {"provider": ["openai", "anthropic"], "body": {"/model": ["gpt-5*-pro"],
      "/max_tokens": {">": 8000}}, "action": "approve", "timeout": "5m"},
    {"action": "allow"},
  ],
  "limits": [{"provider": "openai", "requests": 100, "per": "60s"}],
  "budgets": [{"agent": "ci", "usd": "5.00", "per": "day"}],
  "routes": {"default": [{"to": "openai/team"}, {"model": "llama*", "to": "ollama"}]},
}"#;

fn with(policy: &str) -> TestEnvironment {
    let made = TestEnvironment::new();
    std::fs::create_dir_all(made.home()).unwrap();
    std::fs::write(made.home().join("policy.json"), policy).unwrap();
    made
}

#[test]
fn rules_limits_and_budgets_are_listed() {
    let made = with(POLICY);
    let listed = made.vault(["rule", "list"]).ok();
    for line in [
        "deny     no fine-tuning  agent ci, connection openai/*, method POST, path /v1/fine_tuning/**\n",
        "approve  rule 2          provider openai or anthropic, body {\"/model\": [\"gpt-5*-pro\"], \"/max_tokens\": {\">\": 8000}} (within 5m)\n",
        "allow    rule 3          everything\n",
        "limit    -               provider openai: 100 requests in 1m\n",
        "budget   -               agent ci: $5.00 in each day\n",
        "deny     (default)       everything else\n",
    ] {
        assert!(listed.stdout.contains(line), "{line}{}", listed.stdout);
    }
}

#[test]
fn what_is_listed_as_json_has_every_member() {
    let made = with(POLICY);
    let listed = made.vault(["rule", "list", "--json"]).ok().json();
    assert_eq!(
        listed,
        json!({
            "default": "deny",
            "rules": [
                {"name": "no fine-tuning", "action": "deny", "timeout": null, "agent": ["ci"], "provider": null,
                    "connection": ["openai/*"], "host": null, "method": ["POST"], "path": ["/v1/fine_tuning/**"], "body": null},
                {"name": "rule 2", "action": "approve", "timeout": "5m", "agent": null, "provider": ["openai", "anthropic"],
                    "connection": null, "host": null, "method": null, "path": null,
                    "body": {"/model": ["gpt-5*-pro"], "/max_tokens": {">": 8000}}},
                {"name": "rule 3", "action": "allow", "timeout": null, "agent": null, "provider": null,
                    "connection": null, "host": null, "method": null, "path": null, "body": null},
            ],
            "limits": [{"agent": null, "provider": ["openai"], "connection": null, "requests": 100, "tokens": null, "per": "1m"}],
            "budgets": [{"agent": ["ci"], "provider": null, "connection": null, "usd": "5.00", "tokens": null, "per": "day"}],
        })
    );
}

#[test]
fn without_a_file_everything_is_allowed_and_said_to_be() {
    let made = TestEnvironment::new();
    let listed = made.vault(["rule", "list"]).ok();
    listed.says(contains("everything is allowed"));
    let listed = made.vault(["rule", "list", "--json"]).ok().json();
    let nothing = json!({"default": "allow", "rules": [], "limits": [], "budgets": []});
    assert_eq!(listed, nothing);
    let listed = TestEnvironment::on_platform_folders();
    let path = listed.path("user/config/vault/policy.json");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, POLICY).unwrap();
    listed
        .vault(["rule", "list"])
        .ok()
        .prints(contains("no fine-tuning"));
}

#[test]
fn a_valid_policy_is_counted() {
    let made = with(POLICY);
    made.vault(["rule", "check"])
        .ok()
        .says(contains("3 rules, 1 limit, 1 budget, 2 routes."));
    let other = made.given("other.json", "{}");
    let json = made
        .vault(["rule", "check", "--json"])
        .args([&other])
        .ok()
        .json();
    let counts = json!({"status": "valid", "rules": 0, "limits": 0, "budgets": 0, "routes": 0});
    assert_eq!(json, counts);
}

#[test]
fn a_broken_policy_is_refused_with_its_place_and_a_way_to_mend_it() {
    let made = with("{\n  \"rules\": [{\"agnet\": \"ci\", \"action\": \"deny\"}]}");
    for command in ["list", "check"] {
        made.vault(["rule", command]).fails(5).says(
            contains("policy.json, line 2, column 14: rule 1: 'agnet' is not known here; did you mean 'agent'?")
                .and(contains("vault rule check")),
        );
    }
    let odd = made.given("odd.json", b"{\"rules\": \xff}");
    made.vault(["rule", "check"])
        .args([&odd])
        .fails(5)
        .says(contains("it is not UTF-8"));
    let bare = TestEnvironment::new();
    bare.vault(["rule", "check"])
        .fails(1)
        .says(contains("There is no file"));
    made.vault(["rule", "check", "missing.json"])
        .fails(1)
        .says(contains("There is no file").and(contains("vault rule list")));
    let steering = made.given("steering.json", "{\"\\u001b[2J\": 1}");
    made.vault(["rule", "check"])
        .args([&steering])
        .fails(5)
        .says(contains('\u{1b}').not());
}

#[test]
fn doctor_tells_of_a_policy_and_of_prices_that_no_gateway_would_start_with() {
    let environment = TestEnvironment::new();
    environment.log_in("default");
    environment
        .vault(["doctor"])
        .finish()
        .prints(contains("everything is allowed").and(contains("none of them amiss")));
    for (file, word) in [("policy.json", "policy"), ("prices.json", "prices")] {
        let path = environment.home().join(file);
        std::fs::write(&path, "{\n 7").unwrap();
        let told = environment.vault(["doctor"]).finish();
        assert_eq!(told.code, Some(1), "{told}");
        told.prints(contains(word).and(contains("line 2")));
        std::fs::remove_file(path).unwrap();
    }
}
