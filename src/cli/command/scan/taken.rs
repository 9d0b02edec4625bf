//! `--import`: what was found goes into the vault, all of it in one commit.

use std::collections::{BTreeMap, BTreeSet};

use super::known::Known;
use crate::audit::{Entry, Event};
use crate::cli::command::import::value_of;
use crate::cli::command::init;
use crate::cli::command::login::kind_of;
use crate::cli::context::Context;
use crate::credential::Credential;
use crate::error::Result;
use crate::import::Incoming;
use crate::name::{ConnectionId, ConnectionName, FieldName, ProviderName};
use crate::provider::Definition;
use crate::scan::{Finding, Report};
use crate::vault::{Document, Store};

/// What was stored, and what was not.
#[derive(Default)]
pub struct Taken {
    /// The new connections.
    pub stored: Vec<ConnectionId>,
    /// Whose keys could not be, and why not.
    pub left: BTreeMap<ProviderName, String>,
}

impl Taken {
    /// Stores every key that is not in the vault yet, and tells what the
    /// vault holds then.
    ///
    /// # Errors
    /// The vault cannot be opened or written; nothing is stored then.
    pub fn of(
        report: &Report,
        definitions: &[Definition],
        context: &Context,
    ) -> Result<(Option<Known>, Self)> {
        let store = context.store()?;
        let opened = context.open_if_there()?;
        let before = opened
            .as_ref()
            .map(|(store, opened)| Known::of(&opened.document, store));
        let before = before.transpose()?;
        let mut taken = Self::default();
        let mut wanted = Vec::new();
        let mut seen = BTreeSet::new();
        for finding in &report.findings {
            let is_known = |known: &Known| known.place_of(finding).is_some();
            if before.as_ref().is_some_and(is_known)
                || seen.contains(&(&finding.provider, &finding.digest))
            {
                continue;
            }
            let Some(definition) = definitions.iter().find(|one| one.name == finding.provider)
            else {
                continue;
            };
            let found = together(finding, report);
            for part in &found {
                seen.insert((&part.provider, &part.digest));
            }
            match lacking(definition, &found) {
                None => wanted.push((found, definition)),
                Some(lacking) => {
                    taken.left.insert(finding.provider.clone(), lacking);
                }
            }
        }
        if wanted.is_empty() {
            return Ok((before, taken));
        }
        let mut after = None;
        let key = opened.map(|(_, opened)| opened.key);
        init::store(context, "scan", key, |document| {
            // Once more: another process may have stored one in the meantime.
            let known = Known::of(document, &store)?;
            taken.stored.clear();
            for (found, definition) in &wanted {
                if found.iter().any(|part| known.place_of(part).is_none()) {
                    taken
                        .stored
                        .push(put(document, found, definition, &store, context)?);
                }
            }
            after = Some(Known::of(document, &store)?);
            Ok(())
        })?;
        let entry = Entry::new(Event::Import, "scan");
        context.audit(&entry.with_list("connections", &taken.stored));
        Ok((after, taken))
    }
}

/// What belongs together: in one file, the first value of each other field of
/// the same provider, such as the secret of an AWS key id.
fn together<'a>(finding: &'a Finding, report: &'a Report) -> Vec<&'a Finding> {
    let mut found = vec![finding];
    for other in &report.findings {
        let is_here = other.path == finding.path && other.provider == finding.provider;
        if is_here && !found.iter().any(|part| part.field == other.field) {
            found.push(other);
        }
    }
    found
}

/// What a connection needs besides these.
fn lacking(definition: &Definition, found: &[&Finding]) -> Option<String> {
    let is_found = |name: &FieldName| found.iter().any(|part| part.field == *name);
    let other = definition
        .fields
        .iter()
        .find(|other| other.is_required && !is_found(&other.name) && other.default.is_none());
    if let Some(other) = other {
        return Some(format!("needs its {} too", other.label));
    }
    if definition.needs_address() {
        return Some("needs the address of your own tenant".to_owned());
    }
    if kind_of(definition).is_err() {
        return Some("is logged in to in another way".to_owned());
    }
    let fits = found.iter().all(|part| {
        let field = definition.field(part.field.as_str());
        field.is_some_and(|field| field.check(&part.key).is_ok())
    });
    (!fits).then(|| "takes no key of this shape".to_owned())
}

fn put(
    document: &mut Document,
    found: &[&Finding],
    definition: &Definition,
    store: &Store,
    context: &Context,
) -> Result<ConnectionId> {
    let provider = &definition.name;
    let id = ConnectionId {
        connection: free_name(document, provider)?,
        provider: provider.clone(),
    };
    let mut incoming = Incoming {
        provider: provider.clone(),
        fields: BTreeMap::new(),
        base_url: None,
    };
    for field in &definition.fields {
        if let Some(part) = found.iter().find(|part| part.field == field.name) {
            let key = part.key.duplicate();
            incoming.fields.insert(field.name.clone(), key);
        } else if let Some(default) = field.default.clone()
            && field.name.as_str() != "base_url"
        {
            incoming.fields.insert(field.name.clone(), default.into());
        }
    }
    let value = value_of(&incoming, definition, context);
    let retired = document
        .retired_connection(&id)
        .map_err(|bad| store.damaged(bad))?;
    let credential = Credential::stored(kind_of(definition)?, value, None, retired);
    document.put_connection(&id, &credential);
    Ok(id)
}

/// `default`, or the first of `found-2`, `found-3`, … that is free.
fn free_name(document: &Document, provider: &ProviderName) -> Result<ConnectionName> {
    let known = document.connections_of(provider);
    let mut name = ConnectionName::default_name();
    let mut number = 1;
    while known.contains(&&name) {
        number += 1;
        name = format!("found-{number}").parse()?;
    }
    Ok(name)
}
