//! Temporary files beside their targets: written and synced before they are
//! put in place, gone where that does not come to pass.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use super::{FileError, Folder, PathContext, create_new_private, folder_of, sync_folder};
use crate::process;
use crate::secret::SecretBuffer;

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

/// Room that is taken on the disk before it is known what will stand there:
/// what is written into it afterwards does not fail for want of space.
pub struct Room {
    staged: Staged,
    file: File,
}

impl Room {
    /// Takes so many bytes beside `target`.
    ///
    /// # Errors
    /// The temporary file cannot be made, filled or synced.
    pub fn take(target: &Path, bytes: usize) -> Result<Self, FileError> {
        // Bytes that no file system stores in less room than they have. (One
        // that never writes in place may still want more for the second time.)
        let mut block = [0; 4096];
        getrandom::getrandom(&mut block)
            .map_err(io::Error::from)
            .at("write", target)?;
        let path = temporary_path(target);
        let mut file = create_new_private(&path).at("write", &path)?;
        let staged = Staged {
            path,
            placed: false,
        };
        for _ in 0..bytes.div_ceil(block.len()) {
            file.write_all(&block).at("write", staged.path())?;
        }
        file.sync_all().at("sync", staged.path())?;
        Ok(Self { staged, file })
    }

    /// Writes and syncs what is to stand there.
    ///
    /// # Errors
    /// The disk failed.
    pub fn fill(mut self, bytes: &[u8]) -> Result<Staged, FileError> {
        let filled = self
            .file
            .rewind()
            .and_then(|()| self.file.write_all(bytes))
            .and_then(|()| self.file.set_len(bytes.len() as u64))
            .and_then(|()| self.file.sync_all());
        filled.at("write", self.staged.path())?;
        Ok(self.staged)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            // Nothing better can be done: the next commit sweeps what is left.
            let _ = fs::remove_file(&self.path);
        }
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

/// The temporary files that writers of `target` left behind.
pub fn temporary_files(target: &Path) -> Vec<PathBuf> {
    let (Some(prefix), Ok(entries)) = (temporary_prefix(target), fs::read_dir(folder_of(target)))
    else {
        return Vec::new();
    };
    let is_one = |name: &std::ffi::OsStr| {
        let name = name.as_encoded_bytes();
        name.starts_with(prefix.as_encoded_bytes())
    };
    let found = entries.flatten().filter(|entry| is_one(&entry.file_name()));
    found.map(|entry| entry.path()).collect()
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
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn room_holds_what_is_put_into_it_and_goes_where_nothing_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.age");
        let room = Room::take(&path, 10_000).unwrap();
        assert!(room.file.metadata().unwrap().blocks() * 512 >= 10_000);
        room.fill(b"short").unwrap().rename_over(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let long = vec![b'x'; 20_000];
        let room = Room::take(&path, 4096).unwrap();
        room.fill(&long).unwrap().rename_over(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), long);
        drop(Room::take(&path, 4096).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
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
}
