//! Requests that are signed in the place of a header: AWS. The client signed
//! with a placeholder; what its signature says is kept, and the request is
//! signed anew as it goes out.

use http_body_util::{BodyExt, Limited};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use jiff::Timestamp;

use super::body::Outgoing;
use super::target::Authority;
use crate::broker::traffic::{Refusal, Signing};
use crate::credential::aws::{
    AwsKey, AwsRequest, CannotSign, ClientSignature, Payload, STRIPPED, Scope, needs_body, sign,
};

/// A body whose digest has to be in the signature is read whole; one that is
/// longer is not taken.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// What a client's signature says, read before it is taken off.
pub(super) struct Claim {
    scope: Option<Scope>,
    payload: Option<Said>,
    is_body_needed: Option<bool>,
    query: String,
}

/// What it says about the body, with nothing of the request borrowed.
enum Said {
    Hash([u8; 32]),
    Unsigned,
    As(String),
}

/// Whose signature a request has.
pub(super) enum Signed {
    /// Ours to replace.
    Anew(Claim),
    /// Somebody else's, who has keys of their own or gave out an address.
    ByOthers,
}

/// Reads a client's signature.
///
/// # Errors
/// It is of a kind that cannot be made again.
pub(super) fn read(
    parts: &Parts,
    signing: &Signing,
    authority: &Authority,
) -> Result<Signed, Refusal> {
    let headers = plain(parts);
    let query = parts.uri.query().unwrap_or_default();
    let is_address = query
        .split('&')
        .any(|pair| pair.to_ascii_lowercase().starts_with("x-amz-signature="));
    let claim = ClientSignature::read(&headers, query).map_err(refused)?;
    let is_ours = claim
        .key_id
        .as_ref()
        .is_none_or(|id| *id == signing.id.reveal());
    let has_session = parts.headers.contains_key("x-amz-security-token");
    if !is_ours && (is_address || has_session) {
        return Ok(Signed::ByOthers);
    }
    let host = authority.host.to_string();
    let scope = claim.scope.clone();
    let scope = scope.or_else(|| Scope::of_host(&host, signing.region.as_deref()));
    Ok(Signed::Anew(Claim {
        is_body_needed: scope.as_ref().map(|scope| needs_body(&claim, scope)),
        scope,
        payload: claim.payload.map(|payload| match payload {
            Payload::Hash(digest) => Said::Hash(digest),
            Payload::Unsigned => Said::Unsigned,
            Payload::As(text) => Said::As(text.to_owned()),
        }),
        query: claim.query.into_owned(),
    }))
}

/// Takes the old signature off and puts a new one on.
///
/// # Errors
/// It cannot be told what for, or the body is too long.
pub(super) async fn renew(
    parts: &mut Parts,
    body: &mut Outgoing,
    claim: &Claim,
    signing: &Signing,
    authority: &Authority,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(scope) = &claim.scope else {
        return Err(Refusal::new(
            400,
            "cannot_sign",
            format!("{} is of no service that is known", authority.host),
        )
        .with_hint("Sign the request, with any key: its signature names the service and region"));
    };
    for name in STRIPPED {
        parts.headers.remove(name);
    }
    let path = parts.uri.path().to_owned();
    let target = match claim.query.as_str() {
        "" => path.clone(),
        query => format!("{path}?{query}"),
    };
    parts.uri = target
        .parse()
        .map_err(|_| Refusal::new(400, "bad_path", "The path cannot be read"))?;
    let payload = match &claim.payload {
        Some(Said::Hash(digest)) => Payload::Hash(*digest),
        Some(Said::As(text)) => Payload::As(text),
        None if claim.is_body_needed == Some(true) => Payload::of(&whole(body).await?),
        Some(Said::Unsigned) | None => Payload::Unsigned,
    };
    let host = authority.header(443);
    let headers = plain(parts);
    let request = AwsRequest {
        method: parts.method.as_str(),
        host: &host,
        path: &path,
        query: &claim.query,
        headers: &headers,
        payload,
    };
    let key = AwsKey {
        id: &signing.id,
        secret: &signing.secret,
        session: signing.session.as_ref(),
    };
    let signature = sign(&request, scope, &key, now);
    for (name, value) in signature {
        let (Ok(name), Ok(mut value)) = (
            name.parse::<HeaderName>(),
            HeaderValue::from_str(value.reveal()),
        ) else {
            continue;
        };
        value.set_sensitive(true);
        if name != HOST {
            parts.headers.insert(name, value);
        }
    }
    Ok(())
}

fn plain(parts: &Parts) -> Vec<(&str, &[u8])> {
    let headers = parts.headers.iter();
    headers
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

/// The whole body, which then goes out of memory.
async fn whole(body: &mut Outgoing) -> Result<Bytes, Refusal> {
    let taken = std::mem::replace(body, Outgoing::Whole(None));
    let read = Limited::new(taken, LARGEST_BODY).collect().await;
    let bytes = read
        .map_err(|_| {
            Refusal::new(
                413,
                "body_too_long",
                format!("A body that is signed may have at most {LARGEST_BODY} bytes"),
            )
        })?
        .to_bytes();
    *body = Outgoing::Whole(Some(bytes.clone()));
    Ok(bytes)
}

fn refused(cannot: CannotSign) -> Refusal {
    Refusal::new(400, "cannot_sign", cannot.to_string()).with_hint(cannot.hint())
}
