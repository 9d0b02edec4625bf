//! HTTP/1.1, read from a stream: heads, bodies by length and in chunks. Just
//! enough for both ends of a measurement, and cheap. What is malformed is an
//! error and ends the run.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const ROOM: usize = 64 * 1024;

/// A stream, and what was read from it and not used yet.
pub struct Wire<S> {
    pub stream: S,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// How a body ends.
#[derive(Clone, Copy)]
pub enum Length {
    Known(u64),
    Chunked,
}

/// An answer's head, as far as a client needs it.
pub struct Answer {
    pub status: u16,
    pub length: Length,
}

/// A request's head, as far as the provider needs it.
pub struct Request {
    pub target: String,
    /// The values of all `Authorization` headers, joined.
    pub authorization: String,
    pub length: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn new(stream: S) -> Self {
        Self::with_room(stream, ROOM)
    }

    /// For a thousand of them at once.
    pub fn with_room(stream: S, room: usize) -> Self {
        let buffer = vec![0; room].into_boxed_slice();
        Self {
            stream,
            buffer,
            start: 0,
            end: 0,
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// None where the other side closed between two requests.
    pub async fn request(&mut self) -> Result<Option<Request>> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut parsed = httparse::Request::new(&mut headers);
            if let httparse::Status::Complete(used) = parsed
                .parse(&self.buffer[self.start..self.end])
                .map_err(malformed)?
            {
                let mut request = Request {
                    target: parsed.path.unwrap_or_default().to_owned(),
                    authorization: String::new(),
                    length: 0,
                };
                for header in parsed.headers.iter() {
                    if header.name.eq_ignore_ascii_case("authorization") {
                        request.authorization.push_str(&text(header.value)?);
                    } else if header.name.eq_ignore_ascii_case("content-length") {
                        request.length = text(header.value)?.parse().map_err(malformed)?;
                    }
                }
                self.start += used;
                return Ok(Some(request));
            }
            if self.more().await? == 0 {
                return if self.start == self.end {
                    Ok(None)
                } else {
                    Err(cut_short())
                };
            }
        }
    }

    pub async fn answer(&mut self) -> Result<Answer> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(used) = parsed
                .parse(&self.buffer[self.start..self.end])
                .map_err(malformed)?
            {
                let status = parsed.code.unwrap_or_default();
                let mut length = Length::Known(0);
                for header in parsed.headers.iter() {
                    if header.name.eq_ignore_ascii_case("content-length") {
                        length = Length::Known(text(header.value)?.parse().map_err(malformed)?);
                    } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                        length = Length::Chunked;
                    }
                }
                self.start += used;
                return Ok(Answer { status, length });
            }
            self.must_read().await?;
        }
    }

    /// Reads a body to its end and says how long it was.
    pub async fn body(&mut self, length: Length) -> Result<u64> {
        if let Length::Known(length) = length {
            self.skip(length).await?;
            return Ok(length);
        }
        let mut total = 0;
        loop {
            let length = self.chunk().await?;
            if length == 0 {
                return Ok(total);
            }
            total += length;
        }
    }

    /// Reads one chunk, the empty last one included, and says how long it was.
    pub async fn chunk(&mut self) -> Result<u64> {
        loop {
            match httparse::parse_chunk_size(&self.buffer[self.start..self.end]) {
                Ok(httparse::Status::Complete((used, length))) => {
                    self.start += used;
                    self.skip(length + 2).await?;
                    return Ok(length);
                }
                Ok(httparse::Status::Partial) => self.must_read().await?,
                Err(_) => return Err(Error::new(ErrorKind::InvalidData, "not a chunk")),
            }
        }
    }

    async fn skip(&mut self, mut length: u64) -> Result<()> {
        loop {
            let here = length.min((self.end - self.start) as u64);
            self.start += here as usize;
            length -= here;
            if length == 0 {
                return Ok(());
            }
            self.must_read().await?;
        }
    }

    async fn must_read(&mut self) -> Result<()> {
        if self.more().await? == 0 {
            Err(cut_short())
        } else {
            Ok(())
        }
    }

    async fn more(&mut self) -> Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            return Err(Error::new(ErrorKind::InvalidData, "a head without an end"));
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        self.end += read;
        Ok(read)
    }
}

fn text(value: &[u8]) -> Result<String> {
    String::from_utf8(value.to_vec()).map_err(malformed)
}

fn malformed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

fn cut_short() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "it hung up in the middle")
}
