//! What reads bytes of clients of whom nothing is known yet, in one call, for
//! the fuzz targets: the parts are nobody else's business.

use hyper::header::HeaderValue;

use super::authorization::{holds, tokens_in};
use super::connect::{Connect, MOST_HEADERS};
use super::service::wanted;
use super::target::Authority;
use crate::secret::Secret;

/// Reads a head of CONNECT, and then the bytes by themselves as an authority
/// and as a header's value. What is read holds together.
///
/// # Panics
/// Something of that is not so.
pub fn read(bytes: &[u8]) {
    if let Ok(Some((connect, length))) = Connect::parse(bytes) {
        assert!(length <= bytes.len() && connect.headers.len() <= MOST_HEADERS);
        authority(&connect.target);
        let _ = wanted(&connect.headers);
        connect.headers.values().for_each(value);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        authority(text);
    }
    if let Ok(text) = HeaderValue::from_bytes(bytes) {
        value(&text);
    }
}

fn authority(text: &str) {
    for usual in [None, Some(443)] {
        let Ok(read) = Authority::parse(text, usual) else {
            continue;
        };
        // What is dialled and what is said upstream are one place.
        let again = Authority::parse(&read.to_string(), None);
        assert_eq!(again, Ok(read.clone()));
        assert_eq!(Authority::parse(&read.header(443), Some(443)), again);
        let said = read.to_string();
        assert!(said.bytes().all(|byte| byte.is_ascii_graphic()), "{said}");
    }
}

/// A token that lets a client in is one that is taken off.
fn value(value: &HeaderValue) {
    let Ok(text) = value.to_str() else { return };
    for token in tokens_in(text) {
        assert!(token.is_empty() || holds(value, &token));
    }
    let _ = holds(value, &Secret::from("vat_FAKE".to_owned()));
}
