//! The model that a request asks for: where it stands in the body, and another
//! name in its place. Pure.

use hyper::body::Bytes;

use crate::broker::traffic::Refusal;
use crate::policy::JsonBody;
use crate::text::printable;

/// So much of a model's name is repeated.
const SHOWN: usize = 100;

/// A body that names a model, in one way.
#[derive(Debug)]
pub(super) struct Asking {
    /// The whole of it, not compressed.
    body: Bytes,
    /// What it asks for.
    pub(super) model: String,
    /// Where that stands, quotes included.
    place: std::ops::Range<usize>,
}

impl Asking {
    /// Reads a body.
    ///
    /// # Errors
    /// It is not JSON that can be read in one way only, or has no `model`.
    pub(super) fn read(body: Bytes) -> Result<Self, Refusal> {
        let unreadable = |error: &dyn std::fmt::Display| {
            let message = format!("The body has to be read to find the model, and {error}");
            Refusal::new(400, "body_unreadable", message)
                .with_hint("Send a JSON object whose members are unique, with a \"model\"")
        };
        let read = JsonBody::read(&body).map_err(|error| unreadable(&error))?;
        read.member("/model").map_err(|error| unreadable(&error))?;
        let (Some(model), Some(place)) = (read.model(), read.model_place()) else {
            return Err(unreadable(&"it has no text \"model\" at its top"));
        };
        Ok(Self {
            model: model.to_owned(),
            place,
            body: body.clone(),
        })
    }

    /// The body with another model in its place, and else as it was, byte for
    /// byte; `None` where it asks for that model already.
    pub(super) fn renamed(&self, model: &str) -> Option<Bytes> {
        if model == self.model {
            return None;
        }
        let (before, after) = (&self.body[..self.place.start], &self.body[self.place.end..]);
        let text = serde_json::Value::from(model).to_string();
        Some([before, text.as_bytes(), after].concat().into())
    }
}

/// A model's name as people are shown it: it comes from outside.
pub(super) fn shown(model: &str) -> String {
    let mut cut: String = model.chars().take(SHOWN).collect();
    if cut.len() < model.len() {
        cut.push('…');
    }
    printable(&cut).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Asking, Refusal> {
        Asking::read(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn another_model_changes_no_other_byte() {
        for (body, model, name, expected) in [
            (
                r#"{"model":"gpt-5","n":1}"#,
                "gpt-5",
                "llama3.2",
                r#"{"model":"llama3.2","n":1}"#,
            ),
            (
                "{\n  \"messages\": [{\"model\": \"a\", \"x\": \"\\\"model\\\": \\\"gpt-5\\\"\"}],\r\n\t\"model\"\t:\n \"a\" ,\"z\":1.0e+02} \n",
                "a",
                "b",
                "{\n  \"messages\": [{\"model\": \"a\", \"x\": \"\\\"model\\\": \\\"gpt-5\\\"\"}],\r\n\t\"model\"\t:\n \"b\" ,\"z\":1.0e+02} \n",
            ),
            (
                r#"{"ü":"🦙\ud83e\udd99","mod\u0065l":"ll\u0061ma\"\\🦙","a":{"model":"ü"}}"#,
                "llama\"\\🦙",
                "ünï\"\\\n🦙",
                r#"{"ü":"🦙\ud83e\udd99","mod\u0065l":"ünï\"\\\n🦙","a":{"model":"ü"}}"#,
            ),
            (r#"{"model":"","y":""}"#, "", "x", r#"{"model":"x","y":""}"#),
        ] {
            let asking = read(body).unwrap();
            assert_eq!(asking.model, model);
            assert_eq!(asking.renamed(name).unwrap(), expected);
            assert_eq!(asking.renamed(model), None);
        }
    }

    #[test]
    fn a_body_that_names_no_one_model_is_refused() {
        for body in [
            "",
            "model=gpt-5",
            "[]",
            "\"model\"",
            r#"{"x":{"model":"a"}}"#,
            r#"{"model":5}"#,
            r#"{"model":["a"]}"#,
            r#"{"model":null}"#,
            r#"{"model":"a","model":"b"}"#,
            r#"{"model":"a","mod\u0065l":"b"}"#,
            r#"{"model":"a","Model":"b"}"#,
            r#"{"model":"a"} {"model":"b"}"#,
            r#"{"model":"a""#,
        ] {
            let refusal = read(body).unwrap_err();
            assert_eq!(
                (refusal.status, refusal.code),
                (400, "body_unreadable"),
                "{body}"
            );
        }
    }

    #[test]
    fn hostile_names_are_shown_short_and_plain() {
        assert_eq!(shown("gpt-5"), "gpt-5");
        assert_eq!(shown("a\u{1b}[2J\n"), "a\\u{1b}[2J\\n");
        let long = shown(&"ü".repeat(5000));
        assert_eq!(long.chars().count(), SHOWN + 1);
    }
}
