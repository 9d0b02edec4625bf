//! What a command puts into the audit log. That a line cannot be written
//! stops nothing: who wants to read a key gets it, and a warning.

use std::path::PathBuf;

use super::context::Context;
use crate::audit::{AuditError, Entry, Log, Mark, VerifyError};
use crate::error::Result;
use crate::vault::{Pinned, Store, audit_marks};

/// What was learned of the log where the vault was opened.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which vault it was.
    vault: PathBuf,
    /// What its pin remembers of the log.
    mark: Option<Mark>,
}

impl Seen {
    /// What is known once the vault was read.
    pub fn of(store: &Store, read: &Pinned) -> Self {
        Self {
            vault: store.path().to_owned(),
            mark: read.audit_mark().and_then(|mark| mark.parse().ok()),
        }
    }
}

impl Context {
    /// Puts this into the audit log: before a secret leaves, and after a
    /// change was made.
    pub fn audit(&self, entry: &Entry) {
        self.write_down(|log| log.append(entry, self.now));
    }

    /// Takes the log as it is, after saying what is wrong with it.
    pub fn accept_audit_log(&self, entry: &Entry) {
        let marks = self.audit_marks().unwrap_or_default();
        let verified = self.audit_log().map(|log| log.verify(&marks));
        if let Ok(Err(error @ VerifyError::Broken(_))) = verified {
            self.output.note(&format!("{error}."));
        }
        self.write_down(|log| log.accept(entry, self.now));
    }

    fn write_down(&self, write: impl FnOnce(&Log) -> Result<(), AuditError>) {
        let Ok(log) = self.audit_log() else {
            return;
        };
        match write(&log) {
            Ok(()) => {}
            // A home that is read-only, as in CI, never had one to lose.
            Err(AuditError::NoPlace(_)) if !self.global.verbose => {}
            Err(error) => self
                .terminal
                .warn_once(&format!("This is not in the audit log. {error}.")),
        }
    }

    /// The log of the vault in use.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn audit_log(&self) -> Result<Log> {
        let log = Log::at(&self.places()?.state);
        if let Some(seen) = self.seen_log.get() {
            return Ok(log.about(&seen.vault).remembering(seen.mark.clone()));
        }
        // A command that did not open the vault is in no hurry.
        let log = log.about(self.store()?.path());
        Ok(self
            .audit_marks()?
            .into_iter()
            .fold(log, |log, mark| log.remembering(Some(mark))))
    }

    /// What is remembered of the log beside the vaults that were seen here.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn audit_marks(&self) -> Result<Vec<Mark>> {
        let marks = audit_marks(&self.places()?.state);
        Ok(marks.iter().filter_map(|mark| mark.parse().ok()).collect())
    }
}
