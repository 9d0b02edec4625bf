//! Limits and budgets: how much is allowed. Each agent is counted by itself.

use std::time::Duration;

use super::period::Period;
use super::selector::Selector;

/// So much in any span of this length.
#[derive(Debug, Clone)]
pub struct Limit {
    /// What is counted together, for each agent.
    pub selector: Selector,
    /// Requests; this or `tokens` is there.
    pub requests: Option<u64>,
    /// Tokens, in and out.
    pub tokens: Option<u64>,
    /// How long the span is.
    pub per: Duration,
}

/// So much in each hour, day or month of the calendar.
#[derive(Debug, Clone)]
pub struct Budget {
    /// What is counted together, for each agent.
    pub selector: Selector,
    /// Money in 10⁻⁹ US dollars; this or `tokens` is there.
    pub nano_usd: Option<i64>,
    /// Tokens, in and out.
    pub tokens: Option<u64>,
    /// Which span of the calendar.
    pub per: Period,
}
