//! Which connections there are for a gateway, and which hosts each speaks to:
//! one generation of the vault, read once and never changed. A newer
//! generation is a new book.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::minted::{self, Minted};
use super::pass::{self, Pass};
use super::recent::Recent;
use super::refusal::Refusal;
use crate::broker::renew;
use crate::broker::select::{self, Unnamed};
use crate::credential::agent::Agent;
use crate::credential::{Credential, Status};
use crate::error::{Error, Result};
use crate::name::{ConnectionId, ConnectionName, ConnectionRef, ProviderName};
use crate::provider::{Catalog, Definition, Host, HostName, Injection};
use crate::secret::Secret;
use crate::usage::meter::Shape;
use crate::vault::{Document, Store};

/// What of a vault goes into a book.
#[derive(Debug, Clone, Default)]
pub enum Selection {
    /// Every connection.
    #[default]
    Everything,
    /// These; a provider's whole name means the connection that it means
    /// everywhere else.
    Only(Vec<ConnectionRef>),
}

/// The connections of one generation.
#[derive(Default)]
pub struct Book {
    pub(super) entries: Vec<Arc<Entry>>,
    /// Which entries speak to this very host: the entry's place and its
    /// definition's.
    exact: HashMap<HostName, Vec<(usize, usize)>>,
    /// Which speak to hosts of a pattern.
    patterns: Vec<(usize, usize)>,
    defaults: BTreeMap<ProviderName, DefaultOf>,
    /// The agents by the digests of their tokens.
    pub(super) agents: HashMap<String, Arc<Agent>>,
    troubles: Vec<String>,
}

/// One connection, ready to be used.
pub struct Entry {
    /// Its name.
    pub id: Arc<ConnectionId>,
    /// Its provider, at the connection's own address.
    pub definition: Definition,
    /// What is stored.
    pub credential: Credential,
    /// How its provider tells what was used.
    pub(super) shape: Option<Shape>,
    /// What its last request was called in the books.
    pub(super) agents: Recent,
    pub(super) methods: Recent,
    pub(super) endpoints: Recent,
    /// What it adds to requests, for each host that it was asked for.
    passes: Mutex<HashMap<HostName, Arc<Pass>>>,
    /// The token that its key got, where it is not sent itself.
    minted: Mutex<Option<Arc<Minted>>>,
}

/// Which connection a provider means where none is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DefaultOf {
    One(ConnectionName),
    LoggedOut,
    Several,
}

/// How well an entry fits a request: an exact host before a pattern, then the
/// longer path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit {
    is_exact: bool,
    path: usize,
}

impl Book {
    /// Reads the connections of a document.
    ///
    /// # Errors
    /// One that was named is not there, or cannot be read.
    pub fn read(
        document: &Document,
        store: &Store,
        catalog: &Catalog,
        selection: &Selection,
    ) -> Result<Self> {
        let mut book = Self::default();
        let ids: Vec<ConnectionId> = match selection {
            Selection::Everything => document.connections().collect(),
            Selection::Only(named) => {
                let mut ids = Vec::new();
                for reference in named {
                    if document.connections_of(&reference.provider).is_empty() {
                        // A typo is told as one.
                        catalog.find(&reference.provider)?;
                    }
                    let id = select::existing(document, reference)?;
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                ids
            }
        };
        for id in ids {
            let found = document.connection(&id);
            let Some(credential) = found.map_err(|bad| store.damaged(bad))? else {
                continue;
            };
            match resolved(catalog, &id, &credential) {
                Ok(definition) => book.add(id, definition, credential),
                // It blocks its own provider alone.
                Err(error) => {
                    let reason = error.to_string();
                    let reason = reason.trim_end_matches('.');
                    book.troubles.push(format!("{id} is left out: {reason}."));
                }
            }
        }
        book.choose_defaults(document, selection);
        let agents = document.agents().map_err(|bad| store.damaged(bad))?;
        book.agents = agents
            .into_iter()
            .map(|agent| (agent.digest.clone(), Arc::new(agent)))
            .collect();
        Ok(book)
    }

    fn add(&mut self, id: ConnectionId, definition: Definition, credential: Credential) {
        let place = self.entries.len();
        for (position, host) in definition.hosts.iter().enumerate() {
            // A host under a suffix where anyone can have one is not the
            // provider's; the connection's own was made an entry by itself.
            if host.injection != Injection::Allowed {
                continue;
            }
            match host.exact() {
                Some(name) => {
                    let known = self.exact.entry(name.clone()).or_default();
                    known.push((place, position));
                }
                None => self.patterns.push((place, position)),
            }
        }
        let shape = definition.usage.as_deref();
        self.entries.push(Arc::new(Entry {
            id: Arc::new(id),
            shape: shape.and_then(|shape| shape.parse().ok()),
            definition,
            credential,
            agents: Recent::default(),
            methods: Recent::default(),
            endpoints: Recent::default(),
            passes: Mutex::default(),
            minted: Mutex::default(),
        }));
    }

    fn choose_defaults(&mut self, document: &Document, selection: &Selection) {
        for entry in &self.entries {
            let provider = &entry.id.provider;
            let own: Vec<_> = self
                .entries
                .iter()
                .filter(|other| other.id.provider == *provider)
                .collect();
            let chosen = match selection {
                Selection::Only(_) if own.len() == 1 => DefaultOf::One(entry.id.connection.clone()),
                _ => match select::unnamed(document, provider) {
                    Unnamed::One(name) => DefaultOf::One(name.clone()),
                    Unnamed::LoggedOut => DefaultOf::LoggedOut,
                    Unnamed::Several => DefaultOf::Several,
                },
            };
            self.defaults.insert(provider.clone(), chosen);
        }
    }

    pub(super) fn default_of(&self, provider: &ProviderName) -> &DefaultOf {
        self.defaults.get(provider).unwrap_or(&DefaultOf::Several)
    }

    /// The connections of a provider.
    pub(super) fn of_provider<'b>(
        &'b self,
        provider: &'b ProviderName,
    ) -> impl Iterator<Item = &'b Arc<Entry>> {
        self.entries
            .iter()
            .filter(move |entry| entry.id.provider == *provider)
    }

    /// Whether any connection speaks to this host, whatever the path.
    pub fn speaks_to(&self, is_tls: bool, host: &HostName, port: u16) -> bool {
        self.places(host)
            .any(|(entry, known)| entry.serves(known, is_tls, host, port))
    }

    /// The connections that fit best.
    pub(super) fn best<'b>(
        &'b self,
        is_tls: bool,
        host: &'b HostName,
        port: u16,
        path: &str,
    ) -> Vec<&'b Arc<Entry>> {
        let mut best: Vec<&Arc<Entry>> = Vec::new();
        let mut highest = None;
        for (entry, known) in self.places(host) {
            if !entry.serves(known, is_tls, host, port) || !known.covers(path) {
                continue;
            }
            let fit = Fit {
                is_exact: known.exact().is_some(),
                path: known.path.as_ref().map_or(0, String::len),
            };
            if highest < Some(fit) {
                highest = Some(fit);
                best.clear();
            }
            if highest == Some(fit) && !best.iter().any(|other| other.id == entry.id) {
                best.push(entry);
            }
        }
        best
    }

    fn places<'b>(
        &'b self,
        host: &'b HostName,
    ) -> impl Iterator<Item = (&'b Arc<Entry>, &'b Host)> {
        let exact = self.exact.get(host).into_iter().flatten();
        let matching = self.patterns.iter().filter(|(entry, position)| {
            self.entries[*entry].definition.hosts[*position].matches(host)
        });
        exact.chain(matching).map(|(entry, position)| {
            let entry = &self.entries[*entry];
            (entry, &entry.definition.hosts[*position])
        })
    }

    /// Hosts that connections speak to and that have a name, so many at most.
    pub fn exact_hosts(&self, most: usize) -> Vec<HostName> {
        self.exact.keys().take(most).cloned().collect()
    }

    /// The names of all connections.
    pub fn ids(&self) -> impl Iterator<Item = &ConnectionId> {
        self.entries.iter().map(|entry| &*entry.id)
    }

    /// The definitions of all connections.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.entries.iter().map(|entry| &entry.definition)
    }

    /// What could not be taken in, in sentences.
    pub fn troubles(&self) -> &[String] {
        &self.troubles
    }

    /// Of each provider the connection that is meant where none is named, or
    /// its first.
    pub fn usual(&self) -> Vec<&Entry> {
        let mut usual: Vec<&Entry> = Vec::new();
        for entry in &self.entries {
            let provider = &entry.id.provider;
            let is_default =
                *self.default_of(provider) == DefaultOf::One(entry.id.connection.clone());
            match usual
                .iter_mut()
                .find(|known| known.id.provider == *provider)
            {
                None => usual.push(entry),
                Some(known) if is_default => *known = entry,
                Some(_) => {}
            }
        }
        usual
    }
}

impl Entry {
    fn serves(&self, known: &Host, is_tls: bool, host: &HostName, port: u16) -> bool {
        self.definition.ports_of(known).contains(&port)
            && (is_tls || self.definition.allows_plain_http(known, host))
    }

    /// A path as policy sees it, without the secret that may stand in it:
    /// where the key's place is, there is the word `KEY`.
    /// `None` where a key has no place in paths.
    pub(super) fn shown_path(
        &self,
        host: &HostName,
        target: &str,
    ) -> std::result::Result<Option<String>, Refusal> {
        pass::path_without_key(&self.definition, host, target)
    }

    /// What it adds to requests to this host.
    pub(super) fn pass(
        &self,
        host: &HostName,
        now: Timestamp,
    ) -> std::result::Result<Arc<Pass>, Refusal> {
        self.check(now)?;
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pass) = passes.get(host) {
            return Ok(Arc::clone(pass));
        }
        let minted = self.minted();
        let token = minted.as_ref().map(|minted| &minted.token);
        let pass = Arc::new(Pass::new(self, token, host)?);
        // Hosts of a pattern are many; nobody needs them all at hand.
        if passes.len() >= 256 {
            passes.clear();
        }
        passes.insert(host.clone(), Arc::clone(&pass));
        Ok(pass)
    }

    /// Whether it may be used at all.
    fn check(&self, now: Timestamp) -> std::result::Result<(), Refusal> {
        let what = match self.credential.status_at(now) {
            // A provider may have refused it for a reason that is gone.
            Status::Connected | Status::Invalid => return Ok(()),
            Status::Revoked => "was revoked",
            Status::Expired => "has expired",
        };
        let id = &self.id;
        Err(Refusal::new(424, "login_ended", format!("{id} {what}"))
            .with_hint(format!("vault login {id} --force")))
    }

    fn minted(&self) -> Option<Arc<Minted>> {
        let minted = self.minted.lock();
        minted.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a token that was just asked for.
    pub(super) fn take(&self, minted: Minted) {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        passes.clear();
        *self.minted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(minted));
    }

    /// The key that gets its tokens, where it is not sent itself.
    pub(super) fn minting_key(&self) -> Option<&Secret> {
        minted::key_of(self)
    }

    /// Whether its token wants to be renewed before it is used.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        if self.minting_key().is_some() {
            return self.minted().is_none_or(|minted| minted.is_due(now));
        }
        renew::wants_renewal(&self.credential, &self.definition, now)
    }
}

/// The definition of a connection, at its own address.
fn resolved(catalog: &Catalog, id: &ConnectionId, credential: &Credential) -> Result<Definition> {
    let definition = catalog.find(&id.provider)?.definition;
    match &credential.value.base_url {
        None => Ok(definition),
        Some(url) => definition.at(url).map_err(|bad| {
            Error::new(
                crate::error::Kind::InvalidInput,
                format!("its address {bad}"),
            )
        }),
    }
}
