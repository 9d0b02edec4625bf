//! Where a vault's key comes from: flags, environment, systemd credentials,
//! the session, the identity file, a prompt. First hit wins.
//!
//! Nothing here knows the vault file: it is a [`Door`] that says which locks
//! it has and whether a key turns. Nothing here prints: notices and prompts
//! go through [`Ask`].

pub mod session;
mod source;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Kind};
use crate::files::FileError;
use crate::seal::{BadIdentity, IdentityFile, OpenError, VaultKey};
use crate::secret::Secret;

pub use source::{
    GivenIdentity, GivenPassphrase, IdentitySource, PassphraseSource, load_passphrase,
};

/// Something locked.
pub trait Door {
    /// Whether a passphrase can open it.
    fn takes_passphrase(&self) -> bool;
    /// Whether identities can open it.
    fn takes_identities(&self) -> bool;
    /// Tries a passphrase.
    ///
    /// # Errors
    /// It does not open.
    fn try_passphrase(&self, passphrase: &Secret) -> Result<VaultKey, OpenError>;
    /// Tries identities.
    ///
    /// # Errors
    /// It does not open.
    fn try_identities(&self, identities: &IdentityFile) -> Result<VaultKey, OpenError>;
    /// Whether a key that was kept since earlier still fits.
    fn fits(&self, key: &VaultKey) -> bool;
    /// Says that the door itself is broken.
    fn broken(&self, error: OpenError) -> Error;
}

/// How to reach a person, if there is one.
pub trait Ask {
    /// Asks for a passphrase; `None` where nobody can be asked.
    ///
    /// # Errors
    /// The person broke off, or the terminal failed.
    fn passphrase(&self, prompt: &str) -> Result<Option<Secret>, Error>;
    /// Tells something that is no error.
    fn notice(&self, message: &str);
}

/// The sources of one rank.
#[derive(Default)]
pub struct Rank {
    identities: Vec<GivenIdentity>,
    passphrase: Option<GivenPassphrase>,
}

impl Rank {
    /// Identities, and at most one source of a passphrase: which of two would
    /// count is nothing that a person should have to guess.
    ///
    /// # Errors
    /// There are two passphrase sources.
    pub fn new(
        identities: Vec<IdentitySource>,
        passphrases: Vec<PassphraseSource>,
    ) -> Result<Self, UnlockError> {
        let mut passphrases = passphrases.into_iter();
        let passphrase = passphrases.next();
        if let (Some(first), Some(second)) = (&passphrase, passphrases.next()) {
            return Err(UnlockError::TwoPassphrases(
                first.to_string(),
                second.to_string(),
            ));
        }
        Ok(Self {
            identities: identities.into_iter().map(Into::into).collect(),
            passphrase: passphrase.map(Into::into),
        })
    }

    /// Its identities alone.
    pub fn into_identities(self) -> Vec<GivenIdentity> {
        self.identities
    }
}

/// Every source there is, highest rank first. There is one of it for a run:
/// it keeps what was read and typed, so that no pipe is read, no command run
/// and no person asked a second time.
pub struct Sources {
    /// Flags, environment, systemd credentials.
    pub ranks: Vec<Rank>,
    /// The socket of the session.
    pub session: Option<PathBuf>,
    /// The identity file at its usual place.
    pub identity_file: PathBuf,
    /// What a passphrase may cost: log2 N.
    pub max_work_factor: u8,
    /// What was learned so far.
    pub known: Known,
}

/// The passphrases that were used in this run.
#[derive(Default)]
pub struct Known {
    /// The one that opened the vault.
    used: RefCell<Option<Arc<Secret>>>,
    /// Those that a person typed, for the vault or for the identity named.
    typed: RefCell<Vec<(Option<String>, Arc<Secret>)>>,
}

impl Known {
    fn typed_for(&self, what: Option<&str>) -> Vec<Arc<Secret>> {
        let typed = self.typed.borrow();
        let fitting = typed.iter().filter(|(of, _)| of.as_deref() == what);
        fitting.map(|(_, words)| Arc::clone(words)).collect()
    }

    fn remember_typed(&self, what: Option<&str>, words: &Arc<Secret>) {
        let entry = (what.map(str::to_owned), Arc::clone(words));
        self.typed.borrow_mut().push(entry);
    }
}

/// Why a door stays closed.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// Nothing was given, or nothing that fits.
    #[error("The vault is locked: {0}")]
    Locked(&'static str),
    /// The passphrase is not the one.
    #[error("The passphrase from {0} is wrong")]
    WrongPassphrase(String),
    /// The passphrase does not open the identity.
    #[error("The passphrase does not open the identity {0}")]
    WrongIdentityPassphrase(String),
    /// Two sources of one rank.
    #[error("Two sources for one passphrase: {0} and {1}")]
    TwoPassphrases(String, String),
    /// An identity file that was named is not there.
    #[error("There is no identity file {}", .0.display())]
    NoIdentityFile(PathBuf),
    /// A passphrase file that was named is not there.
    #[error("There is no passphrase file {}", .0.display())]
    NoPassphraseFile(PathBuf),
    /// The command for the passphrase failed.
    #[error("The passphrase command failed: {0}")]
    Command(String),
    /// A descriptor that cannot be read.
    #[error("The passphrase cannot be read from descriptor {0}: {1}")]
    Descriptor(u32, std::io::Error),
    /// It is empty.
    #[error("The passphrase from {0} is empty")]
    Empty(String),
    /// It is no text.
    #[error("The passphrase from {0} is not UTF-8 text")]
    NotText(String),
    /// An identity that cannot be used.
    #[error(transparent)]
    Identity(#[from] BadIdentity),
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// An identity file whose protection is not to be trusted.
    #[error("The identity {0} cannot be opened: {1}")]
    BrokenIdentity(String, OpenError),
}

/// Every way to give a key, for those who gave none.
pub const ACCEPTED_SOURCES: &str = "At a terminal: vault unlock; elsewhere give one of: --identity PATH, --passphrase-file PATH, \
     --passphrase-fd N; VAULT_IDENTITY, VAULT_PASSPHRASE, VAULT_PASSPHRASE_FILE, \
     VAULT_PASSPHRASE_FD, VAULT_PASSPHRASE_COMMAND; $CREDENTIALS_DIRECTORY/vault.identity or \
     vault.passphrase; a session (vault unlock); identity.txt in the config folder (see: vault \
     doctor); or a terminal to type at.";

impl From<UnlockError> for Error {
    fn from(error: UnlockError) -> Self {
        let message = crate::text::printable(&error.to_string()).into_owned();
        let (kind, hint) = match error {
            UnlockError::Identity(bad) => return bad.into(),
            UnlockError::File(error) => return error.into(),
            UnlockError::Locked(_) => (Kind::Locked, ACCEPTED_SOURCES),
            UnlockError::WrongPassphrase(_) | UnlockError::WrongIdentityPassphrase(_) => (
                Kind::Locked,
                "Try again; to see who can open the vault, unlock it and run: vault recipients",
            ),
            UnlockError::TwoPassphrases(..) => {
                (Kind::Usage, "Keep one of them and unset the other.")
            }
            UnlockError::NoIdentityFile(_) => (
                Kind::Locked,
                "Check --identity and VAULT_IDENTITY; make an identity with: age-keygen -o identity.txt",
            ),
            UnlockError::NoPassphraseFile(_) => (
                Kind::Locked,
                "Check --passphrase-file, --new-passphrase-file and VAULT_PASSPHRASE_FILE.",
            ),
            UnlockError::Command(_) => (
                Kind::Locked,
                "Try it by hand: sh -c \"$VAULT_PASSPHRASE_COMMAND\"",
            ),
            UnlockError::Descriptor(..) => (
                Kind::Locked,
                "Open it for reading: vault --passphrase-fd 3 list 3< passphrase.txt",
            ),
            UnlockError::Empty(_) => (Kind::Locked, "Put the passphrase there, or unset it."),
            UnlockError::NotText(_) => (Kind::Locked, "Write it there anew, as UTF-8 text."),
            UnlockError::BrokenIdentity(_, OpenError::TooMuchWork { .. }) => (
                Kind::Locked,
                "If you trust the file, allow it: --max-work-factor N",
            ),
            UnlockError::BrokenIdentity(..) => (
                Kind::Locked,
                "Restore the file from where it came, or give another one: --identity PATH",
            ),
        };
        Self::new(kind, message).with_hint(hint)
    }
}

/// What opened the door, for `doctor` and `unlock`.
pub struct Unlocked {
    /// The vault's key.
    pub key: VaultKey,
    /// Which source it came from.
    pub source: String,
}

impl Sources {
    /// Opens the door with the first source that fits.
    ///
    /// # Errors
    /// None fits, a passphrase is wrong, or a source cannot be read.
    pub fn open(&self, door: &dyn Door, ask: &dyn Ask) -> Result<Unlocked, Error> {
        for rank in &self.ranks {
            if let Some(unlocked) = self.try_rank(rank, door, ask)? {
                return Ok(unlocked);
            }
        }
        if let Some(unlocked) = self.try_session(door) {
            return Ok(unlocked);
        }
        if self.identity_file.exists() {
            let own = IdentitySource::Path(self.identity_file.clone());
            let rank = Rank {
                identities: vec![own.into()],
                passphrase: None,
            };
            if let Some(unlocked) = self.try_rank(&rank, door, ask)? {
                return Ok(unlocked);
            }
        }
        self.try_prompt(door, ask)
    }

    fn try_rank(
        &self,
        rank: &Rank,
        door: &dyn Door,
        ask: &dyn Ask,
    ) -> Result<Option<Unlocked>, Error> {
        let mut opened_identity = false;
        for source in &rank.identities {
            if !door.takes_identities() {
                ask.notice(&format!(
                    "{source} is skipped: the vault has no slot for identities."
                ));
                continue;
            }
            let file = source.load(ask)?;
            let given = rank.passphrase.as_ref();
            let Some(file) = self.unlocked_identity(file, given, door, ask)? else {
                continue;
            };
            opened_identity |= file.was_locked;
            let file = file.identities;
            match door.try_identities(&file) {
                Ok(key) => {
                    let source = source.to_string();
                    return Ok(Some(Unlocked { key, source }));
                }
                Err(OpenError::NoMatch) => {
                    ask.notice(&format!(
                        "{source} is skipped: it is not among the vault's recipients."
                    ));
                }
                Err(OpenError::Plugin(message)) => {
                    ask.notice(&format!("{source} is skipped: {message}"));
                }
                Err(error) => return Err(door.broken(error)),
            }
        }
        let Some(source) = &rank.passphrase else {
            return Ok(None);
        };
        if !door.takes_passphrase() {
            if !opened_identity {
                ask.notice(&format!(
                    "{source} is skipped: the vault has no passphrase slot."
                ));
            }
            return Ok(None);
        }
        let words = source.text(ask)?;
        match door.try_passphrase(words) {
            Ok(key) => {
                self.known.used.replace(Some(Arc::new(words.duplicate())));
                let source = source.to_string();
                Ok(Some(Unlocked { key, source }))
            }
            Err(OpenError::WrongPassphrase) => {
                Err(UnlockError::WrongPassphrase(source.to_string()).into())
            }
            Err(error) => Err(door.broken(error)),
        }
    }

    /// The identity, with its own passphrase taken off: the rank's, or one
    /// that a person types. `None` where the next source is to be tried.
    fn unlocked_identity(
        &self,
        file: IdentityFile,
        given: Option<&GivenPassphrase>,
        door: &dyn Door,
        ask: &dyn Ask,
    ) -> Result<Option<UnlockedIdentity>, Error> {
        if !file.needs_passphrase() {
            return Ok(Some(UnlockedIdentity {
                identities: file,
                was_locked: false,
            }));
        }
        let origin = file.origin().to_owned();
        let typed;
        let words = if let Some(given) = given {
            given.text(ask)?
        } else {
            let Some(words) = self.identity_passphrase(&origin, ask)? else {
                ask.notice(&format!(
                    "{origin} is skipped: it needs a passphrase, and nobody can be asked."
                ));
                return Ok(None);
            };
            typed = words;
            &typed
        };
        match file.unlock(words, self.max_work_factor) {
            Ok(file) => Ok(Some(UnlockedIdentity {
                identities: file,
                was_locked: given.is_some(),
            })),
            // The rank's passphrase may be meant for the vault itself.
            Err(OpenError::WrongPassphrase) if given.is_some() && door.takes_passphrase() => {
                Ok(None)
            }
            Err(OpenError::WrongPassphrase) => {
                Err(UnlockError::WrongIdentityPassphrase(origin).into())
            }
            Err(error) => Err(UnlockError::BrokenIdentity(origin, error).into()),
        }
    }

    /// Asks for the passphrase of the identity that is called `origin`, once;
    /// `None` where nobody can be asked.
    ///
    /// # Errors
    /// The person broke off, or the terminal failed.
    pub fn identity_passphrase(
        &self,
        origin: &str,
        ask: &dyn Ask,
    ) -> Result<Option<Secret>, Error> {
        if let Some(known) = self.known.typed_for(Some(origin)).pop() {
            return Ok(Some(known.duplicate()));
        }
        let typed = ask.passphrase(&format!("Passphrase of the identity {origin}: "))?;
        Ok(typed.map(|typed| {
            let typed = Arc::new(typed);
            self.known.remember_typed(Some(origin), &typed);
            typed.duplicate()
        }))
    }

    /// Keeps a passphrase that a person chose for the vault: if another vault
    /// is there by now, it may be that one's.
    pub fn remember_chosen(&self, words: &Secret) {
        self.known
            .remember_typed(None, &Arc::new(words.duplicate()));
    }

    fn try_session(&self, door: &dyn Door) -> Option<Unlocked> {
        let socket = self.session.as_ref()?;
        // One whose key does not fit ends by itself when it is the vault's key
        // that changed; an earlier vault file has another key by right.
        let key = session::key(socket).filter(|key| door.fits(key))?;
        let source = "the session".to_owned();
        Some(Unlocked { key, source })
    }

    fn try_prompt(&self, door: &dyn Door, ask: &dyn Ask) -> Result<Unlocked, Error> {
        if !door.takes_passphrase() {
            return Err(UnlockError::Locked("no identity was given that opens it").into());
        }
        // What was typed for one file of this run may fit another: a backup
        // and the vault often have the same passphrase.
        for words in self.known.typed_for(None) {
            if let Some(unlocked) = self.try_typed(&words, door)? {
                return Ok(unlocked);
            }
        }
        let Some(words) = ask.passphrase("Passphrase of the vault: ")? else {
            return Err(UnlockError::Locked(
                "no key was given, and there is no terminal to ask at",
            )
            .into());
        };
        let words = Arc::new(words);
        let unlocked = self.try_typed(&words, door)?;
        let unlocked =
            unlocked.ok_or_else(|| UnlockError::WrongPassphrase("the prompt".to_owned()))?;
        self.known.remember_typed(None, &words);
        Ok(unlocked)
    }

    fn try_typed(&self, words: &Arc<Secret>, door: &dyn Door) -> Result<Option<Unlocked>, Error> {
        match door.try_passphrase(words) {
            Ok(key) => {
                self.known.used.replace(Some(Arc::clone(words)));
                let source = "the prompt".to_owned();
                Ok(Some(Unlocked { key, source }))
            }
            Err(OpenError::WrongPassphrase) => Ok(None),
            Err(error) => Err(door.broken(error)),
        }
    }

    /// The passphrase that opened the vault, else that of the first rank that
    /// has one, for what needs it beside an identity.
    ///
    /// # Errors
    /// The source cannot be read.
    pub fn passphrase(&self, ask: &dyn Ask) -> Result<Option<Secret>, Error> {
        if let Some(used) = &*self.known.used.borrow() {
            return Ok(Some(used.duplicate()));
        }
        let given = self.ranks.iter().find_map(|rank| rank.passphrase.as_ref());
        Ok(given
            .map(|given| given.text(ask))
            .transpose()?
            .map(Secret::duplicate))
    }

    /// The identities of the first rank that has any.
    pub fn identities(&self) -> Option<&[GivenIdentity]> {
        self.ranks
            .iter()
            .map(|rank| rank.identities.as_slice())
            .find(|identities| !identities.is_empty())
    }

    /// The files that were named as identities or passphrases, each with what
    /// it is.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.ranks.iter().flat_map(|rank| {
            let identities = rank.identities.iter().filter_map(GivenIdentity::path);
            let passphrase = rank.passphrase.as_ref().and_then(GivenPassphrase::path);
            identities
                .map(|path| ("identity", path))
                .chain(passphrase.map(|path| ("passphrase", path)))
        })
    }
}

/// Identities that are ready for use.
struct UnlockedIdentity {
    identities: IdentityFile,
    /// Whether the rank's passphrase was needed for them.
    was_locked: bool,
}

#[cfg(test)]
mod tests;
