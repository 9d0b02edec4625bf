//! The ends of texts, words and lists in JSON, found without reading it: what
//! the time of a long answer goes into.

use memchr::memchr;

/// How much is looked through at a time where nothing is nested or quoted.
const BLOCK: usize = 32;
/// How many bytes are looked at one by one before that.
const STEPS: usize = 12;
/// How long a text is whose end is found without `memchr`: most names are.
const NEAR: usize = 24;

/// Which bytes numbers, `true`, `false` and `null` are made of.
static OF_WORDS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        byte += 1;
    }
    table
};

pub(super) fn is_of_word(byte: u8) -> bool {
    OF_WORDS[usize::from(byte)]
}

pub(super) fn word_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| !is_of_word(*byte))
}

pub(super) fn after_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// A text that begins here, and where what follows its quote stands; `None`
/// where it is none, or not whole.
#[inline(always)]
pub(super) fn quoted(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (b'"', rest) = bytes.get(at..)?.split_first()? else {
        return None;
    };
    let length = match near_quote(rest) {
        Some(length) => length,
        None => end_of_text(rest, &mut false)?,
    };
    Some((&rest[..length], at + length + 2))
}

/// Where the quote stands that ends a text of a few bytes. Most are such, and
/// for them a call to `memchr` costs more than it saves.
#[inline(always)]
fn near_quote(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    let near: &[u8; NEAR] = bytes.first_chunk()?;
    let (eights, _) = near.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let differing = u64::from_le_bytes(*eight) ^ QUOTES;
        // The lowest high bit stands in the first byte that is zero.
        let zeros = differing.wrapping_sub(ONES) & !differing & (ONES << 7);
        if zeros != 0 {
            let quote = index * 8 + zeros.trailing_zeros() as usize / 8;
            let is_escaped = quote > 0 && near[quote - 1] == b'\\';
            return (!is_escaped).then_some(quote);
        }
    }
    None
}

/// Where the quote stands that ends a text; `is_escaped` tells of backslashes
/// that stood before these bytes, and afterwards of those at their end.
#[inline(never)]
pub(super) fn end_of_text(bytes: &[u8], is_escaped: &mut bool) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = memchr(b'"', &bytes[at..]) {
        let quote = at + found;
        if !ends_escaped(&bytes[at..quote], at == 0 && *is_escaped) {
            *is_escaped = false;
            return Some(quote);
        }
        at = quote + 1;
    }
    *is_escaped = ends_escaped(&bytes[at..], at == 0 && *is_escaped);
    None
}

/// Whether an odd number of backslashes ends these bytes, of which
/// `was_escaped` tells whether one stands before them.
fn ends_escaped(bytes: &[u8], was_escaped: bool) -> bool {
    match bytes.last() {
        None => return was_escaped,
        Some(b'\\') => {}
        Some(_) => return false,
    }
    let slashes = bytes
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count();
    let is_odd = slashes % 2 == 1;
    is_odd != (was_escaped && slashes == bytes.len())
}

/// Where the next quote, bracket or brace stands.
pub(super) fn next_of_structure(bytes: &[u8], at: usize) -> Option<usize> {
    // Most of the time it is near, and in long lists of numbers far.
    let near = bytes.len().min(at + STEPS);
    for (index, byte) in bytes[at..near].iter().enumerate() {
        if STRUCTURE[usize::from(*byte)] {
            return Some(at + index);
        }
    }
    let (blocks, _) = bytes[near..].as_chunks::<BLOCK>();
    // Compilers make a few wide comparisons of this.
    let empty = blocks
        .iter()
        .take_while(|block| {
            !block
                .iter()
                .fold(false, |found, byte| found | is_structure(*byte))
        })
        .count();
    let from = near + empty * BLOCK;
    let found = bytes[from..].iter().position(|byte| is_structure(*byte))?;
    Some(from + found)
}

static STRUCTURE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = is_structure(byte as u8);
        byte += 1;
    }
    table
};

const fn is_structure(byte: u8) -> bool {
    // `[` and `]` lie 0x20 below `{` and `}`.
    let brace = byte | 0x20;
    (byte == b'"') | (brace == b'{') | (brace == b'}')
}
