//! From many sources to one environment: a variable has one source.

use std::collections::HashMap;

use crate::error::{Error, Kind};
use crate::name::VariableName;
use crate::secret::Secret;

/// One value on its way into a variable.
pub struct Entry<'a> {
    /// The variable.
    pub variable: VariableName,
    /// Where the value comes from, in words that a person knows it by:
    /// `openai/team`, or the field of a connection with several.
    pub source: String,
    /// The value.
    pub value: &'a Secret,
}

/// Two values for one variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} would come from both {first} and {second}")]
pub struct Conflict {
    /// The variable.
    pub variable: VariableName,
    /// Where one value comes from.
    pub first: String,
    /// Where the other comes from.
    pub second: String,
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        Self::new(Kind::Conflict, conflict.to_string()).with_hint(format!(
            "Take one of them alone: vault export {0} --format json; or give its field another \
             name: --name api_key=OTHER_{1}",
            conflict.first.split(' ').next_back().unwrap_or_default(),
            conflict.variable
        ))
    }
}

/// The variables in the order in which they first came. The same source may
/// say the same thing twice; two sources are a conflict even where their
/// values are equal, since nothing keeps them so.
///
/// # Errors
/// Two values claim one variable.
pub fn collect<'a>(
    entries: impl IntoIterator<Item = Entry<'a>>,
) -> Result<Vec<(VariableName, &'a Secret)>, Conflict> {
    let mut variables: Vec<(VariableName, &Secret)> = Vec::new();
    let mut seen: HashMap<VariableName, (String, &Secret)> = HashMap::new();
    for entry in entries {
        match seen.get(&entry.variable) {
            Some((source, value)) if *source == entry.source && value.matches(entry.value) => {}
            Some((source, _)) => {
                return Err(Conflict {
                    variable: entry.variable,
                    first: source.clone(),
                    second: entry.source,
                });
            }
            None => {
                variables.push((entry.variable.clone(), entry.value));
                seen.insert(entry.variable, (entry.source, entry.value));
            }
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(variable: &str, source: &str, value: &'a Secret) -> Entry<'a> {
        Entry {
            variable: variable.parse().unwrap(),
            source: source.to_owned(),
            value,
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    #[test]
    fn variables_keep_their_order_and_a_source_may_repeat_itself() {
        let (a, b, c) = (secret("a"), secret("b"), secret("a"));
        let entries = [
            entry("Z", "openai/team", &a),
            entry("A", "github/default", &b),
            entry("Z", "openai/team", &c),
        ];
        let names: Vec<_> = collect(entries)
            .unwrap()
            .into_iter()
            .map(|(name, value)| format!("{name}={}", value.reveal()))
            .collect();
        assert_eq!(names, ["Z=a", "A=b"]);
    }

    #[test]
    fn two_sources_conflict_even_with_equal_values() {
        let (a, b) = (secret("same"), secret("same"));
        let entries = [
            entry("OPENAI_API_KEY", "openai/team", &a),
            entry("OPENAI_API_KEY", "plain secret OPENAI_API_KEY", &b),
        ];
        let error = Error::from(collect(entries).err().unwrap());
        assert_eq!(error.kind(), Kind::Conflict);
        let message = error.to_string();
        assert!(message.contains("openai/team"), "{message}");
        assert!(message.contains("plain secret OPENAI_API_KEY"), "{message}");
        assert!(!message.contains("same"), "{message}");
    }

    #[test]
    fn one_source_with_two_values_conflicts_with_itself() {
        let (a, b) = (secret("a"), secret("b"));
        let entries = [entry("K", "x/default", &a), entry("K", "x/default", &b)];
        assert!(collect(entries).is_err());
    }
}
