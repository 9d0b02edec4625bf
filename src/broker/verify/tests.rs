use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::provider::validate;

fn definition(text: &str) -> Definition {
    validate(text, Path::new("x.json")).unwrap()
}

fn value(fields: &[(&str, &str)], base_url: Option<&str>) -> Value {
    let fields: BTreeMap<FieldName, Secret> = fields
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), Secret::from((*value).to_owned())))
        .collect();
    Value {
        base_url: base_url.map(str::to_owned),
        ..Value::of(fields, now())
    }
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// The request for a connection, as one would write it down.
fn written(text: &str, fields: &[(&str, &str)], base_url: Option<&str>) -> Result<String, String> {
    let mut definition =
        validate(text, Path::new("x.json")).map_err(|refused| refused.to_string())?;
    if let Some(url) = base_url {
        definition = definition.at(url).map_err(|bad| bad.to_string())?;
    }
    let question = question(&definition, &value(fields, base_url), now())
        .map_err(|reason| reason.to_string())?;
    let request = &question.request;
    let mut lines = vec![format!(
        "{} {}{}",
        request.method,
        request.address.host_header(),
        request.address.path.reveal()
    )];
    for (name, value) in &request.headers {
        lines.push(format!("{name}: {}", value.reveal()));
    }
    lines.extend(request.body.as_ref().map(|body| body.reveal().to_owned()));
    Ok(lines.join("\n"))
}

#[test]
fn a_request_is_made_of_everything_that_the_definition_says() {
    let text = r#"{
        "fields": [{"name": "api_key"}, {"name": "app", "secret": false}],
        "hosts": ["api.example.com"],
        "inject": [
            {"in": "header", "name": "X-Key", "value": "{api_key}"},
            {"in": "query", "name": "app", "value": "{app}"}],
        "extra_headers": {"X-Version": "1"},
        "verify": {
            "method": "POST",
            "url": "https://api.example.com/{app}/me?x={app}",
            "headers": {"Accept": "text/plain"},
            "json": {"who": "{app} {{x}}", "n": 1, "list": [true, "{app}"]}}}"#;
    assert_eq!(
        written(text, &[("api_key", "FAKE"), ("app", "a&\"b")], None).unwrap(),
        "POST api.example.com/a&%22b/me?x=a%26%22b&app=a%26%22b\n\
         accept: application/json\n\
         content-type: application/json\n\
         x-version: 1\n\
         accept: text/plain\n\
         x-key: FAKE\n\
         {\"list\":[true,\"a&\\\"b\"],\"n\":1,\"who\":\"a&\\\"b {x}\"}"
    );
}

#[test]
fn a_form_and_places_of_its_own_can_stand_in_for_the_usual_ones() {
    let text = r#"{
        "auth": ["api_key", "oauth2"],
        "fields": [{"name": "client_id", "secret": false}, {"name": "client_secret"}],
        "hosts": ["api.example.com"],
        "inject": [{"in": "header", "name": "Authorization", "value": "Bearer {access_token}"}],
        "verify": {
            "method": "POST",
            "url": "https://api.example.com/token",
            "inject": [{"in": "basic", "username": "{client_id}", "password": "{client_secret}"}],
            "form": {"grant_type": "client_credentials", "id": "{client_id}"}}}"#;
    let fields = [("client_id", "me&you"), ("client_secret", "FAKE")];
    assert_eq!(
        written(text, &fields, None).unwrap(),
        "POST api.example.com/token\n\
         accept: application/json\n\
         content-type: application/x-www-form-urlencoded\n\
         authorization: Basic bWUmeW91OkZBS0U=\n\
         grant_type=client_credentials&id=me%26you"
    );
    assert_eq!(
        written(text, &fields[1..], None).unwrap_err(),
        "its client_id is not stored"
    );
}

#[test]
fn the_shape_of_a_key_chooses_the_request() {
    let text = r#"{
        "api_key": {},
        "hosts": ["a.example.com"],
        "verify": [
            {"when": {"field": "api_key", "pattern": "^org_.*$"}, "url": "https://a.example.com/org"},
            {"url": "https://a.example.com/me"}]}"#;
    for (key, path) in [("org_FAKE", "/org"), ("xorg_FAKE", "/me")] {
        let request = written(text, &[("api_key", key)], None).unwrap();
        let first = format!("GET a.example.com{path}\n");
        assert!(request.starts_with(&first), "{request}");
    }
}

#[test]
fn a_tenants_key_goes_to_its_own_host_and_no_other() {
    let text = r#"{
        "api_key": {}, "tenant": true, "hosts": ["*.shop.example.com"],
        "verify": {"url": "{base_url}/me"}}"#;
    let own = Some("https://mine.shop.example.com/");
    let request = written(text, &[("api_key", "FAKE")], own).unwrap();
    assert!(request.starts_with("GET mine.shop.example.com/me\n"));
    assert_eq!(
        written(text, &[("api_key", "FAKE")], None).unwrap_err(),
        "its base_url is not stored"
    );
    let fixed = text.replace("{base_url}/me", "https://theirs.shop.example.com/me");
    for base_url in [None, own] {
        let refused = written(&fixed, &[("api_key", "FAKE")], base_url).unwrap_err();
        assert!(
            refused.contains("a host that is not the provider's"),
            "{refused}"
        );
    }
}

#[test]
fn no_field_moves_the_request_to_another_host() {
    let text = r#"{
        "fields": [{"name": "api_key"}, {"name": "app", "secret": false}],
        "hosts": ["*.example.com"],
        "verify": {"url": "https://{app}.example.com/me"}}"#;
    let to = |app| written(text, &[("api_key", "FAKE"), ("app", app)], None);
    assert!(to("mine").unwrap().starts_with("GET mine.example.com/me\n"));
    for hostile in [
        "evil.test/",
        "evil.test?",
        "evil.test#",
        "evil.test:443/",
        "me@evil.test/",
        "evil.test\\",
        "a b",
        "",
    ] {
        assert!(to(hostile).is_err(), "{hostile}");
    }
}

#[test]
fn a_port_or_a_path_that_is_not_the_providers_gets_nothing() {
    let text = r#"{
        "api_key": {}, "hosts": ["https://a.example.com/api"],
        "verify": {"url": "https://a.example.com/api/me"}}"#;
    assert!(written(text, &[("api_key", "FAKE")], None).is_ok());
    for other in [
        "https://a.example.com/me",
        "https://a.example.com:8443/api/me",
    ] {
        let moved = text.replace("https://a.example.com/api/me", other);
        assert!(
            written(&moved, &[("api_key", "FAKE")], None).is_err(),
            "{other}"
        );
    }
}

#[test]
fn plain_http_is_for_this_machine_unless_the_definition_says_more() {
    let text = r#"{
        "api_key": {}, "hosts": ["{base_url}"], "base_url": "https://a.example.com",
        "verify": {"url": "{base_url}/me"}}"#;
    let fields = [("api_key", "FAKE")];
    assert!(written(text, &fields, Some("http://127.0.0.1:8000")).is_ok());
    assert_eq!(
        written(text, &fields, Some("http://gpu.lan:8000")).unwrap_err(),
        "is http, which would send the key in the clear"
    );
    let allowed = text.replacen('{', "{\"allow_http\": true, ", 1);
    assert_eq!(
        written(&allowed, &fields, Some("http://gpu.lan:8000")).unwrap_err(),
        "gpu.lan:8000 would get it in the clear"
    );
    assert!(written(&allowed, &[], Some("http://gpu.lan:8000")).is_ok());
    let written_out = allowed.replace("[\"{base_url}\"]", "[\"http://a.example.com\"]");
    let written_out = written_out.replace("https://a.", "http://a.");
    assert!(written(&written_out, &fields, None).is_ok());
}

#[test]
fn a_request_to_aws_is_signed_and_the_secret_stays_here() {
    let text = r#"{
        "auth": ["aws_sigv4"],
        "fields": [{"name": "access_key_id", "secret": false}, {"name": "secret_access_key"}],
        "hosts": ["*.amazonaws.com"],
        "verify": {"method": "POST", "url": "https://sts.amazonaws.com/",
            "form": {"Action": "GetCallerIdentity"}}}"#;
    let fields = [
        ("access_key_id", "AKIAFAKE"),
        ("secret_access_key", "FAKEsecret"),
    ];
    let request = written(text, &fields, None).unwrap();
    assert!(
        request.contains("\nx-amz-date: 20260101T000000Z\n"),
        "{request}"
    );
    assert!(request.contains(
        "\nauthorization: AWS4-HMAC-SHA256 Credential=AKIAFAKE/20260101/us-east-1/sts/aws4_request, "
    ));
    assert!(!request.contains("FAKEsecret"));
    assert!(written(text, &fields[..1], None).is_err());
}

#[test]
fn a_service_account_asks_with_an_assertion_that_its_key_signed() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    let text = r#"{
        "auth": ["jwt_bearer", "oauth2"],
        "fields": [{"name": "account", "multiline": true}],
        "hosts": ["token.example.com"],
        "inject": [{"in": "header", "name": "Authorization", "value": "Bearer {access_token}"}],
        "oauth": {"token_url": "https://token.example.com/"},
        "verify": {"method": "POST", "url": "https://token.example.com/",
            "form": {"assertion": "{assertion}"}}}"#;
    let pem = include_str!("../../../tests/data/google/key.pem");
    let account = serde_json::json!({
        "client_email": "fake@fake.example.com", "private_key": pem, "private_key_id": "fake"
    });
    let request = written(text, &[("account", &account.to_string())], None).unwrap();
    let (_, token) = request.rsplit_once("\nassertion=").unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&decoded(parts[1])).unwrap();
    assert_eq!(claims["iss"], "fake@fake.example.com");
    assert_eq!(claims["aud"], "https://token.example.com/");
    assert_eq!(claims["exp"], now().as_second() + 3600);
    let der: String = pem.lines().filter(|line| !line.contains('-')).collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(der)
        .unwrap();
    let pair = ring::signature::RsaKeyPair::from_pkcs8(&der).unwrap();
    let signed = format!("{}.{}", parts[0], parts[1]);
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
        .verify(signed.as_bytes(), &decoded(parts[2]))
        .unwrap();
    for broken in [
        "no json",
        "{}",
        r#"{"client_email": "a", "private_key": "FAKE"}"#,
    ] {
        let reason = written(text, &[("account", broken)], None).unwrap_err();
        assert!(
            reason.contains("the key of the service account"),
            "{reason}"
        );
        assert!(!reason.contains("FAKE"));
    }
}

#[test]
fn no_field_climbs_out_of_its_place_in_a_path() {
    let text = r#"{
        "fields": [{"name": "api_key"}, {"name": "app", "secret": false}],
        "hosts": ["a.example.com"],
        "inject": [{"in": "path", "value": "/x/{api_key}"}],
        "verify": {"url": "https://a.example.com/apps/{app}/me"}}"#;
    let fields = |key, app| written(text, &[("api_key", key), ("app", app)], None);
    assert!(
        fields("FAKE", "mine")
            .unwrap()
            .starts_with("GET a.example.com/x/FAKE/apps/mine/me")
    );
    for hostile in ["..", ".", "../admin", "a/b", "%2e%2e"] {
        let odd = fields("FAKE", hostile).is_err();
        // What is encoded once more is one step, and a harmless one.
        assert!(odd || hostile == "%2e%2e", "{hostile}");
    }
    assert!(fields("..", "mine").is_err());
}

#[test]
fn a_request_that_would_go_without_the_credential_is_not_made() {
    let text = r#"{
        "auth": ["api_key", "oauth2"],
        "fields": [{"name": "client_id", "secret": false}, {"name": "client_secret"}],
        "hosts": ["a.example.com", "b.example.com"],
        "inject": [
            {"in": "header", "name": "X-Client", "value": "{client_id}"},
            {"in": "header", "name": "Authorization", "value": "Bearer {access_token}", "hosts": ["b.example.com"]}],
        "verify": {"url": "https://a.example.com/me"}}"#;
    let stored = [("client_id", "me"), ("client_secret", "FAKE")];
    assert_eq!(
        written(text, &stored, None).unwrap_err(),
        "its definition puts no part of it into the request"
    );
    let there = text.replace("https://a.", "https://b.");
    assert!(written(&there, &stored, None).is_err());
    let with_token = [("access_token", "FAKEtoken")];
    assert!(
        written(&there, &with_token, None)
            .unwrap()
            .contains("Bearer FAKEtoken")
    );
    // Where there is no secret at all, none is missing.
    let local = r#"{"auth": ["none"], "base_url": "http://localhost:1", "hosts": ["localhost:1"],
        "allow_http": true, "verify": {"url": "{base_url}/models"}}"#;
    assert!(written(local, &[], None).is_ok());
}

#[test]
fn a_value_that_no_header_carries_is_told_before_anything_is_sent() {
    let text = r#"{"api_key": {}, "hosts": ["a.example.com"],
        "verify": {"url": "https://a.example.com/me"}}"#;
    for broken in ["FAKE\nX-Evil: 1", "FAKE\u{0}"] {
        let reason = written(text, &[("api_key", broken)], None).unwrap_err();
        assert!(reason.contains("does not fit into a header"), "{reason}");
        assert!(!reason.contains("FAKE"));
    }
}

#[test]
fn a_secret_is_known_again_in_every_form_in_which_it_was_sent() {
    let text = r#"{
        "auth": ["basic", "oauth2"],
        "fields": [{"name": "user", "secret": false}, {"name": "word"}],
        "hosts": ["a.example.com"],
        "inject": [{"in": "basic", "username": "{user}", "password": "{word}"}],
        "verify": {"url": "https://a.example.com/me"}}"#;
    let definition = definition(text);
    let value = value(
        &[
            ("user", "me"),
            ("word", "FAKE+word"),
            ("refresh_token", "FAKEr"),
        ],
        None,
    );
    let question = question(&definition, &value, now()).unwrap();
    for echoed in [
        "FAKE+word",
        "FAKE%2Bword",
        "RkFLRSt3b3Jk",
        "bWU6RkFLRSt3b3Jk",
        "FAKEr",
    ] {
        let text = format!("you said {echoed}!");
        let shown = words::in_names(crate::provider::Told::Text(text), &question.hidden);
        assert_eq!(shown, None, "{echoed}");
    }
    let name = crate::provider::Told::Text("me".to_owned());
    assert!(words::in_names(name, &question.hidden).is_some());
}

#[test]
fn the_form_that_is_sent_to_aws_is_the_one_that_is_signed() {
    let text = r#"{
        "auth": ["aws_sigv4"],
        "fields": [{"name": "access_key_id", "secret": false}, {"name": "secret_access_key"}],
        "hosts": ["*.amazonaws.com"],
        "verify": {"method": "POST", "url": "https://sts.amazonaws.com/",
            "form": {"Action": "GetCallerIdentity", "Version": "2011-06-15"}}}"#;
    let fields = [
        ("access_key_id", "AKIAFAKE"),
        ("secret_access_key", "FAKEsecret"),
    ];
    let request = written(text, &fields, None).unwrap();
    // Made by another implementation of the same rules.
    assert!(
        request
            .contains("Signature=6d89f13316d5d783adb330c68b75be8f32f520706ebe10442d5269f9f2654c40"),
        "{request}"
    );
    for other in [
        "https://sts.amazonaws.com/x",
        "https://sts.amazonaws.com/?x=1",
    ] {
        let moved = text.replace("https://sts.amazonaws.com/", other);
        assert!(validate(&moved, Path::new("x.json")).is_err(), "{other}");
    }
}

#[test]
fn a_tenant_keeps_the_hosts_that_are_surely_its_providers() {
    let text = r#"{
        "api_key": {}, "tenant": true, "hosts": ["login.example.com", "*.shop.example.com"],
        "verify": {"url": "https://login.example.com/me"}}"#;
    let fields = [("api_key", "FAKE")];
    assert!(written(text, &fields, Some("https://mine.shop.example.com")).is_ok());
    assert!(written(text, &fields, Some("https://elsewhere.test")).is_err());
}

#[test]
fn places_of_a_request_can_be_for_some_hosts_only() {
    let text = r#"{
        "fields": [{"name": "api_key"}], "hosts": ["a.example.com", "b.example.com"],
        "verify": {"url": "https://a.example.com/me", "inject": [
            {"in": "header", "name": "X-B", "value": "{api_key}", "hosts": ["b.example.com"]},
            {"in": "header", "name": "X-A", "value": "{api_key}", "hosts": ["a.example.com"]}]}}"#;
    let request = written(text, &[("api_key", "FAKE")], None).unwrap();
    assert!(
        request.contains("x-a: FAKE") && !request.contains("x-b"),
        "{request}"
    );
}

#[test]
fn an_address_may_hold_the_beginning_of_the_path_already() {
    let text = r#"{
        "api_key": {}, "hosts": ["{base_url}"], "base_url": "https://a.example.com",
        "verify": {"url": "{base_url}/api/v4/user"}}"#;
    for (base_url, path) in [
        ("https://a.example.com", "/api/v4/user"),
        ("https://a.example.com/", "/api/v4/user"),
        ("https://a.example.com/api/v4", "/api/v4/user"),
        ("https://a.example.com/api", "/api/v4/user"),
        ("https://a.example.com/x/api/v4/", "/x/api/v4/user"),
        ("https://a.example.com/api/v4/user", "/api/v4/user"),
        ("https://a.example.com/v4", "/v4/api/v4/user"),
        ("https://api", "/api/v4/user"),
    ] {
        let request = written(text, &[("api_key", "FAKE")], Some(base_url)).unwrap();
        let first = request.lines().next().unwrap();
        assert!(first.ends_with(path), "{base_url}: {first}");
        assert_eq!(first.matches("user").count(), 1, "{first}");
    }
}
