//! Tokens that are asked for with a key, as those of a Google service
//! account: they live for an hour, in memory alone.

use jiff::{SignedDuration, Timestamp};

use super::book::Entry;
use crate::credential::assertion::assertion;
use crate::error::{Error, Kind, Result};
use crate::flow::{self, Server};
use crate::net::{Client, wait_for};
use crate::provider::AuthKind;
use crate::secret::Secret;

/// A token is asked for again so long before its end.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How long one lives of which nothing is said.
const USUAL: SignedDuration = SignedDuration::from_mins(50);

/// A token that was asked for.
pub(super) struct Minted {
    /// What goes into requests.
    pub(super) token: Secret,
    ends: Timestamp,
}

impl Minted {
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.ends.duration_since(now) <= AHEAD
    }
}

/// The key that a connection asks with, if it is one of those.
pub(super) fn key_of(entry: &Entry) -> Option<&Secret> {
    let Entry {
        definition,
        credential,
        ..
    } = entry;
    if !definition.supports(&AuthKind::JwtBearer)
        || credential.value.field("access_token").is_some()
    {
        return None;
    }
    let field = definition.fields.iter().find(|field| field.is_secret)?;
    credential.value.fields.get(&field.name)
}

/// Asks for a token.
///
/// # Errors
/// The key is none, or there is no answer.
pub(super) fn mint(entry: &Entry, key: &Secret, client: &Client, now: Timestamp) -> Result<Minted> {
    let id = &entry.id;
    let value = &entry.credential.value;
    let server = Server::of(&entry.definition, value.base_url.as_deref(), &|_| None)?;
    let audience = server.endpoints.token.clone().unwrap_or_default();
    let scopes = match value.scopes.as_slice() {
        [] => server.oauth.scopes.clone(),
        own => own.to_vec(),
    };
    let signed = assertion(key, &audience, &scopes, now).map_err(|bad| {
        Error::new(Kind::Rejected, format!("{id} cannot be used: {bad}"))
            .with_hint(format!("vault login {id} --force"))
    })?;
    let tokens = wait_for(flow::bearer(&server, &signed, client, now))??;
    let ends = tokens.expires_at.unwrap_or(now + USUAL);
    let token = tokens.access.ok_or_else(|| {
        Error::new(Kind::Unreachable, format!("{} gave no token", server.name))
            .with_hint("Try again later.")
    })?;
    Ok(Minted { token, ends })
}
