//! Whom and what a rule, a limit or a budget is about.

use std::fmt;

use super::glob::{Glob, Globs};
use super::json::Value;
use super::read::{Form, Members, Wrong, globs, strings};
use crate::name::ConnectionId;

/// Agents and connections. What is not named is any.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    agents: Option<Globs>,
    providers: Option<Globs>,
    connections: Option<Vec<Connections>>,
}

/// `team`, `openai/*`: the connections of a name, perhaps of some providers only.
#[derive(Debug, Clone)]
struct Connections {
    written: Box<str>,
    provider: Option<Glob>,
    name: Glob,
}

impl Selector {
    /// Whether it is about this agent with this connection.
    pub fn matches(&self, agent: &str, connection: &ConnectionId) -> bool {
        self.is_about(agent, Some(connection))
    }

    /// What it names, by the words of the file: `agent`, `provider` and
    /// `connection`, each only where it is there.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, Vec<&str>)> {
        let agents = self.agents.as_ref().map(|all| all.texts().collect());
        let providers = self.providers.as_ref().map(|all| all.texts().collect());
        let connections = self.connections.as_ref();
        let connections = connections.map(|all| all.iter().map(|one| &*one.written).collect());
        let parts = [
            ("agent", agents),
            ("provider", providers),
            ("connection", connections),
        ];
        let parts = parts.into_iter();
        parts.filter_map(|(word, texts): (_, Option<Vec<&str>>)| Some((word, texts?)))
    }

    /// The same where it may be that no connection is for a request: then
    /// nothing that names one is about it.
    pub(super) fn is_about(&self, agent: &str, connection: Option<&ConnectionId>) -> bool {
        let agents = self.agents.as_ref();
        if !agents.is_none_or(|agents| agents.matches(agent)) {
            return false;
        }
        if self.providers.is_none() && self.connections.is_none() {
            return true;
        }
        let Some(id) = connection else {
            return false;
        };
        let providers = self.providers.as_ref();
        let connections = self.connections.as_ref();
        providers.is_none_or(|providers| providers.matches(id.provider.as_str()))
            && connections.is_none_or(|all| all.iter().any(|one| one.matches(id)))
    }

    /// Reads `agent`, `provider` and `connection`.
    pub(super) fn read(members: &Members<'_>) -> Result<Self, Wrong> {
        let named = |word| globs(members.optional(word), Form::Name);
        let connections = members.optional("connection").map(connections);
        Ok(Self {
            agents: named("agent")?,
            providers: named("provider")?,
            connections: connections.transpose()?,
        })
    }

    /// The only agents that it is about, where they can be listed.
    pub(super) fn listed_agents(&self) -> Option<Vec<&str>> {
        self.agents.as_ref()?.literals()
    }

    /// The only providers that it is about, where they can be listed.
    pub(super) fn listed_providers(&self) -> Option<Vec<&str>> {
        match (&self.providers, &self.connections) {
            (Some(providers), _) => providers.literals(),
            (None, Some(all)) => {
                let listed = all.iter().map(|one| one.provider.as_ref()?.literal());
                listed.collect()
            }
            (None, None) => None,
        }
    }
}

/// `agent ci, provider openai`, or `everything`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut is_first = true;
        for (word, texts) in self.parts() {
            let gap = if is_first { "" } else { ", " };
            write!(f, "{gap}{word} {}", texts.join(" or "))?;
            is_first = false;
        }
        if is_first {
            f.write_str("everything")?;
        }
        Ok(())
    }
}

impl Connections {
    fn matches(&self, id: &ConnectionId) -> bool {
        let provider = self.provider.as_ref();
        self.name.matches(id.connection.as_str())
            && provider.is_none_or(|provider| provider.matches(id.provider.as_str()))
    }
}

fn connections(value: Value<'_>) -> Result<Vec<Connections>, Wrong> {
    let read = |text: &str, place: Value<'_>| {
        let (provider, name) = match text.split_once('/') {
            Some((provider, name)) => (Some(Form::Name.glob(provider, place)?), name),
            None => (None, text),
        };
        if name.contains('/') {
            let what = "a connection is PROVIDER/NAME or NAME";
            return Err(Wrong::at(place, what));
        }
        Ok(Connections {
            written: text.into(),
            provider,
            name: Form::Name.glob(name, place)?,
        })
    };
    let texts = strings(value)?;
    texts
        .iter()
        .map(|(text, place)| read(text, *place))
        .collect()
}
