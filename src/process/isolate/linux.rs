//! The parent's side: what to spawn, and the talk with it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::channel::{Channel, Orders, Report, Word};
use super::{COMMAND, Plan, refusal};
use crate::error::{Error, Kind, Result};

pub use super::stage::stage;

/// A stage takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stage that was spawned or is about to be, and waits for a word. It ends
/// when this is dropped.
#[derive(Debug)]
pub struct Waiting {
    channel: Channel,
}

impl Plan {
    /// Whether a program can be isolated on this machine: does all of it but
    /// the last step.
    ///
    /// # Errors
    /// It cannot; the hint says what stands in the way, as far as that can be
    /// told.
    pub fn probe(&self) -> Result<()> {
        let (mut command, mut waiting) = self
            .command(OsStr::new("true"), &[])
            .map_err(|error| refusal::unable(&error))?;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let spawned = command.spawn();
        // With it goes our copy of the stage's end of the socket.
        drop(command);
        let mut child = spawned.map_err(|error| refusal::unable(&error))?;
        let listener = waiting.listener();
        drop(waiting);
        let _ = child.wait();
        listener.map(drop)
    }

    /// What to spawn in place of the program, and who waits for it. The
    /// environment of the command will be the program's. Whoever spawns it
    /// drops the command before asking for the listener, so that the end of a
    /// stage that fails can be heard.
    ///
    /// # Errors
    /// No socket could be had, or the plan is too large to be sent.
    #[allow(unsafe_code)] // `pre_exec`
    pub fn command(
        &self,
        program: &OsStr,
        arguments: &[OsString],
    ) -> io::Result<(Command, Waiting)> {
        let (ours, theirs) = Channel::pair(PATIENCE)?;
        ours.send(&Orders::of(self), None)?;
        let mut command = Command::new(&self.stage);
        command
            .arg0("vault")
            .arg(COMMAND)
            .arg(theirs.as_raw_fd().to_string())
            .arg(program)
            .args(arguments);
        // SAFETY: one system call, which neither allocates nor locks.
        unsafe { command.pre_exec(move || inherit(&theirs)) };
        Ok((command, Waiting { channel: ours }))
    }
}

/// In the new process alone: it shall outlive the exec there, and never get
/// into another child of ours.
fn inherit(end: &OwnedFd) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(end, rustix::io::FdFlags::empty())?)
}

impl Waiting {
    /// The listener on [`super::ADDRESS`] inside. Waits for it, at most ten
    /// seconds. Asked for once.
    ///
    /// # Errors
    /// The stage could not isolate itself: which step failed, and why.
    pub fn listener(&mut self) -> Result<TcpListener> {
        match self.channel.receive() {
            Ok(Some((Report::Listening, Some(listener)))) => Ok(TcpListener::from(listener)),
            Ok(Some((Report::Failed(failure), _))) => Err(refusal::error(&failure)),
            Ok(Some(_) | None) => Err(ended("it ended before it was ready")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(ended("it was not ready within ten seconds"))
            }
            Err(error) => Err(ended(&error.to_string())),
        }
    }

    /// Lets the program begin, and comes back when it has.
    ///
    /// # Errors
    /// It cannot be executed: the system's reason, as [`Command::spawn`] would
    /// give it; there is nobody in the child's place then.
    pub fn go(self) -> io::Result<()> {
        self.channel.send(&Word::Go, None)?;
        // The program closes its end by beginning.
        match self.channel.receive()? {
            None => Ok(()),
            Some((Report::NotRun(errno), _)) => Err(io::Error::from_raw_os_error(errno)),
            Some((Report::Failed(failure), _)) => {
                Err(io::Error::other(refusal::error(&failure).to_string()))
            }
            Some((Report::Listening, _)) => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn ended(reason: &str) -> Error {
    let message = format!("The program cannot be isolated: {reason}");
    Error::new(Kind::Failed, message).with_hint("See what the system allows: unshare -Urmn true")
}
