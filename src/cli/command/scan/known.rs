//! What the vault holds already, by fingerprint.

use std::collections::HashMap;

use crate::cli::context::Context;
use crate::credential::{Credential, fingerprint};
use crate::error::{Kind, Result};
use crate::name::ProviderName;
use crate::scan::Finding;
use crate::secret::Secret;
use crate::vault::{Document, Store};

/// The values in force.
pub struct Known {
    key: Secret,
    stored: HashMap<String, Vec<Stored>>,
}

struct Stored {
    /// `openai/team`, or the name of a plain secret.
    name: String,
    provider: Option<ProviderName>,
    value: Secret,
}

impl Known {
    /// What a vault holds that opens without asking anybody.
    pub fn silently(context: &Context) -> Option<Self> {
        let opened = context.open_silently().and_then(|opened| {
            opened
                .map(|(store, opened)| Self::of(&opened.document, &store))
                .transpose()
        });
        match opened {
            Ok(known) => known,
            Err(error) => {
                if error.kind() == Kind::Locked {
                    context.output.note(
                        "The vault is locked, so nothing was compared with it. Open it first: \
                         vault unlock",
                    );
                } else {
                    context
                        .output
                        .warn(&format!("The vault was not looked at: {error}"));
                }
                None
            }
        }
    }

    /// What is in this document.
    ///
    /// # Errors
    /// A record of it cannot be read.
    pub fn of(document: &Document, store: &Store) -> Result<Self> {
        let mut known = Self {
            key: document.fingerprint_key().duplicate(),
            stored: HashMap::new(),
        };
        for id in document.connections() {
            let found = document.connection(&id).map_err(|bad| store.damaged(bad))?;
            known.add(&id.to_string(), Some(&id.provider), found);
        }
        for name in document.secrets() {
            let found = document.secret(name).map_err(|bad| store.damaged(bad))?;
            known.add(name.as_str(), None, found);
        }
        Ok(known)
    }

    fn add(&mut self, name: &str, provider: Option<&ProviderName>, credential: Option<Credential>) {
        let fields = credential.map(|credential| credential.value.fields);
        for value in fields.unwrap_or_default().into_values() {
            let stored = self
                .stored
                .entry(fingerprint(&self.key, &value))
                .or_default();
            stored.push(Stored {
                name: name.to_owned(),
                provider: provider.cloned(),
                value,
            });
        }
    }

    /// The fingerprint that the vault gives a key.
    pub fn fingerprint(&self, finding: &Finding) -> String {
        fingerprint(&self.key, &finding.key)
    }

    /// As what a key is in the vault: the provider's own connection rather
    /// than another one.
    pub fn place_of(&self, finding: &Finding) -> Option<&str> {
        let stored = self.stored.get(&self.fingerprint(finding))?;
        let same = stored
            .iter()
            .filter(|stored| stored.value.matches(&finding.key));
        same.min_by_key(|stored| stored.provider.as_ref() != Some(&finding.provider))
            .map(|stored| stored.name.as_str())
    }
}
