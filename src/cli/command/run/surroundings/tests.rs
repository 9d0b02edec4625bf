use super::*;
use crate::provider::{Catalog, validate};

const TOKEN: &str = "http://vault:FAKEtoken@127.0.0.1:1";

struct World {
    connected: Vec<Definition>,
    others: Vec<Definition>,
    own_hosts: Vec<HostName>,
    placeholders: Vec<(VariableName, Secret)>,
    values: Vec<(VariableName, Secret)>,
    base_urls: Vec<(VariableName, String)>,
}

impl World {
    fn with(providers: &[&str]) -> Self {
        let catalog = Catalog::new(None);
        let find = |name: &&str| catalog.find(&name.parse().unwrap()).unwrap().definition;
        Self {
            connected: providers.iter().map(find).collect(),
            others: Vec::new(),
            own_hosts: Vec::new(),
            placeholders: Vec::new(),
            values: Vec::new(),
            base_urls: Vec::new(),
        }
    }

    fn with_hosts(hosts: &[&str]) -> Self {
        let mut made = Self::with(&[]);
        let hosts = serde_json::to_string(hosts).unwrap();
        let text = format!(
            r#"{{"schema_version": 1, "name": "x", "display_name": "X", "auth": ["api_key"],
            "hosts": {hosts}, "fields": [{{"name": "api_key"}}]}}"#
        );
        let definition = validate(&text, std::path::Path::new("x.json")).unwrap();
        made.connected.push(definition);
        made
    }

    fn variables(&self, inherited: &[(&str, &str)]) -> BTreeMap<String, String> {
        let root = tempfile::tempdir().unwrap();
        let bundle = Bundle::write(&[root.path()], "FAKE\n", &Trusted::default()).unwrap();
        let connected: Vec<_> = self.connected.iter().collect();
        let surroundings = Surroundings {
            proxy: &Secret::from(TOKEN.to_owned()),
            connected: &connected,
            others: &self.others,
            own_hosts: &self.own_hosts,
            placeholders: &self.placeholders,
            values: &self.values,
            base_urls: &self.base_urls,
            bundle: &bundle,
        };
        let inherited = inherited
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let text = |text: OsString| text.into_string().unwrap();
        let all = surroundings.variables(inherited);
        let all = all
            .into_iter()
            .map(|(name, value)| (text(name), text(value)));
        let root = root.path().to_str().unwrap();
        let all = all.map(|(name, value)| match value.strip_prefix(root) {
            Some(below) => (
                name,
                below.rsplit('/').next().unwrap_or_default().to_owned(),
            ),
            None => (name, value),
        });
        all.collect()
    }

    fn no_proxy(&self, inherited: &str) -> String {
        let all = self.variables(&[("NO_PROXY", inherited)]);
        assert_eq!(all["NO_PROXY"], all["no_proxy"]);
        let base = "localhost,127.0.0.1,::1";
        let rest = all["NO_PROXY"].strip_prefix(base).unwrap();
        rest.trim_start_matches(',').to_owned()
    }
}

fn pair(name: &str, value: &str) -> (VariableName, Secret) {
    (name.parse().unwrap(), Secret::from(value.to_owned()))
}

#[test]
fn every_client_is_led_to_the_gateway() {
    let all = World::with(&["openai"]).variables(&[
        ("HTTPS_PROXY", "http://before.example:1"),
        ("http_proxy", "http://before.example:1"),
        ("FTP_PROXY", "http://ftp.example:1"),
        ("PIP_PROXY", "http://before.example:1"),
        ("NPM_CONFIG_HTTPS_PROXY", "http://before.example:1"),
        ("OTHER", "stays"),
    ]);
    for name in PROXY {
        assert_eq!(all[name], TOKEN, "{name}");
    }
    assert_eq!(all["PIP_PROXY"], TOKEN);
    assert_eq!(all["NPM_CONFIG_HTTPS_PROXY"], TOKEN);
    assert!(!all.contains_key("CARGO_HTTP_PROXY"));
    assert_eq!(all["FTP_PROXY"], "http://ftp.example:1");
    assert_eq!(all["NODE_USE_ENV_PROXY"], "1");
    assert_eq!(all["OTHER"], "stays");
}

#[test]
fn trust_is_replaced_by_the_bundle_and_added_to_by_the_authority_alone() {
    let all = World::with(&["openai"]).variables(&[
        ("SSL_CERT_FILE", "/before.pem"),
        ("NODE_EXTRA_CA_CERTS", "/before.pem"),
        ("NPM_CONFIG_CAFILE", "/before.pem"),
        ("SSL_CERT_DIR", "/certs"),
        ("DENO_TLS_CA_STORE", "system"),
    ]);
    for name in REPLACING {
        assert_eq!(all[name], "bundle.pem", "{name}");
    }
    for name in ADDING {
        assert_eq!(all[name], "ca.pem", "{name}");
    }
    assert!(!all.contains_key("NPM_CONFIG_CAFILE"));
    assert_eq!(all["SSL_CERT_DIR"], "/certs");
    assert_eq!(all["DENO_TLS_CA_STORE"], "system");
}

#[test]
fn no_real_key_of_a_connected_provider_is_inherited() {
    let mut world = World::with(&["github", "google-workspace", "aws", "slack"]);
    world
        .placeholders
        .push(pair("GITHUB_TOKEN", "ghp_FAKEplaceholder"));
    world.values.push(pair("AWS_REGION", "eu-central-1"));
    let all = world.variables(&[
        ("GITHUB_TOKEN", "ghp_FAKEreal"),
        ("GH_TOKEN", "ghp_FAKEreal"),
        ("GOOGLE_ACCESS_TOKEN", "FAKEreal"),
        ("AWS_SECRET_ACCESS_KEY", "FAKEreal"),
        ("AWS_SESSION_TOKEN", "FAKEreal"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("SLACK_APP_TOKEN", "FAKEreal"),
        ("OPENAI_API_KEY", "sk-FAKEnotconnected"),
        ("OPENAI_BASE_URL", "https://own.example"),
    ]);
    assert!(
        all.values().all(|value| !value.contains("FAKEreal")),
        "{all:?}"
    );
    assert_eq!(all["GITHUB_TOKEN"], "ghp_FAKEplaceholder");
    assert_eq!(all["AWS_REGION"], "eu-central-1");
    assert_eq!(all["AWS_DEFAULT_REGION"], "us-east-1");
    assert_eq!(all["OPENAI_API_KEY"], "sk-FAKEnotconnected");
    assert_eq!(all["OPENAI_BASE_URL"], "https://own.example");
}

#[test]
fn keys_of_connected_providers_that_are_not_for_it_are_not_inherited_either() {
    let mut world = World::with(&["openai"]);
    world.others = World::with(&["anthropic"]).connected;
    let all = world.variables(&[
        ("ANTHROPIC_API_KEY", "FAKEreal"),
        ("ANTHROPIC_AUTH_TOKEN", "FAKEreal"),
        ("GITHUB_TOKEN", "FAKEnobodys"),
    ]);
    assert!(!all.values().any(|value| value == "FAKEreal"));
    assert_eq!(all["GITHUB_TOKEN"], "FAKEnobodys");
}

#[test]
fn addresses_are_set_where_they_are_asked_for() {
    let mut world = World::with(&["openai"]);
    let url = "http://127.0.0.1:1/api/openai/v1".to_owned();
    world
        .base_urls
        .push(("OPENAI_BASE_URL".parse().unwrap(), url.clone()));
    let all = world.variables(&[("OPENAI_BASE_URL", "https://own.example")]);
    assert_eq!(all["OPENAI_BASE_URL"], url);
}

#[test]
fn no_way_into_the_vault_is_given_whoever_names_it() {
    let mut world = World::with(&[]);
    world.values.push(pair("VAULT_PASSPHRASE", "FAKE"));
    world.placeholders.push(pair("VAULT_HOME", "FAKE"));
    let inherited: Vec<_> = VAULT_VARIABLES.iter().map(|name| (*name, "FAKE")).collect();
    let all = world.variables(&inherited);
    assert!(all.values().all(|value| value != "FAKE"), "{all:?}");
    let named = |name: &str| name.starts_with("VAULT_") || name == "CREDENTIALS_DIRECTORY";
    assert!(!all.keys().any(|name| named(name)), "{all:?}");
}

#[test]
fn what_a_stored_value_is_called_leads_nobody_past_the_gateway() {
    let mut world = World::with(&[]);
    world
        .values
        .push(pair("HTTPS_PROXY", "http://evil.example"));
    world.values.push(pair("SSL_CERT_FILE", "/evil.pem"));
    world.values.push(pair("NO_PROXY", "*"));
    let all = world.variables(&[]);
    assert_eq!(all["HTTPS_PROXY"], TOKEN);
    assert_eq!(all["SSL_CERT_FILE"], "bundle.pem");
    assert_eq!(all["NO_PROXY"], "localhost,127.0.0.1,::1");
}

#[test]
fn exceptions_stay_but_for_those_that_cover_a_provider() {
    let world = World::with_hosts(&["api.example.com", "*.tenant.example", "10.1.2.3"]);
    let kept = "corp.test,.dot.test,*.star.test,10.2.0.0/16,port.test:8080,api.example.org";
    assert_eq!(world.no_proxy(kept), kept);
    for dropped in [
        "*",
        "example.com",
        ".example.com",
        "*.example.com",
        "API.Example.com.",
        "api.example.com:443",
        "com",
        // requests looks at the end of the text, not at labels
        "le.com",
        "tenant.example",
        "*.tenant.example",
        "a.tenant.example",
        "example",
        "10.1.2.3",
        "10.1.2.3:443",
        "10.0.0.0/8",
        "0.0.0.0/0",
        // what cannot be read one way only
        "api.*",
        "*pi.example.com",
        "10.0.0.0/x",
        "https://corp.test",
    ] {
        assert_eq!(world.no_proxy(dropped), "", "{dropped}");
        assert_eq!(
            world.no_proxy(&format!("a.test,{dropped} b.test")),
            "a.test,b.test"
        );
    }
}

#[test]
fn a_host_by_expression_or_of_the_connections_own_is_a_providers_too() {
    let world = World::with_hosts(&[r"regex:^[a-z]+\.api\.example\.com$"]);
    for dropped in ["api.example.com", "a.api.example.com", "example.com"] {
        assert_eq!(world.no_proxy(dropped), "", "{dropped}");
    }
    assert_eq!(world.no_proxy("other.example.com"), "other.example.com");
    let mut world = World::with(&["grafana"]);
    world.own_hosts.push("grafana.corp.test".parse().unwrap());
    world.own_hosts.push("10.9.9.9".parse().unwrap());
    assert_eq!(
        world.no_proxy("corp.test,10.9.0.0/16,other.test"),
        "other.test"
    );
}

#[test]
fn the_lower_case_exceptions_win_and_loopback_is_named_once() {
    let world = World::with(&["openai"]);
    let all = world.variables(&[("NO_PROXY", "upper.test"), ("no_proxy", "lower.test,::1")]);
    assert_eq!(all["NO_PROXY"], "localhost,127.0.0.1,::1,lower.test");
    let all = world.variables(&[("NO_PROXY", "upper.test"), ("no_proxy", "")]);
    assert_eq!(all["no_proxy"], "localhost,127.0.0.1,::1,upper.test");
}

#[test]
fn the_roots_that_were_named_before_are_found() {
    let inherited: Vec<(OsString, OsString)> = [
        ("SSL_CERT_FILE", "/system.pem"),
        ("REQUESTS_CA_BUNDLE", "/requests.pem"),
        ("NPM_CONFIG_CAFILE", "/npm.pem"),
        ("CURL_CA_BUNDLE", ""),
        ("NODE_EXTRA_CA_CERTS", "/more.pem"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    let found = trusted(&inherited);
    assert_eq!(found.instead, Some("/system.pem".into()));
    let besides: Vec<_> = found
        .besides
        .iter()
        .map(|path| path.to_str().unwrap())
        .collect();
    assert_eq!(besides, ["/requests.pem", "/npm.pem"]);
}
