//! What the document keeps for the gateway: its agents by name, and its
//! authority.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::BadDocument;
use super::document::Document;
use super::shelf::{Record, Records, range_in};
use crate::credential::agent::Agent;
use crate::credential::authority::StoredAuthority;
use crate::json::{JsonError, ObjectWriter};
use crate::name::{AgentName, ConnectionId, ConnectionName, ConnectionRef};
use crate::secret::Secret;

/// The member `gateway`.
#[derive(Default)]
pub(super) struct Gateway {
    authority: Option<Record>,
    agents: BTreeMap<AgentName, Record>,
    /// Members that this version does not know.
    others: Vec<(String, Record)>,
}

impl Gateway {
    /// Reads the member of this text, which is a part of `whole`.
    pub(super) fn read(whole: &str, text: &str) -> Result<Self, BadDocument> {
        let bad = |_| JsonError::Member("gateway");
        let place = |raw: &RawValue| Record::Read(range_in(whole, raw.get()));
        let members: Records<'_> = serde_json::from_str(text).map_err(bad)?;
        let mut gateway = Self::default();
        for (name, raw) in &members.0 {
            match &**name {
                "authority" => gateway.authority = Some(place(raw)),
                "agents" => {
                    let agents: Records<'_> = serde_json::from_str(raw.get()).map_err(bad)?;
                    for (name, raw) in &agents.0 {
                        let name = name.parse().map_err(|_| BadDocument::Name)?;
                        gateway.agents.insert(name, place(raw));
                    }
                }
                other => gateway.others.push((other.to_owned(), place(raw))),
            }
        }
        Ok(gateway)
    }

    /// Writes the member, where there is anything in it.
    pub(super) fn write(&self, document: &Document, object: &mut ObjectWriter<'_>) {
        if self.authority.is_none() && self.agents.is_empty() && self.others.is_empty() {
            return;
        }
        object.object("gateway", |gateway| {
            if let Some(authority) = &self.authority {
                gateway.raw("authority", document.record_text(authority));
            }
            if !self.agents.is_empty() {
                gateway.object("agents", |agents| {
                    for (name, record) in &self.agents {
                        agents.raw(name.as_str(), document.record_text(record));
                    }
                });
            }
            for (name, record) in &self.others {
                gateway.raw(name, document.record_text(record));
            }
        });
    }
}

impl Document {
    /// The gateway's agents, by name, also those that have ended.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn agents(&self) -> Result<Vec<Agent>, BadDocument> {
        let agents = self.gateway.agents.iter();
        agents
            .map(|(name, record)| self.read_agent(name, record))
            .collect()
    }

    /// The names of the gateway's agents, in order.
    pub fn agent_names(&self) -> impl Iterator<Item = &AgentName> {
        self.gateway.agents.keys()
    }

    /// One agent.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn agent(&self, name: &AgentName) -> Result<Option<Agent>, BadDocument> {
        let record = self.gateway.agents.get(name);
        record
            .map(|record| self.read_agent(name, record))
            .transpose()
    }

    /// Keeps an agent, in place of one of that name.
    pub fn put_agent(&mut self, agent: &Agent) {
        let record = Record::Written(agent.to_json());
        self.gateway.agents.insert(agent.name.clone(), record);
    }

    /// Forgets an agent; tells whether there was one.
    pub fn remove_agent(&mut self, name: &AgentName) -> bool {
        self.gateway.agents.remove(name).is_some()
    }

    /// The gateway's authority, if there is one yet.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn authority(&self) -> Result<Option<StoredAuthority>, BadDocument> {
        let record = self.gateway.authority.as_ref();
        record
            .map(|record| StoredAuthority::from_json(self.record_text(record)))
            .transpose()
            .map_err(|error| BadDocument::Record("the gateway's authority".to_owned(), error))
    }

    /// Keeps the gateway's authority.
    pub fn put_authority(&mut self, authority: &StoredAuthority) {
        let before = self.gateway.authority.as_ref();
        let before = before.map(|record| self.record_text(record));
        let record = Record::Written(authority.to_json(before));
        self.gateway.authority = Some(record);
    }

    fn read_agent(&self, name: &AgentName, record: &Record) -> Result<Agent, BadDocument> {
        Agent::from_json(name.clone(), self.record_text(record))
            .map_err(|error| BadDocument::Record(format!("the agent {name}"), error))
    }

    /// Has the agents that may use a connection use it under its new name.
    pub(super) fn rename_for_agents(
        &mut self,
        id: &ConnectionId,
        name: &ConnectionName,
    ) -> Result<(), BadDocument> {
        for mut agent in self.agents()? {
            let is_it = |reference: &&mut ConnectionRef| {
                reference.provider == id.provider
                    && reference.connection.as_ref() == Some(&id.connection)
            };
            let mut is_named = false;
            for reference in agent.allow.iter_mut().filter(is_it) {
                reference.connection = Some(name.clone());
                is_named = true;
            }
            if is_named {
                self.put_agent(&agent);
            }
        }
        Ok(())
    }

    /// The gateway's member on its own, without the text that it was read
    /// from.
    pub(super) fn detached_gateway(&self) -> Gateway {
        let written =
            |record: &Record| Record::Written(Secret::from(self.record_text(record).to_owned()));
        let gateway = &self.gateway;
        let agents = gateway.agents.iter();
        let others = gateway.others.iter();
        Gateway {
            authority: gateway.authority.as_ref().map(written),
            agents: agents
                .map(|(n, record)| (n.clone(), written(record)))
                .collect(),
            others: others
                .map(|(n, record)| (n.clone(), written(record)))
                .collect(),
        }
    }
}
