//! Stands in for the rules until they are merged.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Period;
use crate::name::ConnectionId;

/// Stub.
#[derive(Debug, Default)]
pub struct Policy {
    limits: Vec<Limit>,
    budgets: Vec<Budget>,
    routes: BTreeMap<String, Vec<Route>>,
}
/// Stub.
#[derive(Debug)]
pub struct Route;
/// Stub.
#[derive(Debug, thiserror::Error)]
#[error("line 1, column 1: {0}")]
pub struct BadPolicy(&'static str);
/// Stub.
#[derive(Debug)]
pub struct Selector(String);
impl Selector {
    /// Stub.
    pub fn matches(&self, agent: &str, id: &ConnectionId) -> bool {
        self.0 == "*" || self.0 == agent || self.0 == id.to_string()
    }
}
/// Stub.
#[derive(Debug)]
pub struct Limit {
    /// Stub.
    pub selector: Selector,
    /// Stub.
    pub requests: Option<u64>,
    /// Stub.
    pub tokens: Option<u64>,
    /// Stub.
    pub per: Duration,
}
/// Stub.
#[derive(Debug)]
pub struct Budget {
    /// Stub.
    pub selector: Selector,
    /// Stub.
    pub nano_usd: Option<i64>,
    /// Stub.
    pub tokens: Option<u64>,
    /// Stub.
    pub per: Period,
}
impl Policy {
    /// Stub.
    pub fn parse(text: &str) -> Result<Self, BadPolicy> {
        match text.trim() {
            text if text.starts_with('{') && text.ends_with('}') => Ok(Self::default()),
            _ => Err(BadPolicy("stub")),
        }
    }
    /// Stub.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }
    /// Stub.
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }
    /// Stub.
    pub fn routes(&self) -> &BTreeMap<String, Vec<Route>> {
        &self.routes
    }
}
