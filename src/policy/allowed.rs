//! Limits and budgets: how much is allowed. Each agent is counted by itself.

use std::time::Duration;

use super::json::{Kind, Value};
use super::number::Decimal;
use super::period::Period;
use super::read::{Members, Wrong, text};
use super::selector::Selector;
use crate::span::Span;

/// The members of a limit.
pub(super) const LIMIT: [&str; 6] = [
    "agent",
    "provider",
    "connection",
    "requests",
    "tokens",
    "per",
];
/// The members of a budget.
pub(super) const BUDGET: [&str; 6] = ["agent", "provider", "connection", "usd", "tokens", "per"];

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

impl Limit {
    pub(super) fn read(value: Value<'_>) -> Result<Self, Wrong> {
        let members = Members::read(value, &LIMIT)?;
        let limit = Self {
            selector: Selector::read(&members)?,
            requests: members.count("requests")?,
            tokens: members.count("tokens")?,
            per: span(members.required("per")?)?,
        };
        if limit.requests.is_none() && limit.tokens.is_none() {
            return Err(Wrong::at(value, "'requests' or 'tokens' is missing"));
        }
        Ok(limit)
    }
}

impl Budget {
    pub(super) fn read(value: Value<'_>) -> Result<Self, Wrong> {
        let members = Members::read(value, &BUDGET)?;
        let budget = Self {
            selector: Selector::read(&members)?,
            nano_usd: members.optional("usd").map(dollars).transpose()?,
            tokens: members.count("tokens")?,
            per: period(members.required("per")?)?,
        };
        if budget.nano_usd.is_none() && budget.tokens.is_none() {
            return Err(Wrong::at(value, "'usd' or 'tokens' is missing"));
        }
        Ok(budget)
    }
}

/// `3m`.
pub(super) fn span(value: Value<'_>) -> Result<Duration, Wrong> {
    let span: Result<Span, _> = text(value)?.parse();
    span.map(|span| span.0)
        .map_err(|what| Wrong::at(value, what))
}

fn period(value: Value<'_>) -> Result<Period, Wrong> {
    match text(value)?.as_ref() {
        "hour" => Ok(Period::Hour),
        "day" => Ok(Period::Day),
        "month" => Ok(Period::Month),
        _ => Err(Wrong::at(value, "'per' is hour, day or month for a budget")),
    }
}

/// An amount, as a text or as a number that is read from its text.
fn dollars(value: Value<'_>) -> Result<i64, Wrong> {
    let written = match value.kind() {
        Kind::Number => value.raw().into(),
        _ => text(value)?,
    };
    let amount = Decimal::parse(&written).and_then(|amount| amount.scaled(9));
    amount.filter(|nano| *nano > 0).ok_or_else(|| {
        let what = "'usd' is dollars above 0, such as \"5.00\", with 9 decimals at most";
        Wrong::at(value, what)
    })
}
