//! Where a vault's key comes from: flags, environment, systemd credentials,
//! the session, the identity file, a prompt. First hit wins.
//!
//! Nothing here knows the vault file: it is a [`Door`] that says which locks
//! it has and whether a key turns. Nothing here prints: notices and prompts
//! go through [`Ask`].

pub mod session;
mod source;

use std::path::PathBuf;

use crate::error::{Error, Kind};
use crate::files::FileError;
use crate::seal::{BadIdentity, IdentityFile, OpenError, VaultKey};
use crate::secret::Secret;

pub use source::{IdentitySource, PassphraseSource, load_identity, load_passphrase};

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
    identities: Vec<IdentitySource>,
    passphrase: Option<PassphraseSource>,
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
            identities,
            passphrase,
        })
    }

    /// Its identities alone.
    pub fn into_identities(self) -> Vec<IdentitySource> {
        self.identities
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.passphrase.is_none()
    }
}

/// Every source there is, highest rank first.
pub struct Sources {
    /// Flags, environment, systemd credentials.
    pub ranks: Vec<Rank>,
    /// The socket of the session.
    pub session: Option<PathBuf>,
    /// The identity file at its usual place.
    pub identity_file: PathBuf,
    /// What a passphrase may cost: log2 N.
    pub max_work_factor: u8,
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
pub const ACCEPTED_SOURCES: &str = "Give one of: --identity PATH, --passphrase-file PATH, \
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
            let rank = Rank {
                identities: vec![IdentitySource::Path(self.identity_file.clone())],
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
        let mut passphrase = Passphrase::of(rank);
        for source in &rank.identities {
            if !door.takes_identities() {
                ask.notice(&format!(
                    "{source} is skipped: the vault has no slot for identities."
                ));
                continue;
            }
            let file = load_identity(source, ask)?;
            let Some(file) = self.unlocked_identity(file, &mut passphrase, door, ask)? else {
                continue;
            };
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
            if !passphrase.was_used {
                ask.notice(&format!(
                    "{source} is skipped: the vault has no passphrase slot."
                ));
            }
            return Ok(None);
        }
        match door.try_passphrase(passphrase.text(ask)?) {
            Ok(key) => Ok(Some(Unlocked {
                key,
                source: source.to_string(),
            })),
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
        passphrase: &mut Passphrase<'_>,
        door: &dyn Door,
        ask: &dyn Ask,
    ) -> Result<Option<IdentityFile>, Error> {
        if !file.needs_passphrase() {
            return Ok(Some(file));
        }
        let origin = file.origin().to_owned();
        let typed;
        let (words, from_rank) = if passphrase.source.is_some() {
            (passphrase.text(ask)?, true)
        } else {
            let prompt = format!("Passphrase of the identity {origin}: ");
            let Some(words) = ask.passphrase(&prompt)? else {
                ask.notice(&format!(
                    "{origin} is skipped: it needs a passphrase, and nobody can be asked."
                ));
                return Ok(None);
            };
            typed = words;
            (&typed, false)
        };
        match file.unlock(words, self.max_work_factor) {
            Ok(file) => {
                passphrase.was_used |= from_rank;
                Ok(Some(file))
            }
            // The rank's passphrase may be meant for the vault itself.
            Err(OpenError::WrongPassphrase) if from_rank && door.takes_passphrase() => Ok(None),
            Err(OpenError::WrongPassphrase) => {
                Err(UnlockError::WrongIdentityPassphrase(origin).into())
            }
            Err(error) => Err(UnlockError::BrokenIdentity(origin, error).into()),
        }
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
        let Some(words) = ask.passphrase("Passphrase of the vault: ")? else {
            return Err(UnlockError::Locked(
                "no key was given, and there is no terminal to ask at",
            )
            .into());
        };
        match door.try_passphrase(&words) {
            Ok(key) => Ok(Unlocked {
                key,
                source: "the prompt".to_owned(),
            }),
            Err(OpenError::WrongPassphrase) => {
                Err(UnlockError::WrongPassphrase("the prompt".to_owned()).into())
            }
            Err(error) => Err(door.broken(error)),
        }
    }

    /// The passphrase of the first rank that has one, for what needs it
    /// beside an identity.
    ///
    /// # Errors
    /// The source cannot be read.
    pub fn passphrase(&self, ask: &dyn Ask) -> Result<Option<Secret>, Error> {
        self.ranks
            .iter()
            .find_map(|rank| rank.passphrase.as_ref())
            .map(|source| load_passphrase(source, ask).map_err(Error::from))
            .transpose()
    }

    /// The identities of the first rank that has any.
    pub fn identities(&self) -> Option<&[IdentitySource]> {
        self.ranks
            .iter()
            .map(|rank| rank.identities.as_slice())
            .find(|identities| !identities.is_empty())
    }

    /// Whether anything was given at all, by flag, environment or credential.
    pub fn has_passphrase(&self) -> bool {
        self.ranks.iter().any(|rank| rank.passphrase.is_some())
    }
}

/// A rank's passphrase, read once and only when it is needed.
struct Passphrase<'a> {
    source: Option<&'a PassphraseSource>,
    text: Option<Secret>,
    was_used: bool,
}

impl<'a> Passphrase<'a> {
    fn of(rank: &'a Rank) -> Self {
        Self {
            source: rank.passphrase.as_ref(),
            text: None,
            was_used: false,
        }
    }

    fn text(&mut self, ask: &dyn Ask) -> Result<&Secret, UnlockError> {
        let text = match (self.text.take(), self.source) {
            (Some(text), _) => text,
            (None, Some(source)) => load_passphrase(source, ask)?,
            (None, None) => return Err(UnlockError::Locked("no passphrase was given")),
        };
        Ok(self.text.insert(text))
    }
}

#[cfg(test)]
mod tests;
