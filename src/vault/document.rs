//! The document inside the payload.
//!
//! Records stay as the text they were read as until somebody asks for one,
//! and are written back byte for byte unless they changed: reading one of ten
//! thousand parses one, and what a newer version put there survives.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use jiff::Timestamp;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{BadDocument, new_vault_id};
use crate::credential::Credential;
use crate::json::{JsonError, Members, Name, ObjectWriter, UniqueMap};
use crate::name::{ConnectionId, ConnectionName, ProviderName, VariableName};
use crate::seal::Recipient;
use crate::secret::{Secret, SecretBuffer};

/// The format that this version reads and writes.
const FORMAT: u64 = 1;
/// The document's length is a multiple of this, so that the file's size says
/// little about its content.
const STEP: usize = 4096;

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
    connections: BTreeMap<ProviderName, BTreeMap<ConnectionName, Record>>,
    secrets: BTreeMap<VariableName, Record>,
    defaults: BTreeMap<ProviderName, ConnectionName>,
    /// Members that this version does not know.
    others: Vec<(String, Record)>,
}

/// A record's JSON: where it was read, or what it is now.
enum Record {
    Read(Range<usize>),
    Written(Secret),
}

/// The ways into a vault, as people know them.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// When the passphrase was set.
    pub passphrase: Option<Timestamp>,
    /// Who else can open it.
    pub recipients: Vec<RosterEntry>,
}

/// One recipient of the vault.
#[derive(Debug, Clone)]
pub struct RosterEntry {
    /// The public key.
    pub recipient: Recipient,
    /// Since when.
    pub added: Timestamp,
}

/// What kind of slot something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// Opened by a passphrase.
    Passphrase,
    /// Opened by identities.
    Recipients,
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
            connections: BTreeMap::new(),
            secrets: BTreeMap::new(),
            defaults: BTreeMap::new(),
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
        let place = |raw: &RawValue| Record::Read(range_in(whole, raw.get()));
        let mut connections = BTreeMap::new();
        for (provider, named) in &parts.connections.0 {
            let records = named
                .0
                .iter()
                .map(|(name, raw)| Ok((name.parse()?, place(raw))))
                .collect::<Result<_, crate::name::BadName>>()
                .map_err(|_| BadDocument::Name)?;
            connections.insert(provider.parse().map_err(|_| BadDocument::Name)?, records);
        }
        let secrets = parts
            .secrets
            .0
            .iter()
            .map(|(name, raw)| Ok((name.parse()?, place(raw))))
            .collect::<Result<_, crate::name::BadName>>()
            .map_err(|_| BadDocument::Name)?;
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
        let read = Self {
            vault_id: head.require("vault")?,
            generation: head.require("generation")?,
            updated_at: parse_time(&head.require::<String>("updated_at")?, "updated_at")?,
            roster: read_roster(head.take_raw("roster").ok_or(JsonError::Member("roster"))?)?,
            slots_digest: head.require("slots")?,
            fingerprint_key: head.require("fingerprint_key")?,
            connections,
            secrets,
            defaults,
            others: head
                .into_texts()
                .map(|(name, text)| (name, Record::Read(range_in(whole, text))))
                .collect(),
            text: Zeroizing::default(),
        };
        Ok(Self { text, ..read })
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
        object.object("connections", |connections| {
            for (provider, named) in &self.connections {
                connections.object(provider.as_str(), |records| {
                    for (name, record) in named {
                        records.raw(name.as_str(), self.record_text(record));
                    }
                });
            }
        });
        object.object("secrets", |secrets| {
            for (name, record) in &self.secrets {
                secrets.raw(name.as_str(), self.record_text(record));
            }
        });
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
        self.connections
            .get(&id.provider)
            .and_then(|named| named.get(&id.connection))
            .map(|record| self.read(record, id))
            .transpose()
    }

    /// The names of a provider's connections, in order.
    pub fn connections_of(&self, provider: &ProviderName) -> Vec<&ConnectionName> {
        self.connections
            .get(provider)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .collect()
    }

    /// All connections, in order.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.connections.iter().flat_map(|(provider, named)| {
            named.keys().map(|connection| ConnectionId {
                provider: provider.clone(),
                connection: connection.clone(),
            })
        })
    }

    /// Stores a connection.
    pub fn put_connection(&mut self, id: &ConnectionId, credential: &Credential) {
        self.connections
            .entry(id.provider.clone())
            .or_default()
            .insert(id.connection.clone(), Record::Written(credential.to_json()));
    }

    /// Forgets a connection, and that it was the default. False where there
    /// was none.
    pub fn remove_connection(&mut self, id: &ConnectionId) -> bool {
        let Some(named) = self.connections.get_mut(&id.provider) else {
            return false;
        };
        let removed = named.remove(&id.connection).is_some();
        if named.is_empty() {
            self.connections.remove(&id.provider);
        }
        if self.defaults.get(&id.provider) == Some(&id.connection) {
            self.defaults.remove(&id.provider);
        }
        removed
    }

    /// One plain secret.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn secret(&self, name: &VariableName) -> Result<Option<Credential>, BadDocument> {
        self.secrets
            .get(name)
            .map(|record| self.read(record, name))
            .transpose()
    }

    /// The names of all plain secrets, in order.
    pub fn secrets(&self) -> impl Iterator<Item = &VariableName> {
        self.secrets.keys()
    }

    /// Stores a plain secret.
    pub fn put_secret(&mut self, name: &VariableName, credential: &Credential) {
        self.secrets
            .insert(name.clone(), Record::Written(credential.to_json()));
    }

    /// Forgets a plain secret. False where there was none.
    pub fn remove_secret(&mut self, name: &VariableName) -> bool {
        self.secrets.remove(name).is_some()
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
    /// what the vault is, stay.
    pub(super) fn adopt(&mut self, other: Self) {
        let kept = std::mem::replace(self, other);
        self.vault_id = kept.vault_id;
        self.generation = kept.generation;
        self.roster = kept.roster;
        self.slots_digest = kept.slots_digest;
    }

    /// The key of this vault's fingerprints.
    pub fn fingerprint_key(&self) -> &Secret {
        &self.fingerprint_key
    }

    fn read(&self, record: &Record, name: &impl fmt::Display) -> Result<Credential, BadDocument> {
        Credential::from_json(self.record_text(record))
            .map_err(|error| BadDocument::Record(name.to_string(), error))
    }

    fn record_text<'a>(&'a self, record: &'a Record) -> &'a str {
        match record {
            Record::Read(range) => std::str::from_utf8(&self.text[range.clone()])
                .expect("the range is of a JSON value within a text that was UTF-8"),
            Record::Written(text) => text.reveal(),
        }
    }
}

/// Where `part` lies in `whole`, of which it is a slice.
fn range_in(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// The document's members, read in one pass: the records as slices, the rest
/// by name.
struct Parts<'a> {
    head: Members<'a>,
    connections: UniqueMap<'a, UniqueMap<'a, &'a RawValue>>,
    secrets: UniqueMap<'a, &'a RawValue>,
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

fn parse_time(text: &str, member: &'static str) -> Result<Timestamp, JsonError> {
    text.parse().map_err(|_| JsonError::Member(member))
}

fn read_roster(text: &str) -> Result<Roster, BadDocument> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow)]
        recipient: Cow<'a, str>,
        label: Option<String>,
        added: String,
    }
    #[derive(Deserialize)]
    struct Listed<'a> {
        passphrase: Option<String>,
        #[serde(borrow)]
        recipients: Vec<Entry<'a>>,
    }
    let listed: Listed<'_> = serde_json::from_str(text).map_err(|_| JsonError::Member("roster"))?;
    let recipients = listed
        .recipients
        .into_iter()
        .map(|entry| {
            Ok(RosterEntry {
                recipient: Recipient::parse(&entry.recipient)?.with_label(entry.label),
                added: parse_time(&entry.added, "roster")?,
            })
        })
        .collect::<Result<_, BadDocument>>()?;
    Ok(Roster {
        passphrase: listed
            .passphrase
            .map(|time| parse_time(&time, "roster"))
            .transpose()?,
        recipients,
    })
}

fn write_roster(roster: &Roster, object: &mut ObjectWriter<'_>) {
    object.member(
        "passphrase",
        &roster.passphrase.map(|time| time.to_string()),
    );
    object.list("recipients", &roster.recipients, |entry, object| {
        object.member("recipient", &entry.recipient.as_str());
        object.optional("label", entry.recipient.label().as_ref());
        object.member("added", &entry.added.to_string());
    });
}
