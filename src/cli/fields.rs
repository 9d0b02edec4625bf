//! The fields of a credential, gathered from wherever a login says they are,
//! and checked against the definition before anything is stored.

mod asked;

use std::collections::BTreeMap;
use std::path::Path;

use self::asked::from_person;
pub use self::asked::plain;
use super::context::Context;
use super::environment::named_variable;
use super::input;
use crate::error::{Error, Kind, Result};
use crate::json::UniqueMap;
use crate::name::FieldName;
use crate::provider::{Definition, Field};
use crate::secret::Secret;

/// Where a login says that its fields are.
pub struct Given<'a> {
    /// The call that it was, for hints.
    pub call: &'a str,
    /// The name of the connection to be.
    pub connection: &'a str,
    /// On standard input.
    pub stdin: bool,
    /// In an environment variable: the named one, or the provider's own where
    /// the name is empty.
    pub from_env: Option<&'a str>,
    /// In a file.
    pub from_file: Option<&'a Path>,
    /// In a form in the browser.
    pub browser: bool,
    /// Whether a browser may be opened for it.
    pub may_open: bool,
    /// One by one: `name=-` or `name=text`.
    pub fields: &'a [String],
    /// The address of the provider, where it was given apart.
    pub base_url: Option<&'a str>,
}

type Fields = BTreeMap<FieldName, Secret>;

/// Gathers and checks the fields.
///
/// # Errors
/// One is missing, unknown, or not of its shape; or nobody gave anything.
pub fn collect(definition: &Definition, given: &Given<'_>, context: &Context) -> Result<Fields> {
    let readers = given
        .fields
        .iter()
        .filter(|field| field.ends_with("=-"))
        .count();
    if readers + usize::from(given.stdin) > 1 {
        return Err(
            Error::new(Kind::Usage, "Standard input can be read for one thing only").with_hint(
                format!("Pipe one JSON object in: {}", example_object(definition)),
            ),
        );
    }
    let mut fields = from_flags(definition, given, context)?;
    if let (Some(field), Some(url)) = (definition.field("base_url"), given.base_url) {
        let url = Secret::from(url.to_owned());
        let other = fields.insert(field.name.clone(), url);
        if other.is_some_and(|other| !other.matches(&fields[&field.name])) {
            let message = "Two addresses were given, by --base-url and by --field";
            return Err(Error::new(Kind::Usage, message).with_hint("Give one of them."));
        }
    }
    let missing = missing_in(definition, &fields);
    // Where nothing has to be given, something may be.
    let is_offered =
        || missing.is_empty() && takes_standard_input(given) && is_all_optional(definition);
    if !missing.is_empty() || given.names_a_source() || (is_offered() && input::stdin_has_data()) {
        let more = if let Some(variable) = given.from_env {
            from_environment(definition, variable, &missing)?
        } else if let Some(path) = given.from_file {
            from_text(
                definition,
                input::read_file(path, "the credential")?,
                &missing,
            )?
        } else if takes_standard_input(given) && !given.browser {
            from_stdin(definition, given, &missing, context)?
        } else {
            from_person(definition, &missing, given, context)?
        };
        fields.extend(more);
    }
    for field in &definition.fields {
        if let Some(default) = &field.default
            && !fields.contains_key(&field.name)
        {
            fields.insert(field.name.clone(), Secret::from(default.clone()));
        }
    }
    check(definition, &fields, context)?;
    Ok(fields)
}

impl Given<'_> {
    fn names_a_source(&self) -> bool {
        self.stdin || self.from_env.is_some() || self.from_file.is_some() || self.browser
    }
}

/// Standard input is read unless a field took it already.
fn takes_standard_input(given: &Given<'_>) -> bool {
    // At a keyboard, `--stdin` would show the key: there it is asked for.
    input::stdin_is_piped() && !given.fields.iter().any(|field| field.ends_with("=-"))
}

fn is_all_optional(definition: &Definition) -> bool {
    definition.fields.iter().all(|field| !field.is_required)
}

fn missing_in<'a>(definition: &'a Definition, fields: &Fields) -> Vec<&'a Field> {
    definition
        .fields
        .iter()
        .filter(|field| field.is_required && !fields.contains_key(&field.name))
        .collect()
}

fn from_flags(definition: &Definition, given: &Given<'_>, context: &Context) -> Result<Fields> {
    let mut fields = Fields::new();
    for flag in given.fields {
        let Some((name, value)) = flag.split_once('=') else {
            return Err(Error::new(Kind::Usage, "--field is NAME=- or NAME=TEXT")
                .with_hint(known_fields(definition)));
        };
        let field = definition
            .field(name)
            .ok_or_else(|| unknown_field(definition, name))?;
        let value = if value == "-" {
            input::read_stdin(&format!("the {}", field.label), context)?
        } else if field.is_secret {
            return Err(Error::new(
                Kind::Usage,
                format!("{name} is secret, and no secret is taken from the command line"),
            )
            .with_hint(format!("Pipe it in with: --field {name}=-")));
        } else {
            Secret::from(value.to_owned())
        };
        fields.insert(field.name.clone(), trimmed(field, value));
    }
    Ok(fields)
}

fn from_environment(definition: &Definition, variable: &str, missing: &[&Field]) -> Result<Fields> {
    let unset = |names: &str| {
        Error::new(Kind::InvalidInput, format!("{names} is not set, or empty"))
            .with_hint("Set it for this command alone, or pipe the key in with --stdin.")
    };
    if !variable.is_empty() {
        // What is no name of a variable is not repeated: it may be the key.
        if variable.parse::<crate::name::VariableName>().is_err() {
            return Err(
                Error::new(Kind::Usage, "--from-env takes the name of a variable")
                    .with_hint("For example: --from-env TEAM_KEY"),
            );
        }
        let value = named_variable(variable).ok_or_else(|| unset(variable))?;
        return from_text(definition, value, missing);
    }
    let mut fields = Fields::new();
    for field in &definition.fields {
        let found = field
            .env
            .iter()
            .find_map(|name| named_variable(name.as_str()));
        match found {
            Some(value) => {
                fields.insert(field.name.clone(), trimmed(field, value));
            }
            None if missing.iter().any(|missing| missing.name == field.name) => {
                let names: Vec<_> = field.env.iter().map(ToString::to_string).collect();
                return Err(if field.name.as_str() == "base_url" {
                    let message = format!("The {} is in no variable", field.label);
                    Error::new(Kind::InvalidInput, message).with_hint(address_hint(definition))
                } else if names.is_empty() {
                    Error::new(
                        Kind::Usage,
                        format!("The {} has no variable of its own", field.label),
                    )
                    .with_hint("Name one: --from-env VAR")
                } else {
                    unset(&names.join(" or "))
                });
            }
            None => {}
        }
    }
    Ok(fields)
}

fn from_stdin(
    definition: &Definition,
    given: &Given<'_>,
    missing: &[&Field],
    context: &Context,
) -> Result<Fields> {
    let is_optional = is_all_optional(definition);
    if is_optional && !input::stdin_has_data() {
        return Ok(Fields::new());
    }
    let text = input::read_stdin(&what_is_asked(definition), context)?;
    if is_optional && text.reveal().trim().is_empty() {
        return Ok(Fields::new());
    }
    if text.reveal().trim().is_empty() {
        return Err(nothing_given(
            "Nothing came on standard input",
            definition,
            given,
        ));
    }
    from_text(definition, text, missing)
}

/// One text is a JSON object of fields, if all its keys are fields; else it is
/// the one field that a login still has to give.
fn from_text(definition: &Definition, text: Secret, missing: &[&Field]) -> Result<Fields> {
    if let Some(fields) = from_object(definition, &text) {
        return Ok(fields);
    }
    if let Some(name) = unknown_member(definition, &text) {
        return Err(unknown_field(definition, &name));
    }
    let only = match missing {
        [] => optional_field(definition, &text),
        [field] => Some(*field),
        _ => None,
    };
    let Some(field) = only else {
        let name = &definition.name;
        return Err(
            Error::new(Kind::InvalidInput, format!("{name} takes several fields")).with_hint(
                format!(
                    "Pipe one JSON object in, such as {}, or give them one by one with --field",
                    example_object(definition)
                ),
            ),
        );
    };
    let value = trimmed(field, text);
    Ok(Fields::from([(field.name.clone(), value)]))
}

/// What one text is, where a login has nothing more to give: the one field
/// that a login usually gives, else an address or a key.
fn optional_field<'a>(definition: &'a Definition, text: &Secret) -> Option<&'a Field> {
    let mut required = definition.fields.iter().filter(|field| field.is_required);
    if let Some(field) = required.next() {
        // Given already, and given once more: of several, it could be any.
        return Some(field).filter(|_| required.next().is_none());
    }
    let is_address = text.reveal().trim_start().starts_with("http");
    let named = definition.field("base_url").filter(|_| is_address);
    let secret = || definition.fields.iter().find(|field| field.is_secret);
    named.or_else(secret).or_else(|| definition.fields.first())
}

fn from_object(definition: &Definition, text: &Secret) -> Option<Fields> {
    let text = text.reveal().trim();
    if !text.starts_with('{') {
        return None;
    }
    let object: UniqueMap<'_, Secret> = serde_json::from_str(text).ok()?;
    let mut fields = Fields::new();
    for (name, value) in object.0 {
        let field = definition.field(&name)?;
        fields.insert(field.name.clone(), trimmed(field, value));
    }
    (!fields.is_empty()).then_some(fields)
}

/// The first member of a JSON object that is no field of a provider with
/// several.
fn unknown_member(definition: &Definition, text: &Secret) -> Option<String> {
    if definition.fields.len() < 2 {
        return None;
    }
    let object: UniqueMap<'_, serde::de::IgnoredAny> =
        serde_json::from_str(text.reveal().trim()).ok()?;
    let unknown = object
        .0
        .keys()
        .find(|name| definition.field(name).is_none());
    unknown.map(|name| name.clone().into_owned())
}

/// How an address of this provider is written.
pub fn address_hint(definition: &Definition) -> String {
    let of_field = definition
        .field("base_url")
        .and_then(|field| field.examples.fitting.first());
    let example = of_field.or(definition.base_url.as_ref());
    let example = example.map_or("https://host.example.com", String::as_str);
    format!("Give the whole address, such as: --base-url {example}")
}

fn found_in_environment(field: &Field) -> Option<(&crate::name::VariableName, Secret)> {
    field.env.iter().find_map(|name| {
        let value = named_variable(name.as_str())?;
        Some((name, trimmed(field, value)))
    })
}

/// White space around a pasted key is never part of it; inside it, the check
/// refuses it. A text of several lines keeps its form.
fn trimmed(field: &Field, value: Secret) -> Secret {
    let text = value.reveal();
    let kept = if field.is_multiline {
        text.trim_end()
    } else {
        text.trim()
    };
    if kept.len() == text.len() {
        return value;
    }
    Secret::from(kept.to_owned())
}

fn check(definition: &Definition, fields: &Fields, context: &Context) -> Result<()> {
    check_all(definition, fields)?;
    for (name, value) in fields {
        let doubt = definition
            .field(name.as_str())
            .and_then(|field| field.doubt(value));
        if let Some(doubt) = doubt {
            context.output.note(&doubt);
        }
    }
    Ok(())
}

fn check_all(definition: &Definition, fields: &Fields) -> Result<()> {
    if let Some(missing) = missing_in(definition, fields).first() {
        return Err(Error::new(
            Kind::InvalidInput,
            format!("The {} of {} is missing", missing.label, definition.name),
        )
        .with_hint(known_fields(definition)));
    }
    for (name, value) in fields {
        let Some(field) = definition.field(name.as_str()) else {
            return Err(unknown_field(definition, name.as_str()));
        };
        field.check(value)?;
    }
    Ok(())
}

fn what_is_asked(definition: &Definition) -> String {
    match &definition.fields[..] {
        [field] => format!("the {}", field.label),
        _ => "the credential".to_owned(),
    }
}

fn nothing_given(message: &str, definition: &Definition, given: &Given<'_>) -> Error {
    let call = given.call;
    let is_set = |name: &&crate::name::VariableName| named_variable(name.as_str()).is_some();
    let set = definition
        .fields
        .iter()
        .find_map(|field| field.env.iter().find(is_set));
    let several = definition
        .fields
        .iter()
        .filter(|field| field.is_required)
        .count()
        > 1;
    let hint = match set {
        Some(variable) => format!("{variable} is set; to take it: {call} --from-env"),
        None if several => format!("Pipe it in: echo '{}' | {call}", example_object(definition)),
        None => format!("Pipe it in: printf '%s' \"$KEY\" | {call}"),
    };
    Error::new(Kind::InvalidInput, message).with_hint(hint)
}

fn unknown_field(definition: &Definition, name: &str) -> Error {
    let message = format!(
        "{} has no field {}",
        definition.name,
        crate::text::printable(name)
    );
    Error::new(Kind::NotFound, message).with_hint(known_fields(definition))
}

fn known_fields(definition: &Definition) -> String {
    let names: Vec<_> = definition
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    match &names[..] {
        [] => "It has no fields to give.".to_owned(),
        names => format!("Its fields are: {}", names.join(", ")),
    }
}

fn example_object(definition: &Definition) -> String {
    let members: Vec<_> = definition
        .fields
        .iter()
        .filter(|field| field.is_required)
        .map(|field| format!("\"{}\":\"…\"", field.name))
        .collect();
    format!("{{{}}}", members.join(","))
}
