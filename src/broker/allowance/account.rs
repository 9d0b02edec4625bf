//! What one agent used up on one connection, and what the policy says of the
//! two.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Defaults;
use crate::name::ConnectionId;
use crate::policy::{Policy, Wait, Window};
use crate::span::Span;

/// The windows of one agent on one connection. All limits that speak of the
/// two count the same requests, so that of several for one span only the
/// smallest matters, and a changed limit knows what its predecessor counted.
#[derive(Default)]
pub struct Account {
    /// What the rest was made from. As long as this is held, no other policy
    /// can come to lie in its place.
    policy: Weak<Policy>,
    meters: Vec<Meter>,
    budgets: Arc<[usize]>,
}

/// One limit at work.
#[derive(Clone)]
struct Meter {
    unit: Unit,
    window: Window,
}

/// What a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Requests,
    Tokens,
}

/// A limit that is used up.
pub struct Full {
    pub wait: Duration,
    /// `100 requests per 1m`.
    pub what: String,
}

impl Account {
    /// Goes by this policy from now on. What was counted stays counted.
    pub fn follow(
        &mut self,
        policy: &Arc<Policy>,
        defaults: Defaults,
        agent: &str,
        connection: &ConnectionId,
    ) {
        if std::ptr::eq(self.policy.as_ptr(), Arc::as_ptr(policy)) {
            return;
        }
        let own = std::mem::take(&mut self.meters);
        // Of the windows for one thing, the longest knows most.
        let longest = |unit| {
            own.iter()
                .filter(|meter| meter.unit == unit)
                .max_by_key(|meter| meter.window.span())
        };
        self.meters = wanted(policy, defaults, agent, connection)
            .into_iter()
            .map(|((unit, span), limit)| {
                let is_same = |meter: &&Meter| meter.unit == unit && meter.window.span() == span;
                let before = own.iter().find(is_same).or_else(|| longest(unit));
                let window = match before {
                    Some(before) => before.window.clone().changed(limit, span),
                    None => Window::new(limit, span),
                };
                Meter { unit, window }
            })
            .collect();
        let budgets = policy.budgets().iter().enumerate();
        self.budgets = budgets
            .filter(|(_, budget)| budget.selector.matches(agent, connection))
            .map(|(place, _)| place)
            .collect();
        self.policy = Arc::downgrade(policy);
    }

    /// The places of the policy's budgets that speak of the two.
    pub fn budgets(&self) -> &Arc<[usize]> {
        &self.budgets
    }

    /// Counts a request in every window or, where one is full, in none.
    pub fn admit(&mut self, now: u64) -> Result<(), Full> {
        let mut worst: Option<(Wait, &Meter)> = None;
        for meter in &mut self.meters {
            if let Err(wait) = meter.window.check(now)
                && worst.is_none_or(|(longest, _)| wait > longest)
            {
                worst = Some((wait, meter));
            }
        }
        if let Some((Wait(wait), meter)) = worst {
            return Err(Full {
                wait,
                what: meter.to_string(),
            });
        }
        self.count(Unit::Requests, now, 1);
        Ok(())
    }

    /// Counts the tokens of an answer.
    pub fn spend(&mut self, now: u64, tokens: u64) {
        self.count(Unit::Tokens, now, tokens);
    }

    /// Whether forgetting it would change nothing.
    pub fn is_idle(&mut self, now: u64) -> bool {
        self.meters
            .iter_mut()
            .all(|meter| meter.window.is_empty(now))
    }

    fn count(&mut self, unit: Unit, now: u64, amount: u64) {
        for meter in &mut self.meters {
            if meter.unit == unit {
                meter.window.count(now, amount);
            }
        }
    }
}

impl std::fmt::Display for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.unit {
            Unit::Requests => "request",
            Unit::Tokens => "token",
        };
        let limit = self.window.limit();
        let plural = if limit == 1 { "" } else { "s" };
        write!(f, "{limit} {unit}{plural} per {}", Span(self.window.span()))
    }
}

/// The smallest limit for each thing and span, among those that speak of the
/// two; the default, which is of requests, where none of requests does.
fn wanted(
    policy: &Policy,
    defaults: Defaults,
    agent: &str,
    connection: &ConnectionId,
) -> BTreeMap<(Unit, Duration), u64> {
    let mut wanted = BTreeMap::new();
    let mut want = |unit, span, limit: u64| {
        let least = wanted.entry((unit, span)).or_insert(limit);
        *least = limit.min(*least);
    };
    let limits = policy.limits().iter();
    for limit in limits.filter(|limit| limit.selector.matches(agent, connection)) {
        for (unit, most) in [
            (Unit::Requests, limit.requests),
            (Unit::Tokens, limit.tokens),
        ] {
            if let Some(most) = most {
                want(unit, limit.per, most);
            }
        }
    }
    let is_silent = wanted.keys().all(|(unit, _)| *unit != Unit::Requests);
    if is_silent && let Some((requests, per)) = defaults.of(connection) {
        wanted.insert((Unit::Requests, per), requests);
    }
    wanted
}
