//! What every failure comes down to at the edge of the program: a kind, which
//! decides the exit code, a message that names the thing it is about, and,
//! where a person can act, a command to run.
//!
//! Modules keep small enums of their own causes and turn them into an
//! [`Error`] here. Nothing in an error holds a secret.

use std::fmt;

/// The kinds of failure that scripts can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything without its own number: a full disk, an unreadable folder.
    Failed,
    /// The call is not of the command's form.
    Usage,
    /// No such provider, connection, field or version.
    NotFound,
    /// No key given, a wrong passphrase, or no matching identity.
    Locked,
    /// A value that is refused for what it holds.
    InvalidInput,
    /// It is there already.
    Conflict,
    /// The vault cannot be trusted.
    Corrupt,
    /// Network, DNS, TLS, time-out, or a provider's server error.
    Unreachable,
    /// The provider or the policy says no.
    Rejected,
    /// Another process holds the vault.
    Busy,
    /// Ctrl-C.
    Interrupted,
}

impl Kind {
    /// All kinds, in the order of their exit codes.
    pub const ALL: [Self; 11] = [
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::Locked,
        Self::InvalidInput,
        Self::Conflict,
        Self::Corrupt,
        Self::Unreachable,
        Self::Rejected,
        Self::Busy,
        Self::Interrupted,
    ];

    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Locked => 4,
            Self::InvalidInput => 5,
            Self::Conflict => 6,
            Self::Corrupt => 7,
            Self::Unreachable => 8,
            Self::Rejected => 9,
            Self::Busy => 10,
            Self::Interrupted => 130,
        }
    }

    /// The word that stands for the kind in `--json` errors.
    pub fn code(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Locked => "locked",
            Self::InvalidInput => "invalid_input",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::Unreachable => "unreachable",
            Self::Rejected => "rejected",
            Self::Busy => "busy",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A failure as a person and a script get to see it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What fallible functions at the edge return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind, saying what happened to what.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Adds what a person can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause, which is printed after the message.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_exit_code_and_word() {
        for (position, kind) in Kind::ALL.iter().enumerate() {
            for other in &Kind::ALL[position + 1..] {
                assert_ne!(kind.exit_code(), other.exit_code());
                assert_ne!(kind.code(), other.code());
            }
        }
    }

    #[test]
    fn the_cause_follows_the_message() {
        let error = Error::new(Kind::Failed, "Cannot write a.txt")
            .with_source(std::io::Error::other("disk on fire"));
        assert_eq!(error.to_string(), "Cannot write a.txt: disk on fire");
    }
}
