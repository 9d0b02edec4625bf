//! What an agent may do: rules, limits, budgets and routes, as `policy.json`
//! says them. Pure: values in, decisions out.
//!
//! Always true here: no clock, no file and no socket is asked; the order of
//! rules changes nothing; what a rule that forbids or holds cannot read, it
//! forbids.

mod allowed;
mod body;
mod condition;
mod decide;
mod glob;
mod index;
mod json;
mod number;
mod parse;
mod period;
mod read;
mod route;
mod rule;
mod selector;
mod window;

use std::collections::BTreeMap;

use self::body::Pointer;
use self::index::Index;

pub use self::allowed::{Budget, Limit};
pub use self::body::{JsonBody, Unreadable};
pub use self::decide::{APPROVAL_TIMEOUT, Action, Body, Decision, Facts, Verdict};
pub use self::glob::Globs;
pub use self::parse::BadPolicy;
pub use self::period::Period;
pub use self::route::Route;
pub use self::rule::{Rule, RuleName};
pub use self::selector::Selector;
pub use self::window::{Wait, Window};

/// The schema's text (JSON Schema 2020-12).
pub const SCHEMA: &str = include_str!("../../schemas/policy.schema.json");

#[cfg(test)]
mod tests;

/// A policy that was read. The default one allows everything and counts nothing.
#[derive(Debug, Default)]
pub struct Policy {
    default: Action,
    rules: Vec<Rule>,
    index: Index,
    /// The pointers of all conditions, each once.
    pointers: Vec<Pointer>,
    limits: Vec<Limit>,
    budgets: Vec<Budget>,
    routes: BTreeMap<String, Vec<Route>>,
    notify: Option<String>,
    asks_for_usage: bool,
}

impl Policy {
    /// The largest text that is read, in bytes.
    pub const LARGEST: usize = 8 << 20;

    /// What becomes of a request that no rule speaks of.
    pub fn default_action(&self) -> Action {
        self.default
    }

    /// Whether there is no rule and all is allowed.
    pub fn is_open(&self) -> bool {
        self.rules.is_empty() && self.default == Action::Allow
    }

    /// The rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
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
