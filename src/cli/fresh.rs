//! Tokens that are good for a while, for whoever reads one.

use std::any::Any;

use super::context::Context;
use crate::broker::renew::Renewer;
use crate::credential::{AuthKind, Credential};
use crate::error::Result;
use crate::name::ConnectionId;
use crate::net::Client;
use crate::provider::Definition;
use crate::seal::VaultKey;
use crate::vault::Store;

/// What a renewal is called for those who wait for the lock.
const COMMAND: &str = "renewal";

impl Context {
    /// The credential, renewed where its token is about to end.
    ///
    /// # Errors
    /// Its token has ended, and there is no new one.
    pub fn fresh(
        &self,
        store: &Store,
        key: &VaultKey,
        id: &ConnectionId,
        definition: &Definition,
        seen: Credential,
    ) -> Result<Credential> {
        if seen.kind != AuthKind::OAuth {
            return Ok(seen);
        }
        let client = self.client();
        let undisturbed = || self.terminal.undisturbed();
        let renewer = self.renewer(store, key, &client, &undisturbed);
        let fresh = renewer.fresh(id, definition, seen)?;
        if let Some(trouble) = fresh.trouble {
            let until = fresh.credential.value.expires_at;
            let until = until.map_or(String::new(), |end| format!(" It is good until {end}."));
            self.terminal.warn_once(&format!("{trouble}.{until}"));
        }
        Ok(fresh.credential)
    }

    /// What renews tokens of a vault.
    pub fn renewer<'a>(
        &self,
        store: &'a Store,
        key: &'a VaultKey,
        client: &'a Client,
        undisturbed: &'a dyn Fn() -> Box<dyn Any>,
    ) -> Renewer<'a> {
        Renewer {
            store,
            key,
            client,
            moment: self.moment(COMMAND),
            undisturbed,
        }
    }
}
