//! Who knows what was spent.

use jiff::Timestamp;

use crate::name::ConnectionId;
use crate::policy::Period;

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

/// What was spent, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// In 10⁻⁹ US dollars.
    pub nano_usd: i64,
    /// Input and output.
    pub tokens: u64,
}

/// Nothing can be said at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;
