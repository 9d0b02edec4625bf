//! `verify`: which credentials are alive?

mod renewing;

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::renewing::{again, freshened, verdict_of};
use crate::audit::{Entry, Event};
use crate::broker::select;
use crate::broker::verify::{NoQuestion, Question, Verdict, question};
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::table::{Table, terminal_width};
use crate::credential::{AuthKind, Credential, Status, Value};
use crate::error::{Error, Kind, Result};
use crate::name::{ConnectionId, ConnectionName, ConnectionRef};
use crate::net::{Client, wait_for};
use crate::provider::{Catalog, Definition, Outcome};
use crate::vault::{Document, Opened, Store};

/// How many providers are asked at the same time.
const AT_ONCE: usize = 16;
/// How many are named in one sentence.
const NAMED: usize = 6;

/// Ask the providers whether credentials are alive
#[derive(Debug, Args)]
#[command(
    after_help = "One cheap request for each connection, all at once. A key that is alive but may \
not do this request, or is over a limit, counts as connected.\n\nExit code 9 if any is rejected, \
8 if nothing could be learned of one.\n\nExamples:\n  vault verify\n  vault verify openai github/work\n  \
vault verify --json | jq '.results[] | select(.result != \"ok\")'"
)]
pub struct VerifyArgs {
    /// The providers, or PROVIDER/CONNECTION; all connections unless given
    #[arg(value_name = "P")]
    targets: Vec<ConnectionRef>,
    /// The name of the connection
    #[arg(long, short, value_name = "NAME")]
    connection: Option<ConnectionName>,
    /// Do not renew tokens that are about to end
    #[arg(long)]
    no_refresh: bool,
}

/// A connection and what is known of it.
struct Subject {
    id: ConnectionId,
    credential: Credential,
}

/// Asks about each connection, and keeps what it learned.
pub fn run(args: &VerifyArgs, context: &Context) -> Result<()> {
    let catalog = context.catalog()?;
    let wanted = wanted(args, &catalog)?;
    let Some((store, opened)) = context.open_if_there()? else {
        return match wanted.first() {
            Some(first) => Err(select::not_connected(first)),
            None => nothing(false, context),
        };
    };
    let ids = selected(&opened.document, &wanted, &catalog)?;
    let mut round = Round::default();
    for id in ids {
        let found = opened.document.connection(&id);
        let Some(credential) = found.map_err(|bad| store.damaged(bad))? else {
            continue;
        };
        let fresh = match args.no_refresh {
            true => Ok(credential),
            false => freshened(&id, credential, &catalog, &store, &opened, context),
        };
        let credential = match fresh {
            Ok(credential) => credential,
            Err(ended) => {
                let (credential, error) = *ended;
                round
                    .decided
                    .push((Subject { id, credential }, verdict_of(&error)));
                continue;
            }
        };
        match prepared(&id, &credential, &catalog, context.now) {
            Ok(question) => {
                round.questions.push(question);
                round.subjects.push(Subject { id, credential });
            }
            // Nobody named it, and nothing is wrong with it.
            Err(Unasked::NoWay(error)) if wanted.is_empty() => {
                context.output.note(&format!("Not asked: {error}"));
            }
            Err(Unasked::NoWay(error) | Unasked::Broken(error)) => round.refused.push(error),
        }
    }
    if round.subjects.is_empty() && round.refused.is_empty() && round.decided.is_empty() {
        return nothing(opened.document.connections().next().is_some(), context);
    }
    let Round {
        mut subjects,
        questions,
        refused,
        decided,
    } = round;
    let mut verdicts = ask_all(questions, context)?;
    if !args.no_refresh {
        let vault = (&store, &opened);
        again(&mut subjects, &mut verdicts, &catalog, vault, context)?;
    }
    keep(&subjects, &verdicts, &store, &opened, context);
    for (subject, verdict) in decided {
        subjects.push(subject);
        verdicts.push(verdict);
    }
    if !subjects.is_empty() {
        write_down(&subjects, &verdicts, context);
        report(&subjects, &verdicts, context)?;
    }
    let judged = judgement(&subjects, &verdicts);
    let mut errors = judged.err().into_iter().chain(refused);
    let Some(first) = errors.next() else {
        return Ok(());
    };
    for error in errors {
        context.output.warn(&error.to_string());
    }
    Err(first)
}

/// The connections of one call.
#[derive(Default)]
struct Round {
    subjects: Vec<Subject>,
    questions: Vec<Question>,
    /// What is wrong with those that are not asked about.
    refused: Vec<Error>,
    /// Those whose tokens have ended: there is nothing to ask with.
    decided: Vec<(Subject, Verdict)>,
}

/// Why a connection is not asked about.
enum Unasked {
    /// Its provider has no request that would tell.
    NoWay(Error),
    /// Something is wrong with what is stored, or with the definition.
    Broken(Error),
}

impl From<Error> for Unasked {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

/// What was named, each once.
fn wanted(args: &VerifyArgs, catalog: &Catalog) -> Result<Vec<ConnectionRef>> {
    if args.targets.is_empty() && args.connection.is_some() {
        let message = "--connection goes with a provider";
        return Err(Error::new(Kind::Usage, message)
            .with_hint("Name it: vault verify openai --connection team"));
    }
    let mut wanted: Vec<ConnectionRef> = Vec::new();
    for target in &args.targets {
        let reference = select::named(target, args.connection.as_ref())?;
        catalog.find(&reference.provider)?;
        if !wanted.contains(&reference) {
            wanted.push(reference);
        }
    }
    Ok(wanted)
}

/// The connections that were named, or all of them.
fn selected(
    document: &Document,
    wanted: &[ConnectionRef],
    catalog: &Catalog,
) -> Result<BTreeSet<ConnectionId>> {
    if wanted.is_empty() {
        return Ok(document.connections().collect());
    }
    let mut ids = BTreeSet::new();
    for reference in wanted {
        if reference.connection.is_some() {
            ids.insert(select::existing(document, reference)?);
            continue;
        }
        let known = document.connections_of(&reference.provider);
        if known.is_empty() {
            // A typo is told as one.
            catalog.find(&reference.provider)?;
            return Err(select::not_connected(reference));
        }
        ids.extend(known.into_iter().map(|name| ConnectionId {
            provider: reference.provider.clone(),
            connection: name.clone(),
        }));
    }
    Ok(ids)
}

/// The request for one connection.
fn prepared(
    id: &ConnectionId,
    credential: &Credential,
    catalog: &Catalog,
    now: Timestamp,
) -> std::result::Result<Question, Unasked> {
    let definition = catalog.find(&id.provider)?.definition;
    let definition = match &credential.value.base_url {
        Some(url) => definition.at(url).map_err(|bad| {
            let message = format!("{id} cannot be verified: its address {bad}");
            Error::new(Kind::InvalidInput, message)
                .with_hint(format!("Store it anew: vault login {id} --force"))
        })?,
        None => definition,
    };
    question(&definition, &credential.value, now).map_err(|reason| match reason {
        NoQuestion::NoWay => Unasked::NoWay(not_asked(id, &reason)),
        _ => Unasked::Broken(not_asked(id, &reason)),
    })
}

/// That a connection cannot be asked about.
fn not_asked(id: &ConnectionId, reason: &NoQuestion) -> Error {
    let hint = match reason {
        NoQuestion::NoWay => {
            format!("Give it one of your own: vault inspect {}", id.provider)
        }
        NoQuestion::Foreign(_) | NoQuestion::InTheClear(_) | NoQuestion::Unattached => {
            format!(
                "Look at its definition: vault provider show {}",
                id.provider
            )
        }
        NoQuestion::Missing(name) if name.as_str() == "base_url" => {
            format!("Store it with its address: vault login {id} --force --base-url URL")
        }
        NoQuestion::Missing(name) => {
            format!(
                "Store it too: vault login {id} --force --field {name}=-, or as one of a JSON object's members"
            )
        }
        _ => format!("Store it anew: vault login {id} --force"),
    };
    Error::new(
        Kind::InvalidInput,
        format!("{id} cannot be verified: {reason}"),
    )
    .with_hint(hint)
}

/// Asks about a credential before it is stored.
///
/// # Errors
/// The provider rejects it, or nothing could be learned.
pub(super) fn must_be_alive(
    id: &ConnectionId,
    definition: &Definition,
    value: &Value,
    context: &Context,
) -> Result<()> {
    const WITHOUT: &str = "To store it all the same, leave --verify out.";
    let question = question(definition, value, context.now).map_err(|reason| {
        let message = format!("{id} cannot be verified: {reason}; nothing was stored");
        let error = Error::new(Kind::InvalidInput, message);
        match reason {
            NoQuestion::Missing(name) => {
                error.with_hint(format!("Give it too: --field {name}=TEXT"))
            }
            _ => error.with_hint(WITHOUT),
        }
    })?;
    let verdicts = ask_all(vec![question], context)?;
    let Some(verdict) = verdicts.into_iter().next() else {
        return Ok(());
    };
    let message = verdict.message.unwrap_or_default();
    let name = &definition.display_name;
    match verdict.outcome {
        Outcome::Rejected => {
            let error = Error::new(
                Kind::Rejected,
                format!("{name} rejects it: {message}; nothing was stored"),
            );
            Err(match &definition.key_url {
                Some(url) => error.with_hint(format!("Get another one at {url}")),
                None => error.with_hint(WITHOUT),
            })
        }
        Outcome::Unreachable => Err(Error::new(
            Kind::Unreachable,
            format!("Nothing was learned from {name}: {message}; nothing was stored"),
        )
        .with_hint(verdict.hint.as_deref().unwrap_or(WITHOUT))),
        Outcome::Ok if message.is_empty() => Ok(()),
        _ => {
            context.output.note(&format!("{name} says: {message}."));
            Ok(())
        }
    }
}

fn nothing(is_anything_stored: bool, context: &Context) -> Result<()> {
    if context.output.json {
        output::print_json(&json!({"results": []}))?;
    }
    context.output.note(if is_anything_stored {
        "There is nothing that could be asked about."
    } else {
        "There is nothing to verify. Begin with: vault login openai"
    });
    Ok(())
}

/// Sends the requests, so many at once, and waits for all of them.
fn ask_all(questions: Vec<Question>, context: &Context) -> Result<Vec<Verdict>> {
    let client = Arc::new(context.client());
    let progress = Progress::new(context);
    let total = questions.len();
    wait_for(async {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        for (position, question) in questions.into_iter().enumerate() {
            let (client, turns): (Arc<Client>, _) = (Arc::clone(&client), Arc::clone(&turns));
            tasks.spawn(async move {
                // The semaphore is never closed; without a turn it would only
                // be less polite.
                let _turn = turns.acquire().await;
                (position, question.ask(&client).await)
            });
        }
        let mut verdicts: Vec<(usize, Verdict)> = Vec::with_capacity(total);
        progress.say(&format!("Asking {total} …"));
        while let Some(done) = tasks.join_next().await {
            verdicts.extend(done);
            progress.say(&format!("Asked {} of {total} …", verdicts.len()));
        }
        verdicts.sort_by_key(|(position, _)| *position);
        verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    })
}

/// The status that an outcome stands for; none where nothing was learned.
fn status_after(outcome: Outcome) -> Option<Status> {
    match outcome {
        Outcome::Ok | Outcome::Forbidden | Outcome::RateLimited => Some(Status::Connected),
        Outcome::Rejected => Some(Status::Invalid),
        Outcome::Unreachable => None,
    }
}

/// Puts the statuses into the vault, where they changed and the credential is
/// still the one that was asked about.
fn keep(
    subjects: &[Subject],
    verdicts: &[Verdict],
    store: &Store,
    opened: &Opened,
    context: &Context,
) {
    let learned: Vec<_> = subjects
        .iter()
        .zip(verdicts)
        .filter_map(|(subject, verdict)| Some((subject, status_after(verdict.outcome)?)))
        .filter(|(subject, status)| is_news(&subject.credential, *status, context.now))
        .collect();
    if learned.is_empty() {
        return;
    }
    let kept = context.note_down(store, &opened.key, "verify", |document| {
        for (subject, status) in learned {
            let found = document.connection(&subject.id);
            let Some(mut credential) = found.map_err(|bad| store.damaged(bad))? else {
                continue;
            };
            let is_same = credential.value.is_same(&subject.credential.value);
            if is_same && is_news(&credential, status, context.now) {
                credential.status = status;
                credential.updated_at = context.now;
                document.put_connection(&subject.id, &credential);
            }
        }
        Ok(())
    });
    if let Err(error) = kept {
        context
            .output
            .warn(&format!("What was learned could not be kept: {error}"));
    }
}

/// Whether a status is worth a commit. What has expired is rejected, and
/// stays expired.
fn is_news(credential: &Credential, status: Status, now: Timestamp) -> bool {
    let has_expired = credential.status_at(now) == Status::Expired;
    credential.status != status && !(has_expired && status == Status::Invalid)
}

fn write_down(subjects: &[Subject], verdicts: &[Verdict], context: &Context) {
    let with = |outcome: Outcome| {
        let those = subjects.iter().zip(verdicts);
        let those = those.filter(move |(_, verdict)| verdict.outcome == outcome);
        those.map(|(subject, _)| &subject.id)
    };
    let entry = Entry::new(Event::Verify, "verify")
        .with_list("connections", subjects.iter().map(|subject| &subject.id))
        .with_list("rejected", with(Outcome::Rejected))
        .with_list("unreachable", with(Outcome::Unreachable));
    context.audit(&entry);
}

fn report(subjects: &[Subject], verdicts: &[Verdict], context: &Context) -> Result<()> {
    if context.output.json {
        let results = subjects.iter().zip(verdicts).map(|(subject, verdict)| {
            json!({
                "provider": subject.id.provider.as_str(),
                "connection": subject.id.connection.as_str(),
                "result": verdict.outcome.as_str(),
                "http_status": verdict.http_status,
                "message": verdict.message,
            })
        });
        return output::print_json(&json!({"results": results.collect::<Vec<_>>()}));
    }
    let mut table = Table::new(&["PROVIDER", "CONNECTION", "RESULT", "MESSAGE"]).wrapped();
    for (subject, verdict) in subjects.iter().zip(verdicts) {
        table.row([
            subject.id.provider.as_str(),
            subject.id.connection.as_str(),
            verdict.outcome.as_str(),
            verdict.message.as_deref().unwrap_or_default(),
        ]);
    }
    output::print(&table.render(terminal_width()))
}

/// The exit code, and what to do.
fn judgement(subjects: &[Subject], verdicts: &[Verdict]) -> Result<()> {
    let with = |outcome| -> Vec<&ConnectionId> {
        let those = subjects.iter().zip(verdicts);
        those
            .filter(|(_, verdict)| verdict.outcome == outcome)
            .map(|(subject, _)| &subject.id)
            .collect()
    };
    let listed = |ids: &[&ConnectionId]| -> String {
        let named = ids.iter().take(NAMED).map(ToString::to_string);
        let names = named.collect::<Vec<_>>().join(", ");
        match ids.len().saturating_sub(NAMED) {
            0 => names,
            more => format!("{names} and {more} more"),
        }
    };
    match (
        &with(Outcome::Rejected)[..],
        &with(Outcome::Unreachable)[..],
    ) {
        ([], []) => Ok(()),
        ([], unreachable) => {
            // Of several reasons, none is everybody's.
            let mut hints = verdicts.iter().filter_map(|verdict| verdict.hint.as_ref());
            let hint = hints
                .next()
                .filter(|first| hints.all(|next| next == *first));
            let hint = hint.cloned();
            let again = || match unreachable {
                [only] => format!("Try again: vault verify {only}"),
                _ => "Look at each of them, then try again: vault verify".to_owned(),
            };
            Err(Error::new(
                Kind::Unreachable,
                format!("Nothing was learned of {}", listed(unreachable)),
            )
            .with_hint(hint.unwrap_or_else(again)))
        }
        (rejected, _) => {
            let first = rejected[0];
            let is_token = subjects
                .iter()
                .any(|subject| subject.id == *first && subject.credential.kind == AuthKind::OAuth);
            let what = match is_token {
                true => "Log in again",
                false => "Get a new key and store it",
            };
            let message = format!("The provider rejects {}", listed(rejected));
            Err(Error::new(Kind::Rejected, message)
                .with_hint(format!("{what}: vault login {first} --force")))
        }
    }
}
