//! The head of a CONNECT request, read by hand: hyper would keep the stream
//! behind a pointer for all that follows. The parser is hyper's own.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::AsyncReadExt;

use super::prefixed::Wire;

/// A head that is longer is none.
const LARGEST_HEAD: usize = 16 * 1024;
pub(super) const MOST_HEADERS: usize = 64;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a client began with.
pub(super) enum Beginning {
    /// CONNECT, and what came after its head.
    Connect(Connect, Bytes),
    /// Any other request; the bytes are its beginning.
    Other(Bytes),
    /// CONNECT that cannot be read.
    Unreadable,
    /// Nothing, or too slowly.
    Nothing,
}

/// A CONNECT request.
pub struct Connect {
    /// Where to, as it was written.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
}

/// Reads as much as tells what is wanted.
pub(super) async fn begin(stream: &mut impl Wire) -> Beginning {
    let read = tokio::time::timeout(PATIENCE, read_head(stream));
    read.await.unwrap_or(Beginning::Nothing)
}

async fn read_head(stream: &mut impl Wire) -> Beginning {
    const METHOD: &[u8] = b"CONNECT ";
    let mut bytes = Vec::with_capacity(1024);
    loop {
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return Beginning::Nothing,
            Ok(_) => {}
        }
        let shown = bytes.len().min(METHOD.len());
        if bytes[..shown] != METHOD[..shown] {
            return Beginning::Other(bytes.into());
        }
        if shown < METHOD.len() {
            continue;
        }
        match Connect::parse(&bytes) {
            Ok(Some((connect, length))) => {
                let rest = Bytes::from(bytes).split_off(length);
                return Beginning::Connect(connect, rest);
            }
            Ok(None) if bytes.len() < LARGEST_HEAD => {}
            Ok(None) | Err(BadHead) => return Beginning::Unreadable,
        }
    }
}

/// A head that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadHead;

impl Connect {
    /// Reads a head and tells how long it is; `None` where its end has not
    /// come yet.
    ///
    /// # Errors
    /// It is no head of a CONNECT request, or announces a body.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, BadHead> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(BadHead),
        };
        let (Some("CONNECT"), Some(target)) = (request.method, request.path) else {
            return Err(BadHead);
        };
        let mut map = HeaderMap::with_capacity(request.headers.len());
        for header in request.headers.iter() {
            let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| BadHead)?;
            let value = HeaderValue::from_bytes(header.value).map_err(|_| BadHead)?;
            map.append(name, value);
        }
        let has_body = map
            .get("content-length")
            .is_some_and(|length| length.as_bytes() != b"0")
            || map.contains_key("transfer-encoding");
        if has_body {
            return Err(BadHead);
        }
        Ok(Some((
            Self {
                target: target.to_owned(),
                headers: map,
            },
            length,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_to_its_end_and_no_further() {
        let text = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\nX: 1\r\n\r\n\x16\x03";
        let (connect, length) = Connect::parse(text).unwrap().unwrap();
        assert_eq!(connect.target, "a.example:443");
        assert_eq!(connect.headers["host"], "a.example");
        assert_eq!(&text[length..], b"\x16\x03");
        for cut in 1..length {
            assert!(Connect::parse(&text[..cut]).unwrap().is_none(), "{cut}");
        }
    }

    #[test]
    fn what_is_no_connect_is_refused() {
        for text in [
            "GET / HTTP/1.1\r\n\r\n",
            "CONNECT  HTTP/1.1\r\n\r\n",
            "CONNECT a:1 HTTP/3.0\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\nbad header\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\n: x\r\n\r\n",
        ] {
            assert!(Connect::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
