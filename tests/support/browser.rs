//! A browser, and what is not one, at a page on this machine: requests byte
//! by byte, and the addresses that a person is shown. And a desktop, whose
//! opener writes down what it was given.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Run, TestEnvironment, chmod, make_folder};

const PATIENCE: Duration = Duration::from_secs(20);

/// The first address in what was said that begins so, once it is whole.
pub fn address(said: &str, beginning: &str) -> Option<String> {
    let found = &said[said.find(beginning)?..];
    let end = found.find(char::is_whitespace)?;
    Some(found[..end].to_owned())
}

/// What an address says in its query. Nothing may be said twice.
pub fn query(address: &str) -> BTreeMap<String, String> {
    let (_, query) = address.split_once('?').unwrap_or((address, ""));
    form(query)
}

/// What a form says. Nothing may be said twice.
pub fn form(body: &str) -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    for pair in body.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let before = said.insert(decoded(name), decoded(value));
        assert!(before.is_none(), "{name} twice in {body}");
    }
    said
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        rest = more;
        if first == b'%' {
            let digits = std::str::from_utf8(&rest[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &rest[2..];
        } else {
            bytes.push(if first == b'+' { b' ' } else { first });
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Text as it stands in a query or a form.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

/// A request to a page on this machine: as a browser makes it, unless it is
/// said otherwise.
pub struct Visit {
    method: &'static str,
    authority: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// What the page answered.
#[derive(Debug)]
pub struct Page {
    /// The status; 0 where nobody answered.
    pub status: u16,
    /// The headers and the body.
    pub text: String,
}

impl Visit {
    /// Asks for `http://HOST:PORT/…`.
    pub fn to(address: &str) -> Self {
        let rest = address.strip_prefix("http://").unwrap();
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        Self {
            method: "GET",
            authority: authority.to_owned(),
            target: target.to_owned(),
            headers: vec![("Host".to_owned(), authority.to_owned())],
            body: String::new(),
        }
    }

    /// Sends a form there, as its own page does.
    #[must_use]
    pub fn posting(mut self, body: impl Into<String>) -> Self {
        self.method = "POST";
        self.body = body.into();
        let origin = format!("http://{}", self.authority);
        let length = self.body.len().to_string();
        self.with("Origin", &origin)
            .with("Content-Type", "application/x-www-form-urlencoded")
            .with("Content-Length", &length)
    }

    /// With another method.
    #[must_use]
    pub fn by(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// With this header, in place of the one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without this header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// Sends it.
    pub fn go(self) -> Page {
        let port = self.authority.rsplit_once(':').unwrap().1;
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port.parse().unwrap())) else {
            return Page {
                status: 0,
                text: String::new(),
            };
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(&self.body);
        // What refuses a request early may have hung up already.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        Page {
            status: status.unwrap_or(0),
            text,
        }
    }
}

/// A desktop: a screen, and a program that opens pages.
pub trait Desktop {
    /// A run that has a screen and an opener.
    #[must_use]
    fn on_desktop(self, environment: &TestEnvironment) -> Self;
}

impl Desktop for Run<'_> {
    fn on_desktop(self, environment: &TestEnvironment) -> Self {
        let folder = environment.path("bin");
        make_folder(&folder);
        let opener = folder.join(match cfg!(target_os = "macos") {
            true => "open",
            false => "xdg-open",
        });
        // Whole or not there, since the test waits for it.
        let script = "#!/bin/sh\n{ printf '%s\\n' \"$@\"; env; } > \"$TMPDIR/opening\"\n\
                      mv \"$TMPDIR/opening\" \"$TMPDIR/opened\"\n";
        fs::write(&opener, script).unwrap();
        chmod(&opener, 0o700);
        let mut path = OsString::from(&folder);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        self.env("DISPLAY", ":77").env("PATH", path)
    }
}

/// What the opener was given: its arguments, and its environment.
pub fn opened(environment: &TestEnvironment) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(given) = opened_so_far(environment) {
            return given;
        }
        assert!(Instant::now() < deadline, "nothing was opened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The same, if it was called at all.
pub fn opened_so_far(environment: &TestEnvironment) -> Option<String> {
    fs::read_to_string(environment.path("tmp/opened")).ok()
}
