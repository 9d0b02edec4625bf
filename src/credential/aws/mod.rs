//! Requests to AWS, signed: Signature Version 4. The secret key itself never
//! travels. Pure; the time is an argument.
//!
//! A client of the gateway has signed already, with a placeholder: what that
//! signature says about the request is read (`client`), the signature is taken
//! off (`STRIPPED`), and the request is signed anew as it will be sent.

mod canonical;
mod client;
mod scope;

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;
pub use client::{CannotSign, ClientSignature, STRIPPED, needs_body};
pub use scope::Scope;

/// What signs.
pub struct AwsKey<'a> {
    /// The access key's id.
    pub id: &'a Secret,
    /// Its secret.
    pub secret: &'a Secret,
    /// The token of a session, where the key is of one.
    pub session: Option<&'a Secret>,
}

/// A request as it will be sent, but for the signature.
pub struct AwsRequest<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// As the `Host` header says it.
    pub host: &'a str,
    /// As the request line says it, without the query.
    pub path: &'a str,
    /// As the request line says it, without the `?`; may be empty.
    pub query: &'a str,
    /// Names in lower case. Of all of them those are signed that have to be;
    /// others may still change on the way.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body.
    pub payload: Payload<'a>,
}

/// What the signature says about the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Its SHA-256.
    Hash([u8; 32]),
    /// Nothing. S3 takes that over TLS.
    Unsigned,
    /// What the client's `x-amz-content-sha256` says.
    As(&'a str),
}

impl Payload<'_> {
    /// The digest of a body that is at hand.
    pub fn of(body: &[u8]) -> Self {
        Self::Hash(Sha256::digest(body).into())
    }
}

/// The headers that make a request a signed one. They replace those of the
/// same names.
pub fn sign(
    request: &AwsRequest<'_>,
    scope: &Scope,
    key: &AwsKey<'_>,
    now: Timestamp,
) -> Vec<(String, Secret)> {
    let others = |(name, _): &&(&str, &[u8])| is_signed(name);
    let others: Vec<_> = request.headers.iter().filter(others).copied().collect();
    sign_with(&others, request, scope, key, now)
}

/// S3 wants all of its own to be signed, others are glad of the body's kind.
fn is_signed(name: &str) -> bool {
    let is_own = name.starts_with("x-amz-") && !STRIPPED.contains(&name);
    is_own || matches!(name, "content-type" | "content-md5")
}

fn sign_with(
    others: &[(&str, &[u8])],
    request: &AwsRequest<'_>,
    scope: &Scope,
    key: &AwsKey<'_>,
    now: Timestamp,
) -> Vec<(String, Secret)> {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let payload = match request.payload {
        Payload::Hash(digest) => hex(&digest),
        Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
        Payload::As(given) => given.to_owned(),
    };
    let mut made = vec![("x-amz-date", Secret::from(time.clone()))];
    if scope.is_s3() || !matches!(request.payload, Payload::Hash(_)) {
        made.push(("x-amz-content-sha256", Secret::from(payload.clone())));
    }
    made.extend(
        key.session
            .map(|token| ("x-amz-security-token", token.duplicate())),
    );
    let mut signed = vec![("host", request.host.as_bytes())];
    signed.extend(others);
    signed.extend(
        made.iter()
            .map(|(name, value)| (*name, value.reveal().as_bytes())),
    );
    // Stable: the values of one name stay in the order in which they are sent.
    signed.sort_by_key(|(name, _)| *name);

    let mut canonical = Hasher::new();
    canonical.line(request.method);
    canonical.line(&canonical::path(request.path, scope.is_s3()));
    canonical.line(&canonical::query(request.query));
    let mut names = String::new();
    for same in signed.chunk_by(|(one, _), (other, _)| one == other) {
        let name = same[0].0;
        names.push_str(if names.is_empty() { "" } else { ";" });
        names.push_str(name);
        canonical.text(name);
        for (position, (_, value)) in same.iter().enumerate() {
            canonical.text(if position == 0 { ":" } else { "," });
            for (position, word) in canonical::words(value).enumerate() {
                canonical.text(if position == 0 { "" } else { " " });
                canonical.0.update(word);
            }
        }
        canonical.line("");
    }
    canonical.line("");
    canonical.line(&names);
    canonical.text(&payload);

    let day = &time[..8];
    let Scope { region, service } = scope;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let canonical = hex(&canonical.0.finalize());
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}");
    let first = Zeroizing::new(format!("AWS4{}", key.secret.reveal()).into_bytes());
    let signing = [day, region, service, "aws4_request"]
        .iter()
        .fold(first, |key, text| Zeroizing::new(keyed(&key, text)));
    let signature = hex(&keyed(&signing, &to_sign));
    let id = key.id.reveal();
    made.push((
        "authorization",
        Secret::from(format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        )),
    ));
    made.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A digest of lines, so that no text of them all lies about.
struct Hasher(Sha256);

impl Hasher {
    fn new() -> Self {
        Self(Sha256::new())
    }

    fn line(&mut self, text: &str) {
        self.text(text);
        self.text("\n");
    }

    fn text(&mut self, text: &str) {
        self.0.update(text.as_bytes());
    }
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut digest = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    digest.update(text.as_bytes());
    digest.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
