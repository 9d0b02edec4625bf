//! Which proxy an address is reached through, as the usual variables say.
//! Pure: the variables are arguments.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::address::Address;
use crate::provider::{Host, HostName};
use crate::secret::Secret;

/// What the variables hold; the lower-case form of each wins, as in curl.
#[derive(Default)]
pub struct ProxyVariables {
    /// `http_proxy`. The upper-case form is not among them: a web server may
    /// have made it from a request's `Proxy` header.
    pub http: Option<Secret>,
    /// `https_proxy`
    pub https: Option<Secret>,
    /// `all_proxy`
    pub all: Option<Secret>,
    /// `no_proxy`
    pub none: Option<String>,
}

/// The proxies in force.
#[derive(Default)]
pub struct Proxies {
    http: Way,
    https: Way,
    except: Vec<Exception>,
}

/// A proxy, none, or one that cannot be used, which matters only to those who
/// would go through it.
type Way = Option<Result<Proxy, BadProxy>>;

/// One proxy.
pub(super) struct Proxy {
    pub(super) address: Address,
    authorization: Option<Secret>,
}

/// A proxy that cannot be used. The variable's value is not repeated: it may
/// hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} names no proxy that can be used: {reason}")]
pub struct BadProxy {
    variable: &'static str,
    reason: String,
}

/// One entry of `no_proxy`.
pub enum Exception {
    /// No proxy at all.
    Everything,
    /// This host and what is under it, at this port if there is one.
    Under(String, Option<u16>),
    /// This address at this port.
    Address(SocketAddr),
    /// Addresses that begin with so many bits of this one.
    Network(IpAddr, u32),
}

impl Proxies {
    /// Reads the variables.
    pub fn new(variables: &ProxyVariables) -> Self {
        let read = |own: &Option<Secret>, variable| {
            let (given, variable) = match (own, &variables.all) {
                (Some(own), _) => (own, variable),
                (None, Some(all)) => (all, "all_proxy"),
                (None, None) => return None,
            };
            Some(Proxy::parse(given).map_err(|reason| BadProxy { variable, reason }))
        };
        Self {
            http: read(&variables.http, "http_proxy"),
            https: read(&variables.https, "https_proxy"),
            except: variables
                .none
                .as_deref()
                .unwrap_or_default()
                .split([',', ' '])
                .filter_map(Exception::parse)
                .collect(),
        }
    }

    /// The proxy on the way to an address. This machine is reached without.
    ///
    /// # Errors
    /// The one that is named cannot be used.
    pub(super) fn for_address(&self, address: &Address) -> Result<Option<&Proxy>, &BadProxy> {
        let way = if address.is_tls {
            &self.https
        } else {
            &self.http
        };
        let is_excepted = address.host.is_loopback()
            || self
                .except
                .iter()
                .any(|exception| exception.covers(&address.host, address.port));
        way.as_ref()
            .filter(|_| !is_excepted)
            .map(Result::as_ref)
            .transpose()
    }
}

impl Proxy {
    /// `http://user:password@proxy.example:3128`, or without the scheme.
    fn parse(given: &Secret) -> Result<Self, String> {
        let text = given.reveal();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            // Only what surely is no part of a password is repeated.
            let known = ["socks4", "socks4a", "socks5", "socks5h", "ftp"];
            let named = known.iter().find(|known| **known == scheme);
            let named = named.unwrap_or(&"its scheme");
            return Err(format!("{named} is not spoken here, only http and https"));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (user, host) = match rest[..end].rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, &rest[..end]),
        };
        let plain = Secret::from(format!("{scheme}://{host}"));
        let address = Address::parse(&plain).map_err(|bad| bad.to_string())?;
        let authorization = user.map(|user| {
            let user = zeroize::Zeroizing::new(percent_decoded(user));
            // Without a password there is still a colon (RFC 7617).
            let mut pair = user.to_vec();
            if !pair.contains(&b':') {
                pair.push(b':');
            }
            let encoded = STANDARD.encode(zeroize::Zeroizing::new(pair).as_slice());
            Secret::from(format!("Basic {encoded}"))
        });
        Ok(Self {
            address,
            authorization,
        })
    }

    /// What the proxy wants to see, with the word before it.
    pub(super) fn authorization(&self) -> Option<&Secret> {
        self.authorization.as_ref()
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

impl Exception {
    /// Reads an entry; none where it cannot be told what it means.
    pub fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim();
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((network, bits)) = entry.split_once('/') {
            let network: IpAddr = network.parse().ok()?;
            return Some(Self::Network(network, bits.parse().ok()?));
        }
        if let Ok(address) = entry.trim_matches(['[', ']']).parse() {
            return Some(Self::Network(address, u32::MAX));
        }
        if let Ok(address) = entry.parse::<SocketAddr>() {
            return Some(Self::Address(address));
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let name = name.trim_start_matches("*.").trim_matches('.');
        (!name.is_empty()).then(|| Self::Under(name.to_ascii_lowercase(), port))
    }

    /// Whether some client could take this to cover a host that `pattern`
    /// speaks of. Clients do not agree: some know ports, some take `le.com`
    /// for the end of `example.com`. Here the widest reading counts.
    pub fn may_cover(&self, pattern: &Host) -> bool {
        match self {
            Self::Everything => true,
            Self::Under(name, _) => pattern.may_end_in(name),
            Self::Address(_) | Self::Network(..) => pattern
                .exact()
                .is_some_and(|address| self.covers_address(address)),
        }
    }

    /// Whether this covers an address at whatever port.
    pub fn covers_address(&self, address: &HostName) -> bool {
        match (self, address) {
            (Self::Everything, _) => true,
            (Self::Address(own), HostName::Address(address)) => own.ip() == *address,
            (Self::Network(network, bits), HostName::Address(address)) => {
                begins_alike(*network, *address, *bits)
            }
            _ => false,
        }
    }

    fn covers(&self, host: &HostName, port: u16) -> bool {
        match (self, host) {
            (Self::Everything, _) => true,
            (Self::Under(name, own_port), HostName::Name(host)) => {
                own_port.is_none_or(|own| own == port)
                    && host
                        .strip_suffix(name.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Address(own), HostName::Address(address)) => {
                *own == SocketAddr::new(*address, port)
            }
            (Self::Network(network, bits), HostName::Address(address)) => {
                begins_alike(*network, *address, *bits)
            }
            _ => false,
        }
    }
}

fn begins_alike(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let shifted = |value: u128, width: u32| {
        let kept = bits.min(width);
        value.checked_shr(width - kept).unwrap_or(0)
    };
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            shifted(u128::from(u32::from(one)), 32) == shifted(u128::from(u32::from(other)), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            shifted(u128::from(one), 128) == shifted(u128::from(other), 128)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Option<Secret> {
        Some(Secret::from(text.to_owned()))
    }

    fn way(variables: &ProxyVariables, url: &str) -> Option<String> {
        let address = Address::parse(&Secret::from(url.to_owned())).unwrap();
        let proxies = Proxies::new(variables);
        let proxy = proxies.for_address(&address).unwrap();
        proxy.map(|proxy| proxy.address.authority())
    }

    #[test]
    fn each_scheme_has_its_proxy_and_all_stands_in() {
        let mut variables = ProxyVariables {
            https: secret("http://secure.example:3128"),
            all: secret("any.example:8080"),
            ..ProxyVariables::default()
        };
        let to = |variables: &_, url| way(variables, url).unwrap();
        assert_eq!(to(&variables, "https://a.example/"), "secure.example:3128");
        assert_eq!(to(&variables, "http://a.example/"), "any.example:8080");
        variables.all = None;
        assert_eq!(way(&variables, "http://a.example/"), None);
    }

    #[test]
    fn this_machine_and_what_no_proxy_names_are_reached_without() {
        let variables = ProxyVariables {
            https: secret("proxy.example:1"),
            none: Some(
                "corp.test, .dot.test,*.star.test,10.0.0.0/8,[::5],port.test:444,11.0.0.1:444,[::7]:444".to_owned(),
            ),
            ..ProxyVariables::default()
        };
        for direct in [
            "https://localhost/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://corp.test/",
            "https://a.CORP.test./",
            "https://a.dot.test/",
            "https://a.star.test/",
            "https://10.1.2.3/",
            "https://[::5]/",
            "https://port.test:444/",
            "https://11.0.0.1:444/",
            "https://[::7]:444/",
        ] {
            assert_eq!(way(&variables, direct), None, "{direct}");
        }
        for proxied in [
            "https://notcorp.test/",
            "https://corp.test.evil.test/",
            "https://11.1.2.3/",
            "https://[::6]/",
            "https://port.test/",
        ] {
            assert!(way(&variables, proxied).is_some(), "{proxied}");
        }
        let none = ProxyVariables {
            https: secret("proxy.example:1"),
            none: Some("*".to_owned()),
            ..ProxyVariables::default()
        };
        assert_eq!(way(&none, "https://a.example/"), None);
    }

    #[test]
    fn a_proxys_password_is_sent_and_never_shown() {
        let proxy = Proxy::parse(&Secret::from(
            "http://me:FAKE%40pass@p.example:1".to_owned(),
        ));
        let proxy = proxy.map_err(|_| ()).unwrap();
        let expected = format!("Basic {}", STANDARD.encode("me:FAKE@pass"));
        assert_eq!(proxy.authorization().unwrap().reveal(), expected);
        for given in [
            "socks5://me:FAKEpass@p.example",
            "me:FAKE1://pass@p.example",
            "me:FAKEpass@p.example:port",
        ] {
            let proxies = Proxies::new(&ProxyVariables {
                https: secret(given),
                ..ProxyVariables::default()
            });
            let address = Address::parse(&Secret::from("https://a.example".to_owned()));
            let refused = proxies.for_address(&address.unwrap()).map(|_| ());
            let message = refused.unwrap_err().to_string();
            assert!(message.contains("https_proxy"), "{message}");
            assert_eq!(message.contains("socks5"), given.contains("socks5"));
            assert!(
                !message.contains("FAKE") && !message.contains("me:"),
                "{message}"
            );
        }
        let proxy = Proxy::parse(&Secret::from("HTTP://p.example:1".to_owned()));
        assert!(proxy.is_ok());
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_in_nobodys_way_who_goes_without() {
        let proxies = Proxies::new(&ProxyVariables {
            https: secret("p.example:1"),
            all: secret("socks5://p.example"),
            ..ProxyVariables::default()
        });
        let to = |url: &str| {
            let address = Address::parse(&Secret::from(url.to_owned())).unwrap();
            proxies.for_address(&address).map(|_| ()).is_ok()
        };
        assert!(to("https://a.example") && to("http://localhost"));
        assert!(!to("http://a.example"));
    }
}
