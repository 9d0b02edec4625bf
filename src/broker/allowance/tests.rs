use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::usage::{Event, Metered, Recorder, Settings};

const MINUTE: Duration = Duration::from_secs(60);

fn policy(text: &str) -> Arc<Policy> {
    Arc::new(Policy::parse(text).unwrap())
}

fn id(text: &str) -> ConnectionId {
    let (provider, connection) = text.split_once('/').unwrap();
    ConnectionId {
        provider: provider.parse().unwrap(),
        connection: connection.parse().unwrap(),
    }
}

/// An allowance whose time goes by as the test says.
struct Kept {
    allowance: Allowance,
    now: Moment,
}

impl Kept {
    fn new(defaults: Defaults, ledger: Option<Arc<dyn Ledger>>) -> Self {
        let allowance = Allowance::new(defaults, ledger);
        let now = Moment {
            wall: "2026-03-01T12:00:00Z".parse().unwrap(),
            steady: allowance.began,
        };
        Self { allowance, now }
    }

    fn pass(&mut self, time: Duration) {
        self.now.steady += time;
        self.now.wall += time;
    }

    fn ask(&self, policy: &Arc<Policy>, agent: &str, to: &str) -> Result<Ticket, Refused> {
        self.allowance.admit(policy, agent, &id(to), self.now)
    }

    /// How many of so many requests go through.
    fn let_through(&self, asked: usize, policy: &Arc<Policy>, agent: &str, to: &str) -> usize {
        (0..asked)
            .filter(|_| self.ask(policy, agent, to).is_ok())
            .count()
    }

    fn accounts(&self) -> usize {
        lock(&self.allowance.accounts)
            .of
            .values()
            .map(HashMap::len)
            .sum()
    }
}

fn limit_of(refused: Result<Ticket, Refused>) -> (Duration, String) {
    match refused.map(|_| ()) {
        Err(Refused::Limit { retry_after, what }) => (retry_after, what),
        other => panic!("{other:?}"),
    }
}

/// What a test says was spent.
#[derive(Default)]
struct Book {
    spent: Mutex<Vec<(&'static str, ConnectionId, Spent)>>,
    is_stopped: AtomicBool,
    asked: AtomicUsize,
}

impl Book {
    fn add(&self, agent: &'static str, to: &str, nano_usd: i64, tokens: u64) {
        let cost = Nano(nano_usd);
        self.spent
            .lock()
            .unwrap()
            .push((agent, id(to), Spent { cost, tokens }));
    }
}

impl Ledger for Book {
    fn spent(
        &self,
        agent: &str,
        _: Period,
        _: Timestamp,
        matches: &dyn Fn(&ConnectionId) -> bool,
    ) -> Result<Spent, Stopped> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_stopped.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        let mut sum = Spent::default();
        for (who, id, spent) in self.spent.lock().unwrap().iter() {
            if *who == agent && matches(id) {
                sum.cost = sum.cost.plus(spent.cost);
                sum.tokens += spent.tokens;
            }
        }
        Ok(sum)
    }
}

const HUNDRED: &str = r#"{"limits": [{"requests": 100, "per": "60s"}]}"#;

#[test]
fn of_many_at_once_exactly_the_limit_goes_through() {
    let kept = Kept::new(Defaults::None, None);
    // Whoever reads the file anew has another policy that says the same.
    let (one, other) = (policy(HUNDRED), policy(HUNDRED));
    let begin = Barrier::new(64);
    let admitted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let policy = [&one, &other][thread % 2];
            let (kept, begin, admitted) = (&kept, &begin, &admitted);
            scope.spawn(move || {
                begin.wait();
                let own = kept.let_through(50, policy, "ci", "openai/default");
                admitted.fetch_add(own, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(admitted.into_inner(), 100);
}

#[test]
fn over_the_limit_it_is_said_which_and_for_how_long() {
    let mut kept = Kept::new(Defaults::None, None);
    let policy = policy(HUNDRED);
    assert_eq!(kept.let_through(60, &policy, "ci", "openai/default"), 60);
    kept.pass(Duration::from_millis(20_500));
    assert_eq!(kept.let_through(60, &policy, "ci", "openai/default"), 40);
    let refused = kept.ask(&policy, "ci", "openai/default");
    let refused = refused.map(|_| ()).unwrap_err();
    assert_eq!(
        refused,
        Refused::Limit {
            retry_after: Duration::from_millis(39_500),
            what: "100 requests per 1m for ci on openai/default".to_owned(),
        }
    );
    assert_eq!(refused.retry_after(kept.now.wall), Some(40));
    kept.pass(Duration::from_millis(39_500));
    assert_eq!(kept.let_through(70, &policy, "ci", "openai/default"), 60);
}

#[test]
fn each_agent_is_counted_by_itself_on_each_connection() {
    let kept = Kept::new(Defaults::None, None);
    let policy = policy(r#"{"limits": [{"requests": 2, "per": "60s"}]}"#);
    for (agent, to) in [
        ("ci", "openai/default"),
        ("ci", "openai/team"),
        ("ci", "anthropic/default"),
        ("review", "openai/default"),
    ] {
        assert_eq!(kept.let_through(3, &policy, agent, to), 2, "{agent} {to}");
    }
}

#[test]
fn what_one_limit_refuses_is_counted_by_none() {
    let mut kept = Kept::new(Defaults::None, None);
    let policy = policy(
        r#"{"limits": [{"requests": 5, "per": "1h"}, {"requests": 2, "per": "10s"},
            {"requests": 3, "per": "10s"}]}"#,
    );
    assert_eq!(kept.let_through(50, &policy, "ci", "openai/default"), 2);
    kept.pass(Duration::from_secs(10));
    assert_eq!(kept.let_through(50, &policy, "ci", "openai/default"), 2);
    kept.pass(Duration::from_secs(10));
    // Had the refused ones been counted, the hour's would be used up.
    assert_eq!(kept.let_through(50, &policy, "ci", "openai/default"), 1);
    let (wait, what) = limit_of(kept.ask(&policy, "ci", "openai/default"));
    assert_eq!(wait, Duration::from_secs(3580));
    assert!(what.starts_with("5 requests per 1h"), "{what}");
}

#[test]
fn tokens_count_once_an_answer_has_said_how_many() {
    let mut kept = Kept::new(Defaults::None, None);
    let policy = policy(r#"{"limits": [{"provider": "openai", "tokens": 1000, "per": "60s"}]}"#);
    let first = kept.ask(&policy, "ci", "openai/default").unwrap();
    let second = kept.ask(&policy, "ci", "openai/default").unwrap();
    first.spend(999, kept.now.steady);
    assert!(kept.ask(&policy, "ci", "openai/default").is_ok());
    kept.pass(Duration::from_secs(5));
    second.spend(1, kept.now.steady);
    let (wait, what) = limit_of(kept.ask(&policy, "ci", "openai/default"));
    assert_eq!(wait, Duration::from_secs(55));
    assert_eq!(what, "1000 tokens per 1m for ci on openai/default");
    assert!(kept.ask(&policy, "ci", "openai/team").is_ok());
    kept.pass(Duration::from_secs(55));
    assert!(kept.ask(&policy, "ci", "openai/default").is_ok());
}

#[test]
fn agents_of_a_service_have_limits_where_the_policy_has_none_for_them() {
    let silent = policy("{}");
    let kept = Kept::new(Defaults::OfService, None);
    for (to, asked, through) in [
        ("openai/default", 200, 100),
        ("anthropic/default", 200, 50),
        ("mistral/default", 200, 200),
    ] {
        assert_eq!(kept.let_through(asked, &silent, "ci", to), through, "{to}");
    }
    let speaks = policy(r#"{"limits": [{"agent": "ci", "requests": 120, "per": "60s"}]}"#);
    let kept = Kept::new(Defaults::OfService, None);
    assert_eq!(kept.let_through(200, &speaks, "ci", "openai/default"), 120);
    assert_eq!(kept.let_through(200, &speaks, "me", "openai/default"), 100);
    let kept = Kept::new(Defaults::None, None);
    assert_eq!(kept.let_through(200, &silent, "run", "openai/default"), 200);
}

#[test]
fn a_limit_of_tokens_leaves_the_default_of_requests_as_it_is() {
    let tokens = policy(r#"{"limits": [{"tokens": 1000000, "per": "60s"}]}"#);
    let kept = Kept::new(Defaults::OfService, None);
    assert_eq!(kept.let_through(200, &tokens, "ci", "openai/default"), 100);
    let both = policy(
        r#"{"limits": [{"tokens": 1000000, "per": "60s"}, {"requests": 120, "per": "1h"}]}"#,
    );
    assert_eq!(kept.let_through(200, &both, "ci", "openai/default"), 20);
}

#[test]
fn where_nothing_is_limited_nothing_is_remembered() {
    let kept = Kept::new(Defaults::OfService, None);
    let silent = policy("{}");
    assert!(kept.ask(&silent, "ci", "mistral/default").is_ok());
    assert_eq!(kept.accounts(), 0);
}

#[test]
fn a_policy_that_is_read_again_forgets_nothing() {
    let kept = Kept::new(Defaults::None, None);
    let before = policy(HUNDRED);
    assert_eq!(kept.let_through(90, &before, "ci", "openai/default"), 90);
    // In another place, for others too, and beside another.
    let moved = policy(
        r#"{"limits": [{"agent": "nobody", "requests": 1, "per": "60s"},
            {"provider": "openai", "requests": 100, "per": "60s"},
            {"requests": 500, "per": "60s"}]}"#,
    );
    assert_eq!(kept.let_through(6, &moved, "ci", "openai/default"), 6);
    // A changed number or span knows what was counted too.
    let less = policy(r#"{"limits": [{"requests": 97, "per": "60s"}]}"#);
    assert_eq!(kept.let_through(5, &less, "ci", "openai/default"), 1);
    let longer = policy(r#"{"limits": [{"requests": 99, "per": "2h"}]}"#);
    assert_eq!(kept.let_through(5, &longer, "ci", "openai/default"), 2);
}

#[test]
fn what_nobody_uses_any_more_is_forgotten() {
    let mut kept = Kept::new(Defaults::None, None);
    let policy =
        policy(r#"{"limits": [{"requests": 9, "per": "90s"}, {"tokens": 9, "per": "90s"}]}"#);
    for agent in 0..500 {
        let agent = format!("agent-{agent}");
        assert!(kept.ask(&policy, &agent, "openai/default").is_ok());
    }
    let slow = kept.ask(&policy, "slow", "openai/default").unwrap();
    assert_eq!(kept.accounts(), 501);
    kept.pass(MINUTE);
    assert!(kept.ask(&policy, "agent-1", "openai/default").is_ok());
    assert_eq!(kept.accounts(), 501);
    kept.pass(MINUTE);
    assert!(kept.ask(&policy, "agent-1", "openai/default").is_ok());
    // The one in use, and the one whose answer is still to come.
    assert_eq!(kept.accounts(), 2);
    slow.spend(9, kept.now.steady);
    assert!(kept.ask(&policy, "slow", "openai/default").is_err());
}

#[test]
fn a_budget_that_is_spent_refuses_until_the_next_begins() {
    let book = Arc::new(Book::default());
    let kept = Kept::new(Defaults::None, Some(Arc::clone(&book) as _));
    let policy = policy(
        r#"{"budgets": [{"agent": "ci", "provider": "openai", "usd": "5.00", "per": "day"},
            {"agent": "ci", "tokens": 1000, "per": "hour"}]}"#,
    );
    book.add("ci", "openai/default", 3_000_000_000, 0);
    book.add("ci", "openai/team", 1_999_999_999, 0);
    book.add("ci", "anthropic/default", 9_000_000_000, 0);
    book.add("me", "openai/default", 9_000_000_000, 0);
    assert!(kept.ask(&policy, "ci", "openai/default").is_ok());
    book.add("ci", "openai/team", 1, 999);
    let refused = kept.ask(&policy, "ci", "openai/default").map(|_| ());
    assert_eq!(
        refused,
        Err(Refused::Budget {
            resets: "2026-03-02T00:00:00Z".parse().unwrap(),
            what: "5.00 USD per day for ci on openai".to_owned(),
        })
    );
    let refused = refused.unwrap_err();
    assert_eq!(refused.retry_after(kept.now.wall), Some(12 * 3600));
    // Another provider's, of which only the tokens count.
    assert!(kept.ask(&policy, "ci", "anthropic/default").is_ok());
    book.add("ci", "anthropic/default", 0, 1);
    let refused = kept.ask(&policy, "ci", "anthropic/default").map(|_| ());
    assert_eq!(
        refused,
        Err(Refused::Budget {
            resets: "2026-03-01T13:00:00Z".parse().unwrap(),
            what: "1000 tokens per hour for ci".to_owned(),
        })
    );
    assert!(kept.ask(&policy, "me", "openai/default").is_ok());
}

#[test]
fn a_budget_that_cannot_be_asked_for_refuses() {
    let text = r#"{"budgets": [{"agent": "ci", "usd": "5.00", "per": "day"}]}"#;
    let policy = policy(text);
    let kept = Kept::new(Defaults::None, None);
    let refused = kept.ask(&policy, "ci", "openai/default").map(|_| ());
    assert_eq!(refused, Err(Refused::Unknown));
    assert!(kept.ask(&policy, "me", "openai/default").is_ok());
    let book = Arc::new(Book::default());
    let kept = Kept::new(Defaults::None, Some(Arc::clone(&book) as _));
    assert!(kept.ask(&policy, "ci", "openai/default").is_ok());
    book.is_stopped.store(true, Ordering::Relaxed);
    let refused = kept.ask(&policy, "ci", "openai/default").map(|_| ());
    assert_eq!(refused, Err(Refused::Unknown));
    assert_eq!(Refused::Unknown.retry_after(kept.now.wall), None);
    // Whom no budget speaks of does not depend on it.
    let asked = book.asked.load(Ordering::Relaxed);
    assert!(kept.ask(&policy, "me", "openai/default").is_ok());
    assert_eq!(book.asked.load(Ordering::Relaxed), asked);
}

#[test]
fn what_a_budget_refuses_is_counted_by_no_limit() {
    let book = Arc::new(Book::default());
    let kept = Kept::new(Defaults::None, Some(Arc::clone(&book) as _));
    let policy = policy(
        r#"{"limits": [{"requests": 3, "per": "60s"}],
            "budgets": [{"tokens": 10, "per": "month"}]}"#,
    );
    book.is_stopped.store(true, Ordering::Relaxed);
    assert_eq!(kept.let_through(9, &policy, "ci", "openai/default"), 0);
    book.is_stopped.store(false, Ordering::Relaxed);
    assert_eq!(kept.let_through(9, &policy, "ci", "openai/default"), 3);
}

#[test]
fn a_restart_gives_no_new_budget() {
    let folder = tempfile::tempdir().unwrap();
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let recorder = || {
        Recorder::start(Settings {
            path: folder.path().join("usage.db"),
            keep: MINUTE * 60 * 24 * 180,
            warn: Arc::new(|text| panic!("{text}")),
            clock: Arc::new(move || now),
        })
    };
    let event = Event {
        at: now,
        agent: "ci".into(),
        connection: Arc::new(id("openai/default")),
        method: "POST".into(),
        endpoint: "/v1/responses".into(),
        status: 200,
        took: Duration::from_secs(1),
        metered: Metered::default(),
        cost: Some(Nano(2_500_000_000)),
    };
    let policy = policy(r#"{"budgets": [{"usd": "5.00", "per": "day"}]}"#);
    for is_allowed in [true, true, false] {
        let recorder = recorder();
        let kept = Kept::new(Defaults::None, Some(Arc::clone(recorder.ledger()) as _));
        let asked = kept.ask(&policy, "ci", "openai/team");
        assert_eq!(asked.is_ok(), is_allowed);
        assert!(kept.ask(&policy, "me", "openai/team").is_ok());
        recorder.record(event.clone());
        recorder.stop();
    }
}

#[test]
fn seconds_to_wait_are_never_too_few() {
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let limit = |nanos| Refused::Limit {
        retry_after: Duration::from_nanos(nanos),
        what: String::new(),
    };
    for (nanos, seconds) in [(0, 1), (1, 1), (1_000_000_000, 1), (1_000_000_001, 2)] {
        assert_eq!(limit(nanos).retry_after(now), Some(seconds), "{nanos}");
    }
    let budget = |resets: &str| Refused::Budget {
        resets: resets.parse().unwrap(),
        what: String::new(),
    };
    assert_eq!(budget("2026-03-01T12:00:01.5Z").retry_after(now), Some(2));
    assert_eq!(budget("2026-03-01T11:00:00Z").retry_after(now), Some(1));
}
