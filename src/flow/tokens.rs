//! The tokens in an answer, checked: what no header can carry is no token.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::request::read;
use super::{FlowError, Server, jwt};
use crate::credential;
use crate::name::FieldName;
use crate::net::Answer;
use crate::provider::{Flow, Protocol};
use crate::secret::Secret;
use crate::text::printable;

/// Larger ones fit into no header.
const LARGEST: usize = 32 * 1024;
/// No account's name and no address is longer.
const LONGEST_TEXT: usize = 500;
/// Nobody's token lives longer; what claims to is unknown.
const LONGEST_SECONDS: i64 = 400 * 24 * 3600;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Tokens for a login.
    Login,
    /// The next ones.
    Renewal,
}

/// What a token address gave.
pub struct Tokens {
    /// What requests carry; for OpenRouter an API key.
    pub access: Option<Secret>,
    /// What gets the next ones.
    pub refresh: Option<Secret>,
    /// Who the person is, as the server says.
    pub id_token: Option<Secret>,
    /// When the access token ends; absent is unknown.
    pub expires_at: Option<Timestamp>,
    /// What it allows, where the server says so.
    pub scopes: Option<Vec<String>>,
    /// Whose it is, for people.
    pub account: Option<String>,
    /// Which account of ChatGPT.
    pub account_id: Option<String>,
    /// The address that they are for, where the server says so.
    pub base_url: Option<String>,
    protocol: Protocol,
}

impl Tokens {
    /// The tokens in an answer. What was sent is in `hidden`, and is repeated
    /// in no error.
    ///
    /// # Errors
    /// It says no, or there is no token in it that could be used.
    pub fn of_answer(
        server: &Server,
        answer: Answer,
        hidden: &[Secret],
        step: Step,
        now: Timestamp,
    ) -> Result<Self, FlowError> {
        Self::read(server, read(server, answer, hidden)?, step, now)
    }

    fn read(
        server: &Server,
        mut body: Value,
        step: Step,
        now: Timestamp,
    ) -> Result<Self, FlowError> {
        let text_at = |pointer: Option<&str>| {
            let text = body.pointer(pointer?)?.as_str()?;
            let is_one = !text.is_empty() && text.len() <= LONGEST_TEXT;
            is_one.then(|| printable(text).into_owned())
        };
        let account = text_at(server.oauth.account_at.as_deref());
        let base_url = text_at(server.oauth.base_url_at.as_deref());
        // Slack has them elsewhere at a login, and at the top when renewed.
        let place = server.oauth.tokens_at.as_deref();
        let is_there = |pointer: &&str| {
            step == Step::Login
                || body
                    .pointer(pointer)
                    .is_some_and(|place| place.get("access_token").is_some())
        };
        let tokens = match place.filter(is_there) {
            Some(pointer) => body.pointer_mut(pointer),
            None => Some(&mut body),
        };
        let Some(tokens) = tokens else {
            return Err(server.odd("has no tokens where its definition says"));
        };
        let mut take = |name: &str| match tokens.get_mut(name).map(Value::take) {
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(Secret::from(text))),
            Some(Value::Null) | None => Ok(None),
            Some(_) => Err(server.odd("has a token that is no text")),
        };
        let is_codex = server.protocol() == Protocol::Codex;
        let access = match server.protocol() {
            Protocol::OpenRouter => take("key")?,
            _ => take("access_token")?,
        };
        let access = access.map(|token| checked(server, token)).transpose()?;
        let refresh = take("refresh_token")?;
        // Only Codex keeps it; elsewhere nothing depends on it.
        let id_token = take("id_token").unwrap_or_default();
        let id_token = id_token.filter(|token| token.len() <= LARGEST);
        if refresh.as_ref().is_some_and(|token| token.len() > LARGEST) {
            return Err(server.odd("has a refresh token that is too long"));
        }
        let bearer = tokens.get("token_type").and_then(Value::as_str);
        // GitHub says `bearer`, Slack `user` and `bot`: only what would have
        // to be proved with a key of ours is beyond us.
        if bearer.is_some_and(|kind| ["dpop", "mac"].contains(&&*kind.to_ascii_lowercase())) {
            return Err(server.odd("has a token that takes more than showing it"));
        }
        let mut read = Self {
            expires_at: tokens.get("expires_in").and_then(|given| after(given, now)),
            scopes: tokens.get("scope").and_then(scopes),
            account: account.or_else(|| jwt::account(id_token.as_ref()?)),
            access,
            refresh,
            id_token,
            account_id: None,
            base_url,
            protocol: server.protocol(),
        };
        // Codex may leave any of them out when it renews.
        let is_partial = is_codex && step == Step::Renewal;
        if read.access.is_none() && !(is_partial && read.refresh.is_some()) {
            return Err(server.odd("has no token"));
        }
        if is_codex {
            super::codex::complete(&mut read);
        }
        Ok(read)
    }

    /// Tokens from elsewhere than an answer.
    pub(super) fn of(access: Secret, refresh: Option<Secret>, protocol: Protocol) -> Self {
        Self {
            access: Some(access),
            refresh,
            id_token: None,
            expires_at: None,
            scopes: None,
            account: None,
            account_id: None,
            base_url: None,
            protocol,
        }
    }

    /// Puts them into a credential; what did not come anew stays.
    pub fn put_into(self, value: &mut credential::Value) {
        let is_key = self.protocol == Protocol::OpenRouter;
        let has_access = self.access.is_some();
        let mut put = |name: &str, token: Option<Secret>| {
            if let Some(token) = token {
                let name: FieldName = name.parse().expect("it is a field's name");
                value.fields.insert(name, token);
            }
        };
        put(if is_key { "api_key" } else { "access_token" }, self.access);
        put("refresh_token", self.refresh);
        put("account_id", self.account_id.map(Secret::from));
        if self.protocol == Protocol::Codex {
            put("id_token", self.id_token);
        }
        if has_access {
            value.expires_at = self.expires_at;
        }
        // A machine asks for the same again, and not for what it was given.
        if let Some(scopes) = self.scopes
            && value.flow != Some(Flow::ClientCredentials)
        {
            value.scopes = scopes;
        }
        if value.account.is_none() {
            value.account = self.account;
        }
    }
}

fn checked(server: &Server, token: Secret) -> Result<Secret, FlowError> {
    let is_visible = token.reveal().bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() > LARGEST || !is_visible {
        return Err(server.odd("has a token that no header can carry"));
    }
    Ok(token)
}

/// So many seconds on, whether they are a number or its digits. Nothing and
/// less is no end that a server can mean.
fn after(given: &Value, now: Timestamp) -> Option<Timestamp> {
    let seconds = match given {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().map(|number| number as i64))?,
        Value::String(digits) => digits.parse().ok()?,
        _ => return None,
    };
    if !(1..=LONGEST_SECONDS).contains(&seconds) {
        return None;
    }
    now.checked_add(SignedDuration::from_secs(seconds)).ok()
}

fn scopes(given: &Value) -> Option<Vec<String>> {
    const MOST: usize = 500;
    let words: Vec<String> = match given {
        Value::String(text) => text
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => return None,
    };
    // No scope has other characters (RFC 6749, section 3.3).
    let are_scopes = words
        .iter()
        .all(|word| word.bytes().all(|byte| byte.is_ascii_graphic()));
    let is_small = words.len() <= MOST && words.iter().map(String::len).sum::<usize>() <= LARGEST;
    (!words.is_empty() && is_small && are_scopes).then_some(words)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::request::tests::server;
    use super::*;

    fn now() -> Timestamp {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn read(text: &str) -> Result<Tokens, FlowError> {
        let body = serde_json::from_str(text).unwrap();
        Tokens::read(&server(), body, Step::Login, now())
    }

    #[test]
    fn an_end_that_is_not_said_is_unknown() {
        for (given, seconds) in [
            (r#", "expires_in": 3600"#, Some(3600)),
            (r#", "expires_in": "3600""#, Some(3600)),
            (r#", "expires_in": 3599.9"#, Some(3599)),
            (r#", "expires_in": 0"#, None),
            (r#", "expires_in": -5"#, None),
            (r#", "expires_in": 99999999999999"#, None),
            (r#", "expires_in": null"#, None),
            ("", None),
        ] {
            let tokens = read(&format!(r#"{{"access_token": "FAKE"{given}}}"#))
                .ok()
                .unwrap();
            let end = tokens
                .expires_at
                .map(|end| end.as_second() - now().as_second());
            assert_eq!(end, seconds, "{given}");
        }
    }

    #[test]
    fn what_no_header_carries_is_no_token() {
        for odd in [
            r#"{}"#,
            r#"{"access_token": ""}"#,
            r#"{"access_token": 5}"#,
            r#"{"access_token": "FAKE\r\nX-Evil: 1"}"#,
            r#"{"access_token": "FAKE token"}"#,
            r#"{"access_token": "FAKE", "token_type": "DPoP"}"#,
        ] {
            assert!(read(odd).is_err(), "{odd}");
        }
        let long = format!(r#"{{"access_token": "{}"}}"#, "F".repeat(LARGEST + 1));
        assert!(read(&long).is_err());
    }

    #[test]
    fn a_good_token_is_not_thrown_away_for_what_is_beside_it() {
        for beside in [
            r#""id_token": 5"#,
            r#""id_token": "a b""#,
            r#""refresh_token": "a b""#,
        ] {
            let text = format!(r#"{{"access_token": "FAKE", {beside}}}"#);
            assert!(read(&text).is_ok(), "{beside}");
        }
    }

    #[test]
    fn slack_has_tokens_elsewhere_at_a_login_and_at_the_top_when_it_renews() {
        let mut server = server();
        server.oauth.tokens_at = Some("/authed_user".to_owned());
        let read = |text: &str, step| {
            let body = serde_json::from_str(text).unwrap();
            let read = Tokens::read(&server, body, step, now()).ok()?;
            Some(read.access.unwrap().reveal().to_owned())
        };
        let login = r#"{"access_token": "FAKE-bot", "authed_user": {"access_token": "FAKE-user"}}"#;
        assert_eq!(read(login, Step::Login).unwrap(), "FAKE-user");
        let bot_only = r#"{"access_token": "FAKE-bot", "authed_user": {"id": "U1"}}"#;
        assert_eq!(read(bot_only, Step::Login), None);
        let renewal = r#"{"access_token": "FAKE-next", "refresh_token": "FAKE-r"}"#;
        assert_eq!(read(renewal, Step::Renewal).unwrap(), "FAKE-next");
        assert_eq!(read(renewal, Step::Login), None);
    }

    #[test]
    fn tokens_that_did_not_come_anew_stay() {
        let mut value = credential::Value::of(BTreeMap::new(), now());
        let first = r#"{"access_token": "FAKE1", "refresh_token": "FAKEr", "scope": "a,b c",
                        "expires_in": 60}"#;
        read(first).ok().unwrap().put_into(&mut value);
        assert_eq!(value.scopes, ["a", "b", "c"]);
        assert!(value.expires_at.is_some());
        read(r#"{"access_token": "FAKE2"}"#)
            .ok()
            .unwrap()
            .put_into(&mut value);
        assert_eq!(value.field("access_token").unwrap().reveal(), "FAKE2");
        assert_eq!(value.field("refresh_token").unwrap().reveal(), "FAKEr");
        assert_eq!(value.scopes, ["a", "b", "c"]);
        assert_eq!(value.expires_at, None, "the old end was the old token's");
    }
}
