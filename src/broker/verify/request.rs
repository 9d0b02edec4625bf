//! The parts of a request, with the fields of a credential put in: each
//! written for the place that it is in.

use zeroize::Zeroizing;

use super::NoQuestion;
use crate::credential::attach::{Attachment, Encoding, Lookup, encoded, filled};
use crate::credential::aws::{AwsKey, AwsRequest, Payload, Scope, sign};
use crate::net::Address;
use crate::provider::{Body, JsonTemplate, Part, Template, Verify};
use crate::secret::Secret;

/// The address with its fields put in.
pub(super) fn address(url: &Template, fields: Lookup<'_>) -> Result<Address, NoQuestion> {
    let mut text = Zeroizing::new(String::new());
    for part in url.parts() {
        match part {
            Part::Text(literal) => {
                let twice = overlap(&text, literal);
                text.push_str(&literal[twice..]);
            }
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

/// How much of a path's beginning the address before it ends in: people write
/// an address with or without `/v1`.
fn overlap(address: &str, path: &str) -> usize {
    let Some((_, rest)) = address.split_once("://") else {
        return 0;
    };
    let own = rest.find('/').map_or("", |at| &rest[at..]);
    let ends = path
        .char_indices()
        .skip(1)
        .filter(|(_, c)| matches!(c, '/' | '?'));
    ends.map(|(at, _)| at)
        .chain([path.len()])
        .filter(|at| path.starts_with('/') && own.ends_with(&path[..*at]))
        .max()
        .unwrap_or(0)
}

/// The path and query with what the credential adds to them.
pub(super) fn extended(path: &Secret, attachment: &Attachment) -> Secret {
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

/// The body, and what it is.
pub(super) fn body(written: Option<&Body>, fields: Lookup<'_>) -> Result<Made, NoQuestion> {
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
pub(super) fn signed(
    verify: &Verify,
    address: &Address,
    content_type: Option<&str>,
    body: Option<&Secret>,
    fields: &dyn Fn(&str) -> Option<Secret>,
    now: jiff::Timestamp,
) -> Result<Vec<(String, Secret)>, NoQuestion> {
    let missing = |name: &str| name.parse().map_or(NoQuestion::NoWay, NoQuestion::Missing);
    let needed = |name: &str| fields(name).ok_or_else(|| missing(name));
    let (id, secret) = (needed("access_key_id")?, needed("secret_access_key")?);
    let (session, region) = (fields("session_token"), fields("region"));
    let key = AwsKey {
        id: &id,
        secret: &secret,
        session: session.as_ref(),
    };
    let host = address.host_header();
    let scope = Scope::of_host(&host, region.as_ref().map(Secret::reveal));
    let content_type = content_type.map(|kind| ("content-type", kind.as_bytes()));
    let request = AwsRequest {
        method: &verify.method,
        host: &host,
        // No other is taken from a definition.
        path: "/",
        query: "",
        headers: content_type.as_slice(),
        payload: Payload::of(body.map_or(b"", |body| body.reveal().as_bytes())),
    };
    Ok(sign(&request, &scope.ok_or(NoQuestion::NoWay)?, &key, now))
}
