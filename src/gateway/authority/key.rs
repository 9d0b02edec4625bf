//! Keys on P-256: the authority's own, and the public half of the one that
//! all its leaves share.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use zeroize::Zeroizing;

use super::AuthorityError;
use crate::secret::Secret;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// Of base64 in PEM (RFC 7468).
const LINE: usize = 64;

/// The key that an authority signs with. `rcgen`'s own keeps its text in
/// memory that nobody wipes.
pub(super) struct SignerKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl SignerKey {
    pub(super) fn generate() -> Result<Self, AuthorityError> {
        Self::from_pkcs8(new_pkcs8()?)
    }

    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, AuthorityError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &random)
            .map_err(|_| AuthorityError::Stored("its key is none of this kind"))?;
        Ok(Self {
            pair,
            random,
            pkcs8,
        })
    }

    /// Reads a key from its PEM. Errors repeat nothing of it.
    pub(super) fn from_pem(pem: &Secret) -> Result<Self, AuthorityError> {
        let bad = AuthorityError::Stored("its key is not PEM");
        let body = pem
            .reveal()
            .split_once(BEGIN)
            .and_then(|(_, rest)| rest.split_once(END))
            .map(|(body, _)| body)
            .ok_or(bad)?;
        let body: Zeroizing<Vec<u8>> = Zeroizing::new(
            body.bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect(),
        );
        let der = STANDARD.decode(&*body).map_err(|_| bad)?;
        Self::from_pkcs8(Zeroizing::new(der))
    }

    /// The key as PEM, for the vault.
    pub(super) fn to_pem(&self) -> Secret {
        let body = Zeroizing::new(STANDARD.encode(&*self.pkcs8));
        // Room for all of it at once: a text that grows leaves copies behind.
        let mut pem = String::with_capacity(body.len() + body.len() / LINE + 64);
        pem.push_str(BEGIN);
        for (at, letter) in body.chars().enumerate() {
            if at % LINE == 0 {
                pem.push('\n');
            }
            pem.push(letter);
        }
        pem.push('\n');
        pem.push_str(END);
        pem.push('\n');
        Secret::from(pem)
    }
}

impl PublicKeyData for SignerKey {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for SignerKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.pair
            .sign(&self.random, message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| rcgen::Error::RingUnspecified)
    }
}

/// A public key.
pub(super) struct PublicKey(Vec<u8>);

impl PublicKey {
    /// That of a private key in PKCS #8.
    pub(super) fn of(pkcs8: &[u8]) -> Result<Self, AuthorityError> {
        let random = SystemRandom::new();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &random)
            .map(|pair| Self(pair.public_key().as_ref().to_vec()))
            .map_err(|_| AuthorityError::Signing)
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// A new private key in PKCS #8.
pub(super) fn new_pkcs8() -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
        .map(|document| Zeroizing::new(document.as_ref().to_vec()))
        .map_err(|_| AuthorityError::Signing)
}
