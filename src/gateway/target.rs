//! The one authority of a request: host and port, taken apart once. Whatever
//! else names a host in the same request must name this one.

use std::fmt;

use crate::provider::HostName;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Authority {
    pub(super) host: HostName,
    pub(super) port: u16,
}

/// Why a text is no authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadAuthority {
    /// It has a user in it.
    Userinfo,
    /// It names no host and port.
    Unreadable,
}

impl Authority {
    /// Reads `host:port`, or a host alone where there is a usual port.
    pub(super) fn parse(text: &str, usual: Option<u16>) -> Result<Self, BadAuthority> {
        if text.contains('@') {
            return Err(BadAuthority::Userinfo);
        }
        let (host, port) = match text.rfind(':') {
            Some(colon) if !text.ends_with(']') => (&text[..colon], Some(&text[colon + 1..])),
            _ => (text, None),
        };
        if host.contains(':') && !host.starts_with('[') {
            return Err(BadAuthority::Unreadable);
        }
        let port = match port {
            None => usual,
            Some(digits) => digits
                .parse::<u16>()
                .ok()
                .filter(|port| *port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit())),
        };
        match (host.parse(), port) {
            (Ok(host), Some(port)) => Ok(Self { host, port }),
            _ => Err(BadAuthority::Unreadable),
        }
    }

    /// As it stands in a `Host` header: without the scheme's own port.
    pub(super) fn header(&self, usual: u16) -> String {
        if self.port == usual {
            self.host.to_string()
        } else {
            self.to_string()
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The port of a scheme.
pub(super) fn usual_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, BadAuthority> {
        Authority::parse(text, Some(443)).map(|authority| authority.to_string())
    }

    #[test]
    fn host_and_port_are_taken_apart_and_not_stripped_by_accident() {
        for (text, expected) in [
            ("api.example.com:443", "api.example.com:443"),
            ("API.Example.com.", "api.example.com:443"),
            ("api.example.com:8443", "api.example.com:8443"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]:443"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_names_no_one_place_is_refused() {
        for text in [
            "",
            ":443",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:4 43",
            "::1",
            "::1:443",
            "[::1",
            "a b",
            "a/b:443",
            "a:443:443",
            "a..b:1",
            "a\0:443",
            "a,b:443",
            "a%2eb:443",
            "127.1:443",
        ] {
            assert_eq!(read(text), Err(BadAuthority::Unreadable), "{text:?}");
        }
        for text in ["me@a:443", "me:pass@a:443", "a@b@c", "@a"] {
            assert_eq!(read(text), Err(BadAuthority::Userinfo), "{text:?}");
        }
        assert!(Authority::parse("a.example", None).is_err());
    }
}
