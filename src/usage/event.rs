//! What is known of one request after it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::money::Nano;
use crate::name::ConnectionId;

/// Tokens of one request, the same for every provider: parts are contained in
/// their whole and never counted twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All input, from and into caches included.
    pub input: u64,
    /// Of the input: read from a cache.
    pub cached: u64,
    /// Of the input: written to a cache for some minutes, or it is not said
    /// for how long.
    pub cache_write: u64,
    /// Of the input: written to a cache for an hour.
    pub cache_write_long: u64,
    /// All that is billed as output, reasoning included.
    pub output: u64,
    /// Of the output: reasoning.
    pub reasoning: u64,
}

impl Tokens {
    /// Both together, kind by kind.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached: self.cached.saturating_add(other.cached),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_write_long: self.cache_write_long.saturating_add(other.cache_write_long),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
        }
    }

    /// Input and output.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// What an answer said about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metered {
    /// The model that answered, as it calls itself.
    pub model: Option<String>,
    /// What it counted; `None` where it said nothing.
    pub tokens: Option<Tokens>,
    /// What it says that this cost, where it does.
    pub said_cost: Option<Nano>,
    /// Something of it is billed in another way than the price of its tokens:
    /// a batch, a priority tier, audio, a region at a surcharge.
    pub is_special: bool,
    /// It ended before its end.
    pub is_cut: bool,
}

/// One request that went upstream.
#[derive(Debug, Clone)]
pub struct Event {
    /// When it came.
    pub at: Timestamp,
    /// Who asked.
    pub agent: Arc<str>,
    /// Whose credential went with it.
    pub connection: Arc<ConnectionId>,
    /// The method.
    pub method: Arc<str>,
    /// The path, without its query and without anything secret.
    pub endpoint: Arc<str>,
    /// What was answered.
    pub status: u16,
    /// How long the whole of it took.
    pub took: Duration,
    /// What the answer said about itself.
    pub metered: Metered,
    /// What it cost; `None` where that is not known.
    pub cost: Option<Nano>,
}

/// A request of 10 and 5 tokens that cost 62,500, for tests.
#[cfg(test)]
pub(super) fn sample(at: Timestamp, agent: &str, connection: &str) -> Event {
    let (provider, name) = connection.split_once('/').unwrap();
    let id = ConnectionId {
        provider: provider.parse().unwrap(),
        connection: name.parse().unwrap(),
    };
    Event {
        at,
        agent: agent.into(),
        connection: Arc::new(id),
        method: "POST".into(),
        endpoint: "/v1/chat/completions".into(),
        status: 200,
        took: Duration::from_millis(12),
        metered: Metered {
            model: Some("gpt-5".to_owned()),
            tokens: Some(Tokens {
                input: 10,
                output: 5,
                ..Tokens::default()
            }),
            ..Metered::default()
        },
        cost: Some(Nano(62_500)),
    }
}
