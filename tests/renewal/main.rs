//! Renewal and ending of tokens, through the binary, against an authorization
//! server that is played on loopback: who asks when, what is kept, and what is
//! said where it does not work out.

#![allow(clippy::unwrap_used)] // also in helpers

mod codex;
mod ending;
mod interrupted;
mod lasting;
mod meanwhile;
mod once;
mod outlets;
mod passing;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod unwritable;
mod verified;
