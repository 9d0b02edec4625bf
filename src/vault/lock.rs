//! The lock on a vault: one writer at a time, on a file beside the vault,
//! since the vault itself is renamed over.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::VaultError;
use crate::files::{FileError, PathContext};
use crate::text;

/// How long a command waits for another one.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The right to change a vault, until dropped.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits its turn. The system queues those who wait, so that nobody is
    /// passed over for long.
    pub(super) fn acquire(
        path: &Path,
        vault: &Path,
        command: &str,
        patience: Duration,
    ) -> Result<Self, VaultError> {
        let file = open(path)?;
        let file = match fs2::FileExt::try_lock_exclusive(&file) {
            Ok(()) => file,
            Err(error) if error.kind() == fs2::lock_contended_error().kind() => {
                wait(file, path, patience)?.ok_or_else(|| VaultError::Busy {
                    path: vault.to_owned(),
                    holder: holder(path),
                    seconds: patience.as_secs(),
                })?
            }
            Err(error) => return Err(FileError::from_io("lock", path, error).into()),
        };
        name_holder(&file, command);
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .at("open the lock", path)
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
    fn who_waits_gets_the_lock_when_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::acquire(&path, &path, "login", PATIENCE).unwrap();
        let (started, waiting) = mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                started.send(()).unwrap();
                Lock::acquire(&path, &path, "login", PATIENCE).is_ok()
            });
            waiting.recv().unwrap();
            drop(held);
            assert!(waiter.join().unwrap());
        });
    }
}
