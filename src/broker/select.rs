//! Which connection is meant.

use crate::error::{Error, Kind, Result};
use crate::name::{ConnectionId, ConnectionName, ConnectionRef, ProviderName};
use crate::vault::Document;

/// What was named: `--connection team` and `openai/team` mean the same.
///
/// # Errors
/// Both were given and differ.
pub fn named(
    reference: &ConnectionRef,
    connection: Option<&ConnectionName>,
) -> Result<ConnectionRef> {
    let named = match (&reference.connection, connection) {
        (Some(one), Some(other)) if one != other => {
            let message = format!("Two connections are named: {one} and {other}");
            return Err(Error::new(Kind::Usage, message).with_hint("Name one of them."));
        }
        (one, other) => one.clone().or_else(|| other.cloned()),
    };
    Ok(ConnectionRef {
        provider: reference.provider.clone(),
        connection: named,
    })
}

/// The connection of a provider that is meant: the one named; else the chosen
/// default; else the one called `default`; else the only one.
///
/// # Errors
/// There is none, or it cannot be told which.
pub fn existing(document: &Document, reference: &ConnectionRef) -> Result<ConnectionId> {
    let provider = &reference.provider;
    let known = document.connections_of(provider);
    let id = |connection: &ConnectionName| ConnectionId {
        provider: provider.clone(),
        connection: connection.clone(),
    };
    let listed = || {
        let names: Vec<_> = known
            .iter()
            .map(|name| format!("{provider}/{name}"))
            .collect();
        names.join(", ")
    };
    let not_found = |message: String| Error::new(Kind::NotFound, message);
    if known.is_empty() {
        return Err(not_connected(reference));
    }
    if let Some(named) = &reference.connection {
        return if known.contains(&named) {
            Ok(id(named))
        } else {
            Err(not_found(format!("There is no connection {reference}"))
                .with_hint(format!("There is: {}", listed())))
        };
    }
    match unnamed(document, provider) {
        Unnamed::One(name) => Ok(id(name)),
        Unnamed::LoggedOut => Err(not_found(format!(
            "{provider} ({}) is not connected",
            ConnectionName::default_name()
        ))
        .with_hint(format!(
            "There is: {}. Name it, or choose it for good: vault default {provider}/{}",
            listed(),
            known[0]
        ))),
        Unnamed::Several => Err(not_found(format!(
            "{provider} has several connections: {}",
            listed()
        ))
        .with_hint(format!(
            "Name one of them, or choose one for good: vault default {provider}/{}",
            known[0]
        ))),
    }
}

/// What a provider without a connection's name means.
pub enum Unnamed<'a> {
    /// This one.
    One(&'a ConnectionName),
    /// The default, which was logged out of: nobody is to get another
    /// account's key in its place without having said so.
    LoggedOut,
    /// It cannot be told which.
    Several,
}

/// Which connection of a connected provider is meant where none is named: the
/// chosen default; else the one called `default`; else the only one.
pub fn unnamed<'a>(document: &'a Document, provider: &ProviderName) -> Unnamed<'a> {
    let known = document.connections_of(provider);
    let called_default = known
        .iter()
        .find(|name| name.as_str() == "default")
        .copied();
    let chosen = document.default_of(provider);
    let in_force = chosen.filter(|chosen| known.contains(chosen));
    match (in_force.or(called_default), chosen, &known[..]) {
        (Some(name), _, _) => Unnamed::One(name),
        (None, Some(_gone), _) => Unnamed::LoggedOut,
        (None, None, [only]) => Unnamed::One(only),
        (None, None, _) => Unnamed::Several,
    }
}

/// That nothing is stored of what was named.
pub fn not_connected(reference: &ConnectionRef) -> Error {
    Error::new(Kind::NotFound, format!("{reference} is not connected"))
        .with_hint(format!("vault login {reference}"))
}
