//! Records of a document by name, each the text that it was read as until it
//! changes.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::BadDocument;
use crate::credential::Credential;
use crate::json::UniqueMap;
use crate::name::{ConnectionId, ConnectionName, ProviderName, VariableName};
use crate::secret::Secret;

/// Records by name.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) connections: BTreeMap<ProviderName, BTreeMap<ConnectionName, Record>>,
    pub(super) secrets: BTreeMap<VariableName, Record>,
}

/// A record's JSON: where it was read, or what it is now.
pub(super) enum Record {
    Read(Range<usize>),
    Written(Secret),
}

pub(super) type NamedRecords<'a> = UniqueMap<'a, UniqueMap<'a, &'a RawValue>>;
pub(super) type Records<'a> = UniqueMap<'a, &'a RawValue>;

#[derive(Deserialize)]
pub(super) struct Retired<'a> {
    #[serde(borrow)]
    pub(super) connections: NamedRecords<'a>,
    #[serde(borrow)]
    pub(super) secrets: Records<'a>,
}

impl Shelf {
    pub(super) fn read(
        whole: &str,
        connections: &NamedRecords<'_>,
        secrets: &Records<'_>,
    ) -> Result<Self, BadDocument> {
        let place = |raw: &RawValue| Record::Read(range_in(whole, raw.get()));
        let mut shelf = Self::default();
        for (provider, named) in &connections.0 {
            let records = named
                .0
                .iter()
                .map(|(name, raw)| Ok((name.parse()?, place(raw))))
                .collect::<Result<_, crate::name::BadName>>()
                .map_err(|_| BadDocument::Name)?;
            let provider = provider.parse().map_err(|_| BadDocument::Name)?;
            shelf.connections.insert(provider, records);
        }
        for (name, raw) in &secrets.0 {
            let name = name.parse().map_err(|_| BadDocument::Name)?;
            shelf.secrets.insert(name, place(raw));
        }
        Ok(shelf)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.secrets.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.connections.iter().flat_map(|(provider, named)| {
            named.keys().map(|connection| ConnectionId {
                provider: provider.clone(),
                connection: connection.clone(),
            })
        })
    }

    pub(super) fn connection(&self, id: &ConnectionId) -> Option<&Record> {
        self.connections.get(&id.provider)?.get(&id.connection)
    }

    pub(super) fn put_connection(&mut self, id: &ConnectionId, credential: &Credential) {
        self.connections
            .entry(id.provider.clone())
            .or_default()
            .insert(id.connection.clone(), Record::Written(credential.to_json()));
    }

    pub(super) fn take_connection(&mut self, id: &ConnectionId) -> Option<Record> {
        let named = self.connections.get_mut(&id.provider)?;
        let record = named.remove(&id.connection);
        if named.is_empty() {
            self.connections.remove(&id.provider);
        }
        record
    }
}

/// Where `part` lies in `whole`, of which it is a slice.
pub(super) fn range_in(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}
