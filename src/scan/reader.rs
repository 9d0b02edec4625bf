//! One file, read in windows that overlap by the longest key, so that each key
//! is seen whole and belongs to one window. The buffer is used again for the
//! next file and wiped at the end.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::automaton::LONGEST;
use super::check::LOOK_BEHIND;
use super::shapes::{Effort, Scanner, Window};
use crate::name::{FieldName, ProviderName};
use crate::secret::{Secret, wipe};

/// How much is looked at in one go; small enough for a processor's cache.
const STEP: usize = 128 * 1024;
/// What is read beyond that, for keys that begin before it.
const AHEAD: usize = LONGEST + 8;

/// More keys of one provider than any file holds by accident. The others'
/// are found all the same.
const MOST_HITS: usize = 1000;

/// Reads files, one after another.
pub struct Reader<'a> {
    scanner: &'a Scanner,
    effort: Effort,
    buffer: Zeroizing<Vec<u8>>,
}

/// One key in the file.
pub struct Hit {
    pub line: u64,
    pub column: u64,
    pub provider: ProviderName,
    pub field: FieldName,
    pub key: Secret,
    pub digest: String,
    /// Where in the file it is.
    place: Range<u64>,
    fixed: Option<usize>,
}

/// What a file was.
#[derive(Default)]
pub struct Content {
    /// The keys in it, in order.
    pub hits: Vec<Hit>,
    /// Whether it is no text, and was not read on.
    pub is_binary: bool,
    /// Whose expressions cost too much on it.
    pub given_up: Vec<ProviderName>,
    /// Why not all of it counts.
    pub incomplete: Option<String>,
}

impl<'a> Reader<'a> {
    pub fn new(scanner: &'a Scanner) -> Self {
        Self {
            effort: scanner.effort(),
            scanner,
            buffer: Zeroizing::new(vec![0; LOOK_BEHIND + STEP + AHEAD]),
        }
    }

    /// Looks through a file. One that was named is read to its end even where
    /// it is no text. What was found before an error counts.
    ///
    /// # Errors
    /// Nothing of it can be read.
    pub fn read(&mut self, source: &mut impl Read, is_named: bool) -> io::Result<Content> {
        let mut content = Content::default();
        self.effort.begin();
        let mut lines = Lines::default();
        let mut counts = HashMap::new();
        // The buffer holds this much, of which so much was looked at.
        let (mut filled, mut from, mut offset) = (0, 0, 0);
        loop {
            let is_last = match self.fill(source, &mut filled) {
                Ok(is_last) => is_last,
                Err(error) if offset == 0 => return Err(error),
                Err(error) => {
                    content.incomplete = Some(format!("not read to its end: {error}"));
                    true
                }
            };
            let text = &self.buffer[..filled];
            if !is_named && text[from..].contains(&0) {
                // What stands before it was text.
                content.is_binary = content.hits.is_empty();
                break;
            }
            let to = if is_last { filled } else { filled - AHEAD };
            let window = Window {
                text,
                from,
                to,
                offset,
            };
            for found in self.scanner.look(window, &mut self.effort) {
                let start = found.place.start;
                let count = counts.entry(found.provider).or_insert(0_usize);
                *count += 1;
                if *count > MOST_HITS {
                    let provider = found.provider;
                    content.incomplete =
                        Some(format!("it holds more than {MOST_HITS} keys of {provider}"));
                    continue;
                }
                // What lies beyond this window is counted by the next one.
                let before = if start < to {
                    &mut lines
                } else {
                    &mut lines.clone()
                };
                before.advance(text, start, offset);
                let key = &text[found.place.clone()];
                content.hits.extend(hit_of(key).map(|(key, digest)| Hit {
                    line: before.line,
                    column: before.column,
                    provider: found.provider.clone(),
                    field: found.field.clone(),
                    key,
                    digest,
                    place: offset + start as u64..offset + found.place.end as u64,
                    fixed: found.fixed,
                }));
            }
            if is_last {
                break;
            }
            lines.advance(text, to, offset);
            let kept = to - LOOK_BEHIND;
            self.buffer.copy_within(kept..filled, 0);
            filled -= kept;
            offset += kept as u64;
            from = LOOK_BEHIND;
        }
        content.given_up = self.scanner.given_up(&self.effort).cloned().collect();
        settle(&mut content.hits);
        Ok(content)
    }

    /// Fills the buffer; true at the end of the file.
    fn fill(&mut self, source: &mut impl Read, filled: &mut usize) -> io::Result<bool> {
        while *filled < self.buffer.len() {
            match source.read(&mut self.buffer[*filled..]) {
                Ok(0) => return Ok(true),
                Ok(count) => *filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        wipe(&mut self.buffer);
    }
}

fn hit_of(key: &[u8]) -> Option<(Secret, String)> {
    let digest = Sha256::digest(key);
    let digits: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let key = Secret::from_utf8(Zeroizing::new(key.to_vec())).ok()?;
    Some((key, format!("sha256:{digits}")))
}

/// Puts them in order, and leaves one of those that are one: of several shapes
/// at one place the surest, and of a name's value what its shape says.
fn settle(hits: &mut Vec<Hit>) {
    let surest = |hit: &Hit| {
        (
            hit.fixed.is_none(),
            std::cmp::Reverse((hit.fixed, hit.place.end)),
        )
    };
    hits.sort_by(|a, b| {
        let (first, second) = (a.place.start, b.place.start);
        first.cmp(&second).then_with(|| surest(a).cmp(&surest(b)))
    });
    hits.dedup_by_key(|hit| hit.place.start);
    let shaped: Vec<_> = hits
        .iter()
        .filter(|hit| hit.fixed.is_some())
        .map(|hit| hit.place.clone())
        .collect();
    hits.retain(|hit| {
        // Shapes of one place do not reach over each other much: it is enough
        // to look at those that begin within the value.
        let inside = shaped.partition_point(|place| place.start < hit.place.start);
        hit.fixed.is_some()
            || shaped
                .get(inside)
                .is_none_or(|place| place.start >= hit.place.end)
    });
}

/// Counts lines, and characters in the line, up to a place.
#[derive(Debug, Clone)]
struct Lines {
    at: u64,
    line: u64,
    column: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            at: 0,
            line: 1,
            column: 1,
        }
    }
}

impl Lines {
    fn advance(&mut self, text: &[u8], to: usize, offset: u64) {
        let start = usize::try_from(self.at - offset).unwrap_or(to);
        let passed = &text[start.min(to)..to];
        self.at = offset + to as u64;
        let lines = count(passed, |byte| byte == b'\n');
        let rest = if lines > 0 {
            self.line += lines;
            self.column = 1;
            let last = passed.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
            &passed[last + 1..]
        } else {
            passed
        };
        // Bytes that begin a character.
        self.column += count(rest, |byte| byte & 0xc0 != 0x80);
    }
}

/// How many bytes there are of a kind; in blocks, so that it goes by vector
/// instructions.
fn count(bytes: &[u8], kind: impl Fn(u8) -> bool) -> u64 {
    let in_block = |block: &[u8]| block.iter().map(|byte| u8::from(kind(*byte))).sum::<u8>();
    bytes
        .chunks(192)
        .map(|block| u64::from(in_block(block)))
        .sum()
}
