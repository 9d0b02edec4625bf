//! A request's body where the broker has to see it: the whole of it or
//! nothing, and it is still there to be sent.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::Outgoing;
use super::decode::{Coding, Decoder};
use super::forward::is_upgrade;
use super::relay::coding_of;
use crate::broker::traffic::{self, Unreadable};

/// A longer body is not held in memory, neither as it came nor opened.
const LARGEST: usize = 32 * 1024 * 1024;

/// All bodies that are held together have no more than this, in KiB.
const ROOM: u32 = 256 * 1024;
/// So much of a body without a length is read before there is room for it.
const BEGINNING: usize = 64 * 1024;
/// A client that says nothing for so long gives its room away.
const IDLE: Duration = Duration::from_secs(30);

/// The room for bodies that have to be read before they go on.
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM as usize)))
    }
}

impl Room {
    /// A place for so many bytes, once there is one.
    async fn take(&self, length: u64) -> Result<OwnedSemaphorePermit, Unreadable> {
        let size = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.0).acquire_many_owned(size.min(ROOM));
        let waited = tokio::time::timeout(IDLE, place).await;
        waited.ok().and_then(Result::ok).ok_or(Unreadable::Busy)
    }
}

/// Bytes that give their place away when nobody holds them any more.
struct Kept {
    bytes: Vec<u8>,
    _place: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body and what its head says of it.
pub(super) struct Content<'a> {
    headers: &'a HeaderMap,
    /// What follows is another protocol.
    switches: bool,
    body: &'a mut Outgoing,
    room: &'a Room,
}

impl<'a> Content<'a> {
    pub(super) fn new(parts: &'a Parts, body: &'a mut Outgoing, room: &'a Room) -> Self {
        Self {
            headers: &parts.headers,
            switches: is_upgrade(parts),
            body,
            room,
        }
    }

    /// Whether it is said to be longer than what is held.
    pub(super) fn is_too_long(&self) -> bool {
        self.said_length()
            .is_some_and(|length| length > LARGEST as u64)
    }

    /// As it came.
    async fn whole(&mut self) -> Result<Bytes, Unreadable> {
        if self.is_too_long() {
            return Err(Unreadable::TooLong);
        }
        let said = self.said_length();
        let taken = std::mem::replace(self.body, Outgoing::Whole(None));
        let bytes = match taken {
            Outgoing::Whole(bytes) => bytes.unwrap_or_default(),
            Outgoing::Streamed(incoming) => self.gathered(incoming, said).await?,
        };
        *self.body = Outgoing::Whole(Some(bytes.clone()));
        Ok(bytes)
    }

    /// A body as it comes, for which there has to be room. One that says no
    /// length has some for its beginning, and then needs room for the longest.
    async fn gathered(
        &self,
        mut incoming: Incoming,
        said: Option<u64>,
    ) -> Result<Bytes, Unreadable> {
        let mut place = match said {
            Some(length) => Some(self.room.take(length).await?),
            None => None,
        };
        let mut bytes = Vec::new();
        loop {
            let next = tokio::time::timeout(IDLE, incoming.frame()).await;
            let Some(frame) = next.map_err(|_| Unreadable::Busy)? else {
                break;
            };
            let frame = frame.map_err(|_| Unreadable::Broken)?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > LARGEST {
                return Err(Unreadable::TooLong);
            }
            if place.is_none() && bytes.len() + data.len() > BEGINNING {
                place = Some(self.room.take(LARGEST as u64).await?);
            }
            bytes.extend_from_slice(&data);
        }
        let kept = Kept {
            bytes,
            _place: place,
        };
        Ok(Bytes::from_owner(kept))
    }

    fn said_length(&self) -> Option<u64> {
        let exact = self.body.size_hint().exact();
        exact.or_else(|| {
            let said = self.headers.get(CONTENT_LENGTH)?;
            said.to_str().ok()?.parse().ok()
        })
    }
}

impl traffic::Content for Content<'_> {
    fn is_empty(&self) -> bool {
        !self.switches && self.body.is_end_stream()
    }

    fn length(&self) -> Option<u64> {
        self.said_length()
    }

    async fn read(&mut self) -> Result<Bytes, Unreadable> {
        if self.switches {
            return Err(Unreadable::Switches);
        }
        let coding = match self.headers.contains_key(CONTENT_ENCODING) {
            true => Some(coding_of(self.headers).ok_or(Unreadable::Compressed)?),
            false => None,
        };
        let bytes = self.whole().await?;
        match coding.filter(|coding| !coding.is_identity()) {
            Some(coding) => opened(coding, bytes),
            None => Ok(bytes),
        }
    }
}

/// What was compressed, so much of it at most.
fn opened(coding: Coding, bytes: Bytes) -> Result<Bytes, Unreadable> {
    let broken = |_| Unreadable::Compressed;
    let mut decoder = Decoder::new(coding);
    decoder.push(bytes);
    let mut plain = Vec::new();
    while let Some(piece) = decoder.pull().map_err(broken)? {
        if plain.len() + piece.len() > LARGEST {
            return Err(Unreadable::TooLong);
        }
        plain.extend_from_slice(&piece);
    }
    decoder.finish().map_err(broken)?;
    Ok(plain.into())
}

/// Puts another body in the place of one that was read.
pub(super) fn replace(headers: &mut HeaderMap, body: &mut Outgoing, bytes: Vec<u8>) {
    if headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    *body = Outgoing::Whole(Some(bytes.into()));
}
