//! A vault file in its states: read and still sealed, open, or about to be
//! made.

use std::path::{Path, PathBuf};

use super::layout::{Layout, Parts};
use super::pin::Pin;
use super::{Document, Roster, SlotKind, Slots};
use crate::seal::{OpenError, Opener, Prompts, VaultKey};

/// A vault as it was read: whole in form, still sealed.
pub struct Sealed {
    /// Where it was read, for messages.
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) layout: Layout,
    pub(super) loose_mode: Option<u32>,
}

/// A vault as it was read, and what had been seen of it before.
pub struct Pinned {
    /// The vault.
    pub sealed: Sealed,
    pub(super) seen: Option<Pin>,
}

/// A vault that is open.
pub struct Opened {
    /// What it holds.
    pub document: Document,
    /// What opened it, and seals it again.
    pub key: VaultKey,
    pub(super) parts: Parts,
    pub(super) payload: String,
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

impl Sealed {
    /// Reads the form of a vault file.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, &'static str> {
        let text = String::from_utf8(bytes).map_err(|_| "it is not text")?;
        let layout = Layout::of(&text)?;
        Ok(Self {
            path: PathBuf::new(),
            text,
            layout,
            loose_mode: None,
        })
    }

    /// Which slots there are.
    pub fn slots(&self) -> Slots {
        self.layout.slots()
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
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

    pub(super) fn payload(&self) -> &str {
        &self.text[self.layout.payload.clone()]
    }
}

impl Pinned {
    /// What is remembered of the audit log.
    pub fn audit_mark(&self) -> Option<&str> {
        self.seen.as_ref()?.audit.as_deref()
    }
}

impl Opened {
    /// Whether this is the very payload that was seen last. Whatever else a
    /// pin could tell is then the same too, and need not be worked out.
    pub(super) fn was_seen_as(&self, seen: &Pin) -> bool {
        self.document.generation == seen.generation && self.payload == seen.payload
    }

    /// What the pin is to remember of it.
    pub fn pin(&self) -> Pin {
        Pin {
            vault_id: self.document.vault_id.clone(),
            fingerprint: self.key.fingerprint(),
            generation: self.document.generation,
            payload: self.payload.clone(),
            next: None,
            audit: None,
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
