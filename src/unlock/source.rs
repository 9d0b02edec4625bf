//! Reading identities and passphrases from where they were said to be.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Ask, UnlockError};
use crate::files::{self, PrivateFile};
use crate::process::read_descriptor;
use crate::seal::IdentityFile;
use crate::secret::{Secret, SecretBuffer};

const LARGEST_IDENTITY: usize = 1024 * 1024;
const LARGEST_PASSPHRASE: usize = 64 * 1024;

/// Where identities are.
pub enum IdentitySource {
    /// In a file.
    Path(PathBuf),
    /// In the text itself, which came from the named variable.
    Text(&'static str, Secret),
}

impl fmt::Display for IdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Text(variable, _) => f.write_str(variable),
        }
    }
}

/// Where a passphrase is.
pub enum PassphraseSource {
    /// In the text itself, which came from the named variable.
    Text(&'static str, Secret),
    /// In a file.
    File(PathBuf),
    /// At a descriptor that whoever started us left open.
    Descriptor(u32),
    /// What a command prints.
    Command(String),
}

impl fmt::Display for PassphraseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(variable, _) => f.write_str(variable),
            Self::File(path) => path.display().fmt(f),
            Self::Descriptor(number) => write!(f, "descriptor {number}"),
            Self::Command(_) => f.write_str("VAULT_PASSPHRASE_COMMAND"),
        }
    }
}

/// Reads identities, and reports a file that others can read.
///
/// # Errors
/// The file is not there, cannot be read, or holds no identity.
pub fn load_identity(source: &IdentitySource, ask: &dyn Ask) -> Result<IdentityFile, UnlockError> {
    match source {
        IdentitySource::Text(variable, text) => {
            Ok(IdentityFile::parse(text.reveal().as_bytes(), variable)?)
        }
        IdentitySource::Path(path) => {
            let file = files::read_private(path, LARGEST_IDENTITY)?
                .ok_or_else(|| UnlockError::NoIdentityFile(path.clone()))?;
            report_loose(&file, path, "identity", ask);
            Ok(IdentityFile::parse(
                &file.bytes,
                &path.display().to_string(),
            )?)
        }
    }
}

fn report_loose(file: &PrivateFile, path: &Path, what: &str, ask: &dyn Ask) {
    if let Some(mode) = file.loose_mode().filter(|_| is_ours(path)) {
        let path = path.display();
        ask.notice(&format!(
            "Others can read the {what} {path} (mode {mode:o}). Close it: chmod 600 '{path}'"
        ));
    }
}

/// Whether the file belongs to us, so that we could change its mode. (A
/// mounted secret often belongs to root and is right as it is.)
fn is_ours(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.uid() == crate::process::user_id())
}

/// Reads a passphrase and drops one trailing line ending.
///
/// # Errors
/// The source is not there, fails, or is empty.
pub fn load_passphrase(source: &PassphraseSource, ask: &dyn Ask) -> Result<Secret, UnlockError> {
    let bytes = match source {
        PassphraseSource::Text(_, text) => return Ok(text.duplicate().without_trailing_newline()),
        PassphraseSource::File(path) => {
            let file = files::read_private(path, LARGEST_PASSPHRASE)?
                .ok_or_else(|| UnlockError::NoPassphraseFile(path.clone()))?;
            report_loose(&file, path, "passphrase", ask);
            file.bytes
        }
        PassphraseSource::Descriptor(number) => read_descriptor(*number, LARGEST_PASSPHRASE)
            .map_err(|error| UnlockError::Descriptor(*number, error))?
            .into_bytes(),
        PassphraseSource::Command(command) => from_command(command)?.into_bytes(),
    };
    let text = Secret::from_utf8(bytes)
        .map_err(|_| UnlockError::NotText(source.to_string()))?
        .without_trailing_newline();
    if text.is_empty() {
        return Err(UnlockError::Empty(source.to_string()));
    }
    Ok(text)
}

fn from_command(command: &str) -> Result<SecretBuffer, UnlockError> {
    let failed = |reason: String| UnlockError::Command(reason);
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .env_remove("VAULT_PASSPHRASE_COMMAND")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let output = child
        .stdout
        .take()
        .expect("its standard output is a pipe of ours");
    let read = SecretBuffer::read_from(output, 0, LARGEST_PASSPHRASE);
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    let text = read.map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(status.to_string()));
    }
    Ok(text)
}
