//! Requests that a person decides on: they are held in the gateway's process
//! until somebody approves or denies them, their time is over, their client
//! goes away, or the gateway stops.
//!
//! Nothing is made before the first request is held: no socket, no thread. A
//! request that nobody could be asked about is refused, and so is one past
//! the bounds. No header is ever kept, and a body is shown only where it is
//! asked for by name.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use jiff::Timestamp;

/// How long a request is held where policy does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(180);

/// The requests of one gateway that wait.
pub struct Approvals {
    settings: Settings,
}

/// What a gateway's process gives to them.
pub struct Settings {
    /// Where the socket may lie, in the order in which to try.
    pub folders: Vec<PathBuf>,
    /// The command that hears of each held request, as policy has it now.
    pub notify: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// The whole environment of that command: nothing that opens a vault.
    pub environment: Vec<(OsString, OsString)>,
    /// What that command says is shown.
    pub is_verbose: bool,
    /// Hears how each held request ended.
    pub audit: Arc<dyn Fn(Decided) + Send + Sync>,
    /// Tells a person of something to worry about.
    pub warn: Arc<dyn Fn(&str) + Send + Sync>,
    /// The time, for people.
    pub clock: fn() -> Timestamp,
}

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
    pub remembered_for: Option<Duration>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Approvals {
    /// Nothing is held yet, and nothing made.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Holds a request until it is decided on. To drop this withdraws it.
    pub async fn ask(&self, ask: Ask) -> Outcome {
        let _ = (&self.settings, ask);
        Outcome::CannotHold(String::new())
    }

    /// Forgets what was approved ahead: the rules have changed.
    pub fn forget(&self) {}

    /// Everything held is answered `Stopping`; the socket goes. To be called
    /// before the process ends.
    pub fn stop(&self) {}
}
