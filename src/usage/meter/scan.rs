//! JSON, walked through as it passes: names and values in the places of
//! `tree` are handed on, all else is stepped over.
//!
//! Nothing is kept but a name, a number or a short text that two pieces share.
//! What is no JSON is not read further, until the next document.

use super::bytes::{after_blanks, end_of_text, is_of_word, next_of_structure, quoted, word_end};
use super::said::{Said, Value};
use super::tree::{Place, Step};

/// The longest name, number or text that is taken.
const LONGEST: usize = 128;
/// How deep the places lie, a list around them included: a modality of
/// Gemini's is the sixth.
const DEEPEST: usize = 8;

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
                b'"' => match quoted(bytes, found) {
                    Some((_, end)) => at = end,
                    None => {
                        self.state = State::InTextOver;
                        return at;
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
