//! The document inside the payload.
//!
//! Records stay as the text they were read as until somebody asks for one,
//! and are written back byte for byte unless they changed: reading one of ten
//! thousand parses one, and what a newer version put there survives.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::clients::Clients;
use super::gateway::Gateway;
use super::roster::{Roster, parse_time, read_roster, write_roster};
use super::shelf::{NamedRecords, Record, Records, Retired, Shelf, range_in};
use super::{BadDocument, new_vault_id};
use crate::credential::Credential;
use crate::json::{JsonError, Members, Name, ObjectWriter, UniqueMap};
use crate::name::{ConnectionId, ConnectionName, ProviderName, VariableName};
use crate::secret::{Secret, SecretBuffer, wipe};

/// The format that this version reads and writes.
const FORMAT: u64 = 1;
/// The document's length is a multiple of this, so that the file's size says
/// little about its content.
const STEP: usize = 4096;
/// No vault gets here by changes: what claims to be beyond was made to
/// overflow a counter.
pub(super) const LAST_GENERATION: u64 = 1 << 53;

/// Everything that a vault holds.
pub struct Document {
    text: Zeroizing<Vec<u8>>,
    /// The vault's UUID.
    pub vault_id: String,
    /// One more with each commit.
    pub generation: u64,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Who can open it.
    pub roster: Roster,
    /// The digest of the slots that it was written with.
    pub(super) slots_digest: String,
    fingerprint_key: Secret,
    /// What is in force.
    current: Shelf,
    /// What was logged out of or unset: only its history is left.
    retired: Shelf,
    defaults: BTreeMap<ProviderName, ConnectionName>,
    pub(super) clients: Clients,
    pub(super) gateway: Gateway,
    /// Members that this version does not know.
    others: Vec<(String, Record)>,
}

impl Document {
    /// A new vault's document, with nothing in it.
    pub fn new(roster: Roster, now: Timestamp) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::getrandom(&mut *key).expect("the system gives random bytes");
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            text: Zeroizing::default(),
            vault_id: new_vault_id(),
            generation: 0,
            updated_at: now,
            roster,
            slots_digest: String::new(),
            fingerprint_key: Secret::from(key),
            current: Shelf::default(),
            retired: Shelf::default(),
            defaults: BTreeMap::new(),
            clients: Clients::default(),
            gateway: Gateway::default(),
            others: Vec::new(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// It is none, or of a newer format.
    pub fn parse(text: Zeroizing<Vec<u8>>) -> Result<Self, BadDocument> {
        let whole =
            std::str::from_utf8(&text).map_err(|_| JsonError::Syntax { line: 1, column: 1 })?;
        let parts = match serde_json::from_str::<Parts<'_>>(whole) {
            Ok(parts) => parts,
            Err(error) => {
                // A newer format may have any shape; say so before complaining
                // of the shape.
                if let Some(format) = declared_format(whole).filter(|format| *format > FORMAT) {
                    return Err(BadDocument::Newer(format));
                }
                return Err(JsonError::from(error).into());
            }
        };
        let current = Shelf::read(whole, &parts.connections, &parts.secrets)?;
        let mut head = parts.head;
        let format: u64 = head.require("format")?;
        if format > FORMAT {
            return Err(BadDocument::Newer(format));
        }
        let defaults: BTreeMap<String, String> = head.take("defaults")?.unwrap_or_default();
        let defaults = defaults
            .iter()
            .map(|(provider, name)| Ok((provider.parse()?, name.parse()?)))
            .collect::<Result<_, crate::name::BadName>>()
            .map_err(|_| BadDocument::Name)?;
        let retired = match head.take_raw("retired") {
            None => Shelf::default(),
            Some(text) => {
                let retired: Retired<'_> =
                    serde_json::from_str(text).map_err(|_| JsonError::Member("retired"))?;
                Shelf::read(whole, &retired.connections, &retired.secrets)?
            }
        };
        let clients = match head.take_raw("clients") {
            None => Clients::default(),
            Some(text) => Clients::read(whole, text)?,
        };
        let gateway = match head.take_raw("gateway") {
            None => Gateway::default(),
            Some(text) => Gateway::read(whole, text)?,
        };
        let mut read = Self {
            vault_id: head.require("vault")?,
            generation: head.require("generation").and_then(|generation: u64| {
                let in_range = generation < LAST_GENERATION;
                in_range
                    .then_some(generation)
                    .ok_or(JsonError::Member("generation"))
            })?,
            updated_at: parse_time(&head.require::<String>("updated_at")?, "updated_at")?,
            roster: read_roster(head.take_raw("roster").ok_or(JsonError::Member("roster"))?)?,
            slots_digest: head.require("slots")?,
            fingerprint_key: head.require("fingerprint_key")?,
            current,
            retired,
            defaults,
            clients,
            gateway,
            others: head
                .into_texts()
                .map(|(name, text)| (name, Record::Read(range_in(whole, text))))
                .collect(),
            text: Zeroizing::default(),
        };
        read.text = text;
        Ok(read)
    }

    /// Writes the document, padded.
    pub fn render(&self) -> SecretBuffer {
        let mut buffer = SecretBuffer::with_capacity(self.text.len() + 2 * STEP);
        let mut object = ObjectWriter::begin(&mut buffer);
        object.member("format", &FORMAT);
        object.member("vault", &self.vault_id);
        object.member("generation", &self.generation);
        object.member("updated_at", &self.updated_at.to_string());
        object.object("roster", |roster| write_roster(&self.roster, roster));
        object.member("slots", &self.slots_digest);
        object.secret("fingerprint_key", &self.fingerprint_key);
        object.object("defaults", |defaults| {
            for (provider, name) in &self.defaults {
                defaults.member(provider.as_str(), &name.as_str());
            }
        });
        self.write_shelf(&self.current, &mut object);
        if !self.retired.is_empty() {
            object.object("retired", |retired| {
                self.write_shelf(&self.retired, retired)
            });
        }
        self.clients.write(self, &mut object);
        self.gateway.write(self, &mut object);
        for (name, record) in &self.others {
            object.raw(name, self.record_text(record));
        }
        object.end();
        let padding = buffer.as_bytes().len().next_multiple_of(STEP) - buffer.as_bytes().len();
        buffer.push(&vec![b' '; padding]);
        buffer
    }

    /// One connection.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn connection(&self, id: &ConnectionId) -> Result<Option<Credential>, BadDocument> {
        let record = self.current.connection(id);
        record.map(|record| self.read(record, id)).transpose()
    }

    /// A connection that was logged out of; its history is left.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn retired_connection(&self, id: &ConnectionId) -> Result<Option<Credential>, BadDocument> {
        let record = self.retired.connection(id);
        record.map(|record| self.read(record, id)).transpose()
    }

    /// The names of a provider's connections, in order.
    pub fn connections_of(&self, provider: &ProviderName) -> Vec<&ConnectionName> {
        let named = self.current.connections.get(provider);
        named.into_iter().flat_map(BTreeMap::keys).collect()
    }

    /// All connections, in order.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.current.ids()
    }

    /// All connections that were logged out of, in order.
    pub fn retired_connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.retired.ids()
    }

    /// Stores a connection; one that was logged out of is back with it.
    pub fn put_connection(&mut self, id: &ConnectionId, credential: &Credential) {
        self.retired.take_connection(id);
        self.current.put_connection(id, credential);
    }

    /// Takes a connection out of force, and with it that it was the default.
    /// What is given in its place is kept for its history.
    pub fn retire_connection(&mut self, id: &ConnectionId, kept: Option<&Credential>) {
        self.current.take_connection(id);
        self.retired.take_connection(id);
        if let Some(kept) = kept {
            self.retired.put_connection(id, kept);
        }
        if self.defaults.get(&id.provider) == Some(&id.connection) {
            self.defaults.remove(&id.provider);
        }
        // Whoever logs out of the one called `default` is not to get another
        // account's key where they name none: the choice stays on the gap.
        let others = self.current.connections.contains_key(&id.provider);
        if id.connection == ConnectionName::default_name() && others {
            self.defaults
                .entry(id.provider.clone())
                .or_insert_with(ConnectionName::default_name);
        } else if !others {
            self.defaults.remove(&id.provider);
        }
    }

    /// Gives a connection another name, which has to be free. Agents that
    /// may use it go on.
    ///
    /// # Errors
    /// The record of an agent cannot be read.
    pub fn rename_connection(
        &mut self,
        id: &ConnectionId,
        name: &ConnectionName,
    ) -> Result<(), BadDocument> {
        self.rename_for_agents(id, name)?;
        if let Some(record) = self.current.take_connection(id) {
            let named = self
                .current
                .connections
                .entry(id.provider.clone())
                .or_default();
            named.insert(name.clone(), record);
        }
        if self.defaults.get(&id.provider) == Some(&id.connection) {
            self.defaults.insert(id.provider.clone(), name.clone());
        }
        Ok(())
    }

    /// One plain secret.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn secret(&self, name: &VariableName) -> Result<Option<Credential>, BadDocument> {
        let record = self.current.secrets.get(name);
        record.map(|record| self.read(record, name)).transpose()
    }

    /// A plain secret that was unset; its history is left.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn retired_secret(&self, name: &VariableName) -> Result<Option<Credential>, BadDocument> {
        let record = self.retired.secrets.get(name);
        record.map(|record| self.read(record, name)).transpose()
    }

    /// The names of all plain secrets, in order.
    pub fn secrets(&self) -> impl Iterator<Item = &VariableName> {
        self.current.secrets.keys()
    }

    /// The names of all plain secrets that were unset, in order.
    pub fn retired_secrets(&self) -> impl Iterator<Item = &VariableName> {
        self.retired.secrets.keys()
    }

    /// Stores a plain secret; one that was unset is back with it.
    pub fn put_secret(&mut self, name: &VariableName, credential: &Credential) {
        self.retired.secrets.remove(name);
        let record = Record::Written(credential.to_json());
        self.current.secrets.insert(name.clone(), record);
    }

    /// Takes a plain secret out of force. What is given in its place is kept
    /// for its history.
    pub fn retire_secret(&mut self, name: &VariableName, kept: Option<&Credential>) {
        self.current.secrets.remove(name);
        self.retired.secrets.remove(name);
        if let Some(kept) = kept {
            let record = Record::Written(kept.to_json());
            self.retired.secrets.insert(name.clone(), record);
        }
    }

    /// Whether one of these secrets is anywhere in it, under whatever name.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn holds_any(&self, secrets: &[Secret]) -> Result<bool, BadDocument> {
        for shelf in [&self.current, &self.retired] {
            let connections = shelf.connections.values().flat_map(BTreeMap::values);
            for record in connections.chain(shelf.secrets.values()) {
                let mut held = self.read(record, &"a connection")?.into_secrets();
                if held.any(|held| secrets.iter().any(|secret| secret.matches(&held))) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The connection that a person chose for when none is named.
    pub fn default_of(&self, provider: &ProviderName) -> Option<&ConnectionName> {
        self.defaults.get(provider)
    }

    /// Chooses the connection for when none is named.
    pub fn choose_default(&mut self, id: &ConnectionId) {
        self.defaults
            .insert(id.provider.clone(), id.connection.clone());
    }

    /// Takes over what another document of this vault holds; the keys, and
    /// what the vault is, stay. So does the gateway: in an earlier vault an
    /// agent that was revoked since would still have its token, and clients
    /// trust the authority of today.
    pub(super) fn adopt(&mut self, other: Self) {
        let gateway = self.detached_gateway();
        let mut kept = std::mem::replace(self, other);
        self.gateway = gateway;
        self.vault_id = std::mem::take(&mut kept.vault_id);
        self.generation = kept.generation;
        self.roster = std::mem::take(&mut kept.roster);
        self.slots_digest = std::mem::take(&mut kept.slots_digest);
    }

    /// The key of this vault's fingerprints.
    pub fn fingerprint_key(&self) -> &Secret {
        &self.fingerprint_key
    }

    fn write_shelf(&self, shelf: &Shelf, object: &mut ObjectWriter<'_>) {
        object.object("connections", |connections| {
            for (provider, named) in &shelf.connections {
                connections.object(provider.as_str(), |records| {
                    for (name, record) in named {
                        records.raw(name.as_str(), self.record_text(record));
                    }
                });
            }
        });
        object.object("secrets", |secrets| {
            for (name, record) in &shelf.secrets {
                secrets.raw(name.as_str(), self.record_text(record));
            }
        });
    }

    fn read(&self, record: &Record, name: &impl fmt::Display) -> Result<Credential, BadDocument> {
        Credential::from_json(self.record_text(record))
            .map_err(|error| BadDocument::Record(name.to_string(), error))
    }

    pub(super) fn record_text<'a>(&'a self, record: &'a Record) -> &'a str {
        match record {
            Record::Read(range) => std::str::from_utf8(&self.text[range.clone()])
                .expect("the range is of a JSON value within a text that was UTF-8"),
            Record::Written(text) => text.reveal(),
        }
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        wipe(&mut self.text);
    }
}

/// The document's members, read in one pass: the records as slices, the rest
/// by name.
struct Parts<'a> {
    head: Members<'a>,
    connections: NamedRecords<'a>,
    secrets: Records<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Parts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a document")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts<'de>, A::Error> {
                let twice = || serde::de::Error::custom("a name stands twice");
                let mut head = BTreeMap::new();
                let mut connections = None;
                let mut secrets = None;
                while let Some(Name(name)) = map.next_key()? {
                    let first = match &*name {
                        "connections" => connections.replace(map.next_value()?).is_none(),
                        "secrets" => secrets.replace(map.next_value()?).is_none(),
                        _ => head.insert(name, map.next_value()?).is_none(),
                    };
                    if !first {
                        return Err(twice());
                    }
                }
                Ok(Parts {
                    head: Members::from(head),
                    connections: connections.unwrap_or(UniqueMap(BTreeMap::new())),
                    secrets: secrets.unwrap_or(UniqueMap(BTreeMap::new())),
                })
            }
        }
        deserializer.deserialize_map(Whole)
    }
}

fn declared_format(text: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Declared {
        format: u64,
    }
    serde_json::from_str::<Declared>(text)
        .ok()
        .map(|declared| declared.format)
}
