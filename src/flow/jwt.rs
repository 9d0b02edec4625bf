//! What a JSON web token says of itself. Nothing here is trusted: it came
//! over TLS from the token address, and tells only when to renew and whose
//! it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::text::printable;

/// Longer ones are not read.
const LONGEST: usize = 64 * 1024;

/// The claims, where it is such a token.
pub(super) fn claims(token: &Secret) -> Option<Value> {
    let text = token.reveal();
    if text.len() > LONGEST {
        return None;
    }
    let mut parts = text.split('.');
    let (_, body, _) = (parts.next()?, parts.next()?, parts.next()?);
    let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).ok()?);
    serde_json::from_slice(&json).ok()
}

/// When it ends.
pub(super) fn end(token: &Secret) -> Option<Timestamp> {
    let seconds = claims(token)?.get("exp")?.as_i64()?;
    Timestamp::from_second(seconds).ok()
}

/// Whose it is, for people.
pub(super) fn account(token: &Secret) -> Option<String> {
    let claims = claims(token)?;
    ["email", "preferred_username", "name"]
        .iter()
        .find_map(|name| claims.get(name)?.as_str())
        .filter(|text| !text.is_empty() && text.len() <= 200)
        .map(|text| printable(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> Secret {
        let body = URL_SAFE_NO_PAD.encode(claims);
        Secret::from(format!("FAKE.{body}.FAKE"))
    }

    #[test]
    fn a_token_says_when_it_ends_and_whose_it_is() {
        let told = token(r#"{"exp": 1800000000, "email": "me@example.com"}"#);
        assert_eq!(end(&told).unwrap().as_second(), 1_800_000_000);
        assert_eq!(account(&told).as_deref(), Some("me@example.com"));
        for odd in ["", "a.b", "a.b.c", "FAKE-opaque"] {
            assert!(claims(&Secret::from(odd.to_owned())).is_none(), "{odd}");
        }
        assert_eq!(end(&token(r#"{"exp": "soon"}"#)), None);
    }
}
