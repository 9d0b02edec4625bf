//! Which connection a request is for, and whether its client is still who it
//! was.

use std::sync::Arc;

use super::book::{Book, Entry};
use super::client::Client;
use super::refusal::Refusal;
use super::{Asked, Traffic, choose};

impl Traffic {
    /// The same client as it is now: an agent may have been taken back while
    /// its connection was open.
    ///
    /// # Errors
    /// It is nobody any more.
    pub(super) fn still(&self, client: &Client, book: &Book) -> Result<Client, Refusal> {
        let Client::Agent(agent) = client else {
            return Ok(client.clone());
        };
        let now = (self.source.clock)();
        let found = book.agents.get(&agent.digest);
        let living = found.filter(|agent| !agent.has_ended(now));
        living
            .map(|agent| Client::Agent(Arc::clone(agent)))
            .ok_or_else(|| {
                Refusal::new(401, "unauthorized", "This token is not valid any more")
                    .with_hint("vault agent list")
            })
    }

    /// The client as it is now, told in the way that it came by.
    pub(super) fn still_coming_by(
        &self,
        client: &Client,
        asked: &Asked<'_>,
        book: &Book,
    ) -> Result<Client, Refusal> {
        self.still(client, book).map_err(|refusal| Refusal {
            // Who names a host came through the proxy.
            status: if asked.provider.is_some() { 401 } else { 407 },
            ..refusal
        })
    }

    /// The connection that was permitted, as it is by now: its client may have
    /// lost it, or all it had, while somebody was waited for.
    pub(super) fn same_entry(
        &self,
        permitted: &Entry,
        client: &Client,
        asked: &Asked<'_>,
    ) -> Result<Arc<Entry>, Refusal> {
        let book = self.book()?;
        let found = self.entry(&book, client, asked)?;
        let entry = found.ok_or_else(|| Refusal::gone(&permitted.id))?;
        if entry.id != permitted.id {
            // Another one is meant by now.
            let both = [Arc::clone(&permitted.id), Arc::clone(&entry.id)];
            return Err(Refusal::ambiguous(&both));
        }
        Ok(entry)
    }

    /// The connection that a request is for.
    pub(super) fn entry(
        &self,
        book: &Book,
        client: &Client,
        asked: &Asked<'_>,
    ) -> Result<Option<Arc<Entry>>, Refusal> {
        let client = self.still_coming_by(client, asked, book)?;
        let mut fitting = book.best(asked.is_tls, asked.host, asked.port, asked.path);
        if let Some(provider) = asked.provider {
            fitting.retain(|entry| entry.id.provider == *provider);
        }
        if fitting.is_empty() {
            return Ok(None);
        }
        choose::choose(book, &client, &fitting, asked.wanted).map(|entry| Some(Arc::clone(entry)))
    }
}
