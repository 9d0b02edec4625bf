//! A validator for the keywords of JSON Schema that our schemas use. It fails
//! on any keyword that it does not know.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml excepts tests, not their helpers"
)]

use serde_json::Value;

/// What is wrong with `value`, by path.
pub fn violations(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut wrong = |what: String| found.push(format!("{path}: {what}"));
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                let target = root
                    .pointer(pointer)
                    .expect("the reference leads somewhere");
                violations(root, target, value, path)
                    .into_iter()
                    .for_each(&mut wrong);
            }
            "type" => {
                let names = rule.as_array().cloned().unwrap_or(vec![rule.clone()]);
                if !names
                    .iter()
                    .any(|name| is_of_type(value, name.as_str().unwrap()))
                {
                    wrong(format!("is not of type {rule}"));
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        violations(root, rule, member, &format!("{path}/{name}"))
                            .into_iter()
                            .for_each(&mut wrong);
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, member) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(name)) {
                        continue;
                    }
                    if *rule == Value::Bool(false) {
                        wrong(format!("has a member {name}"));
                    } else {
                        violations(root, rule, member, &format!("{path}/{name}"))
                            .into_iter()
                            .for_each(&mut wrong);
                    }
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
                        wrong(format!("lacks {name}"));
                    }
                }
            }
            "items" => {
                for (position, item) in value.as_array().into_iter().flatten().enumerate() {
                    violations(root, rule, item, &format!("{path}/{position}"))
                        .into_iter()
                        .for_each(&mut wrong);
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                wrong(format!("is none of {rule}"));
            }
            "const" if rule != value => wrong(format!("is not {rule}")),
            "enum" | "const" => {}
            "pattern" => {
                let regex = regex::Regex::new(rule.as_str().unwrap()).unwrap();
                if value.as_str().is_some_and(|text| !regex.is_match(text)) {
                    wrong(format!("does not fit {rule}"));
                }
            }
            "minimum" if value.as_f64() < rule.as_f64() && value.is_number() => {
                wrong(format!("is below {rule}"));
            }
            "maximum" if value.as_f64() > rule.as_f64() => wrong(format!("is above {rule}")),
            "minimum" | "maximum" => {}
            "minItems" | "minProperties" => {
                let items = value.as_array().map(Vec::len);
                let size = items.or(value.as_object().map(serde_json::Map::len));
                if size.is_some_and(|size| (size as u64) < rule.as_u64().unwrap()) {
                    wrong(format!("has fewer members than {rule}"));
                }
            }
            "anyOf" | "oneOf" => {
                let branches = rule.as_array().unwrap();
                let fitting = branches
                    .iter()
                    .filter(|branch| violations(root, branch, value, path).is_empty())
                    .count();
                if fitting == 0 || (keyword == "oneOf" && fitting > 1) {
                    wrong(format!("fits {fitting} of {keyword}"));
                }
            }
            unknown => panic!("{path}: the keyword '{unknown}' is not known here"),
        }
    }
    found
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type '{other}' is not known here"),
    }
}
