//! The lock on a vault: one writer at a time, on a file beside the vault,
//! since the vault itself is renamed over.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::VaultError;
use crate::files;
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
        if let Some(file) = files::lock(path, Duration::ZERO)? {
            name_holder(&file, command);
            return Ok(Self {
                _file: file,
                waited_for: None,
            });
        }
        let file = files::lock(path, patience)?.ok_or_else(|| VaultError::Busy {
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
    use std::sync::mpsc;

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
