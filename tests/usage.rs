//! `usage` through the binary, on databases that the recorder wrote. There is
//! no vault in any of these: it needs no key.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use predicates::str::{contains, is_empty, starts_with};
use serde_json::{Value, json};
use support::TestEnvironment;
use support::terminal::shown_at;
use vault::name::ConnectionId;
use vault::usage::{Event, Metered, Nano, Recorder, Settings, Tokens};

const FOREVER: Duration = Duration::from_secs(200 * 366 * 86_400);

fn event(at: &str, agent: &str, connection: (&str, &str), model: &str, cost: &str) -> Event {
    let has_model = !model.is_empty();
    Event {
        at: at.parse().unwrap(),
        agent: agent.into(),
        connection: Arc::new(ConnectionId {
            provider: connection.0.parse().unwrap(),
            connection: connection.1.parse().unwrap(),
        }),
        method: "POST".into(),
        endpoint: "/v1/responses".into(),
        status: 200,
        took: Duration::from_millis(7),
        metered: Metered {
            model: has_model.then(|| model.to_owned()),
            tokens: has_model.then_some(Tokens {
                input: 1000,
                cached: 400,
                output: 50,
                ..Tokens::default()
            }),
            ..Metered::default()
        },
        cost: cost.parse::<Nano>().ok(),
    }
}

/// Three days of November, the usual providers, one model without a price and
/// one answer that was cut.
fn some() -> Vec<Event> {
    let (team, own) = (("openai", "team"), ("openai", "own"));
    let mut cut = event("2025-11-03T09:59:59.999Z", "ci", team, "gpt-5", "0.25");
    cut.metered.is_cut = true;
    vec![
        event("2025-11-01T00:00:00Z", "ci", team, "gpt-5", "0.5"),
        event("2025-11-01T23:59:59.999Z", "dev", own, "gpt-5-mini", "0.1"),
        event(
            "2025-11-02T00:00:00Z",
            "ci",
            ("anthropic", "default"),
            "claude",
            "1.000000001",
        ),
        event("2025-11-02T10:00:00Z", "dev", own, "=cmd|'x'!A1", ""),
        event("2025-11-02T10:30:00Z", "dev", ("github", "default"), "", ""),
        cut,
    ]
}

fn database(made: &TestEnvironment) -> PathBuf {
    made.home().join("state/usage.db")
}

fn record(made: &TestEnvironment, events: impl IntoIterator<Item = Event>) {
    let recorder = Recorder::start(Settings {
        path: database(made),
        keep: FOREVER,
        warn: Arc::new(|warning| panic!("{warning}")),
        clock: Arc::new(Timestamp::now),
    });
    for event in events {
        recorder.record(event);
    }
    recorder.stop();
}

fn filled() -> TestEnvironment {
    let made = TestEnvironment::new();
    record(&made, some());
    made
}

/// All of November.
const NOVEMBER: [&str; 4] = ["--since", "2025-11-01", "--until", "2025-11-30"];

fn rows(made: &TestEnvironment, arguments: &[&str]) -> Vec<Value> {
    let run = made.vault(["usage", "--json"]).args(arguments).ok();
    run.json()["rows"].as_array().unwrap().clone()
}

fn keys(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect()
}

#[test]
fn each_key_has_its_rows_and_the_sums_are_the_same() {
    let made = filled();
    for (by, expected) in [
        ("agent", &["ci", "dev"][..]),
        ("provider", &["anthropic", "openai", "github"]),
        (
            "connection",
            &[
                "anthropic/default",
                "openai/team",
                "openai/own",
                "github/default",
            ],
        ),
        (
            "model",
            &["claude", "gpt-5", "gpt-5-mini", "=cmd|'x'!A1", "-"],
        ),
        ("day", &["2025-11-01", "2025-11-02", "2025-11-03"]),
        (
            "hour",
            &[
                "2025-11-01T00:00:00Z",
                "2025-11-01T23:00:00Z",
                "2025-11-02T00:00:00Z",
                "2025-11-02T10:00:00Z",
                "2025-11-03T09:00:00Z",
            ],
        ),
    ] {
        let rows = rows(&made, &[&NOVEMBER[..], &["--by", by]].concat());
        assert_eq!(keys(&rows), expected, "{by}");
        let sum =
            |member: &str| -> u64 { rows.iter().map(|row| row[member].as_u64().unwrap()).sum() };
        assert_eq!(sum("requests"), 6, "{by}");
        assert_eq!(sum("input_tokens"), 5000, "{by}");
        assert_eq!(sum("cached_tokens"), 2000, "{by}");
        assert_eq!(sum("output_tokens"), 250, "{by}");
        assert_eq!(sum("unpriced_requests"), 1, "{by}");
        let cost = rows.iter().map(|row| row["cost_usd"].as_str().unwrap());
        let cost: Nano = cost.map(|cost| cost.parse::<Nano>().unwrap()).sum();
        assert_eq!(cost.to_string(), "1.850000001", "{by}");
    }
    // Providers, where nobody says.
    let usual = rows(&made, &NOVEMBER);
    assert_eq!(keys(&usual), ["anthropic", "openai", "github"]);
}

#[test]
fn json_has_the_frozen_shape() {
    let made = filled();
    let printed = made.vault(["usage", "--json"]).args(NOVEMBER).ok().json();
    let expected = json!({"rows": [
        {
            "key": "anthropic", "requests": 1, "input_tokens": 1000, "output_tokens": 50,
            "cached_tokens": 400, "cost_usd": "1.000000001", "unpriced_requests": 0,
        },
        {
            "key": "openai", "requests": 4, "input_tokens": 4000, "output_tokens": 200,
            "cached_tokens": 1600, "cost_usd": "0.85", "unpriced_requests": 1,
        },
        {
            "key": "github", "requests": 1, "input_tokens": 0, "output_tokens": 0,
            "cached_tokens": 0, "cost_usd": "0.00", "unpriced_requests": 0,
        },
    ]});
    assert_eq!(printed, expected);
}

#[test]
fn the_begin_is_in_and_the_end_is_out_but_a_day_is_whole() {
    let made = filled();
    for (since, until, expected) in [
        ("2025-11-02", "2025-11-02", 3),
        ("2025-11-01", "2025-11-01", 2),
        ("2025-11-01T00:00:00Z", "2025-11-01T23:59:59.999Z", 1),
        ("2025-11-01T00:00:00.001Z", "2025-11-02T00:00:00Z", 1),
        (
            "2025-11-01T01:00:00+01:00",
            "2025-11-02T01:00:00.001+01:00",
            3,
        ),
        ("2025-11-02 10:00", "2025-11-02 10:30", 1),
        ("2025-11-03T10:00", "2025-12-31", 0),
        ("2025-10-01", "2025-10-31", 0),
    ] {
        let rows = rows(&made, &["--since", since, "--until", until]);
        let count: u64 = rows
            .iter()
            .map(|row| row["requests"].as_u64().unwrap())
            .sum();
        assert_eq!(count, expected, "{since} {until}");
    }
}

#[test]
fn without_a_range_it_is_the_last_thirty_days_until_now() {
    let made = TestEnvironment::new();
    let now = Timestamp::now();
    let day = Duration::from_secs(86_400);
    let openai = ("openai", "team");
    let event_ago = |ago: Duration, agent: &str| {
        let at = (now - ago).to_string();
        event(&at, agent, openai, "gpt-5", "0.1")
    };
    record(
        &made,
        [
            event_ago(Duration::ZERO, "now"),
            event_ago(day * 6, "week"),
            event_ago(day * 29, "month"),
            event_ago(day * 31, "older"),
        ],
    );
    let keys_of = |arguments: &[&str]| {
        let rows = rows(&made, &[&["--by", "agent"], arguments].concat());
        let mut keys: Vec<_> = keys(&rows).into_iter().map(str::to_owned).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys_of(&[]), ["month", "now", "week"]);
    assert_eq!(keys_of(&["--since", "7d"]), ["now", "week"]);
    assert_eq!(keys_of(&["--since", "7d", "--until", "1d"]), ["week"]);
    assert_eq!(keys_of(&["--since", "5w", "--until", "30d"]), ["older"]);
}

#[test]
fn what_is_no_time_or_no_range_is_a_usage_error() {
    let made = TestEnvironment::new();
    for arguments in [
        &["--since", "soon"][..],
        &["--until", "2025-13-01"],
        &["--since", "2025-11-02", "--until", "2025-11-01"],
        &["--since", "1h", "--until", "2h"],
        &["--by", "month"],
        &["--keep", "0"],
        &["--keep", "x"],
        &["--svg", "-", "--csv"],
        &["--json", "--csv"],
    ] {
        let run = made.vault(["usage"]).args(arguments);
        match arguments.contains(&"--json") {
            true => drop(run.finish().says(contains("\"usage\""))),
            false => drop(run.fails(2)),
        }
    }
}

#[test]
fn the_table_says_what_is_not_in_it() {
    let made = filled();
    let prices = made.home().join("prices.json");
    let expected = "\
PROVIDER   REQUESTS  INPUT  OUTPUT  CACHED    COST  OF COST
anthropic         1  1.00k      50     400  $1.00   ####################  54%
openai            4  4.00k     200   1.60k  $0.85+  #################     46%
github            1      -       -       -      -                          0%
total             6  5.00k     250   2.00k  $1.85+
";
    let run = made.vault(["usage"]).args(NOVEMBER).ok();
    assert_eq!(run.stdout, expected);
    assert_eq!(
        run.stderr,
        format!(
            "6 requests from 2025-11-01 to 2025-11-30 (UTC).\n\
             1 of 6 requests has no price (=cmd|'x'!A1) and is not in the cost. Add prices \
             for later ones in {}\n\
             1 answer ended early; more may have been used than was counted.\n",
            prices.display()
        )
    );
    let quiet = made.vault(["usage", "--quiet"]).args(NOVEMBER).ok();
    assert_eq!(quiet.stdout, expected);
    quiet.says(is_empty());
}

#[test]
fn requests_that_were_dropped_are_said_to_be_missing() {
    let made = filled();
    let database = rusqlite::Connection::open(database(&made)).unwrap();
    let at: Timestamp = "2025-11-02T12:00:00Z".parse().unwrap();
    let dropped = (at.as_millisecond(), 1234);
    let insert = "INSERT INTO dropped VALUES (?1, ?2)";
    database.execute(insert, dropped).unwrap();
    let run = made.vault(["usage"]).args(NOVEMBER).ok();
    run.says(contains(
        "1,234 requests are missing: too many came at once",
    ));
}

#[test]
fn blocks_are_drawn_where_the_locale_has_them() {
    let made = filled();
    for (locale, is_plain) in [
        ("C.UTF-8", false),
        ("de_DE.utf8", false),
        ("C", true),
        ("", true),
    ] {
        let run = made.vault(["usage"]).args(NOVEMBER).env("LC_ALL", locale);
        let run = run.ok();
        assert_eq!(run.stdout.is_ascii(), is_plain, "{locale}: {run}");
        assert_eq!(run.stdout.contains('█'), !is_plain, "{locale}: {run}");
    }
}

#[test]
fn the_table_fits_its_terminal_and_has_colour_only_where_that_is_wanted() {
    let made = filled();
    for locale in ["C", "C.UTF-8"] {
        for columns in [20, 33, 47, 60, 80, 200] {
            let run = made.vault(["usage", "--quiet", "--by", "connection"]);
            let run = run
                .args(NOVEMBER)
                .env("LC_ALL", locale)
                .env("NO_COLOR", "1");
            let shown = shown_at(run, columns);
            assert_eq!(shown.lines().count(), 6, "{columns}:\n{shown}");
            for line in shown.lines() {
                let width = line.chars().count();
                assert!(width <= usize::from(columns), "{columns}:\n{shown}");
            }
            assert!(!shown.contains('\x1b'), "{shown}");
            assert_eq!(
                shown.contains("OF COST"),
                columns > 33,
                "{columns}:\n{shown}"
            );
        }
    }
    let run = made.vault(["usage", "--quiet"]).args(NOVEMBER);
    let shown = shown_at(run, 80);
    assert!(shown.contains("\x1b[36m###"), "{shown}");
    let run = made.vault(["usage", "--quiet", "--color", "never"]);
    assert!(!shown_at(run.args(NOVEMBER), 80).contains('\x1b'));
    let run = made.vault(["usage", "--color", "always"]).args(NOVEMBER);
    run.ok().prints(contains("\x1b[36m###"));
}

#[test]
fn csv_is_safe_in_a_spreadsheet() {
    let made = filled();
    let run = made
        .vault(["usage", "--csv", "--by", "model"])
        .args(NOVEMBER);
    let expected = "\
key,requests,input_tokens,output_tokens,cached_tokens,cost_usd,unpriced_requests\r
claude,1,1000,50,400,1.000000001,0\r
gpt-5,2,2000,100,800,0.75,0\r
gpt-5-mini,1,1000,50,400,0.10,0\r
\"'=cmd|'x'!A1\",1,1000,50,400,0.00,1\r
-,1,0,0,0,0.00,0\r
";
    assert_eq!(run.ok().stdout, expected);
}

#[test]
fn a_picture_is_put_in_its_place_for_everybody_to_see() {
    let made = filled();
    let file = made.path("work/usage.svg");
    let draw = |by: &str| {
        let run = made.vault(["usage", "--by", by, "--svg"]).arg(&file);
        run.args(NOVEMBER).ok()
    };
    draw("model").prints(is_empty()).says(starts_with(format!(
        "The picture is in {}\n",
        file.display()
    )));
    let first = fs::read_to_string(&file).unwrap();
    assert!(first.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
    assert!(first.ends_with("</svg>\n"));
    for part in [
        "Cost by model",
        "2025-11-01 to 2025-11-30 UTC · 6 requests, 1 of them without a price",
        "$1.85",
        "Nov 1",
        "2025-11-02 · claude: $1.00",
        "prefers-color-scheme:dark",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    draw("day");
    let second = fs::read_to_string(&file).unwrap();
    assert!(second.contains("Cost over time"));
    let left: Vec<_> = fs::read_dir(made.path("work")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_picture_can_be_printed_or_go_with_data() {
    let made = filled();
    let printed = made.vault(["usage", "--svg", "-"]).args(NOVEMBER).ok();
    let printed = printed.says(is_empty()).stdout;
    assert!(printed.starts_with("<svg ") && printed.ends_with("</svg>\n"));
    let file = made.path("work/usage.svg");
    let run = made.vault(["usage", "--json", "--svg"]).arg(&file);
    let rows = run.args(NOVEMBER).ok().json();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 3);
    assert_eq!(fs::read_to_string(&file).unwrap(), printed);
    for (place, reason) in [("work", "directory"), ("gone/x.svg", "No such file")] {
        let run = made.vault(["usage", "--svg"]).arg(made.path(place));
        run.fails(1).says(contains(reason));
    }
}

#[test]
fn where_there_is_no_database_there_is_no_usage_and_none_is_made() {
    let made = TestEnvironment::new();
    made.vault(["usage"])
        .ok()
        .prints(is_empty())
        .says(starts_with("Nothing was recorded from "));
    made.vault(["usage", "--keep", "30", "--quiet"]).ok();
    assert_eq!(rows(&made, &[]), Vec::<Value>::new());
    let run = made.vault(["usage", "--csv"]).ok();
    assert_eq!(run.stdout.lines().count(), 1);
    let run = made.vault(["usage", "--svg", "-"]).ok();
    run.prints(contains("Nothing was recorded in this time"));
    assert!(!database(&made).exists());
    // And one of which everything is elsewhere in time.
    record(&made, some());
    let past = ["--since", "2020-01-01", "--until", "2020-01-31"];
    assert_eq!(rows(&made, &past), Vec::<Value>::new());
    made.vault(["usage"]).args(past).ok().prints(is_empty());
}

#[test]
fn a_broken_database_is_named_and_left_as_it_is() {
    let made = filled();
    let path = database(&made);
    let bytes = b"this is no database, whatever its name says".repeat(100);
    fs::write(&path, &bytes).unwrap();
    for arguments in [&[][..], &["--svg", "-"], &["--csv"], &["--keep", "30"]] {
        let run = made.vault(["usage"]).args(arguments).fails(1);
        run.says(contains("mv '"));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn whoever_stops_reading_is_told_nothing() {
    let made = filled();
    for form in ["--json", "--csv", "--quiet"] {
        let mut command = made.vault(["usage", form]).args(NOVEMBER).command();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "", "{form}");
    }
}

#[test]
fn old_requests_become_sums_of_days_and_stay_in_every_sum() {
    let made = filled();
    let by_day = |made: &TestEnvironment| {
        let sums = ["day", "model", "agent", "connection"];
        sums.map(|by| rows(made, &[&NOVEMBER[..], &["--by", by]].concat()))
    };
    let before = by_day(&made);
    let count = |table: &str| -> i64 {
        let open = rusqlite::Connection::open(database(&made)).unwrap();
        let sql = format!("SELECT COUNT(*) FROM {table}");
        open.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    // Far enough back for all of them to be recent.
    let run = made.vault(["usage", "--keep", "36500"]).ok();
    run.says(contains("There are no single requests older than 36500d."));
    assert_eq!(count("request"), 6);
    let run = made.vault(["usage", "--keep", "1"]).ok();
    run.says(starts_with("Made daily sums of 6 requests."));
    assert_eq!(count("request"), 0);
    assert_eq!(by_day(&made), before);
}
