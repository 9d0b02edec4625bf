//! JSON: `{"OPENAI_API_KEY":"…"}`, and `{"openai":{"api_key":"…"}}`.

use super::{Item, Left, Reading, Reason, Slot};
use crate::json::{JsonError, Members};
use crate::secret::Secret;

/// Reads an object of variables, or of providers with their fields.
///
/// # Errors
/// It is no object, or a name stands in it twice.
pub fn read(text: &Secret) -> Result<Reading, JsonError> {
    let text = text.reveal();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reading = Reading::default();
    for (name, raw) in Members::parse(text)?.into_texts() {
        if !raw.starts_with('{') {
            reading.take(text, Slot::Variable(name), raw);
            continue;
        }
        match Members::parse(raw) {
            Ok(fields) => {
                for (field, raw) in fields.into_texts() {
                    reading.take(text, Slot::Field(name.clone(), field), raw);
                }
            }
            Err(_) => reading.leave(text, Slot::Variable(name), raw),
        }
    }
    // By place, as a person reads it.
    reading.items.sort_by_key(|item| item.line);
    reading.left.sort_by_key(|left| left.line);
    Ok(reading)
}

impl Reading {
    fn take(&mut self, whole: &str, slot: Slot, raw: &str) {
        match serde_json::from_str::<Secret>(raw) {
            Ok(value) => self.items.push(Item {
                slot,
                line: line_of(whole, raw),
                value,
            }),
            Err(_) => self.leave(whole, slot, raw),
        }
    }

    fn leave(&mut self, whole: &str, slot: Slot, raw: &str) {
        self.left.push(Left {
            line: line_of(whole, raw),
            name: Some(slot.to_string()),
            reason: Reason::NotText,
        });
    }
}

/// The line of a text within the whole.
fn line_of(whole: &str, part: &str) -> usize {
    let at = part.as_ptr().addr() - whole.as_ptr().addr();
    1 + whole[..at].matches('\n').count()
}
