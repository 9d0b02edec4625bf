//! The fields of a definition, written out or implied, and the variables that
//! they are exported as.

use super::{Problem, unwrap_all};
use crate::name::{BadName, FieldName, VariableName};
use crate::provider::definition::AuthKind;
use crate::provider::detect::Detect;
use crate::provider::field::{Examples, Field, Lookalike};
use crate::provider::raw::{Parsed, Raw, RawApiKey, RawDetect, RawField, RawLookalike};
use crate::provider::steering::{self, steers_programs};
use crate::text::printable;

/// What a login asks for.
pub(super) fn fields(
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
        written.push(field);
    }
    raw.base_url_env.retain(|Parsed(variable)| {
        let steers = steers_programs(variable);
        if steers {
            warnings.push(steering::warning(variable));
        }
        !steers
    });
    // The address has one set of variables, wherever they are written.
    if let Some(field) = written
        .iter_mut()
        .find(|field| field.name.0.as_str() == "base_url")
    {
        let copied = |names: &[Parsed<VariableName>]| {
            let names = names.iter().map(|Parsed(name)| Parsed(name.clone()));
            names.collect::<Vec<_>>()
        };
        if field.env.is_empty() {
            field.env = copied(&raw.base_url_env);
        } else if raw.base_url_env.is_empty() {
            raw.base_url_env = copied(&field.env);
        }
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

pub(super) fn field_name(name: &str) -> Result<FieldName, Problem> {
    name.parse()
        .map_err(|bad: BadName| Problem::new(bad.to_string(), name))
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

/// Gives each reject pattern to the field that it is about.
pub(super) fn add_lookalikes(
    fields: &mut [Field],
    written: Vec<RawLookalike>,
) -> Result<(), Problem> {
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

/// What keys look like, each for a field that is there.
pub(super) fn detects(written: Vec<RawDetect>, fields: &[Field]) -> Result<Vec<Detect>, Problem> {
    written
        .into_iter()
        .map(|written| {
            let field = written.field.map(|Parsed(name)| name);
            if let Some(name) = &field
                && !fields.iter().any(|known| known.name == *name)
            {
                let message = format!("'detect' is for a field '{name}' that is not there");
                return Err(Problem::new(message, name.as_str()));
            }
            Ok(Detect {
                pattern: written.pattern.0,
                field,
                min_entropy: written.min_entropy,
                examples: written.examples,
            })
        })
        .collect()
}

/// The field that a definition's own word for it means: authsome's newer
/// files say `API_TOKEN` and `ACCESS_TOKEN`.
fn exported_field(word: &str) -> Result<FieldName, Problem> {
    match word {
        "API_TOKEN" => field_name("api_key"),
        other => field_name(&other.to_ascii_lowercase()),
    }
}

/// Which field goes to which variables. `export` may be written from field to
/// variable, under `env` or not, or turned round.
pub(super) fn exports(
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
        if steers_programs(&variable) {
            warnings.push(steering::warning(&variable));
            continue;
        }
        if let Some(known) = fields.iter_mut().find(|known| known.name == field)
            && !known.env.contains(&variable)
        {
            known.env.push(variable.clone());
        }
        exports.push((field, variable));
    }
    for field in fields {
        if exports.iter().any(|(name, _)| *name == field.name) {
            continue;
        }
        // A client that finds a key under two names sends it twice. What is no
        // secret has all its names: boto3 knows AWS_DEFAULT_REGION only, and
        // other SDKs only AWS_REGION.
        let most = if field.is_secret { 1 } else { field.env.len() };
        for variable in field.env.iter().take(most) {
            if steers_programs(variable) {
                warnings.push(steering::warning(variable));
            } else {
                exports.push((field.name.clone(), variable.clone()));
            }
        }
    }
    Ok(exports)
}
