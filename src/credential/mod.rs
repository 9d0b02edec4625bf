//! A credential: what was stored for one connection or one plain secret, how
//! fresh it is, and what it was before. Pure: values in, values out; the time
//! is an argument.

pub mod agent;
pub mod assertion;
pub mod attach;
pub mod authority;
pub mod aws;
pub mod client;
mod codec;
pub mod echo;
pub mod redact;

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use crate::json::Unknown;
use crate::name::FieldName;
use crate::provider::Flow;
use crate::secret::Secret;

/// How many earlier values are kept.
pub const HISTORY: usize = 10;

/// How a credential is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthKind {
    /// A fixed key, or several fields of one.
    ApiKey,
    /// Tokens that renew themselves.
    OAuth,
    /// Nothing secret: a local model server.
    None,
    /// A plain secret without a provider.
    Plain,
}

impl AuthKind {
    /// The word in JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::OAuth => "oauth2",
            Self::None => "none",
            Self::Plain => "plain",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::ApiKey, Self::OAuth, Self::None, Self::Plain]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// Whether a credential can be used, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Stored, and nothing speaks against it.
    Connected,
    /// Past its end.
    Expired,
    /// Taken back at the provider.
    Revoked,
    /// Refused by the provider.
    Invalid,
}

impl Status {
    /// The word in JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Invalid => "invalid",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Connected, Self::Expired, Self::Revoked, Self::Invalid]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// What a person stored at one time, and may want back.
pub struct Value {
    /// The fields by name; whether one is secret is the definition's word.
    pub fields: BTreeMap<FieldName, Secret>,
    /// Whose it is, for people.
    pub account: Option<String>,
    /// What an OAuth grant allows.
    pub scopes: Vec<String>,
    /// Where the provider is, when that is the connection's own.
    pub base_url: Option<String>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it should be replaced.
    pub rotate_at: Option<Timestamp>,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// How its tokens were come by.
    pub flow: Option<Flow>,
    /// The name of the OAuth client that they were given to.
    pub client: Option<String>,
    /// When its tokens were last renewed.
    pub renewed_at: Option<Timestamp>,
}

/// A value that another one took the place of.
pub struct Earlier {
    /// What it was.
    pub value: Value,
    /// Until when.
    pub replaced_at: Timestamp,
    unknown: Unknown,
}

/// One connection or plain secret.
pub struct Credential {
    /// How it is used.
    pub kind: AuthKind,
    /// As it was last known; [`Credential::status_at`] also looks at the time.
    pub status: Status,
    /// What is in force.
    pub value: Value,
    /// What was, oldest first.
    pub history: Vec<Earlier>,
    /// When the connection was first made.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
    unknown: Unknown,
}

impl Credential {
    /// A credential stored for the first time.
    pub fn new(kind: AuthKind, value: Value) -> Self {
        let created_at = value.stored_at;
        Self {
            kind,
            status: Status::Connected,
            value,
            history: Vec::new(),
            created_at,
            updated_at: created_at,
            unknown: Unknown::default(),
        }
    }

    /// A credential with a new value: in the place of an existing one, after
    /// one that was retired, or for the first time.
    pub fn stored(
        kind: AuthKind,
        value: Value,
        existing: Option<Self>,
        retired: Option<Self>,
    ) -> Self {
        match (existing, retired) {
            (Some(mut credential), _) => {
                credential.replace(kind, value);
                credential
            }
            (None, Some(mut credential)) => {
                credential.revive(kind, value);
                credential
            }
            (None, None) => Self::new(kind, value),
        }
    }

    /// Puts a new value in force; the old one becomes history.
    pub fn replace(&mut self, kind: AuthKind, value: Value) {
        let now = value.stored_at;
        let old = std::mem::replace(&mut self.value, value);
        self.history.push(Earlier {
            value: old,
            replaced_at: now,
            unknown: Unknown::default(),
        });
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
        self.kind = kind;
        self.status = Status::Connected;
        self.updated_at = now;
    }

    /// Puts version `number` (from 1, oldest first) back in force; what was in
    /// force becomes history. False where there is no such version.
    pub fn restore(&mut self, number: usize, now: Timestamp) -> bool {
        let Some(earlier) = number
            .checked_sub(1)
            .and_then(|index| self.history.get(index))
        else {
            return false;
        };
        let value = earlier.value.copy_at(now);
        if self.value.fields.is_empty() && self.value.base_url.is_none() {
            self.revive(self.kind, value);
        } else {
            self.replace(self.kind, value);
        }
        true
    }

    /// Takes the value out of force: it becomes history, and only history is
    /// left.
    pub fn retire(&mut self, now: Timestamp) {
        let nothing = Value::of(BTreeMap::new(), now);
        self.replace(self.kind, nothing);
    }

    /// Puts a new value in force after [`Credential::retire`]: the emptiness
    /// in between is no history.
    pub fn revive(&mut self, kind: AuthKind, value: Value) {
        self.kind = kind;
        self.status = Status::Connected;
        self.updated_at = value.stored_at;
        self.value = value;
    }

    /// What is in force, as another copy without its history.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            kind: self.kind,
            status: self.status,
            value: self.value.duplicate(),
            history: Vec::new(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            unknown: self.unknown.clone(),
        }
    }

    /// Every secret of it, those of its history too.
    pub fn into_secrets(self) -> impl Iterator<Item = Secret> {
        let earlier = self.history.into_iter().map(|earlier| earlier.value);
        let values = std::iter::once(self.value).chain(earlier);
        values.flat_map(|value| value.fields.into_values())
    }

    /// Whether there is something to get the next tokens with.
    pub fn is_renewable(&self) -> bool {
        let value = &self.value;
        self.kind == AuthKind::OAuth
            && (value.field("refresh_token").is_some()
                || value.flow == Some(Flow::ClientCredentials))
    }

    /// The status, with the time taken into account. A login whose tokens
    /// renew themselves does not end with one of them.
    pub fn status_at(&self, now: Timestamp) -> Status {
        match (self.status, self.value.expires_at) {
            (Status::Connected, Some(end)) if end <= now && !self.is_renewable() => Status::Expired,
            (status, _) => status,
        }
    }

    /// Whether a person should see to it: expired, or past its rotation date.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.status_at(now) == Status::Expired
            || self.value.rotate_at.is_some_and(|date| date <= now)
    }
}

impl Value {
    /// Fields of which nothing more is known.
    pub fn of(fields: BTreeMap<FieldName, Secret>, stored_at: Timestamp) -> Self {
        Self {
            fields,
            account: None,
            scopes: Vec::new(),
            base_url: None,
            expires_at: None,
            rotate_at: None,
            stored_at,
            flow: None,
            client: None,
            renewed_at: None,
        }
    }

    /// Whether it is past its end.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Secret> {
        self.fields.get(name)
    }

    /// Whether it is the same credential: the same fields, at the same place.
    pub fn is_same(&self, other: &Self) -> bool {
        self.base_url == other.base_url
            && self.fields.len() == other.fields.len()
            && self.fields.iter().all(|(name, value)| {
                other
                    .fields
                    .get(name)
                    .is_some_and(|other| value.matches(other))
            })
    }

    /// Another copy, named so that it is seen in review.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        self.copy_at(self.stored_at)
    }

    fn copy_at(&self, now: Timestamp) -> Self {
        Self {
            fields: self
                .fields
                .iter()
                .map(|(name, secret)| (name.clone(), secret.duplicate()))
                .collect(),
            account: self.account.clone(),
            scopes: self.scopes.clone(),
            base_url: self.base_url.clone(),
            expires_at: self.expires_at,
            rotate_at: self.rotate_at,
            stored_at: now,
            flow: self.flow,
            client: self.client.clone(),
            renewed_at: self.renewed_at,
        }
    }
}

/// A point in time so many days on.
pub fn days_after(now: Timestamp, days: u32) -> Option<Timestamp> {
    now.checked_add(SignedDuration::from_hours(24 * i64::from(days)))
        .ok()
}

/// What tells one secret from another without giving it away, even where the
/// secret is short: keyed with a random key of the vault.
pub fn fingerprint(key: &Secret, secret: &Secret) -> String {
    let mut digest = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes())
        .expect("HMAC takes a key of any length");
    digest.update(secret.reveal().as_bytes());
    let digest = digest.finalize().into_bytes();
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
