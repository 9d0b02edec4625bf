//! The side of who lists and decides: every gateway of this user is found by
//! its socket and asked in turn. Nothing here waits for one that does not
//! answer longer than a few seconds, and nothing that one says is believed
//! to be short.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;

use super::ask::End;
use super::desk::{PREFIX, SUFFIX};
use super::id::ApprovalId;
use super::wire::{Ahead, Facts, LONGEST_LINE, Line, Request};
use crate::files::socket::{connect, process_behind};
use crate::process::user_id;

/// How long one step of an exchange may take, and all of it.
const STEP: Duration = Duration::from_secs(2);
const EXCHANGE: Duration = Duration::from_secs(10);
/// The longest answer: more than a full board with bodies.
const LONGEST_ANSWER: usize = 128 * 1024 * 1024;
/// How often a watcher looks for new gateways.
const LOOK: Duration = Duration::from_millis(250);

/// What all gateways hold.
#[derive(Debug, Default)]
pub struct Listing {
    /// The requests, the oldest first.
    pub held: Vec<Facts>,
    /// What is approved ahead.
    pub ahead: Vec<Ahead>,
    /// Gateways that do not answer.
    pub silent: Vec<String>,
}

/// What is to be done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passes; and so do others of its rules and agent, for so long.
    Approve(Option<Duration>),
    /// It is refused.
    Deny,
}

/// What came of deciding.
#[derive(Debug)]
pub enum Decision {
    /// This was it, and so many others passed with it.
    Done(Box<Facts>, usize),
    /// No gateway holds one of that name; these do not answer.
    Unknown(Vec<String>),
}

/// Asks all gateways what they hold.
pub fn list(folders: &[&Path], with_bodies: bool) -> Listing {
    let mut listing = Listing::default();
    for socket in sockets(folders) {
        match exchange(&socket, &Request::List { body: with_bodies }) {
            Ok(lines) if lines.last() == Some(&Line::Complete) => {
                for line in lines {
                    match line {
                        Line::Held(facts) => listing.held.push(facts),
                        Line::Ahead(ahead) => listing.ahead.push(ahead),
                        _ => {}
                    }
                }
            }
            Err(error) if is_gone(&error) => {}
            Ok(_) | Err(_) => listing.silent.push(shown(&socket)),
        }
    }
    listing.held.sort_by(|a, b| a.since.cmp(&b.since));
    listing
}

/// Decides on a request, whichever gateway holds it.
pub fn decide(folders: &[&Path], id: &str, verdict: Verdict) -> Decision {
    let mut silent = Vec::new();
    let Ok(id) = id.parse::<ApprovalId>().map(|id| id.to_string()) else {
        return Decision::Unknown(silent);
    };
    for socket in sockets(folders) {
        let id = id.clone();
        let request = match verdict {
            Verdict::Approve(ahead) => Request::Approve {
                id,
                ahead: ahead.map(|ahead| ahead.as_secs()),
            },
            Verdict::Deny => Request::Deny { id },
        };
        match exchange(&socket, &request) {
            Ok(mut lines) => match lines.pop() {
                Some(Line::Decided { facts, others }) => {
                    return Decision::Done(Box::new(facts), others);
                }
                Some(Line::Unknown) => {}
                _ => silent.push(shown(&socket)),
            },
            Err(error) if is_gone(&error) => {}
            Err(_) => silent.push(shown(&socket)),
        }
    }
    Decision::Unknown(silent)
}

/// The sockets of gateways in those folders that are ours.
fn sockets(folders: &[&Path]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        let is_ours = folder
            .metadata()
            .is_ok_and(|found| found.is_dir() && found.uid() == user_id());
        let entries = is_ours.then(|| std::fs::read_dir(folder).ok()).flatten();
        for entry in entries.into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let is_gateways = name.is_some_and(|name| name.starts_with(PREFIX));
            if is_gateways && path.extension().is_some_and(|ending| ending == SUFFIX) {
                found.push(path);
            }
        }
    }
    found.sort();
    // One folder may be named twice.
    found.dedup();
    found
}

/// It ended: before its socket was found, or killed, which removed nothing.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused)
}

fn shown(socket: &Path) -> String {
    let stream = connect(socket, STEP).ok();
    match stream.as_ref().and_then(process_behind) {
        Some(number) => format!("process {number}"),
        None => socket.display().to_string(),
    }
}

fn ask(stream: &mut UnixStream, request: &Request) -> io::Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// One question, and all lines of the answer.
fn exchange(socket: &Path, request: &Request) -> io::Result<Vec<Line>> {
    let mut stream = connect(socket, STEP)?;
    ask(&mut stream, request)?;
    let end = Instant::now() + EXCHANGE;
    let mut lines = Lines::default();
    let mut found = Vec::new();
    let mut length = 0;
    let mut block = vec![0; 64 * 1024];
    loop {
        let count = match stream.read(&mut block) {
            Ok(0) => return Ok(found),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        length += count;
        lines.take(&block[..count], &mut found)?;
        if Instant::now() > end || length > LONGEST_ANSWER {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// What has come of a line that is not whole yet.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// Adds the lines that are whole now to what was found.
    fn take(&mut self, bytes: &[u8], found: &mut Vec<Line>) -> io::Result<()> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.0.len() + part.len() > LONGEST_LINE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.0.extend_from_slice(part);
            if part.ends_with(b"\n") {
                found.push(serde_json::from_slice(&self.0)?);
                self.0.clear();
            }
        }
        Ok(())
    }
}

/// What a watcher sees.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// One is held.
    Held(Box<Facts>),
    /// One has ended.
    Ended(Box<Facts>, End),
}

/// All gateways, watched.
pub struct Watch {
    folders: Vec<PathBuf>,
    with_bodies: bool,
    watched: BTreeMap<PathBuf, Watched>,
    next_look: Instant,
}

struct Watched {
    stream: UnixStream,
    lines: Lines,
    held: BTreeMap<String, Facts>,
}

impl Watch {
    /// Nothing is seen yet.
    pub fn new(folders: &[&Path], with_bodies: bool) -> Self {
        Self {
            folders: folders.iter().map(|folder| (*folder).to_owned()).collect(),
            with_bodies,
            watched: BTreeMap::new(),
            next_look: Instant::now(),
        }
    }

    /// Waits for changes; `None` once there is something to read at `end`.
    ///
    /// # Errors
    /// The system cannot wait.
    pub fn next(&mut self, end: BorrowedFd<'_>) -> io::Result<Option<Vec<Change>>> {
        loop {
            if Instant::now() >= self.next_look {
                self.look();
                self.next_look = Instant::now() + LOOK;
            }
            let wait = self.next_look.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(wait).unwrap_or_default();
            let mut ready = vec![PollFd::from_borrowed_fd(end, PollFlags::IN)];
            let streams = self.watched.values().map(|watched| &watched.stream);
            ready.extend(streams.map(|stream| PollFd::new(stream, PollFlags::IN)));
            match poll(&mut ready, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let is_ready: Vec<_> = ready.iter().map(|one| !one.revents().is_empty()).collect();
            if is_ready[0] {
                return Ok(None);
            }
            let changes = self.read(&is_ready[1..]);
            if !changes.is_empty() {
                return Ok(Some(changes));
            }
        }
    }

    /// Finds gateways that are new. One that does not answer is tried again.
    fn look(&mut self) {
        let folders: Vec<_> = self.folders.iter().map(PathBuf::as_path).collect();
        for socket in sockets(&folders) {
            if self.watched.contains_key(&socket) {
                continue;
            }
            let begun = || {
                let mut stream = connect(&socket, STEP)?;
                let body = self.with_bodies;
                ask(&mut stream, &Request::Watch { body })?;
                stream.set_nonblocking(true)?;
                io::Result::Ok(Watched {
                    stream,
                    lines: Lines::default(),
                    held: BTreeMap::new(),
                })
            };
            if let Ok(watched) = begun() {
                self.watched.insert(socket, watched);
            }
        }
    }

    fn read(&mut self, is_ready: &[bool]) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut gone = Vec::new();
        for ((socket, watched), is_ready) in self.watched.iter_mut().zip(is_ready) {
            if *is_ready && !watched.read(&mut changes) {
                gone.push(socket.clone());
            }
        }
        for socket in gone {
            // What it held ended with it.
            let held = self.watched.remove(&socket).map(|watched| watched.held);
            let held = held.into_iter().flatten();
            changes.extend(held.map(|(_, facts)| Change::Ended(facts.into(), End::Stopped)));
        }
        changes
    }
}

impl Watched {
    /// False once it has ended, or says what it should not.
    fn read(&mut self, changes: &mut Vec<Change>) -> bool {
        let mut block = vec![0; 64 * 1024];
        let count = match self.stream.read(&mut block) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => {
                use io::ErrorKind::{Interrupted, WouldBlock};
                return matches!(error.kind(), Interrupted | WouldBlock);
            }
        };
        let mut lines = Vec::new();
        let is_sound = self.lines.take(&block[..count], &mut lines).is_ok();
        for line in lines {
            match line {
                Line::Held(facts) => {
                    // What is kept to be shown at its end needs no body.
                    let body = None;
                    let kept = Facts {
                        body,
                        ..facts.clone()
                    };
                    self.held.insert(facts.id.clone(), kept);
                    changes.push(Change::Held(facts.into()));
                }
                Line::Ended { id, how } => {
                    let facts = self.held.remove(&id);
                    changes.extend(facts.map(|facts| Change::Ended(facts.into(), how)));
                }
                _ => {}
            }
        }
        is_sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_however_they_come() {
        let text = b"\"unknown\"\n\"complete\"\n";
        for step in 1..=text.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for part in text.chunks(step) {
                lines.take(part, &mut found).unwrap();
            }
            assert_eq!(found, [Line::Unknown, Line::Complete], "{step}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_read_for_ever() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let block = [b'x'; 64 * 1024];
        let refused = (0..100).position(|_| lines.take(&block, &mut found).is_err());
        assert_eq!(refused, Some(LONGEST_LINE / block.len()));
    }

    #[test]
    fn only_sockets_of_gateways_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "g-1-x.sock",
            "s-1.sock",
            "g-1-x.77",
            "g-2-y.sock",
            "ug-.sock",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let missing = folder.path().join("missing");
        let found = sockets(&[folder.path(), folder.path(), &missing]);
        let expected = ["g-1-x.sock", "g-2-y.sock"].map(|name| folder.path().join(name));
        assert_eq!(found, expected);
    }
}
