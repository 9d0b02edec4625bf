//! One model under several names: with a date, as a resource, as the latest.
//!
//! Always true here: nothing is guessed from how a name begins.

/// Google's answers and lists name models as resources.
const PREFIX: &str = "models/";
const LATEST: &str = "-latest";

pub(super) fn without_prefix(model: &str) -> &str {
    model.strip_prefix(PREFIX).unwrap_or(model)
}

/// The name without `-2025-08-07`, `-20250807`, `@20250807` or `-latest`. `None`
/// where it has none of them.
pub(super) fn without_date(model: &str) -> Option<&str> {
    if let Some(name) = without_latest(model) {
        return Some(name);
    }
    let dashed = model.len().checked_sub("-2025-08-07".len());
    let solid = model.len().checked_sub("-20250807".len());
    for at in [dashed, solid].into_iter().flatten() {
        let Some((name, date)) = model.split_at_checked(at) else {
            continue;
        };
        if !name.is_empty() && is_date(date) {
            return Some(name);
        }
    }
    None
}

pub(super) fn without_latest(model: &str) -> Option<&str> {
    model.strip_suffix(LATEST).filter(|name| !name.is_empty())
}

/// `*` is any number of characters, also none.
pub(super) fn matches(glob: &str, model: &str) -> bool {
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = model.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn is_date(text: &str) -> bool {
    let form: &[u8] = match text.len() {
        11 => b"-20dd-dd-dd",
        9 if text.starts_with('@') => b"@20dddddd",
        _ => b"-20dddddd",
    };
    text.len() == form.len()
        && text.bytes().zip(form).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_date_or_latest_is_taken_off_a_name() {
        for (model, name) in [
            ("gpt-5-2025-08-07", Some("gpt-5")),
            ("claude-opus-4-1-20250805", Some("claude-opus-4-1")),
            ("claude-opus-4-1@20250805", Some("claude-opus-4-1")),
            ("claude-3-5-haiku-latest", Some("claude-3-5-haiku")),
            ("gpt-5", None),
            ("gpt-5-foo", None),
            ("grok-4-0709", None),
            ("mistral-large-2512", None),
            ("x-1925-08-07", None),
            ("-20250807", None),
            ("-latest", None),
            ("modèle-é2025-08-07", None),
            ("", None),
        ] {
            assert_eq!(without_date(model), name, "{model}");
        }
        assert_eq!(without_prefix("models/gemini-2.5-pro"), "gemini-2.5-pro");
    }

    #[test]
    fn a_star_is_any_text() {
        for (glob, model, expected) in [
            ("gpt-*", "gpt-5", true),
            ("gpt-*", "gpt-", true),
            ("gpt-*", "a-gpt-5", false),
            ("*-cloud", "gpt-oss:120b-cloud", true),
            ("*-cloud", "cloud-x", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "ac", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5x", false),
        ] {
            assert_eq!(matches(glob, model), expected, "{glob} {model}");
        }
    }
}
