//! Reading identities and passphrases from where they were said to be.

use std::cell::OnceCell;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

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

/// Identities that were given, read once: a pipe gives them only once.
pub struct GivenIdentity {
    source: IdentitySource,
    content: OnceCell<Zeroizing<Vec<u8>>>,
}

impl From<IdentitySource> for GivenIdentity {
    fn from(source: IdentitySource) -> Self {
        let content = OnceCell::new();
        Self { source, content }
    }
}

impl fmt::Display for GivenIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl GivenIdentity {
    /// The file that it comes from.
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            IdentitySource::Path(path) => Some(path),
            IdentitySource::Text(..) => None,
        }
    }

    /// Reads identities, and reports a file that others can read.
    ///
    /// # Errors
    /// The file is not there, cannot be read, or holds no identity.
    pub fn load(&self, ask: &dyn Ask) -> Result<IdentityFile, UnlockError> {
        let path = match &self.source {
            IdentitySource::Text(variable, text) => {
                return Ok(IdentityFile::parse(text.reveal().as_bytes(), variable)?);
            }
            IdentitySource::Path(path) => path,
        };
        let content = match self.content.get() {
            Some(content) => content,
            None => {
                let file = files::read_private(path, LARGEST_IDENTITY)?
                    .ok_or_else(|| UnlockError::NoIdentityFile(path.clone()))?;
                report_loose(&file, path, "identity", ask);
                self.content.get_or_init(|| file.bytes)
            }
        };
        Ok(IdentityFile::parse(content, &path.display().to_string())?)
    }
}

/// A passphrase that was given, read once and only when it is needed: a pipe
/// gives it only once, and a command may ask a person for it.
pub struct GivenPassphrase {
    source: PassphraseSource,
    text: OnceCell<Secret>,
}

impl From<PassphraseSource> for GivenPassphrase {
    fn from(source: PassphraseSource) -> Self {
        let text = OnceCell::new();
        Self { source, text }
    }
}

impl fmt::Display for GivenPassphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl GivenPassphrase {
    /// The file that it comes from.
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            PassphraseSource::File(path) => Some(path),
            _ => None,
        }
    }

    /// The passphrase.
    ///
    /// # Errors
    /// See [`load_passphrase`].
    pub fn text(&self, ask: &dyn Ask) -> Result<&Secret, UnlockError> {
        if let Some(text) = self.text.get() {
            return Ok(text);
        }
        let text = load_passphrase(&self.source, ask)?;
        Ok(self.text.get_or_init(|| text))
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

/// Reads a passphrase and drops one trailing line ending. What is left is
/// never empty: the empty passphrase protects nothing.
///
/// # Errors
/// The source is not there, fails, or is empty.
pub fn load_passphrase(source: &PassphraseSource, ask: &dyn Ask) -> Result<Secret, UnlockError> {
    let text = read_passphrase(source, ask)?.without_trailing_newline();
    if text.is_empty() {
        return Err(UnlockError::Empty(source.to_string()));
    }
    Ok(text)
}

fn read_passphrase(source: &PassphraseSource, ask: &dyn Ask) -> Result<Secret, UnlockError> {
    let bytes = match source {
        PassphraseSource::Text(_, text) => return Ok(text.duplicate()),
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
    Secret::from_utf8(bytes).map_err(|_| UnlockError::NotText(source.to_string()))
}

/// What holds a secret, or would have the command call itself.
const NOT_FOR_COMMANDS: [&str; 4] = [
    "VAULT_PASSPHRASE_COMMAND",
    "VAULT_PASSPHRASE",
    "VAULT_NEW_PASSPHRASE",
    "VAULT_IDENTITY",
];

fn from_command(command: &str) -> Result<SecretBuffer, UnlockError> {
    let failed = |reason: String| UnlockError::Command(reason);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    for variable in NOT_FOR_COMMANDS {
        shell.env_remove(variable);
    }
    let mut child = shell
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
