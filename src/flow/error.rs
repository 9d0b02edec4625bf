//! Why a flow did not come to its end, and what that means for what is stored.

use crate::error::{Error, Kind};
use crate::net::{BadAddress, NetError};
use crate::provider::BadEndpoint;

/// What a failure means for the tokens that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// They are spent: only a new login helps.
    Final,
    /// The client is not what the server expects; the tokens may be fine.
    Client,
    /// Later it may be better.
    Passing,
}

/// Why there are no tokens. Nothing secret is in it.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// There was no answer.
    #[error(transparent)]
    Net(NetError),
    /// The server said no.
    #[error("{server} refuses: {}", said(code, description.as_deref()))]
    Refused {
        /// Who.
        server: String,
        /// Its word for why.
        code: String,
        /// Its sentence.
        description: Option<String>,
        /// The HTTP status.
        status: u16,
    },
    /// The server is not well, turns us away for now, or leads elsewhere.
    #[error("{server} answered with HTTP {status}")]
    Trouble {
        /// Who.
        server: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer is none that the protocol knows.
    #[error("{server} gave an answer that {what}")]
    Odd {
        /// Who.
        server: String,
        /// What is odd.
        what: &'static str,
    },
    /// The definition lacks an address, or has one that cannot be asked.
    #[error("the {what} of {server} cannot be asked: {reason}")]
    Endpoint {
        /// Who.
        server: String,
        /// Which address.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// Nobody said yes in time.
    #[error("nobody agreed at {server} in time")]
    TimedOut {
        /// Who.
        server: String,
    },
    /// What was pasted is not what the browser was sent back to.
    #[error("what was pasted {0}")]
    Pasted(&'static str),
    /// Another server than the one that was asked.
    #[error("the answer names another issuer than {server}")]
    Issuer {
        /// Who was asked.
        server: String,
    },
    /// A file that is not what it should be.
    #[error("{0}")]
    File(&'static str),
}

/// Our own word: the tokens are of somebody else.
pub const ANOTHER_ACCOUNT: &str = "another_account";

fn said(code: &str, description: Option<&str>) -> String {
    match (code, description) {
        (code, Some(description)) => format!("{description} ({code})"),
        (code, None) => match in_words(code) {
            Some(words) => format!("{words} ({code})"),
            None => code.to_owned(),
        },
    }
}

fn in_words(code: &str) -> Option<&'static str> {
    Some(match code {
        "access_denied" | "authorization_declined" => "the request was declined",
        "expired_token" => "the code has expired",
        "invalid_grant" | "bad_refresh_token" | "invalid_refresh_token" => {
            "the grant is not good any more"
        }
        "refresh_token_expired" => "the refresh token has expired",
        "refresh_token_reused" => "the refresh token was used before",
        "refresh_token_invalidated" | "token_revoked" => "the login was revoked",
        "invalid_client" | "incorrect_client_credentials" => "it does not know this client",
        "unauthorized_client" | "device_flow_disabled" => "this client may not do that",
        "invalid_scope" => "it does not know one of the scopes",
        "redirect_uri_mismatch" => "this redirect address is not registered",
        _ => return None,
    })
}

impl FlowError {
    /// What it means for the tokens that are there.
    pub fn weight(&self) -> Weight {
        let Self::Refused { code, .. } = self else {
            return Weight::Passing;
        };
        match code.as_str() {
            "invalid_grant"
            | "bad_refresh_token"
            | "invalid_refresh_token"
            | "refresh_token_expired"
            | "refresh_token_reused"
            | "refresh_token_invalidated"
            | "token_revoked"
            | "token_expired"
            | "account_inactive"
            | ANOTHER_ACCOUNT => Weight::Final,
            "temporarily_unavailable" | "server_error" | "slow_down" | "ratelimited" => {
                Weight::Passing
            }
            _ => Weight::Client,
        }
    }

    /// Why, without saying who.
    pub fn reason(&self) -> String {
        match self {
            Self::Refused {
                code, description, ..
            } => said(code, description.as_deref()),
            other => other.to_string(),
        }
    }

    /// Whether a token that was to be ended had ended already.
    pub(super) fn says_ended(&self) -> bool {
        self.weight() == Weight::Final || self.is_code("invalid_token")
    }

    /// The HTTP status, where there was one.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Refused { status, .. } | Self::Trouble { status, .. } => *status,
            _ => 0,
        }
    }

    /// Whether the server answered with this word.
    pub fn is_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

impl From<NetError> for FlowError {
    fn from(error: NetError) -> Self {
        Self::Net(error)
    }
}

impl FlowError {
    /// That an address of the definition is none.
    pub(super) fn bad_address(server: &str, what: &'static str, bad: BadAddress) -> Self {
        Self::Endpoint {
            server: server.to_owned(),
            what,
            reason: bad.to_string(),
        }
    }

    /// The same for one that could not be filled.
    pub(super) fn bad_endpoint(server: &str, what: &'static str, bad: &BadEndpoint) -> Self {
        Self::Endpoint {
            server: server.to_owned(),
            what,
            reason: bad.to_string(),
        }
    }
}

impl From<FlowError> for Error {
    fn from(error: FlowError) -> Self {
        let message = capitalised(&error.to_string());
        let (kind, hint) = match &error {
            FlowError::Net(_) => {
                let FlowError::Net(inner) = error else {
                    unreachable!("it was matched just now")
                };
                return inner.into();
            }
            FlowError::Refused { .. } if error.weight() == Weight::Passing => {
                (Kind::Unreachable, "Try again later.")
            }
            FlowError::Refused { code, .. } => (Kind::Rejected, hint_for(code)),
            FlowError::Trouble { .. } => (Kind::Unreachable, "Try again later."),
            FlowError::Odd { .. } => (
                Kind::Unreachable,
                "Look at the addresses of its definition: vault provider list",
            ),
            FlowError::Endpoint { .. } => (
                Kind::InvalidInput,
                "Look at the definition: vault provider list; an own address is given with --base-url",
            ),
            FlowError::TimedOut { .. } => (Kind::Unreachable, "Run the command again."),
            FlowError::Pasted(_) => (
                Kind::InvalidInput,
                "Paste the whole address that the browser shows at the end. Run the command again.",
            ),
            FlowError::Issuer { .. } => (
                Kind::Rejected,
                "Nothing was stored. Check where the page came from, then run the command again.",
            ),
            FlowError::File(_) => (Kind::InvalidInput, "Make a new one: codex login"),
        };
        Self::new(kind, message).with_hint(hint)
    }
}

fn hint_for(code: &str) -> &'static str {
    match code {
        "access_denied" | "authorization_declined" => {
            "Nothing was stored. Run the command again to agree."
        }
        "expired_token" => "Run the command again, and type the code sooner.",
        "invalid_scope" => "Ask for others: --scopes a,b",
        "redirect_uri_mismatch" => {
            "Register the redirect address that the provider's entry in docs/providers.md names."
        }
        "device_flow_disabled" => "Allow the device flow in the settings of your OAuth app.",
        "invalid_client" | "incorrect_client_credentials" | "unauthorized_client" => {
            "Look at the client of your OAuth app: --client-id ID"
        }
        _ => "Run the command again.",
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> FlowError {
        FlowError::Refused {
            server: "Example".to_owned(),
            code: code.to_owned(),
            description: None,
            status: 400,
        }
    }

    #[test]
    fn what_ends_a_login_is_told_from_what_passes() {
        for code in ["invalid_grant", "refresh_token_reused", "token_revoked"] {
            assert_eq!(refused(code).weight(), Weight::Final, "{code}");
        }
        assert_eq!(refused("invalid_client").weight(), Weight::Client);
        assert_eq!(refused("temporarily_unavailable").weight(), Weight::Passing);
        let trouble = FlowError::Trouble {
            server: "Example".to_owned(),
            status: 503,
        };
        assert_eq!(trouble.weight(), Weight::Passing);
    }

    /// One of each kind.
    fn all() -> Vec<FlowError> {
        let server = || "Example".to_owned();
        vec![
            FlowError::Net(NetError::Lookup {
                host: "a.example.com".to_owned(),
                reason: "no such host".to_owned(),
            }),
            refused("invalid_grant"),
            FlowError::Trouble {
                server: server(),
                status: 503,
            },
            FlowError::Odd {
                server: server(),
                what: "is no JSON",
            },
            FlowError::Endpoint {
                server: server(),
                what: "token address",
                reason: "its definition has none".to_owned(),
            },
            FlowError::TimedOut { server: server() },
            FlowError::Pasted("has no code in it"),
            FlowError::Issuer { server: server() },
            FlowError::File("The file is none"),
        ]
    }

    #[test]
    fn every_failure_has_a_kind_and_says_what_to_do() {
        let kinds = [
            Kind::Unreachable,
            Kind::Rejected,
            Kind::Unreachable,
            Kind::Unreachable,
            Kind::InvalidInput,
            Kind::Unreachable,
            Kind::InvalidInput,
            Kind::Rejected,
            Kind::InvalidInput,
        ];
        for (failure, kind) in all().into_iter().zip(kinds) {
            let said = failure.to_string();
            let error = Error::from(failure);
            assert_eq!(error.kind(), kind, "{said}");
            assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{said}");
            // A host begins as hosts do.
            let begins = error.to_string().starts_with(char::is_uppercase);
            assert!(begins || said.starts_with("a.example.com"), "{error}");
        }
        assert_eq!(
            Error::from(refused("invalid_grant")).to_string(),
            "Example refuses: the grant is not good any more (invalid_grant)"
        );
    }

    #[test]
    fn every_word_that_we_know_has_a_hint_of_its_own_or_the_usual_one() {
        for code in [
            "access_denied",
            "expired_token",
            "invalid_scope",
            "redirect_uri_mismatch",
        ] {
            assert_ne!(hint_for(code), hint_for("something else"), "{code}");
        }
    }
}
