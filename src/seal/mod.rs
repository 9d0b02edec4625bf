//! Sealing and opening: the only place that knows the `age` library.
//!
//! Every part of a vault file is an armored age file. What arrives here may
//! be hostile, so the header is looked at, and refused, before the library
//! does any work that the header asks for (see [`header`]).

mod armor;
mod header;
mod identity;
mod key;
mod recipient;

use std::io::{Read, Write};
use std::sync::Arc;

use age::armor::{ArmoredWriter, Format};
use zeroize::Zeroizing;

use crate::error::{Error, Kind};
use crate::secret::{Secret, SecretBuffer};

pub use header::{DEFAULT_WORK_FACTOR, MAX_RECIPIENTS, MAX_WORK_FACTOR};
use identity::Prepared;
pub use identity::{BadIdentity, IdentityFile};
pub use key::{BadFingerprint, Fingerprint, VaultKey};
pub use recipient::{BadRecipient, Recipient, RecipientKind};

/// What opens a slot.
pub enum Opener<'a> {
    /// The words that a person or a CI secret supplied.
    Passphrase(&'a Secret),
    /// Private keys; one of them may match.
    Identities(&'a IdentityFile),
}

/// How plugins talk to a person. The command line implements it.
pub trait PluginPrompt: Send + Sync {
    /// Something to do, such as touching a hardware key.
    fn notice(&self, message: &str);
    /// A PIN or passphrase; `None` where nobody can be asked.
    fn secret(&self, prompt: &str) -> Option<Secret>;
    /// A plain answer; `None` where nobody can be asked.
    fn answer(&self, prompt: &str) -> Option<String>;
    /// A choice between two; `None` where nobody can be asked.
    fn confirm(&self, prompt: &str, yes: &str, no: Option<&str>) -> Option<bool>;
}

/// A handle on the prompts, as plugins keep one each.
#[derive(Clone)]
pub struct Prompts(pub Arc<dyn PluginPrompt>);

impl Prompts {
    /// Prompts that reach nobody, for what must not ask.
    pub fn nobody() -> Self {
        struct Nobody;
        impl PluginPrompt for Nobody {
            fn notice(&self, _: &str) {}
            fn secret(&self, _: &str) -> Option<Secret> {
                None
            }
            fn answer(&self, _: &str) -> Option<String> {
                None
            }
            fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
                None
            }
        }
        Self(Arc::new(Nobody))
    }
}

impl age::Callbacks for Prompts {
    fn display_message(&self, message: &str) {
        self.0.notice(message);
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        self.0.confirm(message, yes, no)
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        self.0.answer(description)
    }

    fn request_passphrase(&self, description: &str) -> Option<age::secrecy::SecretString> {
        let secret = self.0.secret(description)?;
        Some(age::secrecy::SecretString::from(secret.reveal().to_owned()))
    }
}

/// Why something sealed did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is no age file, or one that was cut or changed.
    #[error("{0}")]
    Damaged(String),
    /// Opening would cost more than we are willing to spend unasked.
    #[error("it asks for scrypt work 2^{asked}, more than the limit of 2^{limit}")]
    TooMuchWork {
        /// log2 N in the header.
        asked: u32,
        /// The largest that is allowed.
        limit: u8,
    },
    /// The passphrase is not the one.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// None of the identities is among the recipients.
    #[error("no identity matches")]
    NoMatch,
    /// A plugin is missing or failed.
    #[error("{0}")]
    Plugin(String),
}

/// Why something could not be sealed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SealError(String);

impl SealError {
    /// The library does not say which of its plugins broke off; the roster
    /// has few enough to name them.
    fn naming_plugins(self, recipients: &[Recipient]) -> Self {
        let mut names: Vec<_> = recipients
            .iter()
            .filter_map(|recipient| match recipient.kind() {
                RecipientKind::Plugin(name) => Some(format!("'age-plugin-{name}'")),
                _ => None,
            })
            .collect();
        names.dedup();
        match self.0.strip_prefix("a plugin ") {
            Some(what) if !names.is_empty() => Self(format!("{} {what}", names.join(" or "))),
            _ => self,
        }
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::new(Kind::Failed, "Cannot seal the vault")
            .with_source(error)
            .with_hint("Nothing was changed. Look at the recipients, and whether their plugins are in PATH and work.")
    }
}

/// Seals the vault's key under a passphrase.
///
/// # Errors
/// Sealing failed.
pub fn seal_to_passphrase(
    key: &VaultKey,
    passphrase: &Secret,
    work_factor: u8,
) -> Result<String, SealError> {
    if passphrase.is_empty() {
        return Err(SealError("the passphrase is empty".to_owned()));
    }
    let text = age::secrecy::SecretString::from(passphrase.reveal().to_owned());
    // `new` times a small scrypt to pick a number of its own, which may be
    // 2^20; ours replaces it.
    let mut recipient = age::scrypt::Recipient::new(text);
    recipient.set_work_factor(work_factor);
    seal(&[Box::new(recipient)], key.slot_text().as_bytes())
}

/// Seals the vault's key to everyone on the roster.
///
/// # Errors
/// There are none or too many recipients, they cannot be mixed, or a plugin
/// is missing or failed.
pub fn seal_to_recipients(
    key: &VaultKey,
    recipients: &[Recipient],
    prompts: &Prompts,
) -> Result<String, SealError> {
    if recipients.len() > MAX_RECIPIENTS {
        return Err(SealError(format!(
            "{} recipients are more than the limit of {MAX_RECIPIENTS}",
            recipients.len()
        )));
    }
    let wrapped = recipient::for_age(recipients, prompts)?;
    let sealed = seal(&wrapped, key.slot_text().as_bytes())
        .map_err(|error| error.naming_plugins(recipients))?;
    let mut binary = armor::reader(sealed.as_bytes()).map_err(seal_error)?;
    header::check(&mut binary, MAX_WORK_FACTOR).map_err(seal_error)?;
    Ok(sealed)
}

/// Opens a slot.
///
/// # Errors
/// See [`OpenError`]. `max_work_factor` bounds what a passphrase may cost.
pub fn open_slot(
    armored: &[u8],
    opener: &Opener<'_>,
    max_work_factor: u8,
    prompts: &Prompts,
) -> Result<VaultKey, OpenError> {
    let plain = match opener {
        Opener::Passphrase(passphrase) => {
            open_with_passphrase(armored, passphrase, max_work_factor)?
        }
        Opener::Identities(file) => open_with_identities(armored, file, max_work_factor, prompts)?,
    };
    VaultKey::from_slot_text(&plain)
        .ok_or_else(|| OpenError::Damaged("the slot holds no vault key".to_owned()))
}

/// Tries one identity after the other: a plugin that fails, say for a key
/// that is not plugged in, does not stand before the next one.
fn open_with_identities(
    sealed: &[u8],
    file: &IdentityFile,
    max_work_factor: u8,
    prompts: &Prompts,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (identities, mut failed) = file.for_age(prompts);
    for Prepared { identity, plugin } in &identities {
        match open(sealed, max_work_factor, std::iter::once(&**identity)) {
            Err(OpenError::NoMatch) => {}
            Err(OpenError::Plugin(reason)) => {
                let name = format!("age-plugin-{}", plugin.as_deref().unwrap_or("NAME"));
                failed = Some(match reason.contains(&name) {
                    true => reason,
                    false => format!("{name} failed: {reason}"),
                });
            }
            opened => return opened,
        }
    }
    Err(failed.map_or(OpenError::NoMatch, OpenError::Plugin))
}

fn open_with_passphrase(
    sealed: &[u8],
    passphrase: &Secret,
    max_work_factor: u8,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let text = age::secrecy::SecretString::from(passphrase.reveal().to_owned());
    let mut identity = age::scrypt::Identity::new(text);
    identity.set_max_work_factor(max_work_factor);
    let opened = open(sealed, max_work_factor, std::iter::once(&identity as _));
    opened.map_err(|error| match error {
        // A stanza that decrypts wrongly: for a passphrase that is the
        // passphrase's fault before it is the file's.
        OpenError::NoMatch => OpenError::WrongPassphrase,
        other => other,
    })
}

fn seal(recipients: &[Box<dyn age::Recipient + Send>], plain: &[u8]) -> Result<String, SealError> {
    let encryptor = age::Encryptor::with_recipients(
        recipients
            .iter()
            .map(|recipient| &**recipient as &dyn age::Recipient),
    )
    .map_err(encrypt_error)?;
    let mut armored = Vec::with_capacity(plain.len() * 14 / 10 + 1024);
    let writer =
        ArmoredWriter::wrap_output(&mut armored, Format::AsciiArmor).map_err(seal_error)?;
    let mut stream = encryptor.wrap_output(writer).map_err(seal_error)?;
    stream.write_all(plain).map_err(seal_error)?;
    stream
        .finish()
        .and_then(ArmoredWriter::finish)
        .map_err(seal_error)?;
    String::from_utf8(armored).map_err(seal_error)
}

fn seal_error(error: impl std::fmt::Display) -> SealError {
    SealError(first_line(error))
}

/// What the library says, without the marks that it puts around names, and
/// without its advice to have private keys printed.
fn first_line(error: impl std::fmt::Display) -> String {
    let mut text = error.to_string();
    text.truncate(text.find('\n').unwrap_or(text.len()));
    text.replace(['\u{2068}', '\u{2069}'], "")
}

/// A plugin that breaks off is told in our words: the library's advise to set
/// `AGEDEBUG`, which prints keys.
fn encrypt_error(error: age::EncryptError) -> SealError {
    match error {
        // Nothing else does input or output while it wraps a key.
        age::EncryptError::Io(error) => SealError(format!("a plugin {}", broken_off(&error))),
        other => seal_error(other),
    }
}

fn broken_off(error: &std::io::Error) -> String {
    use std::io::ErrorKind::BrokenPipe;
    match error.raw_os_error().filter(|_| error.kind() != BrokenPipe) {
        Some(_) => format!("could not be talked to ({error})"),
        None => "ended before it answered".to_owned(),
    }
}

fn open<'a>(
    sealed: &[u8],
    max_work_factor: u8,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut reader = begin(sealed, max_work_factor, identities)?;
    // Room for everything at once: a buffer that grows would leave copies.
    let mut plain = SecretBuffer::with_capacity(armor::room(sealed)).into_bytes();
    reader
        .read_to_end(&mut plain)
        .map_err(|_| OpenError::Damaged("it was cut short or changed".to_owned()))?;
    Ok(plain)
}

/// Checks and opens the header; what is returned reads the rest.
fn begin<'s, 'a>(
    sealed: &'s [u8],
    max_work_factor: u8,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<impl Read + 's, OpenError> {
    header::check(&mut armor::reader(sealed)?, max_work_factor)?;
    age::Decryptor::new_buffered(armor::reader(sealed)?)
        .map_err(|error| open_error(error, max_work_factor))?
        .decrypt(identities)
        .map_err(|error| match error {
            // The header and the nonce are read: what is still read and
            // written here goes to and comes from a plugin.
            age::DecryptError::Io(error) => OpenError::Plugin(format!("it {}", broken_off(&error))),
            other => open_error(other, max_work_factor),
        })
}

fn open_error(error: age::DecryptError, limit: u8) -> OpenError {
    use age::DecryptError;
    match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed => OpenError::NoMatch,
        // Never displayed: its own message can overflow.
        DecryptError::ExcessiveWork { required, .. } => OpenError::TooMuchWork {
            asked: required.into(),
            limit,
        },
        DecryptError::InvalidMac => {
            OpenError::Damaged("its header was changed after it was sealed".to_owned())
        }
        DecryptError::Plugin(_) | DecryptError::PluginResolve(_) => {
            OpenError::Plugin(first_line(error))
        }
        other => OpenError::Damaged(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
