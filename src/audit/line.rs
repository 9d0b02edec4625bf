//! The form of a line: members, the digest of the line before, and its own.
//! docs/audit.md shows it to whoever wants to check a log by other means.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::entry::{About, Entry};

/// The longest line, without its end.
pub const LONGEST: usize = 4096;

/// What every line ends in: the digest of the line before, and its own.
const PREV: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b",\"hash\":\"";
const DIGITS: usize = 64;

/// A line of the log by number and digest: all that is remembered of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its number, from 1.
    pub seq: u64,
    /// Its digest, in hexadecimal digits.
    pub hash: String,
}

impl Mark {
    /// Before the first line.
    pub fn none() -> Self {
        Self {
            seq: 0,
            hash: "0".repeat(DIGITS),
        }
    }

    /// Whether this is the mark of a line.
    pub fn is_some(&self) -> bool {
        self.seq > 0
    }
}

/// As the head and the pins keep it: always of the same length, so that it
/// can be written over in its place.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020} {}", self.seq, self.hash)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (seq, hash) = text.trim_end().split_once(' ').ok_or(())?;
        if !is_digest(hash.as_bytes()) || !seq.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        Ok(Self {
            seq: seq.parse().map_err(|_| ())?,
            hash: hash.to_owned(),
        })
    }
}

/// A line as it was read: of the right form, and nothing more is known.
pub(super) struct Line<'a> {
    pub seq: u64,
    pub prev: &'a str,
    pub hash: &'a str,
    /// What the digest is of.
    content: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads a line without its end; `None` where it is none of ours.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(b"\"}")?;
        let (rest, hash) = split_digest(rest)?;
        let content = rest.strip_suffix(HASH)?;
        let (rest, prev) = split_digest(content.strip_suffix(b"\"")?)?;
        let rest = rest.strip_suffix(PREV)?;
        let digits = rest.strip_prefix(b"{\"seq\":")?;
        let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        Some(Self {
            seq: std::str::from_utf8(&digits[..end]).ok()?.parse().ok()?,
            prev,
            hash,
            content,
        })
    }

    /// Whether its digest is that of its content.
    pub fn is_whole(&self) -> bool {
        digest(self.content) == self.hash
    }

    pub fn mark(&self) -> Mark {
        Mark {
            seq: self.seq,
            hash: self.hash.to_owned(),
        }
    }
}

/// Adds the line of an entry, with its end, and tells its mark.
pub(super) fn push(
    buffer: &mut Vec<u8>,
    entry: &Entry,
    about: &About<'_>,
    after: &Mark,
    now: Timestamp,
) -> Mark {
    let start = buffer.len();
    let seq = after.seq.saturating_add(1);
    let opening = format!("{{\"seq\":{seq},\"time\":\"{now}\"");
    let closing = PREV.len() + HASH.len() + 2 * DIGITS + 3;
    let bound = LONGEST - opening.len() - closing;
    buffer.extend_from_slice(opening.as_bytes());
    buffer.extend_from_slice(entry.members(about, bound).as_bytes());
    buffer.extend_from_slice(PREV);
    buffer.extend_from_slice(after.hash.as_bytes());
    buffer.push(b'"');
    let hash = digest(&buffer[start..]);
    buffer.extend_from_slice(HASH);
    buffer.extend_from_slice(hash.as_bytes());
    buffer.extend_from_slice(b"\"}\n");
    Mark { seq, hash }
}

/// SHA-256, in hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    hexadecimal(Sha256::new_with_prefix(bytes))
}

pub(super) fn hexadecimal(hasher: Sha256) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(DIGITS);
    for byte in hasher.finalize() {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}

/// The digest of what a file begins with, to be continued.
pub(super) fn digest_of_first(file: &File, length: u64) -> io::Result<Sha256> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut start = 0;
    while start < length {
        let wanted = buffer
            .len()
            .min(usize::try_from(length - start).unwrap_or(usize::MAX));
        file.read_exact_at(&mut buffer[..wanted], start)?;
        hasher.update(&buffer[..wanted]);
        start += wanted as u64;
    }
    Ok(hasher)
}

/// What comes before a digest that `bytes` end in, and the digest.
fn split_digest(bytes: &[u8]) -> Option<(&[u8], &str)> {
    let (before, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGITS)?)?;
    is_digest(digest).then_some(())?;
    Some((before, std::str::from_utf8(digest).ok()?))
}

fn is_digest(bytes: &[u8]) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    bytes.len() == DIGITS && bytes.iter().all(is_digit)
}
