//! What happened here, one line of JSON for each thing, in a chain: each line
//! holds the digest of the one before it, so that one that was changed, taken
//! out, moved or cut off is missed.
//!
//! Always true here: a line holds names and never a value, is at most
//! [`LONGEST`] bytes long, and is written in one go by whoever holds the lock
//! on the log; what continues a log continues what is remembered of it, so
//! that nothing that went missing is papered over by the next line.

mod entry;
mod line;
mod log;
mod read;
mod tail;
mod verify;

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind};
use crate::files::FileError;
use crate::text;

pub use entry::{Entry, Event};
pub use line::{LONGEST, Mark};
pub use log::Log;
pub use read::Recorded;
pub use verify::{Broken, Fault, Verified, VerifyError};

/// Why something is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There never was a log, and none can be made: a home that is read-only.
    #[error("There is no audit log, and none can be made: {0}")]
    NoPlace(FileError),
    /// Somebody else held it all the time.
    #[error("The audit log {} is held by another process", path.display())]
    Busy {
        /// The log.
        path: PathBuf,
    },
}

impl From<AuditError> for Error {
    fn from(error: AuditError) -> Self {
        let message = text::printable(&error.to_string()).into_owned();
        match error {
            AuditError::File(error) | AuditError::NoPlace(error) => error.into(),
            AuditError::Busy { path } => Self::new(Kind::Busy, message)
                .with_hint(format!("See who holds it: {}", look_for_holder(&path))),
        }
    }
}

fn look_for_holder(path: &Path) -> String {
    format!("fuser -v '{}'", path.display())
}

#[cfg(test)]
mod tests;
