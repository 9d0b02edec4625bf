//! The request that tells whether a credential is alive, and how its answers
//! read. Only the description lies here; nothing is sent.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::lenient::{or_default, parsed};
use super::placement::Template;

/// One cheap request with the credential in its usual places.
#[derive(Debug, Clone, Deserialize)]
pub struct Verify {
    /// The method, `GET` unless said.
    #[serde(default = "get")]
    pub method: String,
    /// The address; `{base_url}` and fields may stand in it.
    #[serde(deserialize_with = "parsed")]
    pub url: Template,
    /// Headers beside the credential's.
    #[serde(default, deserialize_with = "or_default")]
    pub headers: BTreeMap<String, String>,
    /// The body to send.
    #[serde(default)]
    pub body: Option<String>,
    /// What differs from the common reading, which is: 2xx ok, 401 rejected,
    /// 403 forbidden, 429 rate limited, all else unreachable. The first that
    /// fits counts.
    #[serde(default, deserialize_with = "or_default")]
    pub answers: Vec<Answer>,
    /// What to know about it, for people.
    #[serde(default)]
    pub note: Option<String>,
}

/// One kind of answer and what it means.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// A place in the JSON body (RFC 6901), where the status does not tell.
    #[serde(default)]
    pub pointer: Option<String>,
    /// The value that stands there.
    #[serde(default)]
    pub equals: Option<Value>,
    /// Text that occurs there, or in the body where there is no pointer.
    #[serde(default)]
    pub contains: Option<String>,
    /// What it means.
    pub result: Outcome,
}

/// What an answer says about a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Alive.
    Ok,
    /// Alive, without the scope for this request.
    Forbidden,
    /// Alive, over a limit.
    RateLimited,
    /// Wrong or revoked.
    Rejected,
    /// Nothing can be said.
    Unreachable,
}

fn get() -> String {
    "GET".to_owned()
}
