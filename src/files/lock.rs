//! A file that one process at a time holds.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::{FileError, PathContext};

/// Locks a file, which is made where it is not there, for reading and writing;
/// `None` where somebody held it all the time. Those who wait sleep in the
/// kernel, which wakes them when the lock is free: nobody has to be lucky in
/// asking at the right moment.
///
/// # Errors
/// It is no regular file, or cannot be opened or locked.
pub fn lock(path: &Path, patience: Duration) -> Result<Option<File>, FileError> {
    let file = open(path).at("open", path)?;
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
