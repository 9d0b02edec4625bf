//! What the gateway says in its own name: JSON with a stable code, which the
//! header `X-Vault-Error` repeats.

use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, PROXY_AUTHENTICATE};
use hyper::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::Body;
use crate::broker::traffic::Refusal;

const ERROR: HeaderName = HeaderName::from_static("x-vault-error");

/// A refusal as an answer.
pub(super) fn refused(refusal: &Refusal) -> Response<Body> {
    let mut response = Response::new(Body::whole(text(refusal)));
    *response.status_mut() = status(refusal);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ERROR, HeaderValue::from_static(refusal.code));
    match refusal.status {
        407 => {
            let scheme = HeaderValue::from_static("Basic realm=\"vault\"");
            headers.insert(PROXY_AUTHENTICATE, scheme);
        }
        401 => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
    if let Some(seconds) = retry_after(refusal) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The same with a connection that ends.
pub(super) fn refused_for_good(refusal: &Refusal) -> Response<Body> {
    let mut response = refused(refusal);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

/// Something that is well.
pub(super) fn plain(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::whole(value.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A refusal as bytes, in the place of a tunnel.
pub(super) fn raw(refusal: &Refusal) -> Vec<u8> {
    let status = status(refusal);
    let (number, reason) = (
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
    );
    let body = text(refusal);
    let challenge = match number {
        407 => "Proxy-Authenticate: Basic realm=\"vault\"\r\n",
        _ => "",
    };
    let retry = retry_after(refusal).map_or(String::new(), |seconds| {
        format!("Retry-After: {seconds}\r\n")
    });
    format!(
        "HTTP/1.1 {number} {reason}\r\nContent-Type: application/json\r\n\
         X-Vault-Error: {}\r\n{challenge}{retry}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        refusal.code,
        body.len()
    )
    .into_bytes()
}

fn retry_after(refusal: &Refusal) -> Option<u64> {
    refusal
        .retry_after
        .or_else(|| (refusal.status == 503).then_some(1))
}

fn status(refusal: &Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_GATEWAY)
}

fn text(refusal: &Refusal) -> String {
    /// In the order in which people read it.
    #[derive(Serialize)]
    struct Said<'a> {
        error: &'a str,
        code: &'a str,
        hint: Option<&'a str>,
    }
    let said = Said {
        error: &refusal.message,
        code: refusal.code,
        hint: refusal.hint.as_deref(),
    };
    // Text alone cannot fail to be JSON.
    let mut text = serde_json::to_string(&said).unwrap_or_default();
    text.push('\n');
    text
}
