//! A request for a chat completion, made to ask for its usage: nothing else
//! of its text changes.

use serde_json::value::RawValue;

use crate::json::UniqueMap;

const OPTIONS: &str = "stream_options";
const USAGE: &str = "include_usage";

/// The body of a streamed chat completion, or completion, with
/// `stream_options.include_usage` asked for, all else byte for byte as it was.
/// `None` where nothing is to change: it is no such request, it asks for it
/// already, or it is not plain JSON whose members have names of
/// their own.
pub fn with_usage_asked(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let members: UniqueMap<'_, &RawValue> = serde_json::from_str(text).ok()?;
    let member = |name: &str| members.0.get(name).map(|raw| raw.get());
    // Responses stream too, and refuse this option.
    if member("stream") != Some("true") || member("messages").or_else(|| member("prompt")).is_none()
    {
        return None;
    }
    let (at, until, added) = match member(OPTIONS) {
        None => {
            let at = place(text, text.trim_start()) + 1;
            // There are members after it: those that were looked for.
            (at, at, format!("\"{OPTIONS}\":{{\"{USAGE}\":true}},"))
        }
        Some(options @ "null") => {
            let at = place(text, options);
            (at, at + options.len(), format!("{{\"{USAGE}\":true}}"))
        }
        Some(options) => {
            let said: UniqueMap<'_, &RawValue> = serde_json::from_str(options).ok()?;
            match said.0.get(USAGE).map(|said| said.get()) {
                // Who does not want to be counted is counted all the same.
                Some(wanted @ ("false" | "null")) => {
                    let at = place(text, wanted);
                    (at, at + wanted.len(), "true".to_owned())
                }
                Some(_) => return None,
                None => {
                    let at = place(text, options) + 1;
                    let comma = if said.0.is_empty() { "" } else { "," };
                    (at, at, format!("\"{USAGE}\":true{comma}"))
                }
            }
        }
    };
    Some([&body[..at], added.as_bytes(), &body[until..]].concat())
}

/// Where a part of a text stands in it.
fn place(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Option<String> {
        with_usage_asked(body.as_bytes()).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn usage_is_asked_for_and_all_else_stays_as_it_was() {
        for (body, expected) in [
            (
                r#"{"model":"m","stream":true,"messages":[]}"#,
                r#"{"stream_options":{"include_usage":true},"model":"m","stream":true,"messages":[]}"#,
            ),
            (
                " \n{ \"messages\" : [ {\"role\":\"user\",\"content\":\"\\u0041 é\"} ],\n\t\"stream\" : true } \n",
                " \n{\"stream_options\":{\"include_usage\":true}, \"messages\" : [ {\"role\":\"user\",\"content\":\"\\u0041 é\"} ],\n\t\"stream\" : true } \n",
            ),
            (
                r#"{"prompt":"p","stream":true,"stream_options":{}}"#,
                r#"{"prompt":"p","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"messages":[],"stream":true,"stream_options": { "include_obfuscation":false}}"#,
                r#"{"messages":[],"stream":true,"stream_options": {"include_usage":true, "include_obfuscation":false}}"#,
            ),
            (
                r#"{"messages":[],"stream":true,"stream_options":{"include_usage":false}}"#,
                r#"{"messages":[],"stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"messages":[],"stream":true,"stream_options":{"include_us\u0061ge":false}}"#,
                r#"{"messages":[],"stream":true,"stream_options":{"include_us\u0061ge":true}}"#,
            ),
            (
                r#"{"messages":[],"stream_options":null,"stream":true}"#,
                r#"{"messages":[],"stream_options":{"include_usage":true},"stream":true}"#,
            ),
            (
                r#"{"messages":[],"stre\u0061m":true,"stream_\u006fptions":{ }}"#,
                r#"{"messages":[],"stre\u0061m":true,"stream_\u006fptions":{"include_usage":true }}"#,
            ),
        ] {
            assert_eq!(asked(body).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_body_that_needs_no_change_or_cannot_be_read_stays() {
        for body in [
            "",
            "{}",
            "[]",
            "stream",
            r#"{"messages":[]}"#,
            r#"{"messages":[],"stream":false}"#,
            r#"{"messages":[],"stream":"true"}"#,
            r#"{"messages":[],"stream":1}"#,
            // Responses.
            r#"{"input":"p","stream":true}"#,
            r#"{"messages":[],"stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"messages":[],"stream":true,"stream_options":[]}"#,
            r#"{"messages":[],"stream":true,"stream_options":"x"}"#,
            // Twice: who reads which?
            r#"{"messages":[],"stream":true,"stream":false}"#,
            r#"{"messages":[],"stream":true,"str\u0065am":true}"#,
            r#"{"messages":[],"stream":true,"stream_options":{"a":1,"a":1}}"#,
            // No JSON.
            r#"{"messages":[],"stream":true"#,
            r#"{"messages":[],"stream":true}x"#,
            r#"{"messages":[],"stream":true,}"#,
            r#"{"messages":[],"stream":true} {"messages":[]}"#,
        ] {
            assert_eq!(asked(body), None, "{body}");
        }
        assert_eq!(
            with_usage_asked(b"{\"messages\":\"\xff\",\"stream\":true}"),
            None
        );
    }
}
