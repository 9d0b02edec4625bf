//! What the data on providers warned of: new shapes beside old ones, keys that
//! look like another's, hosts that anyone can have.

use vault::provider::{Catalog, Definition, Injection};
use vault::secret::Secret;

fn find(name: &str) -> Definition {
    let name = name.parse().unwrap();
    Catalog::new(None).find(&name).unwrap().definition
}

fn takes(provider: &str, key: &str) -> bool {
    let definition = find(provider);
    let field = definition.field("api_key").unwrap();
    field.check(&Secret::from(key.to_owned())).is_ok()
}

fn reaches(definition: &Definition, host: &str, port: u16) -> bool {
    definition
        .host_for(&host.parse().unwrap(), port, "/")
        .is_some_and(|entry| entry.injection == Injection::Allowed)
}

#[test]
fn geminis_new_keys_are_taken_beside_the_old_ones() {
    assert!(takes("google-gemini", "AQ.FAKEFAKEFAKEFAKE.FAKE_FAKE-FA"));
    assert!(takes(
        "google-gemini",
        &format!("AIza{}", "FAKE_".repeat(7))
    ));
    assert!(!takes("google-gemini", "AIzaFAKE"));
    assert!(!takes("google-gemini", "AQFAKEFAKEFAKEFAKEFAKEFAKEFAKE"));
}

#[test]
fn cloudflares_new_tokens_are_taken_beside_forty_characters() {
    let tail = format!("{}0123abcd", "FAKE".repeat(10));
    assert!(takes("cloudflare", &format!("cfut_{tail}")));
    assert!(takes("cloudflare", &format!("cfat_{tail}")));
    assert!(takes("cloudflare", &"FAKE_fake-".repeat(4)));
    assert!(!takes("cloudflare", &format!("cfut_{}", "FAKE".repeat(10))));
}

#[test]
fn githubs_dotted_tokens_of_installations_are_taken() {
    assert!(takes("github", "ghs_12345_eyFAKE.eyFAKE_FAKE-FAKE.FAKE"));
    assert!(takes("github", &format!("ghs_{}", "FAKE".repeat(9))));
    assert!(!takes("github", "ghp_12345_eyFAKE.eyFAKE.FAKE"));
}

#[test]
fn openai_tells_whose_key_it_was_given() {
    let hex = "fa4efa4efa4efa4efa4efa4efa4efa4e";
    let field = find("openai");
    let field = field.field("api_key").unwrap();
    for (key, whose) in [
        ("sk-ant-api03-FAKEFAKEFAKEFAKE".to_owned(), "anthropic"),
        (format!("sk-or-v1-{hex}{hex}"), "openrouter"),
        (format!("sk-{hex}"), "deepseek"),
        (
            "sk-lf-fa4efa4e-fa4e-fa4e-fa4e-fa4efa4efa4e".to_owned(),
            "langfuse",
        ),
    ] {
        let error = field.check(&Secret::from(key)).unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.ends_with(&format!("vault login {whose}")), "{hint}");
        // The command that it names has to work.
        find(whose);
    }
    let stability = Secret::from(format!("sk-{}", "FAKEfake".repeat(6)));
    assert!(field.check(&stability).is_ok());
    assert!(field.doubt(&stability).unwrap().contains("Stability"));
}

#[test]
fn what_is_self_hosted_or_regional_takes_an_address_of_its_own() {
    for (provider, address, host, port) in [
        ("gitlab", "https://git.corp.test", "git.corp.test", 443),
        ("grafana", "http://localhost:3000", "localhost", 3000),
        (
            "grafana",
            "https://mine.grafana.net",
            "mine.grafana.net",
            443,
        ),
        (
            "azure-openai",
            "https://mine.openai.azure.com",
            "mine.openai.azure.com",
            443,
        ),
        (
            "zendesk",
            "https://mine.zendesk.com",
            "mine.zendesk.com",
            443,
        ),
        (
            "sentry",
            "https://sentry.corp.test",
            "sentry.corp.test",
            443,
        ),
        (
            "langfuse",
            "https://us.cloud.langfuse.com",
            "us.cloud.langfuse.com",
            443,
        ),
        (
            "mailgun",
            "https://api.eu.mailgun.net",
            "api.eu.mailgun.net",
            443,
        ),
        (
            "qdrant",
            "https://x.cloud.qdrant.io:6333",
            "x.cloud.qdrant.io",
            6333,
        ),
    ] {
        let own = find(provider).at(address).unwrap();
        assert!(reaches(&own, host, port), "{provider} at {address}");
        assert_eq!(own.base_url.as_deref(), Some(address));
        let request = &own.verify[0].url;
        assert!(!request.parts().is_empty(), "{provider}");
    }
}

#[test]
fn under_a_suffix_where_anyone_can_have_a_host_only_ones_own_gets_the_key() {
    for (provider, own, theirs) in [
        ("zendesk", "mine.zendesk.com", "evil.zendesk.com"),
        ("shopify", "mine.myshopify.com", "evil.myshopify.com"),
        ("supabase", "mine.supabase.co", "evil.supabase.co"),
        (
            "azure-openai",
            "mine.openai.azure.com",
            "evil.openai.azure.com",
        ),
        (
            "azure-openai",
            "mine.cognitiveservices.azure.com",
            "evil.cognitiveservices.azure.com",
        ),
        ("grafana", "mine.grafana.net", "evil.grafana.net"),
        ("atlassian", "mine.atlassian.net", "evil.atlassian.net"),
        (
            "salesforce",
            "mine.my.salesforce.com",
            "evil.my.salesforce.com",
        ),
        ("azure", "mine.vault.azure.net", "evil.vault.azure.net"),
        ("weaviate", "mine.weaviate.cloud", "evil.weaviate.cloud"),
        ("qdrant", "mine.cloud.qdrant.io", "evil.cloud.qdrant.io"),
        (
            "pinecone",
            "mine.svc.x.pinecone.io",
            "evil.svc.x.pinecone.io",
        ),
    ] {
        let anybodys = find(provider);
        assert!(anybodys.tenant, "{provider}");
        assert!(
            !reaches(&anybodys, own, 443),
            "{provider} without an address"
        );
        let mine = anybodys.at(&format!("https://{own}")).unwrap();
        assert!(reaches(&mine, own, 443), "{provider}");
        assert!(!reaches(&mine, theirs, 443), "{provider}");
    }
}

#[test]
fn of_two_providers_on_one_host_one_has_priority() {
    for (host, first, second) in [
        ("storage.googleapis.com", "google-workspace", "gcp"),
        ("graph.microsoft.com", "microsoft", "azure"),
    ] {
        let (first, second) = (find(first), find(second));
        assert!(reaches(&first, host, 443) && reaches(&second, host, 443));
        assert!(first.priority > second.priority, "{host}");
    }
    // Whatever the pair, a host is never two providers' alike.
    let all: Vec<Definition> = Catalog::new(None)
        .all()
        .unwrap()
        .into_iter()
        .map(|entry| entry.definition.unwrap())
        .collect();
    for one in &all {
        for host in one.hosts.iter().filter_map(|host| host.exact()) {
            let rivals = all.iter().filter(|other| {
                let is_same = |entry: &vault::provider::Host| entry.exact() == Some(host);
                other.name != one.name
                    && !host.is_loopback()
                    && other.priority == one.priority
                    && other.hosts.iter().any(is_same)
            });
            let names: Vec<_> = rivals.map(|other| other.name.to_string()).collect();
            assert!(names.is_empty(), "{host}: {} and {names:?}", one.name);
        }
    }
}

#[test]
fn what_one_provider_detects_no_other_one_does() {
    let all = Catalog::new(None).all().unwrap();
    let all: Vec<_> = all
        .into_iter()
        .map(|entry| entry.definition.unwrap())
        .collect();
    for one in &all {
        for example in one
            .detect
            .iter()
            .flat_map(|detect| &detect.examples.fitting)
        {
            for other in all.iter().filter(|other| other.name != one.name) {
                let claims = other
                    .detect
                    .iter()
                    .any(|detect| detect.pattern.fits(example));
                assert!(!claims, "{} and {}", one.name, other.name);
            }
        }
    }
}

#[test]
fn providers_that_want_several_fields_ask_for_them() {
    for (provider, fields) in [
        ("aws", &["access_key_id", "secret_access_key"][..]),
        ("twilio", &["account_sid", "auth_token"]),
        ("datadog", &["api_key"]),
        ("algolia", &["app_id", "api_key"]),
        ("azure", &["tenant_id", "client_id", "client_secret"]),
        ("paypal", &["client_id", "client_secret"]),
        ("zendesk", &["base_url", "email", "api_key"]),
    ] {
        let definition = find(provider);
        let required: Vec<_> = definition
            .fields
            .iter()
            .filter(|field| field.is_required)
            .map(|field| field.name.as_str())
            .collect();
        assert_eq!(required, fields, "{provider}");
    }
    assert!(find("datadog").field("application_key").is_some());
}

#[test]
fn package_registries_are_exported_and_nothing_else() {
    for (provider, variable) in [
        ("npm", "NPM_TOKEN"),
        ("pypi", "TWINE_PASSWORD"),
        ("crates-io", "CARGO_REGISTRY_TOKEN"),
    ] {
        let definition = find(provider);
        assert!(definition.hosts.is_empty() && definition.verify.is_empty());
        let exported = |name: &str| {
            let mut names = definition
                .exports
                .iter()
                .map(|(_, variable)| variable.as_str());
            names.any(|known| known == name)
        };
        assert!(exported(variable), "{provider}: {:?}", definition.exports);
    }
}
