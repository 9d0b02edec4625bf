//! A request's body where the broker has to see it: the whole of it or
//! nothing, and it is still there to be sent.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Bytes};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue};

use super::body::Outgoing;
use super::decode::{Coding, Decoder};
use super::relay::coding_of;
use crate::broker::traffic::{self, Unreadable};

/// A longer body is not held in memory, neither as it came nor opened.
const LARGEST: usize = 32 * 1024 * 1024;

/// A body and what its head says of it.
pub(super) struct Content<'a> {
    headers: &'a HeaderMap,
    body: &'a mut Outgoing,
}

impl<'a> Content<'a> {
    pub(super) fn new(headers: &'a HeaderMap, body: &'a mut Outgoing) -> Self {
        Self { headers, body }
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
        let taken = std::mem::replace(self.body, Outgoing::Whole(None));
        let bytes = match taken {
            Outgoing::Whole(bytes) => bytes.unwrap_or_default(),
            streamed @ Outgoing::Streamed(_) => {
                let read = Limited::new(streamed, LARGEST).collect().await;
                read.map_err(|error| match error.is::<LengthLimitError>() {
                    true => Unreadable::TooLong,
                    false => Unreadable::Broken,
                })?
                .to_bytes()
            }
        };
        *self.body = Outgoing::Whole(Some(bytes.clone()));
        Ok(bytes)
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
        self.body.is_end_stream()
    }

    fn length(&self) -> Option<u64> {
        self.said_length()
    }

    async fn read(&mut self) -> Result<Bytes, Unreadable> {
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
