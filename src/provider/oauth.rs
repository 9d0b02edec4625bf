//! What a definition says about OAuth 2: addresses and habits. The flows
//! themselves are elsewhere.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::lenient::or_default;

/// The provider's authorization server. `{base_url}` may stand in each
/// address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OAuth {
    /// Where the person agrees.
    pub authorization_url: Option<String>,
    /// Where codes become tokens.
    pub token_url: Option<String>,
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
    /// What is asked for unless said otherwise.
    #[serde(deserialize_with = "or_default")]
    pub scopes: Vec<String>,
    /// Parameters added to the authorization address.
    #[serde(deserialize_with = "or_default")]
    pub authorization_params: BTreeMap<String, String>,
    /// How the client proves itself: `body` or `basic`.
    pub authorization_method: Option<String>,
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

impl OAuth {
    /// An address of this section with the base URL put in.
    pub fn resolve(&self, address: &str, connection: Option<&str>) -> String {
        match connection.or(self.base_url.as_deref()) {
            Some(base) => address.replace("{base_url}", base.trim_end_matches('/')),
            None => address.to_owned(),
        }
    }
}
