//! The JSON Schema of definitions, the authority on what they may hold.

use std::sync::OnceLock;

use serde_json::Value;

/// The schema's text (JSON Schema 2020-12).
pub const SCHEMA: &str = include_str!("../../schemas/provider.schema.json");

/// Whether the schema has a member of this name at the top of a definition.
pub(super) fn knows(member: &str) -> bool {
    static SCHEMA_VALUE: OnceLock<Value> = OnceLock::new();
    SCHEMA_VALUE
        // The schema is ours, and a test reads it.
        .get_or_init(|| serde_json::from_str(SCHEMA).unwrap_or_default())
        .get("properties")
        .is_some_and(|members| members.get(member).is_some())
}
