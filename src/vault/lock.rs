//! The lock on a vault: one writer at a time, on a file beside the vault,
//! since the vault itself is renamed over.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::VaultError;
use crate::files::{FileError, PathContext};
use crate::process::user_id;
use crate::text;

/// How long a command waits for another one.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The right to change a vault, until dropped.
pub(super) struct Lock {
    _file: File,
    /// What held it before us, where we had to wait.
    pub(super) waited_for: Option<String>,
}

impl Lock {
    /// Waits its turn, for so long at most.
    pub(super) fn acquire(
        path: &Path,
        vault: &Path,
        command: &str,
        patience: Duration,
    ) -> Result<Self, VaultError> {
        if let Some(file) = acquire(path, Duration::ZERO)? {
            name_holder(&file, command);
            return Ok(Self {
                _file: file,
                waited_for: None,
            });
        }
        let file = acquire(path, patience)?.ok_or_else(|| VaultError::Busy {
            path: vault.to_owned(),
            holder: holder(path),
            seconds: patience.as_secs(),
        })?;
        // Now that it is ours, what stands there is of whoever was before us.
        let waited_for = Some(holder(path));
        name_holder(&file, command);
        Ok(Self {
            _file: file,
            waited_for,
        })
    }
}

/// Locks a file that exists for nothing else; `None` where somebody held it
/// all the time. Those who wait sleep in the kernel, which wakes them when the
/// lock is free: nobody has to be lucky in asking at the right moment.
pub(super) fn acquire(path: &Path, patience: Duration) -> Result<Option<File>, FileError> {
    let file = open(path).at("open the lock", path)?;
    match fs2::FileExt::try_lock_exclusive(&file) {
        Ok(()) => Ok(Some(file)),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => {
            if patience.is_zero() {
                return Ok(None);
            }
            wait(file, path, patience)
        }
        Err(error) => Err(FileError::from_io("lock", path, error)),
    }
}

/// Opens the lock and nothing in its place: whoever may write to the folder
/// could have put a link to another file of ours there.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

/// Blocks in a thread of its own, so that the wait can have an end. A thread
/// that is given up ends with the process.
fn wait(file: File, path: &Path, patience: Duration) -> Result<Option<File>, FileError> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let locked = fs2::FileExt::lock_exclusive(&file).map(|()| file);
        let _ = sender.send(locked);
    });
    match receiver.recv_timeout(patience) {
        Ok(locked) => locked.map(Some).at("lock", path),
        Err(_) => Ok(None),
    }
}

/// Says who holds the lock, for those who wait in vain. That it cannot be
/// said (a full disk) is no reason to stop.
fn name_holder(mut file: &File, command: &str) {
    let is_ours = |metadata: Metadata| metadata.uid() == user_id() && metadata.nlink() == 1;
    if !file.metadata().is_ok_and(is_ours) {
        return;
    }
    let _ = file.set_len(0);
    let _ = file.rewind();
    let _ = writeln!(file, "process {} (vault {command})", std::process::id());
}

/// What the holder said of itself.
pub(super) fn holder(path: &Path) -> String {
    let mut said = String::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_string(&mut said));
    match (read, said.trim()) {
        (Ok(_), said) if !said.is_empty() => text::printable(said).into_owned(),
        _ => "another process".to_owned(),
    }
}

/// Whether somebody holds the lock now.
pub(super) fn is_held(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match fs2::FileExt::try_lock_shared(&file) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_in_vain_learns_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::acquire(&path, &path, "login openai", PATIENCE).unwrap();
        assert!(is_held(&path).unwrap());
        let refused = Lock::acquire(&path, &path, "get", Duration::from_millis(20));
        let Err(VaultError::Busy { holder, .. }) = refused else {
            panic!("the lock is held");
        };
        assert_eq!(
            holder,
            format!("process {} (vault login openai)", std::process::id())
        );
        drop(held);
        // The wait that was given up above still gets its turn, for a moment.
        while is_held(&path).unwrap() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let path = folder.path().join("lock");
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert!(Lock::acquire(&path, &path, "login", PATIENCE).is_err());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();
        std::fs::hard_link(&victim, &path).unwrap();
        assert!(Lock::acquire(&path, &path, "login", PATIENCE).is_ok());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn who_waits_gets_the_lock_when_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::acquire(&path, &path, "login", PATIENCE).unwrap();
        let (started, waiting) = mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                started.send(()).unwrap();
                Lock::acquire(&path, &path, "get", PATIENCE).is_ok()
            });
            waiting.recv().unwrap();
            drop(held);
            assert!(waiter.join().unwrap());
        });
    }
}
