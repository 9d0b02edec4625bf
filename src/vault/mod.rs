//! The vault file: what it looks like, how it is read, and how it changes so
//! that nothing acknowledged is ever lost.
//!
//! Always true here: a vault on disk is whole; a change takes effect in one
//! rename; only the holder of the [`lock::Lock`] makes one; a vault that is
//! older than the last one seen here, or another one, is not opened.

mod backup;
mod clients;
mod commit;
mod document;
mod gateway;
mod layout;
mod lock;
mod pin;
mod roster;
mod sealed;
mod shelf;
mod store;

use std::path::PathBuf;

use jiff::Timestamp;

use crate::error::{Error, Kind};
use crate::files::FileError;
use crate::json::JsonError;
use crate::seal::{BadRecipient, Fingerprint, OpenError, SealError};
use crate::text;

pub use backup::{Backup, Purged};
pub use commit::{Change, Keep, Reserve};
pub use document::Document;
pub use layout::Slots;
pub use pin::{Pin, audit_marks};
pub use roster::{Roster, RosterEntry, SlotKind};
pub use sealed::{Opened, Pinned, Sealed, Slotted};
pub use store::{Places, Store};

/// Why a vault cannot be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file is damaged, cut short, or no vault at all.
    #[error("The vault {} is damaged: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The document was written by a newer version.
    #[error("The vault {} was written by a newer version of vault (format {format})", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The format it names.
        format: u64,
    },
    /// A slot that does not belong to this payload.
    #[error("A key slot of the vault {} was swapped: it is not the one that was sealed with it", path.display())]
    SwappedSlot {
        /// Which file.
        path: PathBuf,
    },
    /// An older vault than the one seen last.
    #[error("The vault {} is older than the one last seen here (generation {found}, seen {seen})", path.display())]
    RolledBack {
        /// Which file.
        path: PathBuf,
        /// What it has.
        found: u64,
        /// What the pin has.
        seen: u64,
    },
    /// Another history of the same vault.
    #[error("The vault {} is not the one last seen here: both are generation {generation} with different content", path.display())]
    Forked {
        /// Which file.
        path: PathBuf,
        /// What both have.
        generation: u64,
    },
    /// Another vault, or the same under another key.
    #[error("The vault {} is another one than last seen here (fingerprint {found}, seen {seen})", path.display())]
    Swapped {
        /// Which file.
        path: PathBuf,
        /// What it has.
        found: Fingerprint,
        /// What the pin has.
        seen: Fingerprint,
    },
    /// Not the vault that was asked for by its fingerprint.
    #[error("The vault {} has the fingerprint {found}, not {wanted} as asked", path.display())]
    Unexpected {
        /// Which file.
        path: PathBuf,
        /// What it has.
        found: Fingerprint,
        /// What was asked for.
        wanted: Fingerprint,
    },
    /// Opening it would cost too much.
    #[error("The vault {} cannot be opened: {error}", path.display())]
    TooMuchWork {
        /// Which file.
        path: PathBuf,
        /// How much.
        error: OpenError,
    },
    /// The memory of what was seen here is unreadable.
    #[error("The pin {} is damaged", path.display())]
    DamagedPin {
        /// Which file.
        path: PathBuf,
    },
    /// The key in hand no longer opens it.
    #[error("The key of the vault {} was changed by another process", path.display())]
    KeyChanged {
        /// Which file.
        path: PathBuf,
    },
    /// Somebody else holds the lock.
    #[error("The vault {} has been held by {holder} for more than {seconds} s", path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
        /// Who, as far as it said.
        holder: String,
        /// How long we waited.
        seconds: u64,
    },
    /// It is there already.
    #[error("There is a vault already at {}", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// No backup of that generation.
    #[error("There is no backup {number} of the vault {}", path.display())]
    NoBackup {
        /// Of which vault.
        path: PathBuf,
        /// What was asked for.
        number: String,
    },
    /// A backup of another vault.
    #[error("The earlier file is not one of the vault {}", path.display())]
    Foreign {
        /// Of which vault.
        path: PathBuf,
    },
    /// A vault that was here is not.
    #[error("The vault {} is gone (generation {generation} was seen here)", path.display())]
    Gone {
        /// Which file.
        path: PathBuf,
        /// What the pin has.
        generation: u64,
    },
    /// The vault that was asked for by its fingerprint is not there.
    #[error("There is no vault at {}, and none is made in the place of {wanted}", path.display())]
    Absent {
        /// Which file.
        path: PathBuf,
        /// What was asked for.
        wanted: Fingerprint,
    },
    /// The change is made, but the disk did not confirm it.
    #[error("The vault {} is changed, but the change may not survive a power cut: {error}", path.display())]
    NotDurable {
        /// Which file.
        path: PathBuf,
        /// What failed.
        error: FileError,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        let message = text::printable(&error.to_string()).into_owned();
        let accept = "If you put it there yourself, accept it: vault doctor --accept";
        let (kind, hint) = match error {
            VaultError::File(error) => return error.into(),
            VaultError::Seal(error) => return error.into(),
            VaultError::Damaged { .. } => (
                Kind::Corrupt,
                "Look for an earlier one: vault backups; then: vault backups restore N",
            ),
            VaultError::Newer { .. } => (Kind::Corrupt, "Update vault on this machine."),
            VaultError::SwappedSlot { .. } => (
                Kind::Corrupt,
                "Take an earlier one: vault backups; then: vault backups restore N",
            ),
            VaultError::RolledBack { .. }
            | VaultError::Forked { .. }
            | VaultError::Swapped { .. } => (Kind::Corrupt, accept),
            VaultError::Unexpected { .. } => (
                Kind::Corrupt,
                "Check --vault-fingerprint and VAULT_FINGERPRINT, or take the right file: --file",
            ),
            VaultError::TooMuchWork { .. } => (
                Kind::Corrupt,
                "If you trust the file, allow it: --max-work-factor N",
            ),
            VaultError::DamagedPin { .. } => (
                Kind::Corrupt,
                "Write it anew from the vault as it is: vault doctor --accept",
            ),
            VaultError::KeyChanged { .. } => (Kind::Conflict, "Run the command again."),
            VaultError::Busy { .. } => (
                Kind::Busy,
                "See what it is doing, then run the command again: vault doctor",
            ),
            VaultError::Exists { .. } => (
                Kind::Conflict,
                "Use it as it is: vault list; change its keys with: vault rekey",
            ),
            VaultError::Foreign { .. } => (
                Kind::Corrupt,
                "Open it by itself to see what it is: vault --file PATH list",
            ),
            VaultError::Gone { .. } => (
                Kind::Corrupt,
                "Mount its disk, or put an earlier one back: vault backups; if it is gone for \
                 good: vault doctor --accept",
            ),
            VaultError::Absent { .. } => (
                Kind::Corrupt,
                "Take the right file: --file; or make one without --vault-fingerprint and \
                 VAULT_FINGERPRINT",
            ),
            VaultError::NotDurable { .. } => (Kind::Failed, "Look at the disk: dmesg | tail"),
            VaultError::NoBackup { .. } => (Kind::NotFound, "See what there is: vault backups"),
        };
        Self::new(kind, message).with_hint(hint)
    }
}

/// Turns a problem with the content into one with the file at `path`.
fn damaged(path: &std::path::Path, reason: impl std::fmt::Display) -> VaultError {
    VaultError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// What is wrong with a document.
#[derive(Debug, thiserror::Error)]
pub enum BadDocument {
    /// A newer format.
    #[error("format {0} is newer")]
    Newer(u64),
    /// JSON that is not a document.
    #[error("its document cannot be read: {0}")]
    Json(#[from] JsonError),
    /// One credential that is none.
    #[error("its record of {0} cannot be read: {1}")]
    Record(String, JsonError),
    /// A name that cannot be one.
    #[error("its document holds a name that is none")]
    Name,
    /// A recipient on the roster that is none.
    #[error("its roster cannot be read: {0}")]
    Roster(#[from] BadRecipient),
}

/// A random UUID, version 4.
fn new_vault_id() -> String {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes).expect("the system gives random bytes");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A digest of bytes as hexadecimal digits.
fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What a change needs to know about the moment it is made in.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
    /// The command that makes it, for those who wait for the lock.
    pub command: &'a str,
}

#[cfg(test)]
mod tests;
