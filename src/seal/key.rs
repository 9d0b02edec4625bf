//! The vault's own key: a random X25519 identity that the slots hold and the
//! payload is sealed to.

use std::fmt;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::header::MAX_WORK_FACTOR;
use super::{OpenError, SealError, begin, open, seal};
use crate::secret::Secret;

/// The key that opens a vault's payload, and seals the next one.
#[derive(Clone)]
pub struct VaultKey(age::x25519::Identity);

impl VaultKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// Reads what [`VaultKey::slot_text`] wrote.
    pub fn from_slot_text(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        text.trim_end().parse().ok().map(Self)
    }

    /// The key as an identity file that the stock `age` tool takes.
    pub fn slot_text(&self) -> Zeroizing<String> {
        // Room for all of it at once: a text that grows leaves copies.
        let mut text = Zeroizing::new(String::with_capacity(128));
        text.push_str(self.0.to_string().expose_secret());
        text.push('\n');
        text
    }

    /// What tells this key from another without giving anything away.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut digest = Sha256::new();
        digest.update(b"vault-fingerprint/1\n");
        digest.update(self.0.to_public().to_string());
        let digest = digest.finalize();
        Fingerprint(
            digest[..16]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// Seals the document.
    ///
    /// # Errors
    /// Sealing failed.
    pub fn seal(&self, plain: &[u8]) -> Result<String, SealError> {
        seal(&[Box::new(self.0.to_public())], plain)
    }

    /// Opens the document.
    ///
    /// # Errors
    /// It was not sealed to this key, or is damaged.
    pub fn open(&self, armored: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open(armored, MAX_WORK_FACTOR, std::iter::once(&self.0 as _))
    }

    /// Whether something was sealed to this key, by its header alone: what
    /// is damaged otherwise counts as fitting, for whoever opens it to say so.
    pub fn fits(&self, armored: &[u8]) -> bool {
        let identities = std::iter::once(&self.0 as _);
        !matches!(
            begin(armored, MAX_WORK_FACTOR, identities),
            Err(OpenError::NoMatch)
        )
    }
}

/// A public name for a vault's key, for pins and `VAULT_FINGERPRINT`. The
/// recipient cannot be derived from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no fingerprint.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("A vault fingerprint is 32 hexadecimal digits")]
pub struct BadFingerprint;

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let text = text.trim().to_ascii_lowercase();
        if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text))
        } else {
            Err(BadFingerprint)
        }
    }
}

/// A new age identity for a person or a machine, as `age-keygen` writes one.
pub(super) fn new_identity_file(created: &str) -> (Secret, String) {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let about = format!("# created: {created}\n# public key: {recipient}\n");
    let mut text = String::with_capacity(about.len() + 128);
    text.push_str(&about);
    text.push_str(identity.to_string().expose_secret());
    text.push('\n');
    (Secret::from(text), recipient)
}
