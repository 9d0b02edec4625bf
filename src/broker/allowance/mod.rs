//! How much each agent may do: the limits and budgets of the policy while
//! requests come in.
//!
//! Always true here: a request that one limit or budget refuses is counted by
//! none; of any number of requests that come at once, a limit of N lets N
//! through; where it cannot be known what was spent, a budget refuses.

mod account;
mod ledger;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::account::{Account, Full};
pub use self::ledger::{Ledger, Spent, Stopped};
use crate::name::ConnectionId;
use crate::policy::{Budget, Period, Policy};
use crate::usage::Nano;

/// So often, in nanoseconds, what nobody uses any more is forgotten.
const SWEEP: u64 = 60_000_000_000;

/// The limits of `serve` where the policy has none of requests: so many in so
/// long.
pub const OF_SERVICE: [(&str, u64, Duration); 2] = [
    ("openai", 100, Duration::from_secs(60)),
    ("anthropic", 50, Duration::from_secs(60)),
];

/// What agents used up, as far as limits and budgets speak of it; one for each
/// gateway.
pub struct Allowance {
    defaults: Defaults,
    ledger: Option<Arc<dyn Ledger>>,
    began: Instant,
    accounts: Mutex<Accounts>,
}

/// The limits of requests that are there where the policy has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defaults {
    /// None: the program of `run` is its user's own.
    None,
    /// Those for agents of `serve`.
    OfService,
}

/// A point in time on the wall and on a clock that never goes back.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For budgets, which go by the calendar.
    pub wall: Timestamp,
    /// For limits.
    pub steady: Instant,
}

/// A request that was let through.
#[must_use = "the tokens of its answer are counted with it"]
pub struct Ticket {
    account: Option<Arc<Mutex<Account>>>,
    began: Instant,
}

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There were too many, or they took too many tokens.
    Limit {
        /// When there is room again.
        retry_after: Duration,
        /// The limit: `100 requests per 1m for ci on openai/default`.
        what: String,
    },
    /// It is spent.
    Budget {
        /// When there is a new one.
        resets: Timestamp,
        /// The budget: `5.00 USD per day for ci on openai`.
        what: String,
    },
    /// There is a budget, and what was spent cannot be known at present.
    Unknown,
}

/// By agent and connection; the account has a lock of its own, so that this
/// one is held for a look-up only.
#[derive(Default)]
struct Accounts {
    of: HashMap<Box<str>, HashMap<ConnectionId, Arc<Mutex<Account>>>>,
    swept: u64,
}

impl Allowance {
    /// Nothing used yet; what was spent is known by the ledger.
    pub fn new(defaults: Defaults, ledger: Option<Arc<dyn Ledger>>) -> Self {
        Self {
            defaults,
            ledger,
            began: Instant::now(),
            accounts: Mutex::default(),
        }
    }

    /// Counts the request against every limit that speaks of it.
    ///
    /// # Errors
    /// One of them, or a budget, says no; then none has counted it.
    pub fn admit(
        &self,
        policy: &Arc<Policy>,
        agent: &str,
        connection: &ConnectionId,
        now: Moment,
    ) -> Result<Ticket, Refused> {
        let is_free = policy.limits().is_empty() && policy.budgets().is_empty();
        if is_free && self.defaults.of(connection).is_none() {
            return Ok(Ticket {
                account: None,
                began: self.began,
            });
        }
        let steady = since(self.began, now.steady);
        let shared = lock(&self.accounts).find(agent, connection, steady);
        let mut account = lock(&shared);
        account.follow(policy, self.defaults, agent, connection);
        if !account.budgets().is_empty() {
            let budgets = Arc::clone(account.budgets());
            // The ledger may take its time.
            drop(account);
            for place in budgets.iter() {
                self.afford(&policy.budgets()[*place], agent, now.wall)?;
            }
            account = lock(&shared);
        }
        let admitted = account.admit(steady);
        drop(account);
        match admitted {
            Ok(()) => Ok(Ticket {
                account: Some(shared),
                began: self.began,
            }),
            Err(Full { wait, what }) => Err(Refused::Limit {
                retry_after: wait,
                what: format!("{what} for {agent} on {connection}"),
            }),
        }
    }

    fn afford(&self, budget: &Budget, agent: &str, now: Timestamp) -> Result<(), Refused> {
        let matches = |id: &ConnectionId| budget.selector.matches(agent, id);
        let ledger = self.ledger.as_ref().ok_or(Refused::Unknown)?;
        let spent = ledger.spent(agent, budget.per, now, &matches);
        let Spent { cost, tokens } = spent.map_err(|Stopped| Refused::Unknown)?;
        let money = budget.nano_usd.map(Nano).filter(|most| cost >= *most);
        let tokens = budget.tokens.filter(|most| tokens >= *most);
        let amount = match (money, tokens) {
            (Some(most), _) => format!("{most} USD"),
            (None, Some(most)) => format!("{most} tokens"),
            (None, None) => return Ok(()),
        };
        let period = match budget.per {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Month => "month",
        };
        let mut what = format!("{amount} per {period} for {agent}");
        for (word, texts) in budget.selector.parts() {
            if word != "agent" {
                what = format!("{what} on {}", texts.join(" or "));
            }
        }
        Err(Refused::Budget {
            resets: budget.per.end(now),
            what,
        })
    }
}

impl Defaults {
    /// How many requests in how long.
    fn of(self, connection: &ConnectionId) -> Option<(u64, Duration)> {
        match self {
            Self::None => None,
            Self::OfService => OF_SERVICE
                .iter()
                .find(|(provider, ..)| *provider == connection.provider.as_str())
                .map(|(_, requests, per)| (*requests, *per)),
        }
    }
}

impl Moment {
    /// This moment; the wall's clock is the caller's.
    pub fn now(wall: Timestamp) -> Self {
        Self {
            wall,
            steady: Instant::now(),
        }
    }
}

impl Ticket {
    /// The answer took so many tokens.
    pub fn spend(&self, tokens: u64, now: Instant) {
        if let Some(account) = &self.account {
            lock(account).spend(since(self.began, now), tokens);
        }
    }
}

impl Refused {
    /// For the header `Retry-After`: whole seconds, never too few and at least
    /// one. `None` where nobody knows.
    pub fn retry_after(&self, now: Timestamp) -> Option<u64> {
        let wait = match self {
            Self::Limit { retry_after, .. } => *retry_after,
            // Already there: a new period has begun meanwhile.
            Self::Budget { resets, .. } => {
                Duration::try_from(resets.duration_since(now)).unwrap_or_default()
            }
            Self::Unknown => return None,
        };
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Some(seconds.max(1))
    }
}

/// A sentence for people, without its full stop.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { what, .. } => write!(f, "The limit of {what} is reached"),
            Self::Budget { resets, what } => {
                write!(
                    f,
                    "The budget of {what} is spent; the next begins at {resets}"
                )
            }
            Self::Unknown => f.write_str(
                "There is a budget, and what was spent cannot be read at present; \
                 nothing goes through until it can",
            ),
        }
    }
}

impl Accounts {
    fn find(&mut self, agent: &str, connection: &ConnectionId, now: u64) -> Arc<Mutex<Account>> {
        if now.saturating_sub(self.swept) >= SWEEP {
            self.swept = now;
            self.sweep(now);
        }
        let found = self.of.get(agent).and_then(|own| own.get(connection));
        if let Some(account) = found {
            return Arc::clone(account);
        }
        let own = self.of.entry(agent.into()).or_default();
        Arc::clone(own.entry(connection.clone()).or_default())
    }

    fn sweep(&mut self, now: u64) {
        self.of.retain(|_, own| {
            own.retain(|_, account| {
                // Whoever else has it at hand counts in it; nobody else can
                // take it while we are here.
                Arc::strong_count(account) > 1 || !lock(account).is_idle(now)
            });
            !own.is_empty()
        });
    }
}

/// Nothing of ours panics while it is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn since(began: Instant, now: Instant) -> u64 {
    let passed = now.saturating_duration_since(began).as_nanos();
    u64::try_from(passed).unwrap_or(u64::MAX)
}
