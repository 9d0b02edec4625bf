//! What a command works with: places, sources, the open vault.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::audited::Seen;
use super::environment::Environment;
use super::global::Global;
use super::output::Output;
use super::places::Places;
use super::terminal::Terminal;
use crate::error::{Error, Kind, Result};
use crate::process::Inherited;
use crate::provider::Catalog;
use crate::seal::{
    Fingerprint, IdentityFile, MAX_WORK_FACTOR, OpenError, Opener, Prompts, VaultKey,
};
use crate::secret::Secret;
use crate::unlock::{Door, IdentitySource, Known, PassphraseSource, Rank, Sources, Unlocked};
use crate::vault::{self, Document, Moment, Opened, Sealed, Store, VaultError};

/// Everything that a run of the program knows from outside.
pub struct Context {
    /// The arguments of every command.
    pub global: Global,
    /// The environment.
    pub environment: Environment,
    /// How to print.
    pub output: Output,
    /// Whom to ask.
    pub terminal: Terminal,
    /// The limits that we were started with.
    pub inherited: Inherited,
    /// The time of this run.
    pub now: Timestamp,
    sources: OnceCell<Sources>,
    pub(super) seen_log: OnceCell<Seen>,
}

impl Context {
    /// Gathers it.
    pub fn new(
        global: Global,
        environment: Environment,
        output: Output,
        inherited: Inherited,
    ) -> Self {
        let no_input = global.no_input || environment.no_input;
        Self {
            terminal: Terminal::new(output, no_input),
            global,
            environment,
            output,
            inherited,
            now: whole_second(Timestamp::now()),
            sources: OnceCell::new(),
            seen_log: OnceCell::new(),
        }
    }

    /// Whether nobody is to be asked anything.
    pub fn is_silent(&self) -> bool {
        self.global.no_input || self.environment.no_input
    }

    /// Where things lie.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn places(&self) -> Result<Places> {
        Places::find(&self.environment, self.global.file.as_deref())
    }

    /// The vault on disk, whether or not it is there.
    ///
    /// # Errors
    /// There is no home folder, or the fingerprint asked for is none.
    pub fn store(&self) -> Result<Store> {
        let places = self.places()?;
        let on_disk = vault::Places {
            file: places.file,
            state: places.state,
            backups: places.backups,
        };
        Ok(Store::at(on_disk, self.expected_fingerprint()?)?)
    }

    fn expected_fingerprint(&self) -> Result<Option<Fingerprint>> {
        let given = match (
            &self.global.vault_fingerprint,
            &self.environment.fingerprint,
        ) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => text.to_string_lossy().into_owned(),
            (None, None) => return Ok(None),
        };
        given
            .parse()
            .map(Some)
            .map_err(|bad: crate::seal::BadFingerprint| {
                Error::new(Kind::Usage, bad.to_string())
                    .with_hint("The vault's own is in the output of: vault recipients")
            })
    }

    /// Every source of a key, in order, and what was learned from them: the
    /// same ones for the whole run.
    ///
    /// # Errors
    /// Two passphrase sources of one rank, or a descriptor that is no number.
    pub fn sources(&self) -> Result<&Sources> {
        if let Some(sources) = self.sources.get() {
            return Ok(sources);
        }
        let places = self.places()?;
        let sources = Sources {
            ranks: vec![self.flags()?, self.variables()?, self.credentials()?],
            session: Some(places.session_socket(self.store()?.path())),
            identity_file: places.identity,
            max_work_factor: self.max_work_factor(),
            known: Known::default(),
        };
        Ok(self.sources.get_or_init(|| sources))
    }

    /// What opening may cost: log2 N.
    pub fn max_work_factor(&self) -> u8 {
        self.global.max_work_factor.unwrap_or(MAX_WORK_FACTOR)
    }

    fn flags(&self) -> Result<Rank> {
        let is_key = |path: &PathBuf| {
            let text = path.to_string_lossy();
            IdentityFile::looks_like_identities(&text)
        };
        if self.global.identity.iter().any(is_key) {
            // Not repeated: it is the private half.
            let message = "--identity takes the path of a file, and was given a private key";
            return Err(Error::new(Kind::Usage, message).with_hint(
                "Others can see the command line. Put a new key into a file, or its text into \
                 VAULT_IDENTITY",
            ));
        }
        let identities = self
            .global
            .identity
            .iter()
            .cloned()
            .map(IdentitySource::Path);
        let mut passphrases = Vec::new();
        passphrases.extend(
            self.global
                .passphrase_file
                .clone()
                .map(PassphraseSource::File),
        );
        passphrases.extend(self.global.passphrase_fd.map(PassphraseSource::Descriptor));
        Ok(Rank::new(identities.collect(), passphrases)?)
    }

    fn variables(&self) -> Result<Rank> {
        let environment = &self.environment;
        let identity = environment
            .identity
            .as_ref()
            .map(|value| match value.to_str() {
                Some(text) if IdentityFile::looks_like_identities(text) => {
                    IdentitySource::Text("VAULT_IDENTITY", Secret::from(text.to_owned()))
                }
                _ => IdentitySource::Path(PathBuf::from(value)),
            });
        let mut passphrases = Vec::new();
        if let Some(value) = &environment.passphrase {
            passphrases.push(PassphraseSource::Text(
                "VAULT_PASSPHRASE",
                secret_text(value, "VAULT_PASSPHRASE")?,
            ));
        }
        passphrases.extend(
            environment
                .passphrase_file
                .clone()
                .map(PassphraseSource::File),
        );
        if let Some(value) = &environment.passphrase_fd {
            let number = value
                .to_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| {
                    Error::new(
                        Kind::Usage,
                        "VAULT_PASSPHRASE_FD is not the number of a descriptor",
                    )
                    .with_hint("For example: VAULT_PASSPHRASE_FD=3 vault list 3< passphrase.txt")
                })?;
            passphrases.push(PassphraseSource::Descriptor(number));
        }
        if let Some(value) = &environment.passphrase_command {
            passphrases.push(PassphraseSource::Command(
                value.to_string_lossy().into_owned(),
            ));
        }
        Ok(Rank::new(identity.into_iter().collect(), passphrases)?)
    }

    /// The descriptors that a passphrase was given at.
    pub fn passphrase_descriptors(&self) -> Vec<u32> {
        let named = self.environment.passphrase_fd.as_ref();
        let named = named.and_then(|text| text.to_str()?.parse().ok());
        self.global.passphrase_fd.into_iter().chain(named).collect()
    }

    /// What systemd handed to the unit, as far as it is there.
    fn credentials(&self) -> Result<Rank> {
        let Some(folder) = &self.environment.credentials else {
            return Ok(Rank::default());
        };
        let there = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
        Ok(Rank::new(
            there("vault.identity")
                .map(IdentitySource::Path)
                .into_iter()
                .collect(),
            there("vault.passphrase")
                .map(PassphraseSource::File)
                .into_iter()
                .collect(),
        )?)
    }

    /// The providers: bundled ones, and the user's own, which win.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn catalog(&self) -> Result<Catalog> {
        Ok(Catalog::new(Some(self.places()?.providers)))
    }

    /// The prompts that plugins use.
    pub fn prompts(&self) -> Prompts {
        Prompts(Arc::new(self.terminal.clone()))
    }

    /// The moment of a change, for the lock and the document.
    pub fn moment<'a>(&self, command: &'a str) -> Moment<'a> {
        Moment {
            now: self.now,
            command,
        }
    }

    /// Opens the vault, wherever its key comes from.
    ///
    /// # Errors
    /// There is no vault, it is locked, or it cannot be trusted.
    pub fn open(&self) -> Result<(Store, Opened)> {
        self.open_if_there()?.ok_or_else(|| self.no_vault())
    }

    /// Opens the vault if there is one.
    ///
    /// # Errors
    /// It is locked, or cannot be trusted.
    pub fn open_if_there(&self) -> Result<Option<(Store, Opened)>> {
        let store = self.store()?;
        let Some(read) = store.read_pinned()? else {
            // One that was here and is not is no first day.
            store.refuse_another()?;
            return Ok(None);
        };
        let _ = self.seen_log.set(Seen::of(&store, &read));
        self.report_loose(&read.sealed, &store);
        let unlocked = self.unlock(&read.sealed)?;
        let opened = store.open_pinned(&read, unlocked.key)?;
        Ok(Some((store, opened)))
    }

    /// Opens the vault if there is one that opens without asking anybody.
    ///
    /// # Errors
    /// It is locked, or cannot be trusted.
    pub fn open_silently(&self) -> Result<Option<(Store, Opened)>> {
        let store = self.store()?;
        let Some(read) = store.read_pinned()? else {
            return Ok(None);
        };
        let unlocked = self.unlock_with(&read.sealed, &Terminal::silent())?;
        let opened = store.open_pinned(&read, unlocked.key)?;
        Ok(Some((store, opened)))
    }

    /// Finds the key of a vault that was read.
    ///
    /// # Errors
    /// No source fits.
    pub fn unlock(&self, sealed: &Sealed) -> Result<Unlocked> {
        let unlocked = self.unlock_with(sealed, &self.terminal)?;
        if self.global.verbose {
            self.output
                .note(&format!("Opened with {}.", unlocked.source));
        }
        Ok(unlocked)
    }

    /// Opens the vault with what needs no person, no passphrase and no
    /// plugin, and leaves no trace of having done so; `None` where that is
    /// not possible, for whatever reason.
    pub fn peek(&self) -> Option<Document> {
        let places = self.places().ok()?;
        let store = self.store().ok()?;
        let sealed = store.read().ok()??;
        let terminal = Terminal::silent();
        let door = self.door(&sealed, &terminal);
        let session = crate::unlock::session::key(&places.session_socket(store.path()));
        let key = session.filter(|key| door.fits(key)).or_else(|| {
            let mut sources: Vec<_> = self.flags().ok()?.into_identities();
            sources.extend(self.variables().ok()?.into_identities());
            sources.extend(self.credentials().ok()?.into_identities());
            sources.push(IdentitySource::Path(places.identity).into());
            sources.iter().find_map(|source| {
                // A pipe that was given as an identity can be read once only.
                if source.path().is_some_and(|path| !path.is_file()) {
                    return None;
                }
                let file = source.load(&terminal).ok()?;
                let key = file.works_silently().then(|| door.try_identities(&file));
                key?.ok()
            })
        })?;
        Some(store.open_unpinned(&sealed, key).ok()?.document)
    }

    fn door<'a>(&self, sealed: &'a Sealed, terminal: &Terminal) -> VaultDoor<'a> {
        VaultDoor {
            sealed,
            max_work_factor: self.max_work_factor(),
            prompts: Prompts(Arc::new(terminal.clone())),
        }
    }

    /// Finds the key, asking whom the caller says.
    ///
    /// # Errors
    /// No source fits.
    pub fn unlock_with(&self, sealed: &Sealed, terminal: &Terminal) -> Result<Unlocked> {
        let door = self.door(sealed, terminal);
        self.sources()?.open(&door, terminal)
    }

    /// That there is no vault to work with.
    pub fn no_vault(&self) -> Error {
        let place = self.places().map_or_else(
            |_| "in its place".to_owned(),
            |places| format!("at {}", places.file.display()),
        );
        Error::new(Kind::NotFound, format!("There is no vault {place}"))
            .with_hint("Make one with the first login, or with: vault init")
    }

    /// Says once where others can read the vault.
    pub fn report_loose(&self, sealed: &Sealed, store: &Store) {
        if let Some(mode) = sealed.loose_mode() {
            let path = store.path().display();
            self.terminal.warn_once(&format!(
                "Others can read the vault {path} (mode {mode:o}). Close it: chmod 600 '{path}'"
            ));
        }
    }
}

/// Parts of a second are of no use to a person, and they tell machines apart.
pub fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn secret_text(value: &std::ffi::OsStr, variable: &str) -> Result<Secret> {
    value
        .to_str()
        .map(|text| Secret::from(text.to_owned()))
        .ok_or_else(|| {
            Error::new(
                Kind::Locked,
                format!("The passphrase from {variable} is not UTF-8 text"),
            )
            .with_hint("A passphrase is UTF-8 text.")
        })
}

/// That a slot of this file is beyond opening.
pub fn broken(sealed: &Sealed, error: OpenError) -> Error {
    let path = sealed.path().to_owned();
    match error {
        OpenError::TooMuchWork { .. } => VaultError::TooMuchWork { path, error }.into(),
        other => VaultError::Damaged {
            path,
            reason: format!("a key slot cannot be opened: {other}"),
        }
        .into(),
    }
}

/// A vault file as something that sources can try to open.
struct VaultDoor<'a> {
    sealed: &'a Sealed,
    max_work_factor: u8,
    prompts: Prompts,
}

impl VaultDoor<'_> {
    fn turn(&self, opener: &Opener<'_>) -> Result<VaultKey, OpenError> {
        self.sealed
            .try_slot(opener, self.max_work_factor, &self.prompts)
            .unwrap_or(Err(OpenError::NoMatch))
    }
}

impl Door for VaultDoor<'_> {
    fn takes_passphrase(&self) -> bool {
        self.sealed.slots().passphrase
    }

    fn takes_identities(&self) -> bool {
        self.sealed.slots().recipients
    }

    fn try_passphrase(&self, passphrase: &Secret) -> Result<VaultKey, OpenError> {
        self.turn(&Opener::Passphrase(passphrase))
    }

    fn try_identities(&self, identities: &IdentityFile) -> Result<VaultKey, OpenError> {
        self.turn(&Opener::Identities(identities))
    }

    fn fits(&self, key: &VaultKey) -> bool {
        self.sealed.fits(key)
    }

    fn broken(&self, error: OpenError) -> Error {
        broken(self.sealed, error)
    }
}
