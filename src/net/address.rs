//! Where a request goes: taken apart once, so that what is dialled, what the
//! certificate must say and what the `Host` header says are one thing.

use crate::provider::HostName;
use crate::secret::Secret;

/// An `http` or `https` address.
pub struct Address {
    /// Whether it is `https`.
    pub is_tls: bool,
    /// The host.
    pub host: HostName,
    /// The port, the scheme's own where none is written.
    pub port: u16,
    /// The path and the query, which may hold a secret; begins with `/`.
    pub path: Secret,
}

/// A text that is no address. Nothing of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address {0}")]
pub struct BadAddress(&'static str);

impl Address {
    /// Takes an address apart.
    ///
    /// # Errors
    /// It is none, has a user in it, or characters that do not belong there.
    pub fn parse(url: &Secret) -> Result<Self, BadAddress> {
        let url = url.reveal();
        let (scheme, rest) = url
            .split_once("://")
            .ok_or(BadAddress("begins with no scheme"))?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(BadAddress("is neither https nor http")),
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['#', '\\']) {
            return Err(BadAddress("has characters that it cannot have"));
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(BadAddress("has a user in it"));
        }
        let (host, port) = match authority.rfind(':') {
            Some(colon) if !authority.ends_with(']') => {
                if authority[..colon].contains(':') && !authority.starts_with('[') {
                    return Err(BadAddress("has an IPv6 address without brackets"));
                }
                let digits = &authority[colon + 1..];
                let port = digits
                    .parse::<u16>()
                    .ok()
                    .filter(|port| *port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()))
                    .ok_or(BadAddress("has a port that is none"))?;
                (&authority[..colon], port)
            }
            _ => (authority, if is_tls { 443 } else { 80 }),
        };
        let path = match path.as_bytes() {
            [] => "/".to_owned(),
            [b'?', ..] => format!("/{path}"),
            _ => path.to_owned(),
        };
        check_path(&path)?;
        Ok(Self {
            is_tls,
            host: host.parse().map_err(|_| BadAddress("has no host"))?,
            port,
            path: Secret::from(path),
        })
    }

    /// The same place with another path.
    ///
    /// # Errors
    /// The path can be read in more than one way.
    pub fn with_path(self, path: Secret) -> Result<Self, BadAddress> {
        check_path(path.reveal())?;
        Ok(Self { path, ..self })
    }

    /// The host and the port.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The host, with the port where it is not the scheme's own.
    pub fn host_header(&self) -> String {
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual {
            self.host.to_string()
        } else {
            self.authority()
        }
    }
}

/// What one side may resolve and the other may not: steps up, empty steps.
fn check_path(path: &str) -> Result<(), BadAddress> {
    let path = path.split('?').next().unwrap_or(path);
    let plain = path.to_ascii_lowercase().replace("%2e", ".");
    let climbs = plain.split('/').any(|step| step == "." || step == "..");
    if climbs || plain.contains("//") || plain.contains("%2f") || plain.contains("%5c") {
        return Err(BadAddress("has a path that can be read in two ways"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> Option<(bool, String, String)> {
        let address = Address::parse(&Secret::from(url.to_owned())).ok()?;
        let path = address.path.reveal().to_owned();
        Some((address.is_tls, address.host_header(), path))
    }

    #[test]
    fn an_address_is_taken_apart() {
        for (url, is_tls, host, path) in [
            ("https://a.example", true, "a.example", "/"),
            ("HTTPS://A.example:443/x?y=1", true, "a.example", "/x?y=1"),
            ("https://a.example:8443/", true, "a.example:8443", "/"),
            ("http://[::1]:8000?x", false, "[::1]:8000", "/?x"),
            ("http://127.0.0.1:80/a", false, "127.0.0.1", "/a"),
        ] {
            let expected = (is_tls, host.to_owned(), path.to_owned());
            assert_eq!(parts(url), Some(expected), "{url}");
        }
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused() {
        for wrong in [
            "a.example/x",
            "ftp://a.example/",
            "https://",
            "https:///x",
            "https://user@a.example/",
            "https://a.example@evil.test/",
            "https://a.example:0/",
            "https://a.example:99999/",
            "https://a.example:+1/",
            "https://a.example:/",
            "https://a.example/x#y",
            "https://a.example\\@evil.test/",
            "https://a.example/a b",
            "https://a.example/\r\nHost: evil.test",
            "https://a.example/ä",
            "https://a..example/",
            "https://2001:db8::1:443/",
            "https://a.example/x/../y",
            "https://a.example/x/%2E%2e/y",
            "https://a.example/.",
            "https://a.example//x",
            "https://a.example/x%2fy",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
