//! What a definition says about OAuth 2: addresses and habits. The flows
//! themselves are elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::lenient::{or_default, parsed};
use super::own::is_in_the_clear;
use crate::name::VariableName;

/// A way to get tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// A browser on this machine, or an address that is pasted back.
    Pkce,
    /// A code that is typed on another device (RFC 8628).
    DeviceCode,
    /// The same as [`Flow::Pkce`], with a client that registers itself.
    DcrPkce,
    /// A machine for itself, without a person.
    ClientCredentials,
}

/// A word that is no flow.
#[derive(Debug, thiserror::Error)]
#[error("a flow is one of pkce, device_code, dcr_pkce, client_credentials")]
pub struct BadFlow;

impl Flow {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Pkce,
        Self::DeviceCode,
        Self::DcrPkce,
        Self::ClientCredentials,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pkce => "pkce",
            Self::DeviceCode => "device_code",
            Self::DcrPkce => "dcr_pkce",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

impl FromStr for Flow {
    type Err = BadFlow;

    fn from_str(word: &str) -> Result<Self, BadFlow> {
        let mut all = Self::ALL.into_iter();
        all.find(|flow| flow.as_str() == word).ok_or(BadFlow)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Flow {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// Which protocol the addresses speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// The one of the RFCs.
    #[default]
    OAuth2,
    /// OpenRouter's: no client, and the code becomes an API key.
    OpenRouter,
    /// That of the Codex CLI: JSON, and a device login of its own.
    Codex,
}

/// How a request to the token address is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Writing {
    /// As a form, which is the standard.
    #[default]
    Form,
    /// As JSON.
    Json,
}

/// Where the browser is sent back to, where not any address of this machine
/// will do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Redirect {
    /// `127.0.0.1` or `localhost`.
    pub host: Option<String>,
    /// The ports that the provider takes, the usual one first; any port
    /// unless given.
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<u16>,
    /// The path.
    pub path: Option<String>,
}

impl Redirect {
    /// The path; `/callback` unless given.
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or("/callback")
    }
}

/// The provider's authorization server. `{base_url}` and fields that are no
/// secret may stand in each address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OAuth {
    /// Which protocol the addresses speak.
    #[serde(deserialize_with = "or_default")]
    pub protocol: Protocol,
    /// Who issues the tokens; where the addresses can be asked for (RFC 8414).
    pub issuer: Option<String>,
    /// Where the person agrees.
    pub authorization_url: Option<String>,
    /// Where codes become tokens.
    pub token_url: Option<String>,
    /// Where tokens are renewed, where that is elsewhere.
    pub refresh_url: Option<String>,
    /// Where tokens end.
    pub revocation_url: Option<String>,
    /// Where a device asks for its code.
    pub device_authorization_url: Option<String>,
    /// How a device asks for its token: `oauth2_form` or `json`.
    pub device_token_request: Option<String>,
    /// Where a client registers itself.
    pub registration_endpoint: Option<String>,
    /// A client that anyone may use.
    pub client_id: Option<String>,
    /// The variable that names one's own client.
    #[serde(skip)]
    pub client_id_env: Option<VariableName>,
    /// The variable that holds its secret.
    #[serde(skip)]
    pub client_secret_env: Option<VariableName>,
    /// The flows that want a client's secret, beside
    /// [`Flow::ClientCredentials`], which always does.
    #[serde(deserialize_with = "or_default")]
    pub client_secret_for: Vec<Flow>,
    /// Where a person registers a client.
    pub client_url: Option<String>,
    /// The ways to get tokens, the usual one first.
    #[serde(deserialize_with = "or_default")]
    pub flows: Vec<Flow>,
    /// What is asked for unless said otherwise.
    #[serde(deserialize_with = "or_default")]
    pub scopes: Vec<String>,
    /// The same for a machine's own login; nothing unless given.
    #[serde(deserialize_with = "or_default")]
    pub machine_scopes: Vec<String>,
    /// What stands between scopes; a space unless given.
    pub scope_separator: Option<String>,
    /// What the parameter with the scopes is called at the authorization
    /// address.
    pub scope_parameter: Option<String>,
    /// Parameters added to the authorization address.
    #[serde(deserialize_with = "or_default")]
    pub authorization_params: BTreeMap<String, String>,
    /// How the client proves itself: `body` or `basic`.
    pub authorization_method: Option<String>,
    /// How requests to the token address are written.
    #[serde(deserialize_with = "or_default")]
    pub token_request: Writing,
    /// Where the tokens stand in the answer (RFC 6901); at its top unless
    /// given.
    pub tokens_at: Option<String>,
    /// Where an account's name stands in it.
    pub account_at: Option<String>,
    /// Where in it the address stands that the tokens are for (Salesforce).
    pub base_url_at: Option<String>,
    /// Where the browser is sent back to.
    #[serde(deserialize_with = "or_default")]
    pub redirect: Redirect,
    /// Where a person ends what was granted, where no program can.
    pub grants_url: Option<String>,
    /// Whether the server takes PKCE; unless said, it does.
    pub pkce: Option<bool>,
    /// Whether there is a device flow.
    #[serde(alias = "supports_device_flow", deserialize_with = "or_default")]
    pub supports_device_code: bool,
    /// Whether clients can register themselves.
    #[serde(deserialize_with = "or_default")]
    pub supports_dcr: bool,
    /// What `{base_url}` is unless the connection says otherwise.
    pub base_url: Option<String>,
}

/// An address that cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// Something in it is not known of this connection.
    #[error("it needs the {0}")]
    Missing(String),
    /// A field does not fit into an address.
    #[error("the {0} does not fit into an address")]
    Unfit(String),
    /// Others could read what is sent there.
    #[error("it is http, which would send tokens in the clear")]
    InTheClear,
}

impl OAuth {
    /// An address of this section with the base URL and other fields put in.
    ///
    /// # Errors
    /// One is not known, or does not belong into an address.
    pub fn resolve(
        &self,
        address: &str,
        base_url: Option<&str>,
        field: &dyn Fn(&str) -> Option<String>,
    ) -> Result<String, BadEndpoint> {
        let mut resolved = String::new();
        let mut rest = address;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                break;
            };
            resolved.push_str(before);
            if name == "base_url" {
                let base = base_url.or(self.base_url.as_deref());
                let base = base.ok_or_else(|| BadEndpoint::Missing("address".to_owned()))?;
                resolved.push_str(base.trim_end_matches('/'));
            } else {
                let value = field(name).ok_or_else(|| BadEndpoint::Missing(spoken(name)))?;
                // It may become a part of the host: nothing that ends one.
                let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
                if value.is_empty() || value.contains("..") || !value.chars().all(fits) {
                    return Err(BadEndpoint::Unfit(spoken(name)));
                }
                resolved.push_str(&value);
            }
            rest = after;
        }
        resolved.push_str(rest);
        if is_in_the_clear(&resolved) {
            return Err(BadEndpoint::InTheClear);
        }
        Ok(resolved)
    }

    /// Whether an address of it needs the connection's own base URL.
    pub fn needs_address(&self) -> bool {
        let all = [
            &self.authorization_url,
            &self.token_url,
            &self.device_authorization_url,
            &self.issuer,
        ];
        let in_one = |address: &&Option<String>| {
            address
                .as_ref()
                .is_some_and(|text| text.contains("{base_url}"))
        };
        self.base_url.is_none() && all.iter().any(in_one)
    }

    /// The ways to get tokens, the usual one first.
    pub fn flows(&self) -> Vec<Flow> {
        let mut flows = self.flows.clone();
        let registers = self.registration_endpoint.is_some() || self.supports_dcr;
        let has_client = self.client_id.is_some() || self.client_id_env.is_some();
        let mut add = |flow, is_there: bool| {
            if is_there && !flows.contains(&flow) {
                flows.push(flow);
            }
        };
        add(Flow::DcrPkce, registers && !has_client);
        add(
            Flow::Pkce,
            self.authorization_url.is_some() || self.issuer.is_some() && !registers,
        );
        add(
            Flow::DeviceCode,
            self.device_authorization_url.is_some() || self.supports_device_code,
        );
        add(Flow::DcrPkce, registers);
        let only_machines = self.authorization_url.is_none() && self.issuer.is_none();
        add(
            Flow::ClientCredentials,
            self.token_url.is_some() && only_machines,
        );
        flows
    }

    /// What is asked for in this flow, unless said otherwise.
    pub fn scopes_for(&self, flow: Flow) -> &[String] {
        let only_machines = self.flows() == [Flow::ClientCredentials];
        match flow {
            Flow::ClientCredentials if !only_machines => &self.machine_scopes,
            _ => &self.scopes,
        }
    }

    /// Whether a client needs its secret in this flow.
    pub fn wants_secret(&self, flow: Flow) -> bool {
        flow == Flow::ClientCredentials || self.client_secret_for.contains(&flow)
    }
}

fn spoken(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(address: &str, base: Option<&str>, tenant: &str) -> Result<String, BadEndpoint> {
        let field = |name: &str| (name == "tenant_id").then(|| tenant.to_owned());
        OAuth::default().resolve(address, base, &field)
    }

    #[test]
    fn an_address_is_filled_with_what_belongs_there_and_nothing_else() {
        let url = "https://login.example.com/{tenant_id}/token";
        assert_eq!(
            resolved(url, None, "my-tenant").unwrap(),
            "https://login.example.com/my-tenant/token"
        );
        for odd in ["", "a/b", "a@evil.test", "..", "a b", "a%2fb", "a?b", "a:1"] {
            let bad = BadEndpoint::Unfit("tenant id".to_owned());
            assert_eq!(resolved(url, None, odd), Err(bad), "{odd}");
        }
        let based = resolved("{base_url}/token", Some("https://git.example.com/"), "x");
        assert_eq!(based.unwrap(), "https://git.example.com/token");
        let missing = BadEndpoint::Missing("shop".to_owned());
        assert_eq!(
            resolved("https://{shop}.example.com", None, "x"),
            Err(missing)
        );
    }

    #[test]
    fn tokens_go_in_the_clear_only_on_this_machine() {
        let far = resolved("http://login.example.com/token", None, "x");
        assert_eq!(far, Err(BadEndpoint::InTheClear));
        assert!(resolved("http://127.0.0.1:8080/token", None, "x").is_ok());
    }

    #[test]
    fn the_flows_follow_from_the_addresses() {
        let parse = |text: &str| serde_json::from_str::<OAuth>(text).unwrap().flows();
        let all =
            r#"{"authorization_url": "a", "token_url": "t", "device_authorization_url": "d"}"#;
        assert_eq!(parse(all), [Flow::Pkce, Flow::DeviceCode]);
        assert_eq!(parse(r#"{"token_url": "t"}"#), [Flow::ClientCredentials]);
        let registers = r#"{"issuer": "i", "supports_dcr": true}"#;
        assert_eq!(parse(registers), [Flow::DcrPkce]);
        let written = r#"{"authorization_url": "a", "flows": ["client_credentials"]}"#;
        assert_eq!(parse(written), [Flow::ClientCredentials, Flow::Pkce]);
    }
}
