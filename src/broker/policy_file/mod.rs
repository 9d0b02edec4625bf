//! The policy in force, and the set of routes in use: two files that a running
//! gateway follows.
//!
//! Always true here: a file that is broken or gone changes nothing of what is
//! in force, and that is said once; a gateway does not begin with a policy
//! that it cannot read.

mod prices;
mod route;
#[cfg(test)]
mod tests;
mod watched;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use self::prices::PriceFile;
pub use self::route::{DEFAULT_ROUTE, RouteFile, use_route};
use self::watched::{Change, Content, Watched, read};
use crate::error::{Error, Kind, Result};
use crate::policy::Policy;
use crate::text::{counted, printable};

/// `policy.json` as it was last read.
pub struct PolicyFile(Watched<Policy>);

/// What became of a file that is followed. Displayed, it is a sentence or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The policy says something else now, and that is in force.
    Reloaded {
        /// Its file.
        path: String,
        /// How much is in it.
        counts: Counts,
        /// SHA-256 of its text, in hex.
        digest: String,
    },
    /// Another set of routes is in use.
    Route {
        /// Its name.
        name: Arc<str>,
    },
    /// Prices have changed.
    Prices {
        /// Their file.
        path: String,
    },
    /// A file cannot be used; what it said before stays in force.
    Broken {
        /// The file.
        path: String,
        /// Why; with line and column, where there are any.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// It says again what is in force.
    Mended {
        /// The file.
        path: String,
    },
}

/// How much there is in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Rules.
    pub rules: usize,
    /// Limits.
    pub limits: usize,
    /// Budgets.
    pub budgets: usize,
    /// Named sets of routes.
    pub routes: usize,
}

/// Who is told.
pub type Hear = Box<dyn Fn(&News) + Send + Sync>;

/// What a policy that is not there means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// Nobody wrote one: everything is allowed.
    Allowed,
    /// It was asked for by name: nothing begins.
    Refused,
}

impl PolicyFile {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// It is broken, cannot be read, or is not there and may not be absent.
    pub fn open(path: &Path, absence: Absence, hear: Hear) -> Result<Self> {
        let (text, content) = read(path);
        let shown = shown(path);
        let policy = match (&content, absence) {
            (Content::Absent, Absence::Allowed) => Policy::default(),
            (Content::Absent, Absence::Refused) => {
                return Err(
                    Error::new(Kind::InvalidInput, format!("{shown} is not there"))
                        .with_hint("Name the policy that is meant: --policy FILE"),
                );
            }
            (Content::Unread(reason), _) => {
                return Err(Error::new(
                    Kind::InvalidInput,
                    format!("Cannot read {shown}: {reason}"),
                )
                .with_hint(format!("Look at it: ls -ld '{shown}'")));
            }
            (Content::Text(_), _) => policy_of(text.as_deref()).map_err(|reason| {
                Error::new(
                    Kind::InvalidInput,
                    format!("{shown} is no policy: {reason}"),
                )
                .with_hint(check(&shown))
            })?,
        };
        let told = move |change: Change<'_, Policy>| {
            let path = shown.clone();
            hear(&match change {
                Change::New(policy, content) => News::Reloaded {
                    path,
                    counts: Counts::of(policy),
                    digest: content.to_string(),
                },
                Change::Broken(reason) => News::Broken {
                    hint: check(&path),
                    path,
                    reason: reason.to_owned(),
                },
                Change::Mended => News::Mended { path },
            });
        };
        let first = (policy, content);
        Ok(Self(Watched::new(path, policy_of, first, Box::new(told))))
    }

    /// The policy in force. Looks whether the file has changed, every 2 ms at
    /// most. A service with nothing to do should ask once a second, so that a
    /// file that was broken meanwhile is spoken of.
    pub fn policy(&self) -> Arc<Policy> {
        self.0.current()
    }

    /// Looks whether the file has changed, also where that was done just now.
    pub fn look_now(&self) {
        self.0.look_now();
    }

    /// How much is in it at present.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.policy())
    }
}

impl Counts {
    fn of(policy: &Policy) -> Self {
        Self {
            rules: policy.rules().len(),
            limits: policy.limits().len(),
            budgets: policy.budgets().len(),
            routes: policy.routes().len(),
        }
    }
}

/// A file that is gone must not allow what it forbade.
fn policy_of(text: Option<&str>) -> Result<Policy, String> {
    let text = text.ok_or("it is not there any more")?;
    Policy::parse(text).map_err(|error| error.to_string())
}

fn check(shown: &str) -> String {
    format!("Look what is wrong: vault rule check '{shown}'")
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string()).into_owned()
}

/// The digest in hex; nothing for what has none.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Text(digest) = self else {
            return Ok(());
        };
        digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether a person should be warned of it.
impl News {
    /// Something is not as its author means it to be.
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reloaded { path, counts, .. } => write!(
                f,
                "{path} has changed and is in force: {}, {}, {}, {}.",
                counted(counts.rules, "rule"),
                counted(counts.limits, "limit"),
                counted(counts.budgets, "budget"),
                counted(counts.routes, "route set"),
            ),
            Self::Prices { path } => write!(f, "{path} has changed, and its prices hold."),
            Self::Route { name } => write!(f, "The routes in use are those of {name}."),
            Self::Broken { path, reason, hint } => write!(
                f,
                "{path} cannot be used, and what it said before stays in force: {reason}. {hint}"
            ),
            Self::Mended { path } => write!(f, "{path} says again what is in force."),
        }
    }
}
