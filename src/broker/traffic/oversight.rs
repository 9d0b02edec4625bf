//! What watches over requests: policy, limits, budgets, people who approve,
//! and the book-keeping afterwards.

use std::sync::Arc;

use jiff::Timestamp;

use crate::broker::allowance::{Allowance, Ledger, Spent, Stopped};
use crate::broker::approval::Approvals;
use crate::broker::policy_file::PolicyFile;
use crate::name::ConnectionId;
use crate::policy::Period;
use crate::usage::{self, Prices, Recorder};

/// Everything that is asked before a request goes on, and told after it.
pub struct Oversight {
    /// The policy in force.
    pub policy: Arc<PolicyFile>,
    /// Limits and budgets.
    pub allowance: Allowance,
    /// Whoever decides where a rule wants a person.
    pub approvals: Approvals,
    /// Where usage goes.
    pub recorder: Recorder,
    /// What tokens cost.
    pub prices: Prices,
}

impl Ledger for usage::Ledger {
    fn spent(
        &self,
        agent: &str,
        period: Period,
        now: Timestamp,
        matches: &dyn Fn(&ConnectionId) -> bool,
    ) -> Result<Spent, Stopped> {
        match Self::spent(self, agent, period, now, matches) {
            Ok(spent) => Ok(Spent {
                nano_usd: spent.cost.0,
                tokens: spent.tokens,
            }),
            Err(usage::Stopped) => Err(Stopped),
        }
    }
}
