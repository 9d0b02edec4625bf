//! Asking a provider whether a credential is alive: one cheap request, and
//! what its answer says.
//!
//! The credential goes to a host of its own provider or nowhere, over TLS
//! unless the definition says otherwise; nothing that comes back is shown
//! where it holds the credential.

use std::time::Duration;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::credential::Value;
use crate::credential::assertion::{BadServiceAccount, assertion};
use crate::credential::attach::{Attachment, Encoding, Lookup, attach, encoded, filled};
use crate::credential::aws::{AwsKey, AwsRequest, sign};
use crate::name::FieldName;
use crate::net::{Address, BadAddress, Client, Request};
use crate::provider::{
    AuthKind, Body, Definition, Injection, JsonTemplate, Outcome, Part, Reading, Template, Told,
    Verify,
};
use crate::secret::Secret;
use crate::text::printable;

/// How long a provider may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many items of a list are named.
const NAMED: usize = 6;
/// How much of a provider's own text is shown.
const LONGEST_TOLD: usize = 200;

/// A request that is ready to be sent.
pub struct Question {
    request: Request,
    verify: Verify,
    secrets: Vec<Secret>,
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
}

/// Why a credential cannot be asked about. Nothing of it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoQuestion {
    /// The definition knows no request.
    #[error("its definition has no request that would tell")]
    NoWay,
    /// A field that the request needs was not stored.
    #[error("its {0} is not stored")]
    Missing(FieldName),
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
    let fields: Lookup<'_> = &fields;
    let mut address = address(&verify.url, fields)?;
    check_host(definition, &address)?;
    let placements = match &verify.placements {
        Some(own) => own.iter().collect::<Vec<_>>(),
        None => definition.placements_for(&address.host).collect(),
    };
    let attachment = attach(placements.into_iter(), fields);
    let (body, content_type) = body(verify.body.as_ref(), fields)?;
    let mut headers = vec![plain_header("accept", "application/json")];
    headers.extend(content_type.map(|kind| plain_header("content-type", kind)));
    for (name, text) in definition.extra_headers.iter().chain(&verify.headers) {
        headers.push(plain_header(&name.to_ascii_lowercase(), text));
    }
    address.path = extended(&address.path, &attachment);
    headers.extend(attachment.headers);
    if definition.supports(&AuthKind::AwsSigV4) {
        headers.extend(signed(verify, &address, body.as_ref(), value, now)?);
    }
    let secrets = definition
        .fields
        .iter()
        .filter(|field| field.is_secret)
        .filter_map(|field| value.fields.get(&field.name))
        .map(Secret::duplicate);
    Ok(Question {
        request: Request {
            method: verify.method.clone(),
            address,
            headers,
            body,
            timeout: TIMEOUT,
        },
        verify: verify.clone(),
        secrets: secrets.collect(),
    })
}

impl Question {
    /// Sends it and reads the answer.
    pub async fn ask(self, client: &Client) -> Verdict {
        let answer = match client.send(self.request).await {
            Ok(answer) => answer,
            Err(error) => {
                return Verdict {
                    outcome: Outcome::Unreachable,
                    http_status: None,
                    message: Some(printable(&error.to_string()).into_owned()),
                };
            }
        };
        let reading = self.verify.read(answer.status, &answer.body);
        Verdict {
            outcome: reading.outcome,
            http_status: Some(answer.status),
            message: in_words(reading, answer.status, &self.secrets),
        }
    }
}

/// Whether a request is for a connection with these fields.
fn is_for<'a>(verify: &Verify, stored: &dyn Fn(&FieldName) -> Option<&'a Secret>) -> bool {
    verify.when.as_ref().is_none_or(|when| {
        stored(&when.field).is_some_and(|value| when.pattern.fits(value.reveal()))
    })
}

fn plain_header(name: &str, text: &str) -> (String, Secret) {
    (name.to_owned(), Secret::from(text.to_owned()))
}

/// The signed assertion, where the request needs one.
fn assertion_for(
    definition: &Definition,
    verify: &Verify,
    value: &Value,
    now: Timestamp,
) -> Result<Option<Secret>, NoQuestion> {
    let is_needed = verify
        .body
        .iter()
        .flat_map(Body::templates)
        .flat_map(Template::fields)
        .any(|name| name.as_str() == "assertion");
    if !is_needed {
        return Ok(None);
    }
    let account = definition
        .fields
        .iter()
        .find(|field| field.is_secret)
        .and_then(|field| value.fields.get(&field.name));
    let audience = definition
        .oauth
        .as_ref()
        .and_then(|oauth| oauth.token_url.as_deref());
    let (Some(account), Some(audience)) = (account, audience) else {
        return Ok(None);
    };
    assertion(account, audience, now)
        .map(Some)
        .map_err(NoQuestion::ServiceAccount)
}

/// The address with its fields put in, each written for the place it is in.
fn address(url: &Template, fields: Lookup<'_>) -> Result<Address, NoQuestion> {
    let mut text = Zeroizing::new(String::new());
    for part in url.parts() {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Field(name) => {
                let value = fields(name).ok_or_else(|| NoQuestion::Missing(name.clone()))?;
                let encoding = match name.as_str() {
                    "base_url" if text.is_empty() => Encoding::Plain,
                    _ if text.contains('?') => Encoding::Query,
                    _ => Encoding::Segment,
                };
                text.push_str(&Zeroizing::new(encoded(value.reveal(), encoding)));
            }
        }
    }
    Address::parse(&Secret::from(std::mem::take(&mut *text))).map_err(NoQuestion::Address)
}

fn check_host(definition: &Definition, address: &Address) -> Result<(), NoQuestion> {
    let host = &address.host;
    let entry = definition
        .host_for(host, address.port, address.path.reveal())
        .filter(|entry| entry.injection == Injection::Allowed)
        .ok_or_else(|| NoQuestion::Foreign(address.host_header()))?;
    if address.is_tls || definition.allows_plain_http(entry, host) || host.is_loopback() {
        Ok(())
    } else {
        Err(NoQuestion::InTheClear(address.host_header()))
    }
}

/// The path and query with what the credential adds to them.
fn extended(path: &Secret, attachment: &Attachment) -> Secret {
    let mut text = Zeroizing::new(String::new());
    if let Some(beginning) = &attachment.path {
        text.push_str(beginning.reveal());
    }
    text.push_str(path.reveal());
    for (name, value) in &attachment.query {
        let mark = if text.contains('?') { '&' } else { '?' };
        text.push(mark);
        text.push_str(name);
        text.push('=');
        text.push_str(value.reveal());
    }
    Secret::from(std::mem::take(&mut *text))
}

type Made = (Option<Secret>, Option<&'static str>);

fn body(written: Option<&Body>, fields: Lookup<'_>) -> Result<Made, NoQuestion> {
    let mut text = Zeroizing::new(String::new());
    let kind = match written {
        None => return Ok((None, None)),
        Some(Body::Text(literal)) => {
            text.push_str(literal);
            None
        }
        Some(Body::Form(members)) => {
            for (name, template) in members {
                if !text.is_empty() {
                    text.push('&');
                }
                text.push_str(&encoded(name, Encoding::Query));
                text.push('=');
                let value = put_in(template, fields)?;
                text.push_str(&Zeroizing::new(encoded(value.reveal(), Encoding::Query)));
            }
            Some("application/x-www-form-urlencoded")
        }
        Some(Body::Json(json)) => {
            write_json(json, fields, &mut text)?;
            Some("application/json")
        }
    };
    Ok((Some(Secret::from(std::mem::take(&mut *text))), kind))
}

fn put_in(template: &Template, fields: Lookup<'_>) -> Result<Secret, NoQuestion> {
    filled(template, fields, Encoding::Plain).ok_or_else(|| {
        let missing = template.fields().find(|name| fields(name).is_none());
        // A template without fields is always filled.
        missing.map_or(NoQuestion::NoWay, |name| NoQuestion::Missing(name.clone()))
    })
}

fn write_json(
    json: &JsonTemplate,
    fields: Lookup<'_>,
    text: &mut Zeroizing<String>,
) -> Result<(), NoQuestion> {
    let quoted = |text: &str| Zeroizing::new(serde_json::Value::from(text).to_string());
    match json {
        JsonTemplate::Text(template) => {
            text.push_str(&quoted(put_in(template, fields)?.reveal()));
        }
        JsonTemplate::List(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                text.push_str(if position > 0 { "," } else { "" });
                write_json(item, fields, text)?;
            }
            text.push(']');
        }
        JsonTemplate::Object(members) => {
            text.push('{');
            for (position, (name, member)) in members.iter().enumerate() {
                text.push_str(if position > 0 { "," } else { "" });
                text.push_str(&quoted(name));
                text.push(':');
                write_json(member, fields, text)?;
            }
            text.push('}');
        }
        JsonTemplate::Plain(value) => text.push_str(&value.to_string()),
    }
    Ok(())
}

/// The headers that sign a request to AWS.
fn signed(
    verify: &Verify,
    address: &Address,
    body: Option<&Secret>,
    value: &Value,
    now: Timestamp,
) -> Result<Vec<(String, Secret)>, NoQuestion> {
    let stored = |name: &str| {
        let found = value.fields.iter().find(|(own, _)| own.as_str() == name);
        found.map(|(_, secret)| secret)
    };
    let missing = |name: &str| name.parse().map_or(NoQuestion::NoWay, NoQuestion::Missing);
    let needed = |name: &str| stored(name).ok_or_else(|| missing(name));
    let key = AwsKey {
        id: needed("access_key_id")?,
        secret: needed("secret_access_key")?,
        session: stored("session_token"),
    };
    let host = address.host_header();
    let path = address.path.reveal();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let request = AwsRequest {
        method: &verify.method,
        host: &host,
        path,
        query,
        body: body.map_or(b"", |body| body.reveal().as_bytes()),
    };
    let region = stored("region").map(Secret::reveal);
    Ok(sign(&request, &key, region, now))
}

/// What a reading means, for people.
fn in_words(reading: Reading, status: u16, secrets: &[Secret]) -> Option<String> {
    if let Some(message) = reading.message {
        return Some(printable(&message).into_owned());
    }
    let words = match reading.outcome {
        Outcome::Ok => return reading.told.and_then(|told| in_names(told, secrets)),
        Outcome::Forbidden => "alive, without the scope for this request",
        Outcome::RateLimited => "alive, over a rate limit or out of credit: wait, or see the bill",
        Outcome::Rejected => "wrong or revoked",
        Outcome::Unreachable => match status {
            300..=399 => "the answer leads elsewhere, and is not followed",
            407 => "the proxy wants a password",
            500..=599 => "the provider is in trouble",
            _ => "the answer tells nothing about the key",
        },
    };
    Some(format!("{words} (HTTP {status})"))
}

/// What a provider told, unless it told our own secret.
fn in_names(told: Told, secrets: &[Secret]) -> Option<String> {
    let is_ours = |text: &str| {
        secrets
            .iter()
            .any(|secret| !secret.is_empty() && text.contains(secret.reveal()))
    };
    let text = match told {
        Told::Text(text) => text,
        Told::List(names, noun) if names.is_empty() => format!("no {noun} yet"),
        Told::List(names, noun) => {
            let named = names[..names.len().min(NAMED)].join(", ");
            let more = names.len().saturating_sub(NAMED);
            let rest = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let noun = match names.len() {
                1 => noun.strip_suffix('s').unwrap_or(&noun),
                _ => &noun,
            };
            format!("{} {noun}: {named}{rest}", names.len())
        }
    };
    let cut: String = text.chars().take(LONGEST_TOLD).collect();
    (!is_ours(&text) && !cut.is_empty()).then(|| printable(&cut).into_owned())
}

#[cfg(test)]
mod tests;
