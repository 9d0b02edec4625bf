//! What the data on providers warned of: secrets for some flows alone, tokens
//! that lie apart, other words and other bodies.

use vault::flow::Server;
use vault::flow::authorize::Attempt;
use vault::provider::{AuthKind, Flow, Outcome, Protocol, Spot, Told, Writing};

use super::{find, own_address, plain, with_oauth};

/// The address that the browser is sent to.
fn page_of(name: &str) -> String {
    let (definition, oauth) = find(name);
    let own = own_address(&definition);
    let base_url = own.as_deref().or(definition.base_url.as_deref());
    let server = Server::of(&definition, base_url, &|name| plain(&definition, name)).unwrap();
    let attempt = Attempt::new(&server, 7997);
    attempt
        .address(&server, "FAKE-client", &oauth.scopes)
        .unwrap()
}

#[test]
fn github_wants_a_secret_for_the_browser_and_none_for_a_device() {
    let (definition, oauth) = find("github");
    assert_eq!(oauth.flows, [Flow::DeviceCode, Flow::Pkce]);
    assert!(oauth.wants_secret(Flow::Pkce) && !oauth.wants_secret(Flow::DeviceCode));
    assert_eq!(oauth.revocation_url, None, "it takes no form of RFC 7009");
    assert!(oauth.grants_url.is_some());
    let host = "github.com".parse().unwrap();
    let is_basic = |spot: &Spot| matches!(spot, Spot::Basic(..));
    assert!(
        definition
            .placements_for(&host)
            .all(|place| is_basic(&place.spot))
    );
}

#[test]
fn gitlab_is_logged_in_to_where_it_is() {
    let (definition, oauth) = find("gitlab");
    let token_url = oauth.token_url.as_deref().unwrap();
    let at = |url| oauth.resolve(token_url, url, &|_| None).unwrap();
    assert_eq!(at(None), "https://gitlab.com/oauth/token");
    let own = at(Some("https://git.corp.test/"));
    assert_eq!(own, "https://git.corp.test/oauth/token");
    assert!(!oauth.wants_secret(Flow::Pkce) && !oauth.wants_secret(Flow::DeviceCode));
    assert!(definition.supports(&AuthKind::ApiKey));
}

#[test]
fn slack_is_asked_for_a_users_token_which_lies_apart() {
    let (_, oauth) = find("slack");
    assert_eq!(oauth.tokens_at.as_deref(), Some("/authed_user"));
    assert_eq!(oauth.flows, [Flow::Pkce], "there is no device flow");
    assert!(!oauth.wants_secret(Flow::Pkce), "a desktop's app has none");
    let page = page_of("slack");
    assert!(
        page.contains("&user_scope=channels%3Aread%2Cusers%3Aread&"),
        "{page}"
    );
    assert!(
        !page.contains("&scope="),
        "a bot's scopes are refused: {page}"
    );
    assert!(page.contains("redirect_uri=http%3A%2F%2Flocalhost%3A7997%2Fcallback"));
}

#[test]
fn notion_takes_json_and_a_client_that_proves_itself_with_basic() {
    let (_, oauth) = find("notion");
    assert_eq!(oauth.authorization_method.as_deref(), Some("basic"));
    assert_eq!(oauth.token_request, Writing::Json);
    assert!(oauth.wants_secret(Flow::Pkce));
    let page = page_of("notion");
    assert!(page.contains("&owner=user") && !page.contains("code_challenge"));
}

#[test]
fn google_gives_refresh_tokens_only_to_who_asks_for_them() {
    for name in ["google-workspace", "gcp"] {
        let (_, oauth) = find(name);
        let page = page_of(name);
        assert!(
            page.contains("&access_type=offline&prompt=consent"),
            "{page}"
        );
        assert!(oauth.flows.iter().all(|flow| oauth.wants_secret(*flow)));
    }
    // The device flow has no scope of the cloud.
    assert_eq!(find("gcp").1.flows, [Flow::Pkce]);
    assert!(find("google-workspace").1.flows.contains(&Flow::DeviceCode));
}

#[test]
fn a_tenant_of_microsofts_is_anybodys_unless_named_and_of_azure_always_named() {
    let page = page_of("microsoft");
    let common = "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?";
    assert!(page.starts_with(common), "{page}");
    let (_, oauth) = find("microsoft");
    assert!(oauth.scopes.iter().any(|scope| scope == "offline_access"));
    assert_eq!(oauth.redirect.host.as_deref(), Some("localhost"));
    let (definition, oauth) = find("azure");
    assert_eq!(definition.field("tenant_id").unwrap().default, None);
    assert_eq!(oauth.flows[0], Flow::ClientCredentials);
    let (definition, oauth) = find("azure-openai");
    assert_eq!(oauth.flows, [Flow::ClientCredentials]);
    let tenant = definition.field("tenant_id").unwrap();
    assert!(!tenant.is_required && !tenant.is_secret, "a key needs none");
}

#[test]
fn codex_logs_in_as_its_own_program_does() {
    let (definition, oauth) = find("openai-codex");
    assert_eq!(oauth.protocol, Protocol::Codex);
    assert_eq!(oauth.redirect.path.as_deref(), Some("/auth/callback"));
    let page = page_of("openai-codex");
    for part in [
        "&originator=codex_cli_rs",
        "&id_token_add_organizations=true",
        "&codex_cli_simplified_flow=true",
        "scope=openid%20profile%20email%20offline_access%20api.connectors.read%20api.connectors.invoke",
        "redirect_uri=http%3A%2F%2Flocalhost%3A7997%2Fauth%2Fcallback",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let sent = definition.extra_headers.get("originator");
    assert_eq!(sent.map(String::as_str), Some("codex_cli_rs"));
}

#[test]
fn openrouters_login_gives_a_key_and_no_token() {
    let (definition, oauth) = find("openrouter");
    assert_eq!(oauth.protocol, Protocol::OpenRouter);
    assert_eq!(definition.auth_type(), &AuthKind::ApiKey);
    assert_eq!(definition.placements.len(), 1, "none for an access token");
    let page = page_of("openrouter");
    assert!(page.starts_with("https://openrouter.ai/auth?callback_url="));
    assert!(!page.contains("client_id") && page.contains("code_challenge_method=S256"));
}

#[test]
fn a_token_goes_where_a_key_goes_otherwise_in_another_way() {
    for (provider, host, key, token) in [
        (
            "linear",
            "api.linear.app",
            "{api_key}",
            "Bearer {access_token}",
        ),
        (
            "discord",
            "discord.com",
            "Bot {api_key}",
            "Bearer {access_token}",
        ),
        ("gitlab", "gitlab.com", "{api_key}", "Bearer {access_token}"),
        (
            "figma",
            "api.figma.com",
            "{api_key}",
            "Bearer {access_token}",
        ),
        (
            "shopify",
            "mine.myshopify.com",
            "{api_key}",
            "{access_token}",
        ),
        (
            "planetscale",
            "api.planetscale.com",
            "{service_token_id}:{api_key}",
            "Bearer {access_token}",
        ),
    ] {
        let (definition, _) = find(provider);
        let host = host.parse().unwrap();
        let places = definition.placements_for(&host).map(|place| &place.spot);
        let values: Vec<_> = places
            .filter_map(|spot| match spot {
                Spot::Header(_, value) => Some(value.clone()),
                _ => None,
            })
            .collect();
        let expected = [key.parse().unwrap(), token.parse().unwrap()];
        assert_eq!(values, expected, "{provider}");
    }
}

#[test]
fn a_token_stays_on_the_hosts_that_it_is_for() {
    for (provider, host) in [
        ("supabase", "mine.supabase.co"),
        ("atlassian", "mine.atlassian.net"),
        ("cloudflare", "gateway.ai.cloudflare.com"),
        ("vercel", "ai-gateway.vercel.sh"),
        ("azure", "login.microsoftonline.com"),
    ] {
        let (definition, _) = find(provider);
        let host = host.parse().unwrap();
        let goes_there = definition
            .placements_for(&host)
            .any(|place| place.fields().any(|field| field.as_str() == "access_token"));
        assert!(!goes_there, "{provider}");
    }
}

#[test]
fn odd_habits_of_token_addresses_are_written_down() {
    let basic = |name: &str| find(name).1.authorization_method.as_deref() == Some("basic");
    for name in [
        "airtable",
        "bitbucket",
        "cloudflare",
        "figma",
        "notion",
        "paypal",
        "supabase",
    ] {
        assert!(basic(name), "{name}");
    }
    for (definition, oauth) in with_oauth() {
        let takes_json = ["atlassian", "notion", "zendesk"].contains(&definition.name.as_str());
        assert_eq!(
            oauth.token_request == Writing::Json,
            takes_json,
            "{}",
            definition.name
        );
        let commas = ["linear", "shopify", "slack"].contains(&definition.name.as_str());
        let separator = oauth.scope_separator.as_deref();
        assert_eq!(separator, commas.then_some(","), "{}", definition.name);
    }
    let page = page_of("atlassian");
    assert!(
        page.contains("&audience=api.atlassian.com&prompt=consent"),
        "{page}"
    );
    assert!(
        find("typeform")
            .1
            .scopes
            .iter()
            .any(|scope| scope == "offline")
    );
}

#[test]
fn a_client_without_pkce_proves_itself_with_its_secret() {
    for (definition, oauth) in with_oauth() {
        let name = &definition.name;
        if oauth.pkce == Some(false) && oauth.flows.contains(&Flow::Pkce) {
            assert!(oauth.wants_secret(Flow::Pkce), "{name}");
        }
    }
}

#[test]
fn what_is_answered_to_an_access_token_is_read_as_the_provider_means_it() {
    let sites = r#"[{"id": "FAKE", "url": "https://mine.atlassian.net"}]"#;
    for (provider, status, body, outcome, told) in [
        (
            "atlassian",
            200,
            sites,
            Outcome::Ok,
            &["https://mine.atlassian.net"][..],
        ),
        ("atlassian", 401, "{}", Outcome::Rejected, &[]),
        (
            "supabase",
            200,
            r#"[{"name": "shop"}]"#,
            Outcome::Ok,
            &["shop"],
        ),
        (
            "azure",
            200,
            r#"{"value": [{"displayName": "Pay"}]}"#,
            Outcome::Ok,
            &["Pay"],
        ),
        (
            "cloudflare",
            403,
            r#"{"errors": [{"code": 9109, "message": "Invalid access token"}]}"#,
            Outcome::Rejected,
            &[],
        ),
        ("cloudflare", 403, "{}", Outcome::Forbidden, &[]),
        (
            "gcp",
            400,
            r#"{"error": "invalid_token"}"#,
            Outcome::Rejected,
            &[],
        ),
        ("hubspot", 403, "{}", Outcome::Forbidden, &[]),
        ("paypal", 401, "{}", Outcome::Rejected, &[]),
    ] {
        let (definition, _) = find(provider);
        let first = &definition.verify[0];
        let when = first.when.as_ref().unwrap();
        assert_eq!(when.field.as_str(), "access_token", "{provider}");
        assert!(when.pattern.fits("FAKE-token") && !when.pattern.fits(""));
        let reading = first.read(status, body.as_bytes());
        assert_eq!(reading.outcome, outcome, "{provider} {status} {body}");
        let names = match reading.told {
            Some(Told::List(names, _)) => names,
            _ => Vec::new(),
        };
        assert_eq!(names, told, "{provider}");
    }
}
