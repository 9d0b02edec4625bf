//! An OAuth client: who asks for tokens. A person registered it, or it
//! registered itself; kept in the vault once per provider.

use jiff::Timestamp;

use super::codec::optional_time;
use crate::json::{JsonError, Members, ObjectWriter, Unknown};
use crate::secret::{Secret, SecretBuffer};

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By its name alone.
    None,
    /// With its secret in the body.
    Body,
    /// With its secret in a header.
    Basic,
}

impl Proof {
    /// The word of RFC 7591 for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Body => "client_secret_post",
            Self::Basic => "client_secret_basic",
        }
    }

    /// The way of this name; both registered names and short ones are known.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "none" => Some(Self::None),
            "body" | "client_secret_post" => Some(Self::Body),
            "basic" | "client_secret_basic" => Some(Self::Basic),
            _ => None,
        }
    }
}

/// Addresses that a server named itself (RFC 8414).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Where the person agrees.
    pub authorization: Option<String>,
    /// Where codes become tokens.
    pub token: Option<String>,
    /// Where tokens end.
    pub revocation: Option<String>,
    /// Where a device asks for its code.
    pub device: Option<String>,
    /// Where a client registers itself.
    pub registration: Option<String>,
}

/// An OAuth client.
pub struct OAuthClient {
    /// Its name at the server.
    pub id: String,
    /// Its secret, if it has one.
    pub secret: Option<Secret>,
    /// How it proves who it is.
    pub proof: Proof,
    /// The server that knows it: its issuer, or its token address.
    pub server: String,
    /// The address that it was registered with, where it registered itself.
    pub redirect_uri: Option<String>,
    /// The server's addresses, where they were asked for.
    pub endpoints: Option<Endpoints>,
    /// When it registered itself.
    pub registered_at: Option<Timestamp>,
    /// When its secret ends.
    pub expires_at: Option<Timestamp>,
    /// Where a registration is managed (RFC 7592), and the token for it.
    pub registration: Option<(String, Secret)>,
    unknown: Unknown,
}

impl OAuthClient {
    /// A client without anything learned.
    pub fn new(id: String, secret: Option<Secret>, proof: Proof) -> Self {
        Self {
            id,
            secret,
            proof,
            server: String::new(),
            redirect_uri: None,
            endpoints: None,
            registered_at: None,
            expires_at: None,
            registration: None,
            unknown: Unknown::default(),
        }
    }

    /// Whether it registered itself.
    pub fn is_registered(&self) -> bool {
        self.redirect_uri.is_some()
    }

    /// Another copy, named so that it is seen in review.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let registration = self.registration.as_ref();
        Self {
            id: self.id.clone(),
            secret: self.secret.as_ref().map(Secret::duplicate),
            proof: self.proof,
            server: self.server.clone(),
            redirect_uri: self.redirect_uri.clone(),
            endpoints: self.endpoints.clone(),
            registered_at: self.registered_at,
            expires_at: self.expires_at,
            registration: registration.map(|(url, token)| (url.clone(), token.duplicate())),
            unknown: self.unknown.clone(),
        }
    }

    /// Reads a client from its JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        let mut members = Members::parse(text)?;
        let proof: String = members.require("proof")?;
        let url: Option<String> = members.take("registration_url")?;
        let token: Option<Secret> = members.take("registration_token")?;
        let endpoints = Endpoints {
            authorization: members.take("authorization_url")?,
            token: members.take("token_url")?,
            revocation: members.take("revocation_url")?,
            device: members.take("device_authorization_url")?,
            registration: members.take("registration_endpoint")?,
        };
        Ok(Self {
            id: members.require("client_id")?,
            secret: members.take("client_secret")?,
            proof: Proof::parse(&proof).ok_or(JsonError::Member("proof"))?,
            server: members.take("server")?.unwrap_or_default(),
            redirect_uri: members.take("redirect_uri")?,
            endpoints: (endpoints != Endpoints::default()).then_some(endpoints),
            registered_at: optional_time(&mut members, "registered_at")?,
            expires_at: optional_time(&mut members, "expires_at")?,
            registration: url.zip(token),
            unknown: members.into_unknown(),
        })
    }

    /// Writes the client as JSON.
    pub fn to_json(&self) -> Secret {
        let mut buffer = SecretBuffer::with_capacity(1024);
        let mut object = ObjectWriter::begin(&mut buffer);
        object.member("client_id", &self.id);
        if let Some(secret) = &self.secret {
            object.secret("client_secret", secret);
        }
        object.member("proof", &self.proof.as_str());
        object.member("server", &self.server);
        object.optional("redirect_uri", self.redirect_uri.as_ref());
        if let Some(known) = &self.endpoints {
            object.optional("authorization_url", known.authorization.as_ref());
            object.optional("token_url", known.token.as_ref());
            object.optional("revocation_url", known.revocation.as_ref());
            object.optional("device_authorization_url", known.device.as_ref());
            object.optional("registration_endpoint", known.registration.as_ref());
        }
        let since = self.registered_at.map(|time| time.to_string());
        object.optional("registered_at", since.as_ref());
        let end = self.expires_at.map(|end| end.to_string());
        object.optional("expires_at", end.as_ref());
        if let Some((url, token)) = &self.registration {
            object.member("registration_url", url);
            object.secret("registration_token", token);
        }
        self.unknown.write(&mut object);
        object.end();
        Secret::from_utf8(buffer.into_bytes()).expect("the JSON writer writes UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_survives_being_written_and_read_and_so_does_what_is_not_known() {
        let mut client = OAuthClient::new(
            "FAKE-client".to_owned(),
            Some(Secret::from("FAKE-client-secret".to_owned())),
            Proof::Basic,
        );
        client.redirect_uri = Some("http://127.0.0.1:1234/callback".to_owned());
        client.endpoints = Some(Endpoints {
            token: Some("https://x.example.com/token".to_owned()),
            ..Endpoints::default()
        });
        client.registration = Some((
            "https://x.example.com/reg/1".to_owned(),
            Secret::from("FAKE-registration".to_owned()),
        ));
        let text = client.to_json();
        assert_eq!(client.duplicate().to_json().reveal(), text.reveal());
        let with_more = text.reveal().replacen('{', r#"{"later":[1],"#, 1);
        let again = OAuthClient::from_json(&with_more).unwrap();
        assert_eq!(again.endpoints, client.endpoints);
        assert!(again.to_json().reveal().contains(r#""later":[1]"#));
        assert!(OAuthClient::from_json(r#"{"client_id": "x", "proof": "magic"}"#).is_err());
    }
}
