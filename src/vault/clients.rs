//! The OAuth clients in a document: by provider and by their names at the
//! provider.

use std::collections::BTreeMap;

use super::BadDocument;
use super::document::Document;
use super::shelf::{NamedRecords, Record, range_in};
use crate::credential::client::OAuthClient;
use crate::json::{JsonError, ObjectWriter};
use crate::name::ProviderName;

/// Clients by provider and name.
#[derive(Default)]
pub(super) struct Clients(BTreeMap<ProviderName, BTreeMap<String, Record>>);

impl Clients {
    /// Reads the member of this text, which is a part of `whole`.
    pub(super) fn read(whole: &str, text: &str) -> Result<Self, BadDocument> {
        let named: NamedRecords<'_> =
            serde_json::from_str(text).map_err(|_| JsonError::Member("clients"))?;
        let mut clients = BTreeMap::new();
        for (provider, records) in &named.0 {
            let provider = provider.parse().map_err(|_| BadDocument::Name)?;
            let place =
                |raw: &serde_json::value::RawValue| Record::Read(range_in(whole, raw.get()));
            let records = records.0.iter();
            let records = records.map(|(id, raw)| (id.to_string(), place(raw)));
            clients.insert(provider, records.collect());
        }
        Ok(Self(clients))
    }

    /// Writes the member, where there is anything in it.
    pub(super) fn write(&self, document: &Document, object: &mut ObjectWriter<'_>) {
        if self.0.is_empty() {
            return;
        }
        object.object("clients", |clients| {
            for (provider, records) in &self.0 {
                clients.object(provider.as_str(), |named| {
                    for (id, record) in records {
                        named.raw(id, document.record_text(record));
                    }
                });
            }
        });
    }
}

impl Document {
    /// The OAuth clients of a provider, by name.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn clients_of(&self, provider: &ProviderName) -> Result<Vec<OAuthClient>, BadDocument> {
        let named = self.clients.0.get(provider);
        let records = named.into_iter().flat_map(BTreeMap::values);
        records
            .map(|record| {
                OAuthClient::from_json(self.record_text(record))
                    .map_err(|error| BadDocument::Record(format!("a client of {provider}"), error))
            })
            .collect()
    }

    /// Keeps an OAuth client.
    pub fn put_client(&mut self, provider: &ProviderName, client: &OAuthClient) {
        let record = Record::Written(client.to_json());
        let named = self.clients.0.entry(provider.clone()).or_default();
        named.insert(client.id.clone(), record);
    }

    /// Forgets the OAuth clients of a provider.
    pub fn forget_clients(&mut self, provider: &ProviderName) {
        self.clients.0.remove(provider);
    }
}
