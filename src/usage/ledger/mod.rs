//! What agents spent in the hour, the day and the month that it is: what
//! budgets ask.
//!
//! Always true here: this process's own requests count from the moment that
//! they are recorded, whatever becomes of their rows; those of other processes
//! count within a second, while somebody asks. Nobody is counted twice: a row
//! says which process wrote it. Where the database cannot be read or written,
//! there is no answer rather than a wrong one.

mod others;
mod totals;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::others::Others;
use self::totals::Totals;
use super::event::Event;
use super::money::Nano;
use super::recorder::Warn;
use super::store::BadStore;
use crate::name::ConnectionId;
use crate::policy::Period;

/// How old what is known of other processes may be.
const FRESH: Duration = Duration::from_millis(500);

/// What was spent, and where that is kept.
pub struct Ledger {
    counted: Mutex<Counted>,
    others: Mutex<Others>,
    /// What others wrote was read at least once.
    is_loaded: AtomicBool,
    is_reading: AtomicBool,
    is_writing: AtomicBool,
    warn: Warn,
}

/// Sums of some requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// What those cost whose cost is known.
    pub cost: Nano,
    /// Input and output.
    pub tokens: u64,
}

impl Spent {
    fn plus(self, other: Self) -> Self {
        Self {
            cost: self.cost.plus(other.cost),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

/// The database cannot be read or written: nobody knows what was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("usage cannot be recorded now, so that budgets cannot be kept")]
pub struct Stopped;

#[derive(Default)]
struct Counted {
    own: Totals,
    others: Totals,
}

impl Ledger {
    /// On the database at this path; `writer` is what this process calls itself
    /// in it. Nothing is read yet.
    pub(super) fn new(path: PathBuf, writer: i64, warn: Warn) -> Self {
        Self {
            counted: Mutex::default(),
            others: Mutex::new(Others::new(path, writer)),
            is_loaded: AtomicBool::new(false),
            is_reading: AtomicBool::new(true),
            is_writing: AtomicBool::new(true),
            warn,
        }
    }

    /// What an agent spent through those of its connections that match, in the
    /// period that `now` is in. The first call reads the rows of the month.
    ///
    /// # Errors
    /// Usage cannot be recorded or read now.
    pub fn spent(
        &self,
        agent: &str,
        period: Period,
        now: Timestamp,
        matches: &dyn Fn(&ConnectionId) -> bool,
    ) -> Result<Spent, Stopped> {
        self.catch_up(now);
        if !self.is_working() {
            return Err(Stopped);
        }
        let mut counted = lock(&self.counted);
        let own = counted.own.spent(agent, period, now, matches);
        let others = counted.others.spent(agent, period, now, matches);
        Ok(own.plus(others))
    }

    /// Usage is recorded and can be read, as far as is known.
    pub fn is_working(&self) -> bool {
        self.is_writing.load(Ordering::Relaxed) && self.is_reading.load(Ordering::Relaxed)
    }

    /// One of this process's requests.
    pub(super) fn add(&self, event: &Event) {
        let spent = Spent {
            cost: event.cost.unwrap_or_default(),
            tokens: event.metered.tokens.map_or(0, |tokens| tokens.total()),
        };
        if spent == Spent::default() {
            return;
        }
        let at = event.at.as_millisecond();
        let mut counted = lock(&self.counted);
        counted.own.add(&event.agent, &event.connection, at, spent);
    }

    /// Whether rows get into the database.
    pub(super) fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Ordering::Relaxed);
    }

    /// Reads what others wrote, unless that was done just now, or is being done.
    fn catch_up(&self, now: Timestamp) {
        let mut others = match self.others.try_lock() {
            Ok(others) => others,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if self.is_loaded.load(Ordering::Acquire) => return,
            Err(TryLockError::WouldBlock) => lock(&self.others),
        };
        if others.read_at.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let read = self.read(&mut others, now);
        others.read_at = Some(Instant::now());
        let was_reading = self.is_reading.swap(read.is_ok(), Ordering::Relaxed);
        let is_read = read.is_ok();
        if let Err(bad) = read
            && was_reading
            && self.is_writing.load(Ordering::Relaxed)
        {
            (self.warn)(&format!("Budgets cannot be kept: {}", bad.told()));
        }
        self.is_loaded.fetch_or(is_read, Ordering::Release);
    }

    fn read(&self, others: &mut Others, now: Timestamp) -> Result<(), BadStore> {
        let Some(news) = others.news(now)? else {
            return Ok(());
        };
        let mut counted = lock(&self.counted);
        if news.is_all {
            counted.others = Totals::default();
        }
        for (agent, connection, at, spent) in news.sums {
            counted.others.add(&agent, &connection, at, spent);
        }
        counted.forget_before(Period::Month.start(now).as_millisecond());
        Ok(())
    }
}

impl Counted {
    fn forget_before(&mut self, month: i64) {
        self.own.forget_before(month);
        self.others.forget_before(month);
    }
}

/// Sums are whole after each step, so a thread that panicked leaves none half.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
