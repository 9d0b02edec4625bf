//! What a line tells: an event and the names that belong to it.

use std::fmt::Display;

use crate::name::ConnectionId;
use crate::text::is_unprintable;

/// How much of a text and of a list a line has room for, and how much where
/// that was too much.
const ROOMS: [Room; 2] = [
    Room {
        text: 512,
        items: 16,
    },
    Room { text: 64, items: 4 },
];

/// One thing that happened. It takes names, numbers and what can be shown: a
/// [`crate::secret::Secret`] has no place in it, since it cannot be shown.
#[derive(Debug, Clone)]
pub struct Entry {
    event: Event,
    command: &'static str,
    facts: Vec<(&'static str, Fact)>,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A vault was made.
    Init,
    /// A credential was stored.
    Login,
    /// One was removed.
    Logout,
    /// A plain secret was stored.
    Set,
    /// One was removed.
    Unset,
    /// Everything of a provider was removed.
    Revoke,
    /// Its definition too.
    Remove,
    /// A connection has another name.
    Rename,
    /// Another connection is meant where none is named.
    Default,
    /// A secret was shown.
    Reveal,
    /// Secrets were given to a program or a file.
    Export,
    /// A program was started.
    Run,
    /// The gateway was started.
    Serve,
    /// An agent was made.
    AgentCreate,
    /// It was given another token.
    AgentRotate,
    /// It was removed.
    AgentRevoke,
    /// A request was held until somebody decided.
    Approval,
    /// A request was refused.
    Denial,
    /// Other rules are in force.
    Policy,
    /// Providers were asked whether credentials are alive.
    Verify,
    /// Other keys open the vault.
    Rekey,
    /// What other programs keep was taken in.
    Import,
    /// An earlier value, or an earlier vault, is in force.
    Restore,
    /// A session began.
    Unlock,
    /// It was ended.
    Lock,
    /// The gateway's certificate was printed.
    CaExport,
    /// It has another authority.
    CaRenew,
    /// What was seen of the vault and of this log no longer counts.
    Accept,
    /// A line before this one was cut by a crash.
    Torn,
}

impl Event {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Set => "set",
            Self::Unset => "unset",
            Self::Revoke => "revoke",
            Self::Remove => "remove",
            Self::Rename => "rename",
            Self::Default => "default",
            Self::Reveal => "reveal",
            Self::Export => "export",
            Self::Run => "run",
            Self::Serve => "serve",
            Self::AgentCreate => "agent_create",
            Self::AgentRotate => "agent_rotate",
            Self::AgentRevoke => "agent_revoke",
            Self::Approval => "approval",
            Self::Denial => "denial",
            Self::Policy => "policy",
            Self::Verify => "verify",
            Self::Rekey => "rekey",
            Self::Import => "import",
            Self::Restore => "restore",
            Self::Unlock => "unlock",
            Self::Lock => "lock",
            Self::CaExport => "ca_export",
            Self::CaRenew => "ca_renew",
            Self::Accept => "accept",
            Self::Torn => "torn",
        }
    }

    /// Whether its line has to survive a power cut. What changed something is
    /// rare and waited for the disk anyway; what was read or passed through is
    /// not to wait.
    pub(super) fn is_change(self) -> bool {
        !matches!(
            self,
            Self::Reveal
                | Self::Export
                | Self::Run
                | Self::Serve
                | Self::Approval
                | Self::Denial
                | Self::Policy
                | Self::Verify
                | Self::Unlock
                | Self::Lock
                | Self::CaExport
        )
    }
}

/// What is known of it.
#[derive(Debug, Clone)]
enum Fact {
    Text(String),
    List(Vec<String>),
    Number(u64),
    Flag(bool),
}

impl Entry {
    /// An event, and the command that it happened in.
    pub fn new(event: Event, command: &'static str) -> Self {
        Self {
            event,
            command,
            facts: Vec::new(),
        }
    }

    /// With a name, or what else is no secret.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.facts.push((name, Fact::Text(value.to_string())));
        self
    }

    /// With a name, if there is one.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a number.
    #[must_use]
    pub fn with_number(mut self, name: &'static str, value: u64) -> Self {
        self.facts.push((name, Fact::Number(value)));
        self
    }

    /// With something that is so, where it is.
    #[must_use]
    pub fn with_flag(mut self, name: &'static str, is_so: bool) -> Self {
        if is_so {
            self.facts.push((name, Fact::Flag(true)));
        }
        self
    }

    /// With several names; with none, nothing is said.
    #[must_use]
    pub fn with_list<T: ToString>(
        mut self,
        name: &'static str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let values: Vec<_> = values.into_iter().map(|value| value.to_string()).collect();
        if !values.is_empty() {
            self.facts.push((name, Fact::List(values)));
        }
        self
    }

    /// With a connection.
    #[must_use]
    pub fn on(self, id: &ConnectionId) -> Self {
        self.with("connection", id)
    }

    /// With a request: never its query, which may hold anything.
    #[must_use]
    pub fn of_request(self, method: &str, host: &str, path: &str) -> Self {
        let end = path.find(['?', '#']).unwrap_or(path.len());
        self.with("method", method)
            .with("host", host)
            .with("path", &path[..end])
    }

    pub(super) fn event(&self) -> Event {
        self.event
    }

    /// The members of a line, from its event on, so that the line stays below
    /// `bound`.
    pub(super) fn members(&self, about: &About<'_>, bound: usize) -> String {
        let mut members = String::new();
        for room in &ROOMS {
            members = self.members_within(about, room);
            if members.len() <= bound {
                break;
            }
        }
        members
    }

    fn members_within(&self, about: &About<'_>, room: &Room) -> String {
        let mut text = String::with_capacity(512);
        push_member(&mut text, "event", self.event.as_str(), room);
        if let Some(vault) = about.vault {
            push_member(&mut text, "vault", vault, room);
        }
        text.push_str(&format!(",\"user\":{}", about.user));
        push_member(&mut text, "command", self.command, room);
        for (name, fact) in &self.facts {
            match fact {
                Fact::Text(value) => push_member(&mut text, name, value, room),
                Fact::Number(value) => text.push_str(&format!(",\"{name}\":{value}")),
                Fact::Flag(value) => text.push_str(&format!(",\"{name}\":{value}")),
                Fact::List(values) => {
                    text.push_str(&format!(",\"{name}\":["));
                    for (at, value) in values.iter().take(room.items).enumerate() {
                        if at > 0 {
                            text.push(',');
                        }
                        push_text(&mut text, value, room.text);
                    }
                    text.push(']');
                    if let Some(more) = values.len().checked_sub(room.items).filter(|n| *n > 0) {
                        text.push_str(&format!(",\"{name}_more\":{more}"));
                    }
                }
            }
        }
        text
    }
}

/// What the log itself adds to an entry.
pub(super) struct About<'a> {
    /// Which vault it is about.
    pub vault: Option<&'a str>,
    /// Who did it.
    pub user: u32,
}

struct Room {
    text: usize,
    items: usize,
}

fn push_member(text: &mut String, name: &str, value: &str, room: &Room) {
    text.push_str(&format!(",\"{name}\":"));
    push_text(text, value, room.text);
}

/// A text as JSON writes it, in so many bytes at most, with everything written
/// out that a terminal would act on.
fn push_text(text: &mut String, value: &str, room: usize) {
    text.push('"');
    let start = text.len();
    for character in value.chars() {
        let before = text.len();
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            // All of these have four digits.
            other if is_unprintable(other) => {
                text.push_str(&format!("\\u{:04x}", u32::from(other)));
            }
            other => text.push(other),
        }
        if text.len() - start > room {
            text.truncate(before);
            text.push('…');
            break;
        }
    }
    text.push('"');
}
