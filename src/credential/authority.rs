//! What the vault keeps of the gateway's certificate authority.

use crate::json::{JsonError, Members, ObjectWriter, Unknown};
use crate::secret::{Secret, SecretBuffer};

/// The authority's key and the certificate that clients trust.
pub struct StoredAuthority {
    /// The key: PKCS #8 in PEM.
    pub key: Secret,
    /// The certificate in PEM; nothing in it is secret.
    pub certificate: String,
}

impl StoredAuthority {
    /// Reads an authority from its JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        let mut members = Members::parse(text)?;
        Self::take(&mut members)
    }

    fn take(members: &mut Members<'_>) -> Result<Self, JsonError> {
        Ok(Self {
            key: members.require("key")?,
            certificate: members.require("certificate")?,
        })
    }

    /// Writes the authority as JSON. What stood `before` and is not known to
    /// this version stays.
    pub fn to_json(&self, before: Option<&str>) -> Secret {
        let unknown = before.and_then(|text| {
            let mut members = Members::parse(text).ok()?;
            Self::take(&mut members).ok()?;
            Some(members.into_unknown())
        });
        let mut buffer = SecretBuffer::with_capacity(8192);
        let mut object = ObjectWriter::begin(&mut buffer);
        object.secret("key", &self.key);
        object.member("certificate", &self.certificate);
        Unknown::write(&unknown.unwrap_or_default(), &mut object);
        object.end();
        Secret::from_utf8(buffer.into_bytes()).expect("the JSON writer writes UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_survives_being_written_and_read_and_so_does_what_is_not_known() {
        let before = r#"{"key":"FAKE-old","certificate":"old","later":[1]}"#;
        let authority = StoredAuthority {
            key: Secret::from("FAKE\nkey".to_owned()),
            certificate: "FAKE\ncertificate\n".to_owned(),
        };
        let text = authority.to_json(Some(before));
        assert!(text.reveal().contains(r#""later":[1]"#));
        let read = StoredAuthority::from_json(text.reveal()).unwrap();
        assert!(read.key.matches(&authority.key));
        assert_eq!(read.certificate, authority.certificate);
        assert!(StoredAuthority::from_json(r#"{"certificate":"x"}"#).is_err());
        assert!(!authority.to_json(None).reveal().contains("later"));
    }
}
