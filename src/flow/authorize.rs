//! The authorization code with PKCE (RFC 7636): the address for the browser,
//! and what the browser is sent back with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::pairs::Pairs;
use super::request::joined;
use super::{FlowError, Server};
use crate::credential::attach::{Encoding, encoded};
use crate::provider::Protocol;
use crate::secret::Secret;

/// One try to log in: what is unguessable about it, fresh each time.
pub struct Attempt {
    /// Comes back with the browser, or it is not our answer.
    pub state: Secret,
    /// Proves that whoever trades the code is who asked for it.
    pub verifier: Secret,
    /// Where the browser is sent back to.
    pub redirect_uri: String,
    /// The path of it.
    pub path: String,
    /// Whether the state is in the path rather than in the query.
    pub state_in_path: bool,
}

/// What came back.
pub struct Redirected {
    /// The code.
    pub code: Secret,
    /// Who says to have issued it (RFC 9207).
    pub issuer: Option<String>,
}

impl Attempt {
    /// A new one, 32 random bytes each, that comes back to this port.
    pub fn new(server: &Server, port: u16) -> Self {
        let state = random();
        let mut path = server.oauth.redirect.path().to_owned();
        // It sends nothing back but the code.
        let state_in_path = server.protocol() == Protocol::OpenRouter;
        if state_in_path {
            path = format!("{path}/{}", state.reveal());
        }
        let host = host_of(server);
        Self {
            redirect_uri: format!("http://{host}:{port}{path}"),
            verifier: random(),
            state,
            path,
            state_in_path,
        }
    }

    /// The verifier, where the server takes one.
    pub fn verifier_for(&self, server: &Server) -> Option<&Secret> {
        let takes = server.oauth.pkce != Some(false);
        takes.then_some(&self.verifier)
    }

    /// The address for the browser. There is no token in it.
    ///
    /// # Errors
    /// The server has none.
    pub fn address(
        &self,
        server: &Server,
        client_id: &str,
        scopes: &[String],
    ) -> Result<String, FlowError> {
        let what = "authorization address";
        // Checked as all are, used as it is written.
        server.address(what, server.endpoints.authorization.as_ref())?;
        let mut address = server.endpoints.authorization.clone().unwrap_or_default();
        let mut query: Vec<(&str, String)> = Vec::new();
        if server.protocol() == Protocol::OpenRouter {
            query.push(("callback_url", self.redirect_uri.clone()));
        } else {
            query.push(("response_type", "code".to_owned()));
            query.push(("client_id", client_id.to_owned()));
            query.push(("redirect_uri", self.redirect_uri.clone()));
            if !scopes.is_empty() {
                let name = server.oauth.scope_parameter.as_deref().unwrap_or("scope");
                query.push((name, joined(server, scopes)));
            }
            query.push(("state", self.state.reveal().to_owned()));
        }
        if self.verifier_for(server).is_some() {
            let digest = Sha256::digest(self.verifier.reveal().as_bytes());
            query.push(("code_challenge", URL_SAFE_NO_PAD.encode(digest)));
            query.push(("code_challenge_method", "S256".to_owned()));
        }
        for (name, value) in &server.oauth.authorization_params {
            // What keeps the login ours is not for a definition to change.
            if !query.iter().any(|(known, _)| known == name) {
                query.push((name, value.clone()));
            }
        }
        for (name, value) in query {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(&encoded(name, Encoding::Query));
            address.push('=');
            address.push_str(&encoded(&value, Encoding::Query));
        }
        Ok(address)
    }

    /// Reads the address that a person pasted: the one that the browser was
    /// sent back to.
    ///
    /// # Errors
    /// It is another one, or says no.
    pub fn pasted(&self, server: &Server, text: &Secret) -> Result<Redirected, FlowError> {
        let text = text.reveal().trim();
        let Some((before, query)) = text.split_once('?') else {
            return Err(FlowError::Pasted(
                "is not the address of a page with a code in it",
            ));
        };
        let query = query.split('#').next().unwrap_or(query);
        let mut pairs =
            Pairs::parse(query.as_bytes()).map_err(|_| FlowError::Pasted("is damaged"))?;
        let mut take = |name: &str| {
            let taken = pairs.take(name);
            taken.map_err(|_| FlowError::Pasted("says something twice"))
        };
        let state = match self.state_in_path {
            true => before
                .rsplit('/')
                .next()
                .map(|last| Secret::from(last.to_owned())),
            false => take("state")?,
        };
        let state = state.ok_or(FlowError::Pasted("has no state in it"))?;
        if !state.matches(&self.state) {
            return Err(FlowError::Pasted("is of another login than this one"));
        }
        if let Some(error) = take("error")? {
            let described = take("error_description")?;
            let described = described.as_ref().map(Secret::reveal);
            return Err(denied(server, error.reveal(), described));
        }
        let code = take("code")?.filter(|code| !code.is_empty());
        Ok(Redirected {
            code: code.ok_or(FlowError::Pasted("has no code in it"))?,
            issuer: take("iss")?.map(|issuer| issuer.reveal().to_owned()),
        })
    }
}

/// The host of a redirect address: what the provider takes, on this machine.
pub fn host_of(server: &Server) -> &'static str {
    match server.oauth.redirect.host.as_deref() {
        Some("localhost") => "localhost",
        _ => "127.0.0.1",
    }
}

/// That the person, or the server, said no.
pub fn denied(server: &Server, error: &str, description: Option<&str>) -> FlowError {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let code = match error {
        word if word.len() <= 64 && word.chars().all(is_word) => word.to_owned(),
        _ => "an unknown error".to_owned(),
    };
    FlowError::Refused {
        server: server.name.clone(),
        code,
        description: description.and_then(|text| super::request::shown(text, &[])),
        status: 0,
    }
}

/// Whether the answer is from who was asked (RFC 9207).
///
/// # Errors
/// It says to be from another one.
pub fn check_issuer(server: &Server, issuer: Option<&str>) -> Result<(), FlowError> {
    let is_right = match (server.issuer.as_deref(), issuer) {
        (Some(expected), Some(given)) => expected == given,
        (_, None) => !server.says_who,
        (None, Some(_)) => true,
    };
    if is_right {
        return Ok(());
    }
    Err(FlowError::Issuer {
        server: server.name.clone(),
    })
}

/// 43 characters that nobody guesses.
fn random() -> Secret {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::getrandom(&mut *bytes).expect("the system gives random bytes");
    Secret::from(URL_SAFE_NO_PAD.encode(*bytes))
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::server;
    use super::*;

    fn attempt() -> Attempt {
        Attempt::new(&server(), 5000)
    }

    fn pasted(attempt: &Attempt, text: &str) -> Result<Redirected, FlowError> {
        attempt.pasted(&server(), &Secret::from(text.to_owned()))
    }

    #[test]
    fn every_attempt_has_a_state_and_a_verifier_of_its_own() {
        let (one, other) = (attempt(), attempt());
        assert!(!one.state.matches(&other.state));
        assert!(!one.verifier.matches(&other.verifier));
        assert!(!one.verifier.matches(&one.state));
        assert_eq!(one.verifier.len(), 43);
    }

    #[test]
    fn the_address_has_the_challenge_and_not_the_verifier() {
        let attempt = attempt();
        let scopes = ["read".to_owned(), "write".to_owned()];
        let address = attempt.address(&server(), "my id", &scopes).ok().unwrap();
        for part in [
            "https://a.example.com/auth?response_type=code&client_id=my%20id",
            "&redirect_uri=http%3A%2F%2F127.0.0.1%3A5000%2Fcallback",
            "&scope=read%20write",
            "&code_challenge_method=S256",
        ] {
            assert!(address.contains(part), "{address}");
        }
        assert!(!address.contains(attempt.verifier.reveal()));
        let digest = Sha256::digest(attempt.verifier.reveal().as_bytes());
        assert!(address.contains(&URL_SAFE_NO_PAD.encode(digest)));
    }

    #[test]
    fn a_definition_cannot_take_the_challenge_or_the_state_away() {
        let mut server = server();
        for name in ["state", "code_challenge_method", "redirect_uri", "prompt"] {
            let added = ("x".to_owned() + name, "plain".to_owned());
            server
                .oauth
                .authorization_params
                .insert(name.to_owned(), added.1);
        }
        let address = attempt().address(&server, "id", &[]).ok().unwrap();
        assert!(!address.contains("state=plain") && !address.contains("method=plain"));
        assert!(!address.contains("redirect_uri=plain"));
        assert!(address.contains("prompt=plain"));
        assert_eq!(address.matches("state=").count(), 1);
    }

    #[test]
    fn a_pasted_address_counts_only_with_our_state() {
        let attempt = attempt();
        let state = attempt.state.reveal();
        let good = format!("http://127.0.0.1:5000/callback?code=FAKE%2Bcode&state={state}\n");
        assert_eq!(
            pasted(&attempt, &good).ok().unwrap().code.reveal(),
            "FAKE+code"
        );
        for wrong in [
            "http://127.0.0.1:5000/callback".to_owned(),
            "FAKE-code-alone".to_owned(),
            "http://127.0.0.1:5000/callback?code=FAKE".to_owned(),
            "http://127.0.0.1:5000/callback?code=FAKE&state=other".to_owned(),
            format!("http://127.0.0.1:5000/callback?code=&state={state}"),
            format!("http://127.0.0.1:5000/callback?code=a&code=b&state={state}"),
            format!("http://127.0.0.1:5000/callback?code=%zz&state={state}"),
        ] {
            assert!(pasted(&attempt, &wrong).is_err(), "{wrong}");
        }
        let no = format!("http://x/?error=access_denied&state={state}");
        assert!(
            pasted(&attempt, &no)
                .err()
                .unwrap()
                .is_code("access_denied")
        );
    }

    #[test]
    fn where_only_the_code_comes_back_the_state_is_in_the_path() {
        let mut server = server();
        server.oauth.protocol = Protocol::OpenRouter;
        let attempt = Attempt::new(&server, 5000);
        let state = attempt.state.reveal();
        assert_eq!(attempt.path, format!("/callback/{state}"));
        let address = attempt.address(&server, "", &[]).ok().unwrap();
        assert!(address.contains("auth?callback_url=http%3A%2F%2F127.0.0.1%3A5000%2Fcallback%2F"));
        assert!(!address.contains("client_id"));
        let paste = |text: String| attempt.pasted(&server, &Secret::from(text));
        let good = paste(format!("{}?code=FAKE", attempt.redirect_uri));
        assert_eq!(good.ok().unwrap().code.reveal(), "FAKE");
        assert!(paste("http://127.0.0.1:5000/callback/other?code=FAKE".to_owned()).is_err());
    }

    #[test]
    fn an_answer_of_another_issuer_is_refused() {
        let mut server = server();
        assert!(
            check_issuer(&server, Some("https://evil.example")).is_ok(),
            "none is known"
        );
        server.issuer = Some("https://a.example.com".to_owned());
        assert!(check_issuer(&server, Some("https://a.example.com")).is_ok());
        assert!(check_issuer(&server, None).is_ok());
        assert!(check_issuer(&server, Some("https://a.example.com/")).is_err());
        server.says_who = true;
        assert!(check_issuer(&server, None).is_err(), "it promised to say");
    }
}
