//! Earlier vault files: hard links to what a commit replaced, named for the
//! generation, the last ten of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::sealed::Sealed;
use super::store::Store;
use super::{Document, VaultError};
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
        holds: impl Fn(&Document) -> bool,
    ) -> Result<Purged, VaultError> {
        let mut purged = Purged::default();
        for backup in self.backups()? {
            let sealed = self.read_from(&backup.path).ok().flatten();
            let opened = sealed.and_then(|sealed| self.open_unpinned(&sealed, key.clone()).ok());
            match opened {
                Some(opened) if holds(&opened.document) => {
                    fs::remove_file(&backup.path).at("remove", &backup.path)?;
                    purged.removed += 1;
                }
                Some(_) => {}
                None => purged.unreadable += 1,
            }
        }
        Ok(purged)
    }
}

/// Keeps the vault as it is now under its generation.
pub(super) fn keep(folder: &Path, vault: &Path, generation: u64) -> Result<PathBuf, FileError> {
    files::make_private_folder(folder)?;
    let mut twin = 0;
    loop {
        let path = folder.join(file_name(vault, generation, twin));
        match link_or_copy(vault, &path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => twin += 1,
            Err(error) => {
                return Err(FileError::from_io(
                    "keep the earlier vault as",
                    &path,
                    error,
                ));
            }
        }
    }
}

/// Keeps a vault that cannot be opened, for whoever wants to look into it.
pub(super) fn keep_damaged(folder: &Path, vault: &Path) -> Result<Option<PathBuf>, FileError> {
    if fs::symlink_metadata(vault).is_err() {
        return Ok(None);
    }
    files::make_private_folder(folder)?;
    let mut number = 1;
    loop {
        let path = folder.join(format!("{}-damaged-{number}.age", stem(vault)));
        match link_or_copy(vault, &path) {
            Ok(()) => return Ok(Some(path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => {
                return Err(FileError::from_io(
                    "keep the damaged vault as",
                    &path,
                    error,
                ));
            }
        }
    }
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
        let Some((generation, twin)) = entry
            .file_name()
            .to_str()
            .and_then(|name| numbers_in(name, vault))
        else {
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
    for backup in list(folder, vault)? {
        fs::remove_file(&backup.path).at("remove", &backup.path)?;
        removed += 1;
    }
    let damaged = format!("{}-damaged-", stem(vault));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&damaged) {
            fs::remove_file(entry.path()).at("remove", &entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn stem(vault: &Path) -> String {
    vault.file_stem().map_or_else(
        || "vault".to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}

fn file_name(vault: &Path, generation: u64, twin: u32) -> String {
    match twin {
        0 => format!("{}-{generation:08}.age", stem(vault)),
        twin => format!("{}-{generation:08}.{twin}.age", stem(vault)),
    }
}

fn numbers_in(name: &str, vault: &Path) -> Option<(u64, u32)> {
    let numbers = name
        .strip_prefix(&stem(vault))?
        .strip_prefix('-')?
        .strip_suffix(".age")?;
    match numbers.split_once('.') {
        Some((generation, twin)) => Some((generation.parse().ok()?, twin.parse().ok()?)),
        None => Some((numbers.parse().ok()?, 0)),
    }
}
