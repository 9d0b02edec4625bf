//! The whole of a first day, typed as the documents have it, from an empty
//! home on a machine without a display.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use support::{TestEnvironment, fake_key};

/// The lines that a person types, each followed by what it must print.
const DAY: &str = r#"
set -eu
expect() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'" >&2; exit 97; }; }

printf '%s' "$KEY" | vault login openai
expect "$(vault get openai --field status)" connected
vault login openai --connection team --from-env TEAM_KEY
expect "$(vault get openai/team --field api_key --show-secret)" "$TEAM_KEY"

eval "$(vault export openai --format env)"
expect "$OPENAI_API_KEY" "$KEY"
unset OPENAI_API_KEY

masks="$(GITHUB_ENV=github.env vault export --format github)"
expect "$masks" "::add-mask::$KEY"
expect "$(sed -n 2p github.env)" "$KEY"
rm github.env

printf '%s' "$URL" | vault set DATABASE_URL
expect "$(vault run --mode env -- sh -c 'printf %s "$DATABASE_URL"')" "$URL"

printf '%s\n' "$NEW_KEY" > new-key
vault login openai --force --stdin < new-key
rm new-key
expect "$(vault get openai --field api_key --show-secret)" "$NEW_KEY"

vault logout openai
code=0; status="$(vault get openai --field status)" || code=$?
expect "$status $code" "not_connected 3"

vault inspect openai > "$VAULT_HOME/providers/openai.json"
expect "$(vault list | grep -c '^openai .*custom')" 1
"#;

#[test]
fn the_first_day_works_as_it_is_typed() {
    let environment = TestEnvironment::new();
    let program = assert_cmd::cargo::cargo_bin!("vault");
    let script = format!("vault() {{ '{}' \"$@\"; }}\n{DAY}", program.display());
    let finished = environment
        .run("sh", ["-c", &script])
        .env("KEY", environment.key("first"))
        .env("TEAM_KEY", environment.key("team"))
        .env("NEW_KEY", environment.key("new"))
        .env(
            "URL",
            environment.secret("a URL", "postgres://fake:FAKE'pw$(x)@db/x?a=b&c#d"),
        )
        .asks_for_secrets()
        .ok();
    assert_eq!(finished.stdout, "");
}

#[test]
fn a_key_of_another_provider_is_named_and_never_shown() {
    let environment = TestEnvironment::new();
    let foreign = environment.secret("a foreign key", "sk-ant-FAKE_CANARY_FOREIGN");
    let refused = environment
        .vault(["login", "openai"])
        .stdin(&foreign)
        .fails(5);
    assert_eq!(
        refused.stderr,
        "Error: This does not look like a valid OpenAI API key.\nHint: This looks like an \
         Anthropic API key. Store it with: vault login anthropic\n"
    );
    let short = environment.secret("a short key", "sk-FAKE_SHORT");
    let refused = environment.vault(["login", "openai"]).stdin(short).fails(5);
    assert_eq!(
        refused.stderr,
        "Error: This does not look like a valid OpenAI API key.\nHint: OpenAI API keys start with \
         'sk-' followed by at least 20 letters, digits, '_' or '-'.\n"
    );
    assert!(!environment.vault_file().exists(), "nothing was made");
    assert_eq!(fake_key("x"), "sk-FAKE_CANARY_KEY________x");
}
