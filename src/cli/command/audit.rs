//! `audit`: what happened, and whether the log of it is whole.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::audit::{Recorded, Verified};
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::table::{Table, terminal_width};
use crate::error::{Error, Result};
use crate::span::Past;

/// Tell what happened, and whether the log of it is whole
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "The log holds what was stored, removed, shown and exported, which programs were \
started, and who may use the gateway: names, and never a value.\n\nExamples:\n  vault audit --since \
7d\n  vault audit --json | jq 'select(.event == \"reveal\")'\n  vault audit verify"
)]
pub struct AuditArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Not what was before: a day such as 2027-01-31, or a time back from now such as 7d
    #[arg(long, value_name = "T")]
    since: Option<Past>,
    /// Not what was from then on
    #[arg(long, value_name = "T")]
    until: Option<Past>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that no line was changed, removed, moved or cut off
    #[command(
        after_help = "Exit code 7 if the log is not as it was written; the line is \
named.\n\nExamples:\n  vault audit verify\n  vault audit verify --quiet || mail -s 'audit log' \
root < /dev/null"
    )]
    Verify,
}

/// Tells it.
pub fn run(args: &AuditArgs, context: &Context) -> Result<()> {
    match args.action {
        None => list(args, context),
        Some(Action::Verify) => verify(context),
    }
}

fn list(args: &AuditArgs, context: &Context) -> Result<()> {
    let point = |past: Option<Past>| past.map(|past| past.before(context.now)).transpose();
    let (since, until) = (point(args.since)?, point(args.until)?);
    let is_meant = |time: Timestamp| {
        since.is_none_or(|since| since <= time) && until.is_none_or(|until| time < until)
    };
    let mut table = Table::new(&["TIME", "EVENT", "COMMAND", "USER", "WHAT"])
        .wrapped()
        .dispensable(&["USER", "COMMAND"]);
    let mut is_empty = true;
    let strange = context.audit_log()?.read(|entry| {
        if !is_meant(entry.time) {
            return Ok(());
        }
        is_empty = false;
        if context.output.json {
            return output::print(&format!("{}\n", entry.line));
        }
        table.row(cells(&entry));
        Ok::<_, Error>(())
    })?;
    if !context.output.json && !is_empty {
        output::print(&table.render(terminal_width()))?;
    }
    if strange > 0 {
        context.output.warn(
            "Some of the log is no entry and is left out. See what is wrong: vault audit verify",
        );
    } else if is_empty {
        context.output.note(match (since, until) {
            (None, None) => "Nothing has happened yet.",
            _ => "Nothing happened in that time.",
        });
    }
    Ok(())
}

/// What an entry is about, in this order; the name goes without saying.
const SUBJECTS: [&str; 7] = [
    "program",
    "agent",
    "provider",
    "connection",
    "connections",
    "secret",
    "secrets",
];

/// What a person sees of an entry.
fn cells(entry: &Recorded) -> [String; 5] {
    let text = |name: &str| entry.members.get(name).map_or_else(String::new, plain);
    let time = entry.time.to_string();
    let subjects = SUBJECTS.iter().filter_map(|name| entry.members.get(*name));
    let others = entry.members.iter();
    let others = others.filter(|(name, _)| !is_own(name) && !SUBJECTS.contains(&name.as_str()));
    let others = others.map(|(name, value)| match value {
        Value::Bool(true) => name.replace('_', " "),
        value => format!("{name}={}", plain(value)),
    });
    let facts = subjects.map(plain).chain(others);
    [
        time.chars().take(19).collect::<String>().replace('T', " "),
        text("event"),
        text("command"),
        text("user"),
        facts.collect::<Vec<_>>().join("  "),
    ]
}

/// What every entry has, which has columns of its own or is not for people.
fn is_own(name: &str) -> bool {
    matches!(
        name,
        "seq" | "time" | "event" | "vault" | "user" | "command" | "prev" | "hash"
    )
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn verify(context: &Context) -> Result<()> {
    let log = context.audit_log()?;
    let found = log.verify(&context.audit_marks()?)?;
    if context.output.json {
        return output::print_json(&json!({
            "status": "ok",
            "entries": found.entries,
            "since": found.since,
            "accepted": found.accepted,
        }));
    }
    let path = log.path().display();
    context.output.note(&match &found {
        Verified { since: None, .. } => {
            "There is no audit log yet, and none is missing.".to_owned()
        }
        Verified {
            entries,
            since: Some(since),
            ..
        } => {
            let number = usize::try_from(*entries).unwrap_or(usize::MAX);
            let entries = match number {
                1 => "1 entry".to_owned(),
                more => format!("{more} entries"),
            };
            format!("The audit log {path} is as it was written: {entries} since {since}.")
        }
    });
    if let Some(time) = &found.accepted {
        context.output.note(&format!(
            "Something was amiss with it and was accepted at {time}; what was before is as it was then."
        ));
    }
    if found.is_torn {
        context.output.note(
            "A crash cut its last line, which was not finished. The next entry says so in the log.",
        );
    }
    Ok(())
}
