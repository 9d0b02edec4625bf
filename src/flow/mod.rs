//! Ways to come by tokens, to renew them and to end them: the requests of
//! OAuth 2 and its relatives, each one on `net`, and the pages that a login
//! shows on this machine.
//!
//! Own flows rather than a crate: what has to be read well here is what
//! providers do differently, and a crate's types would stand in its way.
//!
//! Nothing here reads or writes the vault. What a server says is repeated
//! only where it holds nothing that was secret, and never followed elsewhere.

pub mod authorize;
pub mod codex;
pub mod device;
mod error;
mod jwt;
pub mod local;
mod pairs;
pub mod register;
mod request;
pub mod revoke;
mod server;
mod tokens;

pub use self::error::{ANOTHER_ACCOUNT, FlowError, Weight};
pub use self::request::{bearer, client_credentials, exchange, refresh};
pub use self::server::Server;
pub use self::tokens::{Step, Tokens};
