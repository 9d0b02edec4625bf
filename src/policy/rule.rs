//! One rule: whom and what it is about, and what it says of that.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::allowed::span;
use super::body::Pointer;
use super::condition::{Condition, Says};
use super::decide::{Action, Facts};
use super::glob::Globs;
use super::json::Value;
use super::read::{Form, Members, Wrong, globs, text};
use super::selector::Selector;

/// The members of a rule.
pub(super) const RULE: [&str; 10] = [
    "name",
    "agent",
    "provider",
    "connection",
    "host",
    "method",
    "path",
    "body",
    "action",
    "timeout",
];

/// The longest name of a rule, in characters.
const LONGEST_NAME: usize = 100;

/// What a rule is called: its name, else `rule 3`, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleName(Arc<str>);

/// One rule as it was written.
#[derive(Debug, Clone)]
pub struct Rule {
    name: RuleName,
    action: Action,
    timeout: Option<Duration>,
    pub(super) selector: Selector,
    hosts: Option<Globs>,
    methods: Option<Globs>,
    paths: Option<Globs>,
    /// All of them have to hold.
    pub(super) body: Vec<Condition>,
    body_text: Option<Box<str>>,
}

impl Rule {
    /// What it is called.
    pub fn name(&self) -> &RuleName {
        &self.name
    }

    /// What it says.
    pub fn action(&self) -> Action {
        self.action
    }

    /// How long its approval is waited for, where it says so.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// What it names, by the words of the file, in the order of the reference;
    /// each only where it is there.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, Vec<&str>)> {
        let more = [
            ("host", &self.hosts),
            ("method", &self.methods),
            ("path", &self.paths),
        ];
        let more = more.into_iter().filter_map(|(word, globs)| {
            let texts = globs.as_ref()?.texts();
            Some((word, texts.collect()))
        });
        self.selector.parts().chain(more)
    }

    /// What it says of bodies: the JSON of its member `body`.
    pub fn body(&self) -> Option<&str> {
        self.body_text.as_deref()
    }

    pub(super) fn read(
        value: Value<'_>,
        position: usize,
        pointers: &mut Vec<Pointer>,
    ) -> Result<Self, Wrong> {
        let members = Members::read(value, &RULE)?;
        let action = action(members.required("action")?)?;
        let timeout = members.optional("timeout");
        if let (Some(timeout), false) = (timeout, action == Action::Approve) {
            let what = "only a rule with \"action\": \"approve\" has a timeout";
            return Err(Wrong::at(timeout, what));
        }
        let body = members.optional("body");
        let name = members.optional("name").map(name).transpose()?;
        Ok(Self {
            name: name.unwrap_or_else(|| RuleName::numbered(position)),
            action,
            timeout: timeout.map(span).transpose()?,
            selector: Selector::read(&members)?,
            hosts: globs(members.optional("host"), Form::Host)?,
            methods: globs(members.optional("method"), Form::Method)?,
            paths: globs(members.optional("path"), Form::Path)?,
            body: match body {
                Some(body) => Condition::read_all(body, pointers)?,
                None => Vec::new(),
            },
            body_text: body.map(|body| body.raw().into()),
        })
    }

    /// Whether it is about a request, as far as that can be told without its
    /// body.
    pub(super) fn is_about(&self, head: &Head<'_>) -> Says {
        if !self.selector.is_about(head.agent, head.facts.connection)
            || !fits(self.hosts.as_ref(), &head.host)
        {
            return Says::No;
        }
        let fits_method = fits(self.methods.as_ref(), &head.method);
        if head.readings.is_empty() {
            // Of a tunnel nothing but its host can be seen. A rule that names
            // the host is about what goes through it; one that does not would
            // speak of every tunnel there is.
            return match fits_method && self.paths.is_none() && self.body.is_empty() {
                true => Says::Yes,
                false if self.hosts.is_some() => Says::Unknown,
                false => Says::No,
            };
        }
        match fits_method && self.fits_path(&head.readings) {
            true => Says::Yes,
            false => Says::No,
        }
    }

    /// To forbid, one way of reading a path is enough; to allow, all must do.
    fn fits_path(&self, readings: &[Cow<'_, str>]) -> bool {
        let Some(paths) = &self.paths else {
            return true;
        };
        let mut readings = readings.iter();
        match self.action {
            Action::Allow => readings.all(|path| paths.matches(path)),
            Action::Approve | Action::Deny => readings.any(|path| paths.matches(path)),
        }
    }
}

fn fits(globs: Option<&Globs>, text: &str) -> bool {
    globs.is_none_or(|globs| globs.matches(text))
}

fn action(value: Value<'_>) -> Result<Action, Wrong> {
    match text(value)?.as_ref() {
        "allow" => Ok(Action::Allow),
        "deny" => Ok(Action::Deny),
        "approve" => Ok(Action::Approve),
        _ => Err(Wrong::at(value, "'action' is allow, deny or approve")),
    }
}

fn name(value: Value<'_>) -> Result<RuleName, Wrong> {
    let name = text(value)?;
    let is_right = !name.trim().is_empty()
        && name.chars().count() <= LONGEST_NAME
        && !name.chars().any(char::is_control);
    match is_right {
        true => Ok(RuleName(name.as_ref().into())),
        false => Err(Wrong::at(
            value,
            "a name is one line of 1 to 100 characters",
        )),
    }
}

impl RuleName {
    /// The name of the rule at this place, from 0, that has none of its own.
    pub(super) fn numbered(position: usize) -> Self {
        Self(format!("rule {}", position + 1).into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A request as rules compare it.
pub(super) struct Head<'a> {
    facts: &'a Facts<'a>,
    agent: &'a str,
    host: Cow<'a, str>,
    method: Cow<'a, str>,
    /// The ways in which an upstream may read the path; none for a tunnel.
    readings: Vec<Cow<'a, str>>,
}

impl<'a> Head<'a> {
    pub(super) fn new(facts: &'a Facts<'a>) -> Self {
        let host = facts.host.strip_suffix('.').unwrap_or(facts.host);
        let has = |text: &str, kind: fn(&u8) -> bool| text.as_bytes().iter().any(kind);
        Self {
            facts,
            agent: facts.agent,
            host: match has(host, u8::is_ascii_uppercase) {
                true => host.to_ascii_lowercase().into(),
                false => host.into(),
            },
            method: match has(facts.method, u8::is_ascii_lowercase) {
                true => facts.method.to_ascii_uppercase().into(),
                false => facts.method.into(),
            },
            readings: facts.path.map(readings).unwrap_or_default(),
        }
    }
}

/// A path with what is still percent-encoded in it decoded, but for `%2F`,
/// which is no border.
fn decoded(path: &str) -> Option<String> {
    path.contains('%').then_some(())?;
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let code = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match byte.filter(|byte| *byte != b'/') {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    let decoded = String::from_utf8(decoded).ok()?;
    (decoded != path).then_some(decoded)
}

/// As it is; decoded once more; without the parameters of its segments, which some servers cut
/// off; each without the slash at its end, which some do not look at.
fn readings(path: &str) -> Vec<Cow<'_, str>> {
    let mut readings = vec![Cow::Borrowed(path)];
    // As a server sees it that decodes twice, or thrice.
    for turn in 0..2 {
        match decoded(&readings[turn]) {
            Some(decoded) => readings.push(decoded.into()),
            None => break,
        }
    }
    for position in 0..readings.len() {
        if readings[position].contains(';') {
            let segments = readings[position].split('/');
            let bare: Vec<&str> = segments
                .map(|segment| segment.split(';').next().unwrap_or_default())
                .collect();
            let bare = bare.join("/");
            readings.push(bare.into());
        }
    }
    for position in 0..readings.len() {
        let path = &readings[position];
        if let Some(short) = path.strip_suffix('/').filter(|short| !short.is_empty()) {
            let short = short.to_owned();
            readings.push(short.into());
        }
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_every_upstream_may_read_it() {
        for (path, others) in [
            ("/v1/models", &[][..]),
            ("/", &[]),
            ("*", &[]),
            ("/v1/models/", &["/v1/models"]),
            ("/v1;x=1/models", &["/v1/models"]),
            ("/v1/%66iles", &["/v1/files"]),
            ("/v1/%2566iles", &["/v1/%66iles", "/v1/files"]),
            ("/v1/a%2Fb%3B", &["/v1/a%2Fb;", "/v1/a%2Fb"]),
            (
                "/v1;x/models;y/",
                &["/v1/models/", "/v1;x/models;y", "/v1/models"],
            ),
        ] {
            let expected: Vec<&str> = [path].iter().chain(others).copied().collect();
            assert_eq!(readings(path), expected, "{path}");
        }
    }
}
