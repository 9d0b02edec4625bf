//! `approvals`: requests that wait in gateways for somebody to decide.

mod shown;
mod watch;

use clap::{Args, Subcommand};
use serde_json::json;

use self::shown::{bodies, facts_json, label, table};
use crate::broker::approval::{self, Decision, LONGEST_AHEAD, Verdict};
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{Error, Kind, Result};
use crate::span::Span;
use crate::text::{counted, printable};

/// Decide on requests that the policy wants approved
#[derive(Debug, Args)]
#[command(
    after_help = "A rule of policy.json with the action `approve` holds a request in its gateway \
until somebody decides, for 3 minutes unless the rule says otherwise. Whoever can run this as the \
same user can decide; a program under `vault run --isolate` cannot.\n\nExamples:\n  vault approvals \
list --watch\n  vault approvals approve 3kq9m2xa --for 1h\n  vault approvals deny 3kq9m2xa"
)]
pub struct ApprovalsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what waits
    List(ListArgs),
    /// Let a request through
    Approve(ApproveArgs),
    /// Refuse a request
    #[command(
        after_help = "The client gets 403.\n\nExamples:\n  vault approvals deny 3kq9m2xa\n  vault \
approvals deny 3kq9m2xa --json"
    )]
    Deny {
        /// The request, as the list calls it
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "No header is ever shown.\n\nExamples:\n  vault approvals list\n  vault approvals \
list --watch\n  vault approvals list --show-body --json"
)]
pub struct ListArgs {
    /// Stay, and print what comes and how it ended, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Show bodies too, as far as a rule had them read
    #[arg(long)]
    show_body: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "With --for, later requests of the same agent pass at once if the same rules \
want them approved; so do those that wait for the same already. The gateway forgets that when it \
ends.\n\nExamples:\n  vault approvals approve 3kq9m2xa\n  vault approvals approve 3kq9m2xa --for 1h"
)]
struct ApproveArgs {
    /// The request, as the list calls it
    #[arg(value_name = "ID")]
    id: String,
    /// Approve the rules for the agent as long as this, such as 1h
    #[arg(long = "for", value_name = "TIME")]
    ahead: Option<Span>,
}

/// Does what was asked, and tells the exit code.
///
/// # Errors
/// There is no such request, or output cannot be written.
pub fn run(args: &ApprovalsArgs, context: &Context) -> Result<u8> {
    match &args.action {
        Action::List(args) if args.watch => watch::run(args.show_body, context),
        Action::List(args) => list(args, context).map(|()| 0),
        Action::Approve(args) => approve(args, context).map(|()| 0),
        Action::Deny { id } => decide(id, Verdict::Deny, context).map(|()| 0),
    }
}

fn list(args: &ListArgs, context: &Context) -> Result<()> {
    let places = context.places()?;
    let listing = approval::list(&places.socket_folders(), args.show_body);
    warn_of(&listing.silent, context);
    if context.output.json {
        let held = listing.held.iter();
        let held: Vec<_> = held
            .map(|facts| facts_json(facts, args.show_body))
            .collect();
        return output::print_json(&json!({"approvals": held}));
    }
    if listing.held.is_empty() {
        context.output.note("Nothing waits for approval.");
    }
    output::print(&table(&listing, context.now))?;
    match args.show_body {
        true => output::print(&bodies(&listing.held)),
        false => Ok(()),
    }
}

fn approve(args: &ApproveArgs, context: &Context) -> Result<()> {
    let ahead = args.ahead.map(|span| span.0);
    if ahead.is_some_and(|ahead| ahead > LONGEST_AHEAD) {
        let longest = Span(LONGEST_AHEAD);
        let message = format!("--for is at most {longest}");
        return Err(Error::new(Kind::Usage, message)
            .with_hint("For longer, change the rule itself in policy.json: vault rule list"));
    }
    decide(&args.id, Verdict::Approve(ahead), context)
}

fn decide(id: &str, verdict: Verdict, context: &Context) -> Result<()> {
    let places = context.places()?;
    let (facts, others) = match approval::decide(&places.socket_folders(), id, verdict) {
        Decision::Done(facts, others) => (facts, others),
        Decision::Unknown(silent) => {
            warn_of(&silent, context);
            return Err(unknown(id));
        }
    };
    let status = match verdict {
        Verdict::Approve(_) => "approved",
        Verdict::Deny => "denied",
    };
    if context.output.json {
        let said = json!({"status": status, "id": facts.id, "agent": facts.agent, "also": others});
        return output::print_json(&said);
    }
    let mut said = match verdict {
        Verdict::Approve(_) => format!("Approved: {}.", label(&facts)),
        Verdict::Deny => format!("Denied: {}.", label(&facts)),
    };
    if let Verdict::Approve(Some(ahead)) = verdict {
        let rules = facts.rules.join(", ");
        let span = Span(ahead);
        said.push_str(&format!(
            " For {span}, {} passes where these want approval: {}.",
            printable(&facts.agent),
            printable(&rules)
        ));
        if others > 0 {
            let those = counted(others, "other request");
            said.push_str(&format!(" {those} passed with it."));
        }
    }
    context.output.note(&said);
    Ok(())
}

fn warn_of(silent: &[String], context: &Context) {
    for gateway in silent {
        context.output.warn(&format!(
            "A gateway does not answer, and may hold requests: {gateway}"
        ));
    }
}

fn unknown(id: &str) -> Error {
    let id: String = id.chars().take(20).collect();
    let message = format!("No request waits as '{}'", printable(&id));
    Error::new(Kind::NotFound, message).with_hint(
        "It may have been decided, withdrawn, or timed out. See what waits: vault approvals list",
    )
}
