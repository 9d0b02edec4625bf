//! Events become rows of integers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Statement, Transaction, TransactionBehavior};
use rusqlite::{params, types::Value};

use super::super::event::{Event, Tokens};
use super::super::money::Nano;
use super::BadStore;
use crate::name::ConnectionId;
use crate::text;

/// Longer paths and models are cut here, in characters.
const LONGEST: usize = 200;
/// Where more than so many are written at once, those that are alike become
/// one row: a thousand requests in a quarter of a second are a load, and what
/// they cost is to be little.
const CROWD: usize = 1024;
/// So many endpoints and models are remembered; paths may be without number.
const REMEMBERED: usize = 8192;
/// No request has more tokens, nor costs more (a thousand dollars): what says
/// so is mistaken, and sums stay within what a column can hold.
pub(in crate::usage) const MOST_TOKENS: u64 = 1 << 33;
pub(in crate::usage) const MOST_NANO: i64 = 1_000_000_000_000;

/// Writes events; remembers the ids of what they name.
pub(in crate::usage) struct Inserter {
    writer: i64,
    sweep: i64,
    agents: HashMap<Arc<str>, i64>,
    connections: HashMap<Arc<ConnectionId>, i64>,
    /// By method, then path.
    endpoints: HashMap<Arc<str>, HashMap<String, i64>>,
    endpoints_remembered: usize,
    models: HashMap<String, i64>,
}

/// All of an event but what it used and how long it took.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    second: i64,
    agent: i64,
    connection: i64,
    endpoint: i64,
    model: i64,
    status: u16,
    is_counted: bool,
    is_priced: bool,
    is_special: bool,
    is_cut: bool,
}

#[derive(Default)]
struct Sum {
    requests: i64,
    took: i64,
    tokens: Tokens,
    cost: Nano,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.took = self.took.saturating_add(other.took);
        self.cost = self.cost.plus(other.cost);
        self.tokens = self.tokens.plus(&other.tokens);
    }
}

impl Inserter {
    /// For this process's events, which are told from those of others by its
    /// number.
    pub(in crate::usage) fn new(writer: i64) -> Self {
        Self {
            writer,
            sweep: 0,
            agents: HashMap::new(),
            connections: HashMap::new(),
            endpoints: HashMap::new(),
            endpoints_remembered: 0,
            models: HashMap::new(),
        }
    }

    /// For another database, or another try.
    pub(in crate::usage) fn forget(&mut self) {
        *self = Self::new(self.writer);
    }

    /// Writes all of them, or none.
    ///
    /// # Errors
    /// The database cannot be written. Nothing was.
    pub(in crate::usage) fn write(
        &mut self,
        connection: &mut Connection,
        path: &Path,
        events: &[Event],
        dropped: u64,
        now: Timestamp,
    ) -> Result<(), BadStore> {
        let written = self.try_write(connection, events, dropped, now);
        if written.is_err() {
            // Ids of what was not committed after all.
            self.forget();
        }
        written.map_err(BadStore::sqlite("write", path))
    }

    fn try_write(
        &mut self,
        connection: &mut Connection,
        events: &[Event],
        dropped: u64,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sweep = transaction.query_row("SELECT number FROM sweep", [], |row| row.get(0))?;
        if sweep != self.sweep || self.endpoints_remembered > REMEMBERED {
            self.endpoints.clear();
            self.endpoints_remembered = 0;
            self.sweep = sweep;
        }
        if self.models.len() > REMEMBERED {
            self.models.clear();
        }
        {
            let mut insert = transaction.prepare(
                "INSERT INTO request(at, writer, agent, connection, endpoint, model, status,
                   took_ms, input, cached, cache_write, cache_write_long, output, reasoning,
                   nano_usd, is_special, is_cut, requests)
                 VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)",
            )?;
            if events.len() <= CROWD {
                for event in events {
                    let (kind, sum) = self.read(&transaction, event)?;
                    self.insert(&mut insert, event.at.as_millisecond(), &kind, &sum)?;
                }
            } else {
                for (kind, sum) in self.added_up(&transaction, events)? {
                    self.insert(&mut insert, kind.second * 1000, &kind, &sum)?;
                }
            }
        }
        if dropped > 0 {
            transaction.execute(
                "INSERT INTO dropped VALUES (?1, ?2)",
                params![
                    now.as_millisecond(),
                    i64::try_from(dropped).unwrap_or(i64::MAX)
                ],
            )?;
        }
        transaction.commit()
    }

    /// What an event says, with ids in the place of names.
    fn read(
        &mut self,
        transaction: &Transaction<'_>,
        event: &Event,
    ) -> rusqlite::Result<(Kind, Sum)> {
        let metered = &event.metered;
        let tokens = plausible(metered.tokens);
        let cost = event.cost.filter(|cost| (0..=MOST_NANO).contains(&cost.0));
        let kind = Kind {
            second: event.at.as_second(),
            agent: self.agent(transaction, &event.agent)?,
            connection: self.connection(transaction, &event.connection)?,
            endpoint: self.endpoint(transaction, &event.method, &event.endpoint)?,
            model: match &metered.model {
                Some(model) => self.model(transaction, model)?,
                None => 0,
            },
            status: event.status,
            is_counted: tokens.is_some(),
            is_priced: cost.is_some(),
            is_special: metered.is_special,
            is_cut: metered.is_cut,
        };
        let sum = Sum {
            requests: 1,
            took: i64::try_from(event.took.as_millis()).unwrap_or(i64::MAX),
            tokens: tokens.unwrap_or_default(),
            cost: cost.unwrap_or_default(),
        };
        Ok((kind, sum))
    }

    /// Events that are alike but for what they used, added up.
    fn added_up(
        &mut self,
        transaction: &Transaction<'_>,
        events: &[Event],
    ) -> rusqlite::Result<HashMap<Kind, Sum>> {
        let mut sums: HashMap<Kind, Sum> = HashMap::new();
        for event in events {
            let (kind, sum) = self.read(transaction, event)?;
            sums.entry(kind).or_default().add(&sum);
        }
        Ok(sums)
    }

    fn insert(
        &self,
        insert: &mut Statement<'_>,
        at: i64,
        kind: &Kind,
        sum: &Sum,
    ) -> rusqlite::Result<()> {
        let count = |count: u64| kind.is_counted.then_some(count.cast_signed());
        let tokens = &sum.tokens;
        insert.execute(params![
            at,
            self.writer,
            kind.agent,
            kind.connection,
            kind.endpoint,
            kind.model,
            kind.status,
            sum.took,
            count(tokens.input),
            count(tokens.cached),
            count(tokens.cache_write),
            count(tokens.cache_write_long),
            count(tokens.output),
            count(tokens.reasoning),
            kind.is_priced.then_some(sum.cost.0),
            kind.is_special,
            kind.is_cut,
            sum.requests,
        ])?;
        Ok(())
    }

    fn agent(&mut self, transaction: &Transaction<'_>, agent: &Arc<str>) -> rusqlite::Result<i64> {
        if let Some(&id) = self.agents.get(agent) {
            return Ok(id);
        }
        let id = named(transaction, "agent", &["name"], &[&bounded(agent)])?;
        self.agents.insert(Arc::clone(agent), id);
        Ok(id)
    }

    fn connection(
        &mut self,
        transaction: &Transaction<'_>,
        connection: &Arc<ConnectionId>,
    ) -> rusqlite::Result<i64> {
        if let Some(&id) = self.connections.get(connection) {
            return Ok(id);
        }
        let (provider, name) = (&connection.provider, &connection.connection);
        let names = [provider.as_str(), name.as_str()];
        let id = named(transaction, "connection", &["provider", "name"], &names)?;
        self.connections.insert(Arc::clone(connection), id);
        Ok(id)
    }

    fn endpoint(
        &mut self,
        transaction: &Transaction<'_>,
        method: &Arc<str>,
        endpoint: &str,
    ) -> rusqlite::Result<i64> {
        let path = without_query(endpoint);
        if let Some(&id) = self.endpoints.get(method).and_then(|all| all.get(path)) {
            return Ok(id);
        }
        let names = [&*bounded(method), &*bounded(path)];
        let id = named(transaction, "endpoint", &["method", "path"], &names)?;
        let paths = self.endpoints.entry(Arc::clone(method)).or_default();
        paths.insert(path.to_owned(), id);
        self.endpoints_remembered += 1;
        Ok(id)
    }

    fn model(&mut self, transaction: &Transaction<'_>, model: &str) -> rusqlite::Result<i64> {
        if let Some(&id) = self.models.get(model) {
            return Ok(id);
        }
        let id = named(transaction, "model", &["name"], &[&bounded(model)])?;
        self.models.insert(model.to_owned(), id);
        Ok(id)
    }
}

/// The id of what is called so; a new one where it is not known yet.
fn named(
    transaction: &Transaction<'_>,
    table: &str,
    columns: &[&str],
    names: &[&str],
) -> rusqlite::Result<i64> {
    let names =
        || rusqlite::params_from_iter(names.iter().map(|name| Value::from((*name).to_owned())));
    let filter: Vec<_> = columns
        .iter()
        .map(|column| format!("{column} = ?"))
        .collect();
    let find = format!("SELECT id FROM {table} WHERE {}", filter.join(" AND "));
    let found = transaction
        .query_row(&find, names(), |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    let marks = vec!["?"; columns.len()].join(", ");
    let add = format!(
        "INSERT INTO {table}({}) VALUES ({marks})",
        columns.join(", ")
    );
    transaction.execute(&add, names())?;
    Ok(transaction.last_insert_rowid())
}

fn plausible(tokens: Option<Tokens>) -> Option<Tokens> {
    tokens.filter(|tokens| {
        let parts = [
            tokens.input,
            tokens.cached,
            tokens.cache_write,
            tokens.cache_write_long,
            tokens.output,
            tokens.reasoning,
        ];
        parts.iter().all(|&part| part <= MOST_TOKENS)
    })
}

/// Those who make events leave queries out; here none gets past.
fn without_query(endpoint: &str) -> &str {
    let end = endpoint.find(['?', '#']).unwrap_or(endpoint.len());
    &endpoint[..end]
}

fn bounded(name: &str) -> Cow<'_, str> {
    let cut = match name.char_indices().nth(LONGEST) {
        Some((end, _)) => &name[..end],
        None => name,
    };
    text::printable(cut)
}
