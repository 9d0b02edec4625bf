//! `backups`: earlier vault files.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::audit::{Entry, Event};
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::table::{Table, terminal_width};
use crate::error::{Kind, Result};
use crate::seal::VaultKey;
use crate::vault::{Backup, Document, Store, VaultError};

/// List earlier vault files, or put one back
#[derive(Debug, Args)]
#[command(
    after_help = "The vault file before each of the last ten changes is kept. A backup is \
named for its generation.\n\nExamples:\n  vault backups\n  vault backups restore 12"
)]
pub struct BackupsArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put the content of an earlier vault file back in force
    #[command(
        after_help = "The keys that open the vault stay as they are. Only where the vault \
itself cannot be opened any more does the earlier file come back whole, with its own keys.\n\n\
Examples:\n  vault backups\n  vault backups restore 12"
    )]
    Restore {
        /// Which one, as `backups` names them
        #[arg(value_name = "N")]
        number: String,
    },
}

/// Lists or restores.
pub fn run(args: &BackupsArgs, context: &Context) -> Result<()> {
    let store = context.store()?;
    match &args.action {
        None => list(&store, context),
        Some(Action::Restore { number }) => restore(&store, number, context),
    }
}

fn list(store: &Store, context: &Context) -> Result<()> {
    let backups = store.backups()?;
    let written = |backup: &Backup| {
        jiff::Timestamp::try_from(backup.written).map_or_else(
            |_| "-".to_owned(),
            |time| time.round(jiff::Unit::Second).unwrap_or(time).to_string(),
        )
    };
    if context.output.json {
        let listed = backups.iter().map(|backup| {
            json!({
                "backup": backup.number(),
                "generation": backup.generation,
                "written_at": written(backup),
                "bytes": backup.size,
                "path": backup.path,
            })
        });
        return output::print_json(&json!({"backups": listed.collect::<Vec<_>>()}));
    }
    if backups.is_empty() {
        context.output.note("There are no earlier vault files yet.");
        return Ok(());
    }
    let mut table = Table::new(&["BACKUP", "WRITTEN", "BYTES"]);
    for backup in &backups {
        table.row([
            backup.number(),
            written(backup)[..16.min(written(backup).len())].replace('T', " "),
            backup.size.to_string(),
        ]);
    }
    output::print(&table.render(terminal_width()))?;
    let folder = store.backups_folder().display();
    context.output.note(&format!("They lie in {folder}"));
    Ok(())
}

fn restore(store: &Store, number: &str, context: &Context) -> Result<()> {
    let backup = store.read_backup(number)?;
    let earlier = store.open_unpinned(&backup, context.unlock(&backup)?.key)?;
    let moment = context.moment("backups restore");
    match current(store, &earlier.key, context)? {
        Current::Open(key) => store.restore_content(&key, moment, earlier)?,
        Current::Missing => {
            warn_of_agents(&earlier.document, context);
            store.restore_whole(moment, earlier)?;
        }
        Current::Broken(reason) => {
            context
                .output
                .warn(&format!("{reason}. It is kept among the backups."));
            warn_of_agents(&earlier.document, context);
            store.restore_whole(moment, earlier)?;
        }
    }
    let entry = Entry::new(Event::Restore, "backups restore");
    context.audit(&entry.with("backup", number));
    if context.output.json {
        return output::print_json(&json!({"status": "restored", "backup": number}));
    }
    context
        .output
        .note(&format!("Restored the vault as it was in backup {number}."));
    Ok(())
}

/// Where no vault is in force that knows better, agents are back that may have
/// been revoked since.
fn warn_of_agents(earlier: &Document, context: &Context) {
    let names: Vec<_> = earlier.agent_names().map(ToString::to_string).collect();
    if !names.is_empty() {
        context.output.warn(&format!(
            "These agents can use the gateway again, also if they were revoked since: {}. End \
             one: vault agent revoke {}",
            names.join(", "),
            names[0],
        ));
    }
}

/// What the vault in force is good for.
enum Current {
    Missing,
    /// It can be opened, and its keys stay.
    Open(VaultKey),
    /// It is beyond opening, which is what a backup is for.
    Broken(String),
}

/// A vault that is refused for another reason than damage, such as a newer
/// format or a rollback, is not replaced: its keys could be older ones.
fn current(store: &Store, key: &VaultKey, context: &Context) -> Result<Current> {
    let broken = |error: VaultError| match error {
        VaultError::Damaged { .. } | VaultError::SwappedSlot { .. } => {
            Ok(Current::Broken(error.to_string()))
        }
        other => Err(other.into()),
    };
    let read = match store.read_pinned() {
        Ok(Some(read)) => read,
        Ok(None) => return Ok(Current::Missing),
        Err(error) => return broken(error),
    };
    context.report_loose(&read.sealed, store);
    let key = if read.sealed.fits(key) {
        key.clone()
    } else {
        match context.unlock(&read.sealed) {
            Ok(unlocked) => unlocked.key,
            Err(error) if error.kind() == Kind::Corrupt => {
                return Ok(Current::Broken(error.to_string()));
            }
            Err(error) => return Err(error),
        }
    };
    match store.open_pinned(&read, key) {
        Ok(opened) => Ok(Current::Open(opened.key)),
        Err(error) => broken(error),
    }
}
