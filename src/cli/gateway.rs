//! What `run` and `serve` have in common: how a gateway behaves that a person
//! starts.

use std::sync::Arc;

use jiff::Timestamp;

use super::context::{Context, whole_second};
use crate::error::{Error, Kind, Result};
use crate::gateway::{Line, Log, Unmatched};
use crate::provider::Host;
use crate::text::printable;

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
