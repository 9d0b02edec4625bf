//! What is known about each provider: its hosts, its fields and their shapes,
//! where a credential goes in a request, where keys come from. It all lies in
//! JSON files, bundled ones and the user's own; adding one needs no Rust.
//!
//! A definition may be written by anyone. Its text is bounded in size and
//! depth, its expressions run in linear time and bounded memory, and a host
//! expression that foreign hosts could match is never used for injection.

mod assemble;
mod bundled;
mod catalog;
mod danger;
mod definition;
mod detect;
mod field;
mod host;
mod lenient;
mod oauth;
mod own;
mod parse;
mod pattern;
mod placeholder;
mod placement;
mod raw;
mod register;
mod schema;
mod steering;
mod verify;

pub use catalog::{Catalog, Entry, Found, Source};
pub use definition::{AuthKind, Definition};
pub use detect::Detect;
pub use field::{Examples, Field, Lookalike};
pub use host::{BadHost, Host, HostName, Injection};
pub use oauth::{BadEndpoint, BadFlow, Flow, OAuth, Protocol, Redirect, Writing};
pub use own::{Astray, BadBaseUrl, is_in_the_clear};
pub use parse::validate;
pub use pattern::{BadPattern, Pattern};
pub use placeholder::{placeholder, shapeless};
pub use placement::{BadTemplate, Part, Placement, Spot, Template};
pub use register::{register, remove};
pub use schema::SCHEMA;
pub use verify::{Answer, Body, JsonTemplate, Outcome, Reading, Tells, Told, Verify, When};
