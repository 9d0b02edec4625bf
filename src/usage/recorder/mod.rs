//! Events on their way into the database.
//!
//! Always true here: whoever records an event never waits for the disk; what
//! is too much is dropped and counted; what was recorded is written within
//! half a second. The thread and the database begin with the first event.

mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::writer::Writer;
use super::event::Event;
use super::ledger::Ledger;

/// So many events wait at most.
const CAPACITY: usize = 16_384;
/// So many that the writer does not gather more.
const PLENTY: usize = CAPACITY / 4;
/// A stop waits this long for what is still to be written.
const PATIENCE: Duration = Duration::from_secs(4);

/// Says something to a person.
pub type Warn = Arc<dyn Fn(&str) + Send + Sync>;
/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where events go and for how long they stay.
pub struct Settings {
    /// The database.
    pub path: PathBuf,
    /// Requests older than this become sums of their days.
    pub keep: Duration,
    /// Says what a person should know: that usage is not recorded, that it is
    /// again, that some was dropped.
    pub warn: Warn,
    /// What time it is.
    pub clock: Clock,
}

/// Takes events and writes them, in a thread of its own.
pub struct Recorder {
    queue: Arc<Queue>,
    ledger: Arc<Ledger>,
}

impl Recorder {
    /// One that does nothing until the first event.
    pub fn start(settings: Settings) -> Self {
        let writer = random_number();
        let ledger = Arc::new(Ledger::new(
            settings.path.clone(),
            writer,
            Arc::clone(&settings.warn),
        ));
        let queue = Arc::new(Queue {
            waiting: Mutex::new(Waiting {
                events: Vec::new(),
                dropped: 0,
                stage: Stage::Unused(Box::new(Writer::new(settings, writer, Arc::clone(&ledger)))),
            }),
            came: Condvar::new(),
            ended: Condvar::new(),
        });
        Self { queue, ledger }
    }

    /// Takes an event; it counts in the ledger at once. Where too many wait
    /// already, its row is dropped, and the drop is counted.
    pub fn record(&self, event: Event) {
        self.ledger.add(&event);
        let refused = self.queue.put(event);
        // Freed here and not while others wait for the queue.
        drop(refused);
    }

    /// What budgets ask.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Usage is recorded and can be read, as far as is known.
    pub fn is_working(&self) -> bool {
        self.ledger.is_working()
    }

    /// Writes what waits, for some seconds at most. What comes later is
    /// dropped.
    pub fn stop(&self) {
        self.queue.end();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Queue {
    waiting: Mutex<Waiting>,
    /// The writer should look.
    came: Condvar,
    /// The writer is done.
    ended: Condvar,
}

struct Waiting {
    events: Vec<Event>,
    dropped: u64,
    stage: Stage,
}

enum Stage {
    Unused(Box<Writer>),
    Running,
    Ending,
    Ended,
}

/// What the writer is to do.
struct Batch {
    events: Vec<Event>,
    dropped: u64,
    is_last: bool,
}

impl Queue {
    /// The event again, where there is no room for it.
    fn put(self: &Arc<Self>, event: Event) -> Option<Event> {
        let mut waiting = self.lock();
        match waiting.stage {
            Stage::Unused(_) => self.begin(&mut waiting),
            Stage::Running | Stage::Ending | Stage::Ended => {}
        }
        if waiting.events.len() >= CAPACITY || !matches!(waiting.stage, Stage::Running) {
            waiting.dropped += 1;
            return Some(event);
        }
        waiting.events.push(event);
        let count = waiting.events.len();
        drop(waiting);
        if count == 1 || count == PLENTY {
            self.came.notify_one();
        }
        None
    }

    fn begin(self: &Arc<Self>, waiting: &mut Waiting) {
        let unused = std::mem::replace(&mut waiting.stage, Stage::Running);
        let Stage::Unused(writer) = unused else {
            return;
        };
        let queue = Arc::clone(self);
        let begun = thread::Builder::new()
            .name("usage".to_owned())
            .spawn(move || {
                writer.write_all_of(&queue);
                queue.lock().stage = Stage::Ended;
                queue.ended.notify_all();
            });
        if begun.is_err() {
            // No thread is to be had: all is dropped from here on.
            waiting.stage = Stage::Ended;
        }
    }

    /// Waits until events came, for some time so that more of them are written
    /// together, or until `idle` is over.
    /// What was written is `emptied`, so that its room is used again.
    fn next(&self, gather: Duration, idle: Duration, emptied: Vec<Event>) -> Batch {
        let is_quiet = |waiting: &mut Waiting| {
            waiting.events.is_empty() && matches!(waiting.stage, Stage::Running)
        };
        let is_little = |waiting: &mut Waiting| {
            waiting.events.len() < PLENTY && matches!(waiting.stage, Stage::Running)
        };
        let waiting = self.lock();
        let waited = self.came.wait_timeout_while(waiting, idle, is_quiet);
        let (mut waiting, quiet) = waited.unwrap_or_else(PoisonError::into_inner);
        if !quiet.timed_out() {
            let waited = self.came.wait_timeout_while(waiting, gather, is_little);
            (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        Batch {
            events: std::mem::replace(&mut waiting.events, emptied),
            dropped: std::mem::take(&mut waiting.dropped),
            is_last: matches!(waiting.stage, Stage::Ending),
        }
    }

    /// Waits until it is time to try again, or the end comes.
    fn pause(&self, time: Duration) {
        let is_running = |waiting: &mut Waiting| matches!(waiting.stage, Stage::Running);
        let waited = self.came.wait_timeout_while(self.lock(), time, is_running);
        drop(waited);
    }

    fn is_ending(&self) -> bool {
        !matches!(self.lock().stage, Stage::Running)
    }

    fn end(&self) {
        let mut waiting = self.lock();
        match waiting.stage {
            Stage::Running => waiting.stage = Stage::Ending,
            Stage::Unused(_) => waiting.stage = Stage::Ended,
            Stage::Ending | Stage::Ended => {}
        }
        self.came.notify_all();
        let deadline = Instant::now() + PATIENCE;
        while !matches!(waiting.stage, Stage::Ended) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.ended.wait_timeout(waiting, left);
            (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What waits is whole after each step, so a panic elsewhere does not count.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What this process calls itself in the database. Six bytes tell processes
/// apart well enough, and make for short rows.
fn random_number() -> i64 {
    let mut bytes = [0; 8];
    if getrandom::getrandom(&mut bytes[..6]).is_err() {
        // Unlike those of others at least.
        bytes[..4].copy_from_slice(&std::process::id().to_le_bytes());
    }
    i64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests;
