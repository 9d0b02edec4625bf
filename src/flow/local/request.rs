//! One HTTP/1 request, read from a socket into buffers that are wiped: the
//! head in one, the body in another. Headers that nobody asks for (cookies of
//! other servers on 127.0.0.1 among them) are not kept.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::answer::Answer;
use super::guard::Guard;
use crate::secret::SecretBuffer;

/// Longer heads are refused. Browsers send the cookies of every server that
/// ever ran on this host, so this is generous.
const LARGEST_HEAD: usize = 32 * 1024;
/// Longer targets are refused; no provider's answer comes near.
const LONGEST_TARGET: usize = 8 * 1024;
const MOST_HEADERS: usize = 64;

/// The headers that decide anything.
const KEPT: [&str; 6] = [
    "host",
    "origin",
    "sec-fetch-site",
    "content-type",
    "content-length",
    "transfer-encoding",
];

/// A request that its guard let in.
pub(super) struct Request {
    pub is_post: bool,
    /// What follows the question mark.
    pub query: Zeroizing<String>,
    pub body: Zeroizing<Vec<u8>>,
}

/// A request without its body.
pub(super) struct Head {
    pub method: String,
    pub path: Zeroizing<String>,
    pub query: Zeroizing<String>,
    headers: Vec<(&'static str, String)>,
}

/// Why there is no request.
pub(super) enum Stop {
    HungUp,
    Refused(Answer),
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Self {
        Self::Refused(answer)
    }
}

/// A header that may be there once is there more often.
pub(super) struct Doubled;

impl Head {
    /// Reads a head that ends where `bytes` end.
    pub fn parse(bytes: &[u8]) -> Result<Self, Answer> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Answer::head_too_large()),
            _ => return Err(Answer::not_http()),
        }
        let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
            return Err(Answer::not_http());
        };
        if target.len() > LONGEST_TARGET {
            return Err(Answer::target_too_long());
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut kept = Vec::new();
        for header in parsed.headers.iter() {
            let name = KEPT.iter().find(|k| k.eq_ignore_ascii_case(header.name));
            if let Some(name) = name {
                let value = std::str::from_utf8(header.value).map_err(|_| Answer::not_http())?;
                kept.push((*name, value.to_owned()));
            }
        }
        Ok(Self {
            method: method.to_owned(),
            path: Zeroizing::new(path.to_owned()),
            query: Zeroizing::new(query.to_owned()),
            headers: kept,
        })
    }

    /// The value of a header, one of those that are kept.
    pub fn header(&self, name: &str) -> Result<Option<&str>, Doubled> {
        debug_assert!(KEPT.contains(&name), "{name} is not kept");
        let mut values = self.headers.iter().filter(|(kept, _)| *kept == name);
        match (values.next(), values.next()) {
            (first, None) => Ok(first.map(|(_, value)| value.as_str())),
            _ => Err(Doubled),
        }
    }
}

/// Reads a request. Its body is read only when the guard has seen its head.
pub(super) async fn receive(stream: &mut TcpStream, guard: &Guard) -> Result<Request, Stop> {
    let mut buffer = SecretBuffer::with_capacity(4 * 1024);
    let length = read_head(stream, &mut buffer).await?;
    let (head, begun) = buffer.as_bytes().split_at(length);
    let head = Head::parse(head)?;
    let length = guard.admit(&head)?;
    let mut body = SecretBuffer::with_capacity(length);
    body.push(&begun[..begun.len().min(length)]);
    drop(buffer);
    let mut piece = Zeroizing::new([0; 4 * 1024]);
    while body.as_bytes().len() < length {
        let room = piece.len().min(length - body.as_bytes().len());
        match stream.read(&mut piece[..room]).await {
            Ok(0) | Err(_) => return Err(Stop::HungUp),
            Ok(count) => body.push(&piece[..count]),
        }
    }
    Ok(Request {
        is_post: head.method == "POST",
        query: head.query,
        body: body.into_bytes(),
    })
}

/// Reads until the head is in the buffer; more may have come with it.
async fn read_head(stream: &mut TcpStream, buffer: &mut SecretBuffer) -> Result<usize, Stop> {
    const END: &[u8] = b"\r\n\r\n";
    let mut piece = Zeroizing::new([0; 4 * 1024]);
    let mut searched: usize = 0;
    loop {
        match stream.read(&mut *piece).await {
            Ok(0) | Err(_) => return Err(Stop::HungUp),
            Ok(count) => buffer.push(&piece[..count]),
        }
        // The end may have begun in an earlier piece.
        let from = searched.saturating_sub(END.len() - 1);
        let bytes = buffer.as_bytes();
        if let Some(at) = bytes[from..].windows(END.len()).position(|w| w == END) {
            return Ok(from + at + END.len());
        }
        searched = bytes.len();
        if searched > LARGEST_HEAD {
            return Err(Answer::head_too_large().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(head: &str) -> Option<u16> {
        Head::parse(head.as_bytes()).err().map(|a| a.status)
    }

    #[test]
    fn what_is_not_quite_http_is_refused() {
        assert_eq!(status_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), None);
        for odd in [
            "GET /\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: \u{0}\r\n\r\n",
            "GET / HTTP/1.1\n\nGET / HTTP/1.1\r\n\r\n",
            "GET / a HTTP/1.1\r\n\r\n",
            "\u{16}\u{3}\u{1}\r\n\r\n",
        ] {
            assert_eq!(status_of(odd), Some(400), "{odd:?}");
        }
    }

    #[test]
    fn long_targets_and_many_headers_have_a_bound() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(LONGEST_TARGET));
        assert_eq!(status_of(&long), Some(414));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65));
        assert_eq!(status_of(&many), Some(431));
    }

    #[test]
    fn a_header_that_is_there_twice_is_told() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\nCookie: x=FAKE\r\n\r\n";
        let head = Head::parse(head).ok().unwrap();
        assert!(head.header("host").is_err());
        assert!(matches!(head.header("origin"), Ok(None)));
        assert!(head.headers.iter().all(|(_, value)| value != "x=FAKE"));
    }
}
