//! How much each agent may do: the limits and budgets of the policy while
//! requests come in.
//!
//! Always true here: a request that one limit or budget refuses is counted by
//! none; of any number of requests that come at once, a limit of N lets N
//! through; where it cannot be known what was spent, a budget refuses.

mod ledger;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub use self::ledger::{Ledger, Spent, Stopped};
use crate::name::ConnectionId;
use crate::policy::Policy;

/// What agents used up, as far as limits and budgets speak of it; one for each
/// gateway.
pub struct Allowance {
    _defaults: Defaults,
    _ledger: Option<Arc<dyn Ledger>>,
}

/// The limits that are there where the policy says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defaults {
    /// None: the program of `run` is its user's own.
    None,
    /// Those for agents of `serve`.
    OfService,
}

/// A point in time on the wall and on a clock that never goes back.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For budgets, which go by the calendar.
    pub wall: Timestamp,
    /// For limits.
    pub steady: Instant,
}

/// A request that was let through.
#[must_use]
pub struct Ticket(());

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There were too many, or they took too many tokens.
    Limit {
        /// When there is room again.
        retry_after: Duration,
        /// The limit: `100 requests per 1m for ci on openai/default`.
        what: String,
    },
    /// It is spent.
    Budget {
        /// When there is a new one.
        resets: Timestamp,
        /// The budget: `5.00 USD per day for ci`.
        what: String,
    },
    /// There is a budget, and what was spent cannot be known at present.
    Unknown,
}

impl Allowance {
    /// Nothing used yet; what was spent is known by the ledger.
    pub fn new(defaults: Defaults, ledger: Option<Arc<dyn Ledger>>) -> Self {
        Self {
            _defaults: defaults,
            _ledger: ledger,
        }
    }

    /// Counts the request against every limit that speaks of it.
    ///
    /// # Errors
    /// One of them, or a budget, says no; then none has counted it.
    pub fn admit(
        &self,
        _policy: &Arc<Policy>,
        _agent: &str,
        _connection: &ConnectionId,
        _now: Moment,
    ) -> Result<Ticket, Refused> {
        Ok(Ticket(()))
    }
}

impl Ticket {
    /// The answer took so many tokens.
    pub fn spend(&self, _tokens: u64, _now: Instant) {}
}

impl Refused {
    /// For the header `Retry-After`: whole seconds, at least one.
    pub fn retry_after(&self, _now: Timestamp) -> Option<u64> {
        None
    }
}
