//! An answer's body, or what a server says over a WebSocket, as the books see
//! it: what it counts is read as it passes, and told when it is through or
//! broken off.

use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use hyper::http::response::Parts;

use crate::broker::traffic::Account;
use crate::credential::redact::Redactor;
use crate::usage::Metered;
use crate::usage::meter::{Meter, SocketMeter};

/// One answer. Dropped before its end, it is told as one that was cut.
///
/// The meter is apart: most answers have none, and each has room for this.
pub(super) struct Measure {
    open: Option<(Account, Option<Box<Meter>>)>,
    /// What must not be written down either.
    redactor: Option<Redactor>,
}

impl Measure {
    /// An answer whose head has come.
    pub(super) fn new(mut account: Account, head: &Parts, redactor: Option<&Redactor>) -> Self {
        account.answered(head.status.as_u16());
        let kind = head.headers.get(CONTENT_TYPE);
        let meter = account.meter(kind.and_then(|kind| kind.to_str().ok()));
        Self {
            redactor: redactor.filter(|_| meter.is_some()).cloned(),
            open: Some((account, meter.map(Box::new))),
        }
    }

    /// Whether its body is looked at.
    pub(super) fn reads(&self) -> bool {
        matches!(self.open, Some((_, Some(_))))
    }

    /// The next bytes of the body, no longer compressed.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Some((_, Some(meter))) = &mut self.open {
            meter.feed(bytes);
        }
    }

    /// The body has come to its end.
    pub(super) fn finish(&mut self) {
        self.close(true);
    }

    fn close(&mut self, is_whole: bool) {
        let Some((account, meter)) = self.open.take() else {
            return;
        };
        account.close(match meter {
            Some(meter) => self.without_secrets(meter.finish(is_whole)),
            None => Metered {
                is_cut: !is_whole,
                ..Metered::default()
            },
        });
    }
}

impl Measure {
    /// A model that has the name of a key is none.
    fn without_secrets(&self, metered: Metered) -> Metered {
        let holds = |model: &String| {
            let redactor = self.redactor.as_ref();
            redactor.is_some_and(|redactor| redactor.text(model.as_bytes()).is_some())
        };
        Metered {
            model: metered.model.filter(|model| !holds(model)),
            ..metered
        }
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        self.close(false);
    }
}

/// What a server says after the protocol has changed. Dropped, it is told,
/// also where the gateway stops in the midst of it.
pub(super) struct SocketMeasure(Option<(Account, Option<SocketMeter>)>);

impl SocketMeasure {
    pub(super) fn new(mut account: Account) -> Self {
        account.answered(StatusCode::SWITCHING_PROTOCOLS.as_u16());
        let meter = account.socket_meter();
        Self(Some((account, meter)))
    }

    /// The next bytes of the server.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Some((_, Some(meter))) = &mut self.0 {
            meter.feed(bytes);
        }
    }
}

impl Drop for SocketMeasure {
    fn drop(&mut self) {
        if let Some((account, meter)) = self.0.take() {
            account.close(meter.map(SocketMeter::finish).unwrap_or_default());
        }
    }
}
