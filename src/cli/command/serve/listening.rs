//! Where a service listens: ports, sockets in the file system, and what
//! systemd listens on for it.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::Mode;
use rustix::net::SocketAddrAny;

use crate::error::{Error, Kind, Result};
use crate::gateway::Listener;
use crate::process::take_descriptor;
use crate::text::printable;

/// The first descriptor that systemd hands over (sd_listen_fds(3)).
const FIRST: u32 = 3;
/// More sockets than this no unit has.
const MOST: u32 = 64;

/// An address to listen on, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(String),
    Unix(PathBuf),
}

/// Text that is no such address.
#[derive(Debug, Clone, thiserror::Error)]
#[error("an address is HOST:PORT, such as 127.0.0.1:8765, or unix:PATH")]
pub(super) struct BadAddress;

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> std::result::Result<Self, BadAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(BadAddress),
                path => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        match port {
            Some(Ok(_)) => Ok(Self::Tcp(text.to_owned())),
            _ => Err(BadAddress),
        }
    }
}

/// Open listeners.
pub(super) struct Listening {
    listeners: Vec<(Listener, Place)>,
    sockets: Sockets,
}

#[derive(Debug, Clone)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Sockets that we made, which go when we do.
pub(super) struct Sockets(Vec<PathBuf>);

impl Drop for Sockets {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

impl Listening {
    /// Opens them. What systemd listens on takes the place of the addresses.
    pub(super) fn open(addresses: &[Address], activated: u32) -> Result<Self> {
        let mut open = Self {
            listeners: Vec::new(),
            sockets: Sockets(Vec::new()),
        };
        if activated > 0 {
            for number in FIRST..FIRST + activated.min(MOST) {
                let listener = inherited(number).map_err(|error| {
                    let message = "What systemd hands over is no socket that is listened on";
                    Error::new(Kind::Failed, message).with_source(error)
                })?;
                open.listeners.push(listener);
            }
            return Ok(open);
        }
        for address in addresses {
            match address {
                Address::Tcp(text) => open.port(text)?,
                Address::Unix(path) => open.socket(path)?,
            }
        }
        Ok(open)
    }

    fn port(&mut self, text: &str) -> Result<()> {
        let failed = |error: io::Error| {
            let shown = printable(text);
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "Another program has it. Take another: --listen 127.0.0.1:0"
                }
                io::ErrorKind::PermissionDenied => {
                    "Take a port above 1023: --listen 127.0.0.1:8765"
                }
                _ => "Take an address of this machine: --listen 127.0.0.1:8765",
            };
            Error::new(Kind::Failed, format!("Cannot listen on {shown}: {error}")).with_hint(hint)
        };
        // `localhost` may be two addresses.
        for address in text.to_socket_addrs().map_err(failed)? {
            let listener = TcpListener::bind(address).map_err(failed)?;
            let own = listener.local_addr().map_err(failed)?;
            self.listeners
                .push((Listener::Tcp(listener), Place::Tcp(own)));
        }
        Ok(())
    }

    fn socket(&mut self, path: &Path) -> Result<()> {
        let failed = |error: io::Error| {
            let message = format!("Cannot listen on {}: {error}", path.display());
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "Another program listens there, or another file has the name."
                }
                _ => "Take a folder that is yours: --listen unix:/run/user/$(id -u)/vault.sock",
            };
            Error::new(Kind::Failed, message).with_hint(hint)
        };
        remove_stale(path);
        // Nobody else's from its first moment on.
        let before = rustix::process::umask(Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        let listener = bound.map_err(failed)?;
        self.sockets.0.push(path.to_owned());
        let place = Place::Unix(path.to_owned());
        self.listeners.push((Listener::Unix(listener), place));
        Ok(())
    }

    /// Whether nobody but this machine's programs can come in.
    pub(super) fn is_local(&self) -> bool {
        self.listeners.iter().all(|(_, place)| match place {
            Place::Tcp(address) => address.ip().is_loopback(),
            Place::Unix(_) => true,
        })
    }

    /// Whether clients share this machine's network: a socket in the file
    /// system may be mounted into a container.
    pub(super) fn is_private(&self) -> bool {
        self.listeners.iter().all(|(_, place)| match place {
            Place::Tcp(address) => address.ip().is_loopback(),
            Place::Unix(_) => false,
        })
    }

    /// That others could read tokens on their way.
    pub(super) fn refuse_open(&self) -> Error {
        let open = self.listeners.iter().find_map(|(_, place)| match place {
            Place::Tcp(address) if !address.ip().is_loopback() => Some(address),
            _ => None,
        });
        let open = open.map_or(String::new(), ToString::to_string);
        let message = format!(
            "{open} can be reached from elsewhere, where tokens would be read on their way"
        );
        Error::new(Kind::Usage, message).with_hint(
            "Give it TLS, --tls-cert cert.pem --tls-key key.pem, or say that the network is safe: \
             --insecure-http",
        )
    }

    /// The addresses for people.
    pub(super) fn places(&self, is_tls: bool) -> Vec<String> {
        let scheme = if is_tls { "https" } else { "http" };
        let shown = |place: &Place| match place {
            Place::Tcp(address) => format!("{scheme}://{address}"),
            Place::Unix(path) => format!("unix:{}", path.display()),
        };
        self.listeners
            .iter()
            .map(|(_, place)| shown(place))
            .collect()
    }

    pub(super) fn into_parts(self) -> (Vec<Listener>, Sockets) {
        let listeners = self.listeners.into_iter().map(|(listener, _)| listener);
        (listeners.collect(), self.sockets)
    }
}

/// A socket that a killed service left behind.
fn remove_stale(path: &Path) {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(|error| refused(&error)) {
        let _ = fs::remove_file(path);
    }
}

/// A listener by its number.
fn inherited(number: u32) -> io::Result<(Listener, Place)> {
    let descriptor = take_descriptor(number)?;
    let address = rustix::net::getsockname(&descriptor)?;
    if !rustix::net::sockopt::socket_acceptconn(&descriptor)? {
        return Err(io::ErrorKind::NotConnected.into());
    }
    match SocketAddr::try_from(address.clone()) {
        Ok(own) => Ok((
            Listener::Tcp(TcpListener::from(descriptor)),
            Place::Tcp(own),
        )),
        Err(_) => {
            let path = path_of(&address);
            Ok((
                Listener::Unix(UnixListener::from(descriptor)),
                Place::Unix(path),
            ))
        }
    }
}

fn path_of(address: &SocketAddrAny) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let unix = rustix::net::SocketAddrUnix::try_from(address.clone()).ok();
    let path = unix.as_ref().and_then(|unix| unix.path_bytes());
    PathBuf::from(std::ffi::OsStr::from_bytes(path.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_or_a_socket() {
        for text in ["127.0.0.1:0", "[::1]:8765", "localhost:8765"] {
            assert_eq!(text.parse::<Address>().unwrap(), Address::Tcp(text.into()));
        }
        let unix = Address::Unix("/run/x.sock".into());
        assert_eq!("unix:/run/x.sock".parse::<Address>().unwrap(), unix);
        for text in ["", "8765", "localhost", "unix:", "a:b", ":99999"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
