//! The bundled definitions' ways to verify, each against answers as its
//! provider gives them, and all of them at once.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use support::TestEnvironment;
use support::internet::{Internet, Reply, Seen};
use vault::provider::{AuthKind, Catalog, Definition};

fn bundled() -> Vec<Definition> {
    Catalog::new(None)
        .all()
        .unwrap()
        .into_iter()
        .map(|entry| entry.definition.unwrap())
        .collect()
}

/// Made-up values for every field of a definition, from its own examples.
fn example(definition: &Definition) -> Map<String, Value> {
    definition
        .fields
        .iter()
        .filter(|field| field.is_required || field.name.as_str() != "base_url")
        .map(|field| {
            let name = field.name.to_string();
            let shown = field.examples.fitting.first().cloned();
            let value = match name.as_str() {
                "service_account_json" => service_account(),
                _ => shown
                    .or_else(|| field.default.clone())
                    .unwrap_or_else(|| format!("FAKE-{}-0123456789", definition.name)),
            };
            (name, Value::from(value))
        })
        .collect()
}

fn service_account() -> String {
    let pem = include_str!("data/google/key.pem");
    json!({
        "type": "service_account", "client_email": "fake@fake.iam.gserviceaccount.com",
        "private_key_id": "fake", "private_key": pem
    })
    .to_string()
}

fn can_be_asked(definition: &Definition) -> bool {
    !definition.verify.is_empty()
        && definition.fields.iter().any(|field| field.is_secret)
        && definition.auth_type() != &AuthKind::None
}

/// An environment with all bundled providers connected.
fn everything() -> TestEnvironment {
    let environment = TestEnvironment::new().with_identity_vault();
    let mut all = Map::new();
    for definition in bundled().iter().filter(|one| can_be_asked(one)) {
        let fields = example(definition);
        all.insert(definition.name.to_string(), Value::Object(fields));
    }
    let path = environment.given("all.json", Value::Object(all).to_string());
    let run = environment
        .vault(["import", "--from", "json"])
        .arg(path)
        .ok();
    assert!(!run.stderr.contains("Not taken"), "{run}");
    assert!(!run.stderr.contains("Left"), "{run}");
    environment
}

/// Everything of a request that could hold a secret, as plain text.
fn plain(seen: &Seen) -> String {
    let mut text = format!("{} {}", seen.path, seen.body);
    for value in seen.headers.values() {
        text.push_str(&format!("\n{value}"));
        let decoded = value
            .strip_prefix("Basic ")
            .and_then(|code| STANDARD.decode(code).ok());
        text.push_str(&String::from_utf8_lossy(&decoded.unwrap_or_default()));
    }
    text
}

#[test]
fn every_bundled_request_goes_to_its_own_host_with_its_own_credential() {
    let mut environment = everything();
    let internet = Internet::start(&environment, |_| {
        Reply::new(200, r#"{"ok":true,"valid":true}"#)
    });
    internet.reach(&mut environment);
    let run = environment.vault(["verify", "--json"]).finish();
    let results = run.json();
    let results = results["results"].as_array().unwrap();
    let wanted: Vec<_> = bundled().into_iter().filter(can_be_asked).collect();
    assert_eq!(results.len(), wanted.len(), "{run}");
    let seen = internet.seen();
    assert_eq!(seen.len(), wanted.len(), "one request each: {run}");
    for definition in &wanted {
        let fields = example(definition);
        let definition = match fields.get("base_url").and_then(Value::as_str) {
            Some(url) => definition.at(url).unwrap(),
            None => definition.clone(),
        };
        let of_it = seen.iter().filter(|seen| {
            let host = seen.host.parse().unwrap();
            let path = seen.path.split('?').next().unwrap();
            definition.host_for(&host, seen.port, path).is_some()
        });
        let is_signed = [AuthKind::AwsSigV4, AuthKind::JwtBearer]
            .iter()
            .any(|kind| definition.supports(kind));
        let mut secrets = definition.fields.iter().filter(|field| field.is_secret);
        let carries = |seen: &Seen| {
            let text = plain(seen);
            secrets.clone().any(|field| {
                let secret = fields[field.name.as_str()].as_str().unwrap();
                text.contains(secret) || text.contains(&secret.replace(':', "%3A"))
            })
        };
        let sent: Vec<_> = of_it.collect();
        assert!(!sent.is_empty(), "{}: nothing came", definition.name);
        assert!(
            is_signed || sent.iter().any(|seen| carries(seen)),
            "{}: no request with its credential",
            definition.name
        );
        if is_signed {
            let secret = secrets.next().unwrap();
            let secret = fields[secret.name.as_str()].as_str().unwrap();
            assert!(!sent.iter().any(|seen| plain(seen).contains(secret)));
        }
    }
}

/// Provider, status, body, and how that is read: as the data on providers and
/// their own documentation say.
const ANSWERS: &[(&str, u16, &str, &str)] = &[
    (
        "openai",
        403,
        r#"{"error":{"message":"insufficient permissions"}}"#,
        "forbidden",
    ),
    ("anthropic", 404, r#"{"type":"error"}"#, "rejected"),
    ("anthropic", 529, r#"{"type":"error"}"#, "unreachable"),
    ("anthropic", 400, "{}", "unreachable"),
    (
        "google-gemini",
        400,
        r#"{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}"#,
        "rejected",
    ),
    ("google-gemini", 400, "{}", "unreachable"),
    ("cohere", 200, r#"{"valid":true}"#, "ok"),
    ("cohere", 200, r#"{"valid":false}"#, "rejected"),
    ("cohere", 200, "{}", "unreachable"),
    ("qdrant", 403, "{}", "rejected"),
    ("typeform", 403, "{}", "rejected"),
    ("fireworks", 412, "{}", "rejected"),
    ("xai", 400, "{}", "rejected"),
    (
        "elevenlabs",
        401,
        r#"{"detail":{"status":"missing_permissions"}}"#,
        "forbidden",
    ),
    (
        "elevenlabs",
        401,
        r#"{"detail":{"status":"invalid_api_key"}}"#,
        "rejected",
    ),
    ("elevenlabs", 400, "{}", "rejected"),
    ("voyage", 403, "{}", "forbidden"),
    (
        "github",
        403,
        r#"{"message":"API rate limit exceeded"}"#,
        "rate_limited",
    ),
    (
        "github",
        403,
        r#"{"message":"Resource not accessible"}"#,
        "forbidden",
    ),
    (
        "linear",
        400,
        r#"{"errors":[{"extensions":{"code":"RATELIMITED"}}]}"#,
        "rate_limited",
    ),
    ("slack", 200, r#"{"ok":true}"#, "ok"),
    (
        "slack",
        200,
        r#"{"ok":false,"error":"invalid_auth"}"#,
        "rejected",
    ),
    (
        "slack",
        200,
        r#"{"ok":false,"error":"token_revoked"}"#,
        "rejected",
    ),
    (
        "slack",
        200,
        r#"{"ok":false,"error":"ratelimited"}"#,
        "rate_limited",
    ),
    ("telegram", 200, r#"{"ok":true}"#, "ok"),
    ("telegram", 404, r#"{"ok":false}"#, "rejected"),
    ("sendgrid", 403, "{}", "forbidden"),
    ("resend", 403, r#"{"name":"invalid_api_key"}"#, "rejected"),
    (
        "resend",
        401,
        r#"{"name":"restricted_api_key"}"#,
        "forbidden",
    ),
    ("resend", 401, r#"{"name":"missing_api_key"}"#, "rejected"),
    ("stripe", 403, "{}", "forbidden"),
    ("paypal", 401, r#"{"error":"invalid_client"}"#, "rejected"),
    ("aws", 403, "<Code>InvalidClientTokenId</Code>", "rejected"),
    ("aws", 403, "<Code>SignatureDoesNotMatch</Code>", "rejected"),
    ("aws", 400, "<Code>Throttling</Code>", "rate_limited"),
    ("gcp", 400, r#"{"error":"invalid_grant"}"#, "rejected"),
    (
        "azure",
        400,
        r#"{"error_description":"AADSTS7000215: Invalid client secret"}"#,
        "rejected",
    ),
    (
        "azure",
        401,
        r#"{"error_description":"AADSTS7000222: expired"}"#,
        "rejected",
    ),
    ("cloudflare", 403, "{}", "rejected"),
    ("fly", 400, r#"{"error":"org_slug"}"#, "ok"),
    ("fly", 401, "{}", "rejected"),
    ("pinecone", 403, "{}", "forbidden"),
    (
        "algolia",
        403,
        r#"{"message":"Invalid Application-ID or API key"}"#,
        "rejected",
    ),
    ("exa", 402, "{}", "rate_limited"),
    ("serper", 403, "{}", "rejected"),
    (
        "brave-search",
        422,
        r#"{"error":{"code":"SUBSCRIPTION_TOKEN_INVALID"}}"#,
        "rejected",
    ),
    (
        "brave-search",
        422,
        r#"{"error":{"code":"VALIDATION"}}"#,
        "unreachable",
    ),
    ("datadog", 403, "{}", "rejected"),
    ("figma", 403, r#"{"err":"Invalid token"}"#, "rejected"),
    (
        "figma",
        403,
        r#"{"err":"Token lacks current_user:read"}"#,
        "forbidden",
    ),
    ("zendesk", 404, "{}", "rejected"),
    ("openrouter", 401, "{}", "rejected"),
];

#[test]
fn answers_are_read_as_each_provider_gives_them() {
    let mut environment = everything();
    let next = Arc::new(Mutex::new(Reply::new(200, "{}")));
    let internet = Internet::start(&environment, {
        let next = Arc::clone(&next);
        move |_| next.lock().unwrap().clone()
    });
    internet.reach(&mut environment);
    let mut wrong = Vec::new();
    for (provider, status, body, expected) in ANSWERS {
        *next.lock().unwrap() = Reply::new(*status, *body);
        let run = environment.vault(["verify", provider, "--json"]).finish();
        let found = run.json()["results"][0].clone();
        if found["result"] != *expected {
            wrong.push(format!(
                "{provider} {status} {body}: {found}, not {expected}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn openrouter_is_asked_where_the_key_counts() {
    let mut environment = everything();
    let internet = Internet::start(&environment, |_| Reply::new(200, "{}"));
    internet.reach(&mut environment);
    environment.vault(["verify", "openrouter"]).ok();
    assert_eq!(internet.seen()[0].path, "/api/v1/key");
}

#[test]
fn a_key_of_an_installation_is_asked_about_elsewhere() {
    let mut environment = TestEnvironment::new().with_identity_vault();
    let internet = Internet::start(&environment, |_| Reply::new(200, "{}"));
    internet.reach(&mut environment);
    for (target, token, path) in [
        (
            "github/a",
            "ghs_1234_FAKE.FAKE-FAKE.FAKE",
            "/installation/repositories",
        ),
        (
            "github/b",
            "ghp_FAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKE",
            "/user",
        ),
    ] {
        internet.forget();
        environment
            .vault(["login", target, "--stdin"])
            .stdin(token)
            .ok();
        environment.vault(["verify", target]).ok();
        let seen = internet.seen();
        assert!(seen[0].path.starts_with(path), "{}", seen[0].path);
    }
}

#[test]
fn a_local_model_server_needs_no_key_and_tells_its_models() {
    let environment = TestEnvironment::new().with_identity_vault();
    let internet = Internet::start(&environment, |seen| {
        assert!(!seen.headers.contains_key("authorization"));
        Reply::new(
            200,
            r#"{"models":[{"name":"llama3.2"},{"name":"qwen3"}],"data":[{"id":"phi4"}]}"#,
        )
    });
    let url = internet.address();
    for (provider, told) in [
        ("ollama", "2 models: llama3.2, qwen3"),
        ("lmstudio", "1 model: phi4"),
        ("vllm", "1 model: phi4"),
    ] {
        environment
            .vault(["login", provider, "--base-url", &url])
            .ok();
        let run = environment.vault(["verify", provider, "--json"]).ok();
        assert_eq!(run.json()["results"][0]["message"], told);
    }
    let listed = environment.vault(["get", "ollama", "--json"]).ok().json();
    assert_eq!(listed["base_url"], url.as_str());
    drop(internet);
    let run = environment.vault(["verify", "ollama"]).finds(8);
    assert!(run.stdout.contains("nobody listens there"), "{run}");
}
