//! What a gateway asks, what it is answered, and what is told to the audit.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use serde::{Deserialize, Serialize};

/// A request to be decided on.
#[derive(Clone)]
pub struct Ask {
    /// Who makes it.
    pub agent: Arc<str>,
    /// The rules that want it approved.
    pub rules: Vec<String>,
    /// Its method.
    pub method: String,
    /// Its host.
    pub host: String,
    /// Its path, without the query.
    pub path: String,
    /// The connection that it would use.
    pub connection: Option<String>,
    /// The model that it names.
    pub model: Option<String>,
    /// How long its body is.
    pub bytes: Option<u64>,
    /// Its body, where it was read.
    pub body: Option<Bytes>,
    /// How long it waits.
    pub timeout: Duration,
}

impl Ask {
    /// How many bytes of its body are kept.
    pub(super) fn kept(&self) -> usize {
        self.body.as_ref().map_or(0, Bytes::len)
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody approved it, or its rules ahead of it.
    Approved,
    /// Somebody denied it.
    Denied,
    /// Nobody did either in time: denied.
    TimedOut,
    /// The gateway stops.
    Stopping,
    /// It cannot be held, for this reason: denied.
    CannotHold(String),
}

/// How a held request ended, for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Its ID.
    pub id: String,
    /// Who made it.
    pub agent: Arc<str>,
    /// The rules that wanted it approved.
    pub rules: Vec<String>,
    /// How it ended.
    pub outcome: End,
    /// Who decided, if somebody did.
    pub by: Option<By>,
    /// For how long its rules are approved ahead for its agent.
    pub ahead: Option<Duration>,
    /// Its method.
    pub method: String,
    /// Its host.
    pub host: String,
    /// Its path, without the query.
    pub path: String,
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    /// The user.
    pub uid: u32,
    /// The process, where the system tells it.
    pub pid: Option<u32>,
}

/// The ways in which holding ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Somebody approved it.
    Approved,
    /// Somebody denied it.
    Denied,
    /// Nobody did in time.
    TimedOut,
    /// Its client went away.
    Withdrawn,
    /// The gateway stopped.
    Stopped,
}

impl End {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::TimedOut => "timed_out",
            Self::Withdrawn => "withdrawn",
            Self::Stopped => "stopped",
        }
    }

    /// What the gateway is told.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Approved => Outcome::Approved,
            Self::Denied => Outcome::Denied,
            Self::TimedOut => Outcome::TimedOut,
            // Of a withdrawn one nobody hears.
            Self::Withdrawn | Self::Stopped => Outcome::Stopping,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::TimedOut => "nobody decided in time",
            Self::Withdrawn => "its client went away",
            Self::Stopped => "its gateway stopped",
        })
    }
}
