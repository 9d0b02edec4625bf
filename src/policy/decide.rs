//! From facts to a decision. Forbidding beats holding, holding beats allowing,
//! allowing beats the default.

use std::time::Duration;

use super::Policy;
use super::body::{Found, JsonBody};
use super::condition::Says;
use super::rule::{Head, Rule, RuleName};
use crate::name::ConnectionId;

/// How long an approval is waited for where its rule does not say.
pub const APPROVAL_TIMEOUT: Duration = Duration::from_secs(180);

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

impl Policy {
    /// What becomes of a request. The order of rules does not matter.
    pub fn decide(&self, facts: &Facts<'_>) -> Verdict {
        let head = Head::new(facts);
        let provider = facts.connection.map(|id| id.provider.as_str());
        let mut voices = Voices::default();
        for place in self.index.candidates(facts.agent, provider) {
            let rule = &self.rules[place];
            match rule.is_about(&head) {
                Says::No => {}
                Says::Unknown => voices.add(rule, place, Says::Unknown),
                Says::Yes if rule.body.is_empty() => voices.add(rule, place, Says::Yes),
                Says::Yes => voices.open.push(place),
            }
        }
        let open = std::mem::take(&mut voices.open);
        match facts.body {
            Body::Unread if self.depends_on(&open, &voices) => return Verdict::NeedsBody,
            Body::Unread | Body::Empty => {}
            Body::Unreadable => {
                for place in open {
                    voices.add(&self.rules[place], place, Says::Unknown);
                }
            }
            Body::Json(body) => {
                // Many rules ask for the same few members.
                let mut found = vec![
                    None;
                    if open.is_empty() {
                        0
                    } else {
                        self.pointers.len()
                    }
                ];
                for place in open {
                    let rule = &self.rules[place];
                    voices.add(rule, place, self.judge(rule, body, &mut found));
                }
            }
        }
        Verdict::Decided(self.conclude(voices))
    }

    /// Whether the body can change what becomes of a request, if these rules
    /// are about it but for its body.
    fn depends_on(&self, open: &[usize], voices: &Voices) -> bool {
        let strictest = open.iter().map(|place| self.rules[*place].action()).max();
        let so_far = voices.action.unwrap_or(self.default);
        match strictest {
            None => false,
            _ if so_far == Action::Deny && voices.action.is_some() => false,
            // One that holds a request does more where it cannot be read.
            Some(Action::Deny | Action::Approve) => true,
            Some(Action::Allow) => voices.action.is_none() && so_far != Action::Allow,
        }
    }

    fn judge<'b>(
        &self,
        rule: &Rule,
        body: &'b JsonBody<'b>,
        found: &mut [Option<Found<'b>>],
    ) -> Says {
        let says = rule.body.iter().map(|condition| {
            let place = condition.pointer;
            let found = found[place].get_or_insert_with(|| body.at(&self.pointers[place]));
            condition.says(*found)
        });
        says.min().unwrap_or(Says::Yes)
    }

    fn conclude(&self, mut voices: Voices) -> Decision {
        let is_unreadable = voices.action == Some(Action::Deny) && !voices.is_explicit;
        if is_unreadable {
            voices.spoke.append(&mut voices.unknown);
        }
        voices.spoke.sort_unstable();
        let rules = || voices.spoke.iter().map(|place| &self.rules[*place]);
        let action = voices.action.unwrap_or(self.default);
        let timeouts = rules().filter(|rule| rule.action() == Action::Approve);
        let timeout = timeouts.map(|rule| rule.timeout().unwrap_or(APPROVAL_TIMEOUT));
        Decision {
            action,
            rules: rules().map(|rule| rule.name().clone()).collect(),
            timeout: timeout.min().filter(|_| action == Action::Approve),
            is_unreadable,
        }
    }
}

/// What the rules said so far, by their places.
#[derive(Default)]
struct Voices {
    action: Option<Action>,
    /// A rule that forbids was read in full, and it is about the request.
    is_explicit: bool,
    spoke: Vec<usize>,
    /// Those that forbid or hold, if only they could be read.
    unknown: Vec<usize>,
    /// Those that depend on the body.
    open: Vec<usize>,
}

impl Voices {
    fn add(&mut self, rule: &Rule, place: usize, says: Says) {
        let action = match (says, rule.action()) {
            (Says::No, _) | (Says::Unknown, Action::Allow) => return,
            (Says::Unknown, _) => {
                self.unknown.push(place);
                Action::Deny
            }
            (Says::Yes, action) => {
                self.spoke.push(place);
                self.is_explicit |= action == Action::Deny;
                action
            }
        };
        self.action = self.action.max(Some(action));
    }
}
