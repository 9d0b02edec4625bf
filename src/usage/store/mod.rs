//! The database of usage: how it is opened, what it looks like, what is
//! written to it.
//!
//! Always true here: its file is private from its first instant; one that a
//! newer program made is left untouched; a transaction is whole or not there.

mod insert;
mod roll_up;

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::{Error, Kind};
use crate::files::{self, FileError};

pub(super) use self::insert::Inserter;
pub(super) use self::roll_up::RollUp;
pub use self::roll_up::roll_up;

/// What `user_version` says of the schema here.
const VERSION: i64 = 1;
/// How long one waits for another program's transaction.
const PATIENCE: Duration = Duration::from_secs(2);

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadStore {
    /// The file or its folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// A newer program's.
    #[error("{} was written by a newer version of vault", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
    },
    /// What SQLite says.
    #[error("Cannot {action} {}: {source}", path.display())]
    Sqlite {
        /// What was tried.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// Why it did not work.
        source: rusqlite::Error,
    },
}

impl BadStore {
    /// What a person should know, in one line.
    pub(super) fn told(self) -> String {
        let error = Error::from(self);
        let hint = error.hint().unwrap_or_default();
        format!("{error}. {hint}")
    }

    /// Another program was in the way for too long; that passes.
    pub(super) fn is_busy(&self) -> bool {
        let Self::Sqlite { source, .. } = self else {
            return false;
        };
        matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    }

    pub(super) fn sqlite(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Sqlite {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

impl From<BadStore> for Error {
    fn from(bad: BadStore) -> Self {
        let message = bad.to_string();
        match bad {
            BadStore::File(error) => error.into(),
            BadStore::Newer { .. } => Self::new(Kind::Failed, message)
                .with_hint("Nothing was changed. Install that version: vault --version"),
            BadStore::Sqlite { path, source, .. } => {
                let shown = path.display();
                let folder = files::folder_of(&path).display().to_string();
                let (kind, hint) = match source.sqlite_error_code() {
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (
                        Kind::Failed,
                        format!(
                            "Put it aside, and a new one begins: mv '{shown}' '{shown}.broken'"
                        ),
                    ),
                    Some(ErrorCode::DiskFull) => {
                        (Kind::Failed, format!("Make room: df -h '{folder}'"))
                    }
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                        Kind::Busy,
                        format!("See who has it open: fuser -v '{shown}'"),
                    ),
                    _ => (Kind::Failed, format!("Look at it: ls -ld '{shown}'")),
                };
                Self::new(kind, message).with_hint(hint)
            }
        }
    }
}

/// Opens the database for writing, and makes it where there is none.
///
/// # Errors
/// It cannot be made or opened, or a newer program made it.
pub(super) fn open(path: &Path) -> Result<Connection, BadStore> {
    make_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let at = |action| BadStore::sqlite(action, path);
    let mut connection = Connection::open_with_flags(path, flags).map_err(at("open"))?;
    connection.busy_timeout(PATIENCE).map_err(at("open"))?;
    // SQLite is content with less than it was asked for.
    if connection
        .is_readonly(rusqlite::MAIN_DB)
        .map_err(at("open"))?
    {
        let read_only = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(at("write")(rusqlite::Error::SqliteFailure(read_only, None)));
    }
    let version = check_version(&connection, path)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             PRAGMA journal_size_limit = 4194304; PRAGMA temp_store = MEMORY;",
        )
        .map_err(at("open"))?;
    // One that is there already is opened without waiting for who writes to it.
    if version < VERSION {
        make(&mut connection, path)?;
    }
    Ok(connection)
}

fn make(connection: &mut Connection, path: &Path) -> Result<(), BadStore> {
    let failed = |source| BadStore::sqlite("write", path)(source);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    // Again, now that nobody else can be at it.
    if check_version(&transaction, path)? == 0 {
        transaction
            .execute_batch(include_str!("schema.sql"))
            .and_then(|()| transaction.pragma_update(None, "user_version", VERSION))
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// Opens the database for reading only. `None` where there is none.
///
/// # Errors
/// It cannot be opened, or a newer program made it.
pub(super) fn open_to_read(path: &Path) -> Result<Option<Connection>, BadStore> {
    match fs::metadata(path) {
        // A file of no length is one that somebody is making now.
        Ok(found) if found.len() == 0 => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::from_io("read", path, error).into()),
    }
    let at = |action| BadStore::sqlite(action, path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(at("open"))?;
    connection.busy_timeout(PATIENCE).map_err(at("open"))?;
    let version = check_version(&connection, path)?;
    Ok((version > 0).then_some(connection))
}

/// Which file it is, so that one in the place of another is noticed; 0 for none.
pub(super) fn inode(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.ino())
}

/// The schema's version; 0 where nothing is in it yet.
fn check_version(connection: &Connection, path: &Path) -> Result<i64, BadStore> {
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(BadStore::sqlite("read", path))?;
    if version > VERSION {
        return Err(BadStore::Newer {
            path: path.to_owned(),
        });
    }
    Ok(version)
}

/// `SQLite` gives the files beside the database the mode that it has.
fn make_private(path: &Path) -> Result<(), FileError> {
    let failed = |error| FileError::from_io("make", path, error);
    match fs::metadata(path) {
        Ok(found) => {
            let mode = found.permissions().mode();
            if found.is_file() && mode & 0o077 != 0 {
                fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))
                    .map_err(failed)?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            files::make_private_folder(files::folder_of(path))?;
            match files::create_new_private(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
                _ => Ok(()),
            }
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests;
