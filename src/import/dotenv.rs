//! `.env` files, as `python-dotenv` reads them, without its `${…}`.

use super::{Item, Left, Reading, Reason, Slot};
use crate::secret::{Secret, SecretBuffer};

const LONGEST_NAME: usize = 64;

/// Reads the lines. A value in quotes may have several.
pub fn read(text: &Secret) -> Reading {
    let text = text.reveal();
    let mut lines = Lines {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        number: 1,
    };
    let mut reading = Reading::default();
    while !lines.rest.is_empty() {
        let line = lines.number;
        match lines.assignment() {
            Ok(None) => {}
            Ok(Some((name, value))) => reading.items.push(Item {
                slot: Slot::Variable(name.to_owned()),
                line,
                value,
            }),
            Err((name, reason)) => reading.left.push(Left {
                line,
                name: name.map(str::to_owned),
                reason,
            }),
        }
    }
    reading
}

struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

type Trouble<'a> = (Option<&'a str>, Reason);

impl<'a> Lines<'a> {
    /// Reads one line, or the several that a quoted value takes.
    fn assignment(&mut self) -> Result<Option<(&'a str, Secret)>, Trouble<'a>> {
        let line = self.rest.lines().next().unwrap_or_default();
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            self.skip_line();
            return Ok(None);
        }
        let Some((left, right)) = line.split_once('=') else {
            self.skip_line();
            return Err((None, Reason::NoAssignment));
        };
        let left = left.trim();
        let name = match left.strip_prefix("export") {
            Some(name) if name.starts_with([' ', '\t']) => name.trim_start(),
            _ => left,
        };
        // Text in base64 ends in `=`, and what stands before it is no name.
        let is_padding = right.trim().bytes().all(|byte| byte == b'=');
        if !is_identifier(name) || (is_padding && !right.trim().is_empty()) {
            self.skip_line();
            return Err((None, Reason::NoAssignment));
        }
        let value_at = line.len() - right.trim_start().len();
        let value = match right.trim_start().chars().next() {
            Some(quote @ ('\'' | '"' | '`')) => {
                return self
                    .quoted(value_at, quote)
                    .map(|value| Some((name, value)))
                    .map_err(|reason| (Some(name), reason));
            }
            _ => Secret::from(without_comment(right).trim().to_owned()),
        };
        self.skip_line();
        Ok(Some((name, value)))
    }

    /// Reads from the quote at `start` of the rest to its end and the line's.
    fn quoted(&mut self, start: usize, quote: char) -> Result<Secret, Reason> {
        let inside = &self.rest[start + 1..];
        let mut value = SecretBuffer::default();
        let mut characters = inside.char_indices();
        let end = loop {
            let Some((at, character)) = characters.next() else {
                self.skip_line();
                return Err(Reason::OpenQuote);
            };
            if character == quote {
                break at;
            }
            let escaped = (character == '\\')
                .then(|| inside[at + 1..].chars().next())
                .flatten()
                .and_then(|next| unescaped(quote, next));
            // A CR at a line's end belongs to the file's lines, not to the value.
            let is_line_end = character == '\r' && inside[at + 1..].starts_with('\n');
            match escaped {
                Some(plain) => {
                    characters.next();
                    push(&mut value, plain);
                }
                None if is_line_end => {}
                None => push(&mut value, character),
            }
        };
        let read = &self.rest[..start + 1 + end];
        let after = inside[end + 1..].lines().next().unwrap_or_default().trim();
        if !after.is_empty() && !after.starts_with('#') {
            // The quote that closes it may be another line's that opens: only
            // this line is given up, and none after it goes unread.
            self.skip_line();
            return Err(Reason::AfterQuote);
        }
        self.number += read.matches('\n').count();
        self.rest = &self.rest[read.len()..];
        self.skip_line();
        Secret::from_utf8(value.into_bytes()).map_err(|_| Reason::NotText)
    }

    fn skip_line(&mut self) {
        self.rest = match self.rest.split_once('\n') {
            Some((_, rest)) => rest,
            None => "",
        };
        self.number += 1;
    }
}

fn push(buffer: &mut SecretBuffer, character: char) {
    buffer.push(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn unescaped(quote: char, next: char) -> Option<char> {
    match (quote, next) {
        ('\'', '\\' | '\'') => Some(next),
        ('"', '\\' | '\'' | '"') => Some(next),
        ('"', 'n') => Some('\n'),
        ('"', 'r') => Some('\r'),
        ('"', 't') => Some('\t'),
        ('"', 'a') => Some('\x07'),
        ('"', 'b') => Some('\x08'),
        ('"', 'f') => Some('\x0c'),
        ('"', 'v') => Some('\x0b'),
        _ => None,
    }
}

/// A `#` begins a comment after white space only: keys may hold one.
fn without_comment(value: &str) -> &str {
    let comment = value.char_indices().find(|(at, character)| {
        *character == '#' && value[..*at].ends_with(|c: char| c.is_whitespace())
    });
    comment.map_or(value, |(at, _)| &value[..at])
}

fn is_identifier(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}
