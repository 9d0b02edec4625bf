//! What other programs keep credentials in, read: `.env` files, JSON, and the
//! home of authsome. Pure: text in, values out; nothing is opened or stored
//! here.
//!
//! What could not be read is told by line, and by name only where the name
//! cannot be a secret itself: a key that stands alone on a line looks like a
//! name to a careless reader.

mod authsome;
mod dotenv;
mod json;
mod plan;

pub use authsome::providers_in;
pub use dotenv::read as dotenv;
pub use json::read as json;
pub use plan::{Incoming, Plan};

use std::fmt;

use crate::secret::Secret;
use crate::text;

/// What a text holds.
#[derive(Default)]
pub struct Reading {
    /// What was read, in order.
    pub items: Vec<Item>,
    /// What was not.
    pub left: Vec<Left>,
}

/// One value and what it is called.
pub struct Item {
    /// What it is called.
    pub slot: Slot,
    /// Where it begins, counted from 1.
    pub line: usize,
    /// The value.
    pub value: Secret,
}

/// What a value is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// A variable: `OPENAI_API_KEY`.
    Variable(String),
    /// A provider's field: `openai`, `api_key`.
    Field(String, String),
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "{}", text::printable(name)),
            Self::Field(provider, field) => {
                write!(
                    f,
                    "{}.{}",
                    text::printable(provider),
                    text::printable(field)
                )
            }
        }
    }
}

/// Something that was not taken, or not as it may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Where, counted from 1.
    pub line: usize,
    /// What it is called, where that can be said.
    pub name: Option<String>,
    /// Why.
    pub reason: Reason,
}

/// Why something was not taken as a credential of its provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is no `=` in the line.
    #[error("it is no NAME=value")]
    NoAssignment,
    /// The name is not one that we keep.
    #[error("the name is not of capitals, digits and '_'")]
    Name,
    /// The value is empty.
    #[error("the value is empty")]
    Empty,
    /// A quote is opened and never closed.
    #[error("the quote is not closed")]
    OpenQuote,
    /// Something follows the closing quote.
    #[error("something follows the closing quote")]
    AfterQuote,
    /// The value is a number, a list or the like.
    #[error("the value is no text")]
    NotText,
    /// The value does not fit its provider.
    #[error("{0}")]
    Refused(String),
    /// A later line sets the same name.
    #[error("line {0} sets it again; that one counts")]
    SetAgain(usize),
    /// No such provider or field.
    #[error("{0}")]
    Unknown(String),
    /// Known, but its provider needs more: stored under its own name.
    #[error("{0}; kept as a plain secret")]
    Incomplete(String),
    /// The value refers to another variable.
    #[error("it holds ${{…}}, which is kept as it is written")]
    Reference,
}

impl Reason {
    /// Whether the value was stored all the same.
    pub fn is_stored(&self) -> bool {
        matches!(self, Self::Incomplete(_) | Self::Reference)
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if let Some(name) = &self.name {
            write!(f, "{}: ", text::printable(name))?;
        }
        write!(f, "{}", self.reason)
    }
}

#[cfg(test)]
mod tests;
