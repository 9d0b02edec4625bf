//! What is said between a gateway and who decides: one line of JSON asks, and
//! lines of JSON answer. Both sides bound what they read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Ask, End};

/// The longest line that asks.
pub(super) const LONGEST_REQUEST: usize = 256;
/// The longest line that answers.
pub(super) const LONGEST_LINE: usize = 512 * 1024;
/// So much of a body is shown.
const SHOWN_BODY: usize = 64 * 1024;
/// So much of each text that a client sent.
const SHOWN_TEXT: usize = 2048;
/// So many of the rules.
const SHOWN_RULES: usize = 16;

/// What is asked for.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// What is held now.
    List {
        /// Bodies too.
        body: bool,
    },
    /// The same, and what changes from then on.
    Watch {
        /// Bodies too.
        body: bool,
    },
    /// Let one through.
    Approve {
        id: String,
        /// And others like it, for so many seconds.
        ahead: Option<u64>,
    },
    /// Refuse one.
    Deny { id: String },
}

/// One line of an answer.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// This one is held.
    Held(Facts),
    /// These are approved ahead.
    Ahead(Ahead),
    /// This one has ended.
    Ended { id: String, how: End },
    /// It was decided on, and so many more with it.
    Decided { facts: Facts, others: usize },
    /// There is none of that name.
    Unknown,
    /// That is all, and nothing was cut off.
    Complete,
}

/// What is shown of a held request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its ID.
    pub id: String,
    /// Who makes it.
    pub agent: String,
    /// The rules that want it approved.
    pub rules: Vec<String>,
    /// Its method.
    pub method: String,
    /// Its host.
    pub host: String,
    /// Its path, without the query.
    pub path: String,
    /// The connection that it would use.
    pub connection: Option<String>,
    /// The model that it names.
    pub model: Option<String>,
    /// How long its body is.
    pub bytes: Option<u64>,
    /// Since when it is held, RFC 3339.
    pub since: String,
    /// When its time is over, RFC 3339.
    pub expires: String,
    /// Its body, where it was asked for and is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<ShownBody>,
}

/// The beginning of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownBody {
    base64: String,
    /// How many bytes are left out.
    pub left_out: usize,
}

/// A rule that is approved ahead for an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// The agent.
    pub agent: String,
    /// The rule.
    pub rule: String,
    /// Until when, RFC 3339.
    pub until: String,
}

impl Facts {
    pub(super) fn of(ask: &Ask, id: String, since: String, expires: String) -> Self {
        let rules = ask.rules.iter().take(SHOWN_RULES);
        Self {
            id,
            agent: shown(&ask.agent),
            rules: rules.map(|rule| shown(rule)).collect(),
            method: shown(&ask.method),
            host: shown(&ask.host),
            path: shown(&ask.path),
            connection: ask.connection.as_deref().map(shown),
            model: ask.model.as_deref().map(shown),
            bytes: ask.bytes,
            since,
            expires,
            body: None,
        }
    }
}

impl ShownBody {
    pub(super) fn of(body: &[u8]) -> Self {
        let shown = &body[..body.len().min(SHOWN_BODY)];
        Self {
            base64: STANDARD.encode(shown),
            left_out: body.len() - shown.len(),
        }
    }

    /// What there is of it, as text.
    pub fn text(&self) -> String {
        let bytes = STANDARD.decode(&self.base64).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Line {
    /// As it goes out.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Texts and numbers: there is nothing in it that could fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// A text that a client sent, no longer than a person reads.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ask() -> Ask {
        Ask {
            agent: "ci".into(),
            rules: vec!["large models".into()],
            method: "POST".into(),
            host: "api.openai.com".into(),
            path: "/v1/responses".into(),
            connection: None,
            model: None,
            bytes: None,
            body: None,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_longest_line_of_a_gateway_is_not_too_long_for_its_reader() {
        // Each character takes six bytes as JSON.
        let worst = "\u{1}".repeat(100_000);
        let mut ask = ask();
        ask.agent = worst.as_str().into();
        ask.rules = vec![worst.clone(); 2000];
        ask.method.clone_from(&worst);
        ask.host.clone_from(&worst);
        ask.path.clone_from(&worst);
        ask.connection = Some(worst.clone());
        ask.model = Some(worst.clone());
        let mut facts = Facts::of(&ask, "0".repeat(8), "s".repeat(30), "e".repeat(30));
        facts.body = Some(ShownBody::of(&vec![b'x'; 1_000_000]));
        let line = Line::Held(facts.clone()).to_bytes();
        assert!(line.len() < LONGEST_LINE, "{}", line.len());
        assert!(facts.path.ends_with('…'));
        assert_eq!(facts.body.unwrap().left_out, 1_000_000 - SHOWN_BODY);
    }

    #[test]
    fn a_body_that_is_no_text_is_shown_as_well_as_it_can_be() {
        let body = ShownBody::of(b"a\xff\x1bz");
        assert_eq!(body.text(), "a\u{fffd}\u{1b}z");
    }

    #[test]
    fn a_request_with_more_than_it_should_have_is_none() {
        let read = |text: &str| serde_json::from_str::<Request>(text);
        assert!(read(r#"{"list":{"body":false}}"#).is_ok());
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"list":{}}"#,
            r#"{"approve":{"id":"00000000","ahead":-1}}"#,
            r#"{"deny":{"id":"00000000","all":true}}"#,
            r#"{"deny":{"id":"00000000"}} {"deny":{"id":"00000001"}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
