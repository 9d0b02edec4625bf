//! `rekey`: changing the keys that open the vault.

use std::path::PathBuf;

use clap::Args;

use super::init::parse_recipient;
use crate::audit::{Entry, Event};
use crate::cli::context::{Context, broken};
use crate::cli::{input, output};
use crate::error::{Error, Kind, Result};
use crate::seal::{
    DEFAULT_WORK_FACTOR, MAX_WORK_FACTOR, OpenError, Opener, Recipient, VaultKey,
    seal_to_passphrase, seal_to_recipients,
};
use crate::secret::Secret;
use crate::text::counted;
use crate::unlock::{Ask, UnlockError, session};
use crate::vault::{Opened, Roster, RosterEntry, Sealed, SlotKind, Slotted, Store};

/// Change the keys that open the vault
#[derive(Debug, Args)]
#[command(
    after_help = "Without an option the vault gets a new key, and every way in is sealed \
anew.\n\nExamples:\n  vault rekey --add-recipient age1…\n  vault rekey --passphrase\n  vault rekey \
--remove-recipient age1… --purge-backups"
)]
pub struct RekeyArgs {
    /// Set or change the passphrase
    #[arg(long, conflicts_with = "no_passphrase")]
    passphrase: bool,
    /// Read the new passphrase from a file
    #[arg(long, value_name = "PATH", requires = "passphrase")]
    new_passphrase_file: Option<PathBuf>,
    /// Take the passphrase away; the vault gets a new key
    #[arg(long)]
    no_passphrase: bool,
    /// Let this recipient open the vault: age1…, an SSH public key, or @FILE; may be given several times
    #[arg(long, value_name = "R")]
    add_recipient: Vec<String>,
    /// No longer let this recipient (or the one with this label) open the vault; the vault gets a new key
    #[arg(long, value_name = "R")]
    remove_recipient: Vec<String>,
    /// Remove the earlier vault files, which old keys still open
    #[arg(long)]
    purge_backups: bool,
    /// The scrypt work (log2 N) that each try of a passphrase costs
    #[arg(long, value_name = "N", default_value_t = DEFAULT_WORK_FACTOR,
        value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_WORK_FACTOR)))]
    work_factor: u8,
}

impl RekeyArgs {
    /// Whether what was known of the key before must be worth nothing after.
    fn wants_new_key(&self) -> bool {
        let nothing_named =
            !self.passphrase && self.add_recipient.is_empty() && !self.purge_backups;
        self.no_passphrase || !self.remove_recipient.is_empty() || nothing_named
    }

    fn only_purges(&self) -> bool {
        self.purge_backups
            && !self.passphrase
            && !self.no_passphrase
            && self.add_recipient.is_empty()
            && self.remove_recipient.is_empty()
    }
}

/// Changes the keys.
pub fn run(args: &RekeyArgs, context: &Context) -> Result<()> {
    let (store, opened) = context.open()?;
    let mut key = opened.key.clone();
    if !args.only_purges() {
        // Before anybody is asked for anything.
        new_roster(args, &opened, context)?;
        let passphrase = passphrase_for(args, &opened, &store, context)?;
        if args.wants_new_key() {
            key = VaultKey::generate();
        }
        store.rekey(&opened.key, context.moment("rekey"), |current| {
            // Again, from what is there now: somebody else may have been first.
            let roster = new_roster(args, current, context)?;
            slots(args, current, &key, roster, passphrase.as_ref(), context)
        })?;
        context.audit(&told(args));
        tell(args, &key, &store, context)?;
    }
    if args.purge_backups {
        let removed = store.purge_backups()?;
        if args.only_purges() {
            context.audit(&told(args));
        }
        context.output.note(&format!(
            "Removed {}.",
            counted(removed, "earlier vault file")
        ));
    }
    if context.output.json {
        let fingerprint = key.fingerprint().to_string();
        output::print_json(&serde_json::json!({
            "vault": store.path(),
            "fingerprint": fingerprint,
            "new_key": args.wants_new_key(),
        }))?;
    }
    Ok(())
}

/// What the audit log is told.
fn told(args: &RekeyArgs) -> Entry {
    Entry::new(Event::Rekey, "rekey")
        .with_flag("new_key", args.wants_new_key())
        .with_flag("passphrase", args.passphrase)
        .with_flag("no_passphrase", args.no_passphrase)
        .with_number("added", args.add_recipient.len() as u64)
        .with_number("removed", args.remove_recipient.len() as u64)
        .with_flag("purged_backups", args.purge_backups)
}

fn tell(args: &RekeyArgs, key: &VaultKey, store: &Store, context: &Context) -> Result<()> {
    let output = &context.output;
    if args.wants_new_key() {
        session::end(&context.places()?.session_socket(store.path()));
        output.note(&format!(
            "The vault has a new key. Its fingerprint is {}.",
            key.fingerprint()
        ));
    } else if args.passphrase {
        output.note(
            "The passphrase is changed. Whoever knew the old one and kept a copy of the \
                     vault still knows the vault's key; for a new one: vault rekey",
        );
    } else {
        output.note("The recipients are as asked for.");
    }
    if !args.purge_backups && (args.wants_new_key() || args.passphrase) {
        output.note(
            "Old copies of the vault, and the backups here, still open with the old keys. \
                     Remove the backups with: vault rekey --purge-backups",
        );
    }
    Ok(())
}

fn new_roster(args: &RekeyArgs, current: &Opened, context: &Context) -> Result<Roster> {
    let mut roster = current.document.roster.clone();
    // The slot itself is what counts.
    let has_passphrase = current.slot(SlotKind::Passphrase).is_some();
    roster.passphrase = has_passphrase.then(|| roster.passphrase.unwrap_or(context.now));
    for given in &args.remove_recipient {
        let before = roster.recipients.len();
        let wanted: Vec<Recipient> = parse_recipient(given).unwrap_or_default();
        roster.recipients.retain(|entry| {
            let recipient = &entry.recipient;
            let named = recipient.as_str() == given
                || recipient.label() == Some(given)
                || wanted
                    .iter()
                    .any(|wanted| wanted.as_str() == recipient.as_str());
            !named
        });
        if roster.recipients.len() == before {
            let message = "There is no such recipient to remove";
            return Err(
                Error::new(Kind::NotFound, message).with_hint("See who there is: vault recipients")
            );
        }
    }
    for given in &args.add_recipient {
        for recipient in parse_recipient(given)? {
            let known = |entry: &RosterEntry| entry.recipient.as_str() == recipient.as_str();
            if !roster.recipients.iter().any(known) {
                let entry = RosterEntry::new(recipient, context.now);
                roster.recipients.push(entry);
            }
        }
    }
    if args.passphrase {
        roster.passphrase = Some(context.now);
    }
    if args.no_passphrase && roster.passphrase.take().is_none() {
        return Err(
            Error::new(Kind::NotFound, "The vault has no passphrase to take away")
                .with_hint("See who can open it: vault recipients"),
        );
    }
    if roster.passphrase.is_none() && roster.recipients.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            "This would take away the last way into the vault",
        )
        .with_hint("Add another one in the same call, such as: --add-recipient age1…"));
    }
    Ok(roster)
}

/// The passphrase that the new slot is sealed to: a new one, or, for a new
/// vault key, the one in force, which only a person or a source can tell.
fn passphrase_for(
    args: &RekeyArgs,
    opened: &Opened,
    store: &Store,
    context: &Context,
) -> Result<Option<Secret>> {
    if args.passphrase {
        let new = input::new_passphrase(context, args.new_passphrase_file.as_deref())?;
        return match new.filter(|new| !new.is_empty()) {
            Some(new) => Ok(Some(new)),
            None => Err(Error::new(
                Kind::Locked,
                "No new passphrase was given, and there is no terminal to ask at",
            )
            .with_hint("Give one with --new-passphrase-file PATH or VAULT_NEW_PASSPHRASE")),
        };
    }
    let kept = opened.slot(SlotKind::Passphrase).is_some() && !args.no_passphrase;
    if !kept || !args.wants_new_key() {
        return Ok(None);
    }
    let given = match context.sources()?.passphrase(&context.terminal)? {
        Some(given) => Some(given),
        None => context
            .terminal
            .passphrase("Passphrase of the vault, to seal the new key under it: ")?,
    };
    let Some(given) = given else {
        return Err(Error::new(
            Kind::Locked,
            "A new vault key needs the passphrase too, so that it is sealed under it again",
        )
        .with_hint(
            "Give it with --passphrase-file PATH, set a new one with --passphrase, or take it \
             away with --no-passphrase",
        ));
    };
    let sealed: Sealed = store.read()?.ok_or_else(|| context.no_vault())?;
    let opener = Opener::Passphrase(&given);
    match sealed.try_slot(&opener, context.max_work_factor(), &context.prompts()) {
        Some(Ok(_)) => Ok(Some(given)),
        Some(Err(OpenError::WrongPassphrase)) | None => {
            Err(UnlockError::WrongPassphrase("what was given".to_owned()).into())
        }
        Some(Err(error)) => Err(broken(&sealed, error)),
    }
}

fn slots(
    args: &RekeyArgs,
    current: &Opened,
    key: &VaultKey,
    roster: Roster,
    passphrase: Option<&Secret>,
    context: &Context,
) -> Result<Slotted> {
    let recipients: Vec<_> = roster
        .recipients
        .iter()
        .map(|entry| entry.recipient.clone())
        .collect();
    let same_recipients = args.add_recipient.is_empty() && args.remove_recipient.is_empty();
    if args.wants_new_key() && roster.passphrase.is_some() && passphrase.is_none() {
        return Err(Error::new(
            Kind::Conflict,
            "The vault was given a passphrase by another process just now",
        )
        .with_hint("Run the command again."));
    }
    let kept = |kind| {
        current
            .slot(kind)
            .cloned()
            .filter(|_| !args.wants_new_key())
    };
    Ok(Slotted {
        key: key.clone(),
        passphrase: match passphrase {
            Some(passphrase) => Some(seal_to_passphrase(key, passphrase, args.work_factor)?),
            None => kept(SlotKind::Passphrase),
        },
        recipients: match kept(SlotKind::Recipients).filter(|_| same_recipients) {
            Some(kept) => Some(kept),
            None if recipients.is_empty() => None,
            None => Some(seal_to_recipients(key, &recipients, &context.prompts())?),
        },
        roster,
    })
}
