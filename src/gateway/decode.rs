//! Compressed bodies, opened as they stream, so that what is in them can be
//! looked through.
//!
//! What a piece holds comes out as soon as the piece is in, flushed or at the
//! end; never more than [`MOST`] at a time, so that a little that becomes a
//! lot costs no memory; and a body that is cut short is never taken for a
//! whole one.

mod deflate;
mod frames;

use std::collections::VecDeque;

use hyper::body::Bytes;

use deflate::{Deflate, Gzip};
use frames::{Brotli, Zstd};

/// The most that comes out at a time.
pub const MOST: usize = 64 * 1024;

/// The least room that is made for what comes out.
const LEAST: usize = 1024;

/// How many codings may lie over each other.
const DEPTH: usize = 3;

/// The names of what can be opened, as they are asked for.
const NAMES: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

/// How a body is coded: the codings in the order in which they were applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding(Vec<Layer>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Layer {
    fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            "br" => Self::Brotli,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }
}

impl Coding {
    /// Reads `Content-Encoding`; `None` where it names something that cannot
    /// be opened here.
    pub fn parse(content_encoding: &str) -> Option<Self> {
        let layers: Vec<_> = content_encoding
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"))
            .take(DEPTH + 1)
            .map(Layer::parse)
            .collect::<Option<_>>()?;
        (layers.len() <= DEPTH).then_some(Self(layers))
    }

    /// Whether the body is as it is.
    pub fn is_identity(&self) -> bool {
        self.0.is_empty()
    }

    /// What to ask an upstream for where the client asked for this: the same
    /// without what cannot be opened here, in the client's order and with its
    /// preferences. `*` would allow the rest too, so it becomes what is left
    /// of ours. `None` where the client sent none.
    pub fn accept(client_accept_encoding: Option<&str>) -> Option<String> {
        let items: Vec<(&str, &str)> = client_accept_encoding?
            .split(',')
            .map(|item| item.split_once(';').unwrap_or((item, "")))
            .map(|(name, preference)| (name.trim(), preference.trim()))
            .collect();
        let is_named = |name: &str| {
            items
                .iter()
                .any(|(named, _)| named.eq_ignore_ascii_case(name))
        };
        let mut asked: Vec<String> = Vec::new();
        let mut ask = |name: &str, preference: &str| {
            asked.push(match preference {
                "" => name.to_owned(),
                _ => format!("{name};{preference}"),
            });
        };
        for (name, preference) in &items {
            if *name == "*" {
                let unnamed = NAMES.iter().chain(&["identity"]);
                for name in unnamed.filter(|name| !is_named(name)) {
                    ask(name, preference);
                }
            } else if name.eq_ignore_ascii_case("identity") || Layer::parse(name).is_some() {
                ask(name, preference);
            }
        }
        if asked.is_empty() {
            asked.push("identity".to_owned());
        }
        Some(asked.join(", "))
    }
}

/// A body cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCoding {
    /// It is not what its head says, or it is damaged.
    #[error("the compressed body is damaged")]
    Damaged,
    /// It ended too early.
    #[error("the compressed body was cut short")]
    CutShort,
}

/// Opens one body. Pieces are pushed in; after each, [`Decoder::pull`] is
/// called until it gives nothing.
pub struct Decoder {
    /// What came and was not looked at yet.
    came: VecDeque<Bytes>,
    /// The outermost coding first: the one that was applied last.
    stages: Vec<Stage>,
}

impl Decoder {
    /// For a body that is coded so.
    pub fn new(coding: Coding) -> Self {
        Self {
            came: VecDeque::new(),
            stages: coding.0.into_iter().rev().map(Stage::new).collect(),
        }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: Bytes) {
        self.came.push_back(piece);
    }

    /// What comes out next: at most [`MOST`] bytes, and never none; `None`
    /// when another piece is needed. A body without a coding passes in its
    /// own pieces.
    ///
    /// # Errors
    /// The body is damaged. It is of no use from here on.
    pub fn pull(&mut self) -> Result<Option<Bytes>, BadCoding> {
        pull(&mut self.stages, &mut self.came)
    }

    /// Whether the body may end here; to be asked at its end, when nothing
    /// more can be pulled. One of no bytes at all is whole: it is the answer
    /// to `HEAD`.
    ///
    /// # Errors
    /// It was cut short.
    pub fn finish(&self) -> Result<(), BadCoding> {
        let is_whole = self.came.is_empty() && self.stages.iter().all(Stage::is_whole);
        if is_whole {
            Ok(())
        } else {
            Err(BadCoding::CutShort)
        }
    }
}

/// Gives what comes out of the last stage, which takes what comes out of the
/// one before it.
fn pull(stages: &mut [Stage], came: &mut VecDeque<Bytes>) -> Result<Option<Bytes>, BadCoding> {
    let Some((last, before)) = stages.split_last_mut() else {
        while let Some(piece) = came.pop_front() {
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        return Ok(None);
    };
    loop {
        if let Some(piece) = last.next()? {
            return Ok(Some(piece));
        }
        match pull(before, came)? {
            Some(piece) => last.input = piece,
            None => return Ok(None),
        }
    }
}

/// One coding at work.
struct Stage {
    opener: Opener,
    input: Bytes,
    /// Whether the room was used up, so that more may come without input.
    may_hold_more: bool,
}

enum Opener {
    Gzip(Box<Gzip>),
    Deflate(Box<Deflate>),
    Brotli(Box<Brotli>),
    Zstd(Box<Zstd>),
}

impl Stage {
    fn new(layer: Layer) -> Self {
        Self {
            opener: match layer {
                Layer::Gzip => Opener::Gzip(Box::default()),
                Layer::Deflate => Opener::Deflate(Box::default()),
                Layer::Brotli => Opener::Brotli(Box::default()),
                Layer::Zstd => Opener::Zstd(Box::default()),
            },
            input: Bytes::new(),
            may_hold_more: false,
        }
    }

    fn next(&mut self) -> Result<Option<Bytes>, BadCoding> {
        while !self.input.is_empty() || self.may_hold_more {
            // Small where little came: thousands of streams may be open.
            let room = self.input.len().saturating_mul(4).clamp(LEAST, MOST);
            let mut out = Vec::with_capacity(room);
            let used = match &mut self.opener {
                Opener::Gzip(gzip) => gzip.step(&self.input, &mut out),
                Opener::Deflate(deflate) => deflate.step(&self.input, &mut out),
                Opener::Brotli(brotli) => brotli.step(&self.input, &mut out),
                Opener::Zstd(zstd) => zstd.step(&self.input, &mut out),
            }?;
            drop(self.input.split_to(used));
            self.may_hold_more = out.len() == out.capacity();
            if !out.is_empty() {
                return Ok(Some(Bytes::from(out)));
            }
            if used == 0 && !self.input.is_empty() {
                // It would go on for ever.
                return Err(BadCoding::Damaged);
            }
        }
        Ok(None)
    }

    fn is_whole(&self) -> bool {
        self.input.is_empty()
            && match &self.opener {
                Opener::Gzip(gzip) => gzip.is_whole(),
                Opener::Deflate(deflate) => deflate.is_whole(),
                Opener::Brotli(brotli) => brotli.is_whole(),
                Opener::Zstd(zstd) => zstd.is_whole(),
            }
    }
}

#[cfg(test)]
mod tests;
