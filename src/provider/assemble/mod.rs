//! From what a definition's JSON says to what it means: defaults, authsome's
//! short forms, and the checks that need more than one member.

mod fields;
mod placements;
mod verify;

use std::borrow::Cow;

use self::fields::{add_lookalikes, detects, exports, fields};
use self::placements::{check_header, placements};
use self::verify::requests;
use super::definition::{AuthKind, Definition};
use super::host::{Host, Injection};
use super::raw::{Parsed, Raw, RawPath};
use crate::name::ProviderName;
use crate::text::printable;

/// More expressions than any provider has shapes.
const MOST_EXPRESSIONS: usize = 100;
/// More hosts than any provider has.
const MOST_HOSTS: usize = 500;
/// More ways to answer than anybody has.
const MOST_ANSWERS: usize = 100;

/// What is wrong, and a text of the file to find the place by.
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) near: Option<String>,
}

impl Problem {
    fn new(message: impl Into<String>, near: &str) -> Self {
        Self {
            message: message.into(),
            near: Some(near.to_owned()),
        }
    }
}

/// Puts a definition together; `name` is what the file is called.
pub(super) fn assemble(
    mut raw: Raw,
    name: ProviderName,
    text: Cow<'static, str>,
) -> Result<Definition, Problem> {
    if let Some(version) = raw.schema_version.filter(|&version| version != 1) {
        let message = format!("schema version {version} is not known here, only 1");
        return Err(Problem::new(message, "schema_version"));
    }
    check_bounds(&raw)?;
    let mut warnings = Vec::new();
    let display_name = raw.display_name.take().unwrap_or_else(|| name.to_string());
    let auth = auth_kinds(&raw, &mut warnings);
    let mut fields = fields(&mut raw, &auth, &display_name, &mut warnings)?;
    add_lookalikes(&mut fields, std::mem::take(&mut raw.reject_patterns))?;
    let exports = exports(&raw, &mut fields, &mut warnings)?;
    let hosts = hosts(&raw, &mut warnings)?;
    let placements = placements(&mut raw, &auth, &fields)?;
    for (header, value) in &raw.extra_headers {
        check_header(header, value)?;
    }
    complete_oauth(&mut raw);
    let openai_path = openai_path(raw.openai_path.take())?;
    let detect = detects(std::mem::take(&mut raw.detect), &fields)?;
    let verify = std::mem::take(&mut raw.verify);
    let mut definition = Definition {
        name,
        display_name,
        description: raw.description,
        category: raw.category.or(raw.kind),
        auth,
        fields,
        hosts,
        ports: raw.ports,
        allow_http: raw.allow_http,
        placements,
        extra_headers: raw
            .extra_headers
            .into_iter()
            .map(|(header, value)| (header.to_ascii_lowercase(), value))
            .collect(),
        key_url: raw.key_url,
        docs: raw.docs.or(raw.docs_url),
        verify: Vec::new(),
        base_url: raw.base_url,
        openai_path,
        base_url_env: unwrap_all(raw.base_url_env),
        usage: raw.usage,
        rotate_after_days: raw.rotate_after_days.map(u32::from),
        detect,
        tenant: raw.tenant,
        encoded_slashes: raw.encoded_slashes,
        priority: raw.priority,
        oauth: raw.oauth,
        exports,
        warnings,
        text,
    };
    definition.verify = requests(verify, &definition)?;
    Ok(definition)
}

/// Nobody says it of most providers.
fn openai_path(raw: Option<RawPath>) -> Result<Option<String>, Problem> {
    let path = match raw {
        None | Some(RawPath::Is(true)) => return Ok(Some("/v1".to_owned())),
        Some(RawPath::Is(false)) => return Ok(None),
        Some(RawPath::Path(path)) => path,
    };
    let mut steps = path.split('/');
    let is_plain = |step: &str| {
        let mut bytes = step.bytes();
        !matches!(step, "" | "." | "..")
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if steps.next() != Some("") || !steps.all(is_plain) {
        let message = "'openai_path' is a path such as /openai/v1, empty, or false";
        return Err(Problem::new(message, "openai_path"));
    }
    Ok(Some(path))
}

/// authsome has some of it beside the section.
fn complete_oauth(raw: &mut Raw) {
    let Some(oauth) = &mut raw.oauth else {
        return;
    };
    if let Some(registration) = raw.registration.take() {
        let endpoint = registration.registration_endpoint;
        oauth.registration_endpoint = oauth.registration_endpoint.take().or(endpoint);
    }
    if let Some(client) = raw.client.take() {
        oauth.client_id = oauth.client_id.take().or(client.client_id);
        oauth.client_id_env = client.client_id_env.map(|Parsed(name)| name);
        oauth.client_secret_env = client.client_secret_env.map(|Parsed(name)| name);
    }
    // Its usual flow goes first; a word that we do not know changes nothing.
    let usual = raw.flow.as_deref().and_then(|word| word.parse().ok());
    if let Some(usual) = usual
        && !oauth.flows.contains(&usual)
        && oauth.flows().contains(&usual)
    {
        oauth.flows.insert(0, usual);
    }
}

/// Whatever is bounded in size must be bounded in number too, before the first
/// of it is looked at.
fn check_bounds(raw: &Raw) -> Result<(), Problem> {
    let of_fields = raw.fields.iter().filter(|field| field.pattern.is_some());
    let of_others = raw
        .reject_patterns
        .iter()
        .map(|other| 1 + usize::from(other.unless.is_some()));
    let conditions = raw.verify.iter().filter(|verify| verify.when.is_some());
    let of_verify = raw
        .verify
        .iter()
        .flat_map(|verify| &verify.inject)
        .flatten();
    let hosts = raw
        .inject
        .iter()
        .chain(of_verify)
        .flat_map(|placement| &placement.hosts)
        .chain(&raw.hosts)
        .filter(|host| host.starts_with("regex:"));
    let expressions = of_fields.count()
        + of_others.sum::<usize>()
        + conditions.count()
        + hosts.count()
        + raw.detect.len();
    let answers = raw.verify.iter().map(|verify| verify.answers.len()).sum();
    for (count, what, most) in [
        (expressions, "expressions", MOST_EXPRESSIONS),
        (raw.hosts.len(), "hosts", MOST_HOSTS),
        (answers, "answers", MOST_ANSWERS),
    ] {
        if count > most {
            let message = format!("it has {count} {what}, and {most} are taken");
            return Err(Problem {
                message,
                near: None,
            });
        }
    }
    Ok(())
}

fn unwrap_all<T>(parsed: Vec<Parsed<T>>) -> Vec<T> {
    parsed.into_iter().map(|Parsed(value)| value).collect()
}

fn auth_kinds(raw: &Raw, warnings: &mut Vec<String>) -> Vec<AuthKind> {
    let mut kinds: Vec<AuthKind> = Vec::new();
    for word in raw.auth.iter().chain(&raw.auth_type) {
        let kind = AuthKind::from(word.as_str());
        if !kinds.contains(&kind) {
            if let AuthKind::Other(word) = &kind {
                warnings.push(format!("auth kind '{}' is not known", printable(word)));
            }
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        kinds.push(match raw {
            Raw { oauth: Some(_), .. } => AuthKind::OAuth2,
            Raw { api_key: None, .. } if raw.fields.is_empty() => AuthKind::None,
            _ => AuthKind::ApiKey,
        });
    }
    kinds
}

fn hosts(raw: &Raw, warnings: &mut Vec<String>) -> Result<Vec<Host>, Problem> {
    let of_oauth = raw
        .oauth
        .as_ref()
        .and_then(|oauth| oauth.base_url.as_deref());
    let base_url = raw.base_url.as_deref().or(of_oauth);
    let mut hosts: Vec<Host> = Vec::new();
    for entry in raw.hosts.iter().chain(&raw.host_url).chain(&raw.api_url) {
        if entry.is_empty() || hosts.iter().any(|host| host.as_str() == entry) {
            continue;
        }
        let mut host =
            Host::parse(entry, base_url).map_err(|bad| Problem::new(bad.to_string(), entry))?;
        if host.injection == Injection::Never {
            warnings.push(format!(
                "host '{}' could match hosts of others; no credential is ever sent there",
                printable(entry)
            ));
        } else if host.is_base_url() || (raw.tenant && host.exact().is_none()) {
            host.injection = Injection::OwnHostOnly;
        }
        if host.is_plain_http && !raw.allow_http {
            warnings.push(format!(
                "host '{}' is plain http, which 'allow_http' does not allow",
                printable(entry)
            ));
        }
        hosts.push(host);
    }
    Ok(hosts)
}
