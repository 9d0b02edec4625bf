//! Limits and budgets of one request, and what its client is told where one
//! of them is spent.

use std::sync::Arc;

use jiff::Timestamp;

use super::Traffic;
use super::client::Client;
use super::refusal::Refusal;
use crate::broker::allowance::{Moment, Refused, Ticket};
use crate::name::ConnectionId;
use crate::policy::Policy;

impl Traffic {
    pub(super) fn admit_one(
        &self,
        policy: &Arc<Policy>,
        client: &Client,
        connection: &ConnectionId,
        now: Moment,
    ) -> Result<Ticket, Refusal> {
        let allowance = &self.oversight.allowance;
        let admitted = allowance.admit(policy, client.name(), connection, now);
        admitted.map_err(|refused| refusal(&refused, now.wall))
    }
}

fn refusal(refused: &Refused, now: Timestamp) -> Refusal {
    let refusal = match refused {
        Refused::Limit { what, .. } => Refusal::new(429, "rate_limited", "Rate limit exceeded")
            .with_hint(format!("At most {what}")),
        Refused::Budget { resets, what } => Refusal::new(429, "budget_spent", "Budget exceeded")
            .with_hint(format!("{what} is spent; the next begins at {resets}")),
        Refused::Unknown => Refusal::new(
            503,
            "metering_stopped",
            "A budget cannot be checked: usage is not recorded at present",
        )
        .with_hint("See on its machine: vault usage"),
    };
    Refusal {
        retry_after: refused.retry_after(now),
        ..refusal
    }
}
