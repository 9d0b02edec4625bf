//! From facts to a decision. Forbidding beats holding, holding beats allowing,
//! allowing beats the default.

use std::time::Duration;

use super::body::JsonBody;
use super::rule::RuleName;
use crate::name::ConnectionId;

/// What is known of a request.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Who asks.
    pub agent: &'a str,
    /// Whose credential would go with it; none where no connection is for it.
    pub connection: Option<&'a ConnectionId>,
    /// The host, without a port.
    pub host: &'a str,
    /// The method; `CONNECT` for a tunnel.
    pub method: &'a str,
    /// Decoded, without its query; `None` where it cannot be seen (a tunnel).
    pub path: Option<&'a str>,
    /// What is known of its body.
    pub body: Body<'a>,
}

/// What is known of a body.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// It was not looked at yet.
    Unread,
    /// There is none.
    Empty,
    /// It is JSON, and here in whole.
    Json(&'a JsonBody<'a>),
    /// It cannot be read: too large, in an unknown encoding, no JSON.
    Unreadable,
}

/// What comes of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It depends on the body: ask again with it. Only said of
    /// [`Body::Unread`].
    NeedsBody,
    /// This.
    Decided(Decision),
}

/// What becomes of a request, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of it.
    pub action: Action,
    /// Every rule that spoke, in the order of the file. Rules about bodies
    /// only where the body was looked at.
    pub rules: Vec<RuleName>,
    /// How long an approval is waited for: the shortest of those that ask for it.
    pub timeout: Option<Duration>,
    /// It is denied because a rule cannot be judged.
    pub is_unreadable: bool,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Action {
    /// It goes on.
    #[default]
    Allow,
    /// Somebody is asked.
    Approve,
    /// It is refused.
    Deny,
}

impl Action {
    /// The word for it, in `policy.json` and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}
