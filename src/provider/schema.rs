//! The JSON Schema of definitions, the authority on what they may hold.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::text::{nearest, printable};

/// The schema's text (JSON Schema 2020-12).
pub const SCHEMA: &str = include_str!("../../schemas/provider.schema.json");

/// Names that are longer are not worth a guess.
const LONGEST_GUESSED: usize = 64;

/// Whether the schema has a member of this name at the top of a definition.
pub(super) fn knows(member: &str) -> bool {
    root()
        .get("properties")
        .is_some_and(|members| members.get(member).is_some())
}

/// A sentence about each member that the schema does not describe, however
/// deep it is. `$schema` is for editors and may stand at the top.
pub(super) fn unknown_members(definition: &Value) -> Vec<String> {
    let mut sentences = Vec::new();
    look(&[root()], definition, "", &mut sentences);
    sentences
}

fn root() -> &'static Value {
    static SCHEMA_VALUE: OnceLock<Value> = OnceLock::new();
    // The schema is ours, and a test reads it.
    SCHEMA_VALUE.get_or_init(|| serde_json::from_str(SCHEMA).unwrap_or_default())
}

/// `rules` are all parts of the schema that speak of this value.
fn look(rules: &[&'static Value], value: &Value, path: &str, sentences: &mut Vec<String>) {
    let rules = opened(rules);
    match value {
        Value::Object(members) => look_into_object(&rules, members, path, sentences),
        Value::Array(items) => {
            let of_items: Vec<_> = rules.iter().filter_map(|rule| rule.get("items")).collect();
            for (position, item) in items.iter().enumerate() {
                look(&of_items, item, &format!("{path}[{position}]"), sentences);
            }
        }
        _ => {}
    }
}

fn look_into_object(
    rules: &[&'static Value],
    members: &Map<String, Value>,
    path: &str,
    sentences: &mut Vec<String>,
) {
    let described = rules
        .iter()
        .filter_map(|rule| rule.get("properties")?.as_object());
    let known: Vec<_> = described.flatten().collect();
    if known.is_empty() {
        // Headers, forms and notes hold what they like.
        return;
    }
    for (name, member) in members {
        let place = match path {
            "" => printable(name).into_owned(),
            path => format!("{path}.{}", printable(name)),
        };
        let of_member: Vec<_> = known
            .iter()
            .filter(|(known, _)| *known == name)
            .map(|(_, rule)| *rule)
            .collect();
        if !of_member.is_empty() {
            look(&of_member, member, &place, sentences);
        } else if !path.is_empty() || name != "$schema" {
            let names = known.iter().map(|(known, _)| known.as_str());
            let guess = nearest(name, names.filter(|_| name.len() <= LONGEST_GUESSED));
            let guess = guess.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
            sentences.push(format!(
                "member '{place}' is not known and is ignored{guess}"
            ));
        }
    }
}

/// The rules with those that they refer to and choose from.
fn opened(rules: &[&'static Value]) -> Vec<&'static Value> {
    let mut found = Vec::new();
    let mut waiting = rules.to_vec();
    while let Some(rule) = waiting.pop() {
        found.push(rule);
        let referred = rule.get("$ref").and_then(Value::as_str);
        let pointer = referred.and_then(|reference| reference.strip_prefix('#'));
        waiting.extend(pointer.and_then(|pointer| root().pointer(pointer)));
        for choice in ["anyOf", "oneOf"] {
            waiting.extend(
                rule.get(choice)
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten(),
            );
        }
    }
    found
}
