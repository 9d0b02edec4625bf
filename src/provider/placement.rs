//! Where a credential goes in a request: headers, query parameters, Basic
//! authentication or the path, each filled from the fields of a connection.

use std::str::FromStr;

use super::host::{Host, HostName};
use crate::name::FieldName;
use crate::text;

/// One place in a request, for some or all of the provider's hosts.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Where in the request.
    pub spot: Spot,
    /// The hosts that it is for; all of the provider's where there are none.
    pub hosts: Vec<Host>,
}

/// A place in a request and what goes there.
#[derive(Debug, Clone)]
pub enum Spot {
    /// A header of this name, in lower case.
    Header(String, Template),
    /// A query parameter of this name.
    Query(String, Template),
    /// `Authorization: Basic`, from a user's name and a password.
    Basic(Template, Template),
    /// The beginning of the path, such as `/bot{token}`.
    Path(Template),
}

impl Placement {
    /// Whether it is for this host, given that the host is the provider's.
    pub fn is_for(&self, host: &HostName) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|entry| entry.matches(host))
    }

    /// The fields that it needs.
    pub fn fields(&self) -> impl Iterator<Item = &FieldName> {
        let (first, second) = match &self.spot {
            Spot::Header(_, value) | Spot::Query(_, value) | Spot::Path(value) => (value, None),
            Spot::Basic(user, password) => (user, Some(password)),
        };
        first
            .fields()
            .chain(second.into_iter().flat_map(Template::fields))
    }
}

/// Text with places for fields, such as `Bearer {api_key}`. Braces that are
/// meant as such are doubled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stays as it is.
    Text(String),
    /// The value of a field.
    Field(FieldName),
}

/// A template that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' has a brace without a field's name in it", text::printable(.0))]
pub struct BadTemplate(String);

impl Template {
    /// The pieces in their order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The fields that it needs.
    pub fn fields(&self) -> impl Iterator<Item = &FieldName> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field(name) => Some(name),
            Part::Text(_) => None,
        })
    }

    /// Some text, then a field.
    pub(super) fn prefixed(prefix: &str, field: FieldName) -> Self {
        let mut parts = Vec::new();
        if !prefix.is_empty() {
            parts.push(Part::Text(prefix.to_owned()));
        }
        parts.push(Part::Field(field));
        Self { parts }
    }
}

impl FromStr for Template {
    type Err = BadTemplate;

    fn from_str(given: &str) -> Result<Self, BadTemplate> {
        let bad = || BadTemplate(given.to_owned());
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = given;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
            } else if let Some((name, after)) = rest.split_once('}').filter(|_| brace == "{") {
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Field(name.parse().map_err(|_| bad())?));
                rest = after;
            } else {
                return Err(bad());
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_text_and_fields() {
        let template: Template = "{email}/token {{x}} {api_key}!".parse().unwrap();
        let field = |name: &str| Part::Field(name.parse().unwrap());
        assert_eq!(
            template.parts(),
            [
                field("email"),
                Part::Text("/token {x} ".to_owned()),
                field("api_key"),
                Part::Text("!".to_owned()),
            ]
        );
        for wrong in ["{", "}", "{}", "{A}", "a{b", "a}b", "{a{b}"] {
            assert!(wrong.parse::<Template>().is_err(), "{wrong}");
        }
    }
}
