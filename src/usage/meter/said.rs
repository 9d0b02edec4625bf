//! What an answer has said so far. Of each count the last stands: streams
//! that report more than once report sums, and never parts of them.

use super::number::{count, money};
use super::tree::{Count, Leaf, Place};
use crate::usage::Nano;

/// More characters than any model's name has; the rest of the house stores it.
const LONGEST_MODEL: usize = 100;

/// What stands in no count: more than [`count`] ever reads.
const UNSAID: u64 = u64::MAX;

/// Names of the last event of a stream, where it has one.
const LAST: [&[u8]; 8] = [
    b"message_stop",
    b"message-end",
    b"response.completed",
    b"response.incomplete",
    b"response.failed",
    b"transcript.text.done",
    b"image_generation.completed",
    b"image_edit.completed",
];

/// Words for what is billed as usual.
const USUAL: [&[u8]; 7] = [
    b"",
    b"standard",
    b"default",
    b"auto",
    // Groq's word for the tier that its price list is about, and Google's.
    b"on_demand",
    // Anthropic's for no region in particular.
    b"global",
    b"not_available",
];

/// A value in the answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// What stands between quotes, escapes as they are.
    Text(&'a [u8]),
    /// A number, `true`, `false` or `null`.
    Word(&'a [u8]),
}

/// What a message on a socket is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Other,
    /// An answer begins.
    Created,
    /// An answer is done, with its counts.
    Done,
}

pub(super) struct Said {
    counts: [u64; Count::ALL],
    pub(super) model: Option<String>,
    pub(super) cost: Option<Nano>,
    upstream_cost: Option<Nano>,
    is_byok: bool,
    /// By term: its last word is none of the usual.
    unusual: [bool; 4],
    /// Tokens at another price were counted.
    has_other_price: bool,
    /// Pictures or films were, which only embeddings bill apart.
    has_pictures: bool,
    modality: (Modality, u64),
    /// The last event of a stream came.
    pub(super) is_over: bool,
    /// The last line's `done`.
    pub(super) is_done: Option<bool>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Modality {
    Text,
    Picture,
    Audio,
}

impl Said {
    pub(super) fn new() -> Self {
        Self {
            counts: [UNSAID; Count::ALL],
            model: None,
            cost: None,
            upstream_cost: None,
            is_byok: false,
            unusual: [false; 4],
            has_other_price: false,
            has_pictures: false,
            modality: (Modality::Text, 0),
            is_over: false,
            is_done: None,
            kind: Kind::Other,
        }
    }

    pub(super) fn count(&self, which: Count) -> Option<u64> {
        let count = self.counts[which as usize];
        (count != UNSAID).then_some(count)
    }

    /// What the answer says that it cost.
    pub(super) fn cost(&self) -> Option<Nano> {
        // With a key of the user's own, the model's price comes on top of the fee.
        match (self.is_byok, self.upstream_cost) {
            (true, Some(upstream)) => Some(self.cost?.plus(upstream)),
            (true, None) => None,
            (false, _) => self.cost,
        }
    }

    /// Something of it costs something else than its tokens.
    pub(super) fn is_special(&self) -> bool {
        let is_embedding = self.count(Count::GeminiCandidates).is_none() && !self.is_over;
        self.unusual.contains(&true) || self.has_other_price || self.has_pictures && is_embedding
    }

    /// Another answer begins on the same socket.
    pub(super) fn forget_counts(&mut self) {
        self.counts = [UNSAID; Count::ALL];
        self.kind = Kind::Other;
    }

    pub(super) fn take(&mut self, leaf: Leaf, value: Value<'_>) {
        match (leaf, value) {
            (Leaf::Count(which), Value::Word(word)) => {
                if let Some(count) = count(word) {
                    self.counts[which as usize] = count;
                }
            }
            (Leaf::Model, Value::Text(text)) => self.take_model(text),
            (Leaf::Type, Value::Text(text)) => {
                self.is_over |= LAST.contains(&text);
                self.kind = match text {
                    b"response.created" => Kind::Created,
                    b"response.done"
                    | b"response.completed"
                    | b"response.incomplete"
                    | b"response.failed" => Kind::Done,
                    _ => Kind::Other,
                };
            }
            (Leaf::Reason, Value::Text(text)) => self.is_over |= !text.is_empty(),
            (Leaf::Done, Value::Word(word)) => {
                self.is_done = Some(word == b"true");
                self.is_over |= word == b"true";
            }
            (Leaf::Mark, Value::Word(word)) => self.is_over |= word == b"DONE",
            (Leaf::Term(term), Value::Text(text)) => {
                let is_usual = USUAL.iter().any(|usual| text.eq_ignore_ascii_case(usual));
                self.unusual[term as usize] = !is_usual;
            }
            (Leaf::OtherPrice, Value::Word(word)) => {
                self.has_other_price |= count(word).is_some_and(|count| count > 0);
            }
            (Leaf::Modality, Value::Text(text)) => {
                self.modality.0 = match text {
                    b"AUDIO" => Modality::Audio,
                    b"IMAGE" | b"VIDEO" => Modality::Picture,
                    _ => Modality::Text,
                };
            }
            (Leaf::ModalityCount, Value::Word(word)) => {
                self.modality.1 = count(word).unwrap_or_default();
            }
            (Leaf::Cost, Value::Word(word)) => self.cost = money(word).or(self.cost),
            (Leaf::UpstreamCost, Value::Word(word)) => {
                self.upstream_cost = money(word).or(self.upstream_cost);
            }
            (Leaf::IsByok, Value::Word(word)) => self.is_byok = word == b"true",
            _ => {}
        }
    }

    /// An object of this place ends.
    pub(super) fn leave(&mut self, place: Place) {
        let is_output = place == Place::ModalitiesOut;
        if !is_output && place != Place::ModalitiesIn {
            return;
        }
        let (modality, count) = std::mem::replace(&mut self.modality, (Modality::Text, 0));
        if count > 0 {
            match modality {
                Modality::Text => {}
                Modality::Picture if !is_output => self.has_pictures = true,
                Modality::Picture | Modality::Audio => self.has_other_price = true,
            }
        }
    }

    fn take_model(&mut self, text: &[u8]) {
        // Every event of a stream names it.
        if text.is_empty()
            || self
                .model
                .as_ref()
                .is_some_and(|model| model.as_bytes() == text)
        {
            return;
        }
        let model = if text.contains(&b'\\') {
            let quoted = [b"\"", text, b"\""].concat();
            serde_json::from_slice(&quoted).ok()
        } else {
            std::str::from_utf8(text).ok().map(str::to_owned)
        };
        let is_name = |model: &String| {
            !model.is_empty()
                && model.len() <= LONGEST_MODEL
                && !model.chars().any(char::is_control)
        };
        if let Some(model) = model.filter(is_name) {
            self.model = Some(model);
        }
    }
}
