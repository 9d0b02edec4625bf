//! An upstream's answer on its way to a client: its head is edited, and its
//! body is looked through, opened first where text is compressed.

use hyper::body::{Body as HttpBody, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode, Version};

use super::body::Body;
use super::decode::Coding;
use super::edit::response_headers;
use super::measure::Measure;
use super::pool::Lease;
use crate::broker::traffic::{Account, Pass};

/// An upstream's answer on its way back.
pub(super) fn relayed(
    response: Response<Incoming>,
    lease: Option<Lease>,
    pass: Option<&Pass>,
    account: Option<Account>,
    method: &Method,
) -> Response<Body> {
    let (mut parts, incoming) = response.into_parts();
    let redactor = pass.map(|pass| &pass.redactor);
    let redactor = redactor.filter(|redactor| !redactor.is_empty());
    response_headers(&mut parts.headers, redactor);
    let measure = account.map(|account| Measure::new(account, &parts, redactor));
    let has_body = *method != Method::HEAD
        && parts.status != StatusCode::NO_CONTENT
        && parts.status != StatusCode::NOT_MODIFIED
        && !incoming.is_end_stream();
    if parts.status == StatusCode::NO_CONTENT || parts.status == StatusCode::NOT_MODIFIED {
        // That of the content that is not there; hyper takes it for its own.
        parts.headers.remove(CONTENT_LENGTH);
    }
    let is_read = redactor.is_some() || measure.as_ref().is_some_and(Measure::reads);
    let coding = (is_read && has_body && is_text(&parts.headers))
        .then(|| coding_of(&parts.headers))
        .flatten()
        .filter(|coding| !coding.is_identity());
    if coding.is_some() {
        // It goes on opened: another body than the one that these describe.
        parts.headers.remove(CONTENT_ENCODING);
        parts.headers.remove(CONTENT_LENGTH);
        weaken(&mut parts.headers);
    }
    parts.version = Version::HTTP_11;
    // The upstream's own reason phrase is among them, which may say anything.
    parts.extensions.clear();
    let body = Body::relayed(incoming, lease, coding, redactor, measure);
    Response::from_parts(parts, body)
}

/// How a body is coded; a list may stand on several lines (RFC 9110, 5.3).
pub(super) fn coding_of(headers: &HeaderMap) -> Option<Coding> {
    let lines = headers.get_all(CONTENT_ENCODING).iter();
    let lines: Result<Vec<_>, _> = lines.map(HeaderValue::to_str).collect();
    Coding::parse(&lines.ok()?.join(","))
}

/// An entity's tag that holds for the same content in another form.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).and_then(|tag| tag.to_str().ok()) else {
        return;
    };
    if !tag.starts_with("W/")
        && let Ok(weak) = HeaderValue::from_str(&format!("W/{tag}"))
    {
        headers.insert(ETAG, weak);
    }
}

/// Whether a body is text that people or programs read. What is not, such as
/// an archive, keeps its compression.
fn is_text(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let kind = kind.to_str().unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["text/", "message/", "multipart/"]
        .iter()
        .any(|known| kind.starts_with(known))
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || [
            "json",
            "xml",
            "javascript",
            "ndjson",
            "x-ndjson",
            "jsonl",
            "x-jsonl",
            "x-jsonlines",
            "x-www-form-urlencoded",
            "graphql",
            "yaml",
            "x-yaml",
            "toml",
            "sql",
        ]
        .iter()
        .any(|known| kind.strip_prefix("application/") == Some(known))
}
