//! Which rules can be about a request, found by the names of its agent and its
//! provider, so that the rules of others cost it nothing.

use std::collections::HashMap;

use super::selector::Selector;

/// Rules by the agents that they list, else under `any`. Each rule is found at
/// most once for a request.
#[derive(Debug, Default)]
pub(super) struct Index {
    agents: HashMap<Box<str>, Providers>,
    any: Providers,
}

/// The same by providers.
#[derive(Debug, Default)]
struct Providers {
    named: HashMap<Box<str>, Vec<usize>>,
    any: Vec<usize>,
}

impl Index {
    pub(super) fn new<'r>(selectors: impl IntoIterator<Item = &'r Selector>) -> Self {
        let mut index = Self::default();
        for (rule, selector) in selectors.into_iter().enumerate() {
            match unique(selector.listed_agents()) {
                None => index.any.add(selector, rule),
                Some(agents) => {
                    for agent in agents {
                        let providers = index.agents.entry(agent.into()).or_default();
                        providers.add(selector, rule);
                    }
                }
            }
        }
        index
    }

    /// The places of all rules that may be about this agent and this provider.
    pub(super) fn candidates(
        &self,
        agent: &str,
        provider: Option<&str>,
    ) -> impl Iterator<Item = usize> {
        let of_agent = self.agents.get(agent).into_iter();
        of_agent.chain([&self.any]).flat_map(move |providers| {
            let named = provider.and_then(|provider| providers.named.get(provider));
            named.into_iter().chain([&providers.any]).flatten().copied()
        })
    }
}

impl Providers {
    fn add(&mut self, selector: &Selector, rule: usize) {
        match unique(selector.listed_providers()) {
            None => self.any.push(rule),
            Some(providers) => {
                for provider in providers {
                    self.named.entry(provider.into()).or_default().push(rule);
                }
            }
        }
    }
}

fn unique(listed: Option<Vec<&str>>) -> Option<Vec<&str>> {
    let mut listed = listed?;
    listed.sort_unstable();
    listed.dedup();
    Some(listed)
}
