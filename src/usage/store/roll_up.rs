//! Single requests of long ago become sums of their days.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::BadStore;

/// So many requests are summed up in one transaction: others write between.
const AT_ONCE: i64 = 5_000;
const DAY_MS: i64 = 86_400_000;

/// Sums up the days that were over before `keep` ago: by day, agent, connection
/// and model. Endpoints, times and answers of their requests are gone then.
/// How many requests there were.
///
/// # Errors
/// The database cannot be written. What was summed up until then stays so.
pub fn roll_up(path: &Path, keep: Duration, now: Timestamp) -> Result<u64, BadStore> {
    let mut connection = super::open(path)?;
    let mut rolling = RollUp::new(keep, now);
    while rolling.step(&mut connection, path)? {}
    Ok(rolling.moved)
}

/// One that goes on step by step: others write between.
pub(in crate::usage) struct RollUp {
    cutoff: i64,
    moved: u64,
}

impl RollUp {
    pub(in crate::usage) fn new(keep: Duration, now: Timestamp) -> Self {
        let keep = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
        let cutoff = now.checked_sub(keep).unwrap_or(Timestamp::MIN);
        let cutoff = cutoff.as_millisecond().div_euclid(DAY_MS) * DAY_MS;
        Self { cutoff, moved: 0 }
    }

    /// Sums up some more; whether that was not all.
    ///
    /// # Errors
    /// The database cannot be written.
    pub(in crate::usage) fn step(
        &mut self,
        connection: &mut Connection,
        path: &Path,
    ) -> Result<bool, BadStore> {
        let failed = BadStore::sqlite("write", path);
        let mut step = || {
            let moved = oldest(connection, self.cutoff)?;
            self.moved += moved;
            if moved == 0 && self.moved > 0 {
                sweep(connection)?;
            }
            Ok(moved > 0)
        };
        step().map_err(failed)
    }
}

/// Sums up the oldest requests from before the cutoff.
fn oldest(connection: &mut Connection, cutoff: i64) -> rusqlite::Result<u64> {
    let is_any = "SELECT EXISTS (SELECT 1 FROM request WHERE at < ?1)";
    if !connection.query_row(is_any, [cutoff], |row| row.get(0))? {
        return Ok(0);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last: Option<i64> = transaction
        .query_row(
            "SELECT at FROM request WHERE at < ?1 ORDER BY at LIMIT 1 OFFSET ?2",
            params![cutoff, AT_ONCE - 1],
            |row| row.get(0),
        )
        .optional()?;
    let end = last.map_or(cutoff, |last| (last + 1).min(cutoff));
    transaction.execute(
        "INSERT INTO day(at, agent, connection, model, requests, metered, unpriced, cut,
           input, cached, cache_write, cache_write_long, output, reasoning, nano_usd)
         SELECT (at - ((at % 86400000) + 86400000) % 86400000) AS midnight,
           agent, connection, model, SUM(requests),
           SUM((input IS NOT NULL) * requests),
           COALESCE(SUM((input + output > 0 AND nano_usd IS NULL) * requests), 0),
           SUM(is_cut * requests),
           COALESCE(SUM(input), 0), COALESCE(SUM(cached), 0), COALESCE(SUM(cache_write), 0),
           COALESCE(SUM(cache_write_long), 0), COALESCE(SUM(output), 0),
           COALESCE(SUM(reasoning), 0), SUM(nano_usd)
         FROM request WHERE at < ?1
         GROUP BY midnight, agent, connection, model
         ON CONFLICT(at, agent, connection, model) DO UPDATE SET
           requests = requests + excluded.requests,
           metered = metered + excluded.metered,
           unpriced = unpriced + excluded.unpriced,
           cut = cut + excluded.cut,
           input = input + excluded.input,
           cached = cached + excluded.cached,
           cache_write = cache_write + excluded.cache_write,
           cache_write_long = cache_write_long + excluded.cache_write_long,
           output = output + excluded.output,
           reasoning = reasoning + excluded.reasoning,
           nano_usd = CASE WHEN nano_usd IS NULL THEN excluded.nano_usd
             ELSE nano_usd + COALESCE(excluded.nano_usd, 0) END",
        [end],
    )?;
    let moved = transaction.execute("DELETE FROM request WHERE at < ?1", [end])?;
    transaction.commit()?;
    Ok(u64::try_from(moved).unwrap_or(0))
}

/// Endpoints that no request names any more go. Writers remember their ids, so
/// they are told.
fn sweep(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let gone = transaction.execute(
        "DELETE FROM endpoint WHERE id NOT IN (SELECT endpoint FROM request)",
        [],
    )?;
    if gone > 0 {
        transaction.execute("UPDATE sweep SET number = number + 1", [])?;
    }
    transaction.commit()
}
