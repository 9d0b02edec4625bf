//! A request as the stand-in got it, and how often a key is in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Version;
use hyper::body::Bytes;

/// A request, whole.
#[derive(Clone)]
pub struct Seen {
    /// The name in the TLS handshake.
    pub host: String,
    /// The protocol.
    pub version: Version,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Seen {
    /// The path without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The query.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The one value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice");
        value.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// How often a text is in it, also as one half of Basic.
    pub fn count(&self, text: &str) -> usize {
        let basic = self.headers.iter().filter_map(|(_, value)| {
            let pair = value.strip_prefix("Basic ")?;
            Some(String::from_utf8_lossy(&STANDARD.decode(pair).ok()?).into_owned())
        });
        let names = self.headers.iter().map(|(name, _)| name.clone());
        let values = self.headers.iter().map(|(_, value)| value.clone());
        let body = String::from_utf8_lossy(&self.body).into_owned();
        names
            .chain(values)
            .chain(basic)
            .chain([self.target.clone(), body])
            .map(|place| place.matches(text).count())
            .sum()
    }

    /// The real key is in this header, in this form, and nowhere else.
    #[track_caller]
    pub fn carries(&self, key: &str, header: &str, value: &str) {
        assert_eq!(self.header(header), Some(value), "{self}");
        assert_eq!(self.count(key), 1, "{self}");
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            host,
            version,
            method,
            target,
            headers,
            ..
        } = self;
        write!(f, "{method} https://{host}{target} {version:?} {headers:?}")
    }
}
