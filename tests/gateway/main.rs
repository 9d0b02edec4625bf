//! The gateway through the binary: `run` and `serve` as programs see them that
//! hold no key, between clients and upstreams that are played on loopback.
//! Nothing here needs more than Rust.

#![allow(clippy::unwrap_used)] // also in helpers

mod client;
#[path = "../policy/corpus.rs"]
mod corpus;
#[path = "../support/mod.rs"]
mod support;
mod template;
mod world;

mod agents;
mod around;
mod authority;
mod books;
mod budgets;
mod choice;
mod entrances;
mod held;
mod hosts;
mod injection;
mod limits;
mod metered;
mod metered_cut;
mod passing;
mod placeholders;
mod policy;
mod redaction;
mod refusals;
mod reload;
mod renewal;
mod routes;
mod routes_fallback;
mod routes_models;
mod serving;
mod streaming;
mod switching;
mod unmatched;
mod upstreams;
