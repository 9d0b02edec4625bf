//! Connections and plain secrets as environment variables, for `export` and
//! `run`.

use std::fmt;

use jiff::Timestamp;

use super::select::{self, Unnamed};
use crate::credential::{Credential, Status};
use crate::error::{Error, Kind, Result};
use crate::export::{self, Entry};
use crate::name::{ConnectionId, ConnectionRef, FieldName, Target, VariableName};
use crate::provider::{Catalog, Definition};
use crate::secret::Secret;
use crate::vault::{Document, Store};

/// What is to become variables.
pub enum Wanted<'a> {
    /// Each provider's default connection, and all plain secrets.
    Defaults,
    /// Every connection, and all plain secrets.
    Everything,
    /// Each provider's default connection, and these plain secrets.
    ConnectionsAnd(&'a [VariableName]),
    /// These.
    Named(&'a [Target]),
}

/// What the variables are to be called, and what they hold.
#[derive(Default)]
pub struct Naming<'a> {
    /// Put before each name.
    pub prefix: &'a str,
    /// Other names for fields.
    pub names: &'a [(FieldName, VariableName)],
    /// Tokens are taken as they are stored, and none is renewed.
    pub as_stored: bool,
}

/// Whoever reads them: gets fresh tokens, and hears of what is amiss.
pub trait Reader {
    /// The credential with a token that is good for a while.
    ///
    /// # Errors
    /// There is none.
    fn fresh(
        &self,
        id: &ConnectionId,
        definition: &Definition,
        seen: Credential,
    ) -> Result<Credential>;

    /// Something to worry about that stops nothing.
    fn warn(&self, message: &str);
}

/// Where they are read.
pub struct Source<'a> {
    /// The definitions.
    pub catalog: &'a Catalog,
    /// The vault, if there is one.
    pub vault: Option<(&'a Store, &'a Document)>,
    /// The time.
    pub now: Timestamp,
}

/// One variable, where it comes from, and its value.
pub struct Variable {
    name: VariableName,
    origin: Origin,
    value: Secret,
}

impl Variable {
    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// Where a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A connection.
    Connection(ConnectionId),
    /// A plain secret.
    Secret(VariableName),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(id) => id.fmt(f),
            Self::Secret(name) => write!(f, "the plain secret {name}"),
        }
    }
}

/// Gathers the variables. Fields that only renew others are never among them.
///
/// # Errors
/// Something named is not there, or it cannot be told which is meant.
pub fn gather(
    wanted: &Wanted<'_>,
    naming: &Naming<'_>,
    source: &Source<'_>,
    reader: &dyn Reader,
) -> Result<Vec<Variable>> {
    let catalog = source.catalog;
    let Some((store, document)) = source.vault else {
        return match wanted {
            Wanted::Named([Target::Connection(first), ..]) => {
                catalog.find(&first.provider)?;
                Err(select::not_connected(first))
            }
            Wanted::Named([Target::Secret(name), ..]) | Wanted::ConnectionsAnd([name, ..]) => {
                Err(no_secret(name))
            }
            _ => Ok(Vec::new()),
        };
    };
    let mut gatherer = Gatherer {
        catalog,
        store,
        document,
        naming,
        reader,
        now: source.now,
        is_named: matches!(wanted, Wanted::Named(_)),
        named: Vec::new(),
        variables: Vec::new(),
    };
    match wanted {
        Wanted::Named(targets) => {
            for target in *targets {
                match target {
                    Target::Connection(reference) => {
                        if document.connections_of(&reference.provider).is_empty() {
                            // A typo is told as one.
                            catalog.find(&reference.provider)?;
                        }
                        gatherer.connection(&select::existing(document, reference)?)?;
                    }
                    Target::Secret(name) => gatherer.secret(name)?,
                }
            }
        }
        Wanted::Everything => {
            for id in document.connections() {
                gatherer.connection(&id)?;
            }
            gatherer.all_secrets()?;
        }
        Wanted::Defaults | Wanted::ConnectionsAnd(_) => {
            for provider in providers_of(document) {
                // A default that was logged out of is no default to export.
                if let Unnamed::LoggedOut = select::unnamed(document, &provider) {
                    continue;
                }
                let reference = ConnectionRef {
                    provider,
                    connection: None,
                };
                gatherer.connection(&select::existing(document, &reference)?)?;
            }
            match wanted {
                Wanted::ConnectionsAnd(names) => {
                    names.iter().try_for_each(|name| gatherer.secret(name))?;
                }
                _ => gatherer.all_secrets()?,
            }
        }
    }
    if let Some((field, _)) = naming
        .names
        .iter()
        .find(|(field, _)| !gatherer.named.contains(field))
    {
        return Err(Error::new(
            Kind::NotFound,
            format!("Nothing that is exported has a field {field}"),
        )
        .with_hint("See the fields of a connection: vault get openai"));
    }
    Ok(gatherer.variables)
}

/// The variables by name, each once.
///
/// # Errors
/// Two values want one variable.
pub fn collect(variables: &[Variable]) -> Result<Vec<(VariableName, &Secret)>> {
    let entries = variables.iter().map(|variable| Entry {
        variable: variable.name.clone(),
        source: variable.origin.to_string(),
        value: &variable.value,
    });
    Ok(export::collect(entries)?)
}

fn providers_of(document: &Document) -> Vec<crate::name::ProviderName> {
    let mut providers: Vec<_> = document.connections().map(|id| id.provider).collect();
    providers.dedup();
    providers
}

fn no_secret(name: &VariableName) -> Error {
    Error::new(Kind::NotFound, format!("There is no plain secret {name}")).with_hint(format!(
        "Store it: printf '%s' \"$VALUE\" | vault set {name}"
    ))
}

struct Gatherer<'a> {
    catalog: &'a Catalog,
    store: &'a Store,
    document: &'a Document,
    naming: &'a Naming<'a>,
    reader: &'a dyn Reader,
    now: Timestamp,
    is_named: bool,
    /// The fields that were given another name.
    named: Vec<FieldName>,
    variables: Vec<Variable>,
}

impl Gatherer<'_> {
    fn connection(&mut self, id: &ConnectionId) -> Result<()> {
        let found = self
            .document
            .connection(id)
            .map_err(|bad| self.store.damaged(bad))?;
        let Some(credential) = found else {
            return Ok(());
        };
        let definition = match self.catalog.find(&id.provider) {
            Ok(found) => found.definition,
            // It blocks its own provider alone; who named that one hears of it.
            Err(error) if !self.is_named => {
                let reason = error.to_string();
                let reason = reason.trim_end_matches('.');
                self.reader.warn(&format!("{id} is left out: {reason}."));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let fresh = match self.naming.as_stored {
            true => Ok(credential),
            false => self.reader.fresh(id, &definition, credential),
        };
        let mut credential = match fresh {
            Ok(credential) => credential,
            // One login that has ended keeps no other key from its reader.
            Err(error) if !self.is_named => {
                let hint = error
                    .hint()
                    .map_or(String::new(), |hint| format!(" {hint}"));
                let message = format!("{id} is left out: {error}.{hint}");
                self.reader.warn(&message);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.warn_if_unusable(id, &credential);
        let stored = credential.value.fields.keys();
        let renamed = stored.filter(|field| {
            let names = &self.naming.names;
            !is_for_renewal(field) && names.iter().any(|(name, _)| name == *field)
        });
        self.named.extend(renamed.cloned());
        let exported = credential_variables(&definition, &mut credential, self.naming.names);
        for (name, value) in exported {
            self.push(&name, Origin::Connection(id.clone()), value)?;
        }
        Ok(())
    }

    fn warn_if_unusable(&self, id: &ConnectionId, credential: &Credential) {
        let status = credential.status_at(self.now);
        if status != Status::Connected {
            self.reader.warn(&format!(
                "{id} is {}. Replace it: vault login {id} --force",
                status.as_str()
            ));
        } else if credential.value.has_ended(self.now) {
            self.reader.warn(&format!("The token of {id} has ended."));
        }
    }

    fn secret(&mut self, name: &VariableName) -> Result<()> {
        let found = self
            .document
            .secret(name)
            .map_err(|bad| self.store.damaged(bad))?;
        let credential = found.ok_or_else(|| no_secret(name))?;
        for (_, value) in credential.value.fields {
            self.push(name, Origin::Secret(name.clone()), value)?;
        }
        Ok(())
    }

    fn all_secrets(&mut self) -> Result<()> {
        let names: Vec<_> = self.document.secrets().cloned().collect();
        names.iter().try_for_each(|name| self.secret(name))
    }

    fn push(&mut self, name: &VariableName, origin: Origin, value: Secret) -> Result<()> {
        let name = match self.naming.prefix {
            "" => name.clone(),
            prefix => format!("{prefix}{name}").parse().map_err(Error::from)?,
        };
        self.variables.push(Variable {
            name,
            origin,
            value,
        });
        Ok(())
    }
}

/// The variables of one connection, taken out of it.
fn credential_variables(
    definition: &Definition,
    credential: &mut Credential,
    names: &[(FieldName, VariableName)],
) -> Vec<(VariableName, Secret)> {
    let mut exported = Vec::new();
    let fields = &mut credential.value.fields;
    for (field, variable) in names {
        if is_for_renewal(field) {
            continue;
        }
        if let Some(value) = fields.remove(field) {
            exported.push((variable.clone(), value));
        }
    }
    for (field, variable) in &definition.exports {
        if is_for_renewal(field) {
            continue;
        }
        if let Some(value) = fields.remove(field) {
            exported.push((variable.clone(), value));
        }
    }
    // An address of the connection's own goes where the SDK looks for one.
    if let (Some(url), Some(variable)) =
        (&credential.value.base_url, definition.base_url_env.first())
    {
        exported.push((variable.clone(), Secret::from(url.clone())));
    }
    exported
}

/// What only serves to get another token is handed to nobody.
fn is_for_renewal(field: &FieldName) -> bool {
    field.as_str() == "refresh_token"
}
