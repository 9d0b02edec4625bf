//! Files and folders that only their owner may read, and the order of steps
//! that makes a change survive a crash.
//!
//! Everything made here is 0600 or 0700 from its first instant, whatever the
//! umask is. Every error names its path.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Kind};
use crate::process;
use crate::secret::SecretBuffer;

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

/// A finished, synced temporary file that is not yet in its place. Dropped
/// without being put there, it is removed.
pub struct Staged {
    path: PathBuf,
    placed: bool,
}

impl Staged {
    /// Writes and syncs `bytes` beside `target`.
    ///
    /// # Errors
    /// The temporary file cannot be made, written or synced.
    pub fn write(target: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        let path = temporary_path(target);
        let mut file = create_new_private(&path).at("write", &path)?;
        let staged = Self {
            path,
            placed: false,
        };
        file.write_all(bytes).at("write", &staged.path)?;
        file.sync_all().at("sync", &staged.path)?;
        Ok(staged)
    }

    /// Where the temporary file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file in its place and makes that durable.
    ///
    /// # Errors
    /// The rename or the sync of the folder failed.
    pub fn rename_over(self, target: &Path) -> Result<(), FileError> {
        let folder = Folder::open(folder_of(target))?;
        self.rename(target)?;
        folder.sync()
    }

    /// Puts the file in its place; whoever does this syncs the folder.
    ///
    /// # Errors
    /// The rename failed, and nothing changed.
    pub fn rename(mut self, target: &Path) -> Result<(), FileError> {
        fs::rename(&self.path, target).at("replace", target)?;
        self.placed = true;
        Ok(())
    }

    /// Puts the file in its place unless something is there already.
    ///
    /// # Errors
    /// Something is there, or the link or the sync failed.
    pub fn place_new(self, target: &Path) -> Result<(), FileError> {
        self.place_new_by(target, &[link_new, rename_new, copy_new])
    }

    /// In the first of these ways that the file system knows.
    fn place_new_by(self, target: &Path, ways: &[Way]) -> Result<(), FileError> {
        let mut placed = Err(io::ErrorKind::Unsupported.into());
        for way in ways {
            placed = way(&self.path, target);
            let is_last_word = placed.as_ref().map_err(io::Error::kind);
            if matches!(is_last_word, Ok(()) | Err(io::ErrorKind::AlreadyExists)) {
                break;
            }
        }
        placed.at("make", target)?;
        sync_folder(folder_of(target))
    }
}

/// A way to give a finished file its name, unless that is taken.
type Way = fn(&Path, &Path) -> io::Result<()>;

fn link_new(staged: &Path, target: &Path) -> io::Result<()> {
    fs::hard_link(staged, target)
}

/// Where there are no hard links.
fn rename_new(staged: &Path, target: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        Ok(renameat_with(
            CWD,
            staged,
            CWD,
            target,
            RenameFlags::NOREPLACE,
        )?)
    }
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    {
        let _ = (staged, target);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Where there is neither: not in one step, but never over another file.
fn copy_new(staged: &Path, target: &Path) -> io::Result<()> {
    let content = SecretBuffer::read_from(File::open(staged)?, 0, usize::MAX)?;
    let mut file = create_new_private(target)?;
    let written = file
        .write_all(content.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(target);
    }
    written
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            // Nothing better can be done: the next commit sweeps what is left.
            let _ = fs::remove_file(&self.path);
        }
    }
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

/// Removes temporary files that writers of `target` left behind when they
/// were killed. To be called by the only live writer.
pub fn sweep_temporary(target: &Path) {
    sweep(target, |_| true);
}

/// The same for a target that has several writers at once: what belongs to a
/// process that still runs stays.
pub fn sweep_abandoned(target: &Path) {
    sweep(target, |rest| {
        let number = rest.split('-').next().and_then(|text| text.parse().ok());
        number.is_some_and(|number| !process::is_alive(number))
    });
}

/// Removes the temporary files for whose rest of the name, after the prefix,
/// `goes` holds.
fn sweep(target: &Path, goes: impl Fn(&str) -> bool) {
    let Some(prefix) = temporary_prefix(target) else {
        return;
    };
    let Ok(entries) = fs::read_dir(folder_of(target)) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let rest = name
            .as_encoded_bytes()
            .strip_prefix(prefix.as_encoded_bytes());
        if rest.is_some_and(|rest| goes(&String::from_utf8_lossy(rest))) {
            // One that cannot be removed now is tried again the next time.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn temporary_prefix(target: &Path) -> Option<std::ffi::OsString> {
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(target.file_name()?);
    prefix.push(".tmp-");
    Some(prefix)
}

fn temporary_path(target: &Path) -> PathBuf {
    let mut name = temporary_prefix(target).unwrap_or_else(|| ".tmp-".into());
    name.push(format!("{}-{:016x}", std::process::id(), random_number()));
    folder_of(target).join(name)
}

fn random_number() -> u64 {
    let mut bytes = [0; 8];
    // The name need only be free: O_EXCL decides, and the process id is in it.
    let _ = getrandom::getrandom(&mut bytes);
    u64::from_ne_bytes(bytes)
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
    fn sweeping_takes_only_the_temporary_files_of_that_target() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("vault.age");
        for name in [
            "vault.age",
            ".vault.age.tmp-1-2",
            ".other.tmp-1-2",
            ".vault.age.lock",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        sweep_temporary(&target);
        assert!(!folder.path().join(".vault.age.tmp-1-2").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn the_temporary_files_of_other_writers_stay_while_they_live() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("identity.txt");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let name = |number: u32| folder.path().join(format!(".identity.txt.tmp-{number}-2"));
        let (living, dead) = (name(std::process::id()), name(child.id()));
        fs::write(&living, "").unwrap();
        fs::write(&dead, "").unwrap();
        sweep_abandoned(&target);
        assert!(living.exists() && !dead.exists());
    }

    #[test]
    fn each_way_to_place_a_new_file_leaves_an_existing_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let no_way: Way = |_, _| Err(io::ErrorKind::PermissionDenied.into());
        for (name, ways) in [
            ("link", [link_new as Way, no_way, no_way]),
            ("rename", [no_way, rename_new, no_way]),
            ("copy", [no_way, no_way, copy_new]),
        ] {
            let target = folder.path().join(name);
            let place = |bytes: &[u8]| Staged::write(&target, bytes)?.place_new_by(&target, &ways);
            place(b"first").unwrap();
            let refused = place(b"second").err().unwrap();
            assert_eq!(refused.io_kind(), io::ErrorKind::AlreadyExists, "{name}");
            assert_eq!(fs::read(&target).unwrap(), b"first", "{name}");
            assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        let target = folder.path().join("none");
        let staged = Staged::write(&target, b"x").unwrap();
        let refused = staged.place_new_by(&target, &[no_way]).err().unwrap();
        assert_eq!(refused.io_kind(), io::ErrorKind::PermissionDenied);
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
