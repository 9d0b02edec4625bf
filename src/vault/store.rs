//! One vault on disk: where it is, how it is read, and whether it is the one
//! that it should be.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::layout::{LARGEST, Layout, Parts};
use super::lock;
use super::pin::{Pin, PinFile};
use super::sealed::{Opened, Pinned, Sealed};
use super::{BadDocument, Document, VaultError, damaged, digest};
use crate::files::{self, FileError, PathContext};
use crate::seal::{Fingerprint, OpenError, VaultKey};

/// Where one vault and what belongs to it lie.
pub struct Places {
    /// The vault file, perhaps through a symbolic link.
    pub file: PathBuf,
    /// The folder of pins.
    pub state: PathBuf,
    /// The folder of earlier files; beside the vault where it is `None`.
    pub backups: Option<PathBuf>,
}

/// One vault on disk.
pub struct Store {
    pub(super) path: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) backups: PathBuf,
    pub(super) pin: PinFile,
    expected: Option<Fingerprint>,
}

impl Store {
    /// The vault at these places. A symbolic link is followed, so that it
    /// stays one. `expected` refuses any other vault.
    ///
    /// # Errors
    /// The link leads in a circle, or a folder cannot be entered.
    pub fn at(places: Places, expected: Option<Fingerprint>) -> Result<Self, VaultError> {
        let path = resolve(&places.file)?;
        let mut lock_name = std::ffi::OsString::from(".");
        lock_name.push(path.file_name().unwrap_or("vault.age".as_ref()));
        lock_name.push(".lock");
        let backups = places
            .backups
            .unwrap_or_else(|| files::folder_of(&path).join("backups"));
        Ok(Self {
            lock: files::folder_of(&path).join(lock_name),
            backups,
            pin: PinFile::new(&places.state, &path),
            path,
            expected,
        })
    }

    /// Where the vault is, with links followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is no vault.
    pub fn read(&self) -> Result<Option<Sealed>, VaultError> {
        self.read_from(&self.path)
    }

    /// Reads what was last seen here, then the file; `None` where there is
    /// none. In this order, a change in between makes the vault newer than
    /// the pin, never older.
    ///
    /// # Errors
    /// One of them cannot be read, or is none.
    pub fn read_pinned(&self) -> Result<Option<Pinned>, VaultError> {
        let seen = self.pin.read()?;
        Ok(self.read()?.map(|sealed| Pinned { sealed, seen }))
    }

    /// Reads the vault and opens it.
    ///
    /// # Errors
    /// It is gone, damaged, or not the vault that it should be.
    pub fn open(&self, key: VaultKey) -> Result<Opened, VaultError> {
        let read = self.read_pinned()?;
        let read = read.ok_or_else(|| damaged(&self.path, "it is gone"))?;
        self.open_pinned(&read, key)
    }

    /// Opens what was read, and remembers having seen it.
    ///
    /// # Errors
    /// It is damaged, or not the vault that it should be.
    pub fn open_pinned(&self, read: &Pinned, key: VaultKey) -> Result<Opened, VaultError> {
        let opened = self.open_unpinned(&read.sealed, key)?;
        if read
            .seen
            .as_ref()
            .is_some_and(|seen| opened.was_seen_as(seen))
        {
            return Ok(opened);
        }
        let found = opened.pin();
        if let Some(seen) = &read.seen
            && self.compare(&found, seen).is_err()
            && let Some(newer) = self.pin.read()?
        {
            // A writer that changes the key says so before it does: between
            // our look at the pin and at the vault there may have been one.
            self.compare(&found, &newer)?;
        }
        if read
            .seen
            .as_ref()
            .is_none_or(|seen| seen.generation < found.generation)
        {
            // A place that cannot be written only makes the next check weaker;
            // `doctor` reports it.
            let _ = self.pin.raise(&found);
        }
        Ok(opened)
    }

    /// Opens what was read, whatever was seen here before.
    ///
    /// # Errors
    /// It is damaged, or not the one asked for by its fingerprint.
    pub fn open_unpinned(&self, sealed: &Sealed, key: VaultKey) -> Result<Opened, VaultError> {
        self.open_payload(sealed, key).map_err(|error| match error {
            VaultError::KeyChanged { path } => {
                damaged(&path, "its payload was sealed with another key")
            }
            other => other,
        })
    }

    /// Opens the payload; a key that is not its own is
    /// [`VaultError::KeyChanged`], which means damage unless the key came from
    /// elsewhere than this very file.
    pub(super) fn open_payload(
        &self,
        sealed: &Sealed,
        key: VaultKey,
    ) -> Result<Opened, VaultError> {
        let path = &sealed.path;
        if let Some(wanted) = &self.expected {
            let found = key.fingerprint();
            if found != *wanted {
                return Err(VaultError::Unexpected {
                    path: path.clone(),
                    found,
                    wanted: wanted.clone(),
                });
            }
        }
        let payload = sealed.payload();
        let plain = key.open(payload.as_bytes()).map_err(|error| match error {
            OpenError::NoMatch => VaultError::KeyChanged { path: path.clone() },
            other => damaged(path, other),
        })?;
        let document = Document::parse(plain).map_err(|bad| match bad {
            BadDocument::Newer(format) => VaultError::Newer {
                path: path.clone(),
                format,
            },
            other => damaged(path, other),
        })?;
        let parts = Parts::of(&sealed.text, &sealed.layout);
        if parts.digest() != document.slots_digest {
            return Err(VaultError::SwappedSlot { path: path.clone() });
        }
        Ok(Opened {
            document,
            key,
            parts,
            payload: digest(payload.as_bytes()),
        })
    }

    fn compare(&self, found: &Pin, seen: &Pin) -> Result<(), VaultError> {
        let path = self.path.clone();
        let is_next = |(fingerprint, generation): &(Fingerprint, u64)| {
            found.fingerprint == *fingerprint && found.generation >= *generation
        };
        if seen.next.as_ref().is_some_and(is_next) {
            return Ok(());
        }
        if found.fingerprint != seen.fingerprint {
            return Err(VaultError::Swapped {
                path,
                found: found.fingerprint.clone(),
                seen: seen.fingerprint.clone(),
            });
        }
        if found.generation < seen.generation {
            return Err(VaultError::RolledBack {
                path,
                found: found.generation,
                seen: seen.generation,
            });
        }
        if found.generation == seen.generation && found.payload != seen.payload {
            return Err(VaultError::Forked {
                path,
                generation: found.generation,
            });
        }
        Ok(())
    }

    /// What was last seen here.
    ///
    /// # Errors
    /// The pin is damaged or cannot be read.
    pub fn pin(&self) -> Result<Option<Pin>, VaultError> {
        self.pin.read()
    }

    /// Takes this vault as the new truth.
    ///
    /// # Errors
    /// The pin cannot be written.
    pub fn accept(&self, opened: &Opened) -> Result<(), VaultError> {
        self.pin.set(&opened.pin())
    }

    /// Forgets a vault that is gone for good.
    ///
    /// # Errors
    /// The pin cannot be removed.
    pub fn forget(&self) -> Result<(), VaultError> {
        Ok(self.pin.forget()?)
    }

    /// Refuses to make a vault where another one is expected: its disk may
    /// only be missing for now.
    ///
    /// # Errors
    /// One was seen here, or is asked for by its fingerprint.
    pub fn refuse_another(&self) -> Result<(), VaultError> {
        let path = self.path.clone();
        if let Some(wanted) = &self.expected {
            let wanted = wanted.clone();
            return Err(VaultError::Absent { path, wanted });
        }
        match self.pin.read()? {
            Some(seen) => Err(VaultError::Gone {
                path,
                generation: seen.generation,
            }),
            None => Ok(()),
        }
    }

    /// Who holds the vault's lock now, if anybody.
    ///
    /// # Errors
    /// The lock cannot be looked at.
    pub fn lock_holder(&self) -> Result<Option<String>, VaultError> {
        let held = lock::is_held(&self.lock).at("look at the lock", &self.lock)?;
        Ok(held.then(|| lock::holder(&self.lock)))
    }

    /// That something in the document cannot be read.
    pub fn damaged(&self, bad: BadDocument) -> crate::error::Error {
        damaged(&self.path, bad).into()
    }

    /// The folder of earlier files.
    pub fn backups_folder(&self) -> &Path {
        &self.backups
    }

    pub(super) fn read_from(&self, path: &Path) -> Result<Option<Sealed>, VaultError> {
        let Some(mut file) = files::read_private(path, LARGEST).map_err(|error| {
            if error.io_kind() == io::ErrorKind::FileTooLarge {
                damaged(path, format!("it is larger than {LARGEST} bytes"))
            } else {
                error.into()
            }
        })?
        else {
            return Ok(None);
        };
        let loose_mode = file.loose_mode();
        if let Some(format) = Layout::foreign_format(&file.bytes) {
            let path = path.to_owned();
            return Err(VaultError::Newer { path, format });
        }
        // Taken out of the buffer that would be wiped: it is all sealed.
        let mut sealed = Sealed::parse(std::mem::take(&mut *file.bytes))
            .map_err(|reason| damaged(path, reason))?;
        sealed.loose_mode = loose_mode;
        path.clone_into(&mut sealed.path);
        Ok(Some(sealed))
    }
}

/// Follows symbolic links, also to a file that is not there yet.
fn resolve(path: &Path) -> Result<PathBuf, VaultError> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = files::folder_of(&path).join(target),
            Err(_) => {
                let folder = canonical(files::folder_of(&path))?;
                return Ok(match path.file_name() {
                    Some(name) => folder.join(name),
                    None => folder,
                });
            }
        }
    }
    let circle = io::Error::other("its links lead in a circle");
    Err(FileError::from_io("follow", &path, circle).into())
}

/// The folder without links, as far as it is there: a folder that is made
/// later has the same name before and after.
fn canonical(folder: &Path) -> Result<PathBuf, FileError> {
    match (
        fs::canonicalize(folder),
        folder.parent(),
        folder.file_name(),
    ) {
        (Ok(folder), _, _) => Ok(folder),
        (Err(_), Some(parent), Some(name)) if !parent.as_os_str().is_empty() => {
            Ok(canonical(parent)?.join(name))
        }
        (Err(_), _, _) => std::path::absolute(folder).at("find", folder),
    }
}
