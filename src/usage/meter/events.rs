//! A stream of events (`text/event-stream`), of which only the data is read:
//! every dialect says in it what an event is.

use memchr::memchr2;

use super::said::Said;
use super::scan::Scanner;

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const DATA: &[u8] = b"data:";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a line.
    Line,
    /// So much of `data:` was there.
    Name(usize),
    Data,
    /// In a line of another name, or a comment.
    Other,
}

pub(super) struct Events {
    state: State,
    /// How much of a byte order mark was there, or could have been.
    mark: usize,
    /// A line ended with CR, to which a LF that follows belongs.
    is_after_return: bool,
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            state: State::Line,
            mark: 0,
            is_after_return: false,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], scanner: &mut Scanner, said: &mut Said) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            if self.is_after_return && byte == b'\n' {
                at += 1;
            }
            self.is_after_return = false;
            at = match self.state {
                State::Line => self.line(bytes, at, scanner),
                State::Name(known) => self.name(bytes, at, known),
                State::Data | State::Other => self.rest(bytes, at, scanner, said),
            };
        }
    }

    fn line(&mut self, bytes: &[u8], mut at: usize, scanner: &mut Scanner) -> usize {
        while self.mark < BYTE_ORDER_MARK.len() {
            if bytes.get(at) == Some(&BYTE_ORDER_MARK[self.mark]) {
                at += 1;
                self.mark += 1;
            } else if at < bytes.len() {
                self.mark = BYTE_ORDER_MARK.len();
            } else {
                return at;
            }
        }
        match bytes.get(at) {
            None => return at,
            // An empty line ends an event.
            Some(end @ (b'\n' | b'\r')) => {
                self.is_after_return = *end == b'\r';
                scanner.end();
                return at + 1;
            }
            Some(_) => {}
        }
        if bytes[at..].starts_with(DATA) {
            self.state = State::Data;
            return at + DATA.len();
        }
        self.state = State::Name(0);
        at
    }

    /// A name that stands in two pieces, or is another one.
    fn name(&mut self, bytes: &[u8], at: usize, known: usize) -> usize {
        if bytes[at] != DATA[known] {
            self.state = State::Other;
            return at;
        }
        self.state = if known + 1 == DATA.len() {
            State::Data
        } else {
            State::Name(known + 1)
        };
        at + 1
    }

    fn rest(&mut self, bytes: &[u8], at: usize, scanner: &mut Scanner, said: &mut Said) -> usize {
        let rest = &bytes[at..];
        let end = memchr2(b'\n', b'\r', rest);
        if self.state == State::Data {
            scanner.feed(&rest[..end.unwrap_or(rest.len())], said);
        }
        let Some(end) = end else {
            return bytes.len();
        };
        if self.state == State::Data {
            // Lines of one event are joined by this.
            scanner.feed(b"\n", said);
        }
        self.state = State::Line;
        self.is_after_return = rest[end] == b'\r';
        at + end + 1
    }
}
