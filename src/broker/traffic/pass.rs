//! What one connection adds to requests to one host, made once and used for
//! many: the headers, parameters and path that its provider's definition
//! names, filled from its fields; what of the client's own is taken off
//! first; and what must not come back.

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::book::Entry;
use super::path::Reading;
use super::refusal::Refusal;
use crate::credential::Value;
use crate::credential::attach::{Attachment, attach};
use crate::credential::echo;
use crate::credential::redact::Redactor;
use crate::name::{ConnectionId, FieldName};
use crate::provider::{AuthKind, Definition, HostName, Part, Placement, Spot};
use crate::secret::Secret;

/// A credential that is ready to go into requests to one host.
pub struct Pass {
    /// Whose it is.
    pub id: Arc<ConnectionId>,
    /// Headers that are set.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers that every request needs, set where the client has none.
    pub usual: Vec<(HeaderName, HeaderValue)>,
    /// Headers that are taken off first.
    pub stripped: Vec<HeaderName>,
    /// Query parameters that are set, encoded.
    pub query: Vec<(String, Secret)>,
    /// Query parameters that are taken off first, encoded.
    pub stripped_query: Vec<String>,
    /// What the path begins with.
    pub path: Option<PathStart>,
    /// What signs the request, in place of a header.
    pub signing: Option<Signing>,
    /// What must not come back.
    pub redactor: Redactor,
    /// Whether new tokens can be had if the provider refuses these.
    pub is_renewable: bool,
}

/// The beginning of a path that holds a secret, such as `/bot{token}`.
pub struct PathStart {
    /// What stands before the secret.
    literal: String,
    /// The whole, encoded.
    value: Secret,
}

/// An AWS key.
pub struct Signing {
    /// Its name.
    pub id: Secret,
    /// Its secret.
    pub secret: Secret,
    /// The token of its session.
    pub session: Option<Secret>,
    /// Where its requests go that name no region.
    pub region: Option<String>,
}

impl Pass {
    /// `minted` is a token that stands in the place of a stored one.
    pub(super) fn new(
        entry: &Entry,
        minted: Option<&Secret>,
        host: &HostName,
    ) -> Result<Self, Refusal> {
        let Entry {
            id,
            definition,
            credential,
            ..
        } = entry;
        let value = &credential.value;
        let base_url = value.base_url.as_ref().or(definition.base_url.as_ref());
        let base_url = base_url.map(|url| Secret::from(url.trim_end_matches('/').to_owned()));
        let fields = |name: &FieldName| match name.as_str() {
            "base_url" => base_url.as_ref(),
            "access_token" if minted.is_some() => minted,
            _ => value.fields.get(name),
        };
        let attachment = attach(definition.placements_for(host), &fields);
        let signing = signing(definition, &|name| value.field(name));
        let has_secret = value.fields.keys().any(|name| definition.is_secret(name));
        let is_carried = attachment
            .used
            .iter()
            .any(|name| definition.is_secret(name));
        if has_secret && !is_carried && signing.is_none() {
            return Err(Refusal::new(
                424,
                "not_usable",
                format!("{id} has nothing that goes into a request to {host}"),
            )
            .with_hint("Give it to the program itself: vault run --mode env -- CMD"));
        }
        let redactor = redactor(definition, value, minted, &attachment);
        let (stripped, stripped_query) = stripped(definition);
        let Attachment {
            headers,
            query,
            path,
            ..
        } = attachment;
        let headers = headers
            .into_iter()
            .map(|(name, value)| header(&name, value.reveal()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| {
                Refusal::new(
                    424,
                    "not_usable",
                    format!("{id} does not fit into a header"),
                )
                .with_hint(format!("vault login {id} --force"))
            })?;
        let extra = definition.extra_headers.iter();
        Ok(Self {
            id: Arc::clone(id),
            headers,
            usual: extra
                .filter_map(|(name, text)| header(name, text))
                .collect(),
            stripped,
            query,
            stripped_query,
            path: path.map(|value| PathStart {
                literal: path_literal(definition, host),
                value,
            }),
            signing,
            redactor,
            is_renewable: minted.is_some() || credential.is_renewable(),
        })
    }
}

impl PathStart {
    /// A path with the secret in it, in the place of what a client put there.
    pub fn applied(&self, path: &str) -> String {
        let value = self.value.reveal();
        format!("{value}{}", without_start(&self.literal, path))
    }
}

/// What is left of a path when the client's own key is cut off.
fn without_start<'p>(literal: &str, path: &'p str) -> &'p str {
    match path.strip_prefix(literal) {
        Some(rest) if !literal.ends_with('/') => {
            &rest[rest.find(['/', '?']).unwrap_or(rest.len())..]
        }
        _ => path,
    }
}

/// A path as it goes upstream, decoded, with a word in the place of the key;
/// `None` where this provider takes no key in paths. What was sent is cut, and
/// decoded then, as an upstream does it.
pub(super) fn path_without_key(
    definition: &Definition,
    host: &HostName,
    target: &str,
) -> Result<Option<String>, Refusal> {
    let is_path = |placement: &&Placement| matches!(placement.spot, Spot::Path(_));
    if definition.placements_for(host).find(is_path).is_none() {
        return Ok(None);
    }
    let literal = path_literal(definition, host);
    let path = target.split('?').next().unwrap_or_default();
    let sent = format!("{literal}KEY{}", without_start(&literal, path));
    let read = Reading::of(&sent)?;
    Ok(Some(read.path.into_owned()))
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name.parse().ok()?, value))
}

fn signing<'a>(
    definition: &Definition,
    field: &dyn Fn(&str) -> Option<&'a Secret>,
) -> Option<Signing> {
    if !definition.supports(&AuthKind::AwsSigV4) {
        return None;
    }
    Some(Signing {
        id: field("access_key_id")?.duplicate(),
        secret: field("secret_access_key")?.duplicate(),
        session: field("session_token").map(Secret::duplicate),
        region: field("region").map(|region| region.reveal().to_owned()),
    })
}

/// All headers and parameters that the provider takes a credential in, on
/// whichever host and whether or not we set them. `Authorization` is always
/// among them: Anthropic's SDK sends its key there, the API has it elsewhere,
/// and whoever gets both may believe the wrong one.
pub(super) fn stripped(definition: &Definition) -> (Vec<HeaderName>, Vec<String>) {
    let mut headers = Vec::new();
    let mut query = Vec::new();
    if !definition.placements.is_empty() || definition.supports(&AuthKind::AwsSigV4) {
        headers.push(AUTHORIZATION);
    }
    for placement in &definition.placements {
        match &placement.spot {
            Spot::Header(name, _) => headers.extend(name.parse::<HeaderName>().ok()),
            Spot::Query(name, _) => query.push(name.clone()),
            Spot::Basic(..) | Spot::Path(_) => {}
        }
    }
    headers.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    headers.dedup();
    (headers, query)
}

/// What stands before the first field of the path that is filled on a host.
fn path_literal(definition: &Definition, host: &HostName) -> String {
    definition
        .placements_for(host)
        .find_map(|placement| match &placement.spot {
            Spot::Path(template) => match template.parts().first() {
                Some(Part::Text(literal)) => Some(literal.clone()),
                _ => Some("/".to_owned()),
            },
            _ => None,
        })
        .unwrap_or_else(|| "/".to_owned())
}

/// Everything secret about the connection, and what is sent of it.
fn redactor(
    definition: &Definition,
    value: &Value,
    minted: Option<&Secret>,
    attachment: &Attachment,
) -> Redactor {
    let secrets = value
        .fields
        .iter()
        .filter(|(name, _)| definition.is_secret(name))
        .map(|(_, secret)| secret)
        .chain(minted);
    // Only what a secret is in: a version or an account is no secret because
    // it stands in a header.
    let sent: Vec<Secret> = attachment
        .headers
        .iter()
        .chain(&attachment.query)
        .filter(|(_, text)| {
            let text = text.reveal();
            text.starts_with("Basic ")
                || value.fields.iter().any(|(name, secret)| {
                    definition.is_secret(name) && text.contains(secret.reveal())
                })
        })
        .map(|(_, text)| {
            let text = text.reveal();
            let last = text.rsplit(' ').next().unwrap_or(text);
            Secret::from(last.to_owned())
        })
        .collect();
    Redactor::new(&echo::forms(secrets, sent.iter()))
}
