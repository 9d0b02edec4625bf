//! Where clients show their tokens, and what must not go on with the request.
//!
//! A token that is meant for the gateway is taken off before anything is sent
//! on, wherever it stood.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use zeroize::Zeroizing;

use crate::broker::traffic::{Client, Refusal, Traffic};
use crate::secret::Secret;

pub(super) const AGENT_TOKEN: HeaderName = HeaderName::from_static("x-vault-agent-token");
pub(super) const AGENT_ID: HeaderName = HeaderName::from_static("x-vault-agent-id");
pub(super) const CONNECTION: HeaderName = HeaderName::from_static("x-vault-connection");

/// Where SDKs put keys, besides where a definition says that they do.
pub(super) const KEY_HEADERS: [HeaderName; 6] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-auth-token"),
    HeaderName::from_static("private-token"),
];
const KEY_PARAMETERS: [&str; 5] = ["key", "api_key", "apikey", "access_token", "token"];

/// A client and the token that it showed.
#[derive(Clone)]
pub(super) struct Admitted {
    pub(super) client: Client,
    pub(super) token: std::sync::Arc<Secret>,
}

/// Whoever sent a request to the gateway itself, by the headers for proxies.
pub(super) fn by_proxy_headers(
    headers: &HeaderMap,
    traffic: &Traffic,
) -> Result<Option<Admitted>, Refusal> {
    if let Some(found) = by_agent_headers(headers, traffic)? {
        return Ok(Some(found));
    }
    first(headers.get_all(PROXY_AUTHORIZATION), traffic)
}

/// `X-Vault-Agent-ID` with `X-Vault-Agent-Token`; the name must be the
/// token's own.
fn by_agent_headers(headers: &HeaderMap, traffic: &Traffic) -> Result<Option<Admitted>, Refusal> {
    let Some(token) = headers.get(AGENT_TOKEN).and_then(|text| text.to_str().ok()) else {
        return Ok(None);
    };
    let id = headers.get(AGENT_ID).and_then(|text| text.to_str().ok());
    let found = admit(Secret::from(token.trim().to_owned()), traffic)?;
    Ok(found.filter(|found| id.is_none_or(|id| id == found.client.name())))
}

/// Whoever sent a request in the path form: the token stands where the
/// provider's key would.
pub(super) fn by_key_places(
    headers: &HeaderMap,
    query: Option<&str>,
    own: &[HeaderName],
    own_parameters: &[String],
    traffic: &Traffic,
) -> Result<Option<Admitted>, Refusal> {
    if let Some(found) = by_proxy_headers(headers, traffic)? {
        return Ok(Some(found));
    }
    for name in own.iter().chain(&KEY_HEADERS) {
        if let Some(found) = first(headers.get_all(name), traffic)? {
            return Ok(Some(found));
        }
    }
    for pair in query.unwrap_or_default().split('&') {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let is_place =
            KEY_PARAMETERS.contains(&name) || own_parameters.iter().any(|own| own == name);
        if is_place && let Some(found) = admit(Secret::from(value.to_owned()), traffic)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn first<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
    traffic: &Traffic,
) -> Result<Option<Admitted>, Refusal> {
    for value in values {
        let Ok(text) = value.to_str() else { continue };
        for token in tokens_in(text) {
            if let Some(found) = admit(token, traffic)? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// What may be a token: the whole value, what follows its scheme, or either
/// half of Basic's pair.
pub(super) fn tokens_in(value: &str) -> Vec<Secret> {
    let secret = |text: &str| Secret::from(text.to_owned());
    let value = value.trim();
    let Some((scheme, rest)) = value.split_once(' ') else {
        return vec![secret(value)];
    };
    let rest = rest.trim();
    if !scheme.eq_ignore_ascii_case("basic") {
        return vec![secret(rest)];
    }
    let Ok(pair) = STANDARD.decode(rest).map(Zeroizing::new) else {
        return Vec::new();
    };
    let Ok(pair) = std::str::from_utf8(&pair) else {
        return Vec::new();
    };
    match pair.split_once(':') {
        Some((user, password)) => vec![secret(password), secret(user)],
        None => vec![secret(pair)],
    }
}

fn admit(token: Secret, traffic: &Traffic) -> Result<Option<Admitted>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let found = traffic.admit(&token).map_err(Refusal::for_anybody)?;
    Ok(found.map(|client| Admitted {
        client,
        token: std::sync::Arc::new(token),
    }))
}

/// Whether a header's value has the token in it, also as one half of Basic.
pub(super) fn holds(value: &HeaderValue, token: &Secret) -> bool {
    let bytes = value.as_bytes().trim_ascii();
    let token = token.reveal().as_bytes();
    if bytes.len() < token.len() {
        return false;
    }
    if bytes.windows(token.len()).any(|window| window == token) {
        return true;
    }
    pair_of(value).is_some_and(|pair| pair.windows(token.len()).any(|window| window == token))
}

/// The pair of user and password in a value that is Basic's.
pub(super) fn pair_of(value: &HeaderValue) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, rest) = value.as_bytes().trim_ascii().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    STANDARD.decode(rest.trim_ascii()).ok().map(Zeroizing::new)
}

/// That a proxy's client has shown no token.
pub(super) fn proxy_unauthorized() -> Refusal {
    Refusal::new(
        407,
        "unauthorized",
        "This proxy is not yours: no valid token",
    )
    .with_hint(
        "Set HTTPS_PROXY=http://AGENT:TOKEN@HOST:PORT with a token of: vault agent create NAME",
    )
}

/// The same in the path form.
pub(super) fn unauthorized() -> Refusal {
    Refusal::new(401, "unauthorized", "No valid token").with_hint(
        "Give the token where the key would stand; make one with: vault agent create NAME",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: &str) -> Vec<String> {
        let tokens = tokens_in(value);
        tokens
            .iter()
            .map(|token| token.reveal().to_owned())
            .collect()
    }

    #[test]
    fn a_token_is_found_in_every_scheme() {
        let pair = STANDARD.encode("ci:vat_FAKE");
        assert_eq!(found(&format!("Basic {pair}")), ["vat_FAKE", "ci"]);
        assert_eq!(found(&format!("basic  {pair}")), ["vat_FAKE", "ci"]);
        assert_eq!(found("Bearer vat_FAKE"), ["vat_FAKE"]);
        assert_eq!(found("vat_FAKE"), ["vat_FAKE"]);
        assert!(found("Basic %%%").is_empty());
    }

    #[test]
    fn a_value_that_holds_the_token_in_any_form_is_seen() {
        let token = Secret::from("vat_FAKEtoken".to_owned());
        let basic = format!("Basic {}", STANDARD.encode("vat_FAKEtoken:"));
        let indented = format!(" {basic}");
        for value in ["vat_FAKEtoken", "Bearer vat_FAKEtoken", &basic, &indented] {
            assert!(holds(&value.parse().unwrap(), &token), "{value}");
        }
        for value in ["", "Bearer vat_FAKE", "Basic dmF0"] {
            assert!(!holds(&value.parse().unwrap(), &token), "{value}");
        }
    }
}
