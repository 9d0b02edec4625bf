//! Rows, sums, and what is asked of them.

use std::process::Command;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::usage::event::{Event, sample};
use crate::usage::money::Nano;
use crate::usage::query::{Bucket, By, NO_MODEL, Query, Report, rows, series};

const ALL: [By; 6] = [
    By::Agent,
    By::Provider,
    By::Connection,
    By::Model,
    By::Day,
    By::Hour,
];

/// A database with these events in it.
fn with(events: &[Event]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.db");
    write(&path, &mut Inserter::new(1), events);
    (folder, path)
}

fn write(path: &Path, inserter: &mut Inserter, events: &[Event]) {
    let mut connection = open(path).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    inserter
        .write(&mut connection, path, events, 0, now)
        .unwrap();
}

/// In a thread that files' modes hold for, whoever runs the tests.
#[cfg(target_os = "linux")]
#[test]
fn a_database_that_cannot_be_written_is_not_opened_for_writing() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let (_folder, path) = with(&[]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let opened = std::thread::spawn(move || {
        let mut own = capabilities(None).unwrap();
        own.effective.remove(CapabilitySet::DAC_OVERRIDE);
        set_capabilities(None, own).unwrap();
        assert!(open_to_read(&path).unwrap().is_some());
        open(&path).map(drop)
    });
    let bad = opened.join().unwrap().unwrap_err();
    assert!(bad.to_string().starts_with("Cannot write "), "{bad}");
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn report(path: &Path, by: By) -> Report {
    let query = Query {
        since: None,
        until: None,
        by,
    };
    rows(path, &query).unwrap()
}

fn keys(report: &Report) -> Vec<&str> {
    report.rows.iter().map(|row| row.key.as_str()).collect()
}

/// Some of everything: two agents, three connections, without tokens, without
/// a price, cut.
fn some_of_everything() -> Vec<Event> {
    let mut events = vec![
        sample(at("2026-08-20T23:59:59.999Z"), "ci", "openai/team"),
        sample(at("2026-08-21T00:00:00Z"), "ci", "openai/team"),
        sample(at("2026-08-21T13:30:00Z"), "ci", "anthropic/default"),
        sample(at("2026-08-21T14:00:00Z"), "bot", "openai/team"),
        sample(at("2026-08-21T14:10:00Z"), "bot", "github/default"),
    ];
    events[2].cost = None;
    events[2].metered.model = Some("claude-new".to_owned());
    events[3].metered.is_cut = true;
    events[3].cost = Some(Nano(2));
    events[4].cost = None;
    events[4].metered.model = None;
    events[4].metered.tokens = None;
    events
}

#[test]
fn sums_are_by_what_is_asked_for_and_what_cost_most_comes_first() {
    let (_folder, path) = with(&some_of_everything());
    for (by, expected) in [
        (By::Agent, vec!["ci", "bot"]),
        (By::Provider, vec!["openai", "anthropic", "github"]),
        (
            By::Connection,
            vec!["openai/team", "anthropic/default", "github/default"],
        ),
        (By::Model, vec!["gpt-5", "claude-new", NO_MODEL]),
        (By::Day, vec!["2026-08-20", "2026-08-21"]),
        (
            By::Hour,
            vec![
                "2026-08-20T23:00:00Z",
                "2026-08-21T00:00:00Z",
                "2026-08-21T13:00:00Z",
                "2026-08-21T14:00:00Z",
            ],
        ),
    ] {
        assert_eq!(keys(&report(&path, by)), expected);
    }
    let agents = report(&path, By::Agent);
    let [ci, bot] = &agents.rows[..] else {
        panic!("two agents")
    };
    assert_eq!(
        (ci.requests, ci.input_tokens, ci.output_tokens),
        (3, 30, 15)
    );
    assert_eq!((ci.cost, ci.unpriced_requests), (Nano(125_000), 1));
    // A request without tokens is not one without a price.
    assert_eq!((bot.requests, bot.unpriced_requests), (2, 0));
    assert_eq!((bot.cost, bot.cut_requests), (Nano(2), 1));
}

#[test]
fn a_span_has_its_beginning_in_it_and_its_end_not() {
    let (_folder, path) = with(&some_of_everything());
    let query = Query {
        since: Some(at("2026-08-21T00:00:00Z")),
        until: Some(at("2026-08-21T14:00:00Z")),
        by: By::Hour,
    };
    let found = rows(&path, &query).unwrap();
    assert_eq!(
        keys(&found),
        ["2026-08-21T00:00:00Z", "2026-08-21T13:00:00Z"]
    );
    let points = series(&path, query.since, None, By::Provider, Bucket::Hour).unwrap();
    let points: Vec<_> = points
        .iter()
        .map(|point| (point.start.to_string(), point.row.key.as_str()))
        .collect();
    let points: Vec<_> = points
        .iter()
        .map(|(start, key)| (&start[11..13], *key))
        .collect();
    assert_eq!(
        points,
        [
            ("00", "openai"),
            ("13", "anthropic"),
            ("14", "github"),
            ("14", "openai")
        ]
    );
}

#[test]
fn what_is_not_there_is_an_empty_report_and_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.db");
    assert_eq!(report(&path, By::Day), Report::default());
    assert!(
        series(&path, None, None, By::Day, Bucket::Day)
            .unwrap()
            .is_empty()
    );
    assert!(!path.exists());
    fs::write(&path, "").unwrap();
    assert_eq!(report(&path, By::Day), Report::default());
    fs::write(&path, "no database ".repeat(100)).unwrap();
    let query = Query {
        since: None,
        until: None,
        by: By::Day,
    };
    let error = Error::from(rows(&path, &query).unwrap_err());
    assert!(error.hint().unwrap().starts_with("Put it aside"));
    drop(fs::remove_file(&path));
}

#[test]
fn the_stock_sqlite3_sums_what_agents_used() {
    let (_folder, path) = with(&some_of_everything());
    let query = "SELECT agent_id, service, SUM(tokens_used), SUM(cost_usd) FROM api_usage \
                 GROUP BY agent_id, service";
    let expected = "bot|github||\nbot|openai|15|2.0e-09\nci|anthropic|15|\nci|openai|30|0.000125\n";
    // As it is, and after all of it became sums of days.
    for _ in 0..2 {
        // Where there is none, its library has to do.
        if let Ok(output) = Command::new("sqlite3").arg(&path).arg(query).output() {
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
            assert!(output.stderr.is_empty());
        }
        let connection = Connection::open(&path).unwrap();
        let mut statement = connection.prepare(query).unwrap();
        let found = statement.query_map([], |row| {
            let (tokens, cost): (Option<i64>, Option<f64>) = (row.get(2)?, row.get(3)?);
            let text = |number: Option<String>| number.unwrap_or_default();
            let cost = cost.map(|cost| format!("{cost:.9}"));
            let (agent, service): (String, String) = (row.get(0)?, row.get(1)?);
            let tokens = text(tokens.map(|tokens| tokens.to_string()));
            Ok(format!("{agent}|{service}|{tokens}|{}", text(cost)))
        });
        let found: Vec<_> = found.unwrap().map(Result::unwrap).collect();
        assert_eq!(
            found,
            [
                "bot|github||",
                "bot|openai|15|0.000000002",
                "ci|anthropic|15|",
                "ci|openai|30|0.000125000"
            ]
        );
        roll_up(&path, Duration::ZERO, at("2026-08-25T00:00:00Z")).unwrap();
    }
}

#[test]
fn the_view_has_the_columns_that_it_promises() {
    let (_folder, path) = with(&some_of_everything()[..1]);
    let connection = Connection::open(&path).unwrap();
    let row = connection
        .query_row(
            "SELECT id, agent_id, service, endpoint, tokens_used, cost_usd, timestamp
             FROM api_usage",
            [],
            |row| {
                let text = |column| row.get::<_, String>(column);
                let money: f64 = row.get(5)?;
                let numbers: (i64, i64) = (row.get(0)?, row.get(4)?);
                Ok((numbers, money, [text(1)?, text(2)?, text(3)?, text(6)?]))
            },
        )
        .unwrap();
    let texts = [
        "ci",
        "openai",
        "/v1/chat/completions",
        "2026-08-20T23:59:59.999Z",
    ];
    assert_eq!(row, ((1, 15), 0.0000625, texts.map(str::to_owned)));
}

#[test]
fn neither_queries_nor_what_steers_a_terminal_get_into_the_file() {
    let mut event = sample(at("2026-08-21T00:00:00Z"), "ci", "openai/team");
    event.endpoint = "/v1/a\u{1b}[2J/b?key=FAKE-SECRET-0123456789#FAKE-FRAGMENT".into();
    let mut long = event.clone();
    long.endpoint = format!("/{}", "é".repeat(100_000)).into();
    long.metered.model = Some("m\n".repeat(1000));
    let (_folder, path) = with(&[event, long]);
    let bytes = fs::read(&path).unwrap();
    let holds = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    assert!(holds(b"/v1/a\\u{1b}[2J/b"));
    assert!(!holds(b"FAKE-SECRET") && !holds(b"FAKE-FRAGMENT"));
    assert!(!holds(b"\x1b[2J") && !holds(b"m\nm\n"));
    assert!(bytes.len() < 100_000, "{}", bytes.len());
}

#[test]
fn counts_that_no_request_can_have_are_left_out() {
    let mut event = sample(at("2026-08-21T00:00:00Z"), "ci", "openai/team");
    if let Some(tokens) = &mut event.metered.tokens {
        tokens.input = 1 << 62;
    }
    event.cost = Some(Nano(i64::MAX));
    let (_folder, path) = with(&vec![event; 3]);
    let report = report(&path, By::Agent);
    assert_eq!(report.rows[0].requests, 3);
    assert_eq!(report.rows[0].input_tokens, 0);
    assert_eq!(report.rows[0].cost, Nano(0));
}

#[test]
fn ids_that_a_roll_up_took_away_are_not_written_any_more() {
    let old = sample(at("2026-01-01T00:00:00Z"), "ci", "openai/team");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.db");
    let mut writer = Inserter::new(1);
    write(&path, &mut writer, std::slice::from_ref(&old));
    assert_eq!(
        roll_up(&path, Duration::ZERO, at("2026-08-21T00:00:00Z")).unwrap(),
        1
    );
    // Another writer gives the id to another endpoint.
    let mut other = old.clone();
    other.endpoint = "/other".into();
    write(&path, &mut Inserter::new(2), &[other]);
    write(&path, &mut writer, &[old]);
    let connection = Connection::open(&path).unwrap();
    let mut statement = connection
        .prepare("SELECT endpoint FROM api_usage WHERE id > 0 ORDER BY id")
        .unwrap();
    let found = statement.query_map([], |row| row.get(0)).unwrap();
    let found: Vec<String> = found.map(Result::unwrap).collect();
    assert_eq!(found, ["/other", "/v1/chat/completions"]);
}

#[test]
fn a_failed_transaction_leaves_nothing_and_is_not_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.db");
    let mut connection = open(&path).unwrap();
    let event = sample(at("2026-08-21T00:00:00Z"), "ci", "openai/team");
    let mut writer = Inserter::new(1);
    connection
        .execute_batch(
            "CREATE TRIGGER full AFTER INSERT ON request WHEN new.status = 500
             BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
        .unwrap();
    let mut failing = event.clone();
    failing.status = 500;
    let events = [event.clone(), failing];
    let now = Timestamp::UNIX_EPOCH;
    assert!(
        writer
            .write(&mut connection, &path, &events, 0, now)
            .is_err()
    );
    assert_eq!(report(&path, By::Agent), Report::default());
    writer
        .write(&mut connection, &path, &[event], 0, now)
        .unwrap();
    assert_eq!(keys(&report(&path, By::Connection)), ["openai/team"]);
}

#[test]
fn steps_of_a_roll_up_are_bounded_and_together_take_all() {
    let begin = at("2026-01-01T00:00:00Z").as_millisecond();
    let events: Vec<_> = (0..12_001)
        .map(|number| {
            let time = Timestamp::from_millisecond(begin + number * 20_000).unwrap();
            sample(time, "ci", "openai/team")
        })
        .collect();
    let (_folder, path) = with(&events);
    let before = ALL[..5].iter().map(|&by| report(&path, by));
    let before: Vec<_> = before.collect();
    let mut connection = open(&path).unwrap();
    let mut rolling = RollUp::new(Duration::from_secs(86_400), at("2026-01-04T12:00:00Z"));
    let left = |connection: &Connection| -> i64 {
        let count = "SELECT COUNT(*) FROM request";
        connection.query_row(count, [], |row| row.get(0)).unwrap()
    };
    assert!(rolling.step(&mut connection, &path).unwrap());
    assert_eq!(left(&connection), 12_001 - 5_000);
    while rolling.step(&mut connection, &path).unwrap() {}
    // Two whole days, of 4,320 each; the third one is not over for long enough.
    assert_eq!(left(&connection), 12_001 - 2 * 4_320);
    let after = ALL[..5].iter().map(|&by| report(&path, by));
    assert_eq!(before, after.collect::<Vec<_>>());
}

prop_compose! {
    fn any_event()(
        hour in 0_i64..24 * 40,
        agent in 0..3_usize,
        connection in 0..3_usize,
        model in 0..3_usize,
        tokens in proptest::option::of((0..50_u64, 0..50_u64)),
        cost in proptest::option::of(0..1000_i64),
        is_cut: bool,
    ) -> Event {
        let time = Timestamp::from_second(1_780_000_000 + hour * 3600).unwrap();
        let agent = ["ci", "bot", "run"][agent];
        let connection = ["openai/team", "openai/own", "anthropic/default"][connection];
        let mut event = sample(time, agent, connection);
        event.metered.model = [None, Some("a"), Some("b")][model].map(str::to_owned);
        event.metered.is_cut = is_cut;
        match (&mut event.metered.tokens, tokens) {
            (Some(counted), Some((input, output))) => {
                (counted.input, counted.output, counted.cached) = (input, output, input / 2);
            }
            (counted, _) => *counted = None,
        }
        event.cost = cost.map(Nano);
        event
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_roll_up_keeps_every_sum(
        events in proptest::collection::vec(any_event(), 1..80),
        keep in 0..40_u64,
        later in 0..20_u64,
    ) {
        let (_folder, path) = with(&events);
        let before: Vec<_> = ALL[..5].iter().map(|&by| report(&path, by)).collect();
        let view = |path: &Path| -> Vec<(String, String, Option<i64>, Option<i64>)> {
            let connection = Connection::open(path).unwrap();
            let mut statement = connection
                .prepare(
                    "SELECT agent_id, service, SUM(tokens_used), ROUND(SUM(cost_usd) * 1e9)
                     FROM api_usage GROUP BY agent_id, service",
                )
                .unwrap();
            let found = statement.query_map([], |row| {
                let cost: Option<f64> = row.get(3)?;
                let cost = cost.map(|cost| cost as i64);
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, cost))
            });
            found.unwrap().map(Result::unwrap).collect()
        };
        let seen = view(&path);
        // Twice, the second time over sums that are there already.
        for day in [30, 30 + later] {
            let now = Timestamp::from_second(1_780_000_000 + 86_400 * day.cast_signed()).unwrap();
            let keep = Duration::from_secs(86_400 * keep);
            roll_up(&path, keep, now).unwrap();
            let after: Vec<_> = ALL[..5].iter().map(|&by| report(&path, by)).collect();
            prop_assert_eq!(&before, &after);
            prop_assert_eq!(&seen, &view(&path));
            let cutoff = now.as_millisecond() - i64::try_from(keep.as_millis()).unwrap();
            let connection = Connection::open(&path).unwrap();
            let oldest: i64 = connection
                .query_row("SELECT COALESCE(MIN(at), ?1) FROM request", [cutoff], |row| row.get(0))
                .unwrap();
            prop_assert!(oldest > cutoff - 86_400_000);
        }
    }
}

#[test]
fn a_crowd_of_requests_that_are_alike_is_few_rows_with_the_same_sums() {
    let crowd: Vec<Event> = (0..3000_u16)
        .map(|number| {
            let mut event = sample(at("2026-08-21T13:30:00Z"), "ci", "openai/team");
            event.status = 200 + number % 2;
            event.cost = (number % 3 > 0).then_some(Nano(7));
            event.metered.is_cut = number % 5 == 0;
            if number % 7 == 0 {
                event.metered.tokens = None;
            }
            event
        })
        .collect();
    let stored = |at_once: usize| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage.db");
        let mut inserter = Inserter::new(1);
        for some in crowd.chunks(at_once) {
            write(&path, &mut inserter, some);
        }
        let rows: i64 = open(&path)
            .unwrap()
            .query_row("SELECT COUNT(*) FROM request", [], |row| row.get(0))
            .unwrap();
        let before = report(&path, By::Connection);
        let now = at("2027-08-21T00:00:00Z");
        roll_up(&path, std::time::Duration::from_secs(86_400), now).unwrap();
        (rows, before, report(&path, By::Connection))
    };
    let (single, one_by_one, rolled) = stored(1000);
    let (few, together, rolled_together) = stored(3000);
    assert_eq!((one_by_one, rolled), (together.clone(), rolled_together));
    assert_eq!(together.rows[0].requests, 3000);
    assert_eq!(single, 3000);
    assert!(few <= 16, "{few}");
}
