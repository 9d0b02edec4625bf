//! Which connection a request is meant for, of those that fit and that its
//! client may use. What cannot be told is refused.

use std::sync::Arc;

use super::book::{Book, DefaultOf, Entry};
use super::client::Client;
use super::refusal::Refusal;
use crate::name::{ConnectionId, ConnectionName, ConnectionRef, ProviderName};
use crate::text::printable;

/// What a client said in `X-Vault-Connection`: `team`, or `openai/team`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A connection of whatever provider the request is for.
    Named(ConnectionName),
    /// A provider's.
    Of(ConnectionRef),
}

impl Wanted {
    /// Reads the header.
    ///
    /// # Errors
    /// It names no connection.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let bad = |_| {
            let text = printable(text);
            Refusal::new(
                400,
                "bad_connection",
                format!("X-Vault-Connection names no connection: {text}"),
            )
            .with_hint("X-Vault-Connection: team")
        };
        if text.contains('/') {
            text.parse().map(Self::Of).map_err(bad)
        } else {
            text.parse().map(Self::Named).map_err(bad)
        }
    }

    /// Whether both may mean one connection.
    pub fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named(one), Self::Named(other)) => one == other,
            (Self::Named(name), Self::Of(reference)) | (Self::Of(reference), Self::Named(name)) => {
                reference.connection.as_ref().is_none_or(|own| own == name)
            }
            (Self::Of(one), Self::Of(other)) => {
                one.provider == other.provider
                    && (one.connection == other.connection
                        || one.connection.is_none()
                        || other.connection.is_none())
            }
        }
    }

    fn is(&self, id: &ConnectionId) -> bool {
        match self {
            Self::Named(name) => id.connection == *name,
            Self::Of(reference) => {
                let named = reference.connection.as_ref();
                id.provider == reference.provider && named.is_none_or(|name| *name == id.connection)
            }
        }
    }
}

/// The one that is meant; `fitting` is not empty.
pub(super) fn choose<'b>(
    book: &Book,
    client: &Client,
    fitting: &[&'b Arc<Entry>],
    wanted: Option<&Wanted>,
) -> Result<&'b Arc<Entry>, Refusal> {
    let mut left: Vec<_> = fitting
        .iter()
        .copied()
        .filter(|entry| client.may_use(&entry.id))
        .collect();
    if left.is_empty() {
        return Err(not_granted(client, fitting));
    }
    if let Some(wanted) = wanted {
        left.retain(|entry| wanted.is(&entry.id));
        if left.is_empty() {
            return Err(not_there(client, fitting, wanted));
        }
    }
    let highest = left.iter().map(|entry| entry.definition.priority).max();
    left.retain(|entry| Some(entry.definition.priority) == highest);
    let ids = |left: &[&Arc<Entry>]| {
        left.iter()
            .map(|entry| entry.id.clone())
            .collect::<Vec<_>>()
    };
    let provider = &left[0].id.provider;
    if left.iter().any(|entry| entry.id.provider != *provider) {
        return Err(Refusal::ambiguous(&ids(&left)));
    }
    if let [only] = left[..]
        && (wanted.is_some() || client.names(&only.id))
    {
        return Ok(only);
    }
    match book.default_of(provider) {
        DefaultOf::One(name) => {
            let default = left.iter().find(|entry| entry.id.connection == *name);
            match (default, &left[..]) {
                (Some(default), _) => Ok(default),
                // The default is not this client's: the only one that is.
                (None, [only]) => Ok(only),
                (None, _) => Err(Refusal::ambiguous(&ids(&left))),
            }
        }
        DefaultOf::LoggedOut => Err(Refusal::not_configured(&left[0].definition)),
        DefaultOf::Several => Err(Refusal::ambiguous(&ids(&left))),
    }
}

fn not_granted(client: &Client, fitting: &[&Arc<Entry>]) -> Refusal {
    no_grant(client, &fitting[0].id.provider)
}

/// The same for a provider, whether or not it is connected.
pub(super) fn no_grant(client: &Client, provider: &ProviderName) -> Refusal {
    Refusal::new(
        403,
        "not_granted",
        format!("{client} may not use {provider}"),
    )
    .with_hint(format!(
        "Make an agent that may: vault agent create NAME --allow {provider}"
    ))
}

fn not_there(client: &Client, fitting: &[&Arc<Entry>], wanted: &Wanted) -> Refusal {
    if let Some(entry) = fitting.iter().find(|entry| wanted.is(&entry.id)) {
        return not_granted(client, &[entry]);
    }
    let provider = &fitting[0].id.provider;
    if let Wanted::Of(reference) = wanted
        && fitting
            .iter()
            .all(|entry| entry.id.provider != reference.provider)
    {
        let message = format!("{reference} is for other hosts than those of {provider}");
        return Refusal::new(400, "bad_connection", message).with_hint("X-Vault-Connection: team");
    }
    let named = match wanted {
        Wanted::Named(name) => format!("{provider}/{name}"),
        Wanted::Of(reference) => reference.to_string(),
    };
    let message = format!("There is no connection {named} here");
    Refusal::new(424, "not_configured", message).with_hint(format!(
        "vault login {named}; where it is connected, run without --only"
    ))
}
