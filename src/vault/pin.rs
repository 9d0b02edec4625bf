//! What was last seen of a vault on this machine, so that an older one, or
//! another one, is noticed; and how long the audit log was then, so that it is
//! noticed where that is gone.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lock::PATIENCE;
use super::{VaultError, digest};
use crate::files::{self, FileError, PathContext};
use crate::seal::Fingerprint;

const LARGEST: usize = 4096;

/// The memory of one vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The vault's UUID.
    pub vault_id: String,
    /// Which key it has.
    pub fingerprint: Fingerprint,
    /// The highest generation seen.
    pub generation: u64,
    /// The digest of its payload at that generation.
    pub payload: String,
    /// The key that it is about to have: a writer that changes the key says
    /// so before it does, so that no instant is left in which the vault and
    /// its pin disagree.
    pub next: Option<(Fingerprint, u64)>,
    /// The last line of the audit log, as its head tells it. What is written
    /// is the furthest that was ever there, whatever stands here.
    pub audit: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    path: String,
    vault: String,
    fingerprint: String,
    generation: u64,
    payload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Next>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audit: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Next {
    fingerprint: String,
    generation: u64,
}

/// Where the pin of one vault lies.
pub(super) struct PinFile {
    path: PathBuf,
    vault: PathBuf,
}

impl PinFile {
    pub(super) fn new(state: &Path, vault: &Path) -> Self {
        let name = digest(vault.as_os_str().as_bytes());
        Self {
            path: state.join(format!("pin-{}.json", &name[..16])),
            vault: vault.to_owned(),
        }
    }

    #[cfg(test)]
    pub(super) fn folder(&self) -> &Path {
        files::folder_of(&self.path)
    }

    /// The pin, unless this vault was never seen here.
    pub(super) fn read(&self) -> Result<Option<Pin>, VaultError> {
        let damaged = || VaultError::DamagedPin {
            path: self.path.clone(),
        };
        let file = match files::read_private(&self.path, LARGEST) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            // No pin can be in a folder that is none; `doctor` says so.
            Err(error) if error.io_kind() == io::ErrorKind::NotADirectory => return Ok(None),
            Err(error) if error.io_kind() == io::ErrorKind::FileTooLarge => return Err(damaged()),
            Err(error) => return Err(error.into()),
        };
        let written: Written = serde_json::from_slice(&file.bytes).map_err(|_| damaged())?;
        let next = written.next.map(|next| -> Result<_, VaultError> {
            let fingerprint = next.fingerprint.parse().map_err(|_| damaged())?;
            Ok((fingerprint, next.generation))
        });
        Ok(Some(Pin {
            vault_id: written.vault,
            fingerprint: written.fingerprint.parse().map_err(|_| damaged())?,
            generation: written.generation,
            payload: written.payload,
            next: next.transpose()?,
            audit: written.audit.filter(|mark| is_mark(mark)),
        }))
    }

    /// Forgets the vault.
    pub(super) fn forget(&self) -> Result<(), FileError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.at("remove", &self.path),
        }
    }

    /// Remembers what a reader saw, unless something newer is remembered by
    /// now. Where somebody is writing the pin at this moment, it is left to
    /// them.
    pub(super) fn raise(&self, pin: &Pin) -> Result<(), VaultError> {
        let Some(_guard) = self.guard(Duration::ZERO)? else {
            return Ok(());
        };
        match self.read() {
            Ok(Some(seen)) if seen.generation >= pin.generation => Ok(()),
            _ => Ok(self.write(pin)?),
        }
    }

    /// Remembers `pin`, whatever was remembered. For the holder of the
    /// vault's lock.
    pub(super) fn set(&self, pin: &Pin) -> Result<(), VaultError> {
        let _guard = self.guard(PATIENCE)?.ok_or_else(|| VaultError::Busy {
            path: self.vault.clone(),
            holder: "a process that remembers it".to_owned(),
            seconds: PATIENCE.as_secs(),
        })?;
        Ok(self.write(pin)?)
    }

    fn write(&self, pin: &Pin) -> Result<(), FileError> {
        files::sweep_temporary(&self.path);
        let next = pin.next.as_ref().map(|(fingerprint, generation)| Next {
            fingerprint: fingerprint.to_string(),
            generation: *generation,
        });
        let written = Written {
            path: self.vault.display().to_string(),
            vault: pin.vault_id.clone(),
            fingerprint: pin.fingerprint.to_string(),
            generation: pin.generation,
            payload: pin.payload.clone(),
            next,
            audit: self.furthest_mark(),
        };
        let mut text = serde_json::to_vec(&written).expect("names and numbers serialise");
        text.push(b'\n');
        files::replace_private(&self.path, &text)
    }

    /// The last line of the audit log: what is kept beside the log, or what
    /// was remembered if that is further. A log that became shorter does not
    /// make us forget that it was longer.
    fn furthest_mark(&self) -> Option<String> {
        let head = files::folder_of(&self.path).join("audit.head");
        let kept = files::read_private(&head, LARGEST).ok().flatten();
        let kept = kept.and_then(|kept| {
            let line = kept.bytes.split(|byte| *byte == b'\n').next()?;
            String::from_utf8(line.to_owned()).ok()
        });
        let seen = self.read().ok().flatten().and_then(|seen| seen.audit);
        // Of one length, and the number first: as text they are in order.
        kept.filter(|mark| is_mark(mark)).max(seen)
    }

    /// The pins' own lock, held for the moment that it takes to read and
    /// write one small file.
    fn guard(&self, patience: Duration) -> Result<Option<File>, FileError> {
        let folder = files::folder_of(&self.path);
        files::make_private_folder(folder)?;
        files::lock(&folder.join(".pins.lock"), patience)
    }
}

/// What the pins of all vaults in this state folder remember of its audit log.
pub fn audit_marks(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(state).into_iter().flatten().flatten();
    let is_pin = |name: &str| name.starts_with("pin-") && name.ends_with(".json");
    let pins = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_pin));
    let read = pins.filter_map(|entry| files::read_private(&entry.path(), LARGEST).ok()?);
    let written = read.filter_map(|file| serde_json::from_slice::<Written>(&file.bytes).ok());
    let marks = written.filter_map(|written| written.audit);
    marks.filter(|mark| is_mark(mark)).collect()
}

/// Twenty digits, a space and a digest: the form of `audit::Mark`, which is
/// not for this room to understand.
fn is_mark(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_hexadecimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    bytes.len() == 85
        && bytes[..20].iter().all(u8::is_ascii_digit)
        && bytes[20] == b' '
        && bytes[21..].iter().all(is_hexadecimal)
}
