//! The catalog, the schema and definitions from elsewhere, through the
//! library's own doors.

// The exception for tests in clippy.toml does not reach their helpers.
#![allow(clippy::unwrap_used)]

mod authsome;
mod bundled;
mod catalog;
#[path = "../conforms/mod.rs"]
mod conforms;
mod hostile;
mod oauth;
mod schema;
mod traps;
