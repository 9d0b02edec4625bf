//! A JSON body as rules see it.

use std::borrow::Cow;
use std::ops::Range;

use super::json::{Json, Kind, Malformed, Value};

/// How deep arrays and objects may stand in each other in a body.
const DEEPEST: usize = 128;

/// A JSON body that can be read in one way only: no name twice in an object,
/// no more depth than others read.
#[derive(Debug)]
pub struct JsonBody<'b> {
    json: Json<'b>,
    model: Option<String>,
}

/// A body that is not JSON, or that two readers could read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unreadable {
    reason: &'static str,
}

impl<'b> JsonBody<'b> {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no JSON, or could be read in more than one way.
    pub fn read(body: &'b [u8]) -> Result<Self, Unreadable> {
        let reason = "it is not UTF-8";
        let text = std::str::from_utf8(body).map_err(|_| Unreadable { reason })?;
        let unreadable = |bad: Malformed| Unreadable { reason: bad.reason };
        let json = Json::parse(text, DEEPEST).map_err(unreadable)?;
        let mut body = Self { json, model: None };
        body.model = match body.at(&Pointer::to("model")) {
            Found::Value(value) => value.text().map(Cow::into_owned),
            Found::Missing | Found::Ambiguous => None,
        };
        Ok(body)
    }

    /// The model that it asks for: the text `model` at its top.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Where in the body that text stands, its quotes included.
    pub fn model_place(&self) -> Option<Range<usize>> {
        match self.at(&Pointer::to("model")) {
            Found::Value(value) if value.kind() == Kind::Text => {
                let start = value.offset();
                Some(start..start + value.raw().len())
            }
            _ => None,
        }
    }

    /// What stands where a pointer (RFC 6901) leads, as it was written.
    ///
    /// # Errors
    /// Readers that do not look at the case of letters may find another value.
    pub fn member(&self, pointer: &str) -> Result<Option<&str>, Unreadable> {
        let Some(pointer) = Pointer::parse(pointer) else {
            return Ok(None);
        };
        match self.at(&pointer) {
            Found::Value(value) => Ok(Some(value.raw())),
            Found::Missing => Ok(None),
            Found::Ambiguous => Err(Unreadable {
                reason: "two names differ only in the case of letters",
            }),
        }
    }

    pub(super) fn at(&self, pointer: &Pointer) -> Found<'_> {
        let mut value = self.json.root();
        for token in &pointer.tokens {
            let next = match value.kind() {
                Kind::Object => match member(value, token) {
                    Ok(next) => next,
                    Err(Similar) => return Found::Ambiguous,
                },
                Kind::Array => index(token).and_then(|index| value.elements().nth(index)),
                _ => None,
            };
            match next {
                Some(next) => value = next,
                None => return Found::Missing,
            }
        }
        Found::Value(value)
    }
}

/// What a pointer leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'j> {
    Missing,
    /// A reader that does not look at the case of letters takes another one.
    Ambiguous,
    Value(Value<'j>),
}

/// A way into a document (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pointer {
    tokens: Box<[Box<str>]>,
}

impl Pointer {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let token = |token: &str| {
            let mut escapes = token.split('~').skip(1);
            let is_right = escapes.all(|rest| rest.starts_with(['0', '1']));
            is_right.then(|| token.replace("~1", "/").replace("~0", "~").into())
        };
        let tokens = match text.strip_prefix('/') {
            Some(tokens) => tokens.split('/').map(token).collect::<Option<_>>()?,
            None if text.is_empty() => Box::default(),
            None => return None,
        };
        Some(Self { tokens })
    }

    fn to(name: &str) -> Self {
        Self {
            tokens: [name.into()].into(),
        }
    }
}

/// A name that differs only in the case of its letters.
struct Similar;

/// The member of that name. Some readers (Go's, for one) do not look at the
/// case of names, and take the last of those that are left.
fn member<'j>(object: Value<'j>, wanted: &str) -> Result<Option<Value<'j>>, Similar> {
    let mut found = None;
    for (name, value) in object.members() {
        match name.text() {
            Some(name) if name == wanted => found = Some(value),
            Some(name) if is_similar(&name, wanted) => return Err(Similar),
            _ => {}
        }
    }
    Ok(found)
}

fn is_similar(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    // Up and down again: the long s and the sign of Kelvin are letters too.
    let folded = |text: &'_ str| -> String {
        let upper = text.chars().flat_map(char::to_uppercase);
        upper.flat_map(char::to_lowercase).collect()
    };
    folded(one) == folded(other)
}

fn index(token: &str) -> Option<usize> {
    let is_canonical = token == "0" || !token.starts_with(['0', '+']);
    is_canonical.then(|| token.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lead_where_rfc_6901_says() {
        let text = br#"{"foo": ["bar", {"x": 1}], "": 0, "a/b": 1, "c%d": 2, "m~n": 8, "0": 3, "i\\j": 5}"#;
        let body = JsonBody::read(text).unwrap();
        for (pointer, raw) in [
            ("/foo/0", Some("\"bar\"")),
            ("/foo/1/x", Some("1")),
            ("/foo/2", None),
            ("/foo/00", None),
            ("/foo/+1", None),
            ("/foo/-", None),
            ("/foo/0/x", None),
            ("/", Some("0")),
            ("/a~1b", Some("1")),
            ("/c%d", Some("2")),
            ("/m~0n", Some("8")),
            ("/0", Some("3")),
            ("/i\\j", Some("5")),
            ("/nothing", None),
            ("foo", None),
            ("/m~2n", None),
        ] {
            assert_eq!(body.member(pointer).unwrap(), raw, "{pointer}");
        }
        assert_eq!(
            JsonBody::read(b" 1 ").unwrap().member("").unwrap(),
            Some("1")
        );
    }

    #[test]
    fn names_that_some_readers_take_for_one_are_noticed_where_they_matter() {
        for similar in ["Model", "MODEL", "mode\\u006c\\u006c"] {
            let text = format!("{{\"model\": \"a\", \"{similar}\": \"b\"}}");
            let body = JsonBody::read(text.as_bytes()).unwrap();
            assert_eq!(
                body.member("/model").is_err(),
                !similar.starts_with("mode\\")
            );
        }
        let other = JsonBody::read(br#"{"Model": "a", "x": {"A": 1, "a": 2}}"#).unwrap();
        assert!(other.member("/model").is_err());
        assert_eq!(other.model(), None);
        assert!(other.member("/x/a").is_err());
        assert_eq!(other.member("/y").unwrap(), None);
        let folded = JsonBody::read("{\"to\u{212a}en\u{17f}\": 1}".as_bytes()).unwrap();
        assert!(folded.member("/tokens").is_err());
    }

    #[test]
    fn the_model_is_the_text_at_the_top() {
        let model = |text: &'static str| {
            let body = JsonBody::read(text.as_bytes()).unwrap();
            body.model().map(str::to_owned)
        };
        assert_eq!(model(r#"{"model":"gp\u0074-5"}"#).as_deref(), Some("gpt-5"));
        assert_eq!(model(r#"{"model":5}"#), None);
        assert_eq!(model(r#"{"x":{"model":"a"}}"#), None);
        assert_eq!(model("[]"), None);
    }

    #[test]
    fn the_models_place_is_that_of_the_text_at_the_top() {
        for (text, written) in [
            (
                r#" {"x":{"model":"in"},"model" :  "gp\u0074\"5" }"#,
                r#""gp\u0074\"5""#,
            ),
            ("{\"ü\": \"model\", \"mod\\u0065l\":\"é\"}", "\"é\""),
        ] {
            let body = JsonBody::read(text.as_bytes()).unwrap();
            assert_eq!(&text[body.model_place().unwrap()], written, "{text}");
        }
        for text in [
            "[\"model\"]",
            "{\"model\": 5}",
            "{\"model\": \"a\", \"MODEL\": \"b\"}",
        ] {
            let body = JsonBody::read(text.as_bytes()).unwrap();
            assert_eq!(body.model_place(), None, "{text}");
        }
    }

    #[test]
    fn what_others_could_read_differently_is_unreadable() {
        for wrong in [
            &b""[..],
            b"\xef\xbb\xbf{}",
            b"{} {}",
            b"{}\0",
            b"\"\xff\"",
            b"\"\\ud800\"",
            b"{\"a\":1,\"a\":1}",
            b"model=gpt-5",
            &[b'['; 129],
        ] {
            assert!(JsonBody::read(wrong).is_err(), "{wrong:?}");
        }
        let deep = "[".repeat(128) + &"]".repeat(128);
        assert!(JsonBody::read(deep.as_bytes()).is_ok());
    }
}
