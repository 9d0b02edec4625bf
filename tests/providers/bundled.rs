//! The definitions that come with the program.

use vault::provider::{AuthKind, Catalog, Definition, Injection, Source};
use vault::secret::Secret;

fn find(name: &str) -> Definition {
    let found = Catalog::new(None).find(&name.parse().unwrap()).unwrap();
    assert_eq!(found.source, Source::Bundled);
    found.definition
}

fn check(provider: &str, field: &str, value: &str) -> Result<(), (String, String)> {
    find(provider)
        .field(field)
        .unwrap()
        .check(&Secret::from(value.to_owned()))
        .map_err(|error| {
            let hint = error.hint().unwrap_or_default().to_owned();
            assert!(!error.to_string().contains(value) && !hint.contains(value));
            (error.to_string(), hint)
        })
}

#[test]
fn every_bundled_definition_loads_without_a_warning() {
    let all = Catalog::new(None).all().unwrap();
    assert!(all.len() >= 86);
    for entry in all {
        let definition = entry.definition.unwrap();
        assert_eq!(definition.warnings(), [""; 0], "{}", entry.name);
        assert!(definition.unknown().is_empty(), "{}", entry.name);
        assert_eq!(definition.remarks(), [""; 0], "{}", entry.name);
        assert!(definition.category.is_some(), "{}", entry.name);
        // What is only exported has no place that could be named.
        let is_somewhere = !definition.hosts.is_empty();
        assert_eq!(definition.docs.is_some(), is_somewhere, "{}", entry.name);
        for host in &definition.hosts {
            assert_ne!(host.injection, Injection::Never, "{}", host.as_str());
        }
    }
}

#[test]
fn every_pattern_is_anchored_small_and_true_to_its_examples() {
    for entry in Catalog::new(None).all().unwrap() {
        let definition = entry.definition.unwrap();
        definition.check_patterns().unwrap();
        let lookalikes = definition.fields.iter().flat_map(|field| &field.lookalikes);
        let patterns = definition
            .fields
            .iter()
            .filter_map(|field| field.pattern.as_ref());
        for pattern in patterns
            .chain(definition.detect.iter().map(|detect| &detect.pattern))
            .chain(
                definition
                    .verify
                    .iter()
                    .flat_map(|verify| &verify.when)
                    .map(|when| &when.pattern),
            )
            .chain(lookalikes.map(|other| &other.pattern))
        {
            let text = pattern.as_str();
            assert!(text.starts_with('^') && text.ends_with('$'), "{text}");
        }
        for field in &definition.fields {
            let fits = |value: &String| field.check(&Secret::from(value.clone())).is_ok();
            let examples = &field.examples;
            let place = format!("{}.{}", definition.name, field.name);
            assert!(examples.fitting.iter().all(fits), "{place}");
            assert!(!examples.unfitting.iter().any(fits), "{place}");
            if field.pattern.is_some() {
                assert!(!examples.fitting.is_empty(), "{place}");
                assert!(!examples.unfitting.is_empty(), "{place}");
                assert!(field.hint.is_some(), "{place}");
            }
            for example in examples.fitting.iter().filter(|_| field.is_secret) {
                assert!(example.to_lowercase().contains("fa"), "{place}: look fake");
            }
        }
        for detect in &definition.detect {
            let place = format!("{}: {}", definition.name, detect.pattern.as_str());
            let examples = &detect.examples;
            let fits = |value: &String| detect.pattern.fits(value);
            assert!(
                !examples.fitting.is_empty() && !examples.unfitting.is_empty(),
                "{place}"
            );
            assert!(examples.fitting.iter().all(fits), "{place}");
            assert!(!examples.unfitting.iter().any(fits), "{place}");
            assert!(
                examples
                    .fitting
                    .iter()
                    .all(|value| value.to_lowercase().contains("fa")),
                "{place}: look fake"
            );
        }
    }
}

#[test]
fn a_key_of_the_wrong_shape_is_refused_with_the_shape_as_the_hint() {
    assert_eq!(
        check("openai", "api_key", "sk-FAKEFAKEFAKEFAKEFAKE"),
        Ok(())
    );
    assert_eq!(
        check("openai", "api_key", "hunter2-but-longer"),
        Err((
            "This does not look like a valid OpenAI API key.".to_owned(),
            "OpenAI API keys start with 'sk-' followed by at least 20 letters, digits, '_' or '-'."
                .to_owned()
        ))
    );
    assert_eq!(
        check("twilio", "account_sid", "hunter2").unwrap_err().0,
        "This does not look like a valid Twilio account SID."
    );
    for broken in [
        "sk-FAKEFAKEFAKE FAKEFAKEFAKE",
        "sk-FAKEFAKEFAKE\nFAKEFAKEFAKE",
        "\u{1b}[",
    ] {
        let (message, _) = check("openai", "api_key", broken).unwrap_err();
        assert!(message.contains("white space or control"), "{message}");
    }
}

#[test]
fn a_key_of_another_provider_is_named_as_such() {
    let hex = "fa4efa4efa4efa4efa4efa4efa4efa4e";
    for (key, name, command) in [
        (
            "sk-ant-api03-FAKEFAKEFAKEFAKE".to_owned(),
            "an Anthropic",
            "anthropic",
        ),
        (
            format!("sk-or-v1-{hex}{hex}"),
            "an OpenRouter",
            "openrouter",
        ),
        (format!("sk-{hex}"), "a DeepSeek", "deepseek"),
        (
            "sk-lf-fa4efa4e-fa4e-fa4e-fa4e-fa4efa4efa4e".to_owned(),
            "a Langfuse",
            "langfuse",
        ),
    ] {
        let (message, hint) = check("openai", "api_key", &key).unwrap_err();
        assert_eq!(message, "This does not look like a valid OpenAI API key.");
        let expected =
            format!("This looks like {name} API key. Store it with: vault login {command}");
        assert_eq!(hint, expected);
    }
}

#[test]
fn a_key_that_two_providers_could_have_made_is_taken_with_a_word() {
    let doubt = |key: String| {
        assert_eq!(check("openai", "api_key", &key), Ok(()));
        find("openai")
            .field("api_key")
            .unwrap()
            .doubt(&Secret::from(key))
    };
    let twenty = "FAKEFAKEFAKEFAKEFAKE";
    let word = doubt(format!("sk-{twenty}{twenty}FAKEfake"));
    assert_eq!(
        word.as_deref(),
        Some("This could also be a Stability AI API key.")
    );
    assert_eq!(doubt(format!("sk-{twenty}T3BlbkFJ{twenty}")), None);
    assert_eq!(doubt(format!("sk-proj-{twenty}")), None);
}

#[test]
fn a_local_server_needs_no_key_and_allows_plain_http_on_this_machine() {
    let ollama = find("ollama");
    assert_eq!(ollama.auth_type(), &AuthKind::None);
    assert!(ollama.fields.iter().all(|field| !field.is_required));
    let field = ollama.field("base_url").unwrap();
    assert!(!field.is_secret);
    assert_eq!(field.default.as_deref(), Some("http://localhost:11434"));
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let host = host.parse().unwrap();
        let entry = ollama.host_for(&host, 11434, "/api/tags").unwrap();
        assert!(ollama.allows_plain_http(entry, &host));
        assert!(ollama.host_for(&host, 80, "/").is_none());
    }
}

#[test]
fn github_takes_a_bearer_token_on_its_api_and_basic_for_git() {
    let github = find("github");
    for (host, is_basic) in [("api.github.com", false), ("GITHUB.com.", true)] {
        let host = host.parse().unwrap();
        assert!(github.host_for(&host, 443, "/").is_some());
        for placement in github.placements_for(&host) {
            let spot = &placement.spot;
            assert_eq!(matches!(spot, vault::provider::Spot::Basic(..)), is_basic);
        }
        assert_eq!(github.placements_for(&host).count(), 2);
    }
}

#[test]
fn an_own_server_alone_gets_its_key() {
    let gitlab = find("gitlab");
    let is_host = |definition: &Definition, host: &str| {
        definition
            .host_for(&host.parse().unwrap(), 443, "/api")
            .is_some()
    };
    assert!(is_host(&gitlab, "gitlab.com") && is_host(&gitlab, "registry.gitlab.com"));
    let own = gitlab.at("https://git.corp.test/").unwrap();
    assert!(is_host(&own, "git.corp.test"));
    assert!(!is_host(&own, "gitlab.com") && !is_host(&own, "registry.gitlab.com"));
    let same = gitlab.at("https://gitlab.com/").unwrap();
    assert!(is_host(&same, "gitlab.com") && is_host(&same, "registry.gitlab.com"));
    assert!(gitlab.at("*.corp.test").is_err());
    assert!(gitlab.at("regex:.*").is_err());
}

#[test]
fn several_fields_are_asked_for_and_exported_in_their_order() {
    let aws = find("aws");
    let names: Vec<_> = aws.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "access_key_id",
            "secret_access_key",
            "session_token",
            "region"
        ]
    );
    assert_eq!(aws.variable_of("region").unwrap().as_str(), "AWS_REGION");
    assert!(aws.placements.is_empty(), "requests are signed");
    assert_eq!(find("openai").exports.len(), 1);
}

#[test]
fn what_is_printed_of_a_definition_reads_back_the_same() {
    for entry in Catalog::new(None).all().unwrap() {
        let definition = entry.definition.unwrap();
        assert_eq!(definition.to_json(), definition.text(), "{}", entry.name);
    }
}
