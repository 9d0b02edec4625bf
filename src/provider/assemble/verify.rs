//! The requests that tell whether a credential is alive. The credential goes
//! along with them, so their hosts must be the provider's, as far as they are
//! not the connection's to say.

use serde_json::Value;

use super::Problem;
use super::placements::{check_header, check_spot, placement};
use crate::name::FieldName;
use crate::provider::definition::{AuthKind, Definition};
use crate::provider::host::Host;
use crate::provider::own::Astray;
use crate::provider::placement::{Part, Template};
use crate::provider::raw::{Parsed, RawVerify};
use crate::provider::verify::{Body, JsonTemplate, Verify, When};
use crate::text::printable;

/// Every request of a definition, given the rest of it.
pub(super) fn requests(
    written: Vec<RawVerify>,
    definition: &Definition,
) -> Result<Vec<Verify>, Problem> {
    written
        .into_iter()
        .map(|raw| request(raw, definition))
        .collect()
}

fn request(raw: RawVerify, definition: &Definition) -> Result<Verify, Problem> {
    for (header, value) in &raw.headers {
        check_header(header, value)?;
    }
    let placements = raw
        .inject
        .map(|written| {
            written
                .into_iter()
                .map(|written| {
                    let placement = placement(written, definition.base_url.as_deref())?;
                    check_spot(&placement.spot)?;
                    Ok(placement)
                })
                .collect::<Result<Vec<_>, Problem>>()
        })
        .transpose()?;
    let verify = Verify {
        when: raw.when.map(|when| When {
            field: when.field.0,
            pattern: when.pattern.0,
        }),
        method: method(raw.method)?,
        url: raw.url.0,
        headers: raw.headers,
        placements,
        body: body(raw.body, raw.form, raw.json)?,
        answers: raw.answers,
        tells: raw.tells,
        note: raw.note,
    };
    check_fields(&verify, definition)?;
    check_signed(&verify, definition)?;
    check_host(&verify.url, definition)?;
    check_openness(&verify.url, definition)?;
    Ok(verify)
}

/// Methods that only look, and those that some providers look with.
fn method(given: Option<String>) -> Result<String, Problem> {
    let method = given.unwrap_or_else(|| "GET".to_owned());
    if matches!(method.as_str(), "GET" | "HEAD" | "POST") {
        Ok(method)
    } else {
        let message = format!("'verify' cannot send {}", printable(&method));
        Err(Problem::new(message, &method))
    }
}

fn body(
    text: Option<String>,
    form: Option<std::collections::BTreeMap<String, Parsed<Template>>>,
    json: Option<Value>,
) -> Result<Option<Body>, Problem> {
    match (text, form, json) {
        (None, None, None) => Ok(None),
        (Some(text), None, None) => Ok(Some(Body::Text(text))),
        (None, Some(form), None) => Ok(Some(Body::Form(
            form.into_iter()
                .map(|(name, Parsed(template))| (name, template))
                .collect(),
        ))),
        (None, None, Some(json)) => json_template(json).map(|json| Some(Body::Json(json))),
        _ => Err(Problem::new(
            "'verify' has one of 'body', 'form' and 'json'",
            "verify",
        )),
    }
}

fn json_template(value: Value) -> Result<JsonTemplate, Problem> {
    Ok(match value {
        Value::String(text) => {
            JsonTemplate::Text(text.parse().map_err(|bad: crate::provider::BadTemplate| {
                Problem::new(bad.to_string(), &text)
            })?)
        }
        Value::Array(items) => JsonTemplate::List(
            items
                .into_iter()
                .map(json_template)
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(members) => JsonTemplate::Object(
            members
                .into_iter()
                .map(|(name, member)| Ok((name, json_template(member)?)))
                .collect::<Result<_, Problem>>()?,
        ),
        plain => JsonTemplate::Plain(plain),
    })
}

/// Every field that the request needs must be one that a connection can have.
fn check_fields(verify: &Verify, definition: &Definition) -> Result<(), Problem> {
    let is_known = |name: &FieldName| {
        matches!(name.as_str(), "base_url" | "access_token")
            || definition.field(name.as_str()).is_some()
    };
    // Made for the body alone, and only where there is somebody to show it to.
    let has_assertion = definition.supports(&AuthKind::JwtBearer)
        && definition
            .oauth
            .as_ref()
            .is_some_and(|oauth| oauth.token_url.is_some());
    let is_assertion = |name: &&FieldName| has_assertion && name.as_str() == "assertion";
    let of_body = verify.body.iter().flat_map(Body::templates);
    let of_body = of_body.flat_map(Template::fields);
    let placed = verify
        .placements
        .iter()
        .flatten()
        .flat_map(|placement| placement.fields());
    let needed = of_body
        .filter(|name| !is_assertion(name))
        .chain(verify.url.fields())
        .chain(placed)
        .chain(verify.when.iter().map(|when| &when.field));
    for name in needed {
        if !is_known(name) {
            let message = format!("'verify' needs a field '{name}' that is not there");
            return Err(Problem::new(message, "verify"));
        }
    }
    Ok(())
}

/// Only what we know to sign rightly: a request to AWS for `/`, without a query.
fn check_signed(verify: &Verify, definition: &Definition) -> Result<(), Problem> {
    if !definition.supports(&AuthKind::AwsSigV4) {
        return Ok(());
    }
    let url = with_fields_as_x(&verify.url);
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    if path.is_empty() && !url.contains('?') {
        return Ok(());
    }
    let message = "'verify' of 'aws_sigv4' takes an address without a path and a query";
    Err(Problem::new(message, "verify"))
}

/// Whatever the fields hold, the host must be under one of the provider's.
fn check_host(url: &Template, definition: &Definition) -> Result<(), Problem> {
    if let [Part::Field(name), rest @ ..] = url.parts()
        && name.as_str() == "base_url"
        && rest.first().is_none_or(begins_a_path)
    {
        return Ok(());
    }
    let url = with_fields_as_x(url);
    let address = url.split(['?', '#']).next().unwrap_or(&url);
    let target =
        Host::parse(address, None).map_err(|bad| Problem::new(bad.to_string(), "verify"))?;
    let message = match target.exact() {
        None => "'verify' goes to a host that is not the provider's",
        Some(host) if target.is_plain_http && !definition.allow_http && !host.is_loopback() => {
            "'verify' would send the credential in the clear"
        }
        Some(host) => {
            let usual = if target.is_plain_http { 80 } else { 443 };
            let port = target.port.unwrap_or(usual);
            let path = target.path.as_deref().unwrap_or("/");
            match definition.check_way(!target.is_plain_http, host, port, path) {
                Ok(()) => return Ok(()),
                Err(Astray::Foreign) => "'verify' goes to a host that is not the provider's",
                Err(Astray::InTheClear) => "'verify' would send the credential in the clear",
            }
        }
    };
    Err(Problem::new(message, "verify"))
}

/// A host is looked up by name servers and told to proxies, and shown: nothing
/// secret can be a part of it.
fn check_openness(url: &Template, definition: &Definition) -> Result<(), Problem> {
    let mut before = String::new();
    for part in url.parts() {
        match part {
            Part::Text(text) => before.push_str(text),
            Part::Field(name) => {
                let rest = before.split_once("://").map_or("", |(_, rest)| rest);
                let field = definition.field(name.as_str());
                let is_secret = field.is_none_or(|field| field.is_secret);
                if is_secret && name.as_str() != "base_url" && !rest.contains(['/', '?']) {
                    let message = format!("'verify' has the secret field '{name}' in its host");
                    return Err(Problem::new(message, "verify"));
                }
            }
        }
    }
    if before.contains('#') {
        let message = "'verify' has a '#' in its address, which nobody is sent";
        return Err(Problem::new(message, "verify"));
    }
    Ok(())
}

fn with_fields_as_x(url: &Template) -> String {
    let parts = url.parts().iter();
    parts
        .map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Field(_) => "x",
        })
        .collect()
}

fn begins_a_path(part: &Part) -> bool {
    matches!(part, Part::Text(text) if text.starts_with('/'))
}
