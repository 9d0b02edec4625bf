//! Requests that a person decides on: they are held in the gateway's process
//! until somebody approves or denies them, their time is over, their client
//! goes away, or the gateway stops.
//!
//! Nothing is made before the first request is held: no socket, no thread. A
//! request that nobody could be asked about is refused, and so is one past
//! the bounds. Whoever takes a request off the board ends it, and nobody
//! else; the audit hears of that before its client does. No header is ever
//! kept, and a body is shown only where it is asked for by name.

mod ask;
mod board;
mod client;
mod desk;
mod id;
mod notify;
mod wire;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{broadcast, oneshot};

use self::board::{Board, Held, Until};
use self::desk::Desk;
use self::id::ApprovalId;
use self::notify::Notices;
use crate::process::since_boot;

pub use self::ask::{Ask, By, Decided, End, Outcome};
pub use self::client::{Change, Decision, Listing, Verdict, Watch, decide, list};
pub use self::desk::folder_for_socket;
pub use self::wire::{Ahead, Facts, ShownBody};

/// How long a request is held where policy does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(180);
/// Nothing is approved ahead for longer.
pub const LONGEST_AHEAD: Duration = Duration::from_secs(30 * 86_400);
/// So many changes a slow watcher may lag behind.
const BACKLOG: usize = 512;

/// The requests of one gateway that wait.
pub struct Approvals {
    shared: Arc<Shared>,
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

impl Approvals {
    /// Nothing is held yet, and nothing made.
    pub fn new(settings: Settings) -> Self {
        let shared = Shared {
            settings,
            board: Mutex::default(),
            desk: Mutex::default(),
            changes: broadcast::Sender::new(BACKLOG),
            notices: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Holds a request until it is decided on. To drop this withdraws it.
    pub async fn ask(&self, ask: Ask) -> Outcome {
        let timeout = ask.timeout;
        let (hold, mut answer) = match self.shared.hold(ask) {
            Ok(held) => held,
            Err(outcome) => return outcome,
        };
        let outcome = match tokio::time::timeout(timeout, &mut answer).await {
            Ok(outcome) => outcome,
            Err(_) if hold.end(End::TimedOut) => return Outcome::TimedOut,
            // Somebody was faster, and is about to say so.
            Err(_) => answer.await,
        };
        outcome.unwrap_or(Outcome::Stopping)
    }

    /// Forgets what was approved ahead: the rules have changed.
    pub fn forget(&self) {
        self.shared.board().forget();
    }

    /// Everything held is answered `Stopping`; the socket goes. To be called
    /// before the process ends.
    pub fn stop(&self) {
        let held = self.shared.board().stop();
        for held in held {
            self.shared.finish(held, End::Stopped, None, None);
        }
        desk::close(&self.shared);
        notify::stop(&self.shared);
    }
}

impl Drop for Approvals {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the gateway's threads, the desk and the notices share.
struct Shared {
    settings: Settings,
    /// Never locked while another lock here is held.
    board: Mutex<Board>,
    desk: Mutex<Desk>,
    changes: broadcast::Sender<wire::Line>,
    notices: Mutex<Notices>,
}

/// A request that is held as long as this is.
struct Hold {
    shared: Arc<Shared>,
    id: ApprovalId,
}

impl Hold {
    /// Whether it was this that ended it.
    fn end(&self, how: End) -> bool {
        let held = self.shared.board().take(self.id);
        let was_held = held.is_some();
        if let Some(held) = held {
            self.shared.finish(held, how, None, None);
        }
        was_held
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end(End::Withdrawn);
    }
}

type Answer = oneshot::Receiver<Outcome>;

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        locked(&self.board)
    }

    fn hold(self: &Arc<Self>, ask: Ask) -> Result<(Hold, Answer), Outcome> {
        self.board().admit(&ask, since_boot())?;
        // Nobody waits where nobody can come.
        desk::open(self).map_err(Outcome::CannotHold)?;
        let (tell, answer) = oneshot::channel();
        let now = (self.settings.clock)();
        let (since, expires) = (now.to_string(), after(now, ask.timeout));
        let (hold, facts) = {
            let mut board = self.board();
            // Others may have come in the meantime, and so may the end.
            board.admit(&ask, since_boot())?;
            let id = board.fresh_id();
            let facts = wire::Facts::of(&ask, id.to_string(), since, expires);
            let facts = Arc::new(facts);
            let rules = board.rules();
            board.put(Held {
                id,
                ask,
                facts: Arc::clone(&facts),
                answer: tell,
                rules,
            });
            // Under the lock: nobody hears of the end before the beginning.
            let _ = self.changes.send(wire::Line::Held(Facts::clone(&facts)));
            let shared = Arc::clone(self);
            (Hold { shared, id }, facts)
        };
        notify::tell(self, hold.id, facts);
        Ok((hold, answer))
    }

    /// Decides on one; `None` where there is none of that name. Else what it
    /// was, and how many passed with it.
    fn decide(
        &self,
        id: ApprovalId,
        how: End,
        by: By,
        ahead: Option<Duration>,
    ) -> Option<(Arc<Facts>, usize)> {
        let ahead = ahead.map(|ahead| ahead.min(LONGEST_AHEAD));
        let (held, others) = {
            let mut board = self.board();
            let held = board.take(id)?;
            let others = ahead.map(|ahead| {
                let now = since_boot();
                let until = Until {
                    since_boot: now.saturating_add(ahead),
                    shown: after((self.settings.clock)(), ahead),
                };
                board.approve_ahead(&held, &until, now)
            });
            (held, others.unwrap_or_default())
        };
        let (facts, count) = (Arc::clone(&held.facts), others.len());
        for held in std::iter::once(held).chain(others) {
            self.finish(held, how, Some(by), ahead);
        }
        Some((facts, count))
    }

    /// Ends one that was taken off the board.
    fn finish(&self, held: Held, how: End, by: Option<By>, ahead: Option<Duration>) {
        let Held {
            id, ask, answer, ..
        } = held;
        let id = id.to_string();
        (self.settings.audit)(Decided {
            id: id.clone(),
            agent: ask.agent,
            rules: ask.rules,
            outcome: how,
            by,
            ahead,
            method: ask.method,
            host: ask.host,
            path: ask.path,
        });
        // Whoever went away does not hear it; nor do watchers where are none.
        let _ = answer.send(how.outcome());
        let _ = self.changes.send(wire::Line::Ended { id, how });
    }
}

/// The point in time so long after another one, for people.
fn after(now: Timestamp, span: Duration) -> String {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    let end = now.checked_add(span).unwrap_or(Timestamp::MAX);
    end.to_string()
}

/// What a thread that panicked left is as whole as any: nothing here changes
/// in more than one step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
