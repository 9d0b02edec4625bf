//! An authorization server as one connection sees it: its addresses filled,
//! its habits known.

use std::time::Duration;

use super::FlowError;
use crate::credential::client::{Endpoints, OAuthClient, Proof};
use crate::net::Address;
use crate::provider::{Definition, Flow, OAuth, Protocol};
use crate::secret::Secret;

/// How long one request may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a renewal may: its answer may be the only copy of the login, and
/// those who wait for the lock have more patience than this.
pub(super) const RENEWAL_TIMEOUT: Duration = Duration::from_secs(20);

/// An authorization server.
pub struct Server {
    /// Its name for people.
    pub name: String,
    /// What the definition says of it.
    pub oauth: OAuth,
    /// Who issues the tokens, where that is known.
    pub issuer: Option<String>,
    /// The addresses in force.
    pub endpoints: Endpoints,
    /// Where tokens are renewed, where that is elsewhere.
    pub refresh: Option<String>,
    /// Whether it promised to say who it is with each answer (RFC 9207).
    pub says_who: bool,
}

/// Reads fields of a connection that are no secret.
pub type Plain<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Server {
    /// The server of a definition, for a connection at `base_url`. An address
    /// that cannot be filled fails when it is needed.
    ///
    /// # Errors
    /// The definition has no OAuth, or an address that must not be asked.
    pub fn of(
        definition: &Definition,
        base_url: Option<&str>,
        field: Plain<'_>,
    ) -> Result<Self, FlowError> {
        let name = definition.display_name.clone();
        let Some(oauth) = &definition.oauth else {
            return Err(FlowError::Endpoint {
                server: name,
                what: "authorization server",
                reason: "its definition has none".to_owned(),
            });
        };
        let fill = |what, address: &Option<String>| -> Result<Option<String>, FlowError> {
            let Some(address) = address.as_deref().filter(|address| !address.is_empty()) else {
                return Ok(None);
            };
            let filled = oauth.resolve(address, base_url, field);
            filled
                .map(Some)
                .map_err(|bad| FlowError::bad_endpoint(&name, what, &bad))
        };
        let endpoints = Endpoints {
            authorization: fill("authorization address", &oauth.authorization_url)?,
            token: fill("token address", &oauth.token_url)?,
            revocation: fill("revocation address", &oauth.revocation_url)?,
            device: fill("device address", &oauth.device_authorization_url)?,
            registration: fill("registration address", &oauth.registration_endpoint)?,
        };
        let issuer = fill("issuer", &oauth.issuer)?;
        Ok(Self {
            issuer,
            refresh: fill("refresh address", &oauth.refresh_url)?,
            says_who: false,
            oauth: oauth.clone(),
            endpoints,
            name,
        })
    }

    /// The server that a client registered itself with, for its end: nothing
    /// but its name is needed.
    pub(super) fn of_registration(app: &OAuthClient) -> Self {
        Self {
            name: app.server.clone(),
            oauth: OAuth::default(),
            issuer: None,
            endpoints: Endpoints::default(),
            refresh: None,
            says_who: false,
        }
    }

    /// With what a client learned of the server, where the definition is
    /// silent.
    #[must_use]
    pub fn known_to(mut self, client: &OAuthClient) -> Self {
        self.learn_from(client);
        self
    }

    /// Takes over what a client learned, where the definition is silent.
    pub fn learn_from(&mut self, client: &OAuthClient) {
        if let Some(learned) = &client.endpoints {
            self.learn(learned.clone());
        }
    }

    /// Takes over addresses that the definition does not have.
    pub(super) fn learn(&mut self, learned: Endpoints) {
        let own = &mut self.endpoints;
        own.authorization = own.authorization.take().or(learned.authorization);
        own.token = own.token.take().or(learned.token);
        own.revocation = own.revocation.take().or(learned.revocation);
        own.device = own.device.take().or(learned.device);
        own.registration = own.registration.take().or(learned.registration);
    }

    /// Whether a login by this flow has all the addresses that it needs.
    pub fn is_known_for(&self, flow: Flow) -> bool {
        let own = &self.endpoints;
        if self.protocol() != Protocol::OAuth2 {
            return true;
        }
        let first = match flow {
            Flow::Pkce | Flow::DcrPkce => own.authorization.is_some(),
            Flow::DeviceCode => own.device.is_some(),
            Flow::ClientCredentials => true,
        };
        first && own.token.is_some()
    }

    /// Which protocol it speaks.
    pub fn protocol(&self) -> Protocol {
        self.oauth.protocol
    }

    /// How a client with this secret proves itself here.
    pub fn proof_of(&self, secret: Option<&Secret>) -> Proof {
        let method = self.oauth.authorization_method.as_deref();
        match (secret, method.and_then(Proof::parse)) {
            (None, _) => Proof::None,
            (Some(_), Some(Proof::Basic)) => Proof::Basic,
            (Some(_), _) => Proof::Body,
        }
    }

    /// Where the clients and grants of this server are told from others.
    pub fn place(&self) -> String {
        let known = self.issuer.as_ref().or(self.endpoints.token.as_ref());
        known.cloned().unwrap_or_default()
    }

    pub(super) fn address(
        &self,
        what: &'static str,
        address: Option<&String>,
    ) -> Result<Address, FlowError> {
        let Some(address) = address else {
            return Err(FlowError::Endpoint {
                server: self.name.clone(),
                what,
                reason: "no such address is known".to_owned(),
            });
        };
        let parsed = Address::parse(&Secret::from(address.clone()))
            .map_err(|bad| FlowError::bad_address(&self.name, what, bad))?;
        if !parsed.is_tls && !parsed.host.is_loopback() {
            return Err(FlowError::Endpoint {
                server: self.name.clone(),
                what,
                reason: "it is http, which would send tokens in the clear".to_owned(),
            });
        }
        Ok(parsed)
    }

    pub(super) fn odd(&self, what: &'static str) -> FlowError {
        FlowError::Odd {
            server: self.name.clone(),
            what,
        }
    }
}
