//! Keeping tokens fresh. Whoever reads a token that is about to end asks for
//! the next one, and of many at once one does: under the vault's lock, after
//! reading again, with room on the disk taken before the question. What is
//! rotated is saved before it is used.

use std::any::Any;

use jiff::{SignedDuration, Timestamp};

use super::grant::{Grant, grant_of};
use crate::credential::{AuthKind, Credential, Status, Value};
use crate::error::{Error, Kind, Result};
use crate::flow::{self, ANOTHER_ACCOUNT, FlowError, Tokens, Weight, codex};
use crate::name::ConnectionId;
use crate::net::{Client, wait_for};
use crate::provider::{Definition, Flow, Protocol};
use crate::seal::VaultKey;
use crate::vault::{Change, Document, Keep, Moment, Reserve, Store};

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
    /// Keeps signals from ending the program until what it gives is dropped.
    pub undisturbed: &'a dyn Fn() -> Box<dyn Any>,
}

/// A credential that can be used.
pub struct Fresh {
    /// As it is in the vault now.
    pub credential: Credential,
    /// Why it was not renewed although it should have been; it is still good.
    pub trouble: Option<Error>,
}

impl From<Credential> for Fresh {
    fn from(credential: Credential) -> Self {
        Self {
            credential,
            trouble: None,
        }
    }
}

/// Whether a connection's token is about to end, or has ended.
fn is_due(value: &Value, definition: &Definition, now: Timestamp) -> bool {
    match value.expires_at {
        Some(end) => end.duration_since(now) <= AHEAD,
        None if protocol_of(definition) == Protocol::Codex => {
            codex::is_old(value.renewed_at.unwrap_or(value.stored_at), now)
        }
        // Not known: it shows when a provider says no.
        None => false,
    }
}

/// Whether a credential is to be renewed before it is used; also where that
/// cannot be and somebody has to be told.
pub(super) fn wants_renewal(
    credential: &Credential,
    definition: &Definition,
    now: Timestamp,
) -> bool {
    credential.kind == AuthKind::OAuth
        && (!may_live(credential) || is_due(&credential.value, definition, now))
}

/// Whether it is worth asking for tokens: what a provider refused once may
/// have been mended, what has ended has not.
fn may_live(credential: &Credential) -> bool {
    matches!(credential.status, Status::Connected | Status::Invalid)
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
        if seen.kind != AuthKind::OAuth {
            return Ok(seen.into());
        }
        if !may_live(&seen) {
            return Err(ended(id));
        }
        if !is_due(&seen.value, definition, now) {
            return Ok(seen.into());
        }
        if seen.is_renewable() {
            return self.renew(id, definition, seen, false);
        }
        if seen.value.has_ended(now) {
            return Err(ended(id));
        }
        Ok(seen.into())
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
        if !seen.is_renewable() {
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
        let mut answered = None;
        let mut held = None;
        let command = format!("renewal of {id}");
        let moment = Moment {
            command: &command,
            ..self.moment
        };
        let asked = self.store.renew(self.key, moment, |document, reserve| {
            let found = document.connection(id);
            let current = found.map_err(|bad| self.store.damaged(bad))?;
            let Some(current) = current else {
                return Ok((Asked::Gone, Keep::Nothing));
            };
            if !may_live(&current) {
                return Ok((Asked::refused(current, ended(id)), Keep::Nothing));
            }
            // What somebody else just got will do, however short its life.
            let is_later = current.value.renewed_at != seen.value.renewed_at;
            let somebody_did = is_later || !current.value.is_same(&seen.value);
            let is_good = !current.value.has_ended(now);
            let needs_none = !is_forced && !is_due(&current.value, definition, now);
            if needs_none || somebody_did && is_good {
                return Ok((Asked::fresh(current), Keep::Nothing));
            }
            // Whoever was before us asked just now, and in vain: if each of
            // many asked once more, they would keep each other waiting.
            if !somebody_did && reserve.waited_for(&command) {
                let error = in_vain(id);
                return Ok((Asked::refused(current, error), Keep::Nothing));
            }
            // Or somebody was killed on the last step.
            if let Some(unfinished) = unfinished(id, &current, document, reserve) {
                document.put_connection(id, &unfinished);
                return Ok((Asked::fresh(unfinished), Keep::Changes));
            }
            let clients = document.clients_of(&id.provider);
            let clients = clients.map_err(|bad| self.store.damaged(bad))?;
            let grant = match grant_of(id, definition, &current.value, clients) {
                Ok(grant) => grant,
                Err(error) => return Ok((Asked::refused(current, error), Keep::Nothing)),
            };
            // Before the question: a rotating token is spent by asking, and
            // its successor must not be lost to a full disk or to Ctrl-C.
            reserve.take()?;
            held = Some((self.undisturbed)());
            let (asked, keep) = self.ask(id, current, &grant, document)?;
            if keep == Keep::Changes {
                answered = asked.credential().map(Credential::duplicate);
            }
            Ok((asked, keep))
        });
        let finished = match (asked, answered) {
            (Ok(Asked::Fresh(credential)), _) => Ok(Fresh::from(*credential)),
            (Ok(Asked::Gone), _) => Err(gone(id)),
            (Ok(Asked::Refused(credential, error)), _) if may_live(&credential) => {
                unless_ended(*credential, error, now)
            }
            (Ok(Asked::Refused(_, error)), _) => Err(error),
            (Err(error), Some(credential)) => self.saved_after_all(id, credential, error),
            // Nothing was asked: the vault and the tokens are as they were.
            (Err(error), None) => unless_ended(seen, not_asked(id, &error), now),
        };
        drop(held);
        finished
    }

    /// Asks the provider, with the lock held.
    fn ask(
        &self,
        id: &ConnectionId,
        mut current: Credential,
        grant: &Grant,
        document: &mut Document,
    ) -> Result<(Asked, Keep)> {
        let now = self.moment.now;
        let answer = wait_for(question(grant, &current.value, self.client, now))?;
        let tokens = match answer.and_then(|tokens| same_account(tokens, &current.value, grant)) {
            Ok(tokens) => tokens,
            Err(error) if error.weight() == Weight::Final => {
                current.status = Status::Expired;
                current.updated_at = now;
                document.put_connection(id, &current);
                let error = ended_as(id, &error);
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
        if current.value.has_ended(now) {
            // Another refresh token, and no token to use.
            let name = &grant.server.name;
            let message = format!("The token of {id} was not renewed: {name} gave no new one");
            let error = Error::new(Kind::Unreachable, message).with_hint("Try again later.");
            return Ok((Asked::refused(current, error), Keep::Changes));
        }
        Ok((Asked::fresh(current), Keep::Changes))
    }

    /// The provider answered, and the commit failed: perhaps only its last
    /// step, which the vault then shows; perhaps not the second time.
    fn saved_after_all(
        &self,
        id: &ConnectionId,
        credential: Credential,
        failed: Error,
    ) -> Result<Fresh> {
        let is_there = |document: &Document| {
            let found = document.connection(id).ok().flatten();
            found.is_some_and(|found| found.value.is_same(&credential.value))
        };
        let there = self.store.open(self.key.clone());
        if there.is_ok_and(|opened| is_there(&opened.document)) {
            return Ok(Fresh {
                credential,
                trouble: Some(failed),
            });
        }
        let again = self
            .store
            .change(self.key, self.moment, Change::Renewal, |document| {
                let found = document.connection(id);
                let Some(mut current) = found.map_err(|bad| self.store.damaged(bad))? else {
                    return Err(gone(id));
                };
                current.value = credential.value.duplicate();
                current.status = credential.status;
                current.updated_at = credential.updated_at;
                document.put_connection(id, &current);
                Ok(())
            });
        match again {
            Ok(()) => Ok(credential.into()),
            Err(_) => Err(lost(id, &failed)),
        }
    }
}

/// What came of it.
enum Asked {
    /// A credential that can be used.
    Fresh(Box<Credential>),
    /// As it is, and why there are no new tokens.
    Refused(Box<Credential>, Error),
    /// It was logged out of.
    Gone,
}

impl Asked {
    fn fresh(credential: Credential) -> Self {
        Self::Fresh(Box::new(credential))
    }

    fn refused(credential: Credential, error: Error) -> Self {
        Self::Refused(Box::new(credential), error)
    }

    fn credential(&self) -> Option<&Credential> {
        match self {
            Self::Fresh(credential) | Self::Refused(credential, _) => Some(credential),
            Self::Gone => None,
        }
    }
}

/// The tokens that another process got and could not save any more.
fn unfinished(
    id: &ConnectionId,
    current: &Credential,
    document: &Document,
    reserve: &Reserve<'_>,
) -> Option<Credential> {
    let left = reserve.unfinished(document);
    left.into_iter().find_map(|left| {
        let found = left.connection(id).ok().flatten()?;
        let is_newer = found.value.renewed_at > current.value.renewed_at
            && found.value.stored_at == current.value.stored_at
            && found.status == Status::Connected;
        is_newer.then_some(found)
    })
}

async fn question(
    grant: &Grant,
    value: &Value,
    client: &Client,
    now: Timestamp,
) -> std::result::Result<Tokens, FlowError> {
    let Grant { server, app } = grant;
    let is_machine = value.flow == Some(Flow::ClientCredentials);
    let renewed = match value.field("refresh_token") {
        Some(token) => Some(flow::refresh(server, app, token, client, now).await),
        None => None,
    };
    match renewed {
        Some(Err(error)) if is_machine && error.weight() == Weight::Final => {}
        Some(answered) => return answered,
        None => {}
    }
    // A machine needs nobody to log in again.
    flow::client_credentials(server, app, &value.scopes, client, now).await
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
            code: ANOTHER_ACCOUNT.to_owned(),
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

/// A token that is still good is used, and the trouble told.
fn unless_ended(credential: Credential, trouble: Error, now: Timestamp) -> Result<Fresh> {
    if credential.value.has_ended(now) {
        return Err(trouble);
    }
    Ok(Fresh {
        credential,
        trouble: Some(trouble),
    })
}

fn ended(id: &ConnectionId) -> Error {
    Error::new(Kind::Rejected, format!("The login of {id} has ended")).with_hint(log_in(id))
}

fn ended_as(id: &ConnectionId, error: &FlowError) -> Error {
    let message = format!("The login of {id} has ended: {}", error.reason());
    Error::new(Kind::Rejected, message).with_hint(log_in(id))
}

fn log_in(id: &ConnectionId) -> String {
    format!("Log in again: vault login {id} --force")
}

fn gone(id: &ConnectionId) -> Error {
    let message = format!("{id} was logged out of in the meantime");
    Error::new(Kind::NotFound, message).with_hint(format!("vault login {id}"))
}

fn in_vain(id: &ConnectionId) -> Error {
    let message = format!("The token of {id} was not renewed: another process just tried in vain");
    Error::new(Kind::Unreachable, message).with_hint("Try again later.")
}

fn not_renewed(id: &ConnectionId, error: FlowError) -> Error {
    let weight = error.weight();
    let message = format!("The token of {id} was not renewed: {error}");
    if weight == Weight::Client {
        return Error::new(Kind::Rejected, message).with_hint(format!(
            "Look at its OAuth app, or log in with another: vault login {id} --force --client-id ID"
        ));
    }
    let edge = Error::from(error);
    let hint = edge.hint().unwrap_or("Try again later.").to_owned();
    Error::new(Kind::Unreachable, message).with_hint(hint)
}

/// Nobody was asked, since the answer could not have been kept.
fn not_asked(id: &ConnectionId, error: &Error) -> Error {
    let why = match error.kind() {
        Kind::Busy | Kind::Conflict => "",
        _ => ", since the vault cannot be written",
    };
    let message = format!("The token of {id} was not renewed{why}: {error}");
    let hint = error.hint().unwrap_or("See what is amiss: vault doctor");
    Error::new(error.kind(), message).with_hint(hint)
}

fn lost(id: &ConnectionId, error: &Error) -> Error {
    let message = format!(
        "The token of {id} was renewed, but could not be saved, and the old one is spent: {error}"
    );
    Error::new(error.kind(), message).with_hint(log_in(id))
}
