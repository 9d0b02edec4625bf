//! Logins with OAuth through the binary, in a world of their own: the
//! authorization servers are played on loopback behind a proxy, and so is the
//! person at the browser. Nothing here needs more than Rust.

#![allow(clippy::unwrap_used)] // also in helpers

mod calls;
mod client;
mod codex;
mod device;
mod machine;
mod paste;
mod pkce;
mod ports;
mod refused;
mod register;
#[path = "../support/mod.rs"]
mod support;
mod world;
