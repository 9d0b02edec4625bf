//! Who knows what was spent.

use jiff::Timestamp;

use crate::name::ConnectionId;
use crate::policy::Period;
pub use crate::usage::{Spent, Stopped};

/// What budgets ask: it counts requests of other processes and of before a
/// restart too.
pub trait Ledger: Send + Sync {
    /// What an agent spent in the period that `now` is in, on the connections
    /// that match.
    ///
    /// # Errors
    /// It cannot be known at present.
    fn spent(
        &self,
        agent: &str,
        period: Period,
        now: Timestamp,
        matches: &dyn Fn(&ConnectionId) -> bool,
    ) -> Result<Spent, Stopped>;
}

impl Ledger for crate::usage::Ledger {
    fn spent(
        &self,
        agent: &str,
        period: Period,
        now: Timestamp,
        matches: &dyn Fn(&ConnectionId) -> bool,
    ) -> Result<Spent, Stopped> {
        Self::spent(self, agent, period, now, matches)
    }
}
