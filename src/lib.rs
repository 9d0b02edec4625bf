//! `vault`: secrets for machines without a desktop.
//!
//! The modules stand in rows; each may use the rows above it and none of its
//! own row's siblings unless `tests/layers.rs` says so. The library exists
//! for the binary, its tests and its fuzz targets; it promises no API.

pub mod audit;
pub mod broker;
pub mod cli;
pub mod credential;
pub mod error;
pub mod export;
pub mod files;
pub mod flow;
pub mod gateway;
pub mod import;
pub mod json;
pub mod jsonc;
pub mod name;
pub mod net;
pub mod policy;
pub mod process;
pub mod provider;
pub mod scan;
pub mod seal;
pub mod secret;
pub mod span;
pub mod text;
pub mod unlock;
pub mod usage;
pub mod vault;
