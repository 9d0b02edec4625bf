//! A program in namespaces of its own, for `run --isolate`: it finds no
//! network but one address, on which the parent listens, and none of the
//! places that lead into the vault or to somebody who acts for the user.
//!
//! The parent starts this program once more, as `vault __isolate` ([`stage`]),
//! and talks to it over one socket. The stage has one thread, as the system
//! asks of who leaves its user namespace; it makes the namespaces, listens,
//! hands the listener out, waits for a word, drops every right and becomes the
//! program, under the number that it was started with. So signals, terminal
//! and exit code are those of a child without isolation. For the same reason
//! there is no namespace for processes: the program would be its first
//! process, whom unhandled signals do not reach, and whose orphans it must
//! reap.
//!
//! What always holds: until the parent says go, nothing foreign has run; a
//! step that fails ends the stage, and the parent learns which one it was.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

#[cfg(not(target_os = "linux"))]
#[path = "isolate/absent.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "isolate/linux.rs"]
mod system;

#[cfg(target_os = "linux")]
mod channel;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod hide;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod refusal;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(target_os = "linux")]
mod stage;

pub use system::{Waiting, stage};

/// The one address that answers inside. Nothing else is in that network, so
/// the port is always free.
pub const ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8765);

/// The hidden command that is the stage.
pub const COMMAND: &str = "__isolate";

/// What an isolated program finds.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Files and folders that it does not. Those that are not there do not
    /// matter. The sockets that listen on this machine need not be named.
    pub hidden: Vec<PathBuf>,
    /// A folder that it may read, even within a hidden one.
    pub keep: Option<PathBuf>,
    /// The program that has the hidden command: this one, but in tests.
    pub stage: PathBuf,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            hidden: Vec::new(),
            keep: None,
            // Not by its path, where a newer one may lie by now.
            stage: PathBuf::from("/proc/self/exe"),
        }
    }
}
