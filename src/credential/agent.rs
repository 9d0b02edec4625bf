//! An agent: a program that uses the gateway with a token of its own. Only
//! the token's digest is kept: 256 random bits need no slow hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::codec::{optional_time, time};
use crate::json::{JsonError, Members, ObjectWriter, Unknown};
use crate::name::{AgentName, ConnectionId, ConnectionRef};
use crate::secret::{Secret, SecretBuffer};

/// What every token begins with, so that one that leaks is recognised.
const PREFIX: &str = "vat_";

/// An agent of the gateway.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// The SHA-256 of its token, in hexadecimal.
    pub digest: String,
    /// The connections that it may use: all of them where none is named.
    pub allow: Vec<ConnectionRef>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its token ends.
    pub expires_at: Option<Timestamp>,
    unknown: Unknown,
}

impl Agent {
    /// An agent that may use everything, with this token.
    pub fn new(name: AgentName, token: &Secret, now: Timestamp) -> Self {
        Self {
            name,
            digest: digest_of(token),
            allow: Vec::new(),
            created_at: now,
            expires_at: None,
            unknown: Unknown::default(),
        }
    }

    /// Whether it may use a connection. A provider without a name stands for
    /// all of its connections.
    pub fn may_use(&self, id: &ConnectionId) -> bool {
        self.allow.is_empty()
            || self.allow.iter().any(|allowed| {
                let named = allowed.connection.as_ref();
                allowed.provider == id.provider && named.is_none_or(|name| *name == id.connection)
            })
    }

    /// Whether its token has ended.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Reads an agent from its JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn from_json(name: AgentName, text: &str) -> Result<Self, JsonError> {
        let mut members = Members::parse(text)?;
        // Has to be there: an agent may use all connections only where
        // somebody wrote that down.
        let allow: Vec<String> = members.require("allow")?;
        let allow = allow.iter().map(|reference| reference.parse());
        Ok(Self {
            name,
            digest: members.require("token_sha256")?,
            allow: allow
                .collect::<Result<_, _>>()
                .map_err(|_| JsonError::Member("allow"))?,
            created_at: time(&mut members, "created_at")?,
            expires_at: optional_time(&mut members, "expires_at")?,
            unknown: members.into_unknown(),
        })
    }

    /// Writes the agent as JSON.
    pub fn to_json(&self) -> Secret {
        let mut buffer = SecretBuffer::with_capacity(512);
        let mut object = ObjectWriter::begin(&mut buffer);
        object.member("token_sha256", &self.digest);
        let allow: Vec<String> = self.allow.iter().map(ToString::to_string).collect();
        object.member("allow", &allow);
        object.member("created_at", &self.created_at.to_string());
        let end = self.expires_at.map(|end| end.to_string());
        object.optional("expires_at", end.as_ref());
        self.unknown.write(&mut object);
        object.end();
        Secret::from_utf8(buffer.into_bytes()).expect("the JSON writer writes UTF-8")
    }
}

/// A new token.
pub fn new_token() -> Secret {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::getrandom(&mut *random).expect("the system gives random bytes");
    let mut token = String::with_capacity(64);
    token.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(random.as_slice(), &mut token);
    Secret::from(token)
}

/// What is kept of a token.
pub fn digest_of(token: &Secret) -> String {
    let digest = Sha256::digest(token.reveal());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(allow: &[&str]) -> Agent {
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        let token = Secret::from("vat_FAKE".to_owned());
        let mut agent = Agent::new("ci".parse().unwrap(), &token, now);
        agent.allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        agent
    }

    fn may(allow: &[&str], provider: &str, connection: &str) -> bool {
        agent(allow).may_use(&ConnectionId {
            provider: provider.parse().unwrap(),
            connection: connection.parse().unwrap(),
        })
    }

    #[test]
    fn tokens_are_long_random_and_known_by_their_digest() {
        let (one, two) = (new_token(), new_token());
        assert!(!one.matches(&two));
        let random = one.reveal().strip_prefix("vat_").unwrap();
        assert_eq!(random.len(), 43);
        assert!(
            random
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        );
        // `printf vat_FAKE | sha256sum`
        assert_eq!(
            agent(&[]).digest,
            "70303940856d9f006034cc795e21c707d7d30a114aba1c1883baed1b98162664"
        );
    }

    #[test]
    fn an_agent_may_use_what_its_list_names_and_all_without_a_list() {
        assert!(may(&[], "openai", "team"));
        assert!(may(&["openai"], "openai", "team"));
        assert!(may(&["github", "openai/team"], "openai", "team"));
        assert!(!may(&["openai/team"], "openai", "default"));
        assert!(!may(&["openai/team"], "openai-codex", "team"));
        assert!(!may(&["github"], "openai", "team"));
    }

    #[test]
    fn an_agent_ends_at_its_end() {
        let mut agent = agent(&[]);
        let now = agent.created_at;
        assert!(!agent.has_ended(now));
        agent.expires_at = Some(now);
        assert!(agent.has_ended(now));
        agent.expires_at = "2026-06-01T12:00:01Z".parse().ok();
        assert!(!agent.has_ended(now));
    }

    #[test]
    fn an_agent_survives_being_written_and_read_and_so_does_what_is_not_known() {
        let mut written = agent(&["openai/team", "github"]);
        written.expires_at = "2027-01-31T00:00:00Z".parse().ok();
        let text = written.to_json();
        let with_more = text.reveal().replacen('{', r#"{"later":[1],"#, 1);
        let read = Agent::from_json("ci".parse().unwrap(), &with_more).unwrap();
        assert_eq!(read.allow, written.allow);
        assert_eq!(read.expires_at, written.expires_at);
        assert_eq!(read.digest, written.digest);
        assert!(read.to_json().reveal().contains(r#""later":[1]"#));
    }

    #[test]
    fn an_agent_without_a_list_is_none_and_not_one_that_may_use_all() {
        let text = agent(&["openai"]).to_json();
        for (from, to) in [
            (r#""allow""#, r#""other""#),
            (r#"["openai"]"#, "null"),
            (r#""openai""#, r#""Open AI""#),
            (r#""openai""#, r#""""#),
        ] {
            assert!(text.reveal().contains(from));
            let changed = text.reveal().replacen(from, to, 1);
            assert!(
                Agent::from_json("ci".parse().unwrap(), &changed).is_err(),
                "{changed}"
            );
        }
    }
}
