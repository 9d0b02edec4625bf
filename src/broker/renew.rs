//! Keeping tokens fresh. Whoever reads a token that is about to end asks for
//! the next one, and of many at once one does: under the vault's lock, after
//! reading again, with room on the disk taken before the question. What is
//! rotated is saved before it is used.

use jiff::{SignedDuration, Timestamp};

use super::grant::{Grant, grant_of};
use crate::credential::{AuthKind, Credential, Status, Value};
use crate::error::{Error, Kind, Result};
use crate::flow::{self, FlowError, Tokens, Weight, codex};
use crate::name::ConnectionId;
use crate::net::{Client, wait_for};
use crate::provider::{Definition, Flow, Protocol};
use crate::seal::VaultKey;
use crate::vault::{Document, Keep, Moment, Reserve, Store};

/// A token is renewed so long before its end.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// What renewing needs.
pub struct Renewer<'a> {
    /// The vault.
    pub store: &'a Store,
    /// What opens it.
    pub key: &'a VaultKey,
    /// Who asks.
    pub client: &'a Client,
    /// When.
    pub moment: Moment<'a>,
}

/// A credential that can be used.
pub struct Fresh {
    /// As it is in the vault now.
    pub credential: Credential,
    /// Why it was not renewed although it should have been; it is still good.
    pub trouble: Option<Error>,
}

/// Whether a connection's tokens can be renewed at all.
pub fn is_renewable(credential: &Credential) -> bool {
    let value = &credential.value;
    credential.kind == AuthKind::OAuth
        && (value.field("refresh_token").is_some() || value.flow == Some(Flow::ClientCredentials))
}

/// Whether a connection's token is about to end, or has ended.
pub fn is_due(credential: &Credential, protocol: Protocol, now: Timestamp) -> bool {
    let value = &credential.value;
    let ends_soon = match value.expires_at {
        Some(end) => end.duration_since(now) <= AHEAD,
        None if protocol == Protocol::Codex => {
            codex::is_old(value.renewed_at.unwrap_or(value.stored_at), now)
        }
        // Not known: it shows when a provider says no.
        None => false,
    };
    credential.kind == AuthKind::OAuth && credential.status == Status::Connected && ends_soon
}

impl Renewer<'_> {
    /// The credential, with tokens that are good for a while.
    ///
    /// # Errors
    /// They have ended and there are no new ones.
    pub fn fresh(
        &self,
        id: &ConnectionId,
        definition: &Definition,
        seen: Credential,
    ) -> Result<Fresh> {
        let now = self.moment.now;
        if seen.kind != AuthKind::OAuth || is_usable(&seen, definition, now) {
            return Ok(Fresh {
                credential: seen,
                trouble: None,
            });
        }
        if !is_due(&seen, protocol_of(definition), now) || !is_renewable(&seen) {
            return if seen.status == Status::Connected {
                unless_good(seen, ended(id), now)
            } else {
                Err(ended(id))
            };
        }
        self.renew(id, definition, seen, false)
    }

    /// The credential with new tokens, after a provider refused those that
    /// were `seen`; those that somebody else got meanwhile will do.
    ///
    /// # Errors
    /// There are no new ones.
    pub fn renewed(
        &self,
        id: &ConnectionId,
        definition: &Definition,
        seen: Credential,
    ) -> Result<Credential> {
        if !is_renewable(&seen) {
            return Err(ended(id));
        }
        let fresh = self.renew(id, definition, seen, true)?;
        fresh.trouble.map_or(Ok(fresh.credential), Err)
    }

    fn renew(
        &self,
        id: &ConnectionId,
        definition: &Definition,
        seen: Credential,
        is_forced: bool,
    ) -> Result<Fresh> {
        let now = self.moment.now;
        let asked =
            self.store
                .renew(self.key, self.moment, |document, reserve| {
                    let found = document.connection(id);
                    let current = found.map_err(|bad| self.store.damaged(bad))?;
                    let Some(current) = current else {
                        let message = format!("{id} was logged out of in the meantime");
                        return Err(Error::new(Kind::NotFound, message)
                            .with_hint(format!("vault login {id}")));
                    };
                    // Somebody else may have learned meanwhile that it is over;
                    // a provider's word of a token is none of the login's end.
                    let is_over = match is_forced {
                        true => current.status == Status::Expired,
                        false => current.status != Status::Connected,
                    };
                    if is_over {
                        return Ok((Asked::refused(current, ended(id)), Keep::Nothing));
                    }
                    let somebody_did = !current.value.is_same(&seen.value);
                    let is_due = is_due(&current, protocol_of(definition), now);
                    if somebody_did && is_forced || !is_forced && !is_due {
                        return Ok((Asked::fresh(current), Keep::Nothing));
                    }
                    self.ask(id, definition, current, document, reserve)
                });
        match asked {
            Ok(Asked {
                credential,
                refused: None,
            }) => Ok(Fresh {
                credential,
                trouble: None,
            }),
            Ok(Asked {
                credential,
                refused: Some(error),
            }) if credential.status == Status::Connected => unless_good(credential, error, now),
            Ok(Asked {
                refused: Some(error),
                ..
            }) => Err(error),
            // Nothing was asked, or nothing came of it: the vault is as it was.
            Err(error) if error.kind() == Kind::NotFound => Err(error),
            Err(error) => unless_good(seen, cannot_save(id, error), now),
        }
    }

    /// Asks the provider, with the lock held.
    fn ask(
        &self,
        id: &ConnectionId,
        definition: &Definition,
        mut current: Credential,
        document: &mut Document,
        reserve: &mut Reserve<'_>,
    ) -> Result<(Asked, Keep)> {
        let now = self.moment.now;
        let clients = document.clients_of(&id.provider);
        let clients = clients.map_err(|bad| self.store.damaged(bad))?;
        let grant = match grant_of(id, definition, &current.value, clients) {
            Ok(grant) => grant,
            Err(error) => return Ok((Asked::refused(current, error), Keep::Nothing)),
        };
        // Before the question: a rotating token is spent by asking.
        reserve.take()?;
        let answer = wait_for(question(&grant, &current.value, self.client, now))?;
        let tokens = match answer.and_then(|tokens| same_account(tokens, &current.value, &grant)) {
            Ok(tokens) => tokens,
            Err(error) if error.weight() == Weight::Final => {
                current.status = Status::Expired;
                current.updated_at = now;
                document.put_connection(id, &current);
                let error = has_ended(id, &error);
                return Ok((Asked::refused(current, error), Keep::Changes));
            }
            Err(error) => {
                let error = not_renewed(id, error);
                return Ok((Asked::refused(current, error), Keep::Nothing));
            }
        };
        tokens.put_into(&mut current.value);
        current.value.renewed_at = Some(now);
        current.status = Status::Connected;
        current.updated_at = now;
        document.put_connection(id, &current);
        Ok((Asked::fresh(current), Keep::Changes))
    }
}

/// What came of asking.
struct Asked {
    credential: Credential,
    refused: Option<Error>,
}

impl Asked {
    fn fresh(credential: Credential) -> Self {
        Self {
            credential,
            refused: None,
        }
    }

    fn refused(credential: Credential, error: Error) -> Self {
        Self {
            credential,
            refused: Some(error),
        }
    }
}

async fn question(
    grant: &Grant,
    value: &Value,
    client: &Client,
    now: Timestamp,
) -> std::result::Result<Tokens, FlowError> {
    let Grant { server, app } = grant;
    match value.field("refresh_token") {
        Some(token) => flow::refresh(server, app, token, client, now).await,
        None => flow::client_credentials(server, app, &value.scopes, client, now).await,
    }
}

/// Codex' own rule: tokens of another account are not ours.
fn same_account(
    tokens: Tokens,
    value: &Value,
    grant: &Grant,
) -> std::result::Result<Tokens, FlowError> {
    let stored = value.field("account_id");
    match (&tokens.account_id, stored) {
        (Some(new), Some(old)) if new != old.reveal() => Err(FlowError::Refused {
            server: grant.server.name.clone(),
            code: "another_account".to_owned(),
            description: Some("the new tokens are of another account".to_owned()),
            status: 200,
        }),
        _ => Ok(tokens),
    }
}

fn protocol_of(definition: &Definition) -> Protocol {
    let oauth = definition.oauth.as_ref();
    oauth.map_or(Protocol::default(), |oauth| oauth.protocol)
}

fn is_usable(credential: &Credential, definition: &Definition, now: Timestamp) -> bool {
    credential.status == Status::Connected && !is_due(credential, protocol_of(definition), now)
}

/// A token that is still good is used, and the trouble told.
fn unless_good(credential: Credential, trouble: Error, now: Timestamp) -> Result<Fresh> {
    if credential.value.expires_at.is_none_or(|end| end > now) {
        return Ok(Fresh {
            credential,
            trouble: Some(trouble),
        });
    }
    Err(trouble)
}

fn ended(id: &ConnectionId) -> Error {
    Error::new(Kind::Rejected, format!("The login of {id} has ended"))
        .with_hint(format!("Log in again: vault login {id} --force"))
}

fn has_ended(id: &ConnectionId, error: &FlowError) -> Error {
    Error::new(
        Kind::Rejected,
        format!("The login of {id} has ended: {error}"),
    )
    .with_hint(format!("Log in again: vault login {id} --force"))
}

fn not_renewed(id: &ConnectionId, error: FlowError) -> Error {
    let weight = error.weight();
    let message = format!("The token of {id} was not renewed: {error}");
    let edge = Error::from(error);
    match weight {
        Weight::Client => Error::new(Kind::Rejected, message).with_hint(format!(
            "Look at its OAuth app; then log in again: vault login {id} --force --client-id ID"
        )),
        _ => {
            let hint = edge.hint().unwrap_or("Try again later.").to_owned();
            Error::new(Kind::Unreachable, message).with_hint(hint)
        }
    }
}

fn cannot_save(id: &ConnectionId, error: Error) -> Error {
    let message =
        format!("The token of {id} was not renewed, since nothing could be saved: {error}");
    let hint = error.hint().unwrap_or("See what is amiss: vault doctor");
    let hint = hint.to_owned();
    Error::new(error.kind(), message).with_hint(hint)
}
