//! `init`, and the vault that a first login makes.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::audit::{Entry, Event};
use crate::cli::context::Context;
use crate::cli::{input, output};
use crate::error::{Error, Kind, Result};
use crate::files::{self, PathContext};
use crate::seal::{
    self, DEFAULT_WORK_FACTOR, IdentityFile, Recipient, VaultKey, seal_to_passphrase,
    seal_to_recipients,
};
use crate::secret::Secret;
use crate::unlock::{GivenIdentity, IdentitySource, UnlockError};
use crate::vault::{Document, Roster, RosterEntry, Slotted, VaultError};

/// Make the vault
#[derive(Debug, Args, Default)]
#[command(
    after_help = "Whatever key is given decides how the vault opens: a passphrase, an \
identity, a recipient, or several of them.\n\nExamples:\n  vault init\n  vault init --passphrase\n  \
vault init --recipient age1… --recipient @team.txt\n  vault init --identity ~/.ssh/id_ed25519"
)]
pub struct InitArgs {
    /// Open it with a passphrase, asked for twice or taken from its sources
    #[arg(long)]
    pub passphrase: bool,
    /// Open it with the identity of this recipient: age1…, an SSH public key, or @FILE; may be given several times
    #[arg(long, value_name = "R")]
    pub recipient: Vec<String>,
    /// The scrypt work (log2 N) that each try of a passphrase costs
    #[arg(long, value_name = "N", default_value_t = DEFAULT_WORK_FACTOR,
        value_parser = clap::value_parser!(u8).range(1..=i64::from(seal::MAX_WORK_FACTOR)))]
    pub work_factor: u8,
}

impl InitArgs {
    /// What a first login uses.
    pub fn of_first_login() -> Self {
        Self {
            work_factor: DEFAULT_WORK_FACTOR,
            ..Self::default()
        }
    }
}

/// Makes the vault.
pub fn run(args: &InitArgs, context: &Context) -> Result<()> {
    let store = context.store()?;
    if store.read()?.is_some() {
        let path = store.path().to_owned();
        return Err(VaultError::Exists { path }.into());
    }
    let made = make(args, context, "init", |_| Ok(()))?;
    let Some(((), made)) = made else {
        let path = store.path().to_owned();
        return Err(VaultError::Exists { path }.into());
    };
    if context.output.json {
        output::print_json(&serde_json::json!({
            "vault": store.path(),
            "fingerprint": made.fingerprint,
            "slots": made.slots,
            "identity": made.identity,
        }))?;
    }
    Ok(())
}

/// What was made, for whoever made it.
pub struct Made {
    fingerprint: String,
    slots: Vec<&'static str>,
    identity: Option<PathBuf>,
}

/// Makes the vault with its first content, unless there is one by now: then
/// `None`. Says what it made on standard error.
///
/// # Errors
/// There is no key to seal it to, or a step of making it failed.
pub fn make<T>(
    args: &InitArgs,
    context: &Context,
    command: &'static str,
    fill: impl FnOnce(&mut Document) -> Result<T>,
) -> Result<Option<(T, Made)>> {
    let plan = Plan::of(args, context)?;
    let store = context.store()?;
    let key = VaultKey::generate();
    let mut slots = Vec::new();
    let mut identity = None;
    let made = store.create(
        context.moment(command),
        || {
            let (slotted, used) = plan.seal(&key, args.work_factor, context)?;
            slots.extend(slotted.passphrase.is_some().then_some("passphrase"));
            slots.extend(slotted.recipients.is_some().then_some("recipients"));
            identity = used;
            Ok(slotted)
        },
        fill,
    )?;
    let Some(made) = made else {
        return Ok(None);
    };
    let entry = Entry::new(Event::Init, command);
    context.audit(&entry.with_list("slots", &slots));
    // So that `vault inspect P > providers/P.json` has a place to go. That it
    // cannot be made matters only to whoever wants to write there.
    let _ = files::make_private_folder(&context.places()?.providers);
    let fingerprint = key.fingerprint().to_string();
    context.output.note(&format!(
        "Made the vault {}\nIts fingerprint is {fingerprint}.",
        store.path().display()
    ));
    if let Some(identity) = &identity {
        let path = identity.display();
        context.output.note(&format!(
            "It opens with the identity {path}\nKeep a copy of that file in a safe place: without \
             it nothing opens the vault."
        ));
    }
    let made = (
        made,
        Made {
            fingerprint,
            slots,
            identity,
        },
    );
    Ok(Some(made))
}

/// Stores something, in the vault whose key is given, or in one that is made
/// for it.
///
/// # Errors
/// `put` failed, or a step of the commit; nothing is stored then.
pub fn store(
    context: &Context,
    command: &'static str,
    key: Option<VaultKey>,
    mut put: impl FnMut(&mut Document) -> Result<()>,
) -> Result<()> {
    let key = match key {
        Some(key) => key,
        None => {
            let args = InitArgs::of_first_login();
            if make(&args, context, command, &mut put)?.is_some() {
                return Ok(());
            }
            // Somebody else made the vault in the meantime.
            context.open()?.1.key
        }
    };
    context.commit(&context.store()?, &key, command, put)
}

/// What the vault will open with, asked for before anything is locked.
struct Plan {
    passphrase: Option<Secret>,
    recipients: Vec<Recipient>,
    /// Whether the machine's own identity file is used, and made where it is
    /// not there.
    own_identity: bool,
}

impl Plan {
    fn of(args: &InitArgs, context: &Context) -> Result<Self> {
        let mut plan = Self {
            passphrase: None,
            recipients: Vec::new(),
            own_identity: false,
        };
        for given in &args.recipient {
            plan.recipients.extend(parse_recipient(given)?);
        }
        let sources = context.sources()?;
        let given = sources.identities().unwrap_or_default();
        let mut passphrase = sources.passphrase(&context.terminal)?;
        for source in given {
            let (recipients, used) = recipients_of(source, passphrase.as_ref(), context)?;
            plan.recipients.extend(recipients);
            if used && !args.passphrase {
                // It was the identity's passphrase, not one for the vault.
                passphrase = None;
            }
        }
        plan.passphrase = passphrase;
        if args.passphrase && plan.passphrase.is_none() {
            let typed = input::new_passphrase(context, None)?;
            plan.passphrase = Some(typed.ok_or_else(no_passphrase)?);
        }
        if plan.passphrase.is_none() && plan.recipients.is_empty() {
            plan.ask(context)?;
        }
        Ok(plan)
    }

    /// Nothing was given: a person may choose, a machine gets an identity.
    fn ask(&mut self, context: &Context) -> Result<()> {
        if context.terminal.is_there() {
            context.output.note(
                "This makes your vault. Choose a passphrase for it, or press Enter to open it \
                 with a key file on this machine.",
            );
            let typed = context
                .terminal
                .ask_new_passphrase("Passphrase (empty for a key file): ")?;
            self.passphrase = typed.filter(|typed| !typed.is_empty());
            if let Some(typed) = &self.passphrase {
                context.sources()?.remember_chosen(typed);
            }
        }
        self.own_identity = self.passphrase.is_none();
        Ok(())
    }

    fn seal(
        self,
        key: &VaultKey,
        work_factor: u8,
        context: &Context,
    ) -> Result<(Slotted, Option<PathBuf>)> {
        let mut recipients = self.recipients;
        let mut identity = None;
        if self.own_identity {
            let path = context.places()?.identity;
            recipients.extend(own_identity(&path, context)?);
            identity = Some(path);
        }
        let mut seen = HashSet::new();
        recipients.retain(|recipient| seen.insert(recipient.as_str().to_owned()));
        let passphrase = self
            .passphrase
            .map(|passphrase| seal_to_passphrase(key, &passphrase, work_factor))
            .transpose()?;
        let sealed = match &recipients[..] {
            [] => None,
            all => Some(seal_to_recipients(key, all, &context.prompts())?),
        };
        let entries = recipients
            .into_iter()
            .map(|recipient| RosterEntry::new(recipient, context.now));
        let roster = Roster::new(
            passphrase.is_some().then_some(context.now),
            entries.collect(),
        );
        let slotted = Slotted {
            key: key.clone(),
            passphrase,
            recipients: sealed,
            roster,
        };
        Ok((slotted, identity))
    }
}

fn no_passphrase() -> Error {
    Error::new(
        Kind::Locked,
        "No new passphrase was given, and there is no terminal to ask at",
    )
    .with_hint(
        "Give one with --new-passphrase-file PATH (rekey), --passphrase-file PATH (init) or \
             VAULT_NEW_PASSPHRASE",
    )
}

/// A recipient, or the recipients in `@FILE`.
///
/// # Errors
/// It is none, or the file cannot be read.
pub fn parse_recipient(given: &str) -> Result<Vec<Recipient>> {
    let file = given.strip_prefix('@');
    let Some(file) = file.filter(|file| !IdentityFile::looks_like_identities(file)) else {
        return Ok(vec![Recipient::parse(given.trim_start_matches('@'))?]);
    };
    let path = Path::new(file);
    let content = fs::read_to_string(path).at("read the recipients in", path)?;
    Ok(Recipient::parse_lines(&content, file)?)
}

/// The recipients of an identity, and whether the passphrase was needed for
/// it.
fn recipients_of(
    source: &GivenIdentity,
    passphrase: Option<&Secret>,
    context: &Context,
) -> Result<(Vec<Recipient>, bool)> {
    let file = source.load(&context.terminal)?;
    // An SSH key tells its public half without its passphrase.
    if let Ok(recipients) = file.recipients() {
        return Ok((recipients, false));
    }
    if !file.needs_passphrase() {
        return Ok((file.recipients()?, false));
    }
    let sources = context.sources()?;
    let origin = file.origin().to_owned();
    let typed;
    let (words, used) = match passphrase {
        Some(words) => (words, true),
        None => {
            typed = sources
                .identity_passphrase(&origin, &context.terminal)?
                .ok_or(UnlockError::Locked(
                    "the identity needs its passphrase, and there is no terminal to ask at",
                ))?;
            (&typed, false)
        }
    };
    let opened = file
        .unlock(words, sources.max_work_factor)
        .map_err(|error| match error {
            seal::OpenError::WrongPassphrase => UnlockError::WrongIdentityPassphrase(origin),
            other => UnlockError::BrokenIdentity(origin, other),
        })?;
    Ok((opened.recipients()?, used))
}

/// The machine's own identity, made where there is none; an existing file is
/// never touched.
fn own_identity(path: &Path, context: &Context) -> Result<Vec<Recipient>> {
    files::sweep_abandoned(path);
    if !path.exists() {
        let (text, recipient) = IdentityFile::generate(&context.now.to_string());
        files::make_private_folder(files::folder_of(path))?;
        let staged = files::Staged::write(path, text.reveal().as_bytes())?;
        match staged.place_new(path) {
            Ok(()) => return Ok(vec![recipient]),
            // Whoever makes another vault beside this one was faster.
            Err(error) if error.io_kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    let source = IdentitySource::Path(path.to_owned()).into();
    Ok(recipients_of(&source, None, context)?.0)
}
