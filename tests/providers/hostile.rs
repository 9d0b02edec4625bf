//! Definitions that mean harm.

use std::path::Path;

use vault::error::Kind;
use vault::provider::{Definition, validate};
use vault::secret::Secret;

fn load(text: &str) -> Definition {
    validate(text, Path::new("x.json")).unwrap()
}

fn refusal(text: &str) -> String {
    let error = validate(text, Path::new("x.json")).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
    error.to_string()
}

#[test]
fn nothing_that_is_shown_steers_a_terminal() {
    let hostile = load(
        r#"{"display_name": "E\u001b[2J", "auth": ["\u001b]0;x"], "hosts": ["regex:\u001b"],
            "fields": [{"name": "k", "label": "\r", "pattern": "a", "hint": "\u0007\u202e"}]}"#,
    );
    let error = hostile.fields[0]
        .check(&Secret::from("b".to_owned()))
        .unwrap_err();
    let mut shown = hostile.warnings().to_vec();
    shown.extend([error.to_string(), error.hint().unwrap().to_owned()]);
    shown.push(refusal("{\"hosts\": [\"\u{1b}[2J\"]}"));
    shown.push(refusal(r#"{"hosts": ["\u001b[2J"]}"#));
    shown.push(refusal(r#"{"verify": {"url": "{\u001b"}}"#));
    shown.push(refusal(
        r#"{"inject": [{"in": "header", "name": "\u001b", "value": ""}]}"#,
    ));
    let raw = load("{\"display_name\": \"a\u{202e}b\u{9b}c\u{7f}\"} // \u{9b}");
    shown.extend(raw.to_json().lines().map(str::to_owned));
    for text in &shown {
        let is_steering = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}');
        assert!(!text.contains(is_steering), "{text:?}");
    }
    assert_eq!(load(&raw.to_json()).display_name, raw.display_name);
}

#[test]
fn expressions_that_would_eat_memory_are_refused() {
    for pattern in ["(a{1000}){1000}", "((a|b){500}c){500}", "(?s-u:.){1000000}"] {
        let text = format!(r#"{{"fields": [{{"name": "k", "pattern": "{pattern}"}}]}}"#);
        let error = refusal(&text);
        assert!(error.contains("line 1"), "{error}");
    }
    let long = format!(r#"{{"detect": ["{}"]}}"#, "a".repeat(100_000));
    assert!(refusal(&long).len() < 300);
}

#[test]
fn many_hosts_and_answers_are_refused() {
    let hosts: Vec<_> = (0..50_000)
        .map(|number| format!("h{number}.example.com"))
        .collect();
    let text = serde_json::json!({"hosts": hosts, "api_key": {}}).to_string();
    assert!(refusal(&text).contains("50000 hosts, and 500 are taken"));
    let answer = serde_json::json!({"status": 200, "contains": "x", "result": "ok"});
    let answers = vec![answer; 10_000];
    let verify = serde_json::json!({"url": "https://a.example.com/", "answers": answers});
    let text = serde_json::json!({"hosts": ["a.example.com"], "api_key": {}, "verify": verify});
    assert!(refusal(&text.to_string()).contains("10000 answers, and 100 are taken"));
}

#[test]
fn many_expressions_cost_no_more_than_a_few() {
    let many = |count: usize, wrap: fn(String) -> serde_json::Value| {
        let all: Vec<_> = (0..count)
            .map(|number| wrap(format!("((abc|d){{25}}e){{25}}{number}")))
            .collect();
        serde_json::Value::Array(all)
    };
    let texts = |count| {
        let field = |pattern: String| serde_json::json!({"name": "k", "pattern": pattern});
        let detect = many(count, serde_json::Value::from);
        let hosts = many(count, |it| format!("regex:{it}\\.example\\.com").into());
        let fields = many(count, field);
        [
            serde_json::json!({"api_key": {}, "detect": detect}),
            serde_json::json!({"hosts": hosts}),
            serde_json::json!({"fields": fields}),
        ]
    };
    for text in texts(15_000) {
        let error = refusal(&text.to_string());
        assert!(
            error.contains("15000 expressions, and 100 are taken"),
            "{error}"
        );
    }
    // As many as are taken, each as large as one may be, end soon.
    let start = std::time::Instant::now();
    for text in texts(100) {
        let _ = validate(&text.to_string(), Path::new("x.json"));
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(30));
}

#[test]
fn an_expression_that_backtracks_elsewhere_is_fast_here() {
    let slow = load(r#"{"fields": [{"name": "k", "pattern": "^(a+)+$"}]}"#);
    let value = Secret::from("a".repeat(100_000) + "!");
    let start = std::time::Instant::now();
    assert!(slow.fields[0].check(&value).is_err());
    assert!(start.elapsed().as_secs() < 2);
}

#[test]
fn headers_that_are_not_the_definitions_to_set_are_refused() {
    for header in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Proxy-Authorization",
        "a b",
        "",
    ] {
        let text = format!(
            r#"{{"auth": ["api_key"], "inject": [{{"in": "header", "name": "{header}", "value": "{{api_key}}"}}]}}"#
        );
        assert!(
            refusal(&text).contains("no header that can be set"),
            "{header}"
        );
    }
    assert!(refusal(r#"{"extra_headers": {"a": "b\r\nHost: evil.test"}}"#).contains("header 'a'"));
    assert!(refusal(r#"{"extra_headers": {"Host": "evil.test"}}"#).contains("no header"));
}

#[test]
fn nothing_of_a_definition_ends_a_line_or_a_path_early() {
    for inject in [
        r#"{"in": "header", "name": "a", "value": "b\r\nHost: c {api_key}"}"#,
        r#"{"in": "path", "value": "/bot{api_key} HTTP/1.1\r\n"}"#,
        r#"{"in": "path", "value": "/a/../{api_key}"}"#,
        r#"{"in": "path", "value": "{api_key}"}"#,
        r#"{"in": "path", "value": "/a?{api_key}"}"#,
        r#"{"in": "query", "name": "a b", "value": "{api_key}"}"#,
        r#"{"in": "basic", "username": "a:b", "password": "{api_key}"}"#,
        r#"{"in": "cookie", "name": "a", "value": "{api_key}"}"#,
    ] {
        refusal(&format!(r#"{{"auth": ["api_key"], "inject": [{inject}]}}"#));
    }
    let several = load(
        r#"{"auth": ["api_key"], "inject": [
            {"in": "path", "value": "/bot{api_key}"},
            {"in": "query", "name": "key", "value": "{api_key}"},
            {"in": "header", "name": "X-Key", "value": "Token token={api_key}"}]}"#,
    );
    assert_eq!(several.placements.len(), 3);
}

#[test]
fn a_check_that_would_carry_the_key_elsewhere_is_refused() {
    for url in [
        "https://evil.test/",
        "https://api.example.com.evil.test/v1",
        "https://api.example.com@evil.test/",
        "https://evil.test/{api_key}",
        "https://evil.test?{api_key}",
        "https://{api_key}.evil.test/",
        "{api_key}",
        "{base_url}.evil.test/",
        "{base_url}@evil.test/",
        "regex:.*",
    ] {
        let text = format!(
            r#"{{"hosts": ["api.example.com"], "auth": ["api_key"], "verify": {{"url": "{url}"}}}}"#
        );
        refusal(&text);
    }
    let text =
        r#"{"hosts": ["api.example.com"], "verify": {"url": "https://api.example.com/v1?x=.."}}"#;
    load(text);
}

#[test]
fn a_placement_of_an_unknown_field_is_refused_with_its_neighbour() {
    let text =
        r#"{"auth": ["api_key"], "inject": [{"in": "query", "name": "k", "value": "{api_kye}"}]}"#;
    assert!(refusal(text).contains("did you mean 'api_key'?"));
}

#[test]
fn tenants_get_a_credential_on_their_own_host_alone() {
    let tenants = load(r#"{"tenant": true, "hosts": ["*.zendesk.com", "www.zendesk.com"]}"#);
    let own = tenants.at("https://acme.zendesk.com").unwrap();
    let is_host = |definition: &Definition, host: &str| {
        definition
            .host_for(&host.parse().unwrap(), 443, "/")
            .map(|entry| entry.injection)
    };
    use vault::provider::Injection::{Allowed, OwnHostOnly};
    assert_eq!(is_host(&tenants, "evil.zendesk.com"), Some(OwnHostOnly));
    assert_eq!(is_host(&tenants, "www.zendesk.com"), Some(Allowed));
    assert_eq!(is_host(&own, "acme.zendesk.com"), Some(Allowed));
    assert_eq!(is_host(&own, "evil.zendesk.com"), None);
}

#[test]
fn a_check_holds_nothing_that_the_rest_of_a_definition_may_not() {
    let with = |members: &str| {
        format!(
            r#"{{"api_key": {{}}, "hosts": ["a.example.com", "*.example.com", "regex:.*evil.*"],
                "verify": {{"url": "https://a.example.com/me", {members}}}}}"#
        )
    };
    load(&with(r#""headers": {"X-A": "b"}"#));
    for members in [
        r#""headers": {"Host": "evil.test"}"#,
        r#""headers": {"X-A": "b\r\nX-C: d"}"#,
        r#""inject": [{"in": "path", "value": "/../{api_key}"}]"#,
        r#""inject": [{"in": "header", "name": "Connection", "value": "{api_key}"}]"#,
        r#""inject": [{"in": "header", "name": "X-A", "value": "{nothing}"}]"#,
        r#""form": {"a": "{nothing}"}"#,
        r#""form": {"a": "{assertion}"}"#,
        r#""json": {"a": ["{nothing}"]}"#,
        r#""json": {"a": "{"}"#,
        r#""when": {"field": "nothing", "pattern": "a"}"#,
        r#""method": "DELETE""#,
        r#""form": {}, "body": "x""#,
        r#""url": "https://an-evil.test/""#,
        r#""url": "https://a.example.com:8443/""#,
        r#""url": "https://{api_key}.example.com/""#,
        r#""url": "https://a.example.com/me#x""#,
    ] {
        // A member that is there twice is an error of its own.
        let text = match members.strip_prefix("\"url\"") {
            Some(_) => {
                with("\"method\": \"GET\"").replace(r#""url": "https://a.example.com/me""#, members)
            }
            None => with(members),
        };
        refusal(&text);
    }
}

#[test]
fn a_check_in_the_clear_is_refused_before_it_is_ever_made() {
    let text = r#"{"api_key": {}, "hosts": ["a.example.com", "localhost:8000"],
        "verify": {"url": "http://a.example.com/me"}}"#;
    assert!(refusal(text).contains("in the clear"));
    load(&text.replace("http://a", "https://a"));
    load(&text.replace("http://a.example.com", "http://localhost:8000"));
    let allowed = text.replacen('{', "{\"allow_http\": true, ", 1);
    refusal(&allowed);
    load(&allowed.replace("[\"a.example", "[\"http://a.example"));
}

#[test]
fn no_definition_sets_a_variable_that_steers_programs() {
    for variable in [
        "LD_PRELOAD",
        "DYLD_INSERT_LIBRARIES",
        "PATH",
        "BASH_ENV",
        "NODE_OPTIONS",
        "HTTPS_PROXY",
        "SSL_CERT_FILE",
        "GIT_CONFIG_GLOBAL",
    ] {
        let by_export =
            format!(r#"{{"auth": ["api_key"], "export": {{"env": {{"api_key": "{variable}"}}}}}}"#);
        let by_field = format!(r#"{{"fields": [{{"name": "api_key", "env": ["{variable}"]}}]}}"#);
        let by_address =
            format!(r#"{{"base_url": "https://a.example", "base_url_env": ["{variable}"]}}"#);
        for text in [by_export, by_field, by_address] {
            let definition = load(&text);
            let warned = definition.warnings().join("\n");
            assert!(warned.contains(variable), "{text}: {warned}");
            assert!(definition.base_url_env.is_empty(), "{text}");
            let names = definition.exports.iter().map(|(_, name)| name.as_str());
            assert!(!names.into_iter().any(|name| name == variable), "{text}");
        }
    }
}

#[test]
fn a_path_of_openais_dialect_can_be_read_in_one_way_only() {
    for path in [
        "v1", "/", "/v1/", "//v1", "/../v1", "/./v1", "/v1?x", "/v1#x", "/a%2fb", "/a b",
    ] {
        let error = refusal(&format!(r#"{{"openai_path": "{path}"}}"#));
        assert!(error.contains("openai_path"), "{error}");
    }
    refusal(r#"{"openai_path": 1}"#);
    for (text, path) in [
        ("{}", Some("/v1")),
        (r#"{"openai_path": null}"#, Some("/v1")),
        (r#"{"openai_path": true}"#, Some("/v1")),
        (r#"{"openai_path": ""}"#, Some("")),
        (r#"{"openai_path": "/openai/v1"}"#, Some("/openai/v1")),
        (r#"{"openai_path": false}"#, None),
    ] {
        assert_eq!(load(text).openai_path.as_deref(), path, "{text}");
    }
}
