//! Finding a server's addresses (RFC 8414) and registering a client there
//! (RFC 7591). Nothing of it is stored before a login succeeded.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::request::{ask, compose, read};
use super::server::TIMEOUT;
use super::{FlowError, Server};
use crate::credential::client::{Endpoints, OAuthClient, Proof};
use crate::net::{Address, Client, Request};
use crate::provider::Writing;
use crate::secret::Secret;

/// Asks the issuer for the addresses that the definition does not have.
///
/// # Errors
/// There is no answer, or it is another issuer's.
pub async fn discover(server: &mut Server, client: &Client) -> Result<(), FlowError> {
    let Some(issuer) = server.issuer.clone() else {
        return Ok(());
    };
    let mut last = None;
    for address in well_known(&issuer) {
        let address = server.address("issuer", Some(&address))?;
        let request = Request {
            method: "GET".to_owned(),
            address,
            headers: vec![(
                "accept".to_owned(),
                Secret::from("application/json".to_owned()),
            )],
            body: None,
            timeout: TIMEOUT,
        };
        let answer = client.send(request).await?;
        match read(server, answer, &[]) {
            Ok(body) => return learn(server, &issuer, &body),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(FlowError::Refused { .. }) | None => {
            Err(server.odd("names no addresses where RFC 8414 has them"))
        }
        Some(error) => Err(error),
    }
}

/// Where an issuer says what it has: before its path, or after it as OpenID
/// has it.
fn well_known(issuer: &str) -> Vec<String> {
    let issuer = issuer.trim_end_matches('/');
    let (scheme, rest) = issuer.split_once("://").unwrap_or(("https", issuer));
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, format!("/{path}")),
        None => (rest, String::new()),
    };
    vec![
        format!("{scheme}://{authority}/.well-known/oauth-authorization-server{path}"),
        format!("{issuer}/.well-known/openid-configuration"),
    ]
}

fn learn(server: &mut Server, issuer: &str, body: &Value) -> Result<(), FlowError> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    // Exactly the same, or somebody else could answer for it.
    if text("issuer").as_deref() != Some(issuer) {
        return Err(FlowError::Issuer {
            server: server.name.clone(),
        });
    }
    let methods = body.get("code_challenge_methods_supported");
    let methods = methods.and_then(Value::as_array);
    let has_s256 = methods.is_some_and(|methods| methods.iter().any(|method| method == "S256"));
    let by_browser = text("authorization_endpoint").is_some();
    // Nothing said means that there is none (RFC 8414).
    if by_browser && !has_s256 && server.oauth.pkce != Some(false) {
        return Err(server.odd("offers no PKCE with S256"));
    }
    let promised = body.get("authorization_response_iss_parameter_supported");
    server.says_who = promised == Some(&Value::Bool(true));
    server.learn(Endpoints {
        authorization: text("authorization_endpoint"),
        token: text("token_endpoint"),
        revocation: text("revocation_endpoint"),
        device: text("device_authorization_endpoint"),
        registration: text("registration_endpoint"),
    });
    // Looked at now, so that nobody agrees to something for nothing.
    let found = &server.endpoints;
    for (what, address) in [
        ("authorization address", &found.authorization),
        ("token address", &found.token),
    ] {
        if address.is_some() {
            server.address(what, address.as_ref())?;
        }
    }
    Ok(())
}

/// Registers a client that is sent back to this address.
///
/// # Errors
/// There is no answer, or it is no.
pub async fn register(
    server: &Server,
    redirect_uri: &str,
    scopes: &[String],
    client: &Client,
) -> Result<OAuthClient, FlowError> {
    let address = server.address(
        "registration address",
        server.endpoints.registration.as_ref(),
    )?;
    let mut asked = json!({
        "client_name": "vault",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    if !scopes.is_empty() {
        asked["scope"] = json!(super::request::joined(server, scopes));
    }
    let mut prepared = compose(address, &Vec::new(), Writing::Json, None);
    prepared.request.body = Some(Secret::from(asked.to_string()));
    let mut body = ask(server, prepared, client).await?;
    let expires_at = secret_end(&body);
    let mut take = |name: &str| match body.get_mut(name).map(Value::take) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    let id = take("client_id").ok_or_else(|| server.odd("has no client in it"))?;
    let secret = take("client_secret").map(Secret::from);
    let is_visible = |text: &str| text.len() <= 4096 && text.bytes().all(|b| b.is_ascii_graphic());
    let is_odd = |secret: &Secret| !is_visible(secret.reveal());
    if !is_visible(&id) || secret.as_ref().is_some_and(is_odd) {
        return Err(server.odd("has a client that cannot be used"));
    }
    let method = take("token_endpoint_auth_method");
    let proof = match (&secret, method.as_deref().and_then(Proof::parse)) {
        (None, _) | (_, Some(Proof::None)) => Proof::None,
        (Some(_), Some(proof)) => proof,
        // What RFC 7591 has where nothing is said.
        (Some(_), None) => Proof::Basic,
    };
    let mut registered = OAuthClient::new(id, secret, proof);
    registered.expires_at = expires_at;
    let (url, token) = (
        take("registration_client_uri"),
        take("registration_access_token"),
    );
    let url = url.filter(|url| is_neighbour(server, url));
    registered.registration = url.zip(token.map(Secret::from));
    registered.redirect_uri = Some(redirect_uri.to_owned());
    registered.endpoints = Some(server.endpoints.clone());
    Ok(registered)
}

/// When the client's secret ends; 0 is never.
fn secret_end(body: &Value) -> Option<Timestamp> {
    let seconds = body.get("client_secret_expires_at")?.as_i64()?;
    Timestamp::from_second(seconds).ok().filter(|_| seconds > 0)
}

/// Whether an address is on the host that it was named by: its token goes
/// nowhere else.
fn is_neighbour(server: &Server, url: &str) -> bool {
    let host = |url: &str| {
        let address = Address::parse(&Secret::from(url.to_owned())).ok()?;
        Some((address.is_tls, address.authority()))
    };
    let own = server.endpoints.registration.as_deref().and_then(host);
    own.is_some() && host(url) == own
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::server;
    use super::*;

    #[test]
    fn an_issuer_with_a_path_is_asked_before_its_path() {
        assert_eq!(
            well_known("https://a.example.com/tenant/1")[0],
            "https://a.example.com/.well-known/oauth-authorization-server/tenant/1"
        );
        assert_eq!(
            well_known("https://a.example.com/")[..],
            [
                "https://a.example.com/.well-known/oauth-authorization-server",
                "https://a.example.com/.well-known/openid-configuration"
            ]
        );
    }

    #[test]
    fn what_another_issuer_says_is_not_learned() {
        let learned = |issuer: &str, more: Value| {
            let mut server = server();
            server.endpoints = Endpoints::default();
            let mut body = json!({
                "issuer": issuer,
                "authorization_endpoint": "https://a.example.com/auth",
                "token_endpoint": "https://a.example.com/token",
                "code_challenge_methods_supported": ["plain", "S256"],
            });
            for (name, value) in more.as_object().unwrap() {
                body[name] = value.clone();
            }
            learn(&mut server, "https://a.example.com", &body)
        };
        assert!(learned("https://a.example.com", json!({})).is_ok());
        assert!(learned("https://a.example.com/", json!({})).is_err());
        assert!(learned("https://evil.example", json!({})).is_err());
        let plain = json!({"code_challenge_methods_supported": ["plain"]});
        assert!(learned("https://a.example.com", plain).is_err());
        let silent = json!({"code_challenge_methods_supported": null});
        assert!(learned("https://a.example.com", silent).is_err());
        let open = json!({"token_endpoint": "http://a.example.com/token"});
        assert!(learned("https://a.example.com", open).is_err());
    }

    #[test]
    fn a_registration_is_managed_on_its_own_host_only() {
        let mut server = server();
        server.endpoints.registration = Some("https://a.example.com/reg".to_owned());
        assert!(is_neighbour(&server, "https://a.example.com/reg/1"));
        for foreign in [
            "https://b.example.com/reg/1",
            "http://a.example.com/reg/1",
            "x",
        ] {
            assert!(!is_neighbour(&server, foreign), "{foreign}");
        }
    }
}
