//! Files and folders that only their owner may read, and the order of steps
//! that makes a change survive a crash.
//!
//! Everything made here is 0600 or 0700 from its first instant, whatever the
//! umask is. Every error names its path.

mod lock;
pub mod socket;
mod staged;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Kind};
use crate::secret::SecretBuffer;

pub use self::lock::lock;
pub use self::staged::{Room, Staged, sweep_abandoned, sweep_temporary, temporary_files};

/// Something that was tried with a path did not work.
#[derive(Debug, thiserror::Error)]
#[error("Cannot {action} {}: {source}", path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// An I/O error, and what was tried with which path.
    pub fn from_io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// The system's word on it.
    pub fn io_kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        let shown = error.path.display();
        let hint = match error.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "Nothing was changed. Make room, then run the command again.".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                format!("Look at its owner and mode: ls -ld '{shown}'")
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                format!("The file system is read-only: findmnt --target '{shown}'")
            }
            io::ErrorKind::FileTooLarge if error.action == "write" => {
                "Nothing was changed. Look at the limit on file sizes: ulimit -f".to_owned()
            }
            _ => format!("Look at it: ls -ld '{shown}'"),
        };
        Self::new(Kind::Failed, error.to_string()).with_hint(hint)
    }
}

/// Says which path an I/O error is about.
pub trait PathContext<T> {
    /// Turns an I/O error into one that says what was tried with which path.
    ///
    /// # Errors
    /// The I/O error, with its path.
    fn at(self, action: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T, E: Into<io::Error>> PathContext<T> for Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError::from_io(action, path, source.into()))
    }
}

/// Reads a whole regular file of at most `limit` bytes into a buffer that is
/// wiped afterwards. `None` where there is no such file.
///
/// # Errors
/// The file cannot be read, is no regular file, or is larger than `limit`.
pub fn read_private(path: &Path, limit: usize) -> Result<Option<PrivateFile>, FileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).at("read", path),
    };
    let metadata = file.metadata().at("read", path)?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory)).at("read", path);
    }
    let announced = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if metadata.is_file() && announced > limit {
        let reason = format!("it is larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason)).at("read", path);
    }
    // The size is where reading begins and not where it ends: what the kernel
    // or a program makes up as it is read announces nothing.
    let bytes = SecretBuffer::read_from(&file, announced, limit).at("read", path)?;
    Ok(Some(PrivateFile {
        bytes: bytes.into_bytes(),
        mode: metadata.is_file().then(|| metadata.mode() & 0o777),
    }))
}

/// What was read, and how tightly it was kept.
pub struct PrivateFile {
    /// The content.
    pub bytes: Zeroizing<Vec<u8>>,
    mode: Option<u32>,
}

impl PrivateFile {
    /// The mode of the file where others than its owner may read or write it.
    pub fn loose_mode(&self) -> Option<u32> {
        self.mode.filter(|mode| mode & 0o077 != 0)
    }
}

/// Makes a folder, and the folders above it, for their owner alone. An
/// existing folder is left as it is.
///
/// # Errors
/// The folder cannot be made, or something else stands there.
pub fn make_private_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .at("make the folder", path)
}

/// Makes a new file for its owner alone; fails where one is.
///
/// # Errors
/// The file exists or cannot be made.
pub fn create_new_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // A default ACL on the folder could have widened what `mode` asked for.
    close_to_others(&file, |file| {
        file.set_permissions(fs::Permissions::from_mode(0o600))
    })?;
    Ok(file)
}

/// Where modes cannot be set, what counts is whether others have a right.
fn close_to_others(file: &File, set: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    match set(file) {
        Err(error) if file.metadata()?.mode() & 0o077 != 0 => Err(error),
        _ => Ok(()),
    }
}

/// Puts `bytes` where `path` is, in one step that a crash cannot cut in two:
/// a temporary file beside it, synced, then renamed over it.
///
/// # Errors
/// Any step failed; `path` is as it was.
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let staged = Staged::write(path, bytes)?;
    staged.rename_over(path)
}

/// Makes the entries of a folder durable.
///
/// # Errors
/// The folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    Folder::open(folder)?.sync()
}

/// A folder that is open already, so that making a change durable cannot fail
/// for want of a right after the change was made.
pub struct Folder {
    path: PathBuf,
    handle: File,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let handle = File::open(path).at("open the folder", path)?;
        let path = path.to_owned();
        Ok(Self { path, handle })
    }

    /// Makes its entries durable. Where the file system has no such thing, a
    /// rename is as durable as it gets.
    ///
    /// # Errors
    /// The disk failed.
    pub fn sync(&self) -> Result<(), FileError> {
        match self.handle.sync_all() {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) =>
            {
                Ok(())
            }
            other => other.at("sync the folder", &self.path),
        }
    }
}

/// The folder that holds `path`.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_leaves_a_private_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("état civil.json");
        replace_private(&path, b"one").unwrap();
        replace_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_dropped_staged_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let staged = Staged::write(&folder.path().join("x"), b"1").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(staged);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_mode_that_cannot_be_set_matters_only_where_others_have_a_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let file = create_new_private(&path).unwrap();
        let refuse = |_: &File| Err(io::ErrorKind::PermissionDenied.into());
        assert!(close_to_others(&file, refuse).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(close_to_others(&file, refuse).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_announces_no_size_is_read_whole() {
        let path = Path::new("/proc/sys/kernel/ostype");
        let read = read_private(path, 100).unwrap().unwrap();
        assert_eq!(&read.bytes[..], b"Linux\n");
        let large = read_private(Path::new("/proc/self/maps"), 1 << 20).unwrap();
        assert!(large.unwrap().bytes.ends_with(b"\n"));
        assert!(read_private(Path::new("/proc/self/maps"), 100).is_err());
    }

    #[test]
    fn reading_tells_absent_from_unreadable_and_bounds_the_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        assert!(read_private(&path, 10).unwrap().is_none());
        fs::write(&path, "12345678901").unwrap();
        assert_eq!(
            read_private(&path, 10).err().unwrap().io_kind(),
            io::ErrorKind::FileTooLarge
        );
        assert_eq!(
            read_private(folder.path(), 10).err().unwrap().io_kind(),
            io::ErrorKind::IsADirectory
        );
    }
}
