//! What the vault keeps of the gateway's certificate authority.

use crate::secret::Secret;

/// The authority's key and the certificate that clients trust.
pub struct StoredAuthority {
    /// The key: PKCS #8 in PEM.
    pub key: Secret,
    /// The certificate in PEM; nothing in it is secret.
    pub certificate: String,
}
