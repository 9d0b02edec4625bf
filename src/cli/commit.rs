//! Changing the vault from a command: the lock, the newest content, and a
//! second try where another process changed the vault's key meanwhile.

use super::context::Context;
use crate::error::{Kind, Result};
use crate::seal::VaultKey;
use crate::vault::{Change, Document, Store};

impl Context {
    /// Opens the vault and changes it.
    ///
    /// # Errors
    /// It cannot be opened, or the change failed; the vault is as it was.
    pub fn change<T>(
        &self,
        command: &str,
        apply: impl FnOnce(&mut Document) -> Result<T>,
    ) -> Result<T> {
        let (store, opened) = self.open()?;
        self.commit(&store, &opened.key, command, apply)
    }

    /// Changes a vault that was open already.
    ///
    /// # Errors
    /// The change failed; the vault is as it was.
    pub fn commit<T>(
        &self,
        store: &Store,
        key: &VaultKey,
        command: &str,
        apply: impl FnOnce(&mut Document) -> Result<T>,
    ) -> Result<T> {
        self.commit_as(Change::Ordinary, store, key, command, apply)
    }

    /// The same for a change that is no person's: no backup is made.
    ///
    /// # Errors
    /// The change failed; the vault is as it was.
    pub fn note_down<T>(
        &self,
        store: &Store,
        key: &VaultKey,
        command: &str,
        apply: impl FnOnce(&mut Document) -> Result<T>,
    ) -> Result<T> {
        self.commit_as(Change::Renewal, store, key, command, apply)
    }

    fn commit_as<T>(
        &self,
        change: Change,
        store: &Store,
        key: &VaultKey,
        command: &str,
        apply: impl FnOnce(&mut Document) -> Result<T>,
    ) -> Result<T> {
        let mut apply = Some(apply);
        let mut once = |document: &mut Document| {
            let apply = apply.take().expect("a change is applied once");
            apply(document)
        };
        let moment = self.moment(command);
        match store.change(key, moment, change, &mut once) {
            // Nothing was applied: the conflict is that the key is another one
            // by now.
            Err(error) if apply.is_some() && error.kind() == Kind::Conflict => {}
            finished => return finished,
        }
        let (store, opened) = self.open()?;
        store.change(&opened.key, moment, change, |document| {
            let apply = apply.take().expect("a change is applied once");
            apply(document)
        })
    }
}
