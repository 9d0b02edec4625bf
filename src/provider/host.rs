//! Hosts: names as clients ask for them, and the entries of a definition that
//! say which of them are the provider's.
//!
//! An entry is matched against the whole name, whatever its case. One that
//! foreign hosts could match is kept, but never used for injection.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::danger;
use super::pattern::Pattern;
use crate::text;

/// A host as a client asked for it: a name in lower case without the dot of
/// the root, or an address. Never a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostName {
    /// A domain name.
    Name(String),
    /// An IP address.
    Address(IpAddr),
}

/// A text that names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is no host: {reason}", text::printable(given))]
pub struct BadHost {
    pub(super) given: String,
    reason: &'static str,
}

impl FromStr for HostName {
    type Err = BadHost;

    /// `api.example.com`, `API.example.com.`, `127.0.0.1`, `[::1]`, `::1`.
    fn from_str(given: &str) -> Result<Self, BadHost> {
        let bad = |reason| BadHost {
            given: given.to_owned(),
            reason,
        };
        if let Some(inner) = given.strip_prefix('[') {
            let address: Option<Ipv6Addr> =
                inner.strip_suffix(']').and_then(|text| text.parse().ok());
            return address
                .map(|address| Self::Address(address.into()))
                .ok_or_else(|| bad("brackets hold an IPv6 address"));
        }
        if let Ok(address) = given.parse() {
            return Ok(Self::Address(address));
        }
        // One dot at the end names the root: the same host.
        let name = given.strip_suffix('.').unwrap_or(given);
        check_labels(name).map_err(bad)?;
        if name.rsplit('.').next().is_some_and(is_number) {
            return Err(bad("it ends in a number and is no address"));
        }
        Ok(Self::Name(name.to_ascii_lowercase()))
    }
}

impl HostName {
    /// Whether it is this machine, by name or address, as far as text tells.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(address) => address.is_loopback(),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// On which of the hosts that an entry matches a credential may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injection {
    /// On all of them: they are the provider's.
    Allowed,
    /// Only on the host of the connection's own base URL: others can have
    /// hosts there too.
    OwnHostOnly,
    /// On none: foreign hosts could match.
    Never,
}

/// One entry of a definition's hosts.
#[derive(Debug, Clone)]
pub struct Host {
    text: String,
    pattern: HostPattern,
    /// The port that the entry names.
    pub port: Option<u16>,
    /// The path that the entry names, without a `/` at its end.
    pub path: Option<String>,
    /// The entry is a URL that begins with `http:`.
    pub is_plain_http: bool,
    /// Where credentials may be set.
    pub injection: Injection,
}

#[derive(Debug, Clone)]
enum HostPattern {
    Exact(HostName),
    /// Everything under this suffix, which begins with a dot.
    Under(String),
    Expression(Pattern),
    /// Whatever the connection's base URL says.
    BaseUrl,
}

impl Host {
    /// Reads an entry: a host, `host:port`, `*.suffix`, a URL, `regex:…`, each
    /// but the last with a path if need be. `{base_url}` stands for the
    /// definition's own, else for the connection's.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(entry: &str, base_url: Option<&str>) -> Result<Self, BadHost> {
        let bad = |reason| BadHost {
            given: entry.to_owned(),
            reason,
        };
        if let Some(expression) = entry.strip_prefix("regex:") {
            let pattern: Pattern = expression.parse().map_err(|_| bad("it is too long"))?;
            let pattern = pattern.ignoring_case();
            let is_safe = pattern.check().is_ok()
                && pattern
                    .syntax()
                    .is_ok_and(|syntax| !danger::matches_foreign_hosts(&syntax));
            return Ok(Self::new(entry, HostPattern::Expression(pattern), is_safe));
        }
        let resolved = match base_url {
            Some(base) => entry.replace("{base_url}", base.trim_end_matches('/')),
            None if entry.contains("{base_url}") => {
                return Ok(Self::new(entry, HostPattern::BaseUrl, true));
            }
            None => entry.to_owned(),
        };
        let (scheme, rest) = match resolved.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, resolved.as_str()),
        };
        if !matches!(scheme.as_deref(), None | Some("http" | "https")) {
            return Err(bad("only http and https URLs are taken"));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(bad("a user's name has no place in it"));
        }
        if path.contains(['?', '#']) || path.contains("/.") || path.contains("//") {
            return Err(bad("its path is not plain"));
        }
        let (name, port) = split_port(authority).map_err(bad)?;
        let (pattern, is_safe) = match name.strip_prefix("*.") {
            Some(suffix) => {
                check_labels(suffix).map_err(bad)?;
                let suffix = suffix.to_ascii_lowercase();
                let is_safe = danger::has_one_owner(&suffix);
                (HostPattern::Under(format!(".{suffix}")), is_safe)
            }
            None if name.contains('*') => {
                return Err(bad(
                    "'*' stands for first labels only, as in '*.example.com'",
                ));
            }
            None => {
                let host = name.parse().map_err(|error: BadHost| bad(error.reason))?;
                (HostPattern::Exact(host), true)
            }
        };
        let mut host = Self::new(entry, pattern, is_safe);
        host.port = port;
        host.is_plain_http = scheme.as_deref() == Some("http");
        let path = path.trim_end_matches('/');
        host.path = (!path.is_empty()).then(|| path.to_owned());
        Ok(host)
    }

    fn new(text: &str, pattern: HostPattern, is_safe: bool) -> Self {
        Self {
            text: text.to_owned(),
            pattern,
            port: None,
            path: None,
            is_plain_http: false,
            injection: if is_safe {
                Injection::Allowed
            } else {
                Injection::Never
            },
        }
    }

    /// The entry as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The entry for people: a host in place of `{base_url}`, where it is known.
    pub fn shown(&self) -> String {
        match self.exact() {
            Some(host) if self.text.contains("{base_url}") => match self.port {
                Some(port) => format!("{host}:{port}"),
                None => host.to_string(),
            },
            _ => self.text.clone(),
        }
    }

    /// The one host of this entry, where it is one.
    pub fn exact(&self) -> Option<&HostName> {
        match &self.pattern {
            HostPattern::Exact(host) => Some(host),
            _ => None,
        }
    }

    /// The suffix with its dot, where the entry is `*.suffix`.
    pub fn suffix(&self) -> Option<&str> {
        match &self.pattern {
            HostPattern::Under(suffix) => Some(suffix),
            _ => None,
        }
    }

    /// Whether the host is whatever the connection's base URL says.
    pub fn is_base_url(&self) -> bool {
        matches!(self.pattern, HostPattern::BaseUrl)
    }

    /// Whether the entry speaks of this host. One that goes by the
    /// connection's base URL speaks of none by itself.
    pub fn matches(&self, host: &HostName) -> bool {
        match (&self.pattern, host) {
            (HostPattern::Exact(own), _) => own == host,
            (HostPattern::Under(suffix), HostName::Name(name)) => {
                name.len() > suffix.len() && name.ends_with(suffix.as_str())
            }
            (HostPattern::Expression(pattern), HostName::Name(name)) => pattern.fits(name),
            _ => false,
        }
    }

    /// Whether a name that the entry speaks of may end in `text`, wherever a
    /// label begins; yes where that cannot be told.
    pub fn may_end_in(&self, text: &str) -> bool {
        match &self.pattern {
            HostPattern::Exact(HostName::Name(name)) => name.ends_with(text),
            HostPattern::Exact(HostName::Address(_)) | HostPattern::BaseUrl => false,
            HostPattern::Under(suffix) => suffix.ends_with(text) || text.ends_with(suffix.as_str()),
            HostPattern::Expression(pattern) => pattern
                .syntax()
                .map_or(true, |syntax| danger::may_end_in(&syntax, text)),
        }
    }

    /// Whether the entry's path, if it has one, leads to `path`.
    pub fn covers(&self, path: &str) -> bool {
        self.path.as_deref().is_none_or(|own| {
            path.strip_prefix(own)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        })
    }
}

/// Splits `host:port`, `[v6]:port` or a bare host.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let is_bare_v6 = authority.parse::<Ipv6Addr>().is_ok();
    let (name, port) = match authority.rfind(':') {
        Some(colon) if !is_bare_v6 && !authority.ends_with(']') => {
            (&authority[..colon], Some(&authority[colon + 1..]))
        }
        _ => (authority, None),
    };
    let port = match port {
        None => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            match digits.parse::<u16>() {
                Ok(number) if number > 0 => Some(number),
                _ => return Err("its port is none"),
            }
        }
        Some(_) => return Err("its port is none"),
    };
    Ok((name, port))
}

fn check_labels(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 253 {
        return Err("its name is empty or too long");
    }
    if !name.is_ascii() {
        return Err("write international names in their 'xn--' form");
    }
    let fits = name.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    if fits {
        Ok(())
    } else {
        Err("names are labels of letters, digits and '-' with dots between")
    }
}

/// What resolvers may take for a part of an IPv4 address.
fn is_number(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit()) || label.starts_with("0x")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(entry: &str, host: &str) -> bool {
        let entry = Host::parse(entry, None).unwrap();
        host.parse().is_ok_and(|host| entry.matches(&host))
    }

    #[test]
    fn an_exact_host_is_that_host_and_no_other() {
        for same in ["api.openai.com", "API.OpenAI.com", "api.openai.com."] {
            assert!(matches(r"regex:^API\.openai\.com$", same), "{same}");
            assert!(matches("api.openai.com", same), "{same}");
        }
        for other in [
            "openai.com",
            "x.api.openai.com",
            "api.openai.com.evil.test",
            "api.openai.com..",
            "evil-api.openai.com",
            "api.openai.com:443",
            "api.openai.com\0.evil.test",
            "user@api.openai.com",
            "",
            ".",
        ] {
            assert!(!matches(r"regex:^API\.openai\.com$", other), "{other}");
            assert!(!matches("api.openai.com", other), "{other}");
        }
    }

    #[test]
    fn a_suffix_takes_everything_under_it_but_not_itself() {
        for under in ["a.example.com", "a.b.Example.com", "a.example.com."] {
            assert!(matches("*.example.com", under), "{under}");
        }
        for other in [
            "example.com",
            ".example.com",
            "a.example.com.evil.test",
            "evilexample.com",
            "a.example.com.evil",
        ] {
            assert!(!matches("*.example.com", other), "{other}");
        }
    }

    #[test]
    fn addresses_are_compared_as_addresses() {
        assert!(matches("[::1]:8000", "[0:0::1]"));
        assert!(matches("::1", "[::1]"));
        assert!(matches("127.0.0.1:8000", "127.0.0.1"));
        for odd in ["127.1", "0x7f.0.0.1", "2130706433", "[::1", "[127.0.0.1]"] {
            assert!(odd.parse::<HostName>().is_err(), "{odd}");
        }
        let entry = Host::parse("[::1]:8000", None).unwrap();
        assert_eq!(entry.port, Some(8000));
        assert_eq!(Host::parse("::1", None).unwrap().port, None);
    }

    #[test]
    fn a_url_brings_its_port_and_the_path_by_whole_segments() {
        let entry = Host::parse("https://www.googleapis.com:444/drive/v3/", None).unwrap();
        assert!(matches(
            "https://www.googleapis.com/drive",
            "www.googleapis.com"
        ));
        assert_eq!(entry.port, Some(444));
        for covered in ["/drive/v3", "/drive/v3/files", "/drive/v3?x"] {
            assert!(entry.covers(covered), "{covered}");
        }
        for other in ["/drive/v30", "/drive", "/", "/x/drive/v3"] {
            assert!(!entry.covers(other), "{other}");
        }
        assert!(Host::parse("api.example.com", None).unwrap().covers("/any"));
    }

    #[test]
    fn entries_that_no_host_can_be_read_from_are_refused() {
        for wrong in [
            "",
            "a b",
            "api.*.com",
            "*example.com",
            "https://user@example.com",
            "ftp://example.com",
            "example.com:0",
            "example.com:99999",
            "example.com:+1",
            "https://example.com/a/../b",
            "bücher.example",
            "{base_url",
        ] {
            assert!(Host::parse(wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn entries_that_foreign_hosts_match_are_never_used_for_injection() {
        for dangerous in [
            "regex:.*googleapis.*",
            "regex:(",
            "*.com",
            "*.co.uk",
            "regex:.*",
        ] {
            let host = Host::parse(dangerous, None).unwrap();
            assert_eq!(host.injection, Injection::Never, "{dangerous}");
        }
        for safe in [
            "*.example.com",
            r"regex:^.*\.example\.com$",
            "example.co.uk",
        ] {
            let host = Host::parse(safe, None).unwrap();
            assert_eq!(host.injection, Injection::Allowed, "{safe}");
        }
    }

    #[test]
    fn a_base_url_is_the_definitions_own_or_the_connections() {
        let own = Host::parse("{base_url}/api", Some("https://gitlab.com/")).unwrap();
        assert!(own.matches(&"gitlab.com".parse().unwrap()));
        assert_eq!(own.path.as_deref(), Some("/api"));
        assert!(Host::parse("{base_url}", None).unwrap().is_base_url());
    }
}
