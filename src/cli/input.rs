//! Secrets and passphrases that arrive from outside.

use std::path::Path;

use crate::error::Result;
use crate::secret::Secret;
use crate::unlock::{PassphraseSource, load_passphrase};

use super::context::Context;

/// The new passphrase of `rekey` and `init`: from a file, from
/// `VAULT_NEW_PASSPHRASE`, or typed twice. `None` where there is none.
///
/// # Errors
/// A source cannot be read, or the person broke off.
pub fn new_passphrase(context: &Context, file: Option<&Path>) -> Result<Option<Secret>> {
    if let Some(file) = file {
        let source = PassphraseSource::File(file.to_owned());
        return Ok(Some(load_passphrase(&source)?));
    }
    if let Some(value) = &context.environment.new_passphrase {
        let text = Secret::from(value.to_string_lossy().into_owned());
        return Ok(Some(text.without_trailing_newline()));
    }
    let typed = context.terminal.ask_new_passphrase("New passphrase: ")?;
    Ok(typed.filter(|typed| !typed.is_empty()))
}
