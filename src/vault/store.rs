//! Reading a vault and changing it: the order of steps that keeps it whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::backup::{self, Backup};
use super::layout::{LARGEST, Layout, Parts};
use super::lock::{self, Lock, PATIENCE};
use super::pin::{Pin, PinFile};
use super::{BadDocument, Document, Moment, Roster, SlotKind, Slots, VaultError, damaged, digest};
use crate::error::Result;
use crate::files::{self, FileError, PathContext, Staged};
use crate::seal::{Fingerprint, OpenError, Opener, Prompts, VaultKey};

/// Where one vault and what belongs to it lie.
pub struct Places {
    /// The vault file, perhaps through a symbolic link.
    pub file: PathBuf,
    /// The folder of pins.
    pub state: PathBuf,
    /// The folder of earlier files; beside the vault where it is `None`.
    pub backups: Option<PathBuf>,
}

/// One vault on disk.
pub struct Store {
    path: PathBuf,
    lock: PathBuf,
    backups: PathBuf,
    pin: PinFile,
    expected: Option<Fingerprint>,
}

/// A vault as it was read: whole in form, still sealed.
pub struct Sealed {
    text: String,
    layout: Layout,
    loose_mode: Option<u32>,
}

/// A vault as it was read, and what had been seen of it before.
pub struct Pinned {
    /// The vault.
    pub sealed: Sealed,
    seen: Option<Pin>,
}

/// A vault that is open.
pub struct Opened {
    /// What it holds.
    pub document: Document,
    /// What opened it, and seals it again.
    pub key: VaultKey,
    parts: Parts,
    payload: String,
}

/// A new vault's key, sealed.
pub struct Slotted {
    /// The key.
    pub key: VaultKey,
    /// The slot for a passphrase.
    pub passphrase: Option<String>,
    /// The slot for identities.
    pub recipients: Option<String>,
    /// Who they are.
    pub roster: Roster,
}

/// What became of the earlier files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Purged {
    /// How many are gone.
    pub removed: usize,
    /// How many this key does not open.
    pub unreadable: usize,
}

/// Whether a change is a person's, and worth a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Somebody changed something.
    Ordinary,
    /// A token renewed itself.
    Renewal,
}

impl Store {
    /// The vault at these places. A symbolic link is followed, so that it
    /// stays one. `expected` refuses any other vault.
    ///
    /// # Errors
    /// The link leads in a circle, or a folder cannot be entered.
    pub fn at(places: Places, expected: Option<Fingerprint>) -> Result<Self, VaultError> {
        let path = resolve(&places.file)?;
        let mut lock_name = std::ffi::OsString::from(".");
        lock_name.push(path.file_name().unwrap_or("vault.age".as_ref()));
        lock_name.push(".lock");
        let backups = places
            .backups
            .unwrap_or_else(|| files::folder_of(&path).join("backups"));
        Ok(Self {
            lock: files::folder_of(&path).join(lock_name),
            backups,
            pin: PinFile::new(&places.state, &path),
            path,
            expected,
        })
    }

    /// Where the vault is, with links followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is no vault.
    pub fn read(&self) -> Result<Option<Sealed>, VaultError> {
        self.read_from(&self.path)
    }

    /// Reads what was last seen here, then the file; `None` where there is
    /// none. In this order, a change in between makes the vault newer than
    /// the pin, never older.
    ///
    /// # Errors
    /// One of them cannot be read, or is none.
    pub fn read_pinned(&self) -> Result<Option<Pinned>, VaultError> {
        let seen = self.pin.read()?;
        Ok(self.read()?.map(|sealed| Pinned { sealed, seen }))
    }

    /// Reads the vault and opens it.
    ///
    /// # Errors
    /// It is gone, damaged, or not the vault that it should be.
    pub fn open(&self, key: VaultKey) -> Result<Opened, VaultError> {
        let read = self.read_pinned()?;
        let read = read.ok_or_else(|| damaged(&self.path, "it is gone"))?;
        self.open_pinned(&read, key)
    }

    /// Opens what was read, and remembers having seen it.
    ///
    /// # Errors
    /// It is damaged, or not the vault that it should be.
    pub fn open_pinned(&self, read: &Pinned, key: VaultKey) -> Result<Opened, VaultError> {
        let opened = self.open_unpinned(&read.sealed, key)?;
        let seen = read.seen.as_ref();
        if seen.is_some_and(|seen| opened.was_seen_as(seen)) {
            return Ok(opened);
        }
        let found = opened.pin();
        if let Some(seen) = seen {
            self.compare(&found, seen)?;
        }
        if seen.is_none_or(|seen| seen.generation < found.generation) {
            // A place that cannot be written only makes the next check weaker;
            // `doctor` reports it.
            let _ = self.pin.raise(&found);
        }
        Ok(opened)
    }

    /// Opens what was read, whatever was seen here before.
    ///
    /// # Errors
    /// It is damaged, or not the one asked for by its fingerprint.
    pub fn open_unpinned(&self, sealed: &Sealed, key: VaultKey) -> Result<Opened, VaultError> {
        let path = &self.path;
        if let Some(wanted) = &self.expected {
            let found = key.fingerprint();
            if found != *wanted {
                return Err(VaultError::Unexpected {
                    path: path.clone(),
                    found,
                    wanted: wanted.clone(),
                });
            }
        }
        let payload = sealed.payload();
        let plain = key.open(payload.as_bytes()).map_err(|error| match error {
            OpenError::NoMatch => damaged(path, "its payload was sealed with another key"),
            other => damaged(path, other),
        })?;
        let document = Document::parse(plain).map_err(|bad| match bad {
            BadDocument::Newer(format) => VaultError::Newer {
                path: path.clone(),
                format,
            },
            other => damaged(path, other),
        })?;
        let parts = Parts::of(&sealed.text, &sealed.layout);
        if parts.digest() != document.slots_digest {
            return Err(VaultError::SwappedSlot { path: path.clone() });
        }
        Ok(Opened {
            document,
            key,
            parts,
            payload: digest(payload.as_bytes()),
        })
    }

    fn compare(&self, found: &Pin, seen: &Pin) -> Result<(), VaultError> {
        let path = self.path.clone();
        if found.fingerprint != seen.fingerprint {
            return Err(VaultError::Swapped {
                path,
                found: found.fingerprint.clone(),
                seen: seen.fingerprint.clone(),
            });
        }
        if found.generation < seen.generation {
            return Err(VaultError::RolledBack {
                path,
                found: found.generation,
                seen: seen.generation,
            });
        }
        if found.generation == seen.generation && found.payload != seen.payload {
            return Err(VaultError::Forked {
                path,
                generation: found.generation,
            });
        }
        Ok(())
    }

    /// What was last seen here.
    ///
    /// # Errors
    /// The pin is damaged or cannot be read.
    pub fn pin(&self) -> Result<Option<Pin>, VaultError> {
        self.pin.read()
    }

    /// Takes this vault as the new truth.
    ///
    /// # Errors
    /// The pin cannot be written.
    pub fn accept(&self, opened: &Opened) -> Result<(), VaultError> {
        Ok(self.pin.set(&opened.pin())?)
    }

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

    /// The earlier files, newest first.
    ///
    /// # Errors
    /// Their folder cannot be read.
    pub fn backups(&self) -> Result<Vec<Backup>, VaultError> {
        Ok(backup::list(&self.backups, &self.path)?)
    }

    /// Reads the earlier file of that number.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn read_backup(&self, number: &str) -> Result<Sealed, VaultError> {
        let none = || VaultError::NoBackup {
            path: self.path.clone(),
            number: number.to_owned(),
        };
        let backup = self
            .backups()?
            .into_iter()
            .find(|backup| backup.number() == number)
            .ok_or_else(none)?;
        self.read_from(&backup.path)?.ok_or_else(none)
    }

    /// Removes all earlier files of this vault and tells how many there were.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn purge_backups(&self) -> Result<usize, VaultError> {
        Ok(backup::purge(&self.backups, &self.path)?)
    }

    /// Removes the earlier files whose content `holds` what is to go.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn purge_backups_where(
        &self,
        key: &VaultKey,
        holds: impl Fn(&Document) -> bool,
    ) -> Result<Purged, VaultError> {
        let mut purged = Purged::default();
        for backup in self.backups()? {
            let sealed = self.read_from(&backup.path).ok().flatten();
            let opened = sealed.and_then(|sealed| self.open_unpinned(&sealed, key.clone()).ok());
            match opened {
                Some(opened) if holds(&opened.document) => {
                    fs::remove_file(&backup.path).at("remove", &backup.path)?;
                    purged.removed += 1;
                }
                Some(_) => {}
                None => purged.unreadable += 1,
            }
        }
        Ok(purged)
    }

    /// Who holds the vault's lock now, if anybody.
    ///
    /// # Errors
    /// The lock cannot be looked at.
    pub fn lock_holder(&self) -> Result<Option<String>, VaultError> {
        let held = lock::is_held(&self.lock).at("look at the lock", &self.lock)?;
        Ok(held.then(|| lock::holder(&self.lock)))
    }

    /// That something in the document cannot be read.
    pub fn damaged(&self, bad: BadDocument) -> crate::error::Error {
        damaged(&self.path, bad).into()
    }

    /// The folder of earlier files.
    pub fn backups_folder(&self) -> &Path {
        &self.backups
    }

    fn lock(&self, moment: Moment<'_>) -> Result<Lock, VaultError> {
        Lock::acquire(&self.lock, &self.path, moment.command, PATIENCE)
    }

    fn read_from(&self, path: &Path) -> Result<Option<Sealed>, VaultError> {
        let Some(mut file) = files::read_private(path, LARGEST).map_err(|error| {
            if error.io_kind() == io::ErrorKind::FileTooLarge {
                damaged(path, format!("it is larger than {LARGEST} bytes"))
            } else {
                error.into()
            }
        })?
        else {
            return Ok(None);
        };
        let loose_mode = file.loose_mode();
        // Taken out of the buffer that would be wiped: it is all sealed.
        let mut sealed = Sealed::parse(std::mem::take(&mut *file.bytes))
            .map_err(|reason| damaged(path, reason))?;
        sealed.loose_mode = loose_mode;
        Ok(Some(sealed))
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

impl Sealed {
    /// Reads the form of a vault file.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, &'static str> {
        let text = String::from_utf8(bytes).map_err(|_| "it is not text")?;
        let layout = Layout::of(&text)?;
        Ok(Self {
            text,
            layout,
            loose_mode: None,
        })
    }

    /// Which slots there are.
    pub fn slots(&self) -> Slots {
        self.layout.slots()
    }

    /// The mode, where others than the owner may read the file.
    pub fn loose_mode(&self) -> Option<u32> {
        self.loose_mode
    }

    /// Tries to open a slot. `None` where there is no such slot.
    ///
    /// # Errors
    /// It does not open.
    pub fn try_slot(
        &self,
        opener: &Opener<'_>,
        max_work_factor: u8,
        prompts: &Prompts,
    ) -> Option<Result<VaultKey, OpenError>> {
        let part = match opener {
            Opener::Passphrase(_) => self.layout.passphrase.clone(),
            Opener::Identities(_) => self.layout.recipients.clone(),
        };
        let armored = &self.text.as_bytes()[part?];
        Some(crate::seal::open_slot(
            armored,
            opener,
            max_work_factor,
            prompts,
        ))
    }

    /// Whether this key opens the payload: a session's may be out of date.
    pub fn fits(&self, key: &VaultKey) -> bool {
        key.fits(self.payload().as_bytes())
    }

    fn payload(&self) -> &str {
        &self.text[self.layout.payload.clone()]
    }
}

impl Opened {
    /// Whether this is the very payload that was seen last. Whatever else a
    /// pin could tell is then the same too, and need not be worked out.
    fn was_seen_as(&self, seen: &Pin) -> bool {
        self.document.generation == seen.generation && self.payload == seen.payload
    }

    /// What the pin is to remember of it.
    pub fn pin(&self) -> Pin {
        Pin {
            fingerprint: self.key.fingerprint(),
            generation: self.document.generation,
            payload: self.payload.clone(),
        }
    }

    /// A slot as it is, to be written again.
    pub fn slot(&self, kind: SlotKind) -> Option<&String> {
        match kind {
            SlotKind::Passphrase => self.parts.passphrase.as_ref(),
            SlotKind::Recipients => self.parts.recipients.as_ref(),
        }
    }
}

/// Follows symbolic links, also to a file that is not there yet.
fn resolve(path: &Path) -> Result<PathBuf, VaultError> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = files::folder_of(&path).join(target),
            Err(_) => {
                let folder = files::folder_of(&path);
                let folder = fs::canonicalize(folder)
                    .or_else(|_| std::path::absolute(folder))
                    .at("find", folder)?;
                return Ok(match path.file_name() {
                    Some(name) => folder.join(name),
                    None => folder,
                });
            }
        }
    }
    let circle = io::Error::other("its links lead in a circle");
    Err(FileError::from_io("follow", &path, circle).into())
}
