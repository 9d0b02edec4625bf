//! What was used in some span of time, by agent, provider, connection, model,
//! day or hour.
//!
//! Reading only: a database that is not there is an empty report, and one that
//! others write to is read as it was at one instant. Days of which only sums
//! are kept count as if all of it had been at their midnight.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Statement};

use super::money::Nano;
use super::store::{self, BadStore};

/// What stands for the model where none was said.
pub const NO_MODEL: &str = "-";

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What rows are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Who asked.
    Agent,
    /// Whose API it was.
    Provider,
    /// `provider/name`.
    Connection,
    /// The model as it calls itself; [`NO_MODEL`] where none was said.
    Model,
    /// `2026-08-21`, of UTC.
    Day,
    /// `2026-08-21T13:00:00Z`.
    Hour,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// From this instant; from the beginning without one.
    pub since: Option<Timestamp>,
    /// Until before this instant; all without one.
    pub until: Option<Timestamp>,
    /// What rows are of.
    pub by: By,
}

/// The steps of a [`series`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// One point an hour.
    Hour,
    /// One point a day.
    Day,
}

/// Sums of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// What the sums are of: see [`By`].
    pub key: String,
    /// How many there were.
    pub requests: u64,
    /// All input tokens, cached ones included.
    pub input_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// Of the input: read from caches.
    pub cached_tokens: u64,
    /// What those cost whose cost is known.
    pub cost: Nano,
    /// Requests that used tokens and whose cost is not known.
    pub unpriced_requests: u64,
    /// Requests whose answer ended before its end.
    pub cut_requests: u64,
}

/// What was used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Days and hours in their order; all else with what cost most first,
    /// then by tokens, then by key.
    pub rows: Vec<Row>,
    /// Requests that were not recorded because too many came at once.
    pub dropped: u64,
}

/// One key's sums in one hour or day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When the hour or day began.
    pub start: Timestamp,
    /// Its sums.
    pub row: Row,
}

/// What was used between two instants.
///
/// # Errors
/// The database cannot be read.
pub fn rows(path: &Path, query: &Query) -> Result<Report, BadStore> {
    let Some(connection) = store::open_to_read(path)? else {
        return Ok(Report::default());
    };
    let summed = Span::new(query.since, query.until)
        .sums(&connection, query.by, None)
        .map_err(BadStore::sqlite("read", path))?;
    let mut rows: Vec<Row> = summed.rows.into_values().collect();
    if !matches!(query.by, By::Day | By::Hour) {
        rows.sort_by(|a, b| {
            let weight = |row: &Row| (row.cost, row.input_tokens.saturating_add(row.output_tokens));
            weight(b).cmp(&weight(a)).then_with(|| a.key.cmp(&b.key))
        });
    }
    Ok(Report {
        rows,
        dropped: summed.dropped,
    })
}

/// What was used between two instants, hour by hour or day by day: in the
/// order of time, then of keys. Hours and days without any are left out.
///
/// # Errors
/// The database cannot be read.
pub fn series(
    path: &Path,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    by: By,
    bucket: Bucket,
) -> Result<Vec<Point>, BadStore> {
    let Some(connection) = store::open_to_read(path)? else {
        return Ok(Vec::new());
    };
    let summed = Span::new(since, until)
        .sums(&connection, by, Some(bucket))
        .map_err(BadStore::sqlite("read", path))?;
    let points = summed.rows.into_iter().map(|((start, _), row)| Point {
        start: instant(start),
        row,
    });
    Ok(points.collect())
}

/// Milliseconds since 1970: from the first, until before the second.
struct Span(i64, i64);

#[derive(Default)]
struct Sums {
    /// By when the bucket began (0 where there are none) and key.
    rows: BTreeMap<(i64, String), Row>,
    dropped: u64,
}

impl Span {
    fn new(since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        // A time within a millisecond: what is stored is cut, so is this.
        let millisecond = |time: Timestamp| time.as_millisecond();
        Self(
            since.map_or(i64::MIN, millisecond),
            until.map_or(i64::MAX, millisecond),
        )
    }

    /// Both tables as they were at one instant.
    fn sums(
        &self,
        connection: &Connection,
        by: By,
        bucket: Option<Bucket>,
    ) -> rusqlite::Result<Sums> {
        let transaction = connection.unchecked_transaction()?;
        let mut sums = Sums::default();
        let names = Names::read(&transaction, by)?;
        // Groups are found here and not by `SQLite`, which would sort all rows.
        let mut groups = HashMap::new();
        for columns in [
            "requests, input, output, cached, nano_usd,
             (input + output > 0 AND nano_usd IS NULL) * requests, is_cut * requests
             FROM request",
            "requests, input, output, cached, nano_usd, unpriced, cut FROM day",
        ] {
            let key = match by {
                By::Agent => "agent",
                By::Provider | By::Connection => "connection",
                By::Model => "model",
                By::Day => "at / 86400000",
                By::Hour => "at / 3600000",
            };
            let start = match bucket {
                None => "0",
                Some(Bucket::Hour) => "at / 3600000",
                Some(Bucket::Day) => "at / 86400000",
            };
            // The plus keeps the index from being used where all is read.
            let at = if self.0 == i64::MIN { "+at" } else { "at" };
            let statement = transaction.prepare(&format!(
                "SELECT {start}, {key}, {columns} WHERE {at} >= ?1 AND {at} < ?2"
            ))?;
            self.add(statement, &mut groups)?;
        }
        let length = match bucket {
            None => 0,
            Some(Bucket::Hour) => HOUR_MS,
            Some(Bucket::Day) => DAY_MS,
        };
        for ((start, key), group) in groups {
            let start = start.saturating_mul(length);
            let key = names.of(key);
            let sum = sums.rows.entry((start, key.clone())).or_default();
            sum.key = key;
            sum.add(&group);
        }
        sums.dropped = transaction.query_row(
            "SELECT COALESCE(SUM(requests), 0) FROM dropped WHERE at >= ?1 AND at < ?2",
            [self.0, self.1],
            |row| unsigned(row, 0),
        )?;
        Ok(sums)
    }

    fn add(
        &self,
        mut statement: Statement<'_>,
        groups: &mut HashMap<(i64, i64), Row>,
    ) -> rusqlite::Result<()> {
        let mut found = statement.query([self.0, self.1])?;
        while let Some(row) = found.next()? {
            groups
                .entry((row.get(0)?, row.get(1)?))
                .or_default()
                .add(&Row {
                    key: String::new(),
                    requests: unsigned(row, 2)?,
                    input_tokens: unsigned(row, 3)?,
                    output_tokens: unsigned(row, 4)?,
                    cached_tokens: unsigned(row, 5)?,
                    cost: Nano(row.get::<_, Option<i64>>(6)?.unwrap_or(0)),
                    unpriced_requests: unsigned(row, 7)?,
                    cut_requests: unsigned(row, 8)?,
                });
        }
        Ok(())
    }
}

impl Row {
    fn add(&mut self, other: &Self) {
        let add = |sum: &mut u64, more| *sum = sum.saturating_add(more);
        add(&mut self.requests, other.requests);
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.output_tokens, other.output_tokens);
        add(&mut self.cached_tokens, other.cached_tokens);
        add(&mut self.unpriced_requests, other.unpriced_requests);
        add(&mut self.cut_requests, other.cut_requests);
        self.cost = self.cost.plus(other.cost);
    }
}

/// The words for what rows are grouped by.
enum Names {
    Said(BTreeMap<i64, String>),
    Day,
    Hour,
}

impl Names {
    fn read(connection: &Connection, by: By) -> rusqlite::Result<Self> {
        let words = match by {
            By::Agent => "name FROM agent",
            By::Provider => "provider FROM connection",
            By::Connection => "provider || '/' || name FROM connection",
            By::Model => "name FROM model",
            By::Day => return Ok(Self::Day),
            By::Hour => return Ok(Self::Hour),
        };
        let mut statement = connection.prepare(&format!("SELECT id, {words}"))?;
        let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        names.collect::<rusqlite::Result<_>>().map(Self::Said)
    }

    fn of(&self, key: i64) -> String {
        match self {
            Self::Said(names) => match names.get(&key) {
                Some(name) if !name.is_empty() => name.clone(),
                _ => NO_MODEL.to_owned(),
            },
            Self::Day => instant(key.saturating_mul(DAY_MS))
                .strftime("%Y-%m-%d")
                .to_string(),
            Self::Hour => instant(key.saturating_mul(HOUR_MS)).to_string(),
        }
    }
}

fn instant(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn unsigned(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: Option<i64> = row.get(column)?;
    Ok(number.unwrap_or(0).try_into().unwrap_or(0))
}
