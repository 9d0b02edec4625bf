//! The session: a small process that keeps a vault's key for a while, so that
//! a passphrase is typed once. It keeps the key alone, in memory that is not
//! swapped or dumped, behind a socket for one user.
//!
//! A client sends one line: `key` is answered with the key, `end` ends the
//! session, and anything else is answered with nothing.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

use crate::files::{self, FileError, PathContext};
use crate::process::{self, LockedBytes};
use crate::seal::VaultKey;

/// How long one exchange may take.
const EXCHANGE: Duration = Duration::from_secs(2);
/// How often a waiting session looks whether its key is still in force.
const GLANCE: Duration = Duration::from_secs(5);
const LONGEST_REPLY: u64 = 256;

/// Asks the session for the key. `None` where there is no session; a socket
/// that nobody listens at is removed.
pub fn key(socket: &Path) -> Option<VaultKey> {
    let reply = exchange(&mut connect(socket)?, "key\n").ok()?;
    VaultKey::from_slot_text(&reply)
}

/// What came of asking a session to end.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has ended.
    Ended,
    /// There was none.
    NoSession,
    /// It does not answer, and may still hold the key. Its process, where the
    /// system tells it.
    Silent(Option<u32>),
}

/// Ends the session.
pub fn end(socket: &Path) -> Ending {
    let Some(mut stream) = connect(socket) else {
        return Ending::NoSession;
    };
    match exchange(&mut stream, "end\n") {
        Ok(reply) if *reply == b"ended\n" => Ending::Ended,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ) =>
        {
            Ending::Silent(process_behind(&stream))
        }
        // It ended by itself in the meantime.
        Ok(_) | Err(_) => Ending::NoSession,
    }
}

/// A connection to the session of the same user, if there is one.
fn connect(socket: &Path) -> Option<UnixStream> {
    let before = Inode::of(socket);
    let stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) => {
            if error.kind() == io::ErrorKind::ConnectionRefused {
                remove_if_still(socket, before);
            }
            return None;
        }
    };
    stream.set_read_timeout(Some(EXCHANGE)).ok()?;
    stream.set_write_timeout(Some(EXCHANGE)).ok()?;
    is_same_user(&stream).then_some(stream)
}

/// Removes a socket that nobody listens at, and not the one of a newer
/// session that has taken its place by now.
fn remove_if_still(socket: &Path, seen: Option<Inode>) {
    if seen.is_some() && Inode::of(socket) == seen {
        let _ = fs::remove_file(socket);
    }
}

fn exchange(stream: &mut UnixStream, request: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    stream.write_all(request.as_bytes())?;
    let mut reply = Zeroizing::new(Vec::with_capacity(LONGEST_REPLY as usize + 1));
    stream.take(LONGEST_REPLY).read_to_end(&mut reply)?;
    Ok(reply)
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

fn process_behind(stream: &UnixStream) -> Option<u32> {
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

/// Whether the other end is the same user. (Elsewhere than on Linux, the
/// folder's mode alone keeps others out.)
fn is_same_user(stream: &UnixStream) -> bool {
    #[cfg(target_os = "linux")]
    {
        rustix::net::sockopt::socket_peercred(stream)
            .is_ok_and(|peer| peer.uid.as_raw() == process::user_id())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        true
    }
}

/// The session's own side: the key, and where it is asked for.
pub struct Keeper {
    listener: UnixListener,
    socket: PathBuf,
    inode: Option<Inode>,
    key: LockedBytes,
    idle: Duration,
}

impl Keeper {
    /// Begins to listen. An earlier session at the same place is replaced.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn listen(socket: &Path, key: &VaultKey, idle: Duration) -> Result<Self, FileError> {
        let folder = files::folder_of(socket);
        check_folder(folder)?;
        // Bound under a name of its own first: the place is never empty, and
        // never open to others.
        sweep_unfinished(socket);
        let own = socket.with_extension(std::process::id().to_string());
        let _ = fs::remove_file(&own);
        let listener = UnixListener::bind(&own).at("listen at", &own)?;
        fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).at("close to others", &own)?;
        listener.set_nonblocking(true).at("listen at", &own)?;
        let inode = Inode::of(&own);
        fs::rename(&own, socket).at("listen at", socket)?;
        Ok(Self {
            listener,
            socket: socket.to_owned(),
            inode,
            key: LockedBytes::new(key.slot_text().as_bytes()),
            idle,
        })
    }

    /// Answers until nobody asked for long enough, somebody ends the session,
    /// or `is_current` says that the key, given as its text, is no longer the
    /// vault's.
    pub fn serve(self, is_current: &mut dyn FnMut(&[u8]) -> bool) {
        let mut asked = now();
        loop {
            let idle_for = now().saturating_sub(asked);
            let Some(left) = self
                .idle
                .checked_sub(idle_for)
                .filter(|left| !left.is_zero())
            else {
                return;
            };
            let wait = left.min(GLANCE);
            let timeout = Timespec {
                tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: wait.subsec_nanos().into(),
            };
            let mut ready = [PollFd::new(&self.listener, PollFlags::IN)];
            // Interrupted or not, the loop looks at the time and the key.
            let _ = poll(&mut ready, Some(&timeout));
            if !is_current(self.key.as_bytes()) || !self.still_has_its_place() {
                return;
            }
            while let Ok((client, _)) = self.listener.accept() {
                match self.answer(client) {
                    Ok(Answer::Key) => asked = now(),
                    Ok(Answer::End) => return,
                    Ok(Answer::Nothing) | Err(_) => {}
                }
            }
        }
    }

    fn answer(&self, mut client: UnixStream) -> io::Result<Answer> {
        client.set_nonblocking(false)?;
        client.set_read_timeout(Some(EXCHANGE / 2))?;
        client.set_write_timeout(Some(EXCHANGE / 2))?;
        if !is_same_user(&client) {
            return Ok(Answer::Nothing);
        }
        let mut request = [0; 4];
        client.read_exact(&mut request)?;
        match &request {
            b"key\n" => {
                client.write_all(self.key.as_bytes())?;
                Ok(Answer::Key)
            }
            b"end\n" => {
                // The place is free before the client hears of it.
                self.leave();
                client.write_all(b"ended\n")?;
                Ok(Answer::End)
            }
            _ => Ok(Answer::Nothing),
        }
    }

    /// Whether the socket at our place is still ours: a newer session takes
    /// it over, and then this one has nobody left to serve.
    fn still_has_its_place(&self) -> bool {
        self.inode.is_some() && Inode::of(&self.socket) == self.inode
    }

    fn leave(&self) {
        if self.still_has_its_place() {
            let _ = fs::remove_file(&self.socket);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.leave();
    }
}

enum Answer {
    Key,
    End,
    Nothing,
}

/// A clock that goes on while the machine sleeps, so that a closed lid does
/// not stretch the session.
fn now() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Removes the sockets of sessions that were killed before theirs had its
/// place.
fn sweep_unfinished(socket: &Path) {
    let Ok(entries) = fs::read_dir(files::folder_of(socket)) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let number = path
            .extension()
            .and_then(|text| text.to_str()?.parse().ok());
        let is_of_ours = path.file_stem() == socket.file_stem();
        if is_of_ours && number.is_some_and(|number| !process::is_alive(number)) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes the socket's folder, or refuses one that is not ours alone: under a
/// shared folder for temporary files, somebody else may have been first.
fn check_folder(folder: &Path) -> Result<(), FileError> {
    files::make_private_folder(folder)?;
    let metadata = fs::symlink_metadata(folder).at("look at", folder)?;
    let ours = metadata.is_dir() && metadata.uid() == process::user_id();
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

    fn socket_in(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("run").join("s.sock")
    }

    #[test]
    fn a_session_gives_its_key_until_it_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_in(&folder);
        let kept = VaultKey::generate();
        let keeper = Keeper::listen(&socket, &kept, Duration::from_secs(60)).unwrap();
        let session = std::thread::spawn(move || keeper.serve(&mut |_| true));
        assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
        for _ in 0..3 {
            assert_eq!(key(&socket).unwrap().fingerprint(), kept.fingerprint());
        }
        assert_eq!(end(&socket), Ending::Ended);
        session.join().unwrap();
        assert!(!socket.exists());
        assert!(key(&socket).is_none());
        assert_eq!(end(&socket), Ending::NoSession);
    }

    #[test]
    fn a_session_ends_by_itself_when_nobody_asks() {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_in(&folder);
        let keeper =
            Keeper::listen(&socket, &VaultKey::generate(), Duration::from_millis(50)).unwrap();
        keeper.serve(&mut |_| true);
        assert!(!socket.exists());
    }

    #[test]
    fn a_session_ends_when_its_key_is_no_longer_the_vaults() {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_in(&folder);
        let keeper =
            Keeper::listen(&socket, &VaultKey::generate(), Duration::from_secs(3600)).unwrap();
        let session = std::thread::spawn(move || keeper.serve(&mut |_| false));
        assert!(key(&socket).is_none());
        session.join().unwrap();
    }

    #[test]
    fn a_newer_session_takes_the_place_of_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_in(&folder);
        let hour = Duration::from_secs(3600);
        let older = Keeper::listen(&socket, &VaultKey::generate(), hour).unwrap();
        let newer_key = VaultKey::generate();
        let newer = Keeper::listen(&socket, &newer_key, hour).unwrap();
        drop(older);
        let session = std::thread::spawn(move || newer.serve(&mut |_| true));
        assert_eq!(key(&socket).unwrap().fingerprint(), newer_key.fingerprint());
        assert_eq!(end(&socket), Ending::Ended);
        session.join().unwrap();
    }

    #[test]
    fn a_socket_that_nobody_listens_at_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s.sock");
        drop(UnixListener::bind(&socket).unwrap());
        assert!(socket.exists());
        assert!(key(&socket).is_none());
        assert!(!socket.exists());
    }

    #[test]
    fn a_socket_that_a_newer_session_took_over_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s.sock");
        drop(UnixListener::bind(&socket).unwrap());
        let seen = Inode::of(&socket);
        fs::remove_file(&socket).unwrap();
        let _newer = UnixListener::bind(&socket).unwrap();
        remove_if_still(&socket, seen);
        assert!(socket.exists());
        remove_if_still(&socket, Inode::of(&socket));
        assert!(!socket.exists());
    }

    #[test]
    fn a_session_that_does_not_answer_is_told_from_none() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s.sock");
        let _hung = UnixListener::bind(&socket).unwrap();
        let id = cfg!(target_os = "linux").then(std::process::id);
        assert_eq!(end(&socket), Ending::Silent(id));
        assert!(socket.exists());
    }

    #[test]
    fn sockets_of_sessions_that_died_before_they_began_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_in(&folder);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let run = socket.parent().unwrap();
        files::make_private_folder(run).unwrap();
        let left = |name: &str, id: u32| {
            let path = run.join(format!("{name}.{id}"));
            fs::write(&path, "").unwrap();
            path
        };
        let dead = left("s", child.id());
        let living = left("s", 1);
        let other = left("t", child.id());
        let hour = Duration::from_secs(3600);
        let keeper = Keeper::listen(&socket, &VaultKey::generate(), hour).unwrap();
        assert!(!dead.exists() && living.exists() && other.exists());
        drop(keeper);
    }

    #[test]
    fn a_silent_client_does_not_hold_up_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_in(&folder);
        let kept = VaultKey::generate();
        let keeper = Keeper::listen(&socket, &kept, Duration::from_secs(60)).unwrap();
        let session = std::thread::spawn(move || keeper.serve(&mut |_| true));
        let _silent = UnixStream::connect(&socket).unwrap();
        assert!(key(&socket).is_some());
        assert_eq!(end(&socket), Ending::Ended);
        session.join().unwrap();
    }
}
