//! `doctor`: is everything as it should be?

mod accept;
mod findings;
mod written;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;

use accept::accept;
use findings::{Findings, report};
use written::check_written;

use crate::cli::context::Context;
use crate::cli::places::Places;
use crate::cli::terminal::Terminal;
use crate::error::{Kind, Result};
use crate::process;
use crate::provider::Source;
use crate::text;
use crate::vault::{Opened, Store};

/// Check that everything is as it should be
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 1 if anything fails. Nothing is changed without --accept, and no \
passphrase is asked for.\n\nExamples:\n  vault doctor\n  vault doctor --accept"
)]
pub struct DoctorArgs {
    /// Take an older, forked or other vault than was last seen here as the new truth, and the audit log as it is
    #[arg(long)]
    accept: bool,
}

/// Checks, or accepts.
pub fn run(args: &DoctorArgs, context: &Context) -> Result<()> {
    if args.accept {
        return accept(context);
    }
    let mut findings = Findings::default();
    let places = context.places()?;
    let store = context.store()?;
    check_vault(&mut findings, &store, context);
    check_private_file(&mut findings, "identity", &places.identity);
    check_given_files(&mut findings, context)?;
    check_folders(&mut findings, &places, &store);
    check_providers(&mut findings, context)?;
    check_written(&mut findings, context)?;
    check_lock(&mut findings, &store);
    check_process(&mut findings);
    check_other_vaults(&mut findings, context);
    report(&findings, context)
}

/// Opens the vault without asking anybody, as a script would.
fn check_vault(findings: &mut Findings, store: &Store, context: &Context) {
    let path = store.path();
    let sealed = match store.read() {
        Ok(Some(sealed)) => sealed,
        Ok(None) => {
            if let Err(error) = store.refuse_another() {
                findings.failed("vault", &error.into());
                return;
            }
            let message = format!("there is none at {}", path.display());
            findings.warn(
                "vault",
                message,
                "Make one with the first login, or with: vault init",
            );
            return;
        }
        Err(error) => {
            findings.failed("vault", &error.into());
            return;
        }
    };
    check_private_file(findings, "vault", path);
    let slots = sealed.slots();
    let silent = Terminal::silent();
    let unlocked = match context.unlock_with(&sealed, &silent) {
        Ok(unlocked) => unlocked,
        Err(error) if slots.passphrase && error.kind() == Kind::Locked => {
            findings.warn(
                "unlock",
                format!("the vault is locked, so its content was not checked ({error})"),
                "Open it for a while, then look again: vault unlock && vault doctor",
            );
            return;
        }
        Err(error) => {
            findings.failed("unlock", &error);
            return;
        }
    };
    findings.ok("unlock", format!("opens with {}", unlocked.source));
    match store.open(unlocked.key) {
        Ok(opened) => check_content(findings, store, &opened, context),
        Err(error) => findings.failed("integrity", &error.into()),
    }
}

fn check_content(findings: &mut Findings, store: &Store, opened: &Opened, context: &Context) {
    let document = &opened.document;
    let mut connections = 0;
    for id in document.connections() {
        connections += 1;
        if let Err(bad) = document.connection(&id) {
            findings.failed("integrity", &store.damaged(bad));
            return;
        }
    }
    let mut secrets = 0;
    for name in document.secrets() {
        secrets += 1;
        if let Err(bad) = document.secret(name) {
            findings.failed("integrity", &store.damaged(bad));
            return;
        }
    }
    findings.ok(
        "integrity",
        format!(
            "{} and {}, generation {}, fingerprint {}",
            text::counted(connections, "connection"),
            text::counted(secrets, "plain secret"),
            document.generation,
            opened.key.fingerprint()
        ),
    );
    let written = document.updated_at;
    if written > context.now {
        findings.warn(
            "clock",
            format!(
                "this machine's clock ({}) is before the vault's last change ({written})",
                context.now
            ),
            "Set the clock; ends and rotation dates are judged by it: timedatectl",
        );
    } else {
        findings.ok("clock", "is after the vault's last change");
    }
    match store.pin() {
        Ok(Some(pin)) if pin.generation >= document.generation => {
            findings.ok(
                "pin",
                format!("generation {} is remembered", pin.generation),
            );
        }
        _ => findings.warn(
            "pin",
            "this machine cannot remember the vault, so an older or swapped one is not noticed",
            "Make the state folder writable, or pass VAULT_FINGERPRINT on machines without state",
        ),
    }
}

fn check_private_file(findings: &mut Findings, name: &'static str, path: &Path) {
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    let mode = metadata.mode() & 0o777;
    let shown = path.display();
    if mode & 0o077 != 0 {
        findings.fail(
            name,
            format!("others can read {shown} (mode {mode:o})"),
            format!("chmod 600 '{shown}'"),
        );
    } else if metadata.uid() != process::user_id() {
        findings.warn(
            name,
            format!("{shown} belongs to another user (uid {})", metadata.uid()),
            format!("Look at it: ls -l '{shown}'"),
        );
    } else {
        findings.ok(name, format!("{shown}"));
    }
}

/// What flags and variables name as identities and passphrases. What somebody
/// else put there, such as a container's mount, is theirs to close.
fn check_given_files(findings: &mut Findings, context: &Context) -> Result<()> {
    for (name, path) in context.sources()?.files() {
        let is_ours = |found: &fs::Metadata| found.is_file() && found.uid() == process::user_id();
        if fs::metadata(path).is_ok_and(|found| is_ours(&found)) {
            check_private_file(findings, name, path);
        }
    }
    Ok(())
}

fn check_folders(findings: &mut Findings, places: &Places, store: &Store) {
    let vault_folder = crate::files::folder_of(store.path()).to_owned();
    let mut folders: Vec<PathBuf> = vec![
        vault_folder,
        store.backups_folder().to_owned(),
        places.state.clone(),
        places.providers.clone(),
    ];
    folders.sort();
    folders.dedup();
    for folder in folders {
        let Ok(metadata) = fs::metadata(&folder) else {
            continue;
        };
        let mode = metadata.permissions().mode() & 0o777;
        let shown = folder.display();
        if !metadata.is_dir() {
            let hint = format!("Move it away: mv '{shown}' '{shown}.old'");
            findings.fail("folder", format!("{shown} is no folder"), hint);
        } else if mode & 0o022 != 0 && mode & 0o1000 == 0 {
            findings.fail(
                "folder",
                format!("others can change what is in {shown} (mode {mode:o})"),
                format!("chmod 700 '{shown}'"),
            );
        } else if mode & 0o077 != 0 {
            findings.warn(
                "folder",
                format!("others can look into {shown} (mode {mode:o})"),
                format!("chmod 700 '{shown}'"),
            );
        } else {
            findings.ok("folder", format!("{shown}"));
        }
    }
}

/// The user's own definitions: broken ones, and those that say more than is
/// safe to follow.
fn check_providers(findings: &mut Findings, context: &Context) -> Result<()> {
    let entries = match context.catalog()?.all() {
        Ok(entries) => entries,
        Err(error) => {
            findings.failed("providers", &error);
            return Ok(());
        }
    };
    let mut own = 0;
    let mut flawless = true;
    for entry in &entries {
        match &entry.definition {
            Err(error) => {
                flawless = false;
                findings.failed("providers", error);
            }
            Ok(definition) => {
                own += usize::from(entry.source == Source::Custom);
                for warning in definition.warnings() {
                    flawless = false;
                    let hint = format!("Look at it: vault provider show {}", definition.name);
                    findings.warn("providers", format!("{}: {warning}", definition.name), hint);
                }
            }
        }
    }
    if flawless {
        let bundled = entries.len() - own;
        let message = format!("{bundled} bundled, {own} of your own");
        findings.ok("providers", message);
    }
    Ok(())
}

fn check_lock(findings: &mut Findings, store: &Store) {
    match store.lock_holder() {
        Ok(None) => findings.ok("lock", "nobody holds it"),
        Ok(Some(holder)) => findings.warn(
            "lock",
            format!("{holder} is changing the vault now"),
            "If it stays so, look at that process: ps -fp PID",
        ),
        Err(error) => findings.failed("lock", &error.into()),
    }
}

fn check_process(findings: &mut Findings) {
    if process::is_dumpable() {
        findings.fail(
            "memory",
            "this process could be dumped",
            "Forbid core dumps for this shell: ulimit -c 0",
        );
    } else {
        findings.ok("memory", "no core dumps, closed to other processes");
    }
    let page = process::LockedBytes::new(b"doctor");
    if page.is_locked() {
        findings.ok("swap", "a session's key stays out of swap");
    } else {
        findings.warn(
            "swap",
            "a session's key could be written to swap",
            "Allow some locked memory: ulimit -l 64",
        );
    }
}

/// Another program called `vault`, such as HashiCorp's, may be what a script
/// gets.
fn check_other_vaults(findings: &mut Findings, context: &Context) {
    let Some(path) = &context.environment.path else {
        return;
    };
    let own = std::env::current_exe().and_then(fs::canonicalize).ok();
    let mut seen_own = false;
    let mut any = false;
    for folder in std::env::split_paths(path) {
        let candidate = folder.join("vault");
        let Ok(real) = fs::canonicalize(&candidate) else {
            continue;
        };
        if Some(&real) == own.as_ref() {
            seen_own = true;
            continue;
        }
        let executable = fs::metadata(&real)
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
        if !executable {
            continue;
        }
        any = true;
        let shown = candidate.display();
        let (order, hint) = if seen_own {
            (
                "later",
                format!(
                    "This one is found first; remove the other one if it is not needed: {shown}"
                ),
            )
        } else {
            (
                "earlier",
                format!(
                    "Scripts that say 'vault' get the other one; put our folder before {}",
                    folder.display()
                ),
            )
        };
        findings.warn(
            "path",
            format!("another vault stands {order} in PATH: {shown}"),
            hint,
        );
    }
    if !any {
        findings.ok("path", "no other program called vault");
    }
}
