//! What the bundled definitions say of OAuth: what holds for all of them. What
//! the data on providers warned of is in `habits`.

mod habits;

use std::collections::BTreeMap;

use vault::broker::verify::question;
use vault::credential::Value;
use vault::name::FieldName;
use vault::provider::{AuthKind, Catalog, Definition, Flow, Host, OAuth, Protocol};
use vault::secret::Secret;

fn with_oauth() -> Vec<(Definition, OAuth)> {
    let all = Catalog::new(None).all().unwrap();
    let definitions = all.into_iter().map(|entry| entry.definition.unwrap());
    let with = definitions.filter_map(|definition| {
        let oauth = definition.oauth.clone()?;
        Some((definition, oauth))
    });
    with.collect()
}

fn find(name: &str) -> (Definition, OAuth) {
    let found = Catalog::new(None).find(&name.parse().unwrap()).unwrap();
    let oauth = found.definition.oauth.clone().unwrap();
    (found.definition, oauth)
}

/// The addresses that are asked, or that a browser is sent to.
fn addresses(oauth: &OAuth) -> impl Iterator<Item = &String> {
    let of_server = [
        &oauth.issuer,
        &oauth.authorization_url,
        &oauth.token_url,
        &oauth.revocation_url,
        &oauth.device_authorization_url,
        &oauth.registration_endpoint,
    ];
    let of_person = [&oauth.client_url, &oauth.grants_url];
    of_server.into_iter().chain(of_person).flatten()
}

/// An address of one's own, where there has to be one.
fn own_address(definition: &Definition) -> Option<String> {
    let field = definition.field("base_url");
    let shown = field.and_then(|field| field.examples.fitting.first().cloned());
    shown.filter(|_| definition.base_url.is_none())
}

/// A field's default, or a value made up for it.
fn plain(definition: &Definition, name: &str) -> Option<String> {
    let field = definition.field(name)?;
    let shown = || field.examples.fitting.first().cloned();
    field.default.clone().or_else(shown)
}

#[test]
fn every_address_of_oauth_is_https_and_can_be_filled() {
    for (definition, oauth) in with_oauth() {
        let own = own_address(&definition);
        let base_url = own.as_deref().or(definition.base_url.as_deref());
        for address in addresses(&oauth) {
            let known = |name: &str| plain(&definition, name);
            let resolved = oauth.resolve(address, base_url, &known).unwrap();
            assert!(resolved.starts_with("https://"), "{resolved}");
            let host = Host::parse(resolved.split('?').next().unwrap(), None).unwrap();
            assert!(host.exact().is_some() && host.port.is_none(), "{resolved}");
        }
    }
}

/// The last two names of a host: whose it is.
fn owner(address: &str) -> String {
    let rest = address.split_once("://").unwrap().1;
    let host = rest.split('/').next().unwrap();
    let names: Vec<_> = host.rsplit('.').take(2).collect();
    format!("{}.{}", names[1], names[0])
}

#[test]
fn codes_and_tokens_are_traded_on_no_foreign_hosts() {
    // Whose authorization server has another name than its API.
    const KIN: &[(&str, &str)] = &[
        ("openai-codex", "openai.com"),
        ("gcp", "google.com"),
        ("google-workspace", "google.com"),
        ("microsoft", "microsoftonline.com"),
        ("azure", "microsoftonline.com"),
        ("azure-openai", "microsoftonline.com"),
        ("atlassian", "atlassian.com"),
        ("hubspot", "hubspot.com"),
        ("intercom", "intercom.com"),
    ];
    for (definition, oauth) in with_oauth() {
        let server = [
            &oauth.issuer,
            &oauth.authorization_url,
            &oauth.token_url,
            &oauth.revocation_url,
            &oauth.device_authorization_url,
        ];
        let fixed = server.into_iter().flatten();
        for address in fixed.filter(|address| !address.starts_with("{base_url}")) {
            let owner = owner(address);
            let is_own = definition.hosts.iter().any(|host| {
                let name = host.as_str();
                name == owner || name.ends_with(&format!(".{owner}"))
            });
            let of_address = definition
                .base_url
                .iter()
                .any(|url| self::owner(url) == owner);
            let is_kin = KIN.contains(&(definition.name.as_str(), &owner));
            assert!(
                is_own || of_address || is_kin,
                "{}: {owner}",
                definition.name
            );
        }
    }
}

#[test]
fn whoever_has_oauth_has_a_flow_a_place_for_its_token_and_a_way_to_a_client() {
    let all = with_oauth();
    assert!(all.len() >= 37, "{}", all.len());
    for (definition, oauth) in all {
        let name = &definition.name;
        assert!(definition.supports(&AuthKind::OAuth2), "{name}");
        assert!(!oauth.flows.is_empty(), "{name}: its flows are written out");
        assert_eq!(oauth.flows(), oauth.flows, "{name}: and they are all");
        for flow in &oauth.flows {
            let is_served = match flow {
                Flow::Pkce => oauth.authorization_url.is_some() && oauth.token_url.is_some(),
                Flow::DeviceCode => {
                    oauth.device_authorization_url.is_some() || oauth.protocol == Protocol::Codex
                }
                Flow::DcrPkce => oauth.issuer.is_some() || oauth.registration_endpoint.is_some(),
                Flow::ClientCredentials => oauth.token_url.is_some(),
            };
            assert!(is_served, "{name}: {flow}");
        }
        let yields_a_key = oauth.protocol == Protocol::OpenRouter;
        let token = if yields_a_key {
            "api_key"
        } else {
            "access_token"
        };
        let is_placed = definition
            .placements
            .iter()
            .any(|place| place.fields().any(|field| field.as_str() == token));
        assert!(is_placed, "{name}");
        assert!(definition.variable_of(token).is_some(), "{name}");
        let has_client = oauth.client_id.is_some() || yields_a_key;
        let takes_own = oauth.client_url.is_some()
            && oauth.client_id_env.is_some()
            && oauth.client_secret_env.is_some();
        assert!(has_client != takes_own, "{name}");
    }
}

#[test]
fn an_access_token_can_be_asked_about_wherever_it_comes_from() {
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    for (definition, oauth) in with_oauth() {
        let yields_a_key = oauth.protocol == Protocol::OpenRouter;
        let token = if yields_a_key {
            "api_key"
        } else {
            "access_token"
        };
        let fields: BTreeMap<FieldName, Secret> = [(
            token.parse().unwrap(),
            Secret::from("FAKE-token".to_owned()),
        )]
        .into();
        let mut value = Value::of(fields, now);
        value.base_url = own_address(&definition);
        let own = value.base_url.as_deref();
        let here = own.map_or(definition.clone(), |url| definition.at(url).unwrap());
        let asked = question(&here, &value, now);
        let reason = asked.err().map(|error| error.to_string());
        assert_eq!(reason, None, "{}", definition.name);
    }
}

#[test]
fn who_compares_redirect_addresses_gets_the_one_that_was_registered() {
    for (definition, oauth) in with_oauth() {
        let takes_any_port = [
            "github",
            "google-workspace",
            "gcp",
            "microsoft",
            "azure",
            "openrouter",
        ];
        let goes_by_browser = oauth.flows.contains(&Flow::Pkce);
        let ports = &oauth.redirect.ports[..];
        match definition.name.as_str() {
            "openai-codex" => assert_eq!(ports, [1455, 1457]),
            name if takes_any_port.contains(&name) || !goes_by_browser => assert_eq!(ports, [0; 0]),
            // A second port would have to be registered as well.
            name => assert_eq!(ports, [7997], "{name}"),
        }
    }
}
