//! Secrets that arrive from outside: standard input, files, the environment,
//! a person. Never the command line.

use std::io::IsTerminal;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;

use crate::error::{Error, Kind, Result};
use crate::files;
use crate::secret::{Secret, SecretBuffer};
use crate::unlock::{PassphraseSource, load_passphrase};

use super::context::Context;

/// The largest secret that is taken.
const LARGEST: usize = 1024 * 1024;
/// How long nothing may come before a person is told what is waited for.
const PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Whether something other than a keyboard stands at standard input.
pub fn stdin_is_piped() -> bool {
    !std::io::stdin().is_terminal()
}

/// Whether another program is at standard input, which may have more to say.
pub fn stdin_speaks() -> bool {
    let found = rustix::fs::fstat(rustix::stdio::stdin());
    found.is_ok_and(|found| {
        let kind = FileType::from_raw_mode(found.st_mode);
        matches!(kind, FileType::Fifo | FileType::Socket)
    })
}

/// Whether standard input holds text now, or soon: more than its end.
pub fn stdin_holds_text() -> bool {
    let stdin = rustix::stdio::stdin();
    stdin_is_piped() && stdin_has_data() && rustix::io::ioctl_fionread(stdin).is_ok_and(|n| n > 0)
}

/// Reads all of standard input, and says so when nothing comes for a while.
///
/// # Errors
/// It cannot be read, is too large, or is not text.
pub fn read_stdin(what: &str, context: &Context) -> Result<Secret> {
    if context.passphrase_descriptors().contains(&0) {
        let message = format!("Standard input cannot be both the passphrase and {what}");
        return Err(Error::new(Kind::Usage, message)
            .with_hint("Give the passphrase elsewhere: --passphrase-file PATH"));
    }
    let mut ready = [PollFd::from_borrowed_fd(
        rustix::stdio::stdin(),
        PollFlags::IN,
    )];
    if poll(&mut ready, Some(&PATIENCE)) == Ok(0) {
        context
            .output
            .note(&format!("Waiting for {what} on standard input…"));
    }
    // Past the library's own buffer, which is not wiped.
    let bytes = SecretBuffer::read_from(rustix::stdio::stdin(), 0, LARGEST).map_err(|error| {
        Error::new(
            Kind::Failed,
            format!("Cannot read {what} from standard input"),
        )
        .with_source(error)
        .with_hint("Give a file or a pipe of at most 1 MiB.")
    })?;
    text_of(bytes, what)
}

/// Reads a file that holds a secret.
///
/// # Errors
/// It is not there, cannot be read, or is not text.
pub fn read_file(path: &Path, what: &str) -> Result<Secret> {
    let file = files::read_private(path, LARGEST)?.ok_or_else(|| {
        Error::new(Kind::Failed, format!("There is no file {}", path.display()))
            .with_hint("Check the path; --stdin takes the secret from a pipe.")
    })?;
    Secret::from_utf8(file.bytes).map_err(|_| not_text(what))
}

fn text_of(bytes: SecretBuffer, what: &str) -> Result<Secret> {
    Secret::from_utf8(bytes.into_bytes()).map_err(|_| not_text(what))
}

fn not_text(what: &str) -> Error {
    Error::new(
        Kind::InvalidInput,
        format!("What was given as {what} is not UTF-8 text"),
    )
    .with_hint("Encode it as text first, such as with: base64 -w0 FILE")
}

/// The new passphrase of `rekey` and `init`: from a file, from
/// `VAULT_NEW_PASSPHRASE`, or typed twice. `None` where there is none.
///
/// # Errors
/// A source cannot be read, or the person broke off.
pub fn new_passphrase(context: &Context, file: Option<&Path>) -> Result<Option<Secret>> {
    if let Some(file) = file {
        let source = PassphraseSource::File(file.to_owned());
        return Ok(Some(load_passphrase(&source, &context.terminal)?));
    }
    if let Some(value) = &context.environment.new_passphrase {
        let value = value
            .to_str()
            .ok_or_else(|| not_text("VAULT_NEW_PASSPHRASE"))?;
        let text = Secret::from(value.to_owned());
        let source = PassphraseSource::Text("VAULT_NEW_PASSPHRASE", text);
        return Ok(Some(load_passphrase(&source, &context.terminal)?));
    }
    let typed = context.terminal.ask_new_passphrase("New passphrase: ")?;
    Ok(typed.filter(|typed| !typed.is_empty()))
}

/// Whether standard input has anything to read, or has it soon. A closed pipe
/// or an empty file has not.
pub fn stdin_has_data() -> bool {
    let stdin = rustix::stdio::stdin();
    let mut ready = [PollFd::from_borrowed_fd(stdin, PollFlags::IN)];
    let readable = poll(&mut ready, Some(&PATIENCE)).is_ok_and(|count| count > 0);
    readable && rustix::io::ioctl_fionread(stdin).is_ok_and(|bytes| bytes > 0)
}
