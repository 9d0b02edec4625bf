//! What `run` and `serve` have in common: how a gateway behaves that a person
//! starts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::context::{Context, whole_second};
use super::environment;
use crate::broker::allowance::{Allowance, Defaults, Ledger};
use crate::broker::approval::{self, Approvals, Decided};
use crate::broker::policy_file::{Absence, News, PolicyFile, RouteFile};
use crate::broker::traffic::Oversight;
use crate::error::{Error, Kind, Result};
use crate::gateway::{Line, Log, Unmatched};
use crate::provider::Host;
use crate::text::printable;
use crate::usage::{self, Prices, Recorder};

/// More threads than this one machine's clients do not need.
const MOST_THREADS: usize = 8;

/// The time, as the vault keeps it.
pub fn clock() -> Timestamp {
    whole_second(Timestamp::now())
}

/// As many threads as there are processors.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS))
}

/// What happens to requests that no connection is for: hosts that are allowed
/// by name mean that others are not.
///
/// # Errors
/// A host is none.
pub fn unmatched(is_denied: bool, allowed: &[String]) -> Result<Unmatched> {
    if !is_denied && allowed.is_empty() {
        return Ok(Unmatched::Through);
    }
    let hosts = allowed.iter().map(|text| {
        let host = Host::parse(text, None).ok().filter(|host| {
            (host.exact().is_some() || host.suffix().is_some())
                && host.port.is_none()
                && host.path.is_none()
        });
        host.ok_or_else(|| {
            let message = format!("--allow takes a host, and not '{}'", printable(text));
            Error::new(Kind::Usage, message).with_hint(
                "For example: --allow pypi.org,files.pythonhosted.org or --allow '*.example.com'",
            )
        })
    });
    Ok(Unmatched::Denied(hosts.collect::<Result<_>>()?))
}

/// How a gateway watches over what it lets through.
pub struct Watched<'a> {
    /// Another policy than the usual one.
    pub policy: Option<&'a Path>,
    /// The limits that are there where policy says nothing.
    pub defaults: Defaults,
    /// How long requests are kept one by one.
    pub keep: Duration,
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
    let news = move |news: &News| match news {
        News::Broken { .. } => output.warn(&news.to_string()),
        _ => output.note(&news.to_string()),
    };
    let policy = Arc::new(PolicyFile::open(path, absence, Box::new(news))?);
    let prices = prices(&path.with_file_name("prices.json"))?;
    let recorder = Recorder::start(usage::Settings {
        path: places.state.join("usage.db"),
        keep: watched.keep,
        warn: Arc::clone(&warn),
        clock: Arc::new(Timestamp::now),
    });
    let ledger: Arc<dyn Ledger> = Arc::<usage::Ledger>::clone(recorder.ledger());
    let asked = Arc::clone(&policy);
    let approvals = approvals(
        context,
        watched.is_isolated,
        Arc::new(move || asked.policy().notify().map(str::to_owned)),
        Arc::new(|_| {}),
    )?;
    Ok(Oversight {
        policy,
        routes: RouteFile::open(&places.state, Box::new(news)),
        allowance: Allowance::new(watched.defaults, Some(ledger)),
        approvals,
        recorder,
        prices,
    })
}

fn prices(path: &Path) -> Result<Prices> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Prices::embedded());
        }
        Err(error) => {
            return Err(
                Error::new(Kind::Failed, format!("Cannot read {}", path.display()))
                    .with_source(error),
            );
        }
    };
    Prices::with_override(&text).map_err(|bad| {
        Error::new(Kind::InvalidInput, format!("{}: {bad}", path.display()))
            .with_hint("The form of the file: docs/usage.md")
    })
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

/// One line for each request, where they were asked for.
pub fn log(context: &Context) -> Option<Log> {
    if !context.global.verbose {
        return None;
    }
    let output = context.output;
    Some(Arc::new(move |line: &Line<'_>| {
        let Line {
            client,
            method,
            authority,
            path,
            connection,
            status,
            took,
        } = line;
        let with = connection.map_or(String::new(), |id| format!(" with {id}"));
        let text = format!(
            "{client}: {method} {authority}{path}{with}: {status} in {} ms",
            took.as_millis()
        );
        output.note(&printable(&text));
    }))
}
