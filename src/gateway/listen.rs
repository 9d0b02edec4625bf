//! Where clients come in: ports of this machine, and sockets in the file
//! system.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use tokio::net::{TcpStream, UnixStream};

use crate::net::watch_over;

/// A place where clients come in; it listens already.
#[derive(Debug)]
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A socket in the file system.
    Unix(UnixListener),
}

/// A client that came in, on its way to the thread that will have it.
#[derive(Debug)]
pub(super) enum Arrived {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// The same listener on this thread's event queue.
pub(super) enum Open {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    pub(super) fn open(self) -> io::Result<Open> {
        Ok(match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Open::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Open::Unix(tokio::net::UnixListener::from_std(listener)?)
            }
        })
    }
}

impl Open {
    pub(super) async fn accept(&self) -> io::Result<Arrived> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Without it a fresh connection stalls for 40 ms.
                let _ = stream.set_nodelay(true);
                watch_over(&stream);
                Ok(Arrived::Tcp(stream.into_std()?))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                // The socket's mode keeps others out, where the system heeds it.
                let peer = stream.peer_cred()?;
                if peer.uid() != crate::process::user_id() && peer.uid() != 0 {
                    return Err(io::ErrorKind::PermissionDenied.into());
                }
                Ok(Arrived::Unix(stream.into_std()?))
            }
        }
    }
}

impl Arrived {
    pub(super) fn settle(self) -> io::Result<Settled> {
        Ok(match self {
            Self::Tcp(stream) => Settled::Tcp(TcpStream::from_std(stream)?),
            Self::Unix(stream) => Settled::Unix(UnixStream::from_std(stream)?),
        })
    }
}

/// A client on the thread that has it.
pub(super) enum Settled {
    Tcp(TcpStream),
    Unix(UnixStream),
}
