//! From what a definition's JSON says to what it means: defaults, authsome's
//! short forms, and the checks that need more than one member.

use std::borrow::Cow;

use super::definition::{AuthKind, Definition};
use super::field::{Examples, Field, Lookalike};
use super::host::{Host, HostName, Injection};
use super::placement::{Part, Placement, Spot, Template};
use super::raw::{Parsed, Raw, RawApiKey, RawField, RawLookalike, RawPlace, RawPlacement};
use crate::name::{FieldName, ProviderName, VariableName};
use crate::text::{nearest, printable};

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
    let mut warnings = Vec::new();
    let display_name = raw.display_name.take().unwrap_or_else(|| name.to_string());
    let auth = auth_kinds(&raw, &mut warnings);
    let mut fields = fields(&mut raw, &auth, &display_name, &mut warnings)?;
    add_lookalikes(&mut fields, std::mem::take(&mut raw.reject_patterns))?;
    let exports = exports(&raw, &mut fields, &mut warnings)?;
    let base_url = raw.base_url.clone();
    let hosts = hosts(&raw, &mut warnings)?;
    let placements = placements(&mut raw, &auth, &fields)?;
    for (header, value) in &raw.extra_headers {
        check_header(header, value)?;
    }
    if let Some(oauth) = &mut raw.oauth
        && let Some(registration) = raw.registration.take()
    {
        oauth.registration_endpoint = oauth
            .registration_endpoint
            .take()
            .or(registration.registration_endpoint);
    }
    let definition = Definition {
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
        verify: raw.verify,
        base_url,
        base_url_env: unwrap_all(raw.base_url_env),
        usage: raw.usage,
        rotate_after_days: raw.rotate_after_days.map(u32::from),
        detect: unwrap_all(raw.detect),
        tenant: raw.tenant,
        priority: raw.priority,
        oauth: raw.oauth,
        exports,
        warnings,
        text,
    };
    check_verify(&definition)?;
    Ok(definition)
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

fn fields(
    raw: &mut Raw,
    auth: &[AuthKind],
    display_name: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<Field>, Problem> {
    let mut written = std::mem::take(&mut raw.fields);
    if let Some(position) = first_repeated(&written) {
        let name = written[position].name.0.as_str();
        return Err(Problem::new(format!("field '{name}' is there twice"), name));
    }
    let has =
        |written: &[RawField], name| written.iter().any(|field| field.name.0.as_str() == name);
    let wants_key =
        raw.api_key.is_some() || (auth.contains(&AuthKind::ApiKey) && written.is_empty());
    if wants_key && !has(&written, "api_key") {
        let field = api_key_field(raw.api_key.as_mut(), warnings)?;
        written.insert(0, field);
    }
    if auth.contains(&AuthKind::None) && !has(&written, "base_url") {
        let mut field = plain_field("base_url")?;
        field.secret = false;
        field.required = false;
        field.default.clone_from(&raw.base_url);
        field.env = raw
            .base_url_env
            .iter()
            .map(|Parsed(name)| Parsed(name.clone()))
            .collect();
        written.push(field);
    }
    Ok(written
        .into_iter()
        .map(|field| finish_field(field, display_name, raw.key_url.as_deref()))
        .collect())
}

fn first_repeated(fields: &[RawField]) -> Option<usize> {
    (1..fields.len()).find(|&at| {
        fields[..at]
            .iter()
            .any(|field| field.name.0 == fields[at].name.0)
    })
}

fn finish_field(field: RawField, display_name: &str, key_url: Option<&str>) -> Field {
    let name = field.name.0;
    let label = field.label.unwrap_or_else(|| match name.as_str() {
        "api_key" => "API key".to_owned(),
        "base_url" => "base URL".to_owned(),
        other => other.replace('_', " "),
    });
    Field {
        subject: format!("{display_name} {label}"),
        name,
        label,
        is_secret: field.secret,
        is_required: field.required,
        is_multiline: field.multiline,
        pattern: field.pattern.map(|Parsed(pattern)| pattern),
        hint: field.hint,
        default: field.default,
        env: unwrap_all(field.env),
        lookalikes: Vec::new(),
        examples: field.examples,
        key_url: key_url.map(str::to_owned),
    }
}

fn plain_field(name: &str) -> Result<RawField, Problem> {
    Ok(RawField {
        name: Parsed(field_name(name)?),
        label: None,
        secret: true,
        required: true,
        multiline: false,
        pattern: None,
        hint: None,
        default: None,
        env: Vec::new(),
        examples: Examples::default(),
    })
}

fn field_name(name: &str) -> Result<FieldName, Problem> {
    name.parse()
        .map_err(|bad: crate::name::BadName| Problem::new(bad.to_string(), name))
}

/// authsome's `api_key` section as a field.
fn api_key_field(
    section: Option<&mut RawApiKey>,
    warnings: &mut Vec<String>,
) -> Result<RawField, Problem> {
    let mut field = plain_field("api_key")?;
    let Some(section) = section else {
        return Ok(field);
    };
    field.hint = section.key_pattern_hint.take();
    if let Some(variable) = &section.env_var {
        match variable.parse() {
            Ok(variable) => field.env.push(Parsed(variable)),
            Err(_) => warnings.push(format!(
                "'{}' is no name for a variable and is left out",
                printable(variable)
            )),
        }
    }
    if let Some(Parsed(pattern)) = section.key_pattern.take() {
        // Python's expressions can do more than is safe; the file loads, and
        // keys are taken as they are.
        match pattern.check() {
            Ok(()) => field.pattern = Some(Parsed(pattern)),
            Err(bad) => warnings.push(format!("{bad}; keys are not checked against it")),
        }
    }
    Ok(field)
}

fn add_lookalikes(fields: &mut [Field], written: Vec<RawLookalike>) -> Result<(), Problem> {
    for other in written {
        let wanted = other.field.map(|Parsed(name)| name);
        let field = match &wanted {
            Some(name) => fields.iter_mut().find(|field| field.name == *name),
            None => fields.iter_mut().find(|field| field.is_secret),
        };
        let Some(field) = field else {
            let name = wanted.as_ref().map_or("reject_patterns", FieldName::as_str);
            let message = "a reject pattern is for a field that is not there";
            return Err(Problem::new(message, name));
        };
        let Parsed(provider) = other.provider;
        field.lookalikes.push(Lookalike {
            display_name: other.display_name.unwrap_or_else(|| provider.to_string()),
            provider,
            pattern: other.pattern.0,
            unless: other.unless.map(|Parsed(pattern)| pattern),
            is_certain: other.certain,
        });
    }
    Ok(())
}

/// The field that a definition's own word for it means: authsome's newer
/// files say `API_TOKEN` and `ACCESS_TOKEN`.
fn exported_field(word: &str) -> Result<FieldName, Problem> {
    match word {
        "API_TOKEN" => field_name("api_key"),
        other => field_name(&other.to_ascii_lowercase()),
    }
}

/// Which field goes to which variable. `export` may be written from field to
/// variable, under `env` or not, or turned round.
fn exports(
    raw: &Raw,
    fields: &mut [Field],
    warnings: &mut Vec<String>,
) -> Result<Vec<(FieldName, VariableName)>, Problem> {
    let mut exports: Vec<(FieldName, VariableName)> = Vec::new();
    let no_members = serde_json::Map::new();
    let section = raw.export.as_ref().unwrap_or(&no_members);
    let members = section
        .get("env")
        .and_then(|members| members.as_object())
        .unwrap_or(section);
    for (key, value) in members {
        let Some(value) = value.as_str() else {
            continue;
        };
        let (field, variable) = match (key.parse::<VariableName>(), value.parse()) {
            (Ok(variable), _) => (exported_field(value)?, variable),
            (Err(_), Ok(variable)) => (exported_field(key)?, variable),
            (Err(_), Err(_)) => {
                warnings.push(format!(
                    "export '{}' names no variable and is left out",
                    printable(key)
                ));
                continue;
            }
        };
        if let Some(known) = fields.iter_mut().find(|known| known.name == field)
            && !known.env.contains(&variable)
        {
            known.env.push(variable.clone());
        }
        exports.push((field, variable));
    }
    for field in fields {
        let is_exported = exports.iter().any(|(name, _)| *name == field.name);
        if let Some(variable) = field.env.first().filter(|_| !is_exported) {
            exports.push((field.name.clone(), variable.clone()));
        }
    }
    Ok(exports)
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

fn placements(
    raw: &mut Raw,
    auth: &[AuthKind],
    fields: &[Field],
) -> Result<Vec<Placement>, Problem> {
    let mut placements = Vec::new();
    for written in std::mem::take(&mut raw.inject) {
        placements.push(placement(written, raw.base_url.as_deref())?);
    }
    if placements.is_empty()
        && let Some(spot) = usual_spot(raw.api_key.as_ref(), auth, fields)?
    {
        placements.push(Placement {
            spot,
            hosts: Vec::new(),
        });
    }
    let token = field_name("access_token")?;
    let takes_tokens = auth.contains(&AuthKind::OAuth2);
    if takes_tokens
        && !placements
            .iter()
            .any(|place| place.fields().any(|name| *name == token))
    {
        placements.push(Placement {
            spot: Spot::Header(
                "authorization".to_owned(),
                Template::prefixed("Bearer ", token.clone()),
            ),
            hosts: Vec::new(),
        });
    }
    for placement in &placements {
        for name in placement.fields() {
            let is_known = fields.iter().any(|field| field.name == *name);
            if !is_known && !(takes_tokens && *name == token) {
                let names = fields.iter().map(|field| field.name.as_str());
                let mut message = format!("'inject' needs a field '{name}' that is not there");
                if let Some(near) = nearest(name.as_str(), names) {
                    message.push_str(&format!("; did you mean '{near}'?"));
                }
                return Err(Problem::new(message, "inject"));
            }
        }
        if let Spot::Header(name, value) = &placement.spot {
            for part in value.parts() {
                if let Part::Text(text) = part {
                    check_header(name, text)?;
                }
            }
            check_header(name, "")?;
        }
    }
    Ok(placements)
}

/// Where a key goes that the definition says no more about.
fn usual_spot(
    section: Option<&RawApiKey>,
    auth: &[AuthKind],
    fields: &[Field],
) -> Result<Option<Spot>, Problem> {
    if let Some(section) = section {
        let header = section.header_name.as_deref().unwrap_or("authorization");
        let prefix = match section.header_prefix.as_deref().map(str::trim_end) {
            None | Some("") => String::new(),
            Some(prefix) => format!("{prefix} "),
        };
        let value = Template::prefixed(&prefix, field_name("api_key")?);
        return Ok(Some(Spot::Header(header.to_ascii_lowercase(), value)));
    }
    let key = fields.iter().find(|field| field.is_secret);
    Ok(key.filter(|_| auth.contains(&AuthKind::ApiKey)).map(|key| {
        let value = Template::prefixed("Bearer ", key.name.clone());
        Spot::Header("authorization".to_owned(), value)
    }))
}

fn placement(written: RawPlacement, base_url: Option<&str>) -> Result<Placement, Problem> {
    let lacks = |what: &str| Problem::new(format!("an 'inject' entry lacks '{what}'"), "inject");
    let value = written.value.map(|Parsed(value)| value);
    let spot = match written.place {
        RawPlace::Header => Spot::Header(
            written
                .name
                .ok_or_else(|| lacks("name"))?
                .to_ascii_lowercase(),
            value.ok_or_else(|| lacks("value"))?,
        ),
        RawPlace::Query => Spot::Query(
            written.name.ok_or_else(|| lacks("name"))?,
            value.ok_or_else(|| lacks("value"))?,
        ),
        RawPlace::Path => Spot::Path(value.ok_or_else(|| lacks("value"))?),
        RawPlace::Basic => Spot::Basic(
            written.username.ok_or_else(|| lacks("username"))?.0,
            written.password.ok_or_else(|| lacks("password"))?.0,
        ),
    };
    let hosts = written
        .hosts
        .iter()
        .map(|entry| {
            Host::parse(entry, base_url).map_err(|bad| Problem::new(bad.to_string(), entry))
        })
        .collect::<Result<_, _>>()?;
    Ok(Placement { spot, hosts })
}

/// A header that is ours to set, with text that can stand in one.
fn check_header(name: &str, text: &str) -> Result<(), Problem> {
    const NOT_OURS: [&str; 10] = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let is_token = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    let is_ours = !NOT_OURS.contains(&name.to_ascii_lowercase().as_str());
    if !is_token || !is_ours {
        let message = format!("'{}' is no header that can be set", printable(name));
        return Err(Problem::new(message, name));
    }
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        let message = format!("the text for header '{name}' has characters that no header holds");
        return Err(Problem::new(message, name));
    }
    Ok(())
}

/// The credential goes along with this request too, so its host must be one
/// of the provider's, as far as it is not the connection's to say.
fn check_verify(definition: &Definition) -> Result<(), Problem> {
    let Some(verify) = &definition.verify else {
        return Ok(());
    };
    for (header, value) in &verify.headers {
        check_header(header, value)?;
    }
    let is_field = |name: &FieldName| {
        matches!(name.as_str(), "base_url" | "access_token")
            || definition.fields.iter().any(|field| field.name == *name)
    };
    if let Some(name) = verify.url.fields().find(|name| !is_field(name)) {
        let message = format!("'verify' needs a field '{name}' that is not there");
        return Err(Problem::new(message, "verify"));
    }
    let Some(Part::Text(start)) = verify.url.parts().first() else {
        return Ok(());
    };
    let elsewhere = || {
        Problem::new(
            "'verify' goes to a host that is not the provider's",
            "verify",
        )
    };
    let target = Host::parse(start, None);
    if verify.url.parts().len() > 1 && start.matches('/').count() < 3 {
        // A field stands in the host; what it is filled with decides.
        return Ok(());
    }
    let start = start.split(['?', '#']).next().unwrap_or(start);
    let target = target.or_else(|_| Host::parse(start, None));
    let host: &HostName = match &target {
        Ok(target) => target.exact().ok_or_else(elsewhere)?,
        Err(bad) => return Err(Problem::new(bad.to_string(), "verify")),
    };
    let is_own = |entry: &&Host| entry.injection != Injection::Never && entry.matches(host);
    definition
        .hosts
        .iter()
        .find(is_own)
        .map(|_| ())
        .ok_or_else(elsewhere)
}
