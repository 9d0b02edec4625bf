//! What would become of a request, without sending it: the same reading, the
//! same choice and the same decision as for one that came.

use std::sync::Arc;

use hyper::body::Bytes;
use jiff::Timestamp;

use super::book::Book;
use super::choose::{self, Wanted};
use super::client::Client;
use super::judge::{Content, Unreadable, decide};
use super::path::{BadPath, Reading};
use super::refusal::Refusal;
use crate::credential::agent::Agent;
use crate::name::{AgentName, ConnectionId, ConnectionName};
use crate::net::Address;
use crate::policy::{Action, Body, Decision, Facts, JsonBody, Policy, Verdict};
use crate::provider::Catalog;
use crate::secret::Secret;

/// A request that is only thought of.
pub struct Trial<'a> {
    /// Who would send it; `run` is the program of `vault run`.
    pub agent: &'a AgentName,
    /// Its method.
    pub method: &'a str,
    /// Where it would go.
    pub address: &'a Address,
    /// Its path and query; those of the address are not looked at.
    pub target: &'a str,
    /// The connection that it would name.
    pub wanted: Option<&'a Wanted>,
    /// Its body.
    pub body: Option<Bytes>,
}

/// What would become of it.
#[derive(Debug)]
pub struct Outlook {
    /// What the rules say.
    pub decision: Decision,
    /// Whose credential would go with it.
    pub connection: Option<Arc<ConnectionId>>,
    /// There is no such connection yet.
    pub is_assumed: bool,
    /// Only its host would be seen.
    pub is_tunnel: bool,
    /// Why it would be refused whatever the rules say.
    pub refusal: Option<Refusal>,
}

/// What a request is about, as far as rules go.
struct Subject {
    connection: Option<Arc<ConnectionId>>,
    is_assumed: bool,
    is_tunnel: bool,
}

impl Trial<'_> {
    /// Asks the policy.
    ///
    /// # Errors
    /// Its body cannot be read although it would have to be.
    pub async fn outlook(
        &self,
        policy: &Policy,
        book: &Book,
        catalog: &Catalog,
        now: Timestamp,
    ) -> Result<Outlook, Refusal> {
        let host = &self.address.host;
        let subject = match self.subject(book, catalog, now) {
            Ok(subject) => subject,
            Err(refusal) => return Ok(Outlook::refused(refusal)),
        };
        let shown = match self.shown(&subject, catalog) {
            Ok(shown) => shown,
            Err(refusal) => return Ok(Outlook::refused(refusal)),
        };
        let host = host.to_string();
        let facts = Facts {
            agent: self.agent.as_str(),
            connection: subject.connection.as_deref(),
            host: &host,
            method: if subject.is_tunnel {
                "CONNECT"
            } else {
                self.method
            },
            path: shown.as_deref(),
            body: Body::Unread,
        };
        let seen = self.body.clone().filter(|_| !subject.is_tunnel);
        let mut body = Given(seen.clone());
        let (mut decision, _) = decide(policy, facts, &mut body).await?;
        if let Some(bytes) = &seen
            && let Ok(read) = JsonBody::read(bytes)
            && let Verdict::Decided(all) = policy.decide(&Facts {
                body: Body::Json(&read),
                ..facts
            })
        {
            // All that have something to say, also where it changes nothing.
            decision.rules = all.rules;
        }
        Ok(Outlook {
            decision,
            connection: subject.connection,
            is_assumed: subject.is_assumed,
            is_tunnel: subject.is_tunnel,
            refusal: None,
        })
    }

    /// The path as rules see it.
    fn shown(&self, subject: &Subject, catalog: &Catalog) -> Result<Option<String>, Refusal> {
        if subject.is_tunnel {
            return Ok(None);
        }
        let reading = Reading::of(self.target)?;
        let id = subject.connection.as_deref();
        if let Some(found) = id.and_then(|id| catalog.find(&id.provider).ok()) {
            let definition = &found.definition;
            if reading.has_slash && !definition.encoded_slashes {
                return Err(BadPath::EncodedSlash.into());
            }
            let host = &self.address.host;
            if let Some(cut) = super::pass::path_without_key(definition, host, self.target)? {
                return Ok(Some(cut));
            }
        }
        Ok(Some(reading.path.into_owned()))
    }

    fn subject(&self, book: &Book, catalog: &Catalog, now: Timestamp) -> Result<Subject, Refusal> {
        let Address {
            is_tls, host, port, ..
        } = self.address;
        let path = self.target;
        let client = self.client(book, now);
        let fitting = book.best(*is_tls, host, *port, path);
        if !fitting.is_empty() {
            let entry = choose::choose(book, &client, &fitting, self.wanted)?;
            return Ok(Subject {
                connection: Some(Arc::clone(&entry.id)),
                is_assumed: false,
                is_tunnel: false,
            });
        }
        if book.speaks_to(*is_tls, host, *port) {
            return Ok(Subject {
                connection: None,
                is_assumed: false,
                is_tunnel: false,
            });
        }
        // Where nothing is connected yet, a policy can still be tried out.
        let all = match book.entries.is_empty() {
            true => catalog.all().unwrap_or_default(),
            false => Vec::new(),
        };
        let all = all.into_iter();
        let mut definitions = all.filter_map(|entry| entry.definition.ok());
        let known = definitions.find(|definition| {
            definition
                .host_for(host, *port, path)
                .is_some_and(|known| *is_tls || definition.allows_plain_http(known, host))
        });
        let assumed = known.map(|definition| ConnectionId {
            provider: definition.name,
            connection: match self.wanted {
                Some(Wanted::Named(name)) => name.clone(),
                Some(Wanted::Of(reference)) => reference
                    .connection
                    .clone()
                    .unwrap_or_else(ConnectionName::default_name),
                None => ConnectionName::default_name(),
            },
        });
        Ok(Subject {
            is_assumed: assumed.is_some(),
            is_tunnel: assumed.is_none() && *is_tls,
            connection: assumed.map(Arc::new),
        })
    }

    /// The agent as it is, or one that may use everything.
    fn client(&self, book: &Book, now: Timestamp) -> Client {
        if self.agent.as_str() == Client::RUN {
            return Client::Run;
        }
        let known = book.agents.values().find(|agent| agent.name == *self.agent);
        Client::Agent(known.cloned().unwrap_or_else(|| {
            let nobody = Secret::from(String::new());
            Arc::new(Agent::new(self.agent.clone(), &nobody, now))
        }))
    }
}

impl Outlook {
    fn refused(refusal: Refusal) -> Self {
        Self {
            decision: Decision {
                action: Action::Deny,
                rules: Vec::new(),
                timeout: None,
                is_unreadable: false,
            },
            connection: None,
            is_assumed: false,
            is_tunnel: false,
            refusal: Some(refusal),
        }
    }
}

/// A body that is there already.
struct Given(Option<Bytes>);

impl Content for Given {
    fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn length(&self) -> Option<u64> {
        self.0.as_ref().map(|bytes| bytes.len() as u64)
    }

    async fn read(&mut self) -> Result<Bytes, Unreadable> {
        Ok(self.0.clone().unwrap_or_default())
    }
}
