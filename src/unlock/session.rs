//! The session: a small process that keeps a vault's key for a while, so that
//! a passphrase is typed once. It keeps the key alone, in memory that is not
//! swapped or dumped, behind a socket for one user.
//!
//! A client sends one line: `key` is answered with the key, `end` ends the
//! session, and anything else is answered with nothing.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

use crate::files::FileError;
use crate::files::socket::{self, PrivateSocket, process_behind};
use crate::process::{LockedBytes, since_boot};
use crate::seal::VaultKey;

/// How long one exchange may take.
const EXCHANGE: Duration = Duration::from_secs(2);
/// How often a waiting session looks whether its key is still in force.
const GLANCE: Duration = Duration::from_secs(5);
const LONGEST_REPLY: u64 = 256;

/// Asks the session for the key. `None` where there is no session; a socket
/// that nobody listens at is removed.
pub fn key(socket: &Path) -> Option<VaultKey> {
    let reply = exchange(&mut socket::connect(socket, EXCHANGE).ok()?, "key\n").ok()?;
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
    let mut stream = match socket::connect(socket, EXCHANGE) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ending::Silent(None),
        Err(_) => return Ending::NoSession,
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

fn exchange(stream: &mut UnixStream, request: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    stream.write_all(request.as_bytes())?;
    let mut reply = Zeroizing::new(Vec::with_capacity(LONGEST_REPLY as usize + 1));
    stream.take(LONGEST_REPLY).read_to_end(&mut reply)?;
    Ok(reply)
}

/// The session's own side: the key, and where it is asked for.
pub struct Keeper {
    socket: PrivateSocket,
    key: LockedBytes,
    idle: Duration,
}

impl Keeper {
    /// Begins to listen. An earlier session at the same place is replaced.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn listen(socket: &Path, key: &VaultKey, idle: Duration) -> Result<Self, FileError> {
        let kin = socket.file_stem().and_then(|stem| stem.to_str());
        Ok(Self {
            socket: PrivateSocket::bind(socket, kin.unwrap_or_default())?,
            key: LockedBytes::new(key.slot_text().as_bytes()),
            idle,
        })
    }

    /// Answers until nobody asked for long enough, somebody ends the session,
    /// or `is_current` says that the key, given as its text, is no longer the
    /// vault's.
    pub fn serve(self, is_current: &mut dyn FnMut(&[u8]) -> bool) {
        let mut asked = since_boot();
        loop {
            let idle_for = since_boot().saturating_sub(asked);
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
            let mut ready = [PollFd::new(self.socket.listener(), PollFlags::IN)];
            // Interrupted or not, the loop looks at the time and the key.
            let _ = poll(&mut ready, Some(&timeout));
            if !is_current(self.key.as_bytes()) || !self.socket.has_its_place() {
                return;
            }
            while let Ok((client, _)) = self.socket.listener().accept() {
                match self.answer(client) {
                    Ok(Answer::Key) => asked = since_boot(),
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
        if !socket::is_same_user(&client) {
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
                self.socket.leave();
                client.write_all(b"ended\n")?;
                Ok(Answer::End)
            }
            _ => Ok(Answer::Nothing),
        }
    }
}

enum Answer {
    Key,
    End,
    Nothing,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

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
    fn a_session_that_does_not_answer_is_told_from_none() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s.sock");
        let _hung = UnixListener::bind(&socket).unwrap();
        let id = cfg!(target_os = "linux").then(std::process::id);
        assert_eq!(end(&socket), Ending::Silent(id));
        assert!(socket.exists());
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
