//! Bodies on their way. Nothing is gathered that need not be: a chunk comes
//! in, is looked through for what must not come back, and goes out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::HeaderMap;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};

use super::decode::{Coding, Decoder};
use super::edit::redact_headers;
use super::measure::Measure;
use super::pool::Lease;
use crate::credential::redact::{Redactor, Stream};

/// A request's body on its way to an upstream.
pub(super) enum Outgoing {
    /// The client's, as it comes.
    Streamed(Incoming),
    /// One that had to be read first.
    Whole(Option<Bytes>),
}

/// An answer's body on its way to a client.
pub(super) enum Body {
    /// What the gateway itself says.
    Whole(Option<Bytes>),
    /// What an upstream says.
    Relayed(Box<Relayed>),
}

/// An upstream's body.
pub(super) struct Relayed {
    source: Incoming,
    /// The connection that it comes over, where nobody else drives it.
    lease: Option<Lease>,
    decoder: Option<Decoder>,
    guard: Option<(Redactor, Stream)>,
    measure: Option<Measure>,
    /// What comes after the body.
    trailers: Option<HeaderMap>,
    broken: Option<Broken>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The source has more.
    Open,
    /// The source has ended; what was held back is still to go.
    Ended,
    /// That has gone; trailers may follow.
    HeldBack,
    /// The source broke off; that is still to be said.
    Broken,
    /// All is through.
    Done,
}

impl Outgoing {
    /// The same once more, where it is all here.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Streamed(incoming) => incoming.is_end_stream().then_some(Self::Whole(None)),
        }
    }
}

impl Body {
    pub(super) fn whole(text: String) -> Self {
        Self::Whole(Some(Bytes::from(text)))
    }

    pub(super) fn relayed(
        source: Incoming,
        lease: Option<Lease>,
        coding: Option<Coding>,
        redactor: Option<&Redactor>,
        measure: Option<Measure>,
    ) -> Self {
        let mut relayed = Relayed {
            source,
            lease,
            decoder: coding.map(Decoder::new),
            guard: redactor.map(|redactor| (redactor.clone(), redactor.stream())),
            measure,
            trailers: None,
            broken: None,
            stage: Stage::Open,
        };
        if relayed.source.is_end_stream() {
            // Said at once: gRPC takes an error whose end comes after its head
            // for a broken one.
            relayed.release();
            relayed.stage = Stage::Done;
            relayed.close();
        }
        Self::Relayed(Box::new(relayed))
    }
}

impl Relayed {
    /// The next piece of the source; the connection is driven while it waits.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.source).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let Some(lease) = &mut self.lease else {
            return Poll::Pending;
        };
        lease.h1.drive(cx);
        Pin::new(&mut self.source).poll_frame(cx)
    }

    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }

    /// All of it has come.
    fn close(&mut self) {
        if let Some(measure) = &mut self.measure {
            measure.finish();
        }
    }

    /// A piece without what must not come back; perhaps nothing yet.
    fn guarded(&mut self, bytes: Bytes) -> Bytes {
        if let Some(measure) = &mut self.measure {
            measure.feed(&bytes);
        }
        match &mut self.guard {
            Some((_, stream)) => stream.feed(bytes),
            None => bytes,
        }
    }

    /// What was held back although nothing came after it.
    fn held_back(&mut self) -> Bytes {
        match &mut self.guard {
            Some((_, stream)) => stream.finish(),
            None => Bytes::new(),
        }
    }

    /// The next piece of the body itself; `None` at its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        loop {
            if let Some(decoder) = &mut self.decoder
                && let Some(bytes) = decoder.pull().map_err(|_| Broken::Coding)?
            {
                let bytes = self.guarded(bytes);
                if bytes.is_empty() {
                    continue;
                }
                return Poll::Ready(Some(Ok(bytes)));
            }
            let frame = match ready!(self.poll_source(cx)) {
                Some(frame) => frame.map_err(Broken::Upstream)?,
                None => return Poll::Ready(None),
            };
            match frame.into_data() {
                Ok(bytes) => {
                    if let Some(decoder) = &mut self.decoder {
                        decoder.push(bytes);
                        continue;
                    }
                    let bytes = self.guarded(bytes);
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Err(frame) => {
                    if let Ok(mut trailers) = frame.into_trailers() {
                        if let Some((redactor, _)) = &self.guard {
                            redact_headers(&mut trailers, redactor);
                        }
                        self.trailers = Some(trailers);
                    }
                }
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            match self.stage {
                Stage::Open => match ready!(self.poll_piece(cx)) {
                    Some(Ok(bytes)) => {
                        if self.decoder.is_none() && self.source.is_end_stream() {
                            // A client may ask for nothing after the last byte.
                            self.release();
                            self.close();
                        }
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                    Some(Err(broken)) => {
                        self.stage = Stage::Broken;
                        self.lease = None;
                        self.broken = Some(broken);
                        // hyper throws away what it has not written yet when
                        // it hears of this. It writes while it waits.
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    None => {
                        self.release();
                        self.stage = Stage::Ended;
                        if let Some(decoder) = &mut self.decoder {
                            decoder.finish().map_err(|_| Broken::Coding)?;
                        }
                        self.close();
                    }
                },
                Stage::Ended => {
                    self.stage = Stage::HeldBack;
                    let bytes = self.held_back();
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                }
                Stage::HeldBack => {
                    self.stage = Stage::Done;
                    if let Some(trailers) = self.trailers.take() {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                }
                Stage::Broken => {
                    self.stage = Stage::Done;
                    return Poll::Ready(self.broken.take().map(Err));
                }
                Stage::Done => return Poll::Ready(None),
            }
        }
    }
}

/// A body that does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The other side broke off.
    #[error("the upstream broke off")]
    Upstream(#[source] hyper::Error),
    /// What it compressed cannot be opened.
    #[error("the upstream's compression is broken")]
    Coding,
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relayed(relayed) => relayed.poll_next(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Relayed(relayed) => match relayed.stage {
                Stage::Done => true,
                // Nothing is held back where nobody looks.
                Stage::Open => {
                    relayed.decoder.is_none()
                        && relayed.guard.is_none()
                        && relayed.source.is_end_stream()
                }
                _ => false,
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Relayed(relayed) if relayed.decoder.is_none() => relayed.source.size_hint(),
            Self::Relayed(_) => SizeHint::default(),
        }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Streamed(incoming) => Pin::new(incoming).poll_frame(cx),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Streamed(incoming) => incoming.is_end_stream(),
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Streamed(incoming) => incoming.size_hint(),
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}
