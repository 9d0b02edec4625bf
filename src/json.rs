//! JSON that holds secrets: read in place without copies, written into
//! buffers that are wiped, with members that we do not know passed through.
//!
//! Errors tell a place, never a value: the library's own messages quote what
//! they found.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::secret::{Secret, SecretBuffer};

/// JSON that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is no JSON.
    #[error("it is not valid JSON at line {line}, column {column}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// It is JSON of another shape.
    #[error("it has not the expected form at line {line}, column {column}")]
    Shape {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A member that has to be there is not, or is of another kind.
    #[error("its member '{0}' is missing or not of its kind")]
    Member(&'static str),
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => Self::Shape { line, column },
            _ => Self::Syntax { line, column },
        }
    }
}

/// An object's members by name, each still as its text. A name that stands
/// twice is an error: two readers could each believe another one.
pub struct Members<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Members<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// The text is no object, or names a member twice.
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        Ok(Self(
            serde_json::from_str::<UniqueMap<'a, &'a RawValue>>(text)?.0,
        ))
    }

    /// Takes a member out, if it is there and not `null`.
    ///
    /// # Errors
    /// The member is of another kind.
    pub fn take<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, JsonError> {
        match self.take_raw(name) {
            None => Ok(None),
            Some(raw) => serde_json::from_str(raw).map_err(|_| JsonError::Member(name)),
        }
    }

    /// Takes a member out that has to be there.
    ///
    /// # Errors
    /// The member is missing or of another kind.
    pub fn require<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, JsonError> {
        self.take(name)?.ok_or(JsonError::Member(name))
    }

    /// Takes a member out as its text.
    pub fn take_raw(&mut self, name: &'static str) -> Option<&'a str> {
        self.0.remove(name).map(RawValue::get)
    }

    /// What nobody took, as texts within the one that was read.
    pub fn into_texts(self) -> impl Iterator<Item = (String, &'a str)> {
        self.0
            .into_iter()
            .map(|(name, raw)| (name.into_owned(), raw.get()))
    }

    /// What nobody took, kept for the next rewrite.
    pub fn into_unknown(self) -> Unknown {
        Unknown(
            self.0
                .into_iter()
                .map(|(name, raw)| (name.into_owned(), Secret::from(raw.get().to_owned())))
                .collect(),
        )
    }
}

impl<'a> From<BTreeMap<Cow<'a, str>, &'a RawValue>> for Members<'a> {
    fn from(members: BTreeMap<Cow<'a, str>, &'a RawValue>) -> Self {
        Self(members)
    }
}

/// A map whose names are all different.
pub struct UniqueMap<'a, V>(pub BTreeMap<Cow<'a, str>, V>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for UniqueMap<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<'a, V>(std::marker::PhantomData<(&'a (), V)>);
        impl<'de: 'a, 'a, V: Deserialize<'de>> Visitor<'de> for Entries<'a, V> {
            type Value = UniqueMap<'a, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some(Name(name)) = map.next_key()? {
                    if members.insert(name, map.next_value()?).is_some() {
                        return Err(serde::de::Error::custom("a name stands twice"));
                    }
                }
                Ok(UniqueMap(members))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}

/// A member's name, borrowed where it holds no escape.
pub struct Name<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Members that this version does not know, as their text.
/// Copies share one text.
#[derive(Default, Clone)]
pub struct Unknown(Arc<[(String, Secret)]>);

impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

impl Unknown {
    /// Writes the members where they stood: after those that are known.
    pub fn write(&self, object: &mut ObjectWriter<'_>) {
        for (name, text) in &*self.0 {
            object.raw(name, text.reveal());
        }
    }
}

/// Whether a text is one JSON value.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Writes one object into a buffer that is wiped.
pub struct ObjectWriter<'b> {
    buffer: &'b mut SecretBuffer,
    empty: bool,
}

impl<'b> ObjectWriter<'b> {
    /// Begins an object; [`ObjectWriter::end`] ends it.
    pub fn begin(buffer: &'b mut SecretBuffer) -> Self {
        buffer.push(b"{");
        Self {
            buffer,
            empty: true,
        }
    }

    /// Ends the object.
    pub fn end(self) {
        self.buffer.push(b"}");
    }

    /// Writes a member that is no secret.
    pub fn member(&mut self, name: &str, value: &impl Serialize) {
        self.name(name);
        serde_json::to_writer(&mut *self.buffer, value)
            .expect("plain values serialise, and a buffer in memory takes every byte");
    }

    /// Writes a member unless it is absent.
    pub fn optional(&mut self, name: &str, value: Option<&impl Serialize>) {
        if let Some(value) = value {
            self.member(name, value);
        }
    }

    /// Writes a member that is a secret.
    pub fn secret(&mut self, name: &str, value: &Secret) {
        self.member(name, &value.reveal());
    }

    /// Writes a member whose text is JSON already.
    pub fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.buffer.push(json.as_bytes());
    }

    /// Writes a member that is an object.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.name(name);
        let mut inner = ObjectWriter::begin(self.buffer);
        fill(&mut inner);
        inner.end();
    }

    /// Writes a member that is a list of objects.
    pub fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(T, &mut ObjectWriter<'_>),
    ) {
        self.name(name);
        self.buffer.push(b"[");
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.buffer.push(b",");
            }
            let mut inner = ObjectWriter::begin(self.buffer);
            fill(item, &mut inner);
            inner.end();
        }
        self.buffer.push(b"]");
    }

    fn name(&mut self, name: &str) {
        if !self.empty {
            self.buffer.push(b",");
        }
        self.empty = false;
        serde_json::to_writer(&mut *self.buffer, name)
            .expect("a text serialises, and a buffer in memory takes every byte");
        self.buffer.push(b":");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_pass_through_as_they_were() {
        let text = r#"{"b": {"x" : [1, 2.50]}, "a": "known", "c":null}"#;
        let mut members = Members::parse(text).unwrap();
        let known: String = members.require("a").unwrap();
        assert_eq!(known, "known");
        let unknown = members.into_unknown();
        let mut buffer = SecretBuffer::default();
        let mut object = ObjectWriter::begin(&mut buffer);
        object.member("a", &known);
        unknown.write(&mut object);
        object.end();
        let written = std::str::from_utf8(buffer.as_bytes()).unwrap();
        assert_eq!(written, r#"{"a":"known","b":{"x" : [1, 2.50]},"c":null}"#);
    }

    #[test]
    fn a_member_that_stands_twice_is_refused() {
        assert!(matches!(
            Members::parse(r#"{"a":1,"a":2}"#),
            Err(JsonError::Shape { .. })
        ));
        assert!(matches!(
            Members::parse(r#"{"a":1,"\u0061":2}"#),
            Err(JsonError::Shape { .. })
        ));
    }

    #[test]
    fn errors_never_quote_a_value() {
        let mut members = Members::parse(r#"{"fields":"sk-FAKE-SECRET"}"#).unwrap();
        let error = members.require::<Vec<u8>>("fields").unwrap_err();
        assert_eq!(error, JsonError::Member("fields"));
        let error = Members::parse(r#""sk-FAKE-SECRET""#).err().unwrap();
        assert!(!error.to_string().contains("FAKE"));
    }

    #[test]
    fn deep_nesting_is_read_over_or_refused_but_never_overflows() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        if let Ok(mut members) = Members::parse(&deep) {
            assert!(members.take::<serde_json::Value>("a").is_err());
        }
    }
}
