//! A vault with a connection of each kind, made once and copied for each
//! test.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Value, json};
use vault::credential::agent::{Agent, digest_of};
use vault::secret::Secret;
use vault::vault::{Change, Moment, Places, Store};

use crate::support::{TestEnvironment, chmod, make_folder};

/// Keys; obviously nobody's.
pub const KEY: &str = "FAKE-canary-of-acme/default+1";
pub const TEAM_KEY: &str = "FAKE-canary-of-acme-team";
pub const OPENAI_KEY: &str = "sk-FAKE_CANARY_OF_OPENAI";
const ONE_KEY: &str = "FAKE-canary-of-beta-one";
const TWO_KEY: &str = "FAKE-canary-of-beta-two";
pub const ID: &str = "FAKE-canary-id-of-pair";
pub const SECRET: &str = "FAKE-canary-secret-of-pair";
pub const QUERY_KEY: &str = "FAKE-canary&of=query";
pub const PASSWORD: &str = "FAKE-canary-password";
pub const PATH_KEY: &str = "123:FAKE-canary-of-path";
const FOREIGN_KEY: &str = "FAKE-canary-of-foreign";
pub const TENANT_KEY: &str = "FAKE-canary-of-tenant";
pub const WILD_KEY: &str = "FAKE-canary-of-wild";
const AWS_SECRET: &str = "FAKEFAKE/FAKECANARY+FAKEFAKEFAKEFAKEFAKE";
pub const AWS_ID: &str = "AKIAFAKEFAKEFAKEFAKE";

struct Template {
    files: Vec<(PathBuf, Vec<u8>)>,
    tokens: Tokens,
}

/// The tokens of agents.
#[derive(Clone)]
pub struct Tokens {
    /// May use everything.
    pub ci: String,
    /// May use `acme/team` alone.
    pub narrow: String,
    /// Has ended.
    pub ended: String,
}

/// A machine with that vault, and its agents' tokens.
pub fn filled() -> (TestEnvironment, Tokens) {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    let template = TEMPLATE.get_or_init(make);
    let environment = TestEnvironment::new();
    make_folder(environment.home());
    for (path, content) in &template.files {
        let path = environment.home().join(path);
        make_folder(path.parent().unwrap());
        fs::write(&path, content).unwrap();
        chmod(&path, 0o600);
    }
    for (what, text) in secrets() {
        environment.secret(what, text);
    }
    let Tokens { ci, narrow, ended } = &template.tokens;
    for token in [ci, narrow, ended] {
        environment.secret("an agent's token", token);
    }
    (environment, template.tokens.clone())
}

fn secrets() -> [(&'static str, &'static str); 14] {
    [
        ("acme's key", KEY),
        ("acme/team's key", TEAM_KEY),
        ("openai's key", OPENAI_KEY),
        ("beta/one's key", ONE_KEY),
        ("beta/two's key", TWO_KEY),
        ("pair's ID", ID),
        ("pair's secret", SECRET),
        ("query's key", QUERY_KEY),
        ("basic's password", PASSWORD),
        ("path's key", PATH_KEY),
        ("foreign's key", FOREIGN_KEY),
        ("tenant's key", TENANT_KEY),
        ("wild's key", WILD_KEY),
        ("aws's secret", AWS_SECRET),
    ]
}

/// A provider with one key in one header.
pub fn provider(name: &str, more: Value) -> Value {
    let variable = format!("{}_API_KEY", name.to_uppercase());
    let mut definition = json!({
        "schema_version": 1,
        "name": name,
        "display_name": name,
        "auth": ["api_key"],
        "fields": [{ "name": "api_key", "label": "API key", "env": [variable] }],
        "hosts": [format!("api.{name}.example")],
        "inject": [{ "in": "header", "name": "Authorization", "value": "Bearer {api_key}" }],
        "base_url": format!("https://api.{name}.example/v1"),
    });
    for (member, value) in more.as_object().unwrap() {
        definition[member] = value.clone();
    }
    definition
}

/// Makes a definition known.
pub fn define(environment: &TestEnvironment, definition: &Value) {
    let folder = environment.home().join("providers");
    make_folder(environment.home());
    make_folder(&folder);
    let name = definition["name"].as_str().unwrap();
    fs::write(folder.join(format!("{name}.json")), definition.to_string()).unwrap();
}

fn make() -> Template {
    let environment = TestEnvironment::new().with_identity_vault();
    for (what, text) in secrets() {
        environment.secret(what, text);
    }
    let two = |first: &str, second: &str, is_secret: bool| {
        json!([
            { "name": first, "label": first, "secret": is_secret, "env": [format!("FAKE_{}", first.to_uppercase())] },
            { "name": second, "label": second, "env": [format!("FAKE_{}", second.to_uppercase())] },
        ])
    };
    for definition in [
        provider("acme", json!({ "base_url_env": ["ACME_BASE_URL"] })),
        provider("beta", json!({})),
        provider("gamma", json!({})),
        provider(
            "pair",
            json!({
                "fields": two("key_id", "key_secret", true),
                "inject": [
                    { "in": "header", "name": "X-Pair-Id", "value": "{key_id}" },
                    { "in": "header", "name": "X-Pair-Secret", "value": "{key_secret}" },
                ],
                "extra_headers": { "X-Pair-Version": "7" },
            }),
        ),
        provider(
            "query",
            json!({ "inject": [{ "in": "query", "name": "key", "value": "{api_key}" }] }),
        ),
        provider(
            "basic",
            json!({
                "fields": two("user", "password", false),
                "inject": [{ "in": "basic", "username": "{user}", "password": "{password}" }],
            }),
        ),
        provider(
            "path",
            json!({
                "inject": [{ "in": "path", "value": "/bot{api_key}" }],
                "base_url": "https://api.path.example",
            }),
        ),
        provider(
            "foreign",
            json!({ "hosts": ["regex:.*foreignapis.*", "api.foreign.example"] }),
        ),
        provider(
            "tenant",
            json!({
                "tenant": true,
                "hosts": ["{base_url}", "*.tenant.example"],
                "base_url": null,
            }),
        ),
        provider("wild", json!({ "hosts": ["*.wild.example"] })),
    ] {
        define(&environment, &definition);
    }
    let pair = json!({ "key_id": ID, "key_secret": SECRET }).to_string();
    let basic = json!({ "user": "FAKE-user", "password": PASSWORD }).to_string();
    let aws = json!({
        "access_key_id": AWS_ID, "secret_access_key": AWS_SECRET, "region": "eu-central-1",
    });
    for (target, value) in [
        ("acme", KEY),
        ("acme/team", TEAM_KEY),
        ("openai", OPENAI_KEY),
        ("beta/one", ONE_KEY),
        ("beta/two", TWO_KEY),
        ("pair", &pair),
        ("query", QUERY_KEY),
        ("basic", &basic),
        ("path", PATH_KEY),
        ("foreign", FOREIGN_KEY),
        ("wild", WILD_KEY),
        ("aws", &aws.to_string()),
    ] {
        environment
            .vault(["login", target, "--stdin"])
            .stdin(value)
            .ok();
    }
    environment
        .vault(["login", "tenant", "--stdin"])
        .args(["--base-url", "https://own.tenant.example/v1"])
        .stdin(TENANT_KEY)
        .ok();
    // The certificate authority is made, so that no test waits for it.
    environment.vault(["ca"]).ok();
    let tokens = agents(&environment);
    let files = environment
        .files_under(environment.home())
        .into_iter()
        .filter_map(|path| {
            let name = path.strip_prefix(environment.home()).unwrap().to_owned();
            let is_kept = ["vault.age", "identity.txt", "providers"]
                .iter()
                .any(|kept| name.starts_with(kept));
            is_kept.then(|| (name, fs::read(&path).unwrap()))
        })
        .collect();
    Template { files, tokens }
}

fn agents(environment: &TestEnvironment) -> Tokens {
    let create = |arguments: &[&str]| {
        let run = environment.vault(["agent", "create"]).args(arguments);
        let token = run.asks_for_secrets().ok().stdout.trim_end().to_owned();
        environment.secret("an agent's token", token)
    };
    let tokens = Tokens {
        ci: create(&["ci"]),
        narrow: create(&["narrow", "--allow", "acme/team"]),
        ended: format!("vat_{}", "FAKEended".repeat(5)),
    };
    // No command makes an agent that has ended.
    let places = Places {
        file: environment.vault_file(),
        state: environment.home().join("state"),
        backups: None,
    };
    let store = Store::at(places, None).unwrap();
    let now = Timestamp::now();
    let moment = Moment {
        now,
        command: "test",
    };
    let token = Secret::from(tokens.ended.clone());
    let mut ended = Agent::new("ended".parse().unwrap(), &token, now);
    ended.digest = digest_of(&token);
    ended.expires_at = Some("2020-01-31T00:00:00Z".parse().unwrap());
    store
        .change(
            &environment.vault_key(),
            moment,
            Change::Ordinary,
            |document| {
                document.put_agent(&ended);
                Ok(())
            },
        )
        .unwrap();
    tokens
}
