//! The signed assertion of a Google service account (RFC 7523): what its key
//! asks for tokens with. Pure but for the random padding that RS256 does not
//! need; the time is an argument.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// How long an assertion lives: the longest that Google takes.
const SECONDS: i64 = 3600;

/// A text that is no key of a service account. Nothing of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of the service account {0}")]
pub struct BadServiceAccount(&'static str);

#[derive(Deserialize)]
struct Account {
    client_email: String,
    private_key: Secret,
    #[serde(default)]
    private_key_id: Option<String>,
}

/// An assertion for the token endpoint `audience`, which asks for tokens that
/// may do what `scopes` say.
///
/// # Errors
/// The text is not the JSON that Google gives out.
pub fn assertion(
    account: &Secret,
    audience: &str,
    scopes: &[String],
    now: Timestamp,
) -> Result<Secret, BadServiceAccount> {
    let account: Account = serde_json::from_str(account.reveal())
        .map_err(|_| BadServiceAccount("is no JSON with client_email and private_key"))?;
    let pair = key_pair(&account.private_key)?;
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": account.private_key_id});
    let claims = json!({
        "iss": account.client_email,
        "scope": scopes.join(" "),
        "aud": audience,
        "iat": now.as_second(),
        "exp": now.as_second() + SECONDS,
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut token = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        token.as_bytes(),
        &mut signature,
    )
    .map_err(|_| BadServiceAccount("cannot sign"))?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Secret::from(token))
}

/// The key in a PEM text of PKCS #8.
fn key_pair(pem: &Secret) -> Result<RsaKeyPair, BadServiceAccount> {
    let body = pem
        .reveal()
        .split_once("-----BEGIN PRIVATE KEY-----")
        .and_then(|(_, rest)| rest.split_once("-----END PRIVATE KEY-----"))
        .map(|(body, _)| body)
        .ok_or(BadServiceAccount("has no private key in PEM"))?;
    let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    let der = STANDARD
        .decode(body.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| BadServiceAccount("has a private key that is cut or changed"))?;
    RsaKeyPair::from_pkcs8(&der)
        .map_err(|_| BadServiceAccount("has a private key that is no RSA key"))
}
