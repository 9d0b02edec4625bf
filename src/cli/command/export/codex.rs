//! `export openai-codex --format codex-auth`: the login of ChatGPT as the
//! Codex CLI keeps it. The one form that a refresh token goes into, since it
//! is the whole of what that program reads.

use std::path::Path;

use super::{CODEX_AUTH, ExportArgs, put};
use crate::audit::{Entry, Event};
use crate::broker::select;
use crate::cli::context::Context;
use crate::error::{Error, Kind, Result};
use crate::flow::codex;
use crate::name::{ConnectionRef, Target};
use crate::provider::Protocol;
use crate::secret::SecretBuffer;

/// Writes the one login that was named.
pub(super) fn export(args: &ExportArgs, context: &Context) -> Result<()> {
    let reference = named(args)?;
    let definition = context.catalog()?.find(&reference.provider)?.definition;
    let oauth = definition.oauth.as_ref();
    if oauth.is_none_or(|oauth| oauth.protocol != Protocol::Codex) {
        return Err(wrong_call(&format!(
            "{CODEX_AUTH} is for the login of Codex, and {} is none",
            definition.name
        )));
    }
    let Some((store, opened)) = context.open_if_there()? else {
        return Err(select::not_connected(reference));
    };
    let id = select::existing(&opened.document, reference)?;
    let found = opened.document.connection(&id);
    let credential = found.map_err(|bad| store.damaged(bad))?;
    let credential = credential.ok_or_else(|| select::not_connected(reference))?;
    let credential = context.fresh(&store, &opened.key, &id, &definition, credential)?;
    let file = codex::write_auth_file(&credential.value).ok_or_else(|| {
        let message = format!("{id} holds no whole login of ChatGPT");
        Error::new(Kind::InvalidInput, message)
            .with_hint(format!("Log in again: vault login {id} --force"))
    })?;
    let mut text = SecretBuffer::with_capacity(file.len());
    text.push(file.reveal().as_bytes());
    let entry = Entry::new(Event::Export, "export").with_list("connections", [&id]);
    let output = args.output.as_deref().map(Path::display);
    context.audit(&entry.with("format", CODEX_AUTH).with_some("output", output));
    put(&text, args.output.as_deref())?;
    context.output.note(codex::SHARED);
    Ok(())
}

fn named(args: &ExportArgs) -> Result<&ConnectionRef> {
    if !args.prefix.is_empty() || !args.name.is_empty() {
        let message = format!("{CODEX_AUTH} has no variables to name");
        return Err(wrong_call(&message));
    }
    match &args.targets[..] {
        [Target::Connection(reference)] => Ok(reference),
        _ => Err(wrong_call(&format!("{CODEX_AUTH} takes one connection"))),
    }
}

fn wrong_call(message: &str) -> Error {
    Error::new(Kind::Usage, message)
        .with_hint("vault export openai-codex --format codex-auth --output ~/.codex/auth.json")
}
