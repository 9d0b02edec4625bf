//! `set` and `unset`: plain secrets without a provider.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::init;
use crate::audit::{Entry, Event};
use crate::cli::context::Context;
use crate::cli::environment::named_variable;
use crate::cli::{input, output};
use crate::credential::{AuthKind, Credential, Value, days_after};
use crate::error::{Error, Kind, Result};
use crate::name::VariableName;
use crate::secret::Secret;
use crate::span::{Expiry, Span};
use crate::vault::Document;

pub(super) const ROTATE_AFTER_DAYS: u32 = 90;

/// Store a plain secret, such as DATABASE_URL
#[derive(Debug, Args)]
#[command(
    after_help = "The value is kept byte for byte, but for one trailing newline.\n\nExamples:\n  \
printf '%s' \"$URL\" | vault set DATABASE_URL\n  vault set DEPLOY_KEY --from-file key.pem --force"
)]
pub struct SetArgs {
    /// The variable's name, in capitals
    #[arg(value_name = "NAME")]
    name: VariableName,
    /// Replace what is there; the old value stays in the history
    #[arg(long)]
    force: bool,
    /// Read it from standard input
    #[arg(long, group = "source")]
    stdin: bool,
    /// Take it from an environment variable: this one, or the one of the same name
    #[arg(long, group = "source", value_name = "VAR", num_args = 0..=1, default_missing_value = "")]
    from_env: Option<String>,
    /// Read it from a file
    #[arg(long, group = "source", value_name = "PATH")]
    from_file: Option<PathBuf>,
    /// When it stops working: 2027-01-31 or 90d
    #[arg(long, value_name = "WHEN")]
    expires: Option<Expiry>,
    /// When it should be replaced
    #[arg(long, value_name = "TIME")]
    rotate_after: Option<Span>,
}

/// Remove a plain secret
#[derive(Debug, Args)]
#[command(
    after_help = "Its history stays in the vault, so that it can be restored.\n\nExamples:\n  \
vault unset DATABASE_URL\n  vault restore DATABASE_URL --version 1"
)]
pub struct UnsetArgs {
    /// The variable's name
    #[arg(value_name = "NAME")]
    name: VariableName,
    /// Remove its history, and the backups that hold it, too
    #[arg(long)]
    purge: bool,
}

/// Stores it.
pub fn set(args: &SetArgs, context: &Context) -> Result<()> {
    let name = &args.name;
    let opened = context.open_if_there()?;
    if let Some((_, opened)) = &opened {
        refuse_second(&opened.document, args)?;
    }
    let secret = value_from(args, context)?;
    if secret.is_empty() {
        return Err(
            Error::new(Kind::InvalidInput, format!("The value of {name} is empty")).with_hint(
                format!("Pipe it in: printf '%s' \"$VALUE\" | vault set {name}"),
            ),
        );
    }
    let now = context.now;
    let value = Value {
        expires_at: args.expires.map(|expiry| expiry.after(now)).transpose()?,
        rotate_at: match args.rotate_after {
            Some(span) => Some(span.after(now)?),
            None => days_after(now, ROTATE_AFTER_DAYS),
        },
        ..Value::of(BTreeMap::from([(value_field(), secret)]), now)
    };
    let mut value = Some(value);
    let store = context.store()?;
    let put = |document: &mut Document| {
        refuse_second(document, args)?;
        if let Some(value) = value.take() {
            let existing = document.secret(name).map_err(|bad| store.damaged(bad))?;
            let retired = document
                .retired_secret(name)
                .map_err(|bad| store.damaged(bad))?;
            let credential = Credential::stored(AuthKind::Plain, value, existing, retired);
            document.put_secret(name, &credential);
        }
        Ok(())
    };
    init::store(context, "set", opened.map(|(_, opened)| opened.key), put)?;
    let entry = Entry::new(Event::Set, "set").with("secret", name);
    context.audit(&entry.with_flag("forced", args.force));
    if context.output.json {
        return output::print_json(&json!({"status": "connected", "name": name.as_str()}));
    }
    context.output.note(&format!("Stored {name}."));
    Ok(())
}

pub(super) fn value_field() -> crate::name::FieldName {
    "value".parse().expect("'value' is a field's name")
}

fn value_from(args: &SetArgs, context: &Context) -> Result<Secret> {
    let name = &args.name;
    let what = format!("the value of {name}");
    let read = if let Some(variable) = &args.from_env {
        let variable = if variable.is_empty() {
            name.as_str()
        } else {
            variable
        };
        named_variable(variable).ok_or_else(|| {
            Error::new(
                Kind::InvalidInput,
                format!("{variable} is not set, or empty"),
            )
            .with_hint("Set it for this command alone, or pipe the value in.")
        })?
    } else if let Some(path) = &args.from_file {
        input::read_file(path, &what)?
    } else if args.stdin || input::stdin_is_piped() {
        input::read_stdin(&what, context)?
    } else {
        context
            .terminal
            .ask_masked(&format!("{name}: "))?
            .ok_or_else(|| {
                Error::new(
                    Kind::InvalidInput,
                    "No value was given, and there is no terminal to ask at",
                )
                .with_hint(format!(
                    "Pipe it in: printf '%s' \"$VALUE\" | vault set {name}"
                ))
            })?
    };
    Ok(read.without_trailing_line_feed())
}

fn refuse_second(document: &Document, args: &SetArgs) -> Result<()> {
    let name = &args.name;
    if args.force || !document.secrets().any(|known| known == name) {
        return Ok(());
    }
    Err(
        Error::new(Kind::Conflict, format!("{name} is stored already"))
            .with_hint(format!("Replace it: vault set {name} --force")),
    )
}

/// Removes it.
pub fn unset(args: &UnsetArgs, context: &Context) -> Result<()> {
    let name = &args.name;
    let (store, opened) = context.open()?;
    let missing = || {
        Error::new(Kind::NotFound, format!("There is no plain secret {name}"))
            .with_hint("See what there is: vault list")
    };
    let key = &opened.key;
    let gone = context.commit(&store, key, "unset", |document| {
        let found = document.secret(name).map_err(|bad| store.damaged(bad))?;
        let retired = document
            .retired_secret(name)
            .map_err(|bad| store.damaged(bad))?;
        if found.is_none() && (retired.is_none() || !args.purge) {
            return Err(missing());
        }
        if args.purge {
            document.retire_secret(name, None);
            let gone = found.into_iter().chain(retired);
            return Ok(gone.flat_map(Credential::into_secrets).collect());
        }
        if let Some(mut credential) = found {
            credential.retire(context.now);
            document.retire_secret(name, Some(&credential));
        }
        Ok(Vec::new())
    })?;
    let entry = Entry::new(Event::Unset, "unset").with("secret", name);
    context.audit(&entry.with_flag("purged", args.purge));
    if args.purge {
        super::logout::purge_backups(&store, key, &gone, context, |document| {
            document.secrets().any(|known| known == name)
                || document.retired_secrets().any(|known| known == name)
        })?;
    }
    if context.output.json {
        return output::print_json(&json!({"status": "not_connected", "name": name.as_str()}));
    }
    context.output.note(&format!("Removed {name}."));
    Ok(())
}
