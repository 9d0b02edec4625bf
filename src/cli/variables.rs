//! What `export` and `run` read, with the person's vault and terminal behind
//! it.

use super::context::Context;
use crate::audit::Entry;
use crate::broker::variables::{self, Naming, Origin, Reader, Source, Variable, Wanted};
use crate::credential::Credential;
use crate::error::Result;
use crate::name::ConnectionId;
use crate::provider::Definition;
use crate::seal::VaultKey;
use crate::vault::Store;

/// Gathers the variables.
///
/// # Errors
/// Something named is not there, or it cannot be told which is meant.
pub fn gather(
    wanted: &Wanted<'_>,
    naming: &Naming<'_>,
    context: &Context,
) -> Result<Vec<Variable>> {
    let catalog = context.catalog()?;
    let held = context.open_if_there()?;
    let source = Source {
        catalog: &catalog,
        vault: held
            .as_ref()
            .map(|(store, opened)| (store, &opened.document)),
        now: context.now,
    };
    let reader = Person {
        context,
        vault: held.as_ref().map(|(store, opened)| (store, &opened.key)),
    };
    variables::gather(wanted, naming, &source, &reader)
}

/// An entry of the audit log with what these variables come from.
pub fn told(entry: Entry, variables: &[Variable]) -> Entry {
    let origins = || variables.iter().map(Variable::origin);
    let mut connections: Vec<_> = origins()
        .filter_map(|origin| match origin {
            Origin::Connection(id) => Some(id),
            Origin::Secret(_) => None,
        })
        .collect();
    connections.dedup();
    let secrets = origins().filter_map(|origin| match origin {
        Origin::Secret(name) => Some(name),
        Origin::Connection(_) => None,
    });
    entry
        .with_list("connections", connections)
        .with_list("secrets", secrets)
}

/// Who runs the command.
struct Person<'a> {
    context: &'a Context,
    vault: Option<(&'a Store, &'a VaultKey)>,
}

impl Reader for Person<'_> {
    fn fresh(
        &self,
        id: &ConnectionId,
        definition: &Definition,
        seen: Credential,
    ) -> Result<Credential> {
        match self.vault {
            Some((store, key)) => self.context.fresh(store, key, id, definition, seen),
            None => Ok(seen),
        }
    }

    fn warn(&self, message: &str) {
        self.context.output.warn(message);
    }
}
