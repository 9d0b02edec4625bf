//! Tokens that are asked about: fresh ones, and once more where a provider
//! refuses one whose end nobody knew.

use super::{Subject, ask_all, prepared};
use crate::broker::verify::Verdict;
use crate::cli::context::Context;
use crate::credential::Credential;
use crate::error::{Error, Kind, Result};
use crate::name::ConnectionId;
use crate::provider::{Catalog, Outcome};
use crate::vault::{Opened, Store};

/// The connection with a token that is good for a while.
pub(super) fn freshened(
    id: &ConnectionId,
    credential: Credential,
    catalog: &Catalog,
    store: &Store,
    opened: &Opened,
    context: &Context,
) -> std::result::Result<Credential, Box<(Credential, Error)>> {
    let Ok(found) = catalog.find(&id.provider) else {
        return Ok(credential);
    };
    let spare = credential.duplicate();
    context
        .fresh(store, &opened.key, id, &found.definition, credential)
        .map_err(|error| Box::new((spare, error)))
}

/// What it means that there is no token to ask with.
pub(super) fn verdict_of(error: &Error) -> Verdict {
    let outcome = match error.kind() {
        Kind::Rejected => Outcome::Rejected,
        _ => Outcome::Unreachable,
    };
    Verdict {
        outcome,
        http_status: None,
        message: Some(error.to_string()),
        hint: error.hint().map(str::to_owned),
    }
}

/// A token whose end nobody said shows it by being refused: it is renewed
/// once, and asked about once more.
pub(super) fn again(
    subjects: &mut [Subject],
    verdicts: &mut [Verdict],
    catalog: &Catalog,
    (store, opened): (&Store, &Opened),
    context: &Context,
) -> Result<()> {
    for (subject, verdict) in subjects.iter_mut().zip(verdicts) {
        let is_new = subject.credential.value.renewed_at == Some(context.now);
        if verdict.outcome != Outcome::Rejected || is_new || !subject.credential.is_renewable() {
            continue;
        }
        let Ok(found) = catalog.find(&subject.id.provider) else {
            continue;
        };
        let client = context.client();
        let undisturbed = || context.terminal.undisturbed();
        let renewer = context.renewer(store, &opened.key, &client, &undisturbed);
        let seen = subject.credential.duplicate();
        match renewer.renewed(&subject.id, &found.definition, seen) {
            Ok(credential) => subject.credential = credential,
            Err(error) => {
                *verdict = verdict_of(&error);
                continue;
            }
        }
        let question = prepared(&subject.id, &subject.credential, catalog, context.now);
        if let Ok(question) = question
            && let Some(second) = ask_all(vec![question], context)?.pop()
        {
            *verdict = second;
        }
    }
    Ok(())
}
