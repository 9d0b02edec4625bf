//! What a rule says of a body: where to look, and what has to stand there.

use std::borrow::Cow;

use super::body::{Found, Pointer};
use super::glob::Glob;
use super::json::{Kind, Value};
use super::number::Decimal;
use super::read::{Form, Members, Wrong, list, shown};

/// The words for bounds.
pub(super) const BOUNDS: [&str; 4] = [">", ">=", "<", "<="];

/// One pointer, and what is looked for there: any of these.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    /// Its place among the policy's pointers.
    pub(super) pointer: usize,
    tests: Vec<Test>,
}

/// What can be said of something that may not be readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Says {
    No,
    Unknown,
    Yes,
}

#[derive(Debug, Clone)]
enum Test {
    Glob(Glob),
    Number(Decimal),
    Bool(bool),
    Null,
    Bounds(Vec<(Bound, Decimal)>),
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    More,
    AtLeast,
    Less,
    AtMost,
}

impl Condition {
    /// Reads all conditions of a rule; new pointers are added to the known ones.
    pub(super) fn read_all(
        value: Value<'_>,
        pointers: &mut Vec<Pointer>,
    ) -> Result<Vec<Self>, Wrong> {
        if value.kind() != Kind::Object || value.members().next().is_none() {
            let what = "'body' is an object of pointers, such as {\"/model\": \"gpt-5*\"}";
            return Err(Wrong::at(value, what));
        }
        let mut conditions = Vec::new();
        for (name, wanted) in value.members() {
            let text = name.text().unwrap_or_default();
            let pointer = Pointer::parse(&text).ok_or_else(|| {
                let what = format!("'{}' is no pointer: it begins with '/'", shown(&text));
                Wrong::at(name, what)
            })?;
            let known = pointers.iter().position(|known| *known == pointer);
            let pointer = known.unwrap_or_else(|| {
                pointers.push(pointer);
                pointers.len() - 1
            });
            let wanted = match wanted.kind() {
                Kind::Array => list(wanted)?,
                _ => vec![wanted],
            };
            let tests = wanted.into_iter().map(Test::read);
            let tests = tests.collect::<Result<_, _>>()?;
            conditions.push(Self { pointer, tests });
        }
        Ok(conditions)
    }

    /// Whether what was found is looked for.
    pub(super) fn says(&self, found: Found<'_>) -> Says {
        let value = match found {
            Found::Missing => return Says::No,
            Found::Ambiguous => return Says::Unknown,
            Found::Value(value) => value,
        };
        let read = self.tests.iter().filter_map(|test| test.fits(value));
        match read.max() {
            Some(true) => Says::Yes,
            Some(false) => Says::No,
            // That something is not nothing can always be read.
            None if self.tests.iter().all(|test| matches!(test, Test::Null)) => Says::No,
            None => Says::Unknown,
        }
    }
}

impl Test {
    fn read(value: Value<'_>) -> Result<Self, Wrong> {
        match value.kind() {
            Kind::Null => Ok(Self::Null),
            Kind::Bool(is) => Ok(Self::Bool(is)),
            Kind::Number => number(value).map(Self::Number),
            Kind::Text => {
                let text = value.text().unwrap_or_default();
                Form::Text.glob(&text, value).map(Self::Glob)
            }
            Kind::Object => bounds(value).map(Self::Bounds),
            Kind::Array => Err(Wrong::at(value, "a list in a list is not known here")),
        }
    }

    /// Whether the value is this; `None` where it is of a kind that cannot be
    /// compared with it, though an upstream may take it for one that can.
    fn fits(&self, value: Value<'_>) -> Option<bool> {
        match (self, value.kind()) {
            (Self::Null, Kind::Null) => Some(true),
            // It is given as if it were not.
            (_, Kind::Null) => Some(false),
            (Self::Null, _) => None,
            (Self::Glob(glob), Kind::Text) => Some(glob.matches(&value.text()?)),
            (Self::Bool(wanted), Kind::Bool(is)) => Some(*wanted == is),
            (Self::Number(wanted), _) => Some(*wanted == numeric(value)?),
            (Self::Bounds(bounds), _) => {
                let number = numeric(value)?;
                let holds = |(bound, limit): &(Bound, Decimal)| bound.holds(&number, limit);
                Some(bounds.iter().all(holds))
            }
            _ => None,
        }
    }
}

impl Bound {
    fn holds(self, number: &Decimal, limit: &Decimal) -> bool {
        match self {
            Self::More => number > limit,
            Self::AtLeast => number >= limit,
            Self::Less => number < limit,
            Self::AtMost => number <= limit,
        }
    }
}

fn bounds(value: Value<'_>) -> Result<Vec<(Bound, Decimal)>, Wrong> {
    let members = Members::read(value, &BOUNDS)?;
    let kinds = [Bound::More, Bound::AtLeast, Bound::Less, Bound::AtMost];
    let given = BOUNDS.iter().zip(kinds).filter_map(|(word, bound)| {
        let limit = members.optional(word)?;
        Some(number(limit).map(|limit| (bound, limit)))
    });
    let bounds: Vec<_> = given.collect::<Result<_, _>>()?;
    match bounds.is_empty() {
        true => Err(Wrong::at(value, "bounds are such as {\">\": 8000}")),
        false => Ok(bounds),
    }
}

fn number(value: Value<'_>) -> Result<Decimal, Wrong> {
    let number = match value.kind() {
        Kind::Number => Decimal::parse(value.raw()),
        _ => None,
    };
    number.ok_or_else(|| Wrong::at(value, "a bound is a number"))
}

/// The number that a value is, as one or as a text: many upstreams take both.
fn numeric(value: Value<'_>) -> Option<Decimal> {
    let text = match value.kind() {
        Kind::Number => Cow::Borrowed(value.raw()),
        Kind::Text => value.text()?,
        _ => return None,
    };
    Decimal::parse(&text)
}
