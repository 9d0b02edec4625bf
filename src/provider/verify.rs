//! The request that tells whether a credential is alive, and how its answers
//! read. Pure: nothing is sent from here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::pattern::Pattern;
use super::placement::{Placement, Template};
use crate::name::FieldName;

/// One cheap request with the credential in its usual places.
#[derive(Debug, Clone)]
pub struct Verify {
    /// Which connections it is for; all unless said.
    pub when: Option<When>,
    /// The method, such as `GET`.
    pub method: String,
    /// The address; `{base_url}` and fields may stand in it.
    pub url: Template,
    /// Headers beside the credential's.
    pub headers: BTreeMap<String, String>,
    /// Where the credential goes, if not in its usual places.
    pub placements: Option<Vec<Placement>>,
    /// What to send.
    pub body: Option<Body>,
    /// What differs from the common reading, see [`Verify::read`].
    pub answers: Vec<Answer>,
    /// What the body of a good answer tells.
    pub tells: Option<Tells>,
    /// What to know about it, for people.
    pub note: Option<String>,
}

/// A condition on a connection.
#[derive(Debug, Clone)]
pub struct When {
    /// The field that is looked at.
    pub field: FieldName,
    /// What it has to look like.
    pub pattern: Pattern,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub enum Body {
    /// Text as it stands.
    Text(String),
    /// A form, its values made from fields.
    Form(Vec<(String, Template)>),
    /// JSON, its strings made from fields.
    Json(JsonTemplate),
}

/// JSON whose strings are templates.
#[derive(Debug, Clone)]
pub enum JsonTemplate {
    /// A string.
    Text(Template),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
    /// A number, a boolean or null.
    Plain(Value),
}

/// One kind of answer and what it means.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// A place in the JSON body (RFC 6901), where the status does not tell.
    #[serde(default)]
    pub pointer: Option<String>,
    /// The value that stands there.
    #[serde(default)]
    pub equals: Option<Value>,
    /// Text that occurs there, or in the body where there is no pointer.
    #[serde(default)]
    pub contains: Option<String>,
    /// What it means.
    pub result: Outcome,
    /// The same for people, a sentence without its full stop.
    #[serde(default)]
    pub message: Option<String>,
}

/// What a good answer says beside being good.
#[derive(Debug, Clone, Deserialize)]
pub struct Tells {
    /// Where in the JSON body: a text, or a list.
    pub pointer: String,
    /// Where in each item of the list; the item itself unless given.
    #[serde(default)]
    pub each: Option<String>,
    /// What the items are called, such as `models`.
    #[serde(default)]
    pub noun: Option<String>,
    /// Without it an answer is not a good one: somebody else listens there.
    #[serde(default)]
    pub required: bool,
}

/// What an answer says about a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Alive.
    Ok,
    /// Alive, without the scope for this request.
    Forbidden,
    /// Alive, over a limit.
    RateLimited,
    /// Wrong or revoked.
    Rejected,
    /// Nothing can be said.
    Unreachable,
}

impl Outcome {
    /// The word for it in JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
        }
    }
}

/// How an answer was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it says about the credential.
    pub outcome: Outcome,
    /// The definition's own words for it.
    pub message: Option<String>,
    /// What else the body tells, as the provider wrote it.
    pub told: Option<Told>,
}

/// What a body tells, as it came: not fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// One text, such as the account's name.
    Text(String),
    /// A list and what its items are called.
    List(Vec<String>, String),
}

impl Verify {
    /// What an answer means: the first of [`Verify::answers`] that fits;
    /// else 2xx ok, 401 rejected, 403 forbidden, 429 rate limited, and all
    /// else tells nothing. A page for browsers that says 403 is the word of
    /// somebody on the way, not of the API.
    pub fn read(&self, status: u16, body: &[u8]) -> Reading {
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let special = self
            .answers
            .iter()
            .find(|answer| answer.fits(status, body, json.as_ref()));
        let mut outcome = special.map_or_else(|| usual(status, body), |answer| answer.result);
        let is_strange = |tells: &Tells| {
            tells.required
                && json
                    .as_ref()
                    .and_then(|json| json.pointer(&tells.pointer))
                    .is_none()
        };
        if outcome == Outcome::Ok && self.tells.as_ref().is_some_and(is_strange) {
            outcome = Outcome::Unreachable;
        }
        let told = self
            .tells
            .as_ref()
            .filter(|_| outcome == Outcome::Ok)
            .and_then(|tells| tells.told(json.as_ref()?));
        Reading {
            outcome,
            message: special.and_then(|answer| answer.message.clone()),
            told,
        }
    }
}

fn usual(status: u16, body: &[u8]) -> Outcome {
    match status {
        200..=299 => Outcome::Ok,
        401 => Outcome::Rejected,
        403 if is_page(body) => Outcome::Unreachable,
        403 => Outcome::Forbidden,
        429 => Outcome::RateLimited,
        _ => Outcome::Unreachable,
    }
}

/// Whether it is made for browsers.
fn is_page(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let begins = |word: &[u8]| {
        start
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    begins(b"<!doctype html") || begins(b"<html")
}

impl Answer {
    fn fits(&self, status: u16, body: &[u8], json: Option<&Value>) -> bool {
        if self.status != status {
            return false;
        }
        let Some(pointer) = &self.pointer else {
            return self
                .contains
                .as_ref()
                .is_none_or(|text| String::from_utf8_lossy(body).contains(text.as_str()));
        };
        let Some(found) = json.and_then(|json| json.pointer(pointer)) else {
            return false;
        };
        self.equals.as_ref().is_none_or(|wanted| wanted == found)
            && self.contains.as_ref().is_none_or(|text| {
                let is_in = |found: &Value| found.as_str().is_some_and(|it| it.contains(text));
                is_in(found) || found.as_array().is_some_and(|all| all.iter().any(is_in))
            })
    }
}

impl Tells {
    fn told(&self, body: &Value) -> Option<Told> {
        let found = body.pointer(&self.pointer)?;
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let Some(items) = found.as_array() else {
            return text(found).map(Told::Text);
        };
        let names = items.iter().filter_map(|item| {
            let at = self.each.as_deref().unwrap_or_default();
            item.pointer(at).and_then(text)
        });
        let noun = self.noun.clone().unwrap_or_else(|| "items".to_owned());
        Some(Told::List(names.collect(), noun))
    }
}

impl JsonTemplate {
    /// Every template in it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Text(template) => vec![template],
            Self::List(items) => items.iter().flat_map(Self::templates).collect(),
            Self::Object(members) => members
                .iter()
                .flat_map(|(_, member)| member.templates())
                .collect(),
            Self::Plain(_) => Vec::new(),
        }
    }
}

impl Body {
    /// Every template in it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::Form(members) => members.iter().map(|(_, template)| template).collect(),
            Self::Json(json) => json.templates(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::validate;

    fn verify(members: &str) -> Verify {
        let text = format!(
            r#"{{"hosts": ["a.example.com"], "api_key": {{}},
                "verify": {{"url": "https://a.example.com/me", {members}}}}}"#
        );
        let definition = validate(&text, std::path::Path::new("x.json")).unwrap();
        definition.verify.into_iter().next().unwrap()
    }

    #[test]
    fn the_common_reading_goes_by_the_status_alone() {
        let plain = verify(r#""method": "GET""#);
        for (status, outcome) in [
            (200, Outcome::Ok),
            (204, Outcome::Ok),
            (301, Outcome::Unreachable),
            (400, Outcome::Unreachable),
            (401, Outcome::Rejected),
            (403, Outcome::Forbidden),
            (404, Outcome::Unreachable),
            (429, Outcome::RateLimited),
            (500, Outcome::Unreachable),
        ] {
            assert_eq!(plain.read(status, b"").outcome, outcome, "{status}");
        }
        let page = b"\n<!DOCTYPE html><title>Attention required</title>";
        assert_eq!(plain.read(403, page).outcome, Outcome::Unreachable);
        let error = b"<ErrorResponse><Code>AccessDenied</Code></ErrorResponse>";
        assert_eq!(plain.read(403, error).outcome, Outcome::Forbidden);
    }

    #[test]
    fn the_first_answer_that_fits_counts() {
        let by_body = verify(
            r#""answers": [
                {"status": 200, "pointer": "/ok", "equals": false, "result": "rejected"},
                {"status": 401, "pointer": "/name", "contains": "restricted", "result": "ok", "message": "sending only"},
                {"status": 422, "contains": "TOKEN_INVALID", "result": "rejected"}]"#,
        );
        for (status, body, outcome) in [
            (200, r#"{"ok":true}"#, Outcome::Ok),
            (200, r#"{"ok":false}"#, Outcome::Rejected),
            (200, "not json", Outcome::Ok),
            (401, r#"{"name":"restricted_api_key"}"#, Outcome::Ok),
            (401, r#"{"name":"missing"}"#, Outcome::Rejected),
            (422, "x TOKEN_INVALID y", Outcome::Rejected),
            (422, "another", Outcome::Unreachable),
        ] {
            assert_eq!(by_body.read(status, body.as_bytes()).outcome, outcome);
        }
        let reading = by_body.read(401, br#"{"name":"restricted_api_key"}"#);
        assert_eq!(reading.message.as_deref(), Some("sending only"));
    }

    #[test]
    fn a_good_answer_tells_more() {
        let list = verify(r#""tells": {"pointer": "/models", "each": "/name", "noun": "models"}"#);
        let body = br#"{"models": [{"name": "a"}, {"id": 1}, {"name": "b"}]}"#;
        let names = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(
            list.read(200, body).told,
            Some(Told::List(names, "models".to_owned()))
        );
        assert_eq!(list.read(401, body).told, None);
        let strict = verify(r#""tells": {"pointer": "/models", "required": true}"#);
        assert_eq!(strict.read(200, b"<html>").outcome, Outcome::Unreachable);
        assert_eq!(strict.read(200, body).outcome, Outcome::Ok);
        let account = verify(r#""tells": {"pointer": "/login"}"#);
        assert_eq!(
            account.read(200, br#"{"login": "octocat"}"#).told,
            Some(Told::Text("octocat".to_owned()))
        );
        assert_eq!(account.read(200, b"{}").told, None);
    }
}
