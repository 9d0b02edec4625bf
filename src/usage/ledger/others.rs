//! What other processes wrote, and this one before it began anew.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use rusqlite::Connection;

use super::Spent;
use crate::name::ConnectionId;
use crate::policy::Period;
use crate::usage::money::Nano;
use crate::usage::store::{self, BadStore};

pub(super) struct Others {
    path: PathBuf,
    writer: i64,
    open: Option<Open>,
    /// When it was last tried.
    pub(super) read_at: Option<Instant>,
}

struct Open {
    connection: Connection,
    inode: u64,
    /// `SQLite`'s number that changes when somebody else commits.
    data_version: Option<i64>,
    /// The last row that was seen.
    last: i64,
}

/// What was not known yet.
pub(super) struct News {
    /// It is all there is: what was known before is contained in it.
    pub(super) is_all: bool,
    /// Agent, connection, milliseconds since 1970 to the hour, sums.
    pub(super) sums: Vec<(Arc<str>, Arc<ConnectionId>, i64, Spent)>,
}

impl Others {
    pub(super) fn new(path: PathBuf, writer: i64) -> Self {
        Self {
            path,
            writer,
            open: None,
            read_at: None,
        }
    }

    /// What was written since the last call. `None` where nothing was.
    ///
    /// # Errors
    /// The database cannot be made, opened or read.
    pub(super) fn news(&mut self, now: Timestamp) -> Result<Option<News>, BadStore> {
        let news = self.read(now);
        if news.is_err() {
            // All of it again next time, on a new footing.
            self.open = None;
        }
        news
    }

    fn read(&mut self, now: Timestamp) -> Result<Option<News>, BadStore> {
        let inode = store::inode(&self.path);
        let open = match &mut self.open {
            Some(open) if open.inode == inode => open,
            _ => {
                // Opened for writing: where it cannot be made, budgets stop.
                let connection = store::open(&self.path)?;
                self.open.insert(Open {
                    connection,
                    inode: store::inode(&self.path),
                    data_version: None,
                    last: 0,
                })
            }
        };
        open.news(self.writer, now)
            .map_err(BadStore::sqlite("read", &self.path))
    }
}

impl Open {
    fn news(&mut self, writer: i64, now: Timestamp) -> rusqlite::Result<Option<News>> {
        let version = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0))?;
        let is_all = self.data_version.is_none();
        if self.data_version == Some(version) {
            return Ok(None);
        }
        // All of it as it was at one instant.
        let transaction = self.connection.unchecked_transaction()?;
        let month = Period::Month.start(now).as_millisecond();
        let last =
            transaction.query_row("SELECT COALESCE(MAX(id), 0) FROM request", [], |row| {
                row.get::<_, i64>(0)
            })?;
        // The plus keeps an index from being used: the other one is better.
        let filter = if is_all {
            "+r.id > ?1 AND r.at >= ?2"
        } else {
            "r.id > ?1 AND +r.at >= ?2"
        };
        let mut sums = sums(
            &transaction,
            &format!(
                "SELECT a.name, c.provider, c.name, s.at, s.cost, s.tokens FROM (
                   SELECT r.agent, r.connection, r.at / 3600000 * 3600000 AS at,
                     SUM(r.nano_usd) AS cost, SUM(r.input + r.output) AS tokens
                   FROM request r WHERE {filter} AND r.writer <> ?3 GROUP BY 1, 2, 3
                 ) s JOIN agent a ON a.id = s.agent JOIN connection c ON c.id = s.connection"
            ),
            &[self.last, month, writer],
        )?;
        if is_all {
            sums.extend(self::sums(
                &transaction,
                "SELECT a.name, c.provider, c.name, d.at, d.nano_usd, d.input + d.output
                 FROM day d JOIN agent a ON a.id = d.agent JOIN connection c ON c.id = d.connection
                 WHERE d.at >= ?1",
                &[month],
            )?);
        }
        drop(transaction);
        self.last = self.last.max(last);
        self.data_version = Some(version);
        Ok(Some(News { is_all, sums }))
    }
}

type Sum = (Arc<str>, Arc<ConnectionId>, i64, Spent);

fn sums(connection: &Connection, query: &str, values: &[i64]) -> rusqlite::Result<Vec<Sum>> {
    let mut statement = connection.prepare(query)?;
    let mut found = statement.query(rusqlite::params_from_iter(values))?;
    let mut sums = Vec::new();
    while let Some(row) = found.next()? {
        let (provider, name) = (row.get::<_, String>(1)?, row.get::<_, String>(2)?);
        // Names were checked before they were written; what is none is not ours.
        let (Ok(provider), Ok(connection)) = (provider.parse(), name.parse()) else {
            continue;
        };
        let id = ConnectionId {
            provider,
            connection,
        };
        let cost = row.get::<_, Option<i64>>(4)?.unwrap_or(0);
        let tokens = row.get::<_, Option<i64>>(5)?.unwrap_or(0);
        let spent = Spent {
            cost: Nano(cost),
            tokens: tokens.try_into().unwrap_or(0),
        };
        let agent: String = row.get(0)?;
        sums.push((agent.into(), Arc::new(id), row.get(3)?, spent));
    }
    Ok(sums)
}
