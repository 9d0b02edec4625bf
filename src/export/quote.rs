//! Escaping into a buffer that is wiped.

use std::borrow::Cow;

use crate::secret::SecretBuffer;

/// Appends `value` with every character that `escape` knows replaced.
pub(super) fn push_escaped(
    out: &mut SecretBuffer,
    value: &str,
    escape: impl Fn(char) -> Option<Cow<'static, str>>,
) {
    let mut written = 0;
    for (position, character) in value.char_indices() {
        if let Some(escaped) = escape(character) {
            out.push(&value.as_bytes()[written..position]);
            out.push(escaped.as_bytes());
            written = position + character.len_utf8();
        }
    }
    out.push(&value.as_bytes()[written..]);
}

/// Appends the parts one after the other.
pub(super) fn push_all(out: &mut SecretBuffer, parts: &[&str]) {
    for part in parts {
        out.push(part.as_bytes());
    }
}
