//! What the parts of a policy are read with: members that are all known,
//! patterns in the form of what they stand for, and what is said of a mistake.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::glob::{Glob, Globs};
use super::json::{Kind, Value};
use crate::text::{nearest, printable};

/// Longer names and patterns are not repeated in a message.
const LONGEST_SHOWN: usize = 60;

/// A mistake, and where it stands in the text.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) offset: usize,
}

impl Wrong {
    pub(super) fn at(value: Value<'_>, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            offset: value.offset(),
        }
    }

    /// The same, said of a part that has a name.
    pub(super) fn of(mut self, part: &str) -> Self {
        self.what = format!("{part}: {}", self.what);
        self
    }
}

/// The members of an object, every one of which is known.
#[derive(Debug)]
pub(super) struct Members<'j> {
    object: Value<'j>,
    members: Vec<(Cow<'j, str>, Value<'j>)>,
}

impl<'j> Members<'j> {
    pub(super) fn read(value: Value<'j>, known: &[&str]) -> Result<Self, Wrong> {
        if value.kind() != Kind::Object {
            return Err(Wrong::at(value, "an object is expected here"));
        }
        let mut members = Vec::new();
        for (place, value) in value.members() {
            let name = place.text().unwrap_or_default();
            if !known.contains(&name.as_ref()) {
                return Err(Wrong::at(place, unknown(&name, known)));
            }
            members.push((name, value));
        }
        Ok(Self {
            object: value,
            members,
        })
    }

    pub(super) fn optional(&self, name: &str) -> Option<Value<'j>> {
        let found = self.members.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }

    pub(super) fn required(&self, name: &str) -> Result<Value<'j>, Wrong> {
        let missing = || Wrong::at(self.object, format!("'{name}' is missing"));
        self.optional(name).ok_or_else(missing)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'j, str>>, Wrong> {
        self.optional(name).map(text).transpose()
    }

    pub(super) fn bool(&self, name: &str) -> Result<Option<bool>, Wrong> {
        let read = |value: Value<'_>| match value.kind() {
            Kind::Bool(is) => Ok(is),
            _ => Err(Wrong::at(value, "true or false is expected here")),
        };
        self.optional(name).map(read).transpose()
    }

    /// A whole number from 1.
    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, Wrong> {
        let read = |value: Value<'_>| {
            let number = value.raw().parse().ok();
            let wrong = || {
                let what = format!("'{name}' is a whole number from 1; to forbid all, use a rule");
                Wrong::at(value, what)
            };
            number.filter(|number| *number > 0).ok_or_else(wrong)
        };
        self.optional(name).map(read).transpose()
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    let meant = nearest(name, known.iter().copied())
        .filter(|_| name.len() <= LONGEST_SHOWN)
        .map(|meant| format!("; did you mean '{meant}'?"))
        .unwrap_or_else(|| format!("; known here are {}", known.join(", ")));
    format!("'{}' is not known here{meant}", shown(name))
}

/// A text of the file as a message repeats it.
pub(super) fn shown(text: &str) -> String {
    let begin: String = text.chars().take(LONGEST_SHOWN).collect();
    let end = if begin.len() < text.len() { "…" } else { "" };
    format!("{}{end}", printable(&begin))
}

pub(super) fn text(value: Value<'_>) -> Result<Cow<'_, str>, Wrong> {
    let text = value.text();
    text.ok_or_else(|| Wrong::at(value, "a text is expected here"))
}

/// An array that has something in it.
pub(super) fn list(value: Value<'_>) -> Result<Vec<Value<'_>>, Wrong> {
    let all: Vec<_> = value.elements().collect();
    match (value.kind(), all.is_empty()) {
        (Kind::Array, false) => Ok(all),
        (Kind::Array, true) => Err(Wrong::at(value, "an empty list would match nothing")),
        _ => Err(Wrong::at(value, "a list is expected here")),
    }
}

/// One text, or a list of them.
pub(super) fn strings(value: Value<'_>) -> Result<Vec<(Cow<'_, str>, Value<'_>)>, Wrong> {
    let all = match value.kind() {
        Kind::Text => vec![value],
        Kind::Array => list(value)?,
        _ => {
            return Err(Wrong::at(
                value,
                "a text or a list of texts is expected here",
            ));
        }
    };
    all.into_iter().map(|one| Ok((text(one)?, one))).collect()
}

/// Patterns of one form.
pub(super) fn globs(value: Option<Value<'_>>, form: Form) -> Result<Option<Globs>, Wrong> {
    let Some(value) = value else {
        return Ok(None);
    };
    let texts = strings(value)?;
    let globs = texts.iter().map(|(text, place)| form.glob(text, *place));
    Ok(Some(Globs::new(globs.collect::<Result<_, _>>()?)))
}

/// What a pattern stands for. One that could match nothing of it is refused:
/// such a rule would be there and never speak.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// The name of an agent, a provider or a connection.
    Name,
    Host,
    Method,
    Path,
    /// Any text: a model, a value in a body.
    Text,
}

impl Form {
    pub(super) fn glob(self, text: &str, place: Value<'_>) -> Result<Glob, Wrong> {
        let wrong = |what: &str| Wrong::at(place, format!("'{}': {what}", shown(text)));
        if text.is_empty() && !matches!(self, Self::Text) {
            return Err(Wrong::at(place, "an empty text matches nothing here"));
        }
        let pattern = match self {
            Self::Name => name(text),
            Self::Host => host(text),
            Self::Method => method(text),
            Self::Path => path(text),
            Self::Text => Ok(Cow::Borrowed(text)),
        };
        let separator = match self {
            Self::Host => Some(b'.'),
            Self::Path => Some(b'/'),
            _ => None,
        };
        let pattern = pattern.map_err(wrong)?;
        let glob = Glob::new(&pattern, separator);
        let glob = glob.ok_or_else(|| wrong("it is longer than 1000 bytes"))?;
        Ok(glob.written_as(text))
    }
}

type Pattern<'t> = Result<Cow<'t, str>, &'static str>;

fn name(text: &str) -> Pattern<'_> {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-*".contains(&byte);
    match text.bytes().all(fits) {
        true => Ok(Cow::Borrowed(text)),
        false => Err("names are of a-z, 0-9, '.', '_' and '-', in patterns also '*'"),
    }
}

fn host(text: &str) -> Pattern<'_> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse::<Ipv6Addr>() {
        return Ok(Cow::Owned(format!("[{address}]")));
    }
    if text.contains('/') {
        return Err("a host has no scheme and no path; name the path with 'path'");
    }
    if text.contains(':') {
        return Err("a host has no port here");
    }
    if !text.is_ascii() {
        return Err("write a host as it is sent, such as xn--bcher-kva.example");
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_*".contains(&byte);
    let name = text.strip_suffix('.').unwrap_or(text);
    if !name.bytes().all(fits) || name.split('.').any(str::is_empty) {
        return Err("this is no host");
    }
    Ok(Cow::Owned(name.to_ascii_lowercase()))
}

fn method(text: &str) -> Pattern<'_> {
    let fits = |byte: u8| byte.is_ascii_alphabetic() || b"-*".contains(&byte);
    match text.bytes().all(fits) {
        true => Ok(Cow::Owned(text.to_ascii_uppercase())),
        false => Err("a method is of letters, such as POST"),
    }
}

fn path(text: &str) -> Pattern<'_> {
    if !text.starts_with(['/', '*']) {
        return Err("a path begins with '/' or '*'");
    }
    if text.contains(['?', '#']) {
        return Err("rules see no query; '?' and '#' match nothing");
    }
    let is_never = |segment: &str| matches!(segment, "." | "..");
    if text.contains("//") || text.contains('\\') || text.split('/').any(is_never) {
        return Err("no path that comes through has '//', '.', '..' or '\\' in it");
    }
    if text.chars().any(char::is_control) {
        return Err("no path that comes through has a control character in it");
    }
    let digits = |escape: &str| {
        let escape = escape.as_bytes().get(..2);
        escape.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    // Paths are compared decoded, but for a slash that is no border.
    let others = text.split('%').skip(1).filter(|rest| digits(rest));
    let mut others = others.filter(|rest| !rest[..2].eq_ignore_ascii_case("2f"));
    match others.next() {
        Some(_) => Err("paths are compared decoded: write the character itself"),
        None => Ok(Cow::Owned(text.replace("%2f", "%2F"))),
    }
}
