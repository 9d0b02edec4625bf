//! Definitions written for authsome load unchanged.

use std::path::{Path, PathBuf};

use vault::provider::{AuthKind, Definition, Injection, Spot, Template, validate};

fn load(name: &str) -> Definition {
    let path = PathBuf::from(format!("tests/data/authsome/{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    let definition = validate(&text, &path).unwrap();
    assert_eq!(definition.name.as_str(), name);
    assert_eq!(definition.text(), text);
    let again = validate(&definition.to_json(), Path::new("again.json")).unwrap();
    assert_eq!(again.exports, definition.exports);
    assert_eq!(again.unknown(), definition.unknown());
    definition
}

fn header(definition: &Definition) -> (&str, &Template) {
    match &definition.placements[..] {
        [placement] => match &placement.spot {
            Spot::Header(name, value) => (name, value),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn variables(definition: &Definition) -> Vec<(&str, &str)> {
    definition
        .exports
        .iter()
        .map(|(field, variable)| (field.as_str(), variable.as_str()))
        .collect()
}

#[test]
fn the_older_form_of_an_api_key() {
    let older = load("older-api-key");
    assert_eq!(older.auth, [AuthKind::ApiKey]);
    assert_eq!(header(&older), ("api-key", &"{api_key}".parse().unwrap()));
    assert_eq!(variables(&older), [("api_key", "OLDER_KEY")]);
    let field = older.field("api_key").unwrap();
    let names: Vec<_> = field.env.iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["OLDER_API_KEY", "OLDER_KEY"]);
    assert!(
        field
            .pattern
            .as_ref()
            .unwrap()
            .fits("sk-FAKEFAKEFAKEFAKEFAKE")
    );
    assert!(
        !field
            .pattern
            .as_ref()
            .unwrap()
            .fits("xsk-FAKEFAKEFAKEFAKEFAKE")
    );
    let host = "www.example.com".parse().unwrap();
    assert!(older.host_for(&host, 443, "/drive/v3/files").is_some());
    assert!(older.host_for(&host, 443, "/mail").is_none());
    assert!(older.host_for(&host, 80, "/drive/v3/files").is_none());
    assert_eq!(older.unknown().keys().collect::<Vec<_>>(), ["x-unknown"]);
    assert!(older.warnings().is_empty());
}

#[test]
fn the_newer_form_with_comments_and_a_turned_export() {
    let newer = load("newer-api-key");
    let expected = "Bearer {api_key}".parse().unwrap();
    assert_eq!(header(&newer), ("authorization", &expected));
    assert_eq!(variables(&newer), [("api_key", "NEWER_API_KEY")]);
    assert_eq!(
        newer.docs.as_deref(),
        Some("https://example.com/docs?a=b&c=d")
    );
    assert_eq!(newer.category.as_deref(), Some("llm"));
    assert!(newer.description.unwrap().ends_with("// not a comment."));
}

#[test]
fn an_oauth_definition_with_a_base_url() {
    let older = load("older-oauth");
    assert_eq!(older.auth, [AuthKind::OAuth2]);
    assert!(older.fields.is_empty());
    let oauth = older.oauth.as_ref().unwrap();
    assert!(oauth.supports_device_code);
    assert_eq!(oauth.pkce, Some(false));
    assert_eq!(oauth.scopes, ["read", "write"]);
    let token_url = oauth.token_url.as_deref().unwrap();
    assert_eq!(
        oauth.resolve(token_url, None, &|_| None).unwrap(),
        "https://git.example.com/oauth/token"
    );
    assert_eq!(
        oauth
            .resolve(token_url, Some("https://a.test/"), &|_| None)
            .unwrap(),
        "https://a.test/oauth/token"
    );
    assert_eq!(
        oauth.registration_endpoint.as_deref(),
        Some("{base_url}/register")
    );
    assert_eq!(variables(&older), [("access_token", "OLDER_TOKEN")]);
    let host = "git.example.com".parse().unwrap();
    assert!(older.host_for(&host, 443, "/api/v4").is_some());
}

#[test]
fn a_dangerous_host_loads_with_a_warning_and_is_never_used() {
    let dangerous = load("dangerous-oauth");
    assert_eq!(dangerous.warnings().len(), 1);
    assert!(dangerous.warnings()[0].contains("regex:.*googleapis.*"));
    assert_eq!(dangerous.hosts[0].injection, Injection::Never);
    for host in ["www.googleapis.com", "googleapis.evil.test"] {
        let host = host.parse().unwrap();
        assert!(dangerous.hosts[0].matches(&host));
        assert!(dangerous.host_for(&host, 443, "/").is_none());
    }
    assert_eq!(
        variables(&dangerous),
        [("access_token", "DANGEROUS_ACCESS_TOKEN")]
    );
}

#[test]
fn a_kind_that_is_not_known_loads_and_says_so() {
    let browser = load("browser");
    assert_eq!(browser.auth, [AuthKind::Other("browser_sso".to_owned())]);
    assert_eq!(browser.warnings(), ["auth kind 'browser_sso' is not known"]);
    assert!(browser.placements.is_empty());
    let is_host = |host: &str| browser.host_for(&host.parse().unwrap(), 443, "/").is_some();
    assert!(is_host("api.example.com") && is_host("example.org"));
    assert!(!is_host("example.org.evil.test") && !is_host("apiXexample.com"));
    assert!(browser.unknown().contains_key("browser_sso"));
}

#[test]
fn an_expression_that_only_python_has_is_left_out_with_a_warning() {
    let python = load("python-pattern");
    assert!(python.field("api_key").unwrap().pattern.is_none());
    assert_eq!(python.warnings().len(), 1);
    assert!(python.hosts.is_empty());
    assert_eq!(
        header(&python),
        ("authorization", &"{api_key}".parse().unwrap())
    );
}
