//! Real clients, unchanged, through `run` and `serve`, against a stand-in that
//! speaks TLS in the providers' names. Every test has a network of its own, in
//! which nothing but the stand-in can be reached, so port 443 is free and no
//! fake key can go astray.
//!
//! A client that is not installed is skipped with a line that says so, unless
//! `VAULT_TEST_REQUIRE` (names, comma between) asks for it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // also in helpers

mod answers;
mod aws;
mod by_hand;
mod curl;
mod git;
mod grpc;
mod installs;
mod node;
mod python;
mod seen;
mod server;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod websocket;
mod world;
