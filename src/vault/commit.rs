//! Changing a vault: the order of steps that keeps it whole.

use std::fs;

use super::layout::Parts;
use super::lock::{Lock, PATIENCE};
use super::pin::Pin;
use super::sealed::{Opened, Slotted};
use super::store::Store;
use super::{Document, Moment, VaultError, backup, damaged, digest};
use crate::error::Result;
use crate::files::{self, Staged};
use crate::seal::VaultKey;

/// Whether a change is a person's, and worth a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Somebody changed something.
    Ordinary,
    /// A token renewed itself.
    Renewal,
}

impl Store {
    /// Makes the vault, unless there is one: then `None`, and nothing was
    /// done. `make` seals its key; `fill` puts the first things in.
    ///
    /// # Errors
    /// Any step failed; there is no vault then.
    pub fn create<T>(
        &self,
        moment: Moment<'_>,
        make: impl FnOnce() -> Result<Slotted>,
        fill: impl FnOnce(&mut Document) -> Result<T>,
    ) -> Result<Option<T>> {
        files::make_private_folder(files::folder_of(&self.path))?;
        let lock = self.lock(moment)?;
        if fs::symlink_metadata(&self.path).is_ok() {
            return Ok(None);
        }
        let slotted = make()?;
        let mut document = Document::new(slotted.roster, moment.now);
        let made = fill(&mut document)?;
        let parts = Parts {
            passphrase: slotted.passphrase,
            recipients: slotted.recipients,
        };
        self.write(
            &lock,
            &parts,
            &slotted.key,
            &mut document,
            moment,
            Previous::None,
        )?;
        Ok(Some(made))
    }

    /// Changes what the vault holds. `apply` sees the newest content; what it
    /// leaves is committed, unless it fails.
    ///
    /// # Errors
    /// `apply` failed, or a step of the commit; the vault is as it was.
    pub fn change<T>(
        &self,
        key: &VaultKey,
        moment: Moment<'_>,
        change: Change,
        apply: impl FnOnce(&mut Document) -> Result<T>,
    ) -> Result<T> {
        let lock = self.lock(moment)?;
        let mut opened = self.reopen(key)?;
        let before = opened.document.generation;
        let made = apply(&mut opened.document)?;
        let previous = match change {
            Change::Ordinary => Previous::Kept(before),
            Change::Renewal => Previous::Dropped,
        };
        self.write(
            &lock,
            &opened.parts,
            key,
            &mut opened.document,
            moment,
            previous,
        )?;
        Ok(made)
    }

    /// Changes the ways into the vault. `apply` is given the vault as it is
    /// and returns the new slots, and the new key if there is one.
    ///
    /// # Errors
    /// `apply` failed, or a step of the commit; the vault is as it was.
    pub fn rekey(
        &self,
        key: &VaultKey,
        moment: Moment<'_>,
        apply: impl FnOnce(&Opened) -> Result<Slotted>,
    ) -> Result<()> {
        let lock = self.lock(moment)?;
        let mut opened = self.reopen(key)?;
        let slotted = apply(&opened)?;
        let previous = Previous::Kept(opened.document.generation);
        opened.document.roster = slotted.roster;
        let parts = Parts {
            passphrase: slotted.passphrase,
            recipients: slotted.recipients,
        };
        self.write(
            &lock,
            &parts,
            &slotted.key,
            &mut opened.document,
            moment,
            previous,
        )?;
        Ok(())
    }

    /// Puts the content of an earlier vault into the one in force, whose keys
    /// stay.
    ///
    /// # Errors
    /// A step of the commit failed; the vault is as it was.
    pub fn restore_content(
        &self,
        key: &VaultKey,
        moment: Moment<'_>,
        earlier: Opened,
    ) -> Result<()> {
        self.change(key, moment, Change::Ordinary, |document| {
            document.adopt(earlier.document);
            Ok(())
        })
    }

    /// Puts an earlier vault, with its keys, in the place of one that cannot
    /// be opened, which is kept beside the backups.
    ///
    /// # Errors
    /// A step of the commit failed; the file is as it was.
    pub fn restore_whole(&self, moment: Moment<'_>, mut earlier: Opened) -> Result<()> {
        files::make_private_folder(files::folder_of(&self.path))?;
        let lock = self.lock(moment)?;
        let key = earlier.key.clone();
        let document = &mut earlier.document;
        self.write(
            &lock,
            &earlier.parts,
            &key,
            document,
            moment,
            Previous::Damaged,
        )?;
        Ok(())
    }

    fn lock(&self, moment: Moment<'_>) -> Result<Lock, VaultError> {
        Lock::acquire(&self.lock, &self.path, moment.command, PATIENCE)
    }

    /// Reads and opens the vault once more, under the lock.
    fn reopen(&self, key: &VaultKey) -> Result<Opened, VaultError> {
        let read = self.read_pinned()?;
        let read = read.ok_or_else(|| damaged(&self.path, "it is gone"))?;
        if !read.sealed.fits(key) {
            return Err(VaultError::KeyChanged {
                path: self.path.clone(),
            });
        }
        self.open_pinned(&read, key.clone())
    }

    /// The commit: everything up to the rename can fail without a trace.
    fn write(
        &self,
        _lock: &Lock,
        parts: &Parts,
        key: &VaultKey,
        document: &mut Document,
        moment: Moment<'_>,
        previous: Previous,
    ) -> Result<(), VaultError> {
        let seen = self
            .pin
            .read()
            .ok()
            .flatten()
            .map_or(0, |pin| pin.generation);
        document.generation = document.generation.max(seen) + 1;
        document.updated_at = moment.now;
        document.slots_digest = parts.digest();
        let plain = document.render();
        let payload = key.seal(plain.as_bytes())?;
        files::sweep_temporary(&self.path);
        let staged = Staged::write(&self.path, parts.render(&payload).as_bytes())?;
        self.read_back(&staged, key, plain.as_bytes())?;
        let kept = match previous {
            Previous::Kept(generation) => {
                Some(backup::keep(&self.backups, &self.path, generation)?)
            }
            Previous::Damaged => backup::keep_damaged(&self.backups, &self.path)?,
            Previous::Dropped | Previous::None => None,
        };
        if let Err(error) = staged.rename_over(&self.path) {
            if let Some(kept) = kept {
                // The vault did not change, so this is no earlier file.
                let _ = fs::remove_file(kept);
            }
            return Err(error.into());
        }
        backup::prune(&self.backups, &self.path);
        // The change is made; a pin that cannot be written does not undo it.
        let _ = self.pin.set(&Pin {
            fingerprint: key.fingerprint(),
            generation: document.generation,
            payload: digest(payload.as_bytes()),
        });
        Ok(())
    }

    /// Opens what was just written, as the next reader will: a disk that
    /// stores something else is noticed while the old vault is still there.
    fn read_back(&self, staged: &Staged, key: &VaultKey, plain: &[u8]) -> Result<(), VaultError> {
        let wrong = || damaged(staged.path(), "what was written is not what is read back");
        let sealed = self.read_from(staged.path())?.ok_or_else(wrong)?;
        let opened = key.open(sealed.payload().as_bytes()).map_err(|_| wrong())?;
        if *opened == plain {
            Ok(())
        } else {
            Err(wrong())
        }
    }
}

/// What happens to the file that a commit replaces.
enum Previous {
    None,
    Kept(u64),
    Dropped,
    Damaged,
}
