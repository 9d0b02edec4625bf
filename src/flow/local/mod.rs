//! The pages on 127.0.0.1 that a login shows: the place that a provider sends
//! the browser back to ([`wait`], RFC 8252), and a form for keys ([`Form`]).
//!
//! Every web page that is open in a browser, and every user of the machine,
//! can send requests to 127.0.0.1. So a request that is not exactly the one
//! we wait for is answered and forgotten: it ends nothing, changes nothing,
//! and holds nobody up. What is shown is escaped, and no secret is ever shown.
//!
//! HTTP is read here with hyper's parser but without hyper: hyper's buffers
//! cannot be wiped, and its own refusals carry none of our headers.

mod answer;
mod callback;
mod form;
mod guard;
mod html;
mod request;
mod serve;

use std::io;

use crate::error::{Error, Kind};

pub use self::callback::{Callback, Denied, Redirected, wait};
pub use self::form::{FORM_PORTS, Form, FormField, FormPage};
pub use self::serve::Listener;

/// Why a page came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Nobody finished it.
    #[error("The page in the browser was not finished in time")]
    TimedOut,
    /// The socket does not work.
    #[error("No page can be shown on 127.0.0.1: {0}")]
    Socket(#[from] io::Error),
}

impl From<LocalError> for Error {
    fn from(error: LocalError) -> Self {
        let (kind, hint) = match error {
            LocalError::TimedOut => (
                Kind::Unreachable,
                "Run the command again. Where no browser can reach this machine, \
                 look at the other ways: vault login --help",
            ),
            LocalError::Socket(_) => (
                Kind::Failed,
                "Look at the ways that need no browser: vault login --help",
            ),
        };
        Self::new(kind, error.to_string()).with_hint(hint)
    }
}

#[cfg(test)]
mod tests;
