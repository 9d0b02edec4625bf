//! The end of a log: the last line, and what a crash left after it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::line::{LONGEST, Line, Mark};

/// Room for what a crash left and the line before it.
const WINDOW: usize = 2 * LONGEST + 2;

/// What a log ends in.
pub(super) struct Tail {
    /// The last whole line, where it is one of ours.
    pub last: Option<Mark>,
    /// What stands after it without an end; `None` where it is too long to be
    /// of a crash.
    pub torn: Option<Vec<u8>>,
    /// Whether the last line has no end.
    pub is_open: bool,
}

impl Tail {
    /// Reads it.
    pub fn read(file: &File, length: u64) -> io::Result<Self> {
        let size = WINDOW.min(usize::try_from(length).unwrap_or(WINDOW));
        // Lines are short as a rule, and whoever shows a secret is in a hurry.
        let mut tail = Self::read_last(file, length, size.min(1024))?;
        if tail.is_none() {
            tail = Self::read_last(file, length, size)?;
        }
        Ok(tail.unwrap_or(Self {
            last: None,
            torn: None,
            is_open: true,
        }))
    }

    /// `None` where no line begins in the last `size` bytes.
    fn read_last(file: &File, length: u64, size: usize) -> io::Result<Option<Self>> {
        let mut bytes = vec![0; size];
        let start = length - size as u64;
        file.read_exact_at(&mut bytes, start)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        let (lines, torn) = bytes.split_at(whole.map_or(0, |end| end + 1));
        let is_from_start = start == 0;
        if whole.is_none() && !is_from_start {
            return Ok(None);
        }
        let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
        let line = match lines.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => &lines[end + 1..],
            None if is_from_start => lines,
            None => return Ok(None),
        };
        Ok(Some(Self {
            last: Line::parse(line).map(|line| line.mark()),
            is_open: !torn.is_empty(),
            torn: (torn.len() <= LONGEST).then(|| torn.to_owned()),
        }))
    }
}
