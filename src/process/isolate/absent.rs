//! Systems without namespaces: a refusal.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::TcpListener;
use std::process::Command;

use super::Plan;
use crate::error::{Error, Kind, Result};
use crate::process::Inherited;

/// A stage that waits. There is none here.
#[derive(Debug)]
pub struct Waiting(Infallible);

impl Plan {
    /// Whether a program can be isolated on this machine.
    ///
    /// # Errors
    /// Always.
    pub fn probe(&self) -> Result<()> {
        Err(refusal())
    }

    /// What to spawn in place of the program.
    ///
    /// # Errors
    /// Always.
    pub fn command(&self, _: &OsStr, _: &[OsString]) -> io::Result<(Command, Waiting)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Waiting {
    /// The listener on [`super::ADDRESS`] inside.
    ///
    /// # Errors
    /// Never: there is no stage.
    pub fn listener(&mut self) -> Result<TcpListener> {
        match self.0 {}
    }

    /// Lets the program begin.
    ///
    /// # Errors
    /// Never: there is no stage.
    pub fn go(self) -> io::Result<()> {
        match self.0 {}
    }
}

/// The hidden command.
///
/// # Errors
/// Always.
pub fn stage(_: &[OsString], _: &Inherited) -> Result<u8> {
    Err(refusal())
}

fn refusal() -> Error {
    Error::new(
        Kind::Failed,
        "A program can be isolated on Linux only: this system has no namespaces",
    )
    .with_hint("Run it in a virtual machine or a Linux container, or without it: vault run -- CMD")
}
