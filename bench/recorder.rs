//! What it costs to record usage: on the side of whoever records, on that of
//! the writer, to ask what was spent, and to read sums.
//!
//! `cargo run --release --example recorder -- [ROWS]`
//!
//! The database lies in a temporary folder that is removed afterwards.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::time::ClockId;
use vault::name::ConnectionId;
use vault::policy::Period;
use vault::usage::{By, Event, Metered, Prices, Query, Recorder, Settings, Tokens, roll_up, rows};

type Failure = Box<dyn std::error::Error>;

const AGENTS: usize = 200;
const ENDPOINTS: [&str; 3] = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"];

fn main() -> Result<(), Failure> {
    let count = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("usage.db");
    let recorder = Recorder::start(Settings {
        path: path.clone(),
        keep: Duration::from_secs(180 * 86_400),
        warn: Arc::new(|text| say(&format!("warning: {text}"))),
        clock: Arc::new(Timestamp::now),
    });
    let makes = Maker::new()?;

    let prices = Prices::embedded();
    let event = makes.event(1);
    let begun = Instant::now();
    for _ in 0..100_000 {
        black_box(prices.cost(&event.connection.provider, black_box(&event.metered)));
    }
    told("cost of a request", begun.elapsed(), 100_000);

    // As many at once as go into the queue; then the writer has its turn.
    let mut caller = Duration::ZERO;
    let mut done = 0;
    let all = Instant::now();
    while done < count {
        let events: Vec<_> = (done..count.min(done + 10_000))
            .map(|n| makes.event(n))
            .collect();
        let some = events.len();
        let begun = processor_time(ClockId::ThreadCPUTime);
        for event in events {
            recorder.record(event);
        }
        caller += processor_time(ClockId::ThreadCPUTime).saturating_sub(begun);
        done += some;
        while written(&path)? < done as u64 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    told("record, the caller's side", caller, count);
    say(&format!(
        "  {:?} in all, with waiting for rows to gather",
        all.elapsed()
    ));
    let used = processor_time(ClockId::ProcessCPUTime);
    say(&format!(
        "  {used:?} of processor time, with making the events"
    ));

    let ledger = recorder.ledger();
    let now = Timestamp::now();
    let ask = || ledger.spent("agent-7", Period::Month, now, &|_| true);
    let begun = Instant::now();
    ask()?;
    told("spent, for the first time", begun.elapsed(), 1);
    let begun = Instant::now();
    for _ in 0..100_000 {
        black_box(ask()?);
    }
    told("spent, thereafter", begun.elapsed(), 100_000);
    recorder.stop();

    for by in [By::Agent, By::Model, By::Hour] {
        let begun = Instant::now();
        let query = Query {
            since: None,
            until: None,
            by,
        };
        black_box(rows(&path, &query)?);
        say(&format!(
            "sums of {count} rows by {by:?}: {:?}",
            begun.elapsed()
        ));
    }
    let size = std::fs::metadata(&path)?.len();
    say(&format!("{} bytes a row", size / count as u64));
    let begun = Instant::now();
    let later = now.checked_add(jiff::SignedDuration::from_hours(48))?;
    roll_up(&path, Duration::ZERO, later)?;
    told("roll-up", begun.elapsed(), count);
    Ok(())
}

fn processor_time(clock: ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn written(path: &std::path::Path) -> Result<u64, Failure> {
    let connection = rusqlite::Connection::open(path)?;
    let last = connection.query_row("SELECT COALESCE(MAX(id), 0) FROM request", [], |row| {
        row.get::<_, i64>(0)
    });
    Ok(last.unwrap_or(0).try_into()?)
}

/// Events of a busy gateway.
struct Maker {
    agents: Vec<Arc<str>>,
    connections: Vec<Arc<ConnectionId>>,
    method: Arc<str>,
}

impl Maker {
    fn new() -> Result<Self, Failure> {
        let mut connections = Vec::new();
        for (provider, connection) in [
            ("openai", "team"),
            ("openai", "own"),
            ("anthropic", "default"),
        ] {
            connections.push(Arc::new(ConnectionId {
                provider: provider.parse()?,
                connection: connection.parse()?,
            }));
        }
        let agents = (0..AGENTS).map(|number| format!("agent-{number}").into());
        Ok(Self {
            agents: agents.collect(),
            connections,
            method: "POST".into(),
        })
    }

    fn event(&self, number: usize) -> Event {
        let connection = &self.connections[number % self.connections.len()];
        let model = match connection.provider.as_str() {
            "anthropic" => "claude-sonnet-4-6",
            _ => "gpt-5-2025-08-07",
        };
        Event {
            at: Timestamp::now(),
            agent: Arc::clone(&self.agents[number % AGENTS]),
            connection: Arc::clone(connection),
            method: Arc::clone(&self.method),
            endpoint: ENDPOINTS[number % ENDPOINTS.len()].into(),
            status: 200,
            took: Duration::from_millis(1234),
            metered: Metered {
                model: Some(model.to_owned()),
                tokens: Some(Tokens {
                    input: 1200,
                    cached: 800,
                    output: 300,
                    reasoning: 100,
                    ..Tokens::default()
                }),
                ..Metered::default()
            },
            cost: Some(vault::usage::Nano(3_600_000)),
        }
    }
}

fn told(what: &str, took: Duration, count: usize) {
    let each = took.as_nanos() / count.max(1) as u128;
    say(&format!("{what}: {each} ns each"));
}

#[allow(clippy::print_stdout)]
fn say(text: &str) {
    println!("{text}");
}
