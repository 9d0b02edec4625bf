//! Sockets for one user, by which two processes of this program talk: bound
//! under a name of their own and renamed into place, 0600 in a folder of
//! 0700, so that a place is never half made and never open to others. Nobody
//! is believed before the other end is known to be the same user.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::{FileError, PathContext, folder_of, make_private_folder};
use crate::process::{is_alive, user_id};

/// What a socket's address can hold, everywhere.
pub const LONGEST: usize = 103;
/// The most that binding adds to a path for a moment.
const OWN_NAME: usize = 12;

/// A socket that we listen at, until this is dropped.
#[derive(Debug)]
pub struct PrivateSocket {
    listener: UnixListener,
    path: PathBuf,
    inode: Option<Inode>,
}

impl PrivateSocket {
    /// Whether the path of a socket fits into an address.
    pub fn fits(path: &Path) -> bool {
        path.as_os_str().len() + OWN_NAME <= LONGEST
    }

    /// Begins to listen; `accept` does not wait. What is at the path is
    /// replaced. Unfinished sockets of dead processes are swept, if their
    /// names begin with `kin`.
    ///
    /// # Errors
    /// The folder is not ours alone, or the socket cannot be made.
    pub fn bind(path: &Path, kin: &str) -> Result<Self, FileError> {
        let folder = folder_of(path);
        check_folder(folder)?;
        sweep_unfinished(folder, kin);
        let own = path.with_extension(std::process::id().to_string());
        let _ = fs::remove_file(&own);
        let listener = UnixListener::bind(&own).at("listen at", &own)?;
        fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).at("close to others", &own)?;
        listener.set_nonblocking(true).at("listen at", &own)?;
        let inode = Inode::of(&own);
        fs::rename(&own, path).at("listen at", path)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            inode,
        })
    }

    /// Where the others come in.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Whether the socket at our place is still ours: another one can have
    /// taken it over, and somebody can have cleaned up.
    pub fn has_its_place(&self) -> bool {
        self.inode.is_some() && Inode::of(&self.path) == self.inode
    }

    /// Frees the place, if it is ours.
    pub fn leave(&self) {
        if self.has_its_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A connection to whoever listens there, if it is the same user. Neither
/// this nor an exchange by it waits longer than `patience` for one step. A
/// socket that nobody listens at is removed.
///
/// # Errors
/// `NotFound` and `ConnectionRefused` where nobody is there, `WouldBlock`
/// where too many wait already, `PermissionDenied` where it is another user.
pub fn connect(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let before = Inode::of(path);
    let stream = match connect_at_once(path) {
        Ok(stream) => stream,
        Err(error) => {
            if error.kind() == io::ErrorKind::ConnectionRefused {
                remove_if_still(path, before);
            }
            return Err(error);
        }
    };
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    if !is_same_user(&stream) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(stream)
}

/// Connecting waits where the other end's queue is full; of a process that
/// was stopped it stays so.
fn connect_at_once(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket: OwnedFd = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    rustix::net::connect(&socket, &address)?;
    rustix::io::ioctl_fionbio(&socket, false)?;
    Ok(UnixStream::from(socket))
}

/// Whether the other end is the same user. (Elsewhere than on Linux, the
/// folder's mode alone keeps others out.)
pub fn is_same_user(stream: &UnixStream) -> bool {
    #[cfg(target_os = "linux")]
    {
        rustix::net::sockopt::socket_peercred(stream)
            .is_ok_and(|peer| peer.uid.as_raw() == user_id())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        true
    }
}

/// The process at the other end, where the system tells it.
pub fn process_behind(stream: &UnixStream) -> Option<u32> {
    #[cfg(target_os = "linux")]
    {
        let peer = rustix::net::sockopt::socket_peercred(stream).ok()?;
        u32::try_from(peer.pid.as_raw_nonzero().get()).ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        None
    }
}

/// Removes a socket that nobody listens at, and not the one of a newer
/// process that has taken its place by now.
fn remove_if_still(socket: &Path, seen: Option<Inode>) {
    if seen.is_some() && Inode::of(socket) == seen {
        let _ = fs::remove_file(socket);
    }
}

/// Which file stands at a path. (Numbers are used again; with the time they
/// tell a new file from an old one.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inode {
    number: u64,
    made: (i64, i64),
}

impl Inode {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        Some(Self {
            number: found.ino(),
            made: (found.mtime(), found.mtime_nsec()),
        })
    }
}

/// Removes the sockets of processes that were killed before theirs had its
/// place.
fn sweep_unfinished(folder: &Path, kin: &str) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let number = path
            .extension()
            .and_then(|text| text.to_str()?.parse().ok());
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let is_of_ours = stem.is_some_and(|stem| stem.starts_with(kin));
        if is_of_ours && number.is_some_and(|number| !is_alive(number)) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes a folder for sockets, or refuses one that is not ours alone: under a
/// shared folder for temporary files, somebody else may have been first.
///
/// # Errors
/// It cannot be made, or belongs to somebody else.
pub fn check_folder(folder: &Path) -> Result<(), FileError> {
    make_private_folder(folder)?;
    let metadata = fs::symlink_metadata(folder).at("look at", folder)?;
    let ours = metadata.is_dir() && metadata.uid() == user_id();
    if !ours {
        let reason = io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it belongs to somebody else",
        );
        return Err(FileError::from_io("use the folder", folder, reason));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .at("close to others", folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn socket_in(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("run").join("s.sock")
    }

    #[test]
    fn a_socket_and_its_folder_are_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = socket_in(&folder);
        fs::create_dir(path.parent().unwrap()).unwrap();
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(path.parent().unwrap(), open).unwrap();
        let socket = PrivateSocket::bind(&path, "s").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(connect(&path, PATIENCE).is_ok());
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_that_nobody_listens_at_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let error = connect(&path, PATIENCE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_that_a_newer_process_took_over_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        drop(UnixListener::bind(&path).unwrap());
        let seen = Inode::of(&path);
        fs::remove_file(&path).unwrap();
        let _newer = UnixListener::bind(&path).unwrap();
        remove_if_still(&path, seen);
        assert!(path.exists());
        remove_if_still(&path, Inode::of(&path));
        assert!(!path.exists());
    }

    #[test]
    fn an_older_socket_leaves_the_place_to_the_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = socket_in(&folder);
        let older = PrivateSocket::bind(&path, "s").unwrap();
        let newer = PrivateSocket::bind(&path, "s").unwrap();
        assert!(!older.has_its_place() && newer.has_its_place());
        drop(older);
        assert!(path.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn connecting_does_not_wait_for_a_process_that_accepts_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let _stopped = UnixListener::bind(&path).unwrap();
        let mut waiting = Vec::new();
        let refused = loop {
            match connect(&path, PATIENCE) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 10_000);
        };
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert!(path.exists());
    }

    #[test]
    fn sockets_of_processes_that_died_before_they_began_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let path = socket_in(&folder);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let run = path.parent().unwrap();
        make_private_folder(run).unwrap();
        let left = |name: &str, id: u32| {
            let path = run.join(format!("{name}.{id}"));
            fs::write(&path, "").unwrap();
            path
        };
        let dead = left("s", child.id());
        let living = left("s", 1);
        let other = left("t", child.id());
        let _socket = PrivateSocket::bind(&path, "s").unwrap();
        assert!(!dead.exists() && living.exists() && other.exists());
    }
}
