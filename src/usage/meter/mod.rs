//! Token counts, read out of an answer as it passes.
//!
//! Always true here: bytes are only looked at, never kept, so that memory is
//! the same whatever comes; nothing fails; what an answer does not say in so
//! many words stays unsaid.

use std::str::FromStr;

use super::{Metered, Tokens};
use crate::name::ProviderName;

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
    said: Metered,
}

impl Meter {
    /// `None` where an answer of this kind counts no tokens: it is no success,
    /// or neither JSON, nor lines of it, nor a stream of events.
    pub fn new(
        _shape: Shape,
        _provider: &ProviderName,
        _content_type: Option<&str>,
        _status: u16,
    ) -> Option<Self> {
        None
    }

    /// Looks at the next bytes of the body, which are not compressed.
    pub fn feed(&mut self, _bytes: &[u8]) {}

    /// What the answer said; `is_whole` where its body came to its end.
    pub fn finish(self, _is_whole: bool) -> Metered {
        self.said
    }
}

/// Reads what a server sends over a WebSocket: the counts of all its answers.
#[derive(Default)]
pub struct SocketMeter {
    said: Option<Tokens>,
}

impl SocketMeter {
    /// For what this provider's server sends after its answer of 101.
    pub fn new(_shape: Shape, _provider: &ProviderName) -> Self {
        Self::default()
    }

    /// Looks at the next bytes that the server sent.
    pub fn feed(&mut self, _bytes: &[u8]) {}

    /// All that was counted.
    pub fn finish(self) -> Metered {
        Metered {
            tokens: self.said,
            ..Metered::default()
        }
    }
}

/// The body of a chat completion with `stream_options.include_usage` asked
/// for, all else byte for byte as it was; `None` where nothing is to change.
pub fn with_usage_asked(_body: &[u8]) -> Option<Vec<u8>> {
    None
}
