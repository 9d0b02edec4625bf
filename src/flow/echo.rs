//! What a server may be quoted with: its own words, unless something that it
//! was sent stands in them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::authorize::decoded;
use super::request::plain;
use crate::net::Request;
use crate::secret::Secret;
use crate::text::printable;

/// More of a server's sentence is not shown.
const LONGEST_TOLD: usize = 200;
/// A shorter text stands in every other one.
const SHORTEST_HIDDEN: usize = 8;
/// Words of the protocol that every request holds. They are nobody's secret,
/// and servers' own words are made of them (`bad_refresh_token`).
const WORDS: [&str; 14] = [
    "access_token",
    "application",
    "authorization_code",
    "client_credentials",
    "client_id",
    "client_secret",
    "code_verifier",
    "device_code",
    "grant-type",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "registration",
    "token_type_hint",
];

/// Everything of a request that an answer could repeat, as it was sent and as
/// it was before it was encoded.
pub(super) fn sent(request: &Request) -> Vec<Secret> {
    let headers = request.headers.iter().map(|(_, value)| value);
    let mut hidden = Vec::new();
    for text in headers.chain(&request.body) {
        let text = text.reveal();
        hide_parts(text, &mut hidden);
        // A client's secret lies in there.
        let pair = text.strip_prefix("Basic ");
        let pair = pair.and_then(|pair| STANDARD.decode(pair).ok().map(Zeroizing::new));
        if let Some(pair) = pair
            .as_ref()
            .and_then(|pair| std::str::from_utf8(pair).ok())
        {
            hide_parts(pair, &mut hidden);
        }
    }
    hidden
}

fn hide_parts(text: &str, hidden: &mut Vec<Secret>) {
    for part in text.split(['&', '=', '"', ' ', ',', ':']) {
        let before = part.contains('%').then(|| decoded(part)).flatten();
        let before = before.as_ref().map(|text| text.as_str());
        for part in [Some(part), before].into_iter().flatten() {
            if part.len() >= SHORTEST_HIDDEN && !WORDS.contains(&part) {
                hidden.push(plain(part));
            }
        }
    }
}

/// A server's own text, unless something that we sent stands in it.
pub(super) fn shown(text: &str, hidden: &[Secret]) -> Option<String> {
    // The first sentence: what follows are numbers for the server's people.
    let text = text.lines().next().unwrap_or_default().trim();
    let text = text.trim_end_matches('.');
    let is_in = |secret: &Secret| text.contains(secret.reveal());
    if text.is_empty() || hidden.iter().any(is_in) {
        return None;
    }
    let cut: String = text.chars().take(LONGEST_TOLD).collect();
    Some(printable(&cut).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::server::TIMEOUT;
    use super::*;
    use crate::net::Address;

    fn request(headers: Vec<(String, Secret)>, body: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            address: Address::parse(&plain("https://a.example.com/token"))
                .ok()
                .unwrap(),
            headers,
            body: Some(plain(body)),
            timeout: TIMEOUT,
        }
    }

    #[test]
    fn a_word_of_the_protocol_is_no_secret() {
        let form = "grant_type=refresh_token&refresh_token=FAKE-refresh-token&client_id=app";
        let json = r#"{"grant_type":"refresh_token","refresh_token":"FAKE-refresh-token"}"#;
        for body in [form, json] {
            let hidden = sent(&request(Vec::new(), body));
            for word in ["bad_refresh_token", "invalid_refresh_token"] {
                assert_eq!(shown(word, &hidden).as_deref(), Some(word), "{body}");
            }
            assert_eq!(shown("no FAKE-refresh-token here", &hidden), None, "{body}");
        }
    }

    #[test]
    fn a_secret_is_hidden_as_it_was_before_it_was_encoded() {
        let pair = STANDARD.encode("app:FAKE%2Fclient%2Bsecret");
        let basic = ("authorization".to_owned(), plain(format!("Basic {pair}")));
        let body = "refresh_token=1%2F%2F0gFAKE%2Btoken";
        let hidden = sent(&request(vec![basic], body));
        for echoed in [
            "1//0gFAKE+token",
            "1%2F%2F0gFAKE%2Btoken",
            "FAKE/client+secret",
            &pair,
        ] {
            assert_eq!(
                shown(&format!("not {echoed} here"), &hidden),
                None,
                "{echoed}"
            );
        }
    }
}
