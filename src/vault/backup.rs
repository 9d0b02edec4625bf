//! Earlier vault files: hard links to what a commit replaced, named for the
//! generation, the last ten of them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::document::LAST_GENERATION;
use super::sealed::Sealed;
use super::store::Store;
use super::{BadDocument, Document, VaultError};
use crate::files::{self, FileError, PathContext};
use crate::seal::VaultKey;

const KEPT: usize = 10;

/// One earlier vault file.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Its generation.
    pub generation: u64,
    /// Tells two of one generation apart (after a fork was accepted).
    pub twin: u32,
    /// Where it is.
    pub path: PathBuf,
    /// When it was written.
    pub written: SystemTime,
    /// Its size in bytes.
    pub size: u64,
}

impl Backup {
    /// What `backups restore` takes.
    pub fn number(&self) -> String {
        match self.twin {
            0 => self.generation.to_string(),
            twin => format!("{}.{twin}", self.generation),
        }
    }
}

/// What became of the earlier files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Purged {
    /// How many are gone.
    pub removed: usize,
    /// How many this key does not open.
    pub unreadable: usize,
}

impl Store {
    /// The earlier files, newest first.
    ///
    /// # Errors
    /// Their folder cannot be read.
    pub fn backups(&self) -> Result<Vec<Backup>, VaultError> {
        Ok(list(&self.backups, &self.path)?)
    }

    /// Reads the earlier file of that number.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn read_backup(&self, number: &str) -> Result<Sealed, VaultError> {
        let none = || VaultError::NoBackup {
            path: self.path.clone(),
            number: number.to_owned(),
        };
        let backup = self
            .backups()?
            .into_iter()
            .find(|backup| backup.number() == number)
            .ok_or_else(none)?;
        self.read_from(&backup.path)?.ok_or_else(none)
    }

    /// Removes all earlier files of this vault and tells how many there were.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn purge_backups(&self) -> Result<usize, VaultError> {
        Ok(purge(&self.backups, &self.path)?)
    }

    /// Removes the earlier files whose content `holds` what is to go.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn purge_backups_where(
        &self,
        key: &VaultKey,
        holds: impl Fn(&Document) -> Result<bool, BadDocument>,
    ) -> Result<Purged, VaultError> {
        let mut purged = Purged::default();
        for backup in self.backups()? {
            let sealed = self.read_from(&backup.path).ok().flatten();
            let opened = sealed.and_then(|sealed| self.open_unpinned(&sealed, key.clone()).ok());
            match opened.map(|opened| holds(&opened.document)) {
                Some(Ok(true)) => {
                    fs::remove_file(&backup.path).at("remove", &backup.path)?;
                    purged.removed += 1;
                }
                Some(Ok(false)) => {}
                Some(Err(_)) | None => purged.unreadable += 1,
            }
        }
        Ok(purged)
    }
}

/// A file that a commit is about to replace, kept under another name.
pub(super) struct Kept {
    path: PathBuf,
    /// Whether it was not there before.
    is_new: bool,
}

impl Kept {
    /// Undoes it, for a commit that came to nothing.
    pub(super) fn undo(self) {
        if self.is_new {
            let _ = fs::remove_file(self.path);
        }
    }
}

/// Keeps the vault as it is now under its generation.
pub(super) fn keep(folder: &Path, vault: &Path, generation: u64) -> Result<Kept, FileError> {
    files::make_private_folder(folder)?;
    keep_as(vault, |twin| {
        folder.join(file_name(vault, &Place::Generation(generation, twin)))
    })
}

/// Keeps a vault that cannot be opened, for whoever wants to look into it.
pub(super) fn keep_damaged(folder: &Path, vault: &Path) -> Result<Option<Kept>, FileError> {
    if fs::symlink_metadata(vault).is_err() {
        return Ok(None);
    }
    files::make_private_folder(folder)?;
    keep_as(vault, |twin| {
        folder.join(file_name(vault, &Place::Damaged(twin + 1)))
    })
    .map(Some)
}

fn keep_as(vault: &Path, name: impl Fn(u32) -> PathBuf) -> Result<Kept, FileError> {
    for twin in 0.. {
        let path = name(twin);
        match link_or_copy(vault, &path) {
            Ok(()) => return Ok(Kept { path, is_new: true }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // A commit that was killed after it kept this very file.
                if is_same_file(vault, &path) {
                    let is_new = false;
                    return Ok(Kept { path, is_new });
                }
            }
            Err(error) => {
                return Err(FileError::from_io(
                    "keep the earlier vault as",
                    &path,
                    error,
                ));
            }
        }
    }
    unreachable!("some name is free")
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let place = |path| fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((place(one), place(other)), (Ok(one), Ok(other)) if one == other)
}

/// The highest generation among the earlier files, below which no new one may
/// lie: it would be taken for the oldest.
pub(super) fn highest(folder: &Path, vault: &Path) -> u64 {
    let listed = list(folder, vault).unwrap_or_default();
    listed.first().map_or(0, |backup| backup.generation)
}

/// A hard link costs nothing; where the file system has none, or the folder is
/// on another one, a copy does as well.
fn link_or_copy(vault: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(vault, path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::CrossesDevices
                    | io::ErrorKind::Unsupported
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::TooManyLinks
            ) =>
        {
            let mut copy = files::create_new_private(path)?;
            let copied = fs::File::open(vault)
                .and_then(|mut original| io::copy(&mut original, &mut copy))
                .and_then(|_| copy.sync_all());
            if copied.is_err() {
                let _ = fs::remove_file(path);
            }
            copied
        }
        other => other,
    }
}

/// The earlier files of this vault, newest first.
pub(super) fn list(folder: &Path, vault: &Path) -> Result<Vec<Backup>, FileError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FileError::from_io("read", folder, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.at("read", folder)?;
        let Some(Place::Generation(generation, twin)) = place_in(&entry.file_name(), vault) else {
            continue;
        };
        let metadata = entry.metadata().at("read", &entry.path())?;
        found.push(Backup {
            generation,
            twin,
            path: entry.path(),
            written: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            size: metadata.len(),
        });
    }
    found.sort_by_key(|backup| std::cmp::Reverse((backup.generation, backup.twin)));
    Ok(found)
}

/// Removes all but the newest; one that cannot be removed stays for the next
/// time.
pub(super) fn prune(folder: &Path, vault: &Path) {
    for backup in list(folder, vault).unwrap_or_default().iter().skip(KEPT) {
        let _ = fs::remove_file(&backup.path);
    }
}

/// Removes all of them, damaged ones too.
pub(super) fn purge(folder: &Path, vault: &Path) -> Result<usize, FileError> {
    let mut removed = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if place_in(&entry.file_name(), vault).is_some() {
            fs::remove_file(entry.path()).at("remove", &entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// What the name of an earlier file tells.
enum Place {
    /// Its generation, and which of several.
    Generation(u64, u32),
    /// That it could not be opened, and which of several.
    Damaged(u32),
}

/// `00000012-vault.age`: the whole name of the vault's file is in it, so that
/// two vaults in one folder do not take each other's.
fn file_name(vault: &Path, place: &Place) -> OsString {
    let mut name = OsString::from(match place {
        Place::Generation(generation, 0) => format!("{generation:08}-"),
        Place::Generation(generation, twin) => format!("{generation:08}.{twin}-"),
        Place::Damaged(number) => format!("damaged-{number}-"),
    });
    name.push(vault.file_name().unwrap_or("vault.age".as_ref()));
    name
}

fn place_in(name: &OsStr, vault: &Path) -> Option<Place> {
    let own = vault.file_name().unwrap_or("vault.age".as_ref());
    let place = name
        .as_bytes()
        .strip_suffix(own.as_bytes())?
        .strip_suffix(b"-")?;
    let place = std::str::from_utf8(place).ok()?;
    if let Some(number) = place.strip_prefix("damaged-") {
        return number.parse().ok().map(Place::Damaged);
    }
    let (generation, twin) = match place.split_once('.') {
        Some((generation, twin)) => (generation.parse().ok()?, twin.parse().ok()?),
        None => (place.parse().ok()?, 0),
    };
    (generation <= LAST_GENERATION).then_some(Place::Generation(generation, twin))
}
