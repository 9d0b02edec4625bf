//! Token counts, read out of an answer as it passes.
//!
//! Always true here: bytes are only looked at, never kept, so that memory is
//! the same whatever comes; nothing fails; what an answer does not say in so
//! many words stays unsaid.

mod ask;
mod bytes;
mod events;
mod number;
mod said;
mod scan;
mod socket;
mod tokens;
mod tree;

use std::str::FromStr;

use self::events::Events;
use self::said::Said;
use self::scan::Scanner;
use super::Metered;
use crate::name::ProviderName;

pub use self::ask::with_usage_asked;
pub use self::socket::SocketMeter;

/// The shape in which a provider reports tokens: `usage` in its definition.
/// What an answer's members are called decides; the shape only where they
/// leave a doubt, since most providers speak another one's shape too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Chat completions, Responses, Realtime, and all that copy them.
    OpenAi,
    /// Messages.
    Anthropic,
    /// `generateContent`.
    Gemini,
    /// As chat completions.
    Mistral,
    /// Version 2, and what is left of version 1.
    Cohere,
    /// Its own, and chat completions.
    Ollama,
}

/// No shape has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no shape of token counts")]
pub struct UnknownShape(String);

impl FromStr for Shape {
    type Err = UnknownShape;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "openai" => Self::OpenAi,
            "anthropic" => Self::Anthropic,
            "gemini" => Self::Gemini,
            "mistral" => Self::Mistral,
            "cohere" => Self::Cohere,
            "ollama" => Self::Ollama,
            _ => return Err(UnknownShape(name.to_owned())),
        })
    }
}

/// Reads one answer.
pub struct Meter {
    dialect: Dialect,
    framing: Framing,
    scanner: Scanner,
    said: Said,
}

/// What has to be known besides what an answer says.
#[derive(Debug, Clone, Copy)]
struct Dialect {
    shape: Shape,
    /// Reasoning is counted beside the output, not in it.
    is_reasoning_apart: bool,
}

impl Dialect {
    fn new(shape: Shape, provider: &ProviderName) -> Self {
        Self {
            shape,
            is_reasoning_apart: provider.as_str() == "xai",
        }
    }
}

/// Names for texts of JSON in lines.
const LINES: [&str; 6] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/x-jsonlines",
    "application/stream+json",
];

enum Framing {
    /// One text, be it a list whose elements come one by one.
    Json,
    /// A text in each line.
    Lines,
    Events(Events),
}

impl Framing {
    fn parse(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let is = |names: &[&str]| names.iter().any(|name| kind.eq_ignore_ascii_case(name));
        let ends = |end: &[u8]| {
            let tail = kind.len().checked_sub(end.len());
            tail.is_some_and(|at| kind.as_bytes()[at..].eq_ignore_ascii_case(end))
        };
        Some(if is(&["application/json", "text/json"]) {
            Self::Json
        } else if is(&["text/event-stream"]) {
            Self::Events(Events::new())
        } else if is(&LINES) {
            Self::Lines
        } else if ends(b"+json") {
            Self::Json
        } else {
            return None;
        })
    }
}

impl Meter {
    /// `None` where an answer of this kind counts no tokens: it is no success,
    /// or neither JSON, nor lines of it, nor a stream of events.
    pub fn new(
        shape: Shape,
        provider: &ProviderName,
        content_type: Option<&str>,
        status: u16,
    ) -> Option<Self> {
        // 204 and 205 have no body.
        if !(200..300).contains(&status) || matches!(status, 204 | 205) {
            return None;
        }
        Some(Self {
            dialect: Dialect::new(shape, provider),
            framing: Framing::parse(content_type?)?,
            scanner: Scanner::new(),
            said: Said::new(),
        })
    }

    /// Looks at the next bytes of the body, which are not compressed.
    pub fn feed(&mut self, bytes: &[u8]) {
        match &mut self.framing {
            Framing::Json | Framing::Lines => self.scanner.feed(bytes, &mut self.said),
            Framing::Events(events) => events.feed(bytes, &mut self.scanner, &mut self.said),
        }
    }

    /// What the answer said; `is_whole` where its body came to its end.
    pub fn finish(self, is_whole: bool) -> Metered {
        // An event may say at its start that it is the last.
        let has_ended = !self.scanner.is_open()
            && match self.framing {
                Framing::Json => true,
                Framing::Lines => self.said.is_done != Some(false),
                Framing::Events(_) => self.said.is_over,
            };
        let tokens = tokens::tokens(&self.said, self.dialect);
        Metered {
            tokens,
            said_cost: self.said.cost(),
            is_special: self.said.is_special(),
            is_cut: !(is_whole && has_ended),
            model: self.said.model,
        }
    }
}

#[cfg(test)]
mod tests;
