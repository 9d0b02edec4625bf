//! The corpus of `policy.json`: what becomes of requests, and what the schema
//! says of the policies.

#![allow(clippy::unwrap_used)] // also in helpers

#[path = "../conforms/mod.rs"]
mod conforms;
mod corpus;
mod decided;
mod schema;
