//! Changing a vault: the order of steps that keeps it whole.

use std::fs;

use super::document::LAST_GENERATION;
use super::layout::Parts;
use super::lock::{Lock, PATIENCE};
use super::pin::Pin;
use super::sealed::{Opened, Slotted};
use super::store::Store;
use super::{Document, Moment, VaultError, backup, damaged, digest};
use crate::error::Result;
use crate::files::{self, Folder, PathContext, Room, Staged};
use crate::seal::VaultKey;

/// More than new tokens add to a vault file.
const LARGEST_GROWTH: usize = 256 * 1024;

/// Whether a change is a person's, and worth a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Somebody changed something.
    Ordinary,
    /// The program noted something by itself: a token renewed, a status.
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
        self.refuse_another()?;
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

    /// Changes what the vault holds with something that cannot be had twice,
    /// such as the answer to a refresh token that is spent by asking. `apply`
    /// sees the newest content, takes room on the disk before it asks, and
    /// says whether there is anything to keep.
    ///
    /// # Errors
    /// `apply` failed, or a step of the commit; the vault is as it was.
    pub fn renew<T>(
        &self,
        key: &VaultKey,
        moment: Moment<'_>,
        apply: impl FnOnce(&mut Document, &mut Reserve<'_>) -> Result<(T, Keep)>,
    ) -> Result<T> {
        let lock = self.lock(moment)?;
        let mut opened = self.reopen(key)?;
        let mut reserve = Reserve {
            store: self,
            key,
            waited_for: lock.waited_for.clone(),
            ready: None,
        };
        let (made, keep) = apply(&mut opened.document, &mut reserve)?;
        if keep == Keep::Nothing {
            return Ok(made);
        }
        let place = reserve.ready.map_or(Previous::Dropped, Previous::Ready);
        self.write(
            &lock,
            &opened.parts,
            key,
            &mut opened.document,
            moment,
            place,
        )?;
        Ok(made)
    }

    /// Whether a change could be written: what a person would do for nothing
    /// is not begun.
    ///
    /// # Errors
    /// The disk is full, or may not be written.
    pub fn refuse_unwritable(&self, moment: Moment<'_>) -> Result<(), VaultError> {
        if fs::symlink_metadata(&self.path).is_ok() {
            let _lock = self.lock(moment)?;
            return self.make_ready().map(drop);
        }
        // Before a first login its folder may not be there either, and is not
        // made for what may come to nothing.
        let mut folders = self.path.ancestors().skip(1);
        let there = folders.find(|folder| folder.is_dir());
        let name = self.path.file_name();
        let target = there.zip(name).map(|(folder, name)| folder.join(name));
        drop(Room::take(
            target.as_deref().unwrap_or(&self.path),
            LARGEST_GROWTH,
        )?);
        Ok(())
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
            self.refuse_foreign(&earlier.document, &document.vault_id)?;
            document.adopt(earlier.document);
            Ok(())
        })
    }

    /// Somebody else could have made a vault for our public key, and put it
    /// among the earlier files.
    fn refuse_foreign(&self, earlier: &Document, vault_id: &str) -> Result<(), VaultError> {
        if earlier.vault_id == vault_id {
            Ok(())
        } else {
            Err(VaultError::Foreign {
                path: self.path.clone(),
            })
        }
    }

    /// Puts an earlier vault, with its keys, in the place of one that cannot
    /// be opened, which is kept beside the backups.
    ///
    /// # Errors
    /// A step of the commit failed; the file is as it was.
    pub fn restore_whole(&self, moment: Moment<'_>, mut earlier: Opened) -> Result<()> {
        files::make_private_folder(files::folder_of(&self.path))?;
        let lock = self.lock(moment)?;
        if let Ok(Some(seen)) = self.pin.read() {
            self.refuse_foreign(&earlier.document, &seen.vault_id)?;
        }
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
        let seen = self.pin.read().ok().flatten();
        document.generation = self.next_generation(document, seen.as_ref())?;
        document.updated_at = moment.now;
        document.slots_digest = parts.digest();
        let plain = document.render();
        let payload = key.seal(plain.as_bytes())?;
        let text = parts.render(&payload);
        let (folder, staged, previous) = match previous {
            Previous::Ready(Ready { folder, room }) => {
                (folder, room.fill(text.as_bytes())?, Previous::Dropped)
            }
            other => {
                files::sweep_temporary(&self.path);
                let folder = Folder::open(files::folder_of(&self.path))?;
                (folder, Staged::write(&self.path, text.as_bytes())?, other)
            }
        };
        self.read_back(&staged, key, plain.as_bytes())?;
        let pin = Pin {
            vault_id: document.vault_id.clone(),
            fingerprint: key.fingerprint(),
            generation: document.generation,
            payload: digest(payload.as_bytes()),
            next: None,
            audit: None,
        };
        self.announce(seen, &pin)?;
        let kept = match previous {
            Previous::Kept(generation) => {
                Some(backup::keep(&self.backups, &self.path, generation)?)
            }
            Previous::Damaged => backup::keep_damaged(&self.backups, &self.path)?,
            Previous::Dropped | Previous::Ready(_) | Previous::None => None,
        };
        if let Err(error) = staged.rename(&self.path) {
            // The vault did not change, so what was kept is no earlier file.
            if let Some(kept) = kept {
                kept.undo();
            }
            return Err(error.into());
        }
        // From here on the change is made, whatever else fails: a pin that is
        // behind does no harm.
        let synced = folder.sync();
        let _ = self.pin.set(&pin);
        backup::prune(&self.backups, &self.path);
        synced.map_err(|error| VaultError::NotDurable {
            path: self.path.clone(),
            error,
        })
    }

    /// One more than all that was seen of this vault. A generation that leaves
    /// no room for another is not one that we ever wrote.
    fn next_generation(&self, document: &Document, seen: Option<&Pin>) -> Result<u64, VaultError> {
        let highest = document
            .generation
            .max(seen.map_or(0, |seen| seen.generation))
            .max(backup::highest(&self.backups, &self.path));
        if highest >= LAST_GENERATION {
            return Err(damaged(&self.path, "its generation is out of range"));
        }
        Ok(highest + 1)
    }

    /// Before a commit that changes the vault's key: what is remembered here
    /// accepts either key until the change is made. A vault that was never
    /// seen here is not refused under another key either.
    fn announce(&self, seen: Option<Pin>, pin: &Pin) -> Result<(), VaultError> {
        match seen {
            Some(seen) if seen.fingerprint != pin.fingerprint => self.pin.set(&Pin {
                next: Some((pin.fingerprint.clone(), pin.generation)),
                ..seen
            }),
            _ => Ok(()),
        }
    }

    /// Opens what was just written, as the next reader will, while the old
    /// vault is still there. (What is read may come from memory: this checks
    /// our own sealing, and the sync before it the disk.)
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
    /// Dropped too, and the way for what comes in its place is tried.
    Ready(Ready),
    Damaged,
}

/// Whether there is anything to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The document changed.
    Changes,
    /// It did not.
    Nothing,
}

/// The way to the next vault file, tried before it is needed.
pub struct Reserve<'a> {
    store: &'a Store,
    key: &'a VaultKey,
    waited_for: Option<String>,
    ready: Option<Ready>,
}

impl Reserve<'_> {
    /// Whether we waited for a process that ran this command.
    pub fn waited_for(&self, command: &str) -> bool {
        let ours = format!("(vault {command})");
        let other = self.waited_for.as_deref();
        other.is_some_and(|other| other.ends_with(&ours))
    }

    /// What a writer that was killed before its last step would have put in
    /// the vault's place: whole, sealed with the vault's key, and the next
    /// one of this very vault.
    pub fn unfinished(&self, current: &Document) -> Vec<Document> {
        let paths = files::temporary_files(&self.store.path);
        let opened = paths.iter().filter_map(|path| {
            let sealed = self.store.read_from(path).ok()??;
            self.store.open_payload(&sealed, self.key.clone()).ok()
        });
        let is_next = |document: &Document| {
            document.vault_id == current.vault_id && document.generation > current.generation
        };
        opened
            .map(|opened| opened.document)
            .filter(is_next)
            .collect()
    }

    /// Makes sure that the vault can be replaced: takes the room, and puts a
    /// copy of the vault in its own place, as the commit will.
    ///
    /// # Errors
    /// It cannot: the disk is full, or something may not be written.
    pub fn take(&mut self) -> Result<(), VaultError> {
        self.ready = Some(self.store.make_ready()?);
        Ok(())
    }
}

/// What a commit needs, in hand.
pub struct Ready {
    folder: Folder,
    room: Room,
}

impl Store {
    /// With the lock held.
    fn make_ready(&self) -> Result<Ready, VaultError> {
        let path = &self.path;
        files::sweep_temporary(path);
        let folder = Folder::open(files::folder_of(path))?;
        let bytes = fs::read(path).at("read", path)?;
        let room = Room::take(path, bytes.len() + LARGEST_GROWTH)?;
        Staged::write(path, &bytes)?.rename(path)?;
        Ok(Ready { folder, room })
    }
}
