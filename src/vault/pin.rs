//! What was last seen of a vault on this machine, so that an older one, or
//! another one, is noticed.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{VaultError, digest};
use crate::files::{self, FileError};
use crate::seal::Fingerprint;

const LARGEST: usize = 4096;

/// The memory of one vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Which vault.
    pub fingerprint: Fingerprint,
    /// The highest generation seen.
    pub generation: u64,
    /// The digest of its payload at that generation.
    pub payload: String,
}

#[derive(Serialize, Deserialize)]
struct Written {
    vault: String,
    fingerprint: String,
    generation: u64,
    payload: String,
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

    /// The pin, unless this vault was never seen here.
    pub(super) fn read(&self) -> Result<Option<Pin>, VaultError> {
        let damaged = || VaultError::DamagedPin {
            path: self.path.clone(),
        };
        let file = match files::read_private(&self.path, LARGEST) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(error) if error.io_kind() == io::ErrorKind::FileTooLarge => return Err(damaged()),
            Err(error) => return Err(error.into()),
        };
        let written: Written = serde_json::from_slice(&file.bytes).map_err(|_| damaged())?;
        Ok(Some(Pin {
            fingerprint: written.fingerprint.parse().map_err(|_| damaged())?,
            generation: written.generation,
            payload: written.payload,
        }))
    }

    /// Remembers what a reader saw, unless something newer is remembered by
    /// now. Where somebody is writing the pin at this moment, it is left to
    /// them.
    pub(super) fn raise(&self, pin: &Pin) -> Result<(), FileError> {
        files::make_private_folder(files::folder_of(&self.path))?;
        let Some(_guard) = self.guard(false)? else {
            return Ok(());
        };
        match self.read() {
            Ok(Some(seen)) if seen.generation >= pin.generation => Ok(()),
            _ => self.write(pin),
        }
    }

    /// Remembers `pin`, whatever was remembered. For the holder of the
    /// vault's lock.
    pub(super) fn set(&self, pin: &Pin) -> Result<(), FileError> {
        files::make_private_folder(files::folder_of(&self.path))?;
        let _guard = self.guard(true)?;
        self.write(pin)
    }

    fn write(&self, pin: &Pin) -> Result<(), FileError> {
        files::sweep_temporary(&self.path);
        let written = Written {
            vault: self.vault.display().to_string(),
            fingerprint: pin.fingerprint.to_string(),
            generation: pin.generation,
            payload: pin.payload.clone(),
        };
        let mut text = serde_json::to_vec(&written).expect("names and numbers serialise");
        text.push(b'\n');
        files::replace_private(&self.path, &text)
    }

    /// The pins' own lock, held for the moment that it takes to read and
    /// write one small file.
    fn guard(&self, wait: bool) -> Result<Option<File>, FileError> {
        let folder = files::folder_of(&self.path);
        let file = File::open(folder).map_err(|e| FileError::from_io("open", folder, e))?;
        let locked = if wait {
            fs2::FileExt::lock_exclusive(&file)
        } else {
            fs2::FileExt::try_lock_exclusive(&file)
        };
        match locked {
            Ok(()) => Ok(Some(file)),
            Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(None),
            Err(error) => Err(FileError::from_io("lock", folder, error)),
        }
    }
}
