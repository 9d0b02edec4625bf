//! `default` and `rename`: which connection is meant, and what it is called.

use clap::Args;
use serde_json::json;

use crate::audit::{Entry, Event};
use crate::broker::select;
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{Error, Kind, Result};
use crate::name::{ConnectionId, ConnectionName, ConnectionRef};

/// Choose the connection that is used when none is named
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vault default openai/team\n  vault default openai   # which is it?"
)]
pub struct DefaultArgs {
    /// PROVIDER/CONNECTION; with the provider alone, tells which it is
    #[arg(value_name = "P/C")]
    target: ConnectionRef,
    /// The connection of the provider
    #[arg(long, short, value_name = "NAME")]
    connection: Option<ConnectionName>,
}

/// Give a connection another name
#[derive(Debug, Args)]
#[command(
    after_help = "Its history and that it is the default go with it.\n\nExamples:\n  vault rename openai/team work\n  vault rename openai default2"
)]
pub struct RenameArgs {
    /// The connection
    #[arg(value_name = "P/C")]
    target: ConnectionRef,
    /// The connection of the provider
    #[arg(long, short, value_name = "NAME")]
    connection: Option<ConnectionName>,
    /// Its new name
    #[arg(value_name = "NEW")]
    new: ConnectionName,
}

/// Chooses, or tells.
pub fn default(args: &DefaultArgs, context: &Context) -> Result<()> {
    let reference = select::named(&args.target, args.connection.as_ref())?;
    let (_, opened) = context.open()?;
    if reference.connection.is_none() {
        let id = select::existing(&opened.document, &reference)?;
        if context.output.json {
            return print_changed(&id, context);
        }
        return output::print(&format!("{id}\n"));
    }
    let id = context.change("default", |document| {
        let id = select::existing(document, &reference)?;
        document.choose_default(&id);
        Ok(id)
    })?;
    context.audit(&Entry::new(Event::Default, "default").on(&id));
    if context.output.json {
        return print_changed(&id, context);
    }
    context.output.note(&format!(
        "{id} is used when no connection of {} is named.",
        id.provider
    ));
    Ok(())
}

/// Renames.
pub fn rename(args: &RenameArgs, context: &Context) -> Result<()> {
    let reference = select::named(&args.target, args.connection.as_ref())?;
    let place = context.store()?;
    let (old, new) = context.change("rename", |document| {
        let old = select::existing(document, &reference)?;
        let new = ConnectionId {
            provider: old.provider.clone(),
            connection: args.new.clone(),
        };
        if document
            .connections_of(&old.provider)
            .contains(&&new.connection)
        {
            return Err(Error::new(
                Kind::Conflict,
                format!("There is a connection {new} already"),
            )
            .with_hint(format!(
                "Give another name, or remove that one: vault logout {new}"
            )));
        }
        document
            .rename_connection(&old, &new.connection)
            .map_err(|bad| place.damaged(bad))?;
        Ok((old, new))
    })?;
    let entry = Entry::new(Event::Rename, "rename").on(&old);
    context.audit(&entry.with("to", &new));
    if context.output.json {
        return print_changed(&new, context);
    }
    context.output.note(&format!("{old} is now {new}."));
    Ok(())
}

fn print_changed(id: &ConnectionId, context: &Context) -> Result<()> {
    let (store, opened) = context.open()?;
    let found = opened
        .document
        .connection(id)
        .map_err(|bad| store.damaged(bad))?;
    output::print_json(&json!({
        "status": found.map(|credential| credential.status_at(context.now).as_str()),
        "provider": id.provider.as_str(),
        "connection": id.connection.as_str(),
    }))
}
