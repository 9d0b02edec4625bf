//! What becomes of events.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use super::super::event::sample as event;
use super::super::ledger::Stopped;
use super::super::query::{By, Query, rows};
use super::*;
use crate::policy::Period;

const MONDAY: &str = "2026-08-17T10:59:59Z";

/// A recorder, what it said, and the clock that it goes by.
struct Setting {
    _folder: tempfile::TempDir,
    path: PathBuf,
    said: Arc<Mutex<Vec<String>>>,
    now: Arc<AtomicI64>,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = MONDAY.parse().unwrap();
        Self {
            path: folder.path().join("state").join("usage.db"),
            _folder: folder,
            said: Arc::default(),
            now: Arc::new(AtomicI64::new(now.as_millisecond())),
        }
    }

    fn recorder(&self) -> Recorder {
        let said = Arc::clone(&self.said);
        let now = Arc::clone(&self.now);
        Recorder::start(Settings {
            path: self.path.clone(),
            keep: Duration::from_secs(180 * 86_400),
            warn: Arc::new(move |text| said.lock().unwrap().push(text.to_owned())),
            clock: Arc::new(move || {
                Timestamp::from_millisecond(now.load(Ordering::Relaxed)).unwrap()
            }),
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::Relaxed)).unwrap()
    }

    fn requests(&self) -> u64 {
        requests(&self.path)
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

fn requests(path: &Path) -> u64 {
    let query = Query {
        since: None,
        until: None,
        by: By::Agent,
    };
    let report = rows(path, &query).unwrap();
    report.rows.iter().map(|row| row.requests).sum()
}

/// Until it is so; far longer than it should take.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        thread::yield_now();
    }
}

fn spent(ledger: &Ledger, agent: &str, period: Period, now: Timestamp) -> u64 {
    ledger.spent(agent, period, now, &|_| true).unwrap().tokens
}

#[test]
fn without_an_event_there_is_no_database_and_no_thread() {
    let setting = Setting::new();
    let recorder = setting.recorder();
    assert!(recorder.is_working());
    recorder.stop();
    assert!(!setting.path.exists());
    assert!(!setting.path.parent().unwrap().exists());
}

#[test]
fn a_stop_writes_what_waits_into_a_file_that_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let setting = Setting::new();
    let recorder = setting.recorder();
    for _ in 0..1000 {
        recorder.record(event(setting.now(), "ci", "openai/team"));
    }
    recorder.stop();
    assert_eq!(setting.requests(), 1000);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&setting.path), 0o600);
    assert_eq!(mode(setting.path.parent().unwrap()), 0o700);
    assert!(setting.said().is_empty(), "{:?}", setting.said());
}

#[test]
fn what_is_recorded_is_written_without_a_stop() {
    let setting = Setting::new();
    let recorder = setting.recorder();
    recorder.record(event(setting.now(), "ci", "openai/team"));
    eventually("the first row", || setting.requests() == 1);
    recorder.record(event(setting.now(), "ci", "openai/team"));
    eventually("the second row", || setting.requests() == 2);
}

#[test]
fn too_many_are_dropped_and_counted_while_the_disk_is_held_and_nobody_waits() {
    let setting = Setting::new();
    drop(super::super::store::open(&setting.path).unwrap());
    let other = rusqlite::Connection::open(&setting.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let recorder = setting.recorder();
    let begun = Instant::now();
    let many = 3 * CAPACITY as u64;
    for _ in 0..many {
        recorder.record(event(setting.now(), "ci", "openai/team"));
    }
    // A single wait for the lock is two seconds.
    assert!(begun.elapsed() < Duration::from_secs(2));
    let dropped = recorder.queue.lock().dropped;
    assert!(dropped >= many - 2 * CAPACITY as u64, "{dropped}");
    // What is spent is known nevertheless.
    assert_eq!(
        spent(recorder.ledger(), "ci", Period::Hour, setting.now()),
        15 * many
    );
    other.execute_batch("COMMIT").unwrap();
    recorder.stop();
    let query = Query {
        since: None,
        until: None,
        by: By::Agent,
    };
    let report = rows(&setting.path, &query).unwrap();
    assert_eq!(report.dropped, dropped);
    assert_eq!(report.rows[0].requests + dropped, many);
    assert_eq!(setting.said().len(), 1, "{:?}", setting.said());
    assert!(setting.said()[0].contains("not recorded"));
}

#[test]
fn a_database_that_cannot_be_used_is_told_once_and_stops_budgets_until_it_works() {
    let setting = Setting::new();
    std::fs::create_dir(setting.path.parent().unwrap()).unwrap();
    std::fs::write(&setting.path, "this is no database at all".repeat(100)).unwrap();
    let recorder = setting.recorder();
    recorder.record(event(setting.now(), "ci", "openai/team"));
    eventually("the warning", || !setting.said().is_empty());
    let said = setting.said();
    assert!(said[0].contains("mv "), "{said:?}");
    assert!(!recorder.is_working());
    let ledger = recorder.ledger();
    let asked = ledger.spent("ci", Period::Day, setting.now(), &|_| true);
    assert_eq!(asked, Err(Stopped));
    std::fs::rename(&setting.path, setting.path.with_extension("broken")).unwrap();
    eventually("the second word", || setting.said().len() == 2);
    assert_eq!(setting.said()[1], "Usage is recorded again.");
    assert_eq!(setting.requests(), 1);
    eventually("the ledger", || {
        ledger
            .spent("ci", Period::Day, setting.now(), &|_| true)
            .is_ok_and(|spent| spent.tokens == 15)
    });
}

#[test]
fn budgets_that_cannot_be_kept_before_anything_was_recorded_are_told_once() {
    let setting = Setting::new();
    std::fs::create_dir(setting.path.parent().unwrap()).unwrap();
    std::fs::write(&setting.path, "this is no database at all".repeat(100)).unwrap();
    let recorder = setting.recorder();
    for _ in 0..3 {
        let ledger = recorder.ledger();
        let asked = ledger.spent("ci", Period::Day, setting.now(), &|_| true);
        assert_eq!(asked, Err(Stopped));
    }
    let said = setting.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("Budgets cannot be kept: "), "{said:?}");
}

#[test]
fn a_database_of_a_newer_version_is_left_untouched() {
    let setting = Setting::new();
    drop(super::super::store::open(&setting.path).unwrap());
    let newer = rusqlite::Connection::open(&setting.path).unwrap();
    newer.execute_batch("PRAGMA user_version = 2").unwrap();
    drop(newer);
    let before = std::fs::read(&setting.path).unwrap();
    let recorder = setting.recorder();
    recorder.record(event(setting.now(), "ci", "openai/team"));
    eventually("the warning", || !setting.said().is_empty());
    recorder.stop();
    assert!(setting.said()[0].contains("newer version"));
    assert_eq!(std::fs::read(&setting.path).unwrap(), before);
}

#[test]
fn two_that_write_see_what_the_other_spent_and_count_nothing_twice() {
    let setting = Setting::new();
    let (one, other) = (setting.recorder(), setting.recorder());
    let now = setting.now();
    for _ in 0..100 {
        one.record(event(now, "ci", "openai/team"));
        other.record(event(now, "ci", "openai/own"));
    }
    for recorder in [&one, &other] {
        eventually("both together", || {
            spent(recorder.ledger(), "ci", Period::Hour, now) == 200 * 15
        });
    }
    one.record(event(now, "ci", "openai/team"));
    assert_eq!(spent(one.ledger(), "ci", Period::Hour, now), 201 * 15);
    eventually("one more", || {
        spent(other.ledger(), "ci", Period::Hour, now) == 201 * 15
    });
    let only_own = other.ledger().spent("ci", Period::Hour, now, &|id| {
        id.connection.as_str() == "own"
    });
    assert_eq!(only_own.unwrap().tokens, 1500);
    one.stop();
    other.stop();
    assert_eq!(setting.requests(), 201);
}

#[test]
fn a_restart_keeps_what_was_spent_in_the_period_and_the_next_one_begins_with_nothing() {
    let setting = Setting::new();
    let first = setting.recorder();
    first.record(event(setting.now(), "ci", "openai/team"));
    first.stop();
    let second = setting.recorder();
    let ledger = second.ledger();
    let now = setting.now();
    assert_eq!(spent(ledger, "ci", Period::Hour, now), 15);
    assert_eq!(spent(ledger, "other", Period::Hour, now), 0);
    let next: Timestamp = "2026-08-17T11:00:00Z".parse().unwrap();
    assert_eq!(spent(ledger, "ci", Period::Hour, next), 0);
    assert_eq!(spent(ledger, "ci", Period::Day, next), 15);
    // It came before the turn and ended after it.
    second.record(event(now, "ci", "openai/team"));
    assert_eq!(spent(ledger, "ci", Period::Hour, next), 0);
    second.record(event(next, "ci", "openai/team"));
    let long_ago = "2026-08-17T05:00:00Z".parse().unwrap();
    second.record(event(long_ago, "ci", "openai/team"));
    assert_eq!(spent(ledger, "ci", Period::Hour, now), 30);
    let month: Timestamp = "2026-09-01T00:00:00Z".parse().unwrap();
    assert_eq!(spent(ledger, "ci", Period::Day, month), 0);
    assert_eq!(spent(ledger, "ci", Period::Month, month), 0);
}

#[test]
fn a_database_that_is_put_aside_is_made_anew() {
    let setting = Setting::new();
    let recorder = setting.recorder();
    recorder.record(event(setting.now(), "ci", "openai/team"));
    eventually("the first row", || setting.requests() == 1);
    for end in ["db", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(setting.path.with_extension(end));
    }
    recorder.record(event(setting.now(), "ci", "openai/team"));
    recorder.stop();
    assert_eq!(setting.requests(), 1);
    assert!(setting.said().is_empty(), "{:?}", setting.said());
}
