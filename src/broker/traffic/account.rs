//! The account of one request that went upstream: what it used is told once,
//! whatever becomes of it.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::oversight::Oversight;
use crate::broker::allowance::Ticket;
use crate::name::ConnectionId;
use crate::usage::meter::{Meter, Shape, SocketMeter};
use crate::usage::{Event, Metered};

/// What is known of a request from its permission to its end. Dropped, it is
/// told with what was known by then.
pub struct Account(Option<Box<Open>>);

pub(super) struct Open {
    pub(super) oversight: Arc<Oversight>,
    pub(super) at: Timestamp,
    pub(super) began: Instant,
    pub(super) agent: Arc<str>,
    pub(super) connection: Arc<ConnectionId>,
    pub(super) shape: Option<Shape>,
    pub(super) method: Arc<str>,
    pub(super) endpoint: Arc<str>,
    pub(super) status: u16,
    pub(super) ticket: Ticket,
}

impl Account {
    pub(super) fn open(open: Open) -> Self {
        Self(Some(Box::new(open)))
    }

    /// The head of an answer has come, whoever gave it.
    pub fn answered(&mut self, status: u16) {
        if let Some(open) = &mut self.0 {
            open.status = status;
        }
    }

    /// What reads token counts out of the answer, where it may hold some.
    pub fn meter(&self, content_type: Option<&str>) -> Option<Meter> {
        let open = self.0.as_ref()?;
        // An answer that is only asked for again repeats its counts.
        if &*open.method != "POST" {
            return None;
        }
        Meter::new(
            open.shape?,
            &open.connection.provider,
            content_type,
            open.status,
        )
    }

    /// What reads them out of a WebSocket's bytes.
    pub fn socket_meter(&self) -> Option<SocketMeter> {
        let open = self.0.as_ref()?;
        Some(SocketMeter::new(open.shape?, &open.connection.provider))
    }

    /// Nothing went upstream after all: there is nothing to tell.
    pub fn withdraw(mut self) {
        self.0 = None;
    }

    /// The answer is through.
    pub fn close(mut self, metered: Metered) {
        self.tell(metered);
    }

    fn tell(&mut self, metered: Metered) {
        let Some(open) = self.0.take() else {
            return;
        };
        let oversight = &open.oversight;
        let cost = oversight
            .prices
            .current()
            .cost(&open.connection.provider, &metered);
        if let Some(tokens) = &metered.tokens {
            open.ticket.spend(tokens.total(), Instant::now());
        }
        oversight.recorder.record(Event {
            at: open.at,
            agent: open.agent,
            connection: open.connection,
            method: open.method,
            endpoint: open.endpoint,
            status: open.status,
            took: open.began.elapsed(),
            metered,
            cost,
        });
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.tell(Metered::default());
    }
}
