//! The heads of requests and answers on their way through: what is between
//! two neighbours alone is taken off, what the client must not say is taken
//! off, and what its connection adds is put in.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::Uri;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};

use super::decode::Coding;
use crate::broker::traffic::Pass;
use crate::credential::redact::Redactor;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const ALT_SVC: HeaderName = HeaderName::from_static("alt-svc");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const WEBSOCKET_EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");

/// Takes off what is for the next neighbour alone (RFC 9110, 7.6.1), and what
/// a `Connection` header names as such.
pub(super) fn strip_neighbours(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        // Whoever says both could be read in two ways (RFC 9112, 6.3). Before
        // `Connection` is heeded, which may name the one and leave the other.
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
    }
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .filter(|name| *name != CONTENT_LENGTH && *name != HOST)
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    settle_length(headers);
    headers.remove(KEEP_ALIVE);
    headers.remove(UPGRADE);
    let is_proxy = |name: &&HeaderName| name.as_str().starts_with("proxy-");
    while let Some(name) = headers.keys().find(is_proxy).cloned() {
        headers.remove(name);
    }
}

/// Leaves one length in digits, or none: then the body itself says how long it
/// is. HTTP/2 lets an empty one through, and the same one twice.
fn settle_length(headers: &mut HeaderMap) {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    let is_number = !first.is_empty() && first.as_bytes().iter().all(u8::is_ascii_digit);
    let is_one = is_number && lengths.all(|other| other == first);
    if is_one {
        let first = first.clone();
        headers.insert(CONTENT_LENGTH, first);
    } else {
        headers.remove(CONTENT_LENGTH);
    }
}

/// Takes off what only a client says to a gateway, and a gateway to a client.
fn strip_ours(headers: &mut HeaderMap) {
    let is_ours = |name: &&HeaderName| name.as_str().starts_with("x-vault-");
    while let Some(name) = headers.keys().find(is_ours).cloned() {
        headers.remove(name);
    }
}

/// What a client's request becomes, but for its address. What is the
/// gateway's own (its token, its placeholders) goes no further.
pub(super) fn request_headers(
    headers: &mut HeaderMap,
    pass: Option<&Pass>,
    is_own: &dyn Fn(&HeaderValue) -> bool,
    upgrade: Option<HeaderValue>,
) {
    let wants_trailers = headers
        .get(TE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    strip_neighbours(headers);
    headers.remove(TE);
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    // The gateway itself tells its client to go on when it reads the body.
    headers.remove(EXPECT);
    headers.remove(HOST);
    strip_ours(headers);
    let holding: Vec<HeaderName> = headers
        .iter()
        .filter(|(_, value)| is_own(value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in holding {
        headers.remove(name);
    }
    if let Some(upgrade) = upgrade.filter(|value| !is_own(value)) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade);
        if pass.is_some() {
            // Compressed frames could not be looked through.
            headers.remove(WEBSOCKET_EXTENSIONS);
        }
    }
    let Some(pass) = pass else {
        return;
    };
    for name in &pass.stripped {
        headers.remove(name);
    }
    for (name, value) in &pass.headers {
        headers.insert(name, value.clone());
    }
    for (name, value) in &pass.usual {
        if !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
    if pass.redactor.is_empty() {
        return;
    }
    // Compressed messages within a body could not be looked through.
    headers.remove(GRPC_ACCEPT_ENCODING);
    if headers.contains_key(ACCEPT_ENCODING) {
        let asked: Vec<_> = headers
            .get_all(ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let asked = asked.join(", ");
        match Coding::accept(Some(&asked)).and_then(|text| HeaderValue::from_str(&text).ok()) {
            Some(value) => headers.insert(ACCEPT_ENCODING, value),
            None => headers.remove(ACCEPT_ENCODING),
        };
    }
}

/// The path and query that go upstream.
pub(super) fn path_and_query<'a>(
    uri: &'a Uri,
    pass: Option<&Pass>,
    drop: &dyn Fn(&str) -> bool,
) -> Cow<'a, str> {
    let given = uri.path_and_query().map_or("/", |text| text.as_str());
    if given == "*" {
        return Cow::Borrowed(given);
    }
    let adds_nothing = pass.is_none_or(|pass| pass.path.is_none() && pass.query.is_empty());
    if adds_nothing && !given.contains('?') {
        return Cow::Borrowed(given);
    }
    let (path, query) = match given.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (given, None),
    };
    let mut text = match pass.and_then(|pass| pass.path.as_ref()) {
        Some(start) => start.applied(path),
        None => path.to_owned(),
    };
    let is_stripped = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        drop(value)
            || pass.is_some_and(|pass| {
                let mut names = pass.stripped_query.iter();
                names.any(|own| is_same_parameter(own, name))
            })
    };
    let mut mark = '?';
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        if !is_stripped(pair) {
            text.push(mark);
            text.push_str(pair);
            mark = '&';
        }
    }
    for (name, value) in pass.into_iter().flat_map(|pass| &pass.query) {
        text.push(mark);
        text.push_str(name);
        text.push('=');
        text.push_str(value.reveal());
        mark = '&';
    }
    Cow::Owned(text)
}

/// HTTP/2 may send cookies in pieces; HTTP/1.1 may not (RFC 9113, 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let mut pieces = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (pieces.next(), pieces.next()) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for piece in std::iter::once(second).chain(pieces) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(piece.as_bytes());
    }
    if let Ok(mut value) = HeaderValue::from_bytes(&joined) {
        value.set_sensitive(true);
        headers.insert(COOKIE, value);
    }
}

/// A name may be written with any of its characters in hexadecimal.
fn is_same_parameter(own: &str, given: &str) -> bool {
    if !given.contains('%') {
        return own == given;
    }
    let mut own = own.bytes();
    let mut given = given.bytes();
    loop {
        let next = match given.next() {
            Some(b'%') => {
                let digits = [given.next(), given.next()];
                let [Some(high), Some(low)] = digits else {
                    return false;
                };
                let digits = [high, low];
                let code = std::str::from_utf8(&digits).ok();
                match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                    Some(byte) => Some(byte),
                    None => return false,
                }
            }
            other => other,
        };
        match (own.next(), next) {
            (None, None) => return true,
            (one, other) if one == other => {}
            _ => return false,
        }
    }
}

/// What an upstream's answer becomes.
pub(super) fn response_headers(headers: &mut HeaderMap, redactor: Option<&Redactor>) {
    strip_neighbours(headers);
    strip_ours(headers);
    // Another protocol would go around us.
    headers.remove(ALT_SVC);
    if let Some(redactor) = redactor {
        redact_headers(headers, redactor);
    }
}

/// Takes out of each value what must not come back.
pub(super) fn redact_headers(headers: &mut HeaderMap, redactor: &Redactor) {
    for value in headers.values_mut() {
        if let Some(clean) = redactor.text(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&clean)
                .unwrap_or_else(|_| HeaderValue::from_static("redacted"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::authorization::holds;
    use crate::secret::Secret;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_between_neighbours_goes_no_further() {
        let mut headers = map(&[
            ("connection", "close, X-Hop"),
            ("connection", "keep-alive"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic FAKE"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("upgrade", "h2c"),
            ("x-mine", "1"),
        ]);
        strip_neighbours(&mut headers);
        assert_eq!(names(&headers), ["x-mine"]);
    }

    #[test]
    fn there_is_one_length_or_none() {
        for (given, left) in [
            (&["5"][..], Some("5")),
            (&["0", "0"], Some("0")),
            (&["5", "6"], None),
            (&[""], None),
            (&["+5"], None),
            (&["5", ""], None),
        ] {
            let pairs: Vec<_> = given.iter().map(|text| ("content-length", *text)).collect();
            let mut headers = map(&pairs);
            strip_neighbours(&mut headers);
            let all: Vec<_> = headers.get_all(CONTENT_LENGTH).iter().collect();
            assert_eq!(all, left.into_iter().collect::<Vec<_>>(), "{given:?}");
        }
    }

    #[test]
    fn the_clients_token_is_taken_off_wherever_it_stands() {
        let token = Secret::from("vat_FAKEtoken".to_owned());
        let mut headers = map(&[
            ("x-vault-agent-token", "vat_FAKEtoken"),
            ("x-vault-connection", "team"),
            ("x-anything", "Bearer vat_FAKEtoken"),
            ("expect", "100-continue"),
            ("te", "trailers"),
            ("host", "a.example"),
            ("x-mine", "1"),
        ]);
        let upgrade = Some("websocket/vat_FAKEtoken".parse().unwrap());
        request_headers(&mut headers, None, &|value| holds(value, &token), upgrade);
        assert_eq!(names(&headers), ["te", "x-mine"]);
    }

    #[test]
    fn parameters_are_dropped_by_name_and_by_value() {
        let uri: Uri = "/a?x=1&key=vat_FAKE&y".parse().unwrap();
        let kept = path_and_query(&uri, None, &|value| value == "vat_FAKE");
        assert_eq!(kept, "/a?x=1&y");
        assert!(is_same_parameter("key", "%6bey") && is_same_parameter("key", "k%65y"));
        assert!(!is_same_parameter("key", "key%20") && !is_same_parameter("key", "%6"));
    }
}
