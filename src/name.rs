//! Names that were checked once and are right from then on.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind};
use crate::text;

const LONGEST: usize = 64;

/// A text is not the name it was offered as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not a {what} name")]
pub struct BadName {
    what: &'static str,
    rule: &'static str,
    /// In quotes, as far as it may be repeated.
    given: String,
}

/// A word from the command line, to be said back to whoever typed it. Where it
/// may be a key that was put into the wrong place, it is not repeated.
fn quoted(given: &str) -> String {
    let has = |kind: fn(char) -> bool| given.chars().any(kind);
    let mixed = has(char::is_alphabetic) && has(char::is_numeric)
        || has(char::is_lowercase) && has(char::is_uppercase);
    let length = given.chars().count();
    if length >= 16 && mixed {
        return "What was given".to_owned();
    }
    if length > 20 {
        let begin: String = given.chars().take(12).collect();
        return format!("'{}…'", text::printable(&begin));
    }
    format!("'{}'", text::printable(given))
}

impl From<BadName> for Error {
    fn from(bad: BadName) -> Self {
        let message = bad.to_string();
        Self::new(Kind::Usage, message).with_hint(bad.rule)
    }
}

const LOWER: &str =
    "Names are 1 to 64 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit.";
const UPPER: &str =
    "Names are capitals, digits and '_', and begin with a capital or '_', such as DATABASE_URL.";

fn is_lower(text: &str) -> bool {
    let first_fits = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    first_fits
        && text.len() <= LONGEST
        && text.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
        })
}

fn is_upper(text: &str) -> bool {
    let first_fits = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_uppercase() || byte == b'_');
    first_fits
        && text.len() <= 4 * LONGEST
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:ident, $rule:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                if $check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(BadName { what: $what, rule: $rule, given: quoted(text) })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

checked_name!(
    /// The name of a provider, such as `openai`.
    ProviderName, "provider", is_lower, LOWER
);
checked_name!(
    /// The name of a connection within its provider, such as `team`.
    ConnectionName, "connection", is_lower, LOWER
);
checked_name!(
    /// The name of an agent: a program that uses the gateway.
    AgentName, "gateway agent", is_lower, LOWER
);
checked_name!(
    /// The name of a field of a credential, such as `api_key`.
    FieldName, "field", is_lower, LOWER
);
checked_name!(
    /// The name of a plain secret: an environment variable in capitals.
    VariableName, "variable", is_upper, UPPER
);

impl ConnectionName {
    /// The name that a login without a name gets.
    pub fn default_name() -> Self {
        Self("default".to_owned())
    }
}

/// One connection, fully named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Whose connection it is.
    pub provider: ProviderName,
    /// Which of that provider's connections.
    pub connection: ConnectionName,
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.connection)
    }
}

/// What a person wrote where a provider is taken: `openai` or `openai/team`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRef {
    /// The provider.
    pub provider: ProviderName,
    /// The connection, if one was named.
    pub connection: Option<ConnectionName>,
}

impl FromStr for ConnectionRef {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (provider, connection) = match text.split_once('/') {
            Some((provider, connection)) => (provider, Some(connection.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            provider: provider.parse()?,
            connection,
        })
    }
}

impl fmt::Display for ConnectionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.connection {
            Some(connection) => write!(f, "{}/{connection}", self.provider),
            None => self.provider.fmt(f),
        }
    }
}

/// What a person wrote where a connection or a plain secret is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A provider's connection.
    Connection(ConnectionRef),
    /// A plain secret.
    Secret(VariableName),
}

impl FromStr for Target {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.parse() {
            Ok(variable) => Ok(Self::Secret(variable)),
            Err(_) => text.parse().map(Self::Connection),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(reference) => reference.fmt(f),
            Self::Secret(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_names_are_lower_case_and_bounded() {
        for good in ["a", "0", "team", "a.b_c-d", &"x".repeat(64)] {
            assert!(good.parse::<ConnectionName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            ".a",
            "Team",
            "a b",
            "a/b",
            "é",
            "..",
            &"x".repeat(65),
        ] {
            assert!(bad.parse::<ConnectionName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_may_be_a_key_is_not_repeated() {
        let said = |given: &str| given.parse::<ProviderName>().unwrap_err().to_string();
        assert_eq!(said("Open AI"), "'Open AI' is not a provider name");
        assert_eq!(
            said("a name of many words here"),
            "'a name of ma…' is not a provider name"
        );
        for key in [
            "SK-LIVE-aaaaBBBB",
            "SK-LIVE-0123456789",
            "AKIAFAKE0123456789AB",
            "sk live fake canary key 1",
        ] {
            assert_eq!(said(key), "What was given is not a provider name", "{key}");
        }
    }

    #[test]
    fn variables_are_capitals() {
        for good in ["A", "_", "DATABASE_URL", "K8S"] {
            assert!(good.parse::<VariableName>().is_ok(), "{good}");
        }
        for bad in ["", "8K", "a", "A-B", "A=B", "A\nB"] {
            assert!(bad.parse::<VariableName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_in_capitals_is_a_plain_secret() {
        assert!(matches!("DATABASE_URL".parse(), Ok(Target::Secret(_))));
        let Ok(Target::Connection(reference)) = "openai/team".parse() else {
            panic!("openai/team names a connection");
        };
        assert_eq!(reference.to_string(), "openai/team");
        assert!("openai/".parse::<Target>().is_err());
        assert!("openai/a/b".parse::<Target>().is_err());
    }
}
