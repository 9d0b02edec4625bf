//! Upstream connections that are open and not in use, for the next request to
//! the same place; and the HTTP/2 ones, which carry many at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::body::Outgoing;
use super::h1::H1;
use super::target::Authority;
use super::tunnel::{REACHING, address, answer_to};
use crate::broker::traffic::Refusal;
use crate::net::{Alpn, Dialer, Reach};

/// So long a connection waits for its next use; less than what servers and
/// the boxes in between usually allow.
const IDLE: Duration = Duration::from_secs(55);
/// So many wait for one place.
const MOST: usize = 256;

/// So much of one stream's answer may wait for its client, and of all that
/// share a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;

/// A place, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) authority: Authority,
    pub(super) is_tls: bool,
    pub(super) wants_http2: bool,
    pub(super) reach: Reach,
}

/// The connections of one thread.
#[derive(Default)]
pub(super) struct Pool {
    #[expect(clippy::vec_box, reason = "they change hands with every request")]
    idle: Mutex<HashMap<Arc<Place>, Vec<Box<H1>>>>,
    shared: Mutex<HashMap<Place, http2::SendRequest<Outgoing>>>,
}

/// A connection that a request has.
pub(super) enum Channel {
    /// To itself; it was used before, or not.
    Http1(Box<H1>, bool),
    /// With others.
    Http2(http2::SendRequest<Outgoing>, bool),
}

/// A connection that goes back when its answer is through.
pub(super) struct Lease {
    pub(super) h1: Box<H1>,
    pool: Arc<Pool>,
    place: Arc<Place>,
    /// Whoever has it is somebody to the other side from now on.
    is_personal: bool,
}

impl Pool {
    /// A connection to a place: one that waits, or a new one.
    pub(super) async fn channel(
        self: &Arc<Self>,
        place: &Place,
        dialer: &Dialer,
        is_fresh: bool,
    ) -> Result<Channel, Refusal> {
        if !is_fresh {
            if place.wants_http2
                && let Some(sender) = self.http2(place)
            {
                return Ok(Channel::Http2(sender, true));
            }
            if let Some(h1) = self.waiting(place) {
                return Ok(Channel::Http1(h1, true));
            }
        }
        let dialing = self.dial(place, dialer);
        let dialed = tokio::time::timeout(REACHING, dialing).await;
        dialed.unwrap_or_else(|_| {
            let host = &place.authority.host;
            Err(Refusal::unreachable(format!("{host} did not answer")))
        })
    }

    async fn dial(&self, place: &Place, dialer: &Dialer) -> Result<Channel, Refusal> {
        let address = address(&place.authority, place.is_tls);
        let alpn = match place.wants_http2 {
            true => Alpn::Http2,
            false => Alpn::Http1,
        };
        let dialed = dialer.open(&address, alpn, place.reach).await;
        let dialed = dialed.map_err(|error| answer_to(&error))?;
        let failed = |error: hyper::Error| Refusal::unreachable(words(&place.authority, &error));
        if !dialed.is_http2 {
            let h1 = H1::begin(dialed.stream).await.map_err(failed)?;
            return Ok(Channel::Http1(Box::new(h1), false));
        }
        let io = TokioIo::new(dialed.stream);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        // Not adaptive: that begins with room for one stream that nobody reads,
        // which then holds up all others; and h2 ends a connection on which
        // more small frames wait than fit half of its window.
        builder
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let (sender, connection) = builder.handshake(io).await.map_err(failed)?;
        tokio::spawn(connection);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.insert(place.clone(), sender.clone());
        Ok(Channel::Http2(sender, false))
    }

    fn http2(&self, place: &Place) -> Option<http2::SendRequest<Outgoing>> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = shared.get(place)?;
        if sender.is_closed() {
            shared.remove(place);
            return None;
        }
        Some(sender.clone())
    }

    fn waiting(&self, place: &Place) -> Option<Box<H1>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle.get_mut(place)?;
        let mut cx = Context::from_waker(Waker::noop());
        // The one that was used last is the one most surely open.
        while let Some(mut h1) = waiting.pop() {
            if h1.since().elapsed() < IDLE && h1.is_usable(&mut cx) {
                return Some(h1);
            }
        }
        None
    }

    fn put_back(&self, place: Arc<Place>, mut h1: Box<H1>) {
        let mut cx = Context::from_waker(Waker::noop());
        if !h1.is_usable(&mut cx) {
            return;
        }
        h1.touch();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle.entry(place).or_default();
        if waiting.len() < MOST {
            waiting.push(h1);
        }
    }

    /// Lets go of what waited too long or was hung up on.
    pub(super) fn sweep(&self) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, waiting| {
            waiting.retain_mut(|h1| h1.since().elapsed() < IDLE && h1.is_usable(&mut cx));
            !waiting.is_empty()
        });
        drop(idle);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, sender| !sender.is_closed());
    }
}

/// Why a request was not answered.
pub(super) struct Unanswered {
    /// The request as it was, where nothing of it was sent.
    pub(super) request: Option<Request<Outgoing>>,
    /// Whether the connection had been used before: then the other side may
    /// have hung up on it just as we began.
    pub(super) was_used: bool,
    /// In words.
    pub(super) refusal: Refusal,
}

impl Channel {
    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        self,
        request: Request<Outgoing>,
        pool: &Arc<Pool>,
        place: &Arc<Place>,
    ) -> Result<(Response<Incoming>, Option<Lease>), Unanswered> {
        let authority = &place.authority;
        match self {
            Self::Http1(mut h1, was_used) => {
                let asks = is_personal(request.headers());
                match h1.send(request).await {
                    Ok(response) => {
                        let lease = Lease {
                            h1,
                            is_personal: asks || is_personal(response.headers()),
                            pool: Arc::clone(pool),
                            place: Arc::clone(place),
                        };
                        Ok((response, Some(lease)))
                    }
                    Err(mut error) => Err(Unanswered {
                        request: error.take_message(),
                        was_used,
                        refusal: Refusal::unreachable(words(authority, error.error())),
                    }),
                }
            }
            Self::Http2(mut sender, was_used) => {
                let unanswered = |error: &hyper::Error, request| Unanswered {
                    request,
                    was_used,
                    refusal: Refusal::unreachable(words(authority, error)),
                };
                if let Err(error) = sender.ready().await {
                    return Err(unanswered(&error, Some(request)));
                }
                match sender.try_send_request(request).await {
                    Ok(response) => Ok((response, None)),
                    Err(mut error) => {
                        let request = error.take_message();
                        Err(unanswered(error.error(), request))
                    }
                }
            }
        }
    }
}

impl Lease {
    /// Gives the connection back for others, unless it is one client's own.
    pub(super) fn release(self) {
        if self.is_personal {
            return;
        }
        self.pool.put_back(self.place, self.h1);
    }
}

/// Whether a head has to do with NTLM or Negotiate (RFC 4559): they are about
/// the connection, and not about the request.
fn is_personal(headers: &HeaderMap) -> bool {
    let values = headers.get_all(AUTHORIZATION).iter();
    values
        .chain(headers.get_all(WWW_AUTHENTICATE))
        .any(|value| {
            let value = value.as_bytes().trim_ascii_start();
            [&b"ntlm"[..], b"negotiate"].iter().any(|scheme| {
                let start = value.get(..scheme.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            })
        })
}

/// What went wrong with an upstream, without anything of the request.
fn words(authority: &Authority, error: &hyper::Error) -> String {
    let host = &authority.host;
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        format!("{host} hung up")
    } else if error.is_parse() {
        format!("{host} did not answer in HTTP")
    } else {
        format!("The connection to {host} broke")
    }
}
