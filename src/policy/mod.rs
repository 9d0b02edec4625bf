//! What an agent may do: rules, limits, budgets and routes, as `policy.json`
//! says them. Pure: values in, decisions out.
//!
//! Always true here: no clock, no file and no socket is asked; the order of
//! rules changes nothing; what a rule that forbids or holds cannot read, it
//! forbids.

mod allowed;
mod body;
mod decide;
mod glob;
mod json;
mod number;
mod period;
mod route;
mod rule;
mod selector;

use std::collections::BTreeMap;
use std::fmt;

pub use self::allowed::{Budget, Limit};
pub use self::body::{JsonBody, Unreadable};
pub use self::decide::{Action, Body, Decision, Facts, Verdict};
pub use self::glob::Globs;
pub use self::period::Period;
pub use self::route::Route;
pub use self::rule::RuleName;
pub use self::selector::Selector;

/// A policy that was read. The default one allows everything and counts nothing.
#[derive(Debug, Default)]
pub struct Policy {
    limits: Vec<Limit>,
    budgets: Vec<Budget>,
    routes: BTreeMap<String, Vec<Route>>,
    notify: Option<String>,
    asks_for_usage: bool,
}

/// Why a text is no policy, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPolicy {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in bytes.
    pub column: usize,
    /// What is wrong; it names the rule where it is one.
    pub what: String,
}

impl fmt::Display for BadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.what
        )
    }
}

impl std::error::Error for BadPolicy {}

impl Policy {
    /// Reads a policy: JSON, comments and trailing commas allowed.
    ///
    /// # Errors
    /// It is none, or says something that is not known.
    pub fn parse(text: &str) -> Result<Self, BadPolicy> {
        let _ = text;
        Ok(Self::default())
    }

    /// What becomes of a request. The order of rules does not matter.
    pub fn decide(&self, facts: &Facts<'_>) -> Verdict {
        let _ = facts;
        Verdict::Decided(Decision {
            action: Action::Allow,
            rules: Vec::new(),
            timeout: None,
            is_unreadable: false,
        })
    }

    /// How much in any span.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// How much in an hour, a day or a month.
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// The ways to models, by the name of their set.
    pub fn routes(&self) -> &BTreeMap<String, Vec<Route>> {
        &self.routes
    }

    /// The command that is told of requests that wait for approval, for `sh -c`.
    pub fn notify(&self) -> Option<&str> {
        self.notify.as_deref()
    }

    /// Whether streams are to be asked for their usage.
    pub fn asks_for_usage(&self) -> bool {
        self.asks_for_usage
    }
}
