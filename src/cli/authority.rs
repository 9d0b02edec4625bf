//! The authority of `serve`, as the vault keeps it: made when it is first
//! wanted, and signed anew where it has to speak for a host that is new.

use std::collections::BTreeMap;

use super::context::Context;
use crate::error::Result;
use crate::gateway::authority::{Authority, Lasting, PermittedHost, permitted_of};
use crate::vault::{Document, Opened, Store};

impl Context {
    /// The authority of `serve`. One that is in the vault and good is only
    /// read.
    ///
    /// # Errors
    /// What the vault holds cannot be read, or the vault cannot be changed.
    pub fn authority(&self, store: &Store, opened: &Opened, command: &str) -> Result<Authority> {
        let permitted = self.permitted(store, &opened.document)?;
        let kept = |document: &Document| -> Result<Option<Authority>> {
            let stored = document.authority().map_err(|bad| store.damaged(bad))?;
            let restored = stored.map(|stored| Authority::restore(&stored, &permitted, self.now));
            Ok(restored.transpose()?)
        };
        match kept(&opened.document)? {
            Some(authority) if !authority.is_changed() => return Ok(authority),
            _ => {}
        }
        // Under the lock there may be one that another process made.
        self.commit(store, &opened.key, command, |document| {
            let authority = match kept(document)? {
                Some(authority) => authority,
                None => Authority::new(&permitted, Lasting::Stored, self.now)?,
            };
            document.put_authority(&authority.to_stored());
            Ok(authority)
        })
    }

    /// A new authority in its place, with another key and name.
    ///
    /// # Errors
    /// The vault cannot be changed.
    pub fn renew_authority(
        &self,
        store: &Store,
        opened: &Opened,
        command: &str,
    ) -> Result<Authority> {
        let permitted = self.permitted(store, &opened.document)?;
        let authority = Authority::new(&permitted, Lasting::Stored, self.now)?;
        self.commit(store, &opened.key, command, |document| {
            document.put_authority(&authority.to_stored());
            Ok(())
        })?;
        Ok(authority)
    }

    /// The hosts that it may speak for: those of all providers, whether or
    /// not they are connected, so that a login needs no new certificate and
    /// the certificate does not tell what there is a key for; and those that
    /// a connection names itself.
    fn permitted(&self, store: &Store, document: &Document) -> Result<Vec<PermittedHost>> {
        let mut permitted = Vec::new();
        let mut known = BTreeMap::new();
        for entry in self.catalog()?.all()? {
            // A broken one blocks only itself.
            if let Ok(definition) = entry.definition {
                permitted.extend(permitted_of(&definition));
                known.insert(definition.name.clone(), definition);
            }
        }
        for id in document.connections() {
            let Some(definition) = known.get(&id.provider) else {
                continue;
            };
            let found = document.connection(&id).map_err(|bad| store.damaged(bad))?;
            let base_url = found.and_then(|credential| credential.value.base_url.clone());
            // One that is none is refused where it is used.
            if let Some(own) = base_url.and_then(|url| definition.at(&url).ok()) {
                permitted.extend(permitted_of(&own));
            }
        }
        Ok(permitted)
    }
}
