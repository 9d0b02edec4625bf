//! What a client's own signature says. It was made with a placeholder and is
//! worth nothing, but the client's SDK knew which service it called, and what
//! it said about the body still holds.

use std::borrow::Cow;

use super::canonical::decoded;
use super::scope::{credential, of_credential};
use super::{Payload, Scope};

/// The headers of an old signature, which are taken off before a request is
/// signed; those that are needed come back with the new one.
pub const STRIPPED: [&str; 5] = [
    "authorization",
    "date",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

/// What a request says about itself.
pub struct ClientSignature<'a> {
    /// The key that it was made with. Is it not a placeholder, then the client
    /// has keys of its own, or was given an address that somebody else signed;
    /// neither is ours to sign anew.
    pub key_id: Option<Cow<'a, str>>,
    /// What it was made for.
    pub scope: Option<Scope>,
    /// What it says about the body.
    pub payload: Option<Payload<'a>>,
    /// The query without a signature.
    pub query: Cow<'a, str>,
}

/// Why a request cannot be signed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotSign {
    /// Each piece of the body is signed, with the placeholder.
    #[error("the body is signed piece by piece, which cannot be done again on the way")]
    SignedChunks,
    /// The same with the messages of an event stream.
    #[error("each message of the event stream is signed, which cannot be done again on the way")]
    SignedEvents,
    /// Signature Version 4A: another kind of key, many regions at once.
    #[error("requests that are signed for many regions at once (SigV4A) cannot be signed here")]
    ManyRegions,
    /// `x-amz-content-sha256` says something else.
    #[error("'x-amz-content-sha256' is neither a digest nor a word that is known")]
    UnknownPayload,
}

impl CannotSign {
    /// What a person can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::SignedChunks => {
                "use an https endpoint, where SDKs do not sign pieces by themselves; else switch \
                 it off (Java: chunkedEncodingEnabled(false), .NET: UseChunkEncoding = false) \
                 and run with AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
            }
            Self::SignedEvents => "run this program with 'vault run --mode env'",
            Self::ManyRegions => {
                "use the endpoint of one region instead of a multi-region access point, or run \
                 with AWS_AUTH_SCHEME_PREFERENCE=sigv4"
            }
            Self::UnknownPayload => "send the body's SHA-256 in hexadecimal, or UNSIGNED-PAYLOAD",
        }
    }
}

impl<'a> ClientSignature<'a> {
    /// Reads it, from the header or from the query, where a signed address has
    /// it. A request without one is fine.
    ///
    /// # Errors
    /// The request cannot be signed anew.
    pub fn read(headers: &[(&str, &'a [u8])], query: &'a str) -> Result<Self, CannotSign> {
        let header = |name| {
            let (_, value) = headers.iter().find(|(other, _)| *other == name)?;
            std::str::from_utf8(value).ok()
        };
        let mut read = Self {
            key_id: None,
            scope: None,
            payload: None,
            query: Cow::Borrowed(query),
        };
        let authorization: &'a str = header("authorization").unwrap_or_default();
        if authorization.trim_start().starts_with(MANY_REGIONS) {
            return Err(CannotSign::ManyRegions);
        }
        if let Some((id, scope)) = credential(authorization).and_then(of_credential) {
            (read.key_id, read.scope) = (Some(Cow::Borrowed(id)), Some(scope));
        }
        read.unsign_query(query)?;
        if headers.iter().any(|(name, _)| *name == PAYLOAD) {
            let given = header(PAYLOAD).ok_or(CannotSign::UnknownPayload)?;
            read.payload = Some(payload(given)?);
        }
        Ok(read)
    }

    fn unsign_query(&mut self, query: &str) -> Result<(), CannotSign> {
        let text = |part| {
            let bytes = decoded(part).map(|(byte, _)| byte).collect();
            String::from_utf8(bytes).unwrap_or_default()
        };
        let mut has_signature = false;
        let mut rest = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = text(name).to_ascii_lowercase();
            if !IN_QUERY.contains(&name.as_str()) {
                rest.push(pair);
                continue;
            }
            has_signature = true;
            match name.as_str() {
                "x-amz-algorithm" if text(value).starts_with(MANY_REGIONS) => {
                    return Err(CannotSign::ManyRegions);
                }
                "x-amz-credential" if self.key_id.is_none() => {
                    if let Some((id, scope)) = of_credential(&text(value)) {
                        (self.key_id, self.scope) = (Some(Cow::Owned(id.to_owned())), Some(scope));
                    }
                }
                _ => {}
            }
        }
        if has_signature {
            self.query = Cow::Owned(rest.join("&"));
        }
        Ok(())
    }
}

/// Whether the body has to be digested before a request can be signed, and
/// therefore be read whole: S3 takes bodies without, and where the client says
/// what the digest is, it is believed.
pub fn needs_body(signature: &ClientSignature<'_>, scope: &Scope) -> bool {
    signature.payload.is_none() && !scope.is_s3()
}

const MANY_REGIONS: &str = "AWS4-ECDSA-P256-SHA256";
const PAYLOAD: &str = "x-amz-content-sha256";

/// The parameters of a signed address that make it one.
const IN_QUERY: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

fn payload(given: &str) -> Result<Payload<'_>, CannotSign> {
    let is_digest = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match given {
        "UNSIGNED-PAYLOAD" | "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Payload::As(given)),
        _ if given.len() == 64 && given.bytes().all(is_digest) => Ok(Payload::As(given)),
        _ if given.starts_with("STREAMING-AWS4-ECDSA-P256-SHA256-") => Err(CannotSign::ManyRegions),
        "STREAMING-AWS4-HMAC-SHA256-EVENTS" => Err(CannotSign::SignedEvents),
        _ if given.starts_with("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") => {
            Err(CannotSign::SignedChunks)
        }
        _ => Err(CannotSign::UnknownPayload),
    }
}
