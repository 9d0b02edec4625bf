//! Fields that a person is asked for: at prompts, or in a page of this machine.

use std::collections::BTreeMap;

use super::{
    Fields, Given, address_hint, check_all, found_in_environment, from_flags, nothing_given,
    trimmed, unknown_field,
};
use crate::cli::context::Context;
use crate::cli::form;
use crate::error::{Error, Kind, Result};
use crate::provider::{Definition, Field};
use crate::secret::Secret;

/// What a person gives: in a form on a desktop, else at prompts.
pub(super) fn from_person(
    definition: &Definition,
    missing: &[&Field],
    given: &Given<'_>,
    context: &Context,
) -> Result<Fields> {
    let mut fields = Fields::new();
    if missing.is_empty() && !given.browser {
        return Ok(fields);
    }
    let is_usual = context.is_desktop() && !context.is_silent();
    if given.browser || is_usual {
        return from_form(definition, given, context);
    }
    if !context.terminal.is_there() {
        return Err(nothing_given(
            "No credential was given, and nobody can be asked",
            definition,
            given,
        ));
    }
    if let Some(url) = &definition.key_url {
        context.output.note(&format!("Get it at {url}"));
    }
    for field in missing {
        if let Some((variable, value)) = found_in_environment(field)
            && field.check(&value).is_ok()
        {
            let question = format!("Use the {} that is in {variable}?", field.label);
            if context.terminal.ask_yes(&question)? {
                fields.insert(field.name.clone(), value);
                continue;
            }
        }
        if field.is_multiline {
            // What is pasted after its first line would go to the shell.
            let name = &definition.name;
            let message = format!(
                "The {} has several lines, more than a prompt takes",
                field.label
            );
            return Err(Error::new(Kind::InvalidInput, message).with_hint(format!(
                "Give the file: vault login {name} --from-file PATH"
            )));
        }
        let prompt = format!("{} {}: ", definition.display_name, field.label);
        let prompt = crate::text::printable(&prompt).into_owned();
        let typed = if field.is_secret {
            context.terminal.ask_masked(&prompt)?
        } else {
            context.terminal.ask_plain(&prompt)?
        };
        let Some(typed) = typed else {
            return Err(nothing_given("No credential was given", definition, given));
        };
        let typed = trimmed(field, typed);
        // Before the next question: nobody types more for nothing.
        field.check(&typed)?;
        if field.name.as_str() == "base_url"
            && let Err(bad) = definition.at(typed.reveal())
        {
            let message = format!("The {} {bad}", field.label);
            return Err(Error::new(Kind::InvalidInput, message).with_hint(address_hint(definition)));
        }
        fields.insert(field.name.clone(), typed);
    }
    Ok(fields)
}

/// All of them at once, in a page of this machine.
fn from_form(definition: &Definition, given: &Given<'_>, context: &Context) -> Result<Fields> {
    let typed = |values: &BTreeMap<String, Secret>| -> Result<Fields> {
        let mut fields = from_flags(definition, given, context)?;
        for (name, value) in values {
            let field = definition.field(name);
            let field = field.ok_or_else(|| unknown_field(definition, name))?;
            fields.insert(field.name.clone(), trimmed(field, value.duplicate()));
        }
        Ok(fields)
    };
    let known = from_flags(definition, given, context)?;
    let asked: Vec<&Field> = definition
        .fields
        .iter()
        .filter(|field| !known.contains_key(&field.name))
        .collect();
    let values = form::ask(definition, &asked, given, context, |values| {
        let fields = typed(values)?;
        let address = fields.iter().find(|(name, _)| name.as_str() == "base_url");
        if let Some((_, url)) = address
            && let Err(bad) = definition.at(url.reveal())
        {
            return Err(Error::new(Kind::InvalidInput, format!("The address {bad}")));
        }
        check_all(definition, &fields)
    })?;
    typed(&values)
}

/// Fields that are no secret, for a login that gets its secrets elsewhere:
/// from flags, from their variables, from a person, or as they usually are.
///
/// # Errors
/// One is unknown, secret, missing, or not of its shape.
pub fn plain(
    definition: &Definition,
    given: &[String],
    wanted: &[&str],
    context: &Context,
) -> Result<Fields> {
    let from_flags = Given {
        call: "",
        connection: "",
        stdin: false,
        from_env: None,
        from_file: None,
        browser: false,
        may_open: false,
        fields: given,
        base_url: None,
    };
    let mut fields = self::from_flags(definition, &from_flags, context)?;
    for field in &definition.fields {
        if fields.contains_key(&field.name) || !wanted.contains(&field.name.as_str()) {
            continue;
        }
        let found = found_in_environment(field).map(|(_, value)| value);
        let found = found.or_else(|| field.default.clone().map(Secret::from));
        let value = match found {
            Some(value) => value,
            None => {
                let prompt = format!("{} {}: ", definition.display_name, field.label);
                let typed = context.terminal.ask_plain(&prompt)?;
                trimmed(
                    field,
                    typed.ok_or_else(|| missing_plain(definition, field))?,
                )
            }
        };
        fields.insert(field.name.clone(), value);
    }
    for (name, value) in &fields {
        let field = definition.field(name.as_str());
        let field = field.ok_or_else(|| unknown_field(definition, name.as_str()))?;
        field.check(value)?;
    }
    Ok(fields)
}

fn missing_plain(definition: &Definition, field: &Field) -> Error {
    let message = format!("The {} of {} is missing", field.label, definition.name);
    Error::new(Kind::InvalidInput, message)
        .with_hint(format!("Give it: --field {}=TEXT", field.name))
}
