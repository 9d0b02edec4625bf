//! A key typed into a page on this machine, where there is a desktop: longer
//! keys are pasted more easily there, and no terminal keeps them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::context::Context;
use super::fields::Given;
use crate::error::{Error, Result};
use crate::flow::local::{FORM_PORTS, Form, FormField, FormPage, Listener, LocalError};
use crate::net::wait_for;
use crate::provider::{Definition, Field};
use crate::secret::Secret;

/// How long the page waits.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Has a person fill these fields in; `check` says what is wrong with them.
///
/// # Errors
/// Nobody fills them in, or no page can be shown.
pub fn ask(
    definition: &Definition,
    fields: &[&Field],
    given: &Given<'_>,
    context: &Context,
    check: impl Fn(&BTreeMap<String, Secret>) -> Result<()>,
) -> Result<BTreeMap<String, Secret>> {
    let shown: Vec<FormField> = fields.iter().map(|field| shown(field)).collect();
    let name = format!("{}/{}", definition.name, given.connection);
    let page = FormPage {
        provider: &definition.display_name,
        connection: &name,
        key_url: definition.key_url.as_deref(),
        fields: &shown,
    };
    fill(page, given.may_open, context, check).map_err(|error| {
        let hint = format!("Type it at a prompt or pipe it in: {} --stdin", given.call);
        Error::new(error.kind(), error.to_string()).with_hint(hint)
    })
}

/// Shows a page and waits until it is filled in.
///
/// # Errors
/// Nobody fills it in, or it cannot be shown.
pub fn fill(
    page: FormPage<'_>,
    may_open: bool,
    context: &Context,
    check: impl Fn(&BTreeMap<String, Secret>) -> Result<()>,
) -> Result<BTreeMap<String, Secret>> {
    let filled = wait_for(async {
        let listener = Listener::bind(&FORM_PORTS)?;
        let form = Form::new(listener, page);
        let address = form.address();
        let is_open = may_open && context.is_desktop() && context.show_page(&address);
        context.output.tell(&match is_open {
            true => format!(
                "A form is open in your browser. If none came up, open this address:\n\n{address}\n"
            ),
            false => format!("Open this address in a browser on this machine:\n\n{address}\n"),
        });
        let checked =
            |values: &BTreeMap<String, Secret>| check(values).map_err(|error| in_one_line(&error));
        form.wait(PATIENCE, checked).await
    })?;
    filled.map_err(|error: LocalError| Error::from(error))
}

fn shown(field: &Field) -> FormField {
    FormField {
        name: field.name.to_string(),
        label: field.label.clone(),
        hint: field.hint.clone(),
        is_secret: field.is_secret,
        is_multiline: field.is_multiline,
        is_required: field.is_required,
        value: field.default.clone().filter(|_| !field.is_secret),
    }
}

fn in_one_line(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}. {hint}"),
        None => format!("{error}."),
    }
}
