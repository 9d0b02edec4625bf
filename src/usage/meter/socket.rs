//! What a server sends over a WebSocket (RFC 6455), of which messages of text
//! are read: Realtime, and Responses where they come so. Each answer there
//! has counts of its own, and these are summed.
//!
//! What is compressed, masked or of a later protocol is not read, nor is
//! anything after it.

use super::said::{Kind, Said};
use super::scan::Scanner;
use super::{Dialect, Metered, Shape, tokens};
use crate::name::ProviderName;
use crate::usage::Tokens;

/// The longest head: two bytes and a length of eight.
const HEAD: usize = 10;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PONG: u8 = 10;

/// Reads what a server sends over a WebSocket: the counts of all its answers.
pub struct SocketMeter {
    dialect: Dialect,
    head: [u8; HEAD],
    known: usize,
    frame: Option<Frame>,
    /// A message of text is not at its end.
    is_text: bool,
    /// The rest is not read.
    is_lost: bool,
    /// Answers that began and are not done.
    open: u64,
    scanner: Scanner,
    said: Said,
    sum: Option<Tokens>,
}

/// What of a frame is still to come.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: u64,
    /// Its message is one of text.
    is_text: bool,
    is_last: bool,
}

impl SocketMeter {
    /// For what this provider's server sends after its answer of 101.
    pub fn new(shape: Shape, provider: &ProviderName) -> Self {
        Self {
            dialect: Dialect::new(shape, provider),
            head: [0; HEAD],
            known: 0,
            frame: None,
            is_text: false,
            is_lost: false,
            open: 0,
            scanner: Scanner::new(),
            said: Said::new(),
            sum: None,
        }
    }

    /// Looks at the next bytes that the server sent.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_lost {
            let Some(frame) = &mut self.frame else {
                self.head[self.known] = bytes[0];
                self.known += 1;
                bytes = &bytes[1..];
                self.begin();
                continue;
            };
            let here =
                usize::try_from(frame.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            frame.left -= here as u64;
            let (part, rest) = bytes.split_at(here);
            let frame = *frame;
            if frame.is_text {
                self.scanner.feed(part, &mut self.said);
            }
            bytes = rest;
            if frame.left == 0 {
                self.end(frame);
            }
        }
    }

    /// All that was counted. It is cut where an answer was not done, or could
    /// not be read.
    pub fn finish(self) -> Metered {
        let is_between = self.known == 0 && self.frame.is_none() && !self.is_text;
        Metered {
            tokens: self.sum,
            said_cost: None,
            is_special: self.said.is_special(),
            is_cut: self.is_lost || self.open > 0 || !is_between,
            model: self.said.model,
        }
    }

    /// Reads the head of a frame, if all of it is there.
    fn begin(&mut self) {
        if self.known < 2 {
            return;
        }
        let [first, second, ..] = self.head;
        let (code, is_last) = (first & 0x0f, first & FINAL != 0);
        let is_control = (CLOSE..=PONG).contains(&code);
        let is_known = is_control || code <= BINARY;
        if first & RESERVED != 0 || second & MASKED != 0 || !is_known {
            self.is_lost = true;
            return;
        }
        let length = match second {
            126 => self.head.get(2..4),
            127 => self.head.get(2..HEAD),
            _ => self.head.get(2..2),
        };
        let length = length.unwrap_or_default();
        if self.known < 2 + length.len() {
            return;
        }
        let left = match length.len() {
            0 => u64::from(second),
            _ => length
                .iter()
                .fold(0, |left, byte| left << 8 | u64::from(*byte)),
        };
        self.known = 0;
        let frame = Frame {
            left,
            is_text: code == TEXT || code == CONTINUED && self.is_text,
            is_last,
        };
        // A control frame may stand between the pieces of a message.
        if !is_control {
            self.is_text = frame.is_text;
        }
        self.frame = Some(frame);
        if left == 0 {
            self.end(frame);
        }
    }

    fn end(&mut self, frame: Frame) {
        self.frame = None;
        if !(frame.is_text && frame.is_last) {
            return;
        }
        self.is_text = false;
        self.scanner.end();
        match self.said.kind {
            Kind::Other => {}
            Kind::Created => self.open += 1,
            Kind::Done => {
                self.open = self.open.saturating_sub(1);
                let more = tokens::tokens(&self.said, self.dialect);
                self.sum = sum(self.sum, more);
            }
        }
        self.said.forget_counts();
    }
}

fn sum(so_far: Option<Tokens>, more: Option<Tokens>) -> Option<Tokens> {
    let (Some(a), Some(b)) = (so_far, more) else {
        return so_far.or(more);
    };
    Some(Tokens {
        input: a.input.saturating_add(b.input),
        cached: a.cached.saturating_add(b.cached),
        cache_write: a.cache_write.saturating_add(b.cache_write),
        cache_write_long: a.cache_write_long.saturating_add(b.cache_write_long),
        output: a.output.saturating_add(b.output),
        reasoning: a.reasoning.saturating_add(b.reasoning),
    })
}
