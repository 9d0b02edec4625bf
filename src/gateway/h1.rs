//! An upstream connection that speaks HTTP/1.1 and has no task of its own:
//! whoever uses it drives it. So a request and its answer pass through one
//! task, and nothing is handed from one to another.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::body::Outgoing;
use crate::net::Stream;

type Driven = Connection<TokioIo<Stream>, Outgoing>;

/// A connection that carries one request at a time.
pub(super) struct H1 {
    sender: SendRequest<Outgoing>,
    connection: Driven,
    is_over: bool,
    /// When it was last used.
    since: Instant,
}

impl H1 {
    pub(super) async fn begin(stream: Stream) -> hyper::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            connection,
            is_over: false,
            since: Instant::now(),
        })
    }

    /// Moves bytes as far as they go at present.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.is_over && Pin::new(&mut self.connection).poll(cx).is_ready() {
            self.is_over = true;
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, Box<TrySendError<Request<Outgoing>>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let (connection, is_over) = (&mut self.connection, &mut self.is_over);
        let answered = poll_fn(|cx| {
            if let Poll::Ready(answered) = answer.as_mut().poll(cx) {
                return Poll::Ready(answered);
            }
            if !*is_over && Pin::new(&mut *connection).poll(cx).is_ready() {
                *is_over = true;
            }
            answer.as_mut().poll(cx)
        });
        answered.await.map_err(Box::new)
    }

    /// Whether another request can be sent over it; also notices that the
    /// other side has hung up.
    pub(super) fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        !self.is_over && self.sender.is_ready()
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn touch(&mut self) {
        self.since = Instant::now();
    }
}
