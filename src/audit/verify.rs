//! Whether a log is all that was written: each line the one that follows the
//! line before it, and the last one the last that is remembered.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use serde::Deserialize;

use super::line::{self, LONGEST, Line, Mark};
use super::read::{Lines, Raw};
use super::{AuditError, Log};
use crate::error::{Error, Kind};
use crate::files::PathContext;
use crate::text;

/// A log that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many entries there are.
    pub entries: u64,
    /// When the first one was made, where there is one.
    pub since: Option<String>,
    /// When something was amiss and accepted: what is before that is as it was
    /// then, and nothing more can be said of it.
    pub accepted: Option<String>,
    /// Whether a crash cut the last line; the next one will close it off.
    pub is_torn: bool,
}

/// A log that is not what was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// The log.
    pub path: PathBuf,
    /// The first thing that is wrong with it.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line that is none of ours.
    #[error("line {line} is no entry: it was changed, or put in")]
    Foreign {
        /// Which one.
        line: u64,
    },
    /// Its digest is not that of its content.
    #[error("line {line} was changed: its hash is not that of its content")]
    Changed {
        /// Which one.
        line: u64,
    },
    /// Another entry stands there.
    #[error(
        "line {line} holds entry {found} where entry {wanted} should be: lines were removed, put in or moved"
    )]
    OutOfOrder {
        /// Which line.
        line: u64,
        /// What it holds.
        found: u64,
        /// What it should.
        wanted: u64,
    },
    /// It follows another line than the one that stands before it.
    #[error(
        "line {line} does not follow the line before it, which is not the one that was written"
    )]
    Replaced {
        /// Which line.
        line: u64,
    },
    /// It is not the line that is remembered.
    #[error("line {line} holds another entry {seq} than the one that was written")]
    Other {
        /// Which line.
        line: u64,
        /// Which entry.
        seq: u64,
    },
    /// It ends too early.
    #[error("line {line} is the last one, and {wanted} entries were written: the end was cut off")]
    CutOff {
        /// The last line.
        line: u64,
        /// What is remembered.
        wanted: u64,
    },
    /// There is nothing.
    #[error("it is gone or empty from line 1 on, and {wanted} entries were written")]
    Gone {
        /// What is remembered.
        wanted: u64,
    },
    /// What a crash left was changed or taken out.
    #[error(
        "line {line} tells of a line before it that a crash cut, and which is not there as it was"
    )]
    NoTorn {
        /// Which one.
        line: u64,
    },
    /// Nothing is kept beside it that would tell of a cut.
    #[error(
        "audit.head is gone, so that nobody can tell whether lines after line {line} were cut off"
    )]
    NoHead {
        /// The last line.
        line: u64,
    },
}

/// Why a log does not pass.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not what was written.
    #[error("The audit log {} is not as it was written: {}", .0.path.display(), .0.fault)]
    Broken(Broken),
    /// It cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl From<VerifyError> for Error {
    fn from(error: VerifyError) -> Self {
        let message = text::printable(&error.to_string()).into_owned();
        match error {
            VerifyError::Audit(error) => error.into(),
            VerifyError::Broken(_) => Self::new(Kind::Corrupt, message).with_hint(
                "Look at the entries around it: vault audit; once you know why, go on from here: \
                 vault doctor --accept",
            ),
        }
    }
}

impl Log {
    /// Holds the log against itself and what is remembered of it.
    ///
    /// # Errors
    /// It is not what was written, or cannot be read.
    pub fn verify(&self, remembered: &[Mark]) -> Result<Verified, VerifyError> {
        // Before the log, so that a line that comes meanwhile is no fault.
        let head = self.head()?;
        let known = head.iter().chain(remembered);
        let mut check = Check::new(known.cloned().collect());
        let broken = |fault| {
            VerifyError::Broken(Broken {
                path: self.path().to_owned(),
                fault,
            })
        };
        if let Some(mut lines) = Lines::open(self.path()).map_err(AuditError::from)? {
            let opened = lines.file().try_clone().at("read", self.path());
            let file = opened.map_err(AuditError::from)?;
            let failed = |error| AuditError::from(error);
            while let Some(raw) = lines.next().at("read", self.path()).map_err(failed)? {
                check
                    .line(&raw, &file)
                    .at("read", self.path())
                    .map_err(failed)?;
            }
        }
        check.end(head.is_some()).map_err(broken)
    }
}

/// What is known after so many lines.
struct Check {
    remembered: Vec<Mark>,
    /// How many lines there were, and how many of them were entries.
    line: u64,
    entries: u64,
    since: Option<String>,
    accepted: Option<(u64, String)>,
    /// The last line that was as it should be.
    last: Mark,
    /// The last line, where it is no entry: perhaps of a crash.
    strange: Option<Strange>,
    fault: Option<Fault>,
}

struct Strange {
    fault: Fault,
    bytes: u64,
    sha256: String,
    is_ended: bool,
}

/// The members that matter here.
#[derive(Deserialize)]
struct Members {
    time: String,
    event: String,
    torn_bytes: Option<u64>,
    torn_sha256: Option<String>,
    before_bytes: Option<u64>,
    before_sha256: Option<String>,
}

impl Check {
    fn new(remembered: Vec<Mark>) -> Self {
        Self {
            remembered,
            line: 0,
            entries: 0,
            since: None,
            accepted: None,
            last: Mark::none(),
            strange: None,
            fault: None,
        }
    }

    fn line(&mut self, raw: &Raw<'_>, file: &File) -> io::Result<()> {
        self.line += 1;
        let line = self.line;
        let entry = match raw.is_ended {
            true => Line::parse(raw.bytes).filter(|_| !raw.is_long),
            false => None,
        };
        let whole = entry.as_ref().filter(|entry| entry.is_whole());
        let members = whole.and_then(|_| serde_json::from_slice::<Members>(raw.bytes).ok());
        let (Some(entry), Some(members)) = (whole, members) else {
            self.settle();
            let fault = match entry {
                Some(_) => Fault::Changed { line },
                None => Fault::Foreign { line },
            };
            if raw.is_long {
                self.blame(fault);
                return Ok(());
            }
            self.strange = Some(Strange {
                fault,
                bytes: raw.bytes.len() as u64,
                sha256: line::digest(raw.bytes),
                is_ended: raw.is_ended,
            });
            return Ok(());
        };
        self.entries += 1;
        self.since.get_or_insert_with(|| members.time.clone());
        if members.event == "torn" {
            match self.strange.take() {
                Some(strange) if strange.is_told_by(&members) => {}
                found => {
                    self.strange = found;
                    self.blame(Fault::NoTorn { line });
                }
            }
        }
        self.settle();
        self.follow(entry);
        if members.event == "accept" && is_bound(&members, raw, file)? {
            // One that found nothing amiss takes nothing back.
            if self.fault.take().is_some() {
                self.accepted = Some((entry.seq, members.time));
            }
        }
        Ok(())
    }

    /// Whether the entry is the one that comes next.
    fn follow(&mut self, entry: &Line<'_>) {
        let line = self.line;
        let wanted = self.last.seq.saturating_add(1);
        if entry.seq != wanted {
            let found = entry.seq;
            self.blame(Fault::OutOfOrder {
                line,
                found,
                wanted,
            });
        } else if entry.prev != self.last.hash {
            self.blame(Fault::Replaced { line });
        }
        let is_other = |mark: &Mark| mark.seq == entry.seq && mark.hash != entry.hash;
        if self.remembered.iter().any(is_other) {
            let seq = entry.seq;
            self.blame(Fault::Other { line, seq });
        }
        self.last = entry.mark();
    }

    /// A strange line that nothing excuses is a fault.
    fn settle(&mut self) {
        if let Some(strange) = self.strange.take() {
            self.blame(strange.fault);
        }
    }

    fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn end(mut self, has_head: bool) -> Result<Verified, Fault> {
        let is_torn = match &self.strange {
            // The beginning of a line that nobody wrote the end of.
            Some(strange) if !strange.is_ended && strange.bytes <= LONGEST as u64 => true,
            _ => {
                self.settle();
                false
            }
        };
        let from = self.accepted.as_ref().map_or(0, |(seq, _)| *seq);
        let remembered = self.remembered.iter().filter(|mark| mark.seq >= from);
        let wanted = remembered.map(|mark| mark.seq).max().unwrap_or(0);
        if wanted > self.last.seq {
            let line = self.line - u64::from(is_torn);
            self.blame(match self.entries {
                0 => Fault::Gone { wanted },
                _ => Fault::CutOff { line, wanted },
            });
        }
        // The first line is there for a moment before there is a head.
        if !has_head && self.last.seq > 1 {
            let line = self.line;
            self.blame(Fault::NoHead { line });
        }
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(Verified {
                entries: self.entries,
                since: self.since,
                accepted: self.accepted.map(|(_, time)| time),
                is_torn,
            }),
        }
    }
}

impl Strange {
    fn is_told_by(&self, members: &Members) -> bool {
        members.torn_bytes == Some(self.bytes)
            && members.torn_sha256.as_deref() == Some(&self.sha256)
    }
}

/// Whether an entry that accepts what was before it means what is there now.
fn is_bound(members: &Members, raw: &Raw<'_>, file: &File) -> io::Result<bool> {
    let (Some(bytes), Some(sha256)) = (members.before_bytes, &members.before_sha256) else {
        return Ok(false);
    };
    if bytes != raw.offset {
        return Ok(false);
    }
    let before = line::digest_of_first(file, bytes)?;
    Ok(line::hexadecimal(before) == *sha256)
}
