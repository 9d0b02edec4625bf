//! What watches over requests: policy, limits, budgets, people who approve,
//! and the book-keeping afterwards.

use std::sync::Arc;

use crate::broker::allowance::Allowance;
use crate::broker::approval::Approvals;
use crate::broker::policy_file::{PolicyFile, PriceFile, RouteFile};
use crate::usage::Recorder;

/// Everything that is asked before a request goes on, and told after it.
pub struct Oversight {
    /// The policy in force.
    pub policy: Arc<PolicyFile>,
    /// Which of its sets of routes is in use.
    pub routes: RouteFile,
    /// Limits and budgets.
    pub allowance: Allowance,
    /// Whoever decides where a rule wants a person.
    pub approvals: Arc<Approvals>,
    /// Where usage goes.
    pub recorder: Recorder,
    /// What tokens cost.
    pub prices: PriceFile,
}
