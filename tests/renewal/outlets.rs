//! What gets tokens out: `export` and `run` hand out fresh ones, and nothing
//! that only renews.

use predicates::prelude::*;
use predicates::str::contains;

use super::server::{SHORT, World, access, refresh};

const FORMATS: [&str; 12] = [
    "env",
    "fish",
    "powershell",
    "nu",
    "dotenv",
    "docker",
    "json",
    "yaml",
    "gitlab",
    "azure",
    "k8s",
    "systemd",
];

#[test]
fn an_export_holds_the_renewed_token() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    let run = world
        .environment
        .vault(["export", "peer", "--format", "json"]);
    let exported = run.asks_for_secrets().ok().json();
    assert_eq!(exported, serde_json::json!({ "PEER_TOKEN": access(2) }));
    assert_eq!(world.renewals(), [refresh(1)]);
}

#[test]
fn no_format_exports_a_refresh_token_although_its_definition_says_so() {
    let world = World::new();
    world.log_in("peer", None);
    let given = world.environment.path("given").join("github.env");
    for format in FORMATS.into_iter().chain(["github"]) {
        let run = world.environment.vault(["export", "--format", format]);
        let run = run.env("GITHUB_ENV", &given).asks_for_secrets().ok();
        let file = std::fs::read_to_string(&given).unwrap_or_default();
        let encoded = base64(&refresh(1));
        for text in [&run.stdout, &file] {
            assert!(!text.contains(&refresh(1)), "{format}: {text}");
            assert!(!text.contains(&encoded), "{format}: {text}");
            assert!(!text.contains("PEER_REFRESH"), "{format}: {text}");
        }
    }
    world
        .environment
        .vault(["export", "peer", "--name", "refresh_token=MINE"])
        .fails(3);
    world
        .environment
        .vault(["export", "openai-codex", "--format", "codex-auth"])
        .fails(3);
    world
        .environment
        .vault(["export", "peer", "--format", "codex-auth"])
        .fails(2);
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(text)
}

#[test]
fn a_login_that_has_ended_is_an_error_where_it_is_named() {
    let world = World::new();
    world.log_in_ended("peer");
    world.environment.log_in("default");
    world.answer_renewals(400, r#"{"error": "invalid_grant"}"#);
    world
        .environment
        .vault(["export", "peer", "openai"])
        .fails(9)
        .says(contains("vault login peer/default --force"));
    world
        .environment
        .vault(["run", "--mode", "env", "--only", "peer", "--", "true"])
        .fails(125)
        .says(contains("vault login peer/default --force"));
    assert_eq!(world.renewals().len(), 1);
}

#[test]
fn a_login_that_has_ended_keeps_no_other_key_from_its_reader() {
    let world = World::new();
    world.define("peertwo", &serde_json::json!({}));
    world.log_in_ended("peer");
    world.log_in("peertwo", None);
    let key = world.environment.log_in("default");
    world.answer_renewals(400, r#"{"error": "invalid_grant"}"#);
    let run = world.environment.vault(["export", "--format", "json"]);
    let run = run.asks_for_secrets().ok().says(
        contains("peer/default is left out").and(contains("vault login peer/default --force")),
    );
    let expected = serde_json::json!({ "OPENAI_API_KEY": key, "PEERTWO_TOKEN": access(2) });
    assert_eq!(run.json(), expected);
    let script = r#"test -z "${PEER_TOKEN+x}" && test -n "$OPENAI_API_KEY""#;
    world
        .environment
        .vault(["run", "--mode", "env", "--", "sh", "-c", script])
        .ok()
        .says(contains("peer/default is left out"));
    assert_eq!(world.renewals().len(), 1);
}

#[test]
fn a_server_in_trouble_keeps_no_other_key_from_its_reader_either() {
    let world = World::new();
    world.log_in_ended("peer");
    let key = world.environment.log_in("default");
    world.answer_renewals(503, "{}");
    let run = world.environment.vault(["export", "--format", "json"]);
    let run = run.asks_for_secrets().ok();
    assert_eq!(run.json(), serde_json::json!({ "OPENAI_API_KEY": key }));
    run.says(contains("peer/default is left out"));
    world.environment.vault(["export", "peer"]).fails(8);
}

#[test]
fn a_program_gets_the_renewed_token_and_nothing_that_renews() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    let script = r#"env; printf 'token %s\n' "$PEER_TOKEN""#;
    let run = world
        .environment
        .vault(["run", "--mode", "env", "--", "sh", "-c", script])
        .asks_for_secrets()
        .ok();
    assert!(
        run.stdout.contains(&format!("token {}", access(2))),
        "{run}"
    );
    assert!(!run.stdout.contains("FAKE-refresh"), "{run}");
    assert_eq!(world.renewals(), [refresh(1)]);
}
