//! A credential in a request: the places of its provider's definition, filled
//! from its fields. Pure; where the request goes is the caller's to check.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::name::FieldName;
use crate::provider::{Part, Placement, Spot, Template};
use crate::secret::Secret;

/// What a credential adds to a request.
#[derive(Default)]
pub struct Attachment {
    /// Headers, the names in lower case, each once.
    pub headers: Vec<(String, Secret)>,
    /// Query parameters, encoded already.
    pub query: Vec<(String, Secret)>,
    /// What the path begins with, encoded already.
    pub path: Option<Secret>,
    /// The fields that are in it.
    pub used: Vec<FieldName>,
}

/// How text is written where it is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// For one segment of a path.
    Segment,
    /// For a query or a form.
    Query,
}

/// The fields of a credential, by name.
pub type Lookup<'a> = &'a dyn Fn(&FieldName) -> Option<&'a Secret>;

/// Fills every place that the fields are enough for. Of two that fill the
/// same header or parameter, the first counts.
pub fn attach<'p>(
    placements: impl Iterator<Item = &'p Placement>,
    fields: Lookup<'_>,
) -> Attachment {
    let mut made = Attachment::default();
    for placement in placements {
        if fill(&placement.spot, fields, &mut made).is_some_and(|is_new| is_new) {
            made.used.extend(placement.fields().cloned());
        }
    }
    made
}

/// Fills one place; false where another one was there first.
fn fill(spot: &Spot, fields: Lookup<'_>, made: &mut Attachment) -> Option<bool> {
    Some(match spot {
        Spot::Header(name, value) => {
            let value = filled(value, fields, Encoding::Plain)?;
            put(&mut made.headers, name, value)
        }
        Spot::Basic(user, password) => {
            let user = filled(user, fields, Encoding::Plain)?;
            let password = filled(password, fields, Encoding::Plain)?;
            put(&mut made.headers, "authorization", basic(&user, &password))
        }
        Spot::Query(name, value) => {
            let value = filled(value, fields, Encoding::Query)?;
            put(&mut made.query, &encoded(name, Encoding::Query), value)
        }
        Spot::Path(value) => {
            let value = filled(value, fields, Encoding::Segment)?;
            let is_new = made.path.is_none();
            made.path.get_or_insert(value);
            is_new
        }
    })
}

fn put(to: &mut Vec<(String, Secret)>, name: &str, value: Secret) -> bool {
    let is_new = !to.iter().any(|(known, _)| known == name);
    if is_new {
        to.push((name.to_owned(), value));
    }
    is_new
}

/// Basic authentication (RFC 7617).
fn basic(user: &Secret, password: &Secret) -> Secret {
    let pair = Zeroizing::new(format!("{}:{}", user.reveal(), password.reveal()));
    let mut text = Zeroizing::new(String::from("Basic "));
    STANDARD.encode_string(pair.as_bytes(), &mut text);
    Secret::from(std::mem::take(&mut *text))
}

/// A template with its fields put in; `None` where one is not there.
pub fn filled(template: &Template, fields: Lookup<'_>, encoding: Encoding) -> Option<Secret> {
    let mut text = Zeroizing::new(String::new());
    for part in template.parts() {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Field(name) => {
                text.push_str(&Zeroizing::new(encoded(fields(name)?.reveal(), encoding)));
            }
        }
    }
    Some(Secret::from(std::mem::take(&mut *text)))
}

/// Text as it may stand in a path's segment or a query (RFC 3986): what is
/// not plain there is written in hexadecimal.
pub fn encoded(text: &str, encoding: Encoding) -> String {
    let stays = |byte: u8| match encoding {
        Encoding::Plain => true,
        Encoding::Query => byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
        Encoding::Segment => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte),
    };
    if text.bytes().all(stays) {
        return text.to_owned();
    }
    let mut written = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if stays(byte) {
            written.push(char::from(byte));
        } else {
            written.push_str(&format!("%{byte:02X}"));
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::provider::validate;

    fn attached(inject: &str, fields: &[(&str, &str)]) -> Attachment {
        let names: Vec<_> = ["a", "b", "access_token"]
            .iter()
            .map(|name| format!(r#"{{"name": "{name}"}}"#))
            .collect();
        let text = format!(
            r#"{{"fields": [{}], "hosts": ["x.example.com"], "inject": [{inject}]}}"#,
            names.join(",")
        );
        let definition = validate(&text, Path::new("x.json")).unwrap();
        let fields: BTreeMap<FieldName, Secret> = fields
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), Secret::from((*value).to_owned())))
            .collect();
        let host = "x.example.com".parse().unwrap();
        attach(definition.placements_for(&host), &|name| fields.get(name))
    }

    fn text(secrets: &[(String, Secret)]) -> Vec<String> {
        secrets
            .iter()
            .map(|(name, value)| format!("{name}={}", value.reveal()))
            .collect()
    }

    #[test]
    fn every_place_that_can_be_filled_is_and_no_other() {
        let made = attached(
            r#"{"in": "header", "name": "X-One", "value": "One {a}"},
               {"in": "header", "name": "X-Two", "value": "{b}"},
               {"in": "query", "name": "key", "value": "{a}"},
               {"in": "path", "value": "/bot{a}"}"#,
            &[("a", "1:FAKE+/")],
        );
        assert_eq!(text(&made.headers), ["x-one=One 1:FAKE+/"]);
        assert_eq!(text(&made.query), ["key=1%3AFAKE%2B%2F"]);
        assert_eq!(made.path.unwrap().reveal(), "/bot1:FAKE+%2F");
        let used: Vec<_> = made.used.iter().map(FieldName::as_str).collect();
        assert_eq!(used, ["a", "a", "a"]);
    }

    #[test]
    fn one_header_is_set_once_by_the_first_that_can() {
        let both = r#"{"in": "header", "name": "Authorization", "value": "Bearer {access_token}"},
                      {"in": "header", "name": "authorization", "value": "Token {a}"}"#;
        let made = attached(both, &[("a", "FAKE")]);
        assert_eq!(text(&made.headers), ["authorization=Token FAKE"]);
        let made = attached(both, &[("a", "FAKE"), ("access_token", "FAKEt")]);
        assert_eq!(text(&made.headers), ["authorization=Bearer FAKEt"]);
    }

    #[test]
    fn a_user_and_a_password_become_basic_authentication() {
        let made = attached(
            r#"{"in": "basic", "username": "{a}/token", "password": "{b}"}"#,
            &[("a", "me@example.com"), ("b", "FAKE:pass")],
        );
        let expected = STANDARD.encode("me@example.com/token:FAKE:pass");
        assert_eq!(
            text(&made.headers),
            [format!("authorization=Basic {expected}")]
        );
    }
}
