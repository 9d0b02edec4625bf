//! What is sent back: a page, with the headers that keep a browser from
//! doing anything else with it. Every answer carries them, refusals too, and
//! none carries a header that would let another origin read it.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::html;

/// So much of what a browser still sends is swallowed after the answer: a
/// socket that is closed over unread bytes resets the connection, and the
/// browser might show that instead of the answer.
const SWALLOWED: usize = 1024 * 1024;

/// An answer.
pub(super) struct Answer {
    pub status: u16,
    /// The methods that are answered, where another one was used.
    allow: Option<&'static str>,
    page: String,
}

impl Answer {
    pub fn page(status: u16, page: String) -> Self {
        Self {
            status,
            allow: None,
            page,
        }
    }

    /// A heading and a sentence.
    pub fn notice(status: u16, title: &str, text: &str) -> Self {
        Self::page(status, html::notice(title, text))
    }

    pub fn not_http() -> Self {
        Self::bad_request("This is not the request that vault waits for.")
    }

    pub fn bad_request(text: &str) -> Self {
        Self::notice(400, "Bad request", text)
    }

    pub fn not_found() -> Self {
        Self::notice(404, "Not found", "There is no page here.")
    }

    pub fn wrong_method(allow: &'static str) -> Self {
        let mut answer = Self::notice(405, "Not allowed", "This page takes no such request.");
        answer.allow = Some(allow);
        answer
    }

    pub fn wrong_host() -> Self {
        Self::notice(421, "Wrong host", "This page goes by another address.")
    }

    pub fn foreign() -> Self {
        let text = "This was not sent from the form of this page. Nothing was taken.";
        Self::notice(403, "Refused", text)
    }

    pub fn no_length() -> Self {
        Self::notice(411, "Bad request", "The request does not say its length.")
    }

    pub fn body_too_large() -> Self {
        let text = "That is more than a key can be. Nothing was taken.";
        Self::notice(413, "Too long", text)
    }

    pub fn target_too_long() -> Self {
        Self::notice(414, "Too long", "The address is too long.")
    }

    pub fn wrong_type() -> Self {
        Self::notice(415, "Bad request", "This is not what the form sends.")
    }

    pub fn head_too_large() -> Self {
        Self::notice(431, "Too long", "The request is too long.")
    }

    /// Sends it, and waits until the other side has it or hangs up.
    pub async fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(self.head().as_bytes()).await?;
        stream.write_all(self.page.as_bytes()).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        let mut swallowed = 0;
        let mut piece = [0; 4 * 1024];
        while swallowed < SWALLOWED {
            match stream.read(&mut piece).await? {
                0 => break,
                count => swallowed += count,
            }
        }
        Ok(())
    }

    fn head(&self) -> String {
        let allow = self
            .allow
            .map(|methods| format!("Allow: {methods}\r\n"))
            .unwrap_or_default();
        // Not `no-referrer`: with that, browsers send `Origin: null` from the
        // form itself, and it could not be told from a foreign one.
        format!(
            "HTTP/1.1 {status} {phrase}\r\n\
             Content-Type: text/html; charset=utf-8\r\n\
             Content-Length: {length}\r\n\
             Connection: close\r\n\
             {allow}\
             Cache-Control: no-store\r\n\
             Content-Security-Policy: default-src 'none'; style-src '{style}'; \
             form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n\
             Cross-Origin-Opener-Policy: same-origin\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n\
             Referrer-Policy: same-origin\r\n\
             X-Content-Type-Options: nosniff\r\n\
             X-Frame-Options: DENY\r\n\
             \r\n",
            status = self.status,
            phrase = phrase(self.status),
            length = self.page.len(),
            style = html::style_digest(),
        )
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        _ => "Bad Request",
    }
}
