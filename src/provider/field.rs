//! The fields of a credential and the shapes of their values. A value is only
//! ever looked at here; no message repeats any part of it.

use super::pattern::Pattern;
use crate::error::{Error, Kind};
use crate::name::{FieldName, ProviderName, VariableName};
use crate::secret::Secret;
use crate::text;

/// A value that a person gives at login.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name in commands and files, such as `api_key`.
    pub name: FieldName,
    /// Its name for people, such as `API key`.
    pub label: String,
    /// Whose it is and what, for messages: `OpenAI API key`.
    pub(super) subject: String,
    /// Whether it is hidden when shown.
    pub is_secret: bool,
    /// Whether a login must give it.
    pub is_required: bool,
    /// Whether it may have line breaks, such as a PEM key.
    pub is_multiline: bool,
    /// What a value looks like.
    pub pattern: Option<Pattern>,
    /// The same for people, as a sentence.
    pub hint: Option<String>,
    /// What it is when a login does not give it.
    pub default: Option<String>,
    /// The variables it is known by, the one that is exported first.
    pub env: Vec<VariableName>,
    /// Keys of other providers that may be mistaken for it.
    pub lookalikes: Vec<Lookalike>,
    /// Made-up values to try the pattern with.
    pub examples: Examples,
    /// Where a person gets a value.
    pub(super) key_url: Option<String>,
}

/// What the keys of another provider look like.
#[derive(Debug, Clone)]
pub struct Lookalike {
    /// Whose keys they are.
    pub provider: ProviderName,
    /// That provider's name for people.
    pub display_name: String,
    /// What they look like.
    pub pattern: Pattern,
    /// What is one of ours all the same.
    pub unless: Option<Pattern>,
    /// Whether the shape alone tells them apart. If not, a fitting value is
    /// taken, with a word about it.
    pub is_certain: bool,
}

/// Made-up values, to try a pattern with.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct Examples {
    /// Values that fit.
    pub fitting: Vec<String>,
    /// Values that do not.
    pub unfitting: Vec<String>,
}

impl Field {
    /// Whose it is and what, for messages: `OpenAI API key`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether a value has this field's shape.
    ///
    /// # Errors
    /// It has not; the hint says what the shape is, or whose key it seems to
    /// be. Nothing of the value is in the error.
    pub fn check(&self, value: &Secret) -> Result<(), Error> {
        let value = value.reveal();
        let is_broken = |c: char| c.is_control() || c.is_whitespace();
        if value.is_empty() {
            return Err(self.refusal("The", "is empty.").with_hint(
                "Copy it again, or check what the pipe brings: printf '%s' \"$KEY\" | wc -c",
            ));
        }
        // Only a pattern can say that a space belongs into a value.
        let is_spaced = |pattern: &Pattern| {
            !value.contains(|c: char| is_broken(c) && c != ' ') && pattern.fits(value)
        };
        if !self.is_multiline
            && value.contains(is_broken)
            && !self.pattern.as_ref().is_some_and(is_spaced)
        {
            return Err(self
                .refusal("The", "has white space or control characters inside.")
                .with_hint("Copy it again, as one line; something else came with it."));
        }
        let other = self
            .lookalikes
            .iter()
            .find(|other| other.is_certain && other.fits(value));
        if let Some(other) = other {
            return Err(self.unlike().with_hint(format!(
                "{} Store it with: vault login {}",
                other.sentence("This looks like"),
                other.provider
            )));
        }
        let Some(pattern) = &self.pattern else {
            return Ok(());
        };
        if pattern.fits(value) {
            return Ok(());
        }
        if let Err(bad) = pattern.check() {
            return Err(Error::new(
                Kind::InvalidInput,
                format!("The {} cannot be checked: {bad}", self.printed_subject()),
            ));
        }
        Err(match self.hint() {
            Some(hint) => self.unlike().with_hint(hint),
            None => self.unlike(),
        })
    }

    /// A word about a value that fits, but may be another provider's key.
    pub fn doubt(&self, value: &Secret) -> Option<String> {
        self.lookalikes
            .iter()
            .find(|other| !other.is_certain && other.fits(value.reveal()))
            .map(|other| other.sentence("This could also be"))
    }

    fn hint(&self) -> Option<String> {
        match (&self.hint, &self.key_url) {
            (Some(hint), _) => Some(text::printable(hint).into_owned()),
            (None, Some(url)) => Some(format!("Copy it again from {}", text::printable(url))),
            (None, None) => None,
        }
    }

    fn unlike(&self) -> Error {
        self.refusal("This does not look like a valid", "")
    }

    fn refusal(&self, before: &str, after: &str) -> Error {
        let subject = self.printed_subject();
        let sentence = if after.is_empty() {
            format!("{before} {subject}.")
        } else {
            format!("{before} {subject} {after}")
        };
        Error::new(Kind::InvalidInput, sentence)
    }

    fn printed_subject(&self) -> std::borrow::Cow<'_, str> {
        text::printable(&self.subject)
    }
}

impl Lookalike {
    fn fits(&self, value: &str) -> bool {
        let is_ours = self
            .unless
            .as_ref()
            .is_some_and(|unless| unless.fits(value));
        !is_ours && self.pattern.fits(value)
    }

    fn sentence(&self, beginning: &str) -> String {
        let name = text::printable(&self.display_name);
        let article = match name.chars().next() {
            Some('A' | 'E' | 'I' | 'O' | 'U' | 'a' | 'e' | 'i' | 'o' | 'u') => "an",
            _ => "a",
        };
        format!("{beginning} {article} {name} API key.")
    }
}
