//! Reading a log from its beginning, line by line. Nothing is locked: lines
//! are only added, and one that is being added has no end yet.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::line::LONGEST;
use super::{AuditError, Log};
use crate::files::PathContext;

/// One entry, as it stands in the log.
pub struct Recorded {
    /// The line without its end.
    pub line: String,
    /// When it was.
    pub time: Timestamp,
    /// Its members.
    pub members: Map<String, Value>,
}

impl Log {
    /// Gives every entry to `each`, in order, until that fails, and tells how
    /// many lines were none.
    ///
    /// # Errors
    /// The log cannot be read, or `each` failed.
    pub fn read<E: From<AuditError>>(
        &self,
        mut each: impl FnMut(Recorded) -> Result<(), E>,
    ) -> Result<u64, E> {
        let failed = |error| E::from(AuditError::from(error));
        let mut strange = 0;
        let Some(mut lines) = Lines::open(self.path()).map_err(failed)? else {
            return Ok(0);
        };
        while let Some(line) = lines.next().at("read", self.path()).map_err(failed)? {
            match recorded(line.bytes) {
                Some(recorded) => each(recorded)?,
                None => strange += 1,
            }
        }
        Ok(strange)
    }
}

fn recorded(line: &[u8]) -> Option<Recorded> {
    let line = std::str::from_utf8(line).ok()?;
    let members: Map<String, Value> = serde_json::from_str(line).ok()?;
    Some(Recorded {
        line: line.to_owned(),
        time: members.get("time")?.as_str()?.parse().ok()?,
        members,
    })
}

/// The lines of a log. One that is longer than any of ours is given in part.
pub(super) struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
    /// Where the next one begins.
    offset: u64,
}

/// One of them.
pub(super) struct Raw<'a> {
    /// Where it begins.
    pub offset: u64,
    /// What it holds, without its end.
    pub bytes: &'a [u8],
    /// Whether it has an end.
    pub is_ended: bool,
    /// Whether there is more of it than `bytes`.
    pub is_long: bool,
}

impl Lines {
    /// `None` where there is no log.
    pub fn open(path: &Path) -> Result<Option<Self>, crate::files::FileError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // No log can be in a folder that is none.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            Err(error) => return Err(error).at("read", path),
        };
        Ok(Some(Self {
            reader: BufReader::with_capacity(64 * 1024, file),
            line: Vec::with_capacity(LONGEST),
            offset: 0,
        }))
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        self.reader.get_ref()
    }

    /// The next one, `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Raw<'_>>> {
        self.line.clear();
        let offset = self.offset;
        let bound = LONGEST as u64 + 1;
        (&mut self.reader)
            .take(bound)
            .read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        let mut is_ended = self.line.last() == Some(&b'\n');
        let is_long = !is_ended && self.line.len() as u64 == bound;
        if is_long {
            let skipped = self.reader.skip_until(b'\n')?;
            is_ended = skipped > 0;
            self.offset += skipped as u64;
        }
        self.offset += self.line.len() as u64;
        let bytes = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some(Raw {
            offset,
            bytes,
            is_ended,
            is_long,
        }))
    }
}
