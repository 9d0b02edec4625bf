//! Tokens that are renewed while requests wait. Of many requests one asks;
//! where the token is still good nobody waits, and after a failure nobody
//! asks again at once.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::book::Entry;
use super::minted;
use super::refusal::Refusal;
use super::{Source, Traffic};
use crate::broker::renew::Renewer;
use crate::error::{Error, Kind, Result as Checked};
use crate::name::ConnectionId;
use crate::secret::Secret;
use crate::vault::Moment;

/// A token that is good for so long is used while another request renews it,
/// and after a renewal failed.
const STILL_GOOD: SignedDuration = SignedDuration::from_secs(20);
/// After a failure nobody asks for so long.
const PAUSE: Duration = Duration::from_secs(30);
/// A token that is no older is not renewed because it was refused.
const JUST_RENEWED: SignedDuration = SignedDuration::from_mins(2);
/// What a renewal is called for those who wait for the lock.
const COMMAND: &str = "renewal";

/// Who renews what.
#[derive(Default)]
pub(super) struct Renewals(Mutex<HashMap<ConnectionId, Arc<Gate>>>);

#[derive(Default)]
struct Gate {
    turn: tokio::sync::Mutex<()>,
    failed: Mutex<Option<(Instant, Refusal)>>,
}

impl Renewals {
    fn gate(&self, id: &ConnectionId) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(id.clone()).or_default())
    }
}

impl Gate {
    /// The failure of a moment ago.
    fn failed(&self) -> Option<Refusal> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, refusal) = failed.as_ref()?;
        (when.elapsed() < PAUSE).then(|| refusal.clone())
    }

    fn remember(&self, failed: Option<&Refusal>) {
        let failed = failed.map(|refusal| (Instant::now(), refusal.clone()));
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }
}

impl Traffic {
    /// Renews a token that is about to end.
    ///
    /// # Errors
    /// It has ended, and there is no new one.
    pub(super) async fn renew_ahead(
        &self,
        entry: &Arc<Entry>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let gate = self.renewals.gate(&entry.id);
        let ends = entry.credential.value.expires_at;
        let is_minted = entry.minting_key().is_some();
        let is_good = !is_minted && ends.is_none_or(|end| end.duration_since(now) > STILL_GOOD);
        let may_wait = entry.credential.is_renewable();
        if is_good && may_wait && gate.failed().is_some() {
            return Ok(());
        }
        let turn = match gate.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) if is_good => return Ok(()),
            Err(_) => gate.turn.lock().await,
        };
        // Whoever was before us failed just now, or has it.
        if let Some(refusal) = gate.failed() {
            return Err(refusal);
        }
        if is_minted && !entry.is_due(now) {
            return Ok(());
        }
        let outcome = self.ask(entry, |renewer, entry| {
            if let Some(key) = entry.minting_key() {
                return mint(entry, key, renewer);
            }
            let seen = entry.credential.duplicate();
            let fresh = renewer.fresh(&entry.id, &entry.definition, seen)?;
            Ok(fresh.trouble)
        });
        let outcome = outcome.await;
        drop(turn);
        match outcome {
            Ok(trouble) => {
                gate.remember(trouble.as_ref().map(Refusal::of_credential).as_ref());
                Ok(())
            }
            Err(refusal) => {
                gate.remember(Some(&refusal));
                Err(refusal)
            }
        }
    }

    /// Renews a token that the provider refused.
    ///
    /// # Errors
    /// There is no new one.
    pub(super) async fn renew_refused(&self, entry: &Arc<Entry>) -> Result<(), Refusal> {
        // A provider that refuses a new token too has another reason, and is
        // not asked for one at every request.
        let renewed_at = entry.credential.value.renewed_at;
        if renewed_at.is_some_and(|when| self.now().duration_since(when) < JUST_RENEWED) {
            return Err(Refusal::new(
                424,
                "renewal_failed",
                format!("{} refuses a token that it gave just now", entry.id),
            ));
        }
        let gate = self.renewals.gate(&entry.id);
        let _turn = gate.turn.lock().await;
        if let Some(refusal) = gate.failed() {
            return Err(refusal);
        }
        let outcome = self.ask(entry, |renewer, entry| {
            if let Some(key) = entry.minting_key() {
                return mint(entry, key, renewer);
            }
            let seen = entry.credential.duplicate();
            renewer.renewed(&entry.id, &entry.definition, seen)?;
            Ok(None)
        });
        let outcome = outcome.await.map(|_| ());
        gate.remember(outcome.as_ref().err());
        outcome
    }

    /// Asks on a thread of its own: the vault's lock and disk are waited for.
    async fn ask(
        &self,
        entry: &Arc<Entry>,
        ask: impl FnOnce(&Renewer<'_>, &Entry) -> Checked<Option<Error>> + Send + 'static,
    ) -> Result<Option<Error>, Refusal> {
        let (source, entry) = (Arc::clone(&self.source), Arc::clone(entry));
        let asked = tokio::task::spawn_blocking(move || {
            let Source {
                store, key, client, ..
            } = &*source;
            let undisturbed = || -> Box<dyn Any> { Box::new(()) };
            let renewer = Renewer {
                store,
                key,
                client,
                moment: Moment {
                    now: (source.clock)(),
                    command: COMMAND,
                },
                undisturbed: &undisturbed,
            };
            ask(&renewer, &entry)
        });
        let asked = asked.await.unwrap_or_else(|_| {
            Err(Error::new(Kind::Failed, "The renewal was interrupted").with_hint("Try again."))
        });
        // The next look at the file is at once.
        self.look_again();
        asked.map_err(|error| Refusal::of_credential(&error))
    }
}

fn mint(entry: &Entry, key: &Secret, renewer: &Renewer<'_>) -> Checked<Option<Error>> {
    let minted = minted::mint(entry, key, renewer.client, renewer.moment.now)?;
    entry.take(minted);
    Ok(None)
}
