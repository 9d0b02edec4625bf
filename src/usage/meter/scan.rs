//! JSON, walked through as it passes: names and values in the places of
//! `tree` are handed on, all else is stepped over.
//!
//! Nothing is kept but a name, a number or a short text that two pieces share.
//! What is no JSON is not read further, until the next document.

use memchr::memchr;

use super::said::{Said, Value};
use super::tree::{Place, Step};

/// The longest name, number or text that is taken.
const LONGEST: usize = 128;
/// How deep the places lie, a list around them included: a modality of
/// Gemini's is the sixth.
const DEEPEST: usize = 8;
/// How much is looked through at a time where nothing is nested or quoted.
const BLOCK: usize = 32;
/// How many times eight bytes are looked at before a text is a long one.
const NEAR: usize = 3;
/// How many bytes are looked at one by one before that.
const STEPS: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside of any document.
    Between,
    /// A name, or the end of an object.
    Name,
    InName,
    Colon,
    /// A value, or the end of a list.
    Value,
    InText,
    InWord,
    After,
    /// In something that nothing is looked for in.
    Over,
    InTextOver,
    /// This is no JSON.
    Lost,
}

pub(super) struct Scanner {
    state: State,
    /// The places around, outermost first, and which of them are lists.
    places: [(Place, bool); DEEPEST],
    height: usize,
    /// What the value that comes next is for.
    step: Step,
    /// How many objects and lists are open that nothing is looked for in.
    over: u64,
    /// An odd number of backslashes stands before the next byte of a text.
    is_escaped: bool,
    part: Part,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            state: State::Between,
            places: [(Place::Root, false); DEEPEST],
            height: 0,
            step: Step::ROOT,
            over: 0,
            is_escaped: false,
            part: Part::default(),
        }
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], said: &mut Said) {
        let mut at = 0;
        while at < bytes.len() {
            at = match self.state {
                State::Over => self.step_over(bytes, at),
                State::Name => self.members(bytes, at, said),
                State::InName | State::InText | State::InTextOver => self.text(bytes, at, said),
                State::InWord => self.word(bytes, at, said),
                State::Lost => return,
                _ => self.structure(bytes, at, said),
            };
        }
    }

    /// A document ends here, whole or not.
    pub(super) fn end(&mut self) {
        self.state = State::Between;
        self.height = 0;
        self.over = 0;
        self.is_escaped = false;
        self.part.clear();
    }

    /// A document began and has not come to its end.
    pub(super) fn is_open(&self) -> bool {
        self.state != State::Between
    }

    /// Members that stand whole in these bytes, as nearly all do, one after
    /// another. What is not so goes through the states one by one.
    fn members(&mut self, bytes: &[u8], mut at: usize, said: &mut Said) -> usize {
        let (place, _) = self.places[self.height - 1];
        loop {
            at = after_blanks(bytes, at);
            let Some((name, end)) = quoted(bytes, at) else {
                break;
            };
            let colon = after_blanks(bytes, end);
            let value = after_blanks(bytes, colon + 1);
            if bytes.get(colon) != Some(&b':') || value >= bytes.len() {
                break;
            }
            self.step = Step::member(place, name);
            let end = match bytes[value] {
                b'"' => match quoted(bytes, value) {
                    Some((text, end)) => {
                        self.take(text, Value::Text, said);
                        end
                    }
                    None => {
                        self.state = State::InText;
                        return value + 1;
                    }
                },
                byte if is_of_word(byte) => match word_end(&bytes[value..]) {
                    Some(length) => {
                        self.take(&bytes[value..value + length], Value::Word, said);
                        value + length
                    }
                    None => {
                        self.state = State::InWord;
                        return value;
                    }
                },
                _ => {
                    self.state = State::Value;
                    return value;
                }
            };
            at = after_blanks(bytes, end);
            if bytes.get(at) != Some(&b',') {
                self.state = State::After;
                return at;
            }
            at += 1;
        }
        if at < bytes.len() {
            self.structure(bytes, at, said)
        } else {
            at
        }
    }

    fn take<'a>(&self, token: &'a [u8], of: fn(&'a [u8]) -> Value<'a>, said: &mut Said) {
        if let Some(leaf) = self.step.take
            && token.len() <= LONGEST
        {
            said.take(leaf, of(token));
        }
    }

    fn structure(&mut self, bytes: &[u8], at: usize, said: &mut Said) -> usize {
        match (bytes[at], self.state) {
            (b' ' | b'\n' | b'\r' | b'\t', _) => {}
            (b'"', State::Name) => self.state = State::InName,
            (b':', State::Colon) => self.state = State::Value,
            (b'"', State::Value) => self.state = State::InText,
            (b',', State::After) => self.next(),
            (b'}', State::Name | State::After) | (b']', State::Value | State::After) => {
                self.leave(said);
            }
            (open @ (b'{' | b'['), State::Value | State::Between) => self.enter(open == b'['),
            (byte, State::Value) if is_of_word(byte) => {
                self.state = State::InWord;
                return at;
            }
            // A byte order mark, and what stands before a text of RFC 7464.
            (0xef | 0xbb | 0xbf | 0x1e, State::Between) => {}
            _ => self.state = State::Lost,
        }
        at + 1
    }

    fn enter(&mut self, is_list: bool) {
        let is_outermost = self.state == State::Between;
        let step = if is_outermost { Step::ROOT } else { self.step };
        // A list within a list is none of the places.
        let is_nested = is_list && self.height > 0 && self.places[self.height - 1].1;
        match step.into {
            Some(place) if !is_nested && self.height < DEEPEST => {
                self.places[self.height] = (place, is_list);
                self.height += 1;
                self.next();
            }
            _ => {
                self.over = 1;
                self.state = State::Over;
            }
        }
    }

    /// After `{`, `[` or a comma.
    fn next(&mut self) {
        match self.places[self.height - 1] {
            (place, true) => {
                self.step = Step::element(place);
                self.state = State::Value;
            }
            (_, false) => self.state = State::Name,
        }
    }

    fn leave(&mut self, said: &mut Said) {
        self.height -= 1;
        let (place, is_list) = self.places[self.height];
        if !is_list {
            said.leave(place);
        }
        self.state = if self.height == 0 {
            State::Between
        } else {
            State::After
        };
    }

    /// The rest of a name or of a text.
    fn text(&mut self, bytes: &[u8], at: usize, said: &mut Said) -> usize {
        let rest = &bytes[at..];
        let Some(length) = end_of_text(rest, &mut self.is_escaped) else {
            if self.state == State::InName
                || self.state == State::InText && self.step.take.is_some()
            {
                self.part.keep(rest);
            }
            return bytes.len();
        };
        let rest = &rest[..length];
        match self.state {
            State::InName => {
                let (place, _) = self.places[self.height - 1];
                let name = self.part.with(rest).unwrap_or_default();
                self.step = Step::member(place, name);
                self.state = State::Colon;
            }
            State::InText => {
                if let Some(leaf) = self.step.take
                    && let Some(text) = self.part.with(rest)
                {
                    said.take(leaf, Value::Text(text));
                }
                self.state = State::After;
            }
            _ => {
                self.state = State::Over;
                return at + length + 1;
            }
        }
        self.part.clear();
        at + length + 1
    }

    /// The rest of a number, `true`, `false` or `null`.
    fn word(&mut self, bytes: &[u8], at: usize, said: &mut Said) -> usize {
        let rest = &bytes[at..];
        let Some(length) = word_end(rest) else {
            self.part.keep(rest);
            return bytes.len();
        };
        if let Some(leaf) = self.step.take
            && let Some(word) = self.part.with(&rest[..length])
        {
            said.take(leaf, Value::Word(word));
        }
        self.part.clear();
        self.state = State::After;
        at + length
    }

    fn step_over(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(found) = next_of_structure(bytes, at) {
            at = found + 1;
            match bytes[found] {
                b'"' => match end_of_text(&bytes[at..], &mut self.is_escaped) {
                    Some(length) => at += length + 1,
                    None => {
                        self.state = State::InTextOver;
                        return bytes.len();
                    }
                },
                b'{' | b'[' => self.over = self.over.saturating_add(1),
                _ => {
                    self.over -= 1;
                    if self.over == 0 {
                        self.state = State::After;
                        return at;
                    }
                }
            }
        }
        bytes.len()
    }
}

/// Which bytes numbers, `true`, `false` and `null` are made of.
const OF_WORDS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        byte += 1;
    }
    table
};

fn is_of_word(byte: u8) -> bool {
    OF_WORDS[usize::from(byte)]
}

fn word_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| !is_of_word(*byte))
}

fn after_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// A text that begins here, and where what follows its quote stands; `None`
/// where it is none, or not whole.
fn quoted(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let rest = &bytes[at + 1..];
    let length = end_of_text(rest, &mut false)?;
    Some((&rest[..length], at + length + 2))
}

/// Where the quote stands that ends a text; `is_escaped` tells of backslashes
/// that stood before these bytes, and afterwards of those at their end.
fn end_of_text(bytes: &[u8], is_escaped: &mut bool) -> Option<usize> {
    let mut at = 0;
    while let Some(quote) = next_quote(bytes, at) {
        if !ends_escaped(&bytes[at..quote], at == 0 && *is_escaped) {
            *is_escaped = false;
            return Some(quote);
        }
        at = quote + 1;
    }
    *is_escaped = ends_escaped(&bytes[at..], at == 0 && *is_escaped);
    None
}

/// Where the next quote stands.
fn next_quote(bytes: &[u8], mut at: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    // Most of the time it is near, nearer than a call to `memchr` pays.
    let (eights, _) = bytes[at..].as_chunks();
    for eight in eights.iter().take(NEAR) {
        let differing = u64::from_le_bytes(*eight) ^ QUOTES;
        // The lowest high bit stands in the first byte that is zero.
        let zeros = differing.wrapping_sub(ONES) & !differing & (ONES << 7);
        if zeros != 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr(b'"', &bytes[at..]).map(|found| at + found)
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
fn next_of_structure(bytes: &[u8], at: usize) -> Option<usize> {
    // Most of the time it is near, and in long lists of numbers far.
    let near = bytes.len().min(at + STEPS);
    if let Some(found) = bytes[at..near].iter().position(|byte| is_structure(*byte)) {
        return Some(at + found);
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

fn is_structure(byte: u8) -> bool {
    // `[` and `]` lie 0x20 below `{` and `}`.
    let brace = byte | 0x20;
    (byte == b'"') | (brace == b'{') | (brace == b'}')
}

/// What of a token stood in earlier bytes.
#[derive(Clone)]
struct Part {
    bytes: [u8; LONGEST],
    /// More than there is room for where it is too long.
    length: usize,
}

impl Default for Part {
    fn default() -> Self {
        Self {
            bytes: [0; LONGEST],
            length: 0,
        }
    }
}

impl Part {
    fn keep(&mut self, more: &[u8]) {
        let end = self.length.saturating_add(more.len());
        if end <= LONGEST {
            self.bytes[self.length..end].copy_from_slice(more);
        }
        self.length = end;
    }

    /// All of it; `None` where it is too long.
    fn with<'a>(&'a mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        if self.length == 0 {
            return (rest.len() <= LONGEST).then_some(rest);
        }
        self.keep(rest);
        self.bytes.get(..self.length)
    }

    fn clear(&mut self) {
        self.length = 0;
    }
}
