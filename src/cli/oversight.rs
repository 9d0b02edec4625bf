//! What watches over a gateway that a person starts: its policy, its limits,
//! who approves, and where its usage and its audit lines go.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;

use super::context::Context;
use super::environment;
use super::gateway::clock;
use crate::audit::{Entry, Event};
use crate::broker::allowance::{Allowance, Defaults, Ledger};
use crate::broker::approval::{self, Approvals, Decided, End};
use crate::broker::policy_file::{Absence, News, PolicyFile, PriceFile, RouteFile};
use crate::broker::traffic::Oversight;
use crate::error::{Error, Kind, Result};
use crate::policy::Period;
use crate::span::Span;
use crate::usage::{self, Recorder};

/// How a gateway watches over what it lets through.
pub struct Watched<'a> {
    /// Another policy than the usual one.
    pub policy: Option<&'a Path>,
    /// The limits that are there where policy says nothing.
    pub defaults: Defaults,
    /// How long requests are kept one by one.
    pub keep: Duration,
    /// Which command this is.
    pub command: &'static str,
    /// The program does not see what its user sees.
    pub is_isolated: bool,
}

/// So long requests are kept one by one, unless somebody says otherwise.
pub const KEEP: Duration = Duration::from_secs(180 * 86_400);

/// Policy, limits, approvals and book-keeping of a gateway.
///
/// # Errors
/// The policy or the prices are broken.
pub fn oversight(watched: &Watched<'_>, context: &Context) -> Result<Oversight> {
    let places = context.places()?;
    let output = context.output;
    let warn: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(move |text| output.warn(text));
    let (path, absence) = match watched.policy {
        Some(path) => (path, Absence::Refused),
        None => (places.policy.as_path(), Absence::Allowed),
    };
    let command = watched.command;
    let log = context.audit_log()?;
    let trouble = Arc::clone(&warn);
    let tell: Arc<dyn Fn(&Entry) + Send + Sync> = Arc::new(move |entry: &Entry| {
        if let Err(error) = log.append(entry, clock()) {
            trouble(&format!("This is not in the audit log. {error}."));
        }
    });
    let told = Arc::clone(&tell);
    // What was approved ahead was so under other rules.
    let forgetful = Arc::new(OnceLock::new());
    let reloaded = Arc::clone(&forgetful);
    let news = Arc::new(move |news: &News| {
        match news {
            // Also where nothing else is said.
            News::Broken { path, reason, hint } => output.error(
                &Error::new(
                    Kind::InvalidInput,
                    format!(
                        "{path} cannot be used, and what it said before stays in force: {reason}"
                    ),
                )
                .with_hint(hint.clone()),
            ),
            _ => output.note(&news.to_string()),
        }
        if let (News::Reloaded { .. }, Some(approvals)) = (news, reloaded.get()) {
            let approvals: &Arc<Approvals> = approvals;
            approvals.forget();
        }
        if let Some(entry) = news_entry(news, command) {
            told(&entry);
        }
    });
    let hear = Arc::clone(&news);
    let policy = PolicyFile::open(path, absence, Box::new(move |of| hear(of)))?;
    let policy = Arc::new(policy);
    let hear = Arc::clone(&news);
    let prices = path.with_file_name("prices.json");
    let prices = PriceFile::open(&prices, Box::new(move |of| hear(of)))?;
    let recorder = Recorder::start(usage::Settings {
        path: places.state.join("usage.db"),
        keep: watched.keep,
        warn: Arc::clone(&warn),
        clock: Arc::new(Timestamp::now),
    });
    let ledger: Arc<dyn Ledger> = Arc::<usage::Ledger>::clone(recorder.ledger());
    if !policy.policy().budgets().is_empty() {
        // Read before anybody waits for it.
        let _ = recorder
            .ledger()
            .spent("", Period::Month, Timestamp::now(), &|_| false);
    }
    let asked = Arc::clone(&policy);
    let approvals = approvals(
        context,
        watched.is_isolated,
        Arc::new(move || asked.policy().notify().map(str::to_owned)),
        {
            let tell = Arc::clone(&tell);
            Arc::new(move |decided: Decided| tell(&decision(&decided, command)))
        },
    )?;
    let approvals = Arc::new(approvals);
    let _ = forgetful.set(Arc::clone(&approvals));
    Ok(Oversight {
        policy,
        routes: RouteFile::open(&places.state, Box::new(move |of| news(of))),
        allowance: Allowance::new(watched.defaults, Some(ledger)),
        approvals,
        recorder,
        prices,
    })
}

/// What became of a policy, for the audit log.
fn news_entry(news: &News, command: &'static str) -> Option<Entry> {
    let entry = Entry::new(Event::Policy, command);
    Some(match news {
        News::Reloaded {
            path,
            counts,
            digest,
        } => entry
            .with("file", path)
            .with("sha256", digest)
            .with_number("rules", counts.rules as u64)
            .with_number("limits", counts.limits as u64)
            .with_number("budgets", counts.budgets as u64)
            .with_number("routes", counts.routes as u64),
        News::Route { name } => entry.with("route", name),
        News::Broken { path, reason, .. } => entry.with("file", path).with("broken", reason),
        News::Prices { path } => entry.with("prices", path),
        News::Mended { .. } => return None,
    })
}

/// How a request that waited for a person ended, for the audit log.
fn decision(decided: &Decided, command: &'static str) -> Entry {
    let (event, outcome) = match decided.outcome {
        End::Approved => (Event::Approval, "approved"),
        End::Denied => (Event::Denial, "denied"),
        End::TimedOut => (Event::Denial, "timed_out"),
        End::Withdrawn => (Event::Denial, "withdrawn"),
        End::Stopped => (Event::Denial, "stopped"),
    };
    let remembered = decided.ahead.map(|span| Span(span).to_string());
    let entry = Entry::new(event, command)
        .with("outcome", outcome)
        .with("id", &decided.id)
        .with("agent", &decided.agent)
        .with_list("rules", &decided.rules)
        .of_request(&decided.method, &decided.host, &decided.path)
        .with_some("for", remembered);
    match decided.by {
        Some(by) => entry.with_number("by", u64::from(by.uid)),
        None => entry,
    }
}

/// Where requests wait that policy wants approved. `notify` is the command
/// of the policy in force; beside an isolated program, the socket lies only
/// where that program does not see it.
///
/// # Errors
/// There is no home folder.
fn approvals(
    context: &Context,
    is_isolated: bool,
    notify: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    audit: Arc<dyn Fn(Decided) + Send + Sync>,
) -> Result<Approvals> {
    let places = context.places()?;
    let folders = places.socket_folders();
    let output = context.output;
    Ok(Approvals::new(approval::Settings {
        folders: match is_isolated {
            true => approval::folder_for_socket(&folders).into_iter().collect(),
            false => folders.map(Path::to_owned).into(),
        },
        notify,
        environment: environment::of_notifier(),
        is_verbose: context.global.verbose,
        audit,
        warn: Arc::new(move |message| output.warn(message)),
        clock,
    }))
}
