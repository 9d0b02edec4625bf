//! The database of usage keeps what was recorded: after a kill at any instant,
//! on a full disk, and with several processes at once.
//!
//! The processes are this test program again: tests that are ignored unless
//! they are asked for by name, with a place for their database.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // also in helpers

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use vault::name::ConnectionId;
use vault::policy::Period;
use vault::usage::{By, Event, Metered, Nano, Query, Recorder, Settings, Stopped, Tokens, rows};

use support::TestEnvironment;
use support::mounts::in_own_mounts;

const DATABASE: &str = "USAGE_STORE_DATABASE";
const AGENT: &str = "USAGE_STORE_AGENT";
const KEEP: Duration = Duration::from_secs(180 * 86_400);

/// Numbered by how long it took.
fn event(agent: &str, number: u64) -> Event {
    Event {
        at: Timestamp::now(),
        agent: agent.into(),
        connection: Arc::new(ConnectionId {
            provider: "openai".parse().unwrap(),
            connection: "team".parse().unwrap(),
        }),
        method: "POST".into(),
        endpoint: "/v1/responses".into(),
        status: 200,
        took: Duration::from_millis(number),
        metered: Metered {
            tokens: Some(Tokens {
                input: 3,
                ..Tokens::default()
            }),
            ..Metered::default()
        },
        cost: Some(Nano(7)),
    }
}

fn recorder(path: &Path, said: &Arc<Mutex<Vec<String>>>) -> Recorder {
    let said = Arc::clone(said);
    Recorder::start(Settings {
        path: path.to_owned(),
        keep: KEEP,
        warn: Arc::new(move |text| said.lock().unwrap().push(text.to_owned())),
        clock: Arc::new(Timestamp::now),
    })
}

fn database() -> PathBuf {
    std::env::var_os(DATABASE).unwrap().into()
}

/// This program again, as one of the tests that are ignored.
fn this(test: &str, path: &Path, agent: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", test, "--nocapture", "--quiet"])
        .env(DATABASE, path)
        .env(AGENT, agent)
        .stdin(Stdio::null());
    command
}

/// Of each agent, how many requests there are, in the order of agents.
fn counts(path: &Path) -> Vec<(String, u64)> {
    let query = Query {
        since: None,
        until: None,
        by: By::Agent,
    };
    let rows = rows(path, &query).unwrap().rows;
    let mut counts: Vec<_> = rows
        .into_iter()
        .map(|row| (row.key, row.requests))
        .collect();
    counts.sort();
    counts
}

fn integrity(path: &Path) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::yield_now();
    }
}

#[test]
#[ignore = "a process for another test"]
fn records_until_it_is_killed() {
    let recorder = recorder(&database(), &Arc::default());
    let agent = std::env::var(AGENT).unwrap();
    let begun = Instant::now();
    for number in 1_u64.. {
        // Said before it is recorded: what was said last may not have been.
        let mut out = std::io::stdout();
        let now = begun.elapsed().as_micros();
        if writeln!(out, "\nrecorded {} {now}", number - 1).is_err() {
            return;
        }
        recorder.record(event(&agent, number));
        // Not as many as go into the queue, which is another test's.
        while begun.elapsed() < Duration::from_millis(1) * u32::try_from(number).unwrap() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_kill_loses_the_last_second_at_most_and_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.db");
    let mut seed = [0; 8];
    getrandom::getrandom(&mut seed).unwrap();
    let mut dice = u64::from_ne_bytes(seed);
    let mut kept_some = 0;
    for round in 0..12 {
        let agent = format!("agent-{round}");
        let mut child = this("records_until_it_is_killed", &path, &agent)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let longest = Duration::from_micros((dice >> 33) % 2_000_000);
        let said = said_until_killed(&mut child, longest);
        let (last, end) = *said.last().unwrap();
        assert_eq!(integrity(&path), "ok");
        let kept = written(&path, &agent);
        // Of the first so many, all are there.
        assert_eq!(kept.numbers, kept.highest, "no gaps: {agent}");
        assert!(kept.numbers <= last + 1, "no more than were recorded");
        // A machine that stood still for a while did so for the writer, too.
        let recent = said.iter().rev().take_while(|(_, at)| end - at < 2_000_000);
        let recent: Vec<u64> = recent.map(|(_, at)| *at).collect();
        let stood_still = recent.windows(2).any(|pair| pair[0] - pair[1] > 200_000);
        let second_ago = said.iter().rfind(|(_, at)| end - at > 1_000_000);
        if let Some((due, _)) = second_ago.filter(|_| !stood_still) {
            assert!(kept.numbers >= *due, "{} of {due} due", kept.numbers);
        }
        kept_some += u32::from(kept.numbers > 0);
    }
    assert!(kept_some > 0, "kills came before anything was written");
}

/// Numbers that were recorded, and when, in microseconds.
fn said_until_killed(child: &mut Child, longest: Duration) -> Vec<(u64, u64)> {
    let mut said = Vec::new();
    let mut begun = None;
    let out = BufReader::new(child.stdout.take().unwrap());
    for line in out.lines().map(Result::unwrap) {
        let Some(rest) = line.strip_prefix("recorded ") else {
            continue;
        };
        let Some((number, at)) = rest.split_once(' ') else {
            continue;
        };
        if let (Ok(number), Ok(at)) = (number.parse(), at.parse()) {
            said.push((number, at));
        }
        let begun = begun.get_or_insert_with(Instant::now);
        if begun.elapsed() >= longest {
            // The pipe still has what was said until then.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    said
}

struct Written {
    numbers: u64,
    highest: u64,
}

fn written(path: &Path, agent: &str) -> Written {
    let connection = rusqlite::Connection::open(path).unwrap();
    let sums = "SELECT COUNT(DISTINCT took_ms), COALESCE(MAX(took_ms), 0) FROM request
                WHERE agent = (SELECT id FROM agent WHERE name = ?1)";
    connection
        .query_row(sums, [agent], |row| {
            let numbers: (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(Written {
                numbers: numbers.0.try_into().unwrap(),
                highest: numbers.1.try_into().unwrap(),
            })
        })
        .unwrap_or(Written {
            numbers: 0,
            highest: 0,
        })
}

#[test]
#[ignore = "a process for another test"]
fn records_some_and_stops() {
    let said = Arc::default();
    let recorder = recorder(&database(), &said);
    let agent = std::env::var(AGENT).unwrap();
    // The first one begins the database, beside all the others.
    recorder.record(event(&agent, 0));
    let asked = recorder
        .ledger()
        .spent(&agent, Period::Hour, Timestamp::now(), &|_| true);
    assert!(asked.is_ok_and(|spent| spent.tokens % 3 == 0));
    for number in 1..2000 {
        recorder.record(event(&agent, number));
    }
    recorder.stop();
    let said = said.lock().unwrap();
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn several_processes_write_one_database_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state").join("usage.db");
    let names: Vec<_> = (0..6).map(|number| format!("agent-{number}")).collect();
    let start = |agent: &String| {
        this("records_some_and_stops", &path, agent)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    for mut child in names.iter().map(start).collect::<Vec<_>>() {
        assert!(child.wait().unwrap().success());
    }
    let expected: Vec<_> = names.into_iter().map(|name| (name, 2000)).collect();
    assert_eq!(counts(&path), expected);
    assert_eq!(integrity(&path), "ok");
}

#[test]
#[ignore = "a process for another test"]
fn goes_through_a_full_disk() {
    let path = database();
    let said = Arc::<Mutex<Vec<String>>>::default();
    let recorder = recorder(&path, &said);
    let ledger = Arc::clone(recorder.ledger());
    let ask = || ledger.spent("ci", Period::Day, Timestamp::now(), &|_| true);
    recorder.record(event("ci", 1));
    eventually("the first row", || {
        path.exists() && counts(&path) == [("ci".to_owned(), 1)]
    });
    assert_eq!(ask().unwrap().tokens, 3);
    let filler = path.with_file_name("filler");
    fill(&filler);
    let mut number = 1;
    // Some rows still go where there is room.
    while said.lock().unwrap().is_empty() {
        let begun = Instant::now();
        for _ in 0..200 {
            number += 1;
            recorder.record(event("ci", number));
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "nobody waits");
        let is_told = || !said.lock().unwrap().is_empty();
        let written = || counts(&path) == [("ci".to_owned(), number)];
        eventually("a word or rows", || is_told() || written());
    }
    let first = said.lock().unwrap()[0].clone();
    assert!(
        first.contains("not recorded") && first.contains("df -h"),
        "{first}"
    );
    assert_eq!(ask(), Err(Stopped));
    std::fs::remove_file(filler).unwrap();
    eventually("that it works again", || said.lock().unwrap().len() > 1);
    eventually("an answer", || {
        ask().is_ok_and(|spent| spent.tokens == 3 * number)
    });
    recorder.stop();
    assert_eq!(counts(&path), [("ci".to_owned(), number)]);
    assert_eq!(integrity(&path), "ok");
    let said = said.lock().unwrap();
    assert_eq!(said[1..], ["Usage is recorded again."]);
}

fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [65_536, 4096] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_is_told_once_stops_budgets_and_is_over_when_there_is_room() {
    let environment = TestEnvironment::new()
        .with("SELF", std::env::current_exe().unwrap())
        .with(DATABASE, "/mnt/state/usage.db");
    let script = "mount -t tmpfs -o size=1m tmpfs /mnt
        exec \"$SELF\" --ignored --exact goes_through_a_full_disk --nocapture";
    if let Some(finished) = in_own_mounts(&environment, script) {
        assert_eq!(finished.code, Some(0), "{finished}");
    }
}
