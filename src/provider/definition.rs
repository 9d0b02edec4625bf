//! A provider as the rest of the program knows it: checked once, right from
//! then on. The text that it was read from stays with it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::detect::Detect;
use super::field::Field;
use super::host::{Host, HostName, Injection};
use super::oauth::OAuth;
use super::pattern::{BadPattern, Pattern};
use super::placement::Placement;
use super::schema;
use super::verify::Verify;
use crate::jsonc;
use crate::name::{FieldName, ProviderName, VariableName};

/// One provider.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its name in commands.
    pub name: ProviderName,
    /// Its name for people.
    pub display_name: String,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// What kind of service it is, such as `llm`.
    pub category: Option<String>,
    /// The ways to sign in, the usual one first; never empty.
    pub auth: Vec<AuthKind>,
    /// What a login asks for, in this order.
    pub fields: Vec<Field>,
    /// Where it is.
    pub hosts: Vec<Host>,
    /// The ports of hosts that name none.
    pub ports: Vec<u16>,
    /// Whether plain http is allowed; see [`Definition::allows_plain_http`].
    pub allow_http: bool,
    /// Where a credential goes in a request. All that can be filled from a
    /// connection's fields apply.
    pub placements: Vec<Placement>,
    /// Headers that every request needs, lower case names.
    pub extra_headers: BTreeMap<String, String>,
    /// Where a person gets a key.
    pub key_url: Option<String>,
    /// Its documentation.
    pub docs: Option<String>,
    /// How to see whether a credential is alive: the first whose condition
    /// is met.
    pub verify: Vec<Verify>,
    /// Where its API begins, unless the connection says otherwise.
    pub base_url: Option<String>,
    /// Where below that OpenAI's dialect is spoken: `/v1`, unless it is said.
    /// `None` where it is not.
    pub openai_path: Option<String>,
    /// The variables that its SDKs read a base URL from.
    pub base_url_env: Vec<VariableName>,
    /// The shape in which it reports tokens used, such as `openai`.
    pub usage: Option<String>,
    /// After how many days a key wants to be replaced.
    pub rotate_after_days: Option<u32>,
    /// What its keys look like among other text.
    pub detect: Vec<Detect>,
    /// Anyone can have a host under its suffixes.
    pub tenant: bool,
    /// `%2F` in its paths is part of a name, not a step.
    pub encoded_slashes: bool,
    /// Which of two providers on one host wins: the higher.
    pub priority: i32,
    /// Its authorization server.
    pub oauth: Option<OAuth>,
    /// Which field goes to which variable when exported.
    pub exports: Vec<(FieldName, VariableName)>,
    pub(super) warnings: Vec<String>,
    pub(super) text: Cow<'static, str>,
}

/// A way to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthKind {
    /// Nothing is needed: a local server.
    None,
    /// A key that does not expire by itself.
    ApiKey,
    /// A user's name and a password, or their like.
    Basic,
    /// Tokens of an authorization server.
    OAuth2,
    /// Requests signed with an AWS key.
    AwsSigV4,
    /// Tokens asked for with a signed assertion (RFC 7523), such as with the
    /// key of a Google service account.
    JwtBearer,
    /// A kind that this program does not know.
    Other(String),
}

impl AuthKind {
    /// The word for it in JSON.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::ApiKey => "api_key",
            Self::Basic => "basic",
            Self::OAuth2 => "oauth2",
            Self::AwsSigV4 => "aws_sigv4",
            Self::JwtBearer => "jwt_bearer",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for AuthKind {
    fn from(word: &str) -> Self {
        match word {
            "none" => Self::None,
            "api_key" => Self::ApiKey,
            "basic" => Self::Basic,
            "oauth2" => Self::OAuth2,
            "aws_sigv4" => Self::AwsSigV4,
            "jwt_bearer" => Self::JwtBearer,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for AuthKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Definition {
    /// The usual way to sign in.
    pub fn auth_type(&self) -> &AuthKind {
        self.auth.first().unwrap_or(&AuthKind::None)
    }

    /// Whether this is one of the ways to sign in.
    pub fn supports(&self, kind: &AuthKind) -> bool {
        self.auth.contains(kind)
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.as_str() == name)
    }

    /// Whether a stored value is a secret. What the definition does not know
    /// is taken for one: tokens, above all.
    pub fn is_secret(&self, name: &FieldName) -> bool {
        name.as_str() != "base_url"
            && self
                .field(name.as_str())
                .is_none_or(|field| field.is_secret)
    }

    /// The variable that a field is exported as.
    pub fn variable_of(&self, field: &str) -> Option<&VariableName> {
        self.exports
            .iter()
            .find(|(name, _)| name.as_str() == field)
            .map(|(_, variable)| variable)
    }

    /// The entry under which a credential may go to this host, port and path.
    /// Where it says [`Injection::OwnHostOnly`], the host must be that of the
    /// connection's own base URL too.
    pub fn host_for(&self, host: &HostName, port: u16, path: &str) -> Option<&Host> {
        self.hosts
            .iter()
            .filter(|entry| entry.injection != Injection::Never)
            .filter(|entry| self.ports_of(entry).contains(&port))
            .filter(|entry| entry.matches(host) && entry.covers(path))
            .min_by_key(|entry| entry.injection != Injection::Allowed)
    }

    /// Whether a connection has to say where it is, although no field asks for
    /// it.
    pub fn needs_address(&self) -> bool {
        self.tenant && self.base_url.is_none() && self.field("base_url").is_none()
    }

    /// The ports on which an entry's hosts are served.
    pub fn ports_of(&self, entry: &Host) -> Vec<u16> {
        match entry.port {
            Some(port) => vec![port],
            None if self.ports.is_empty() && entry.is_plain_http => vec![80],
            None if self.ports.is_empty() => vec![443],
            None => self.ports.clone(),
        }
    }

    /// Whether a credential may go to this host without TLS: only where the
    /// definition allows it, and only on this machine or where the entry is
    /// an `http:` URL.
    pub fn allows_plain_http(&self, entry: &Host, host: &HostName) -> bool {
        self.allow_http && entry.matches(host) && (entry.is_plain_http || host.is_loopback())
    }

    /// The places of a request that are filled on this host.
    pub fn placements_for(&self, host: &HostName) -> impl Iterator<Item = &Placement> {
        self.placements
            .iter()
            .filter(move |placement| placement.is_for(host))
    }

    /// What is odd about it, in sentences without control characters.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The text that it was read from, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The definition as plain JSON in its own layout, without comments, fit
    /// for a terminal and for a file.
    pub fn to_json(&self) -> String {
        // It was read from this very text, so it has no open comment.
        let plain = jsonc::plain(&self.text).unwrap_or_default();
        let mut json = String::with_capacity(plain.len() + 1);
        let had_comments = plain != self.text;
        for line in plain.lines() {
            let line = line.trim_end();
            if had_comments && line.is_empty() {
                continue;
            }
            for character in line.trim_start_matches('\u{feff}').chars() {
                match crate::text::printable(character.encode_utf8(&mut [0; 4])) {
                    Cow::Borrowed(_) => json.push(character),
                    Cow::Owned(_) if character == '\t' => json.push_str("  "),
                    // White space as well: no string of JSON holds a raw one.
                    Cow::Owned(_) if character == '\r' => json.push(' '),
                    // Marks that steer a terminal stand in strings only.
                    Cow::Owned(_) => {
                        let mut units = [0; 2];
                        for unit in character.encode_utf16(&mut units) {
                            json.push_str(&format!("\\u{unit:04x}"));
                        }
                    }
                }
            }
            json.push('\n');
        }
        json
    }

    /// The members that we do not know. They are kept wherever the text is.
    pub fn unknown(&self) -> Map<String, Value> {
        let plain = jsonc::plain(&self.text).unwrap_or_default();
        let mut members: Map<String, Value> = serde_json::from_str(&plain).unwrap_or_default();
        members.retain(|name, _| !schema::knows(name));
        members
    }

    /// What is said of the members that we do not know, at the top and below,
    /// to somebody who writes a definition: each may be a slip.
    pub fn remarks(&self) -> Vec<String> {
        let plain = jsonc::plain(&self.text).unwrap_or_default();
        schema::unknown_members(&serde_json::from_str(&plain).unwrap_or_default())
    }

    /// Whether every expression in it can be used.
    ///
    /// # Errors
    /// One cannot.
    pub fn check_patterns(&self) -> Result<(), BadPattern> {
        let of_fields = self.fields.iter().flat_map(|field| {
            let others = field
                .lookalikes
                .iter()
                .flat_map(|other| [Some(&other.pattern), other.unless.as_ref()]);
            others.chain([field.pattern.as_ref()]).flatten()
        });
        let of_keys = self.detect.iter().map(|detect| &detect.pattern);
        let conditions = self.verify.iter().filter_map(|verify| verify.when.as_ref());
        of_fields
            .chain(of_keys)
            .chain(conditions.map(|when| &when.pattern))
            .try_for_each(Pattern::check)
    }
}
