//! Requests of programs that hold no key: who sends one, which connection it
//! is for, and what is put into it. The one place where a gateway gets
//! anything secret from.
//!
//! Always true here: whoever shows no token gets nothing; what cannot be told
//! is refused; a credential is made ready for a host of its own provider and
//! for no other; a newer generation of the vault is seen by the next request.

mod account;
mod admission;
mod book;
mod choose;
mod client;
mod hidden;
mod judge;
mod meant;
mod minted;
mod oversight;
mod pass;
pub mod path;
mod recent;
mod refusal;
mod rehearsal;
mod renewal;
mod way;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use aho_corasick::AhoCorasick;
use hyper::header::HeaderName;
use jiff::Timestamp;

use self::renewal::Renewals;
use crate::broker::allowance::Moment;
use crate::credential::agent::digest_of;
use crate::error::Result as Checked;
use crate::name::{ConnectionName, ProviderName};
use crate::net;
use crate::provider::{Catalog, Definition, HostName};
use crate::seal::VaultKey;
use crate::secret::Secret;
use crate::usage::meter::Shape;
use crate::vault::{Opened, Store};

pub use self::account::Account;
pub use self::book::{Book, Entry, Selection};
pub use self::choose::Wanted;
pub use self::client::{Client, Placeholder, RunTokens};
pub use self::judge::{Content, NoContent, Unreadable, unreadable_body};
pub use self::oversight::Oversight;
pub use self::pass::{Pass, PathStart, Signing};
pub use self::refusal::Refusal;
pub use self::rehearsal::{Outlook, Trial};
pub use self::way::Way;

/// So often, in microseconds, the vault's file is looked at again.
const LOOK_AGAIN: u64 = 2_000;

/// Where everything comes from.
pub struct Source {
    /// The vault.
    pub store: Store,
    /// What opens it.
    pub key: VaultKey,
    /// The definitions.
    pub catalog: Catalog,
    /// Which connections there are.
    pub selection: Selection,
    /// Who asks for new tokens.
    pub client: net::Client,
    /// The time.
    pub clock: fn() -> Timestamp,
}

/// What answers a gateway's questions.
pub struct Traffic {
    source: Arc<Source>,
    oversight: Arc<Oversight>,
    tokens: RunTokens,
    /// Finds placeholders; none where there are none.
    misplaced: Option<AhoCorasick>,
    current: Mutex<Current>,
    began: Instant,
    looked_at: AtomicU64,
    renewals: Renewals,
    known: OnceLock<Vec<Definition>>,
}

/// What was read last.
struct Current {
    stamp: Option<Stamp>,
    book: Arc<Book>,
    trouble: Option<Refusal>,
}

/// What tells one state of a file from another: a commit renames a new file
/// into the old one's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    number: u64,
    changed: (i64, i64),
    length: u64,
}

/// A request as far as its connection depends on it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Whether it goes over TLS.
    pub is_tls: bool,
    /// Where it goes.
    pub host: &'a HostName,
    /// At which port.
    pub port: u16,
    /// Its method.
    pub method: &'a str,
    /// Its path, checked, with or without its query.
    pub path: &'a str,
    /// Whether its path has a `%2F`, which few providers mean anything by.
    pub has_encoded_slash: bool,
    /// The path as policy sees it: decoded, without its query and without
    /// anything secret. `None` where it cannot be seen.
    pub seen: Option<&'a str>,
    /// What let its client in; it may stand where a key would, and is shown
    /// to nobody.
    pub token: &'a str,
    /// The connection that its client named.
    pub wanted: Option<&'a Wanted>,
    /// The provider that its client named, where it said no host.
    pub provider: Option<&'a ProviderName>,
}

/// A request that may go on.
pub struct Grant {
    /// What is put into it.
    pub pass: Arc<Pass>,
    /// Where it is told what became of it.
    pub account: Account,
    /// Whether its provider is to be asked what it used, where it would not
    /// say so by itself.
    pub asks_for_usage: bool,
}

impl Traffic {
    /// What answers, with the vault as it was just read.
    pub fn new(source: Source, oversight: Oversight, tokens: RunTokens, book: Book) -> Self {
        let texts = tokens.placeholders.iter().map(|known| known.text.reveal());
        let misplaced = (!tokens.placeholders.is_empty())
            .then(|| AhoCorasick::new(texts).ok())
            .flatten();
        let stamp = Stamp::of(&source.store);
        Self {
            source: Arc::new(source),
            oversight: Arc::new(oversight),
            tokens,
            misplaced,
            current: Mutex::new(Current {
                stamp,
                book: Arc::new(book),
                trouble: None,
            }),
            began: Instant::now(),
            looked_at: AtomicU64::new(0),
            renewals: Renewals::default(),
            known: OnceLock::new(),
        }
    }

    /// The connections as they are now.
    ///
    /// # Errors
    /// The vault cannot be opened any more.
    pub fn book(&self) -> Result<Arc<Book>, Refusal> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // So that the very first question looks.
        let elapsed = self.began.elapsed().as_micros();
        let now = u64::try_from(elapsed)
            .unwrap_or(u64::MAX)
            .saturating_add(LOOK_AGAIN);
        if now.saturating_sub(self.looked_at.load(Ordering::Relaxed)) >= LOOK_AGAIN {
            self.looked_at.store(now, Ordering::Relaxed);
            let stamp = Stamp::of(&self.source.store);
            if stamp != current.stamp || current.trouble.is_some() {
                current.stamp = stamp;
                match self.read() {
                    Ok(book) => {
                        current.book = Arc::new(book);
                        current.trouble = None;
                    }
                    Err(error) => current.trouble = Some(Refusal::locked(&error)),
                }
            }
        }
        match &current.trouble {
            None => Ok(Arc::clone(&current.book)),
            Some(refusal) => Err(refusal.clone()),
        }
    }

    /// The vault's file was changed just now.
    fn look_again(&self) {
        self.looked_at.store(0, Ordering::Relaxed);
    }

    fn read(&self) -> Checked<Book> {
        let source = &self.source;
        let opened = source.store.open(source.key.clone())?;
        Book::read(
            &opened.document,
            &source.store,
            &source.catalog,
            &source.selection,
        )
    }

    /// Whoever shows this token.
    ///
    /// # Errors
    /// Nobody does, or not any more; or the vault cannot be asked.
    pub fn admit(&self, token: &Secret) -> Result<Option<Client>, Refusal> {
        if let Some(own) = &self.tokens.token
            && own.matches(token)
        {
            return Ok(Some(Client::Run));
        }
        let placeholders = &self.tokens.placeholders;
        if let Some(known) = placeholders.iter().find(|known| known.text.matches(token)) {
            return Ok(Some(Client::Placeholder(known.providers.as_slice().into())));
        }
        let book = self.book()?;
        let found = book.agents.get(&digest_of(token));
        let now = (self.source.clock)();
        let living = found.filter(|agent| !agent.has_ended(now));
        Ok(living.map(|agent| Client::Agent(Arc::clone(agent))))
    }

    /// Whether any connection speaks to this host: then what goes there is
    /// ours to look into.
    ///
    /// # Errors
    /// The vault cannot be opened any more.
    pub fn speaks_to(&self, is_tls: bool, host: &HostName, port: u16) -> Result<bool, Refusal> {
        Ok(self.book()?.speaks_to(is_tls, host, port))
    }

    /// What is put into a request, with a token that is good for a while;
    /// `None` where no connection fits this path. Policy, limits and budgets
    /// come first.
    ///
    /// # Errors
    /// It goes no further.
    pub async fn authorize(
        &self,
        book: Arc<Book>,
        client: &Client,
        asked: &Asked<'_>,
        content: &mut impl Content,
    ) -> Result<Option<Grant>, Refusal> {
        let Some(entry) = self.entry(&book, client, asked)? else {
            return Ok(None);
        };
        if asked.has_encoded_slash && !entry.definition.encoded_slashes {
            return Err(path::BadPath::EncodedSlash.into());
        }
        let shown = entry.shown_path(asked.host, asked.path)?;
        let shown = shown.as_deref().or(asked.seen);
        let shown = shown.map(|path| self.without_token(path, asked.token));
        let asked = &Asked {
            seen: shown.as_deref(),
            ..*asked
        };
        let judged = self.judged(client, Some(&entry.id), asked, content).await?;
        let entry = match judged.has_waited {
            true => self.same_entry(&entry, client, asked)?,
            false => entry,
        };
        let policy = judged.policy;
        let now = (self.source.clock)();
        let began = Instant::now();
        let moment = Moment {
            wall: now,
            steady: began,
        };
        let ticket = self.admit_one(&policy, client, &entry.id, moment)?;
        let pass = if entry.is_due(now) {
            Box::pin(self.renew_ahead(&entry, now)).await?;
            let renewed = self.same_entry(&entry, client, asked)?;
            renewed.pass(asked.host, now)?
        } else {
            entry.pass(asked.host, now)?
        };
        let account = Account::open(account::Open {
            oversight: Arc::clone(&self.oversight),
            at: now,
            began,
            agent: entry.agents.of(client.name()),
            connection: Arc::clone(&entry.id),
            shape: entry.shape,
            method: entry.methods.of(asked.method),
            endpoint: entry
                .endpoints
                .of(hidden::cut(asked.seen.unwrap_or_default())),
            status: 0,
            ticket,
        });
        let asks_for_usage = policy.asks_for_usage() && entry.shape == Some(Shape::OpenAi);
        Ok(Some(Grant {
            pass,
            account,
            asks_for_usage,
        }))
    }

    /// Lets a request through that no connection is for, or says why not.
    ///
    /// # Errors
    /// Policy has something against it.
    pub async fn permit(
        &self,
        client: &Client,
        asked: &Asked<'_>,
        content: &mut impl Content,
    ) -> Result<(), Refusal> {
        let shown = asked.seen.map(|path| self.without_token(path, asked.token));
        let asked = &Asked {
            seen: shown.as_deref(),
            ..*asked
        };
        let judged = self.judged(client, None, asked, content).await?;
        if judged.has_waited {
            self.still_coming_by(client, asked, &*self.book()?)?;
        }
        Ok(())
    }

    /// What is put into the same request after the provider refused `seen`.
    ///
    /// # Errors
    /// There are no new tokens.
    pub async fn authorize_again(
        &self,
        client: &Client,
        asked: &Asked<'_>,
        seen: &Pass,
    ) -> Result<Arc<Pass>, Refusal> {
        let gone = || Refusal::gone(&seen.id);
        let book = self.book()?;
        let entry = self.entry(&book, client, asked)?.ok_or_else(gone)?;
        // Another connection was not permitted.
        let same = |entry: Arc<Entry>| match entry.id == seen.id {
            true => Ok(entry),
            false => Err(Refusal::gone(&seen.id)),
        };
        let entry = same(entry)?;
        let now = (self.source.clock)();
        let current = entry.pass(asked.host, now)?;
        // Somebody else's renewal came first.
        if current.headers != seen.headers {
            return Ok(current);
        }
        self.renew_refused(&entry).await?;
        let book = self.book()?;
        let entry = self.entry(&book, client, asked)?.ok_or_else(gone)?;
        same(entry)?.pass(asked.host, now)
    }

    /// Where requests go that name a provider and no host: `is_tls`, host and
    /// port of the base address of the connection that is meant.
    ///
    /// # Errors
    /// There is no such provider or connection, or it has no one address.
    pub fn origin(
        &self,
        client: &Client,
        provider: &ProviderName,
        wanted: Option<&Wanted>,
    ) -> Result<net::Address, Refusal> {
        let book = self.book()?;
        let entry = self.meant(&book, client, provider, wanted)?;
        way::address_of(&entry)
    }

    /// The headers and query parameters in which a provider takes keys.
    pub fn key_places(&self, provider: &ProviderName) -> (Vec<HeaderName>, Vec<String>) {
        let book = self.book();
        let first = book.ok().and_then(|book| {
            let entry = book.of_provider(provider).next()?;
            Some(pass::stripped(&entry.definition))
        });
        first.unwrap_or_default()
    }

    /// Whether a provider has a connection of this name that there is.
    pub fn has_connection(&self, provider: &ProviderName, name: &ConnectionName) -> bool {
        self.book().is_ok_and(|book| {
            book.of_provider(provider)
                .any(|entry| entry.id.connection == *name)
        })
    }

    /// What a client that goes where no connection fits is told where that is
    /// not allowed: its provider may be known and only not connected.
    pub fn denied(&self, client: &Client, host: &HostName, port: u16) -> Refusal {
        let known = self.known.get_or_init(|| {
            let all = self.source.catalog.all().unwrap_or_default();
            all.into_iter()
                .filter_map(|entry| entry.definition.ok())
                .collect()
        });
        match known
            .iter()
            .find(|definition| definition.host_for(host, port, "/").is_some())
        {
            // What is connected is nobody's business who may not use it.
            Some(definition) if !client.may_ask(&definition.name) => {
                choose::no_grant(client, &definition.name)
            }
            Some(definition) => Refusal::not_configured(definition),
            None => Refusal::new(
                403,
                "host_denied",
                format!("{host}:{port} is no host of a connection, and all others are denied"),
            )
            .with_hint(format!(
                "Allow it: vault serve --allow {host}, or vault run --allow {host}"
            )),
        }
    }

    /// The vault as it is now, for whoever has to change it.
    ///
    /// # Errors
    /// It cannot be opened any more.
    pub fn reopened(&self, store: Store) -> Checked<(Store, Opened)> {
        let opened = store.open(self.source.key.clone())?;
        Ok((store, opened))
    }

    /// Answers everything that waits for a person: the gateway stops.
    pub fn stop_holding(&self) {
        self.oversight.approvals.stop();
    }

    /// Writes down what is still to be written down.
    pub fn close(&self) {
        self.oversight.approvals.stop();
        self.oversight.recorder.stop();
    }

    /// Looks after files that may have changed, where nobody asks for them or
    /// somebody says that they did.
    pub fn look(&self) {
        self.oversight.policy.look_now();
        self.oversight.routes.look_now();
        self.oversight.prices.look_now();
        self.look_again();
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.source.clock)()
    }
}

impl Stamp {
    fn of(store: &Store) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let found = std::fs::metadata(store.path()).ok()?;
        Some(Self {
            device: found.dev(),
            number: found.ino(),
            changed: (found.mtime(), found.mtime_nsec()),
            length: found.len(),
        })
    }
}
