//! A login with a fixed key: its fields, its address, and what is known of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{LoginArgs, ROTATE_AFTER_DAYS};
use crate::cli::environment::named_variable;
use crate::cli::fields;
use crate::credential::{AuthKind, Value};
use crate::error::{Error, Kind, Result};
use crate::provider::{self, Definition};

/// The definition as it is for this connection's own address; `what` is how
/// the address was given.
pub(super) fn at_base_url(
    definition: Definition,
    url: Option<&str>,
    what: &str,
) -> Result<Definition> {
    let Some(url) = url else {
        if definition.needs_address() {
            let name = &definition.name;
            let message = format!("{name} needs the address of your own tenant");
            return Err(Error::new(Kind::Usage, message).with_hint(format!(
                "vault login {name} --base-url https://YOURS.example.com"
            )));
        }
        return Ok(definition);
    };
    definition.at(url).map_err(|bad| {
        Error::new(Kind::InvalidInput, format!("{what} {bad}"))
            .with_hint(fields::address_hint(&definition))
    })
}

/// The address that the provider's own variables name, where a login takes
/// everything from them.
pub(super) fn url_from_environment(
    definition: &Definition,
    args: &LoginArgs,
) -> Option<(String, String)> {
    if args.source.from_env.as_deref() != Some("") {
        return None;
    }
    definition.base_url_env.iter().find_map(|variable| {
        let url = named_variable(variable.as_str())?;
        let url = whole_address(definition, url.reveal().trim());
        Some((variable.to_string(), url))
    })
}

/// `127.0.0.1:11434`, as local servers have it, is an address too.
pub(super) fn whole_address(definition: &Definition, url: &str) -> String {
    if definition.allow_http && !url.contains("://") {
        return format!("http://{url}");
    }
    url.to_owned()
}

/// A local model server may be another machine's, but no key goes there that
/// everybody on the way can read.
pub(super) fn refuse_in_the_clear(
    definition: &Definition,
    base_url: Option<&str>,
    given: &BTreeMap<crate::name::FieldName, crate::secret::Secret>,
) -> Result<()> {
    let is_secret = |name: &crate::name::FieldName| {
        definition
            .field(name.as_str())
            .is_none_or(|field| field.is_secret)
    };
    let is_open = base_url.is_some_and(provider::is_in_the_clear);
    if is_open && given.keys().any(is_secret) {
        let message = "The address is http, which would send the key in the clear";
        return Err(Error::new(Kind::InvalidInput, message)
            .with_hint("Put TLS before that server, or store its address without a key."));
    }
    Ok(())
}

/// How a connection of this provider is used that has a fixed key, or none.
///
/// # Errors
/// Its connections have tokens only.
pub(in crate::cli::command) fn kind_of(definition: &Definition) -> Result<AuthKind> {
    use provider::AuthKind as Kinds;
    let fixed = [
        Kinds::ApiKey,
        Kinds::Basic,
        Kinds::AwsSigV4,
        Kinds::JwtBearer,
    ];
    if definition.auth_type() == &Kinds::None {
        Ok(AuthKind::None)
    } else if fixed.iter().any(|kind| definition.supports(kind)) {
        Ok(AuthKind::ApiKey)
    } else {
        let Definition {
            name, display_name, ..
        } = definition;
        let message = format!("{display_name} is logged in to with OAuth, not with a key");
        Err(Error::new(Kind::InvalidInput, message).with_hint(format!("vault login {name}")))
    }
}

pub(super) fn value_of(
    args: &LoginArgs,
    definition: &Definition,
    fields: BTreeMap<crate::name::FieldName, crate::secret::Secret>,
    base_url: Option<String>,
    now: Timestamp,
) -> Result<Value> {
    let local = definition.auth_type() == &provider::AuthKind::None;
    let base_url = base_url.or_else(|| definition.base_url.clone().filter(|_| local));
    let rotate_at = match args.about.rotate_after {
        Some(span) => Some(span.after(now)?),
        None if local => None,
        None => {
            let days = definition.rotate_after_days.unwrap_or(ROTATE_AFTER_DAYS);
            crate::credential::days_after(now, days)
        }
    };
    Ok(Value {
        account: args.about.account.clone(),
        base_url,
        expires_at: args
            .about
            .expires
            .map(|expiry| expiry.after(now))
            .transpose()?,
        rotate_at,
        ..Value::of(fields, now)
    })
}
