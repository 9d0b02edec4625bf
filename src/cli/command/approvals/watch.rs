//! `approvals list --watch`: a line for what comes, and one for how it ended,
//! at a terminal as in a pipe.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};
use signal_hook::consts::SIGINT;
use signal_hook::low_level::pipe;

use super::shown::{body, facts_json, label, size};
use crate::broker::approval::{Change, Facts, Watch};
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{Error, Kind, Result};

/// Watches until Ctrl-C, whose exit code it tells.
pub fn run(show_body: bool, context: &Context) -> Result<u8> {
    let (heard, speaks) = UnixStream::pair().map_err(failed)?;
    pipe::register(SIGINT, speaks).map_err(failed)?;
    let places = context.places()?;
    let mut watch = Watch::new(&places.socket_folders(), show_body);
    if !context.output.json {
        context.output.note(
            "Watching. Decide from another terminal: vault approvals approve ID, or deny ID. \
             Ctrl-C ends this.",
        );
    }
    while let Some(changes) = watch.next(heard.as_fd()).map_err(failed)? {
        for change in &changes {
            match context.output.json {
                true => output::print_json(&json_of(change, show_body))?,
                false => output::print(&line_of(change, show_body))?,
            }
        }
    }
    Ok(Kind::Interrupted.exit_code())
}

fn failed(error: io::Error) -> Error {
    Error::new(Kind::Failed, "Cannot watch for requests")
        .with_source(error)
        .with_hint("Look once: vault approvals list")
}

/// The members of the list, and what happened.
fn json_of(change: &Change, show_body: bool) -> Value {
    let with = |facts: &Facts, status: &str, show_body| {
        let mut object = facts_json(facts, show_body);
        object["status"] = json!(status);
        object
    };
    match change {
        Change::Held(facts) => with(facts, "held", show_body),
        Change::Ended(facts, how) => with(facts, how.word(), false),
    }
}

fn line_of(change: &Change, show_body: bool) -> String {
    match change {
        Change::Held(facts) => {
            let mut line = label(facts);
            if let Some(bytes) = facts.bytes {
                line.push_str(&format!(", {}", size(bytes)));
            }
            line.push('\n');
            if show_body {
                line.push_str(&body(facts));
            }
            line
        }
        Change::Ended(facts, how) => format!("{}: {how}\n", label(facts)),
    }
}
