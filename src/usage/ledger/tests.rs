//! Sums against brute force.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::usage::event::sample;
use crate::usage::recorder::{Recorder, Settings};

const PERIODS: [Period; 3] = [Period::Hour, Period::Day, Period::Month];
const AGENTS: [&str; 2] = ["ci", "bot"];
const CONNECTIONS: [&str; 3] = ["openai/team", "openai/own", "anthropic/default"];
/// A quarter of an hour before a month ends.
const BEGIN: i64 = 1_788_219_900;

#[derive(Debug, Clone)]
struct Step {
    seconds: i64,
    /// How long ago it came: it is recorded when it ends.
    late: i64,
    agent: usize,
    connection: usize,
    cost: i64,
    /// Which of the processes.
    process: usize,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Nothing,
    Ask,
    Restart,
}

prop_compose! {
    fn step()(
        seconds in prop_oneof![0..60_i64, 0..4000_i64, 0..90_000_i64],
        late in prop_oneof![3 => Just(0), 1 => 0..10_000_i64],
        agent in 0..2_usize,
        connection in 0..3_usize,
        cost in 0..1000_i64,
        process in 0..3_usize,
        then in prop_oneof![4 => Just(Then::Nothing), 2 => Just(Then::Ask), 1 => Just(Then::Restart)],
    ) -> Step {
        Step { seconds, late, agent, connection, cost, process, then }
    }
}

fn event_of(step: &Step, now: i64) -> Event {
    let time = Timestamp::from_second(now - step.late).unwrap();
    let mut event = sample(time, AGENTS[step.agent], CONNECTIONS[step.connection]);
    event.cost = Some(Nano(step.cost));
    event
}

/// What it should be: every event looked at.
fn by_force(
    events: &[Event],
    agent: &str,
    period: Period,
    now: Timestamp,
    provider: &str,
) -> Spent {
    let within = period.start(now)..period.end(now);
    let each = events
        .iter()
        .filter(|event| &*event.agent == agent && within.contains(&event.at))
        .filter(|event| event.connection.provider.as_str() == provider)
        .map(|event| Spent {
            cost: event.cost.unwrap(),
            tokens: event.metered.tokens.unwrap().total(),
        });
    each.fold(Spent::default(), Spent::plus)
}

fn recorder(path: &std::path::Path) -> Recorder {
    Recorder::start(Settings {
        path: path.to_owned(),
        keep: Duration::from_secs(180 * 86_400),
        warn: Arc::new(|text| panic!("{text}")),
        clock: Arc::new(|| Timestamp::from_second(BEGIN).unwrap()),
    })
}

proptest! {
    #[test]
    fn sums_of_one_process_are_those_of_brute_force(steps in proptest::collection::vec(step(), 1..80)) {
        let mut totals = Totals::default();
        let mut events = Vec::new();
        let mut now = BEGIN;
        for step in &steps {
            now += step.seconds;
            let event = event_of(step, now);
            let spent = Spent { cost: event.cost.unwrap(), tokens: 15 };
            totals.add(&event.agent, &event.connection, event.at.as_millisecond(), spent);
            events.push(event);
            let now = Timestamp::from_second(now).unwrap();
            for (agent, period) in AGENTS.iter().flat_map(|&agent| PERIODS.map(|period| (agent, period))) {
                for provider in ["openai", "anthropic"] {
                    let matches = |id: &ConnectionId| id.provider.as_str() == provider;
                    prop_assert_eq!(
                        totals.spent(agent, period, now, &matches),
                        by_force(&events, agent, period, now, provider)
                    );
                }
            }
            if step.then == Then::Restart {
                totals.forget_before(Period::Month.start(now).as_millisecond());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn sums_of_several_processes_are_those_of_brute_force(
        steps in proptest::collection::vec(step(), 1..30),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage.db");
        let mut processes = [recorder(&path), recorder(&path), recorder(&path)];
        let mut events = Vec::new();
        let mut now = BEGIN;
        for step in &steps {
            now += step.seconds;
            let event = event_of(step, now);
            events.push(event.clone());
            let process = &mut processes[step.process];
            process.record(event);
            match step.then {
                Then::Nothing => {}
                // Whatever was read until now is kept from here on.
                Then::Ask => {
                    let now = Timestamp::from_second(now).unwrap();
                    prop_assert!(process.ledger().spent("ci", Period::Month, now, &|_| true).is_ok());
                }
                Then::Restart => *process = recorder(&path),
            }
        }
        // All that is in some queue gets into the database; ledgers stay.
        for process in &processes {
            process.stop();
        }
        let now = Timestamp::from_second(now).unwrap();
        for process in &processes {
            let ledger = process.ledger();
            // As if what is known were old.
            lock(&ledger.others).read_at = None;
            for (agent, period) in AGENTS.iter().flat_map(|&agent| PERIODS.map(|period| (agent, period))) {
                for provider in ["openai", "anthropic"] {
                    let matches = |id: &ConnectionId| id.provider.as_str() == provider;
                    prop_assert_eq!(
                        ledger.spent(agent, period, now, &matches),
                        Ok(by_force(&events, agent, period, now, provider))
                    );
                }
            }
        }
    }
}

#[test]
fn a_clock_that_was_put_back_does_not_leave_requests_uncounted() {
    let mut totals = Totals::default();
    let event = sample(Timestamp::UNIX_EPOCH, "ci", "openai/team");
    let one = Spent {
        cost: Nano(1),
        tokens: 1,
    };
    let add = |totals: &mut Totals, time: &str| -> Timestamp {
        let time: Timestamp = time.parse().unwrap();
        totals.add(&event.agent, &event.connection, time.as_millisecond(), one);
        time
    };
    add(&mut totals, "2031-01-01T00:00:00Z");
    add(&mut totals, "2031-02-02T02:00:00Z");
    // What comes before anybody asks is lost: nobody knew of the clock.
    let now = "2026-08-21T00:00:00Z".parse().unwrap();
    let spent = |totals: &mut Totals, period| totals.spent("ci", period, now, &|_| true).tokens;
    for period in PERIODS {
        assert_eq!(spent(&mut totals, period), 0);
    }
    for _ in 0..5 {
        add(&mut totals, "2026-08-21T00:00:00Z");
    }
    for period in PERIODS {
        assert_eq!(spent(&mut totals, period), 5);
    }
}
