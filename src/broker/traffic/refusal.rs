//! What a client is told when its request goes no further: a status, a stable
//! word, a sentence and something to do. Nothing of the request's query,
//! headers or body is in it.

use std::sync::Arc;

use crate::error::{Error, Kind};
use crate::name::ConnectionId;
use crate::provider::Definition;

/// A request that nothing is sent upstream for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The word that programs go by.
    pub code: &'static str,
    /// What happened, for people.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// After how many seconds it is worth another try.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            hint: None,
            retry_after: None,
        }
    }

    /// The same with something to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The provider is known, and nothing is stored of it.
    pub fn not_configured(definition: &Definition) -> Self {
        let what = definition
            .fields
            .iter()
            .find(|field| field.is_secret)
            .map_or_else(
                || format!("{} login", definition.display_name),
                |field| field.subject().to_owned(),
            );
        Self::new(
            424,
            "not_configured",
            format!("{what} not configured in vault."),
        )
        .with_hint(format!("vault login {}", definition.name))
    }

    /// There was such a connection, and there is not any more.
    pub fn gone(id: &ConnectionId) -> Self {
        Self::new(424, "not_configured", format!("{id} is gone"))
            .with_hint(format!("vault login {id}"))
    }

    /// Two connections fit equally.
    pub fn ambiguous(candidates: &[Arc<ConnectionId>]) -> Self {
        let names: Vec<_> = candidates.iter().map(ToString::to_string).collect();
        let listed = names.join(", ");
        Self::new(
            409,
            "ambiguous",
            format!("Several connections fit: {listed}"),
        )
        .with_hint(match candidates {
            [first, rest @ ..] if rest.iter().all(|other| other.provider == first.provider) => {
                format!(
                    "Name one with the header X-Vault-Connection: {first}, or choose one for \
                     good: vault default {first}"
                )
            }
            [first, ..] => format!(
                "Name one with the header X-Vault-Connection: {first}, run with --only {first}, \
                 or give one definition a higher priority: vault inspect {}",
                first.provider
            ),
            [] => "vault list".to_owned(),
        })
    }

    /// The upstream was not reached.
    pub fn unreachable(why: impl Into<String>) -> Self {
        Self::new(502, "unreachable", "Network request failed").with_hint(why)
    }

    /// The vault cannot be used at present.
    pub fn locked(error: &Error) -> Self {
        let hint = error
            .hint()
            .map_or(String::new(), |hint| format!(" {hint}"));
        Self::new(503, "locked", "The vault cannot be opened").with_hint(format!("{error}.{hint}"))
    }

    /// The same for somebody who has shown no token: nothing of this machine
    /// is in it.
    #[must_use]
    pub fn for_anybody(self) -> Self {
        let hint = self
            .hint
            .map(|_| "See on its machine: vault doctor".to_owned());
        Self { hint, ..self }
    }

    /// A credential could not be made ready.
    pub fn of_credential(error: &Error) -> Self {
        let (status, code) = match error.kind() {
            Kind::Unreachable | Kind::Busy => (502, "renewal_failed"),
            Kind::Rejected => (424, "login_ended"),
            Kind::NotFound => (424, "not_configured"),
            Kind::Locked | Kind::Corrupt => (503, "locked"),
            _ => (502, "renewal_failed"),
        };
        let refusal = Self::new(status, code, error.to_string());
        match error.hint() {
            Some(hint) => refusal.with_hint(hint),
            None => refusal,
        }
    }
}
