//! The thread that writes.
//!
//! Always true here: a batch stays until it is written or the program ends; a
//! database that does not work is said to be so once, and tried again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{Batch, PLENTY, Queue, Settings};
use crate::usage::event::Event;
use crate::usage::ledger::Ledger;
use crate::usage::store::{self, BadStore, Inserter, RollUp};

/// So long more events are waited for before they are written together.
const GATHER: Duration = Duration::from_millis(250);
/// How soon a database that does not work is tried again.
const RETRY: Duration = Duration::from_secs(3);
/// Another program may be in the way this long before it is a failure.
const BUSY: Duration = Duration::from_secs(10);
/// Days are summed up this often.
const DAILY: Duration = Duration::from_secs(24 * 60 * 60);
/// How often drops are told at most.
const TELL_DROPS: Duration = Duration::from_secs(60);

pub(super) struct Writer {
    settings: Settings,
    ledger: Arc<Ledger>,
    inserter: Inserter,
    open: Option<(Connection, u64)>,
    trouble: Option<Trouble>,
    rolling: Option<RollUp>,
    rolled_at: Option<Instant>,
    dropped: Dropped,
}

struct Trouble {
    since: Instant,
    is_told: bool,
}

#[derive(Default)]
struct Dropped {
    /// Not in the database yet.
    unwritten: u64,
    untold: u64,
    told_at: Option<Instant>,
}

impl Writer {
    pub(super) fn new(settings: Settings, writer: i64, ledger: Arc<Ledger>) -> Self {
        Self {
            settings,
            ledger,
            inserter: Inserter::new(writer),
            open: None,
            trouble: None,
            rolling: None,
            rolled_at: None,
            dropped: Dropped::default(),
        }
    }

    /// Writes until the queue ends.
    pub(super) fn write_all_of(mut self, queue: &Queue) {
        let mut emptied = Vec::new();
        loop {
            let idle = if self.rolling.is_some() {
                Duration::ZERO
            } else {
                DAILY
            };
            let batch = queue.next(GATHER, idle, emptied);
            let is_last = batch.is_last;
            self.count_dropped(&batch);
            let is_written = self.write_until_done(queue, &batch.events);
            if !is_written {
                let unseen = queue.next(Duration::ZERO, Duration::ZERO, Vec::new());
                let lost = batch.events.len() + unseen.events.len();
                (self.settings.warn)(&format!(
                    "{} could not be recorded.",
                    crate::text::counted(lost, "request")
                ));
            }
            if is_last || !is_written {
                return;
            }
            emptied = batch.events;
            // Freed before others wait for the queue; room for a burst is not kept.
            emptied.clear();
            emptied.shrink_to(PLENTY);
            self.roll_up();
        }
    }

    fn write_until_done(&mut self, queue: &Queue, events: &[Event]) -> bool {
        if events.is_empty() && self.dropped.unwritten == 0 {
            return true;
        }
        loop {
            // Whoever waits for the end waits for one try and not for more.
            let was_ending = queue.is_ending();
            match self.write(events) {
                Ok(()) => {
                    self.recover();
                    return true;
                }
                Err(bad) => self.fail(bad),
            }
            if was_ending {
                return false;
            }
            queue.pause(RETRY);
        }
    }

    fn write(&mut self, events: &[Event]) -> Result<(), BadStore> {
        let path: &Path = &self.settings.path;
        let inode = store::inode(path);
        // Another file in its place, or none, when a person put it aside.
        if self.open.as_ref().is_none_or(|(_, open)| *open != inode) {
            self.open = None;
            self.inserter.forget();
            let connection = store::open(path)?;
            self.open = Some((connection, store::inode(path)));
        }
        let Some((connection, _)) = &mut self.open else {
            return Ok(());
        };
        let now = (self.settings.clock)();
        self.inserter
            .write(connection, path, events, self.dropped.unwritten, now)?;
        self.dropped.unwritten = 0;
        Ok(())
    }

    fn fail(&mut self, bad: BadStore) {
        let is_busy = bad.is_busy();
        if !is_busy {
            // What is left of it may be what does not work.
            self.open = None;
        }
        let trouble = self.trouble.get_or_insert_with(|| Trouble {
            since: Instant::now(),
            is_told: false,
        });
        if trouble.is_told || (is_busy && trouble.since.elapsed() < BUSY) {
            return;
        }
        trouble.is_told = true;
        self.ledger.set_writing(false);
        (self.settings.warn)(&format!("Usage is not recorded: {}", bad.told()));
    }

    fn recover(&mut self) {
        let Some(trouble) = self.trouble.take() else {
            return;
        };
        self.ledger.set_writing(true);
        if trouble.is_told {
            (self.settings.warn)("Usage is recorded again.");
        }
    }

    fn count_dropped(&mut self, batch: &Batch) {
        let dropped = &mut self.dropped;
        dropped.unwritten += batch.dropped;
        dropped.untold += batch.dropped;
        let is_due = dropped.told_at.is_none_or(|at| at.elapsed() >= TELL_DROPS);
        if dropped.untold > 0 && (is_due || batch.is_last) {
            let count = usize::try_from(dropped.untold).unwrap_or(usize::MAX);
            (self.settings.warn)(&format!(
                "{} not recorded: too many came at once. See: vault usage",
                crate::text::counted(count, "request")
            ));
            dropped.untold = 0;
            dropped.told_at = Some(Instant::now());
        }
    }

    /// A step of it, if it is time. What fails is done another day.
    fn roll_up(&mut self) {
        let is_due = self.rolled_at.is_none_or(|at| at.elapsed() >= DAILY);
        if is_due {
            self.rolled_at = Some(Instant::now());
            let now = (self.settings.clock)();
            self.rolling = Some(RollUp::new(self.settings.keep, now));
        }
        let (Some(rolling), Some((connection, _))) = (&mut self.rolling, &mut self.open) else {
            return;
        };
        if !matches!(rolling.step(connection, &self.settings.path), Ok(true)) {
            self.rolling = None;
        }
    }
}
