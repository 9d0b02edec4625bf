//! Asking a provider whether a credential is alive: one cheap request, and
//! what its answer says.
//!
//! The credential goes to a host of its own provider or nowhere, over TLS
//! unless the definition says otherwise. A request that would go without the
//! credential is not sent: its answer would be no word about it. Nothing that
//! comes back is shown where it holds the credential.

mod request;
mod words;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use self::request::{address, body, extended, signed};
use self::words::in_words;
use crate::credential::Value;
use crate::credential::assertion::{BadServiceAccount, assertion};
use crate::credential::attach::{Attachment, Encoding, Lookup, attach, encoded};
use crate::error::Error;
use crate::name::FieldName;
use crate::net::{Address, BadAddress, Client, NetError, Request};
use crate::provider::{
    Astray, AuthKind, Body, Definition, Outcome, Template, Verify, is_in_the_clear,
};
use crate::secret::Secret;
use crate::text::printable;

/// How long a provider may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A shorter text stands in every other one.
const SHORTEST_HIDDEN: usize = 4;

/// A request that is ready to be sent.
pub struct Question {
    request: Request,
    verify: Verify,
    hidden: Vec<Secret>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it says about the credential.
    pub outcome: Outcome,
    /// The HTTP status, where there was an answer.
    pub http_status: Option<u16>,
    /// The same for people, without a full stop; fit for a terminal.
    pub message: Option<String>,
    /// What to do about it, where nothing came back.
    pub hint: Option<String>,
}

/// Why a credential cannot be asked about. Nothing of it is repeated.
#[derive(Debug, thiserror::Error)]
pub enum NoQuestion {
    /// The definition knows no request.
    #[error("its definition has no request that would tell")]
    NoWay,
    /// A field that the request needs was not stored.
    #[error("its {0} is not stored")]
    Missing(FieldName),
    /// Nothing of the credential would be in the request.
    #[error("its definition puts no part of it into the request")]
    Unattached,
    /// The address that comes out is none.
    #[error("{0}")]
    Address(BadAddress),
    /// The request would leave the provider.
    #[error("{0} is not a host of its provider")]
    Foreign(String),
    /// The request would be readable on its way.
    #[error("{0} would get it in the clear")]
    InTheClear(String),
    /// The key of a service account cannot be used.
    #[error("{0}")]
    ServiceAccount(BadServiceAccount),
    /// A value has characters that no request can carry.
    #[error("{0}")]
    Unsendable(NetError),
}

/// The request that tells whether a credential is alive. `definition` is the
/// one for the connection's own address.
///
/// # Errors
/// There is none, or it must not be sent.
pub fn question(
    definition: &Definition,
    value: &Value,
    now: Timestamp,
) -> Result<Question, NoQuestion> {
    let base_url = value
        .base_url
        .as_ref()
        .or(definition.base_url.as_ref())
        .map(|url| Secret::from(url.trim_end_matches('/').to_owned()));
    let stored = |name: &FieldName| match name.as_str() {
        "base_url" => base_url.as_ref(),
        _ => value.fields.get(name),
    };
    let verify = definition
        .verify
        .iter()
        .find(|verify| is_for(verify, &stored))
        .ok_or(NoQuestion::NoWay)?;
    let assertion = assertion_for(definition, verify, value, now)?;
    let fields = |name: &FieldName| match name.as_str() {
        "assertion" => assertion.as_ref(),
        _ => stored(name),
    };
    let address = address(&verify.url, &fields)?;
    let attachment = attached(definition, verify, &address, &fields);
    let path = extended(&address.path, &attachment);
    let address = address.with_path(path).map_err(NoQuestion::Address)?;
    check_way(definition, &address)?;
    // An own address may be http on another machine, but not for a key.
    let is_open = value.base_url.as_deref().is_some_and(is_in_the_clear);
    if is_open && has_secret(definition, value) {
        return Err(NoQuestion::InTheClear(address.host_header()));
    }
    let (body, content_type) = body(verify.body.as_ref(), &fields)?;
    let is_signed = definition.supports(&AuthKind::AwsSigV4);
    if !is_signed && has_secret(definition, value) && !carries(definition, verify, &attachment) {
        return Err(NoQuestion::Unattached);
    }
    let hidden = hidden(definition, value, &attachment, assertion.as_ref());
    let mut headers = plain_headers(definition, verify, content_type);
    headers.extend(attachment.headers);
    if is_signed {
        let field = |name: &str| {
            let found = value.fields.iter().find(|(own, _)| own.as_str() == name);
            found.map(|(_, secret)| secret.duplicate())
        };
        let signature = signed(verify, &address, content_type, body.as_ref(), &field, now)?;
        headers.extend(signature);
    }
    let request = Request {
        method: verify.method.clone(),
        address,
        headers,
        body,
        timeout: TIMEOUT,
    };
    request.check().map_err(NoQuestion::Unsendable)?;
    Ok(Question {
        request,
        verify: verify.clone(),
        hidden,
    })
}

impl Question {
    /// Sends it and reads the answer.
    pub async fn ask(self, client: &Client) -> Verdict {
        let answer = match client.send(self.request).await {
            Ok(answer) => answer,
            Err(error) => {
                let error = Error::from(error);
                return Verdict {
                    outcome: Outcome::Unreachable,
                    http_status: None,
                    message: Some(printable(&error.to_string()).into_owned()),
                    hint: error.hint().map(str::to_owned),
                };
            }
        };
        let reading = self.verify.read(answer.status, &answer.body);
        Verdict {
            outcome: reading.outcome,
            http_status: Some(answer.status),
            message: in_words(reading, answer.status, &self.hidden),
            hint: None,
        }
    }
}

/// Whether a request is for a connection with these fields.
fn is_for<'a>(verify: &Verify, stored: &dyn Fn(&FieldName) -> Option<&'a Secret>) -> bool {
    verify.when.as_ref().is_none_or(|when| {
        stored(&when.field).is_some_and(|value| when.pattern.fits(value.reveal()))
    })
}

/// The credential in the places of the request, or in the usual ones.
fn attached(
    definition: &Definition,
    verify: &Verify,
    address: &Address,
    fields: Lookup<'_>,
) -> Attachment {
    match &verify.placements {
        Some(own) => {
            let own = own.iter().filter(|place| place.is_for(&address.host));
            attach(own, fields)
        }
        None => attach(definition.placements_for(&address.host), fields),
    }
}

/// The signed assertion, where the request needs one.
fn assertion_for(
    definition: &Definition,
    verify: &Verify,
    value: &Value,
    now: Timestamp,
) -> Result<Option<Secret>, NoQuestion> {
    let of_body = verify.body.iter().flat_map(Body::templates);
    let is_needed = of_body
        .flat_map(Template::fields)
        .any(|name| name.as_str() == "assertion");
    let account = definition
        .fields
        .iter()
        .find(|field| field.is_secret)
        .and_then(|field| value.fields.get(&field.name));
    let (true, Some(account), Some(oauth)) = (is_needed, account, &definition.oauth) else {
        return Ok(None);
    };
    let audience = oauth.token_url.as_deref().unwrap_or_default();
    assertion(account, audience, &oauth.scopes, now)
        .map(Some)
        .map_err(NoQuestion::ServiceAccount)
}

fn check_way(definition: &Definition, address: &Address) -> Result<(), NoQuestion> {
    let path = address.path.reveal();
    definition
        .check_way(address.is_tls, &address.host, address.port, path)
        .map_err(|astray| match astray {
            Astray::Foreign => NoQuestion::Foreign(address.host_header()),
            Astray::InTheClear => NoQuestion::InTheClear(address.host_header()),
        })
}

fn has_secret(definition: &Definition, value: &Value) -> bool {
    value.fields.keys().any(|name| definition.is_secret(name))
}

/// Whether anything secret is in the request.
fn carries(definition: &Definition, verify: &Verify, attachment: &Attachment) -> bool {
    let of_body = verify.body.iter().flat_map(Body::templates);
    verify
        .url
        .fields()
        .chain(of_body.flat_map(Template::fields))
        .chain(&attachment.used)
        .any(|name| definition.is_secret(name))
}

/// Everything that must not be shown, in every form in which it is sent: an
/// answer may repeat it.
fn hidden(
    definition: &Definition,
    value: &Value,
    attachment: &Attachment,
    assertion: Option<&Secret>,
) -> Vec<Secret> {
    let mut hidden: Vec<Secret> = Vec::new();
    let secrets = value
        .fields
        .iter()
        .filter(|(name, _)| definition.is_secret(name))
        .map(|(_, secret)| secret);
    for secret in secrets.chain(assertion) {
        let text = secret.reveal();
        hidden.push(secret.duplicate());
        hidden.push(Secret::from(encoded(text, Encoding::Query)));
        hidden.push(Secret::from(encoded(text, Encoding::Segment)));
        hidden.push(Secret::from(STANDARD.encode(text)));
    }
    for (_, value) in attachment.headers.iter().chain(&attachment.query) {
        // Without the word before it, such as `Basic`.
        let text = value.reveal();
        let last = text.rsplit(' ').next().unwrap_or(text);
        hidden.push(Secret::from(last.to_owned()));
    }
    hidden.retain(|secret| secret.len() >= SHORTEST_HIDDEN);
    hidden
}

fn plain_headers(
    definition: &Definition,
    verify: &Verify,
    content_type: Option<&str>,
) -> Vec<(String, Secret)> {
    let header =
        |name: &str, text: &str| (name.to_ascii_lowercase(), Secret::from(text.to_owned()));
    let mut headers = vec![header("accept", "application/json")];
    headers.extend(content_type.map(|kind| header("content-type", kind)));
    let written = definition.extra_headers.iter().chain(&verify.headers);
    headers.extend(written.map(|(name, text)| header(name, text)));
    headers
}

#[cfg(test)]
mod tests;
