//! Who sends a request: the program of this `run`, or an agent. Whoever has
//! no token is nobody, and gets nothing.

use std::fmt;
use std::sync::Arc;

use crate::credential::agent::Agent;
use crate::name::{ConnectionId, ProviderName};
use crate::secret::Secret;

/// Whoever showed a token that we know.
#[derive(Clone)]
pub enum Client {
    /// The program that `run` started.
    Run,
    /// The same, known by the placeholder of a provider alone.
    Placeholder(Arc<[ProviderName]>),
    /// An agent of `serve`.
    Agent(Arc<Agent>),
}

impl Client {
    /// What the program of `run` is called, in policy and in logs.
    pub const RUN: &str = "run";

    /// Whether it may use this connection.
    pub(super) fn may_use(&self, id: &ConnectionId) -> bool {
        match self {
            Self::Run => true,
            Self::Placeholder(providers) => providers.contains(&id.provider),
            Self::Agent(agent) => agent.may_use(id),
        }
    }

    /// Whether it may use anything of a provider, connected or not.
    pub(super) fn may_ask(&self, provider: &ProviderName) -> bool {
        match self {
            Self::Run => true,
            Self::Placeholder(providers) => providers.contains(provider),
            Self::Agent(agent) => {
                agent.allow.is_empty()
                    || agent
                        .allow
                        .iter()
                        .any(|allowed| allowed.provider == *provider)
            }
        }
    }

    /// Whether it was made for this very connection.
    pub(super) fn names(&self, id: &ConnectionId) -> bool {
        match self {
            Self::Run | Self::Placeholder(_) => false,
            Self::Agent(agent) => agent.allow.iter().any(|allowed| {
                allowed.provider == id.provider
                    && allowed.connection.as_ref() == Some(&id.connection)
            }),
        }
    }

    /// What it is called in logs.
    pub fn name(&self) -> &str {
        match self {
            Self::Run | Self::Placeholder(_) => Self::RUN,
            Self::Agent(agent) => agent.name.as_str(),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run | Self::Placeholder(_) => f.write_str("This program"),
            Self::Agent(agent) => write!(f, "The agent {}", agent.name),
        }
    }
}

/// The tokens that are not in the vault: those of one `run`.
#[derive(Default)]
pub struct RunTokens {
    /// What stands in the proxy's address.
    pub token: Option<Secret>,
    /// What the program holds in the place of keys.
    pub placeholders: Vec<Placeholder>,
}

/// A made-up key.
pub struct Placeholder {
    /// Whose key it stands for; several where they read one variable.
    pub providers: Vec<ProviderName>,
    /// What the program holds.
    pub text: Secret,
}
