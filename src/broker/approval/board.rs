//! What is held right now, and what was approved ahead. Pure: the time comes
//! in. There are never more than so many requests here, nor more than so many
//! bytes of their bodies.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::ask::{Ask, Outcome};
use super::id::ApprovalId;
use super::wire::{Ahead, Facts};

/// So many requests wait at once.
pub(super) const MOST_HELD: usize = 256;
/// So many of one agent, so that others can be asked about too.
pub(super) const MOST_OF_ONE: usize = 64;
/// So many bytes of their bodies are kept.
pub(super) const MOST_BYTES: usize = 64 * 1024 * 1024;

/// One request that waits.
pub(super) struct Held {
    pub(super) id: ApprovalId,
    pub(super) ask: Ask,
    pub(super) facts: Arc<Facts>,
    pub(super) answer: oneshot::Sender<Outcome>,
    /// Under which rules it is held: see [`Board::rules`].
    pub(super) rules: u64,
}

/// All of them, the oldest first.
#[derive(Default)]
pub(super) struct Board {
    held: Vec<Held>,
    bytes: usize,
    /// For an agent, the rules that are approved ahead.
    ahead: HashMap<Arc<str>, HashMap<String, Until>>,
    is_stopping: bool,
    /// Counts the times that rules have changed.
    rules: u64,
}

/// When something ends: by the clock that counts, and for people.
#[derive(Debug, Clone)]
pub(super) struct Until {
    pub(super) since_boot: Duration,
    pub(super) shown: String,
}

impl Board {
    /// Whether a request has to wait, and may: what it is answered, if not.
    pub(super) fn admit(&self, ask: &Ask, now: Duration) -> Result<(), Outcome> {
        if self.is_stopping {
            return Err(Outcome::Stopping);
        }
        if self.covers(ask, now) {
            return Err(Outcome::Approved);
        }
        if self.held.len() >= MOST_HELD {
            let reason = format!("{MOST_HELD} requests wait for approval already");
            return Err(Outcome::CannotHold(reason));
        }
        let own = self.held.iter().filter(|held| held.ask.agent == ask.agent);
        if own.count() >= MOST_OF_ONE {
            let reason = format!("{MOST_OF_ONE} requests of this agent wait for approval already");
            return Err(Outcome::CannotHold(reason));
        }
        if self.bytes.saturating_add(ask.kept()) > MOST_BYTES {
            let reason = "the bodies of the requests that wait for approval are too large together";
            return Err(Outcome::CannotHold(reason.to_owned()));
        }
        Ok(())
    }

    /// Whether each of the rules is approved ahead for the agent. Where no
    /// rule is named, none is.
    fn covers(&self, ask: &Ask, now: Duration) -> bool {
        let Some(rules) = self.ahead.get(&ask.agent) else {
            return false;
        };
        let is_ahead = |rule: &String| rules.get(rule).is_some_and(|until| now < until.since_boot);
        !ask.rules.is_empty() && ask.rules.iter().all(is_ahead)
    }

    /// A name that none of them has.
    pub(super) fn fresh_id(&self) -> ApprovalId {
        loop {
            let id = ApprovalId::random();
            if self.find(id).is_none() {
                return id;
            }
        }
    }

    /// Holds one more.
    pub(super) fn put(&mut self, held: Held) {
        self.bytes += held.ask.kept();
        self.held.push(held);
    }

    /// Gives one away to whoever ends it; everybody else finds none.
    pub(super) fn take(&mut self, id: ApprovalId) -> Option<Held> {
        let position = self.held.iter().position(|held| held.id == id)?;
        let held = self.held.remove(position);
        self.bytes -= held.ask.kept();
        Some(held)
    }

    /// One of them.
    pub(super) fn find(&self, id: ApprovalId) -> Option<&Held> {
        self.held.iter().find(|held| held.id == id)
    }

    /// The names of all.
    pub(super) fn ids(&self) -> Vec<ApprovalId> {
        self.held.iter().map(|held| held.id).collect()
    }

    /// Approves the rules of `held` ahead, and gives away those that wait for
    /// nothing else.
    pub(super) fn approve_ahead(&mut self, held: &Held, until: &Until, now: Duration) -> Vec<Held> {
        self.drop_past(now);
        // A name may be another rule's by now.
        if held.rules != self.rules {
            return Vec::new();
        }
        let rules = self.ahead.entry(Arc::clone(&held.ask.agent)).or_default();
        for rule in &held.ask.rules {
            let known = rules.entry(rule.clone()).or_insert_with(|| until.clone());
            if known.since_boot < until.since_boot {
                *known = until.clone();
            }
        }
        let covered: Vec<_> = self
            .held
            .iter()
            .filter(|other| self.covers(&other.ask, now))
            .map(|other| other.id)
            .collect();
        covered.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// What is approved ahead.
    pub(super) fn ahead(&self, now: Duration) -> Vec<Ahead> {
        let mut found: Vec<_> = self
            .ahead
            .iter()
            .flat_map(|(agent, rules)| rules.iter().map(move |(rule, until)| (agent, rule, until)))
            .filter(|(_, _, until)| now < until.since_boot)
            .map(|(agent, rule, until)| Ahead {
                agent: agent.to_string(),
                rule: rule.clone(),
                until: until.shown.clone(),
            })
            .collect();
        found.sort_by(|a, b| (&a.agent, &a.rule).cmp(&(&b.agent, &b.rule)));
        found
    }

    /// Nothing is approved ahead any more.
    pub(super) fn forget(&mut self) {
        self.rules += 1;
        self.ahead.clear();
    }

    /// The number of the rules in force.
    pub(super) fn rules(&self) -> u64 {
        self.rules
    }

    /// Takes no more, and gives away all.
    pub(super) fn stop(&mut self) -> Vec<Held> {
        self.is_stopping = true;
        self.bytes = 0;
        std::mem::take(&mut self.held)
    }

    fn drop_past(&mut self, now: Duration) {
        for rules in self.ahead.values_mut() {
            rules.retain(|_, until| now < until.since_boot);
        }
        self.ahead.retain(|_, rules| !rules.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn ask(agent: &str, rules: &[&str]) -> Ask {
        Ask {
            agent: agent.into(),
            rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            method: "POST".to_owned(),
            host: "api.openai.com".to_owned(),
            path: "/v1/responses".to_owned(),
            connection: None,
            model: None,
            bytes: None,
            body: None,
            timeout: Duration::from_secs(1),
        }
    }

    fn held(board: &Board, ask: Ask) -> Held {
        let id = board.fresh_id();
        let facts = Facts::of(&ask, id.to_string(), String::new(), String::new());
        Held {
            id,
            facts: facts.into(),
            ask,
            answer: oneshot::channel().0,
            rules: board.rules(),
        }
    }

    fn put(board: &mut Board, ask: Ask) -> ApprovalId {
        let held = held(board, ask);
        let id = held.id;
        board.put(held);
        id
    }

    fn hour() -> Until {
        Until {
            since_boot: NOW + Duration::from_secs(3600),
            shown: "then".to_owned(),
        }
    }

    #[test]
    fn past_so_many_requests_none_is_held() {
        let mut board = Board::default();
        for number in 0..MOST_HELD {
            let agent = format!("agent-{}", number % 8);
            assert_eq!(board.admit(&ask(&agent, &["r"]), NOW), Ok(()));
            put(&mut board, ask(&agent, &["r"]));
        }
        let refused = board.admit(&ask("ci", &["r"]), NOW);
        assert!(matches!(refused, Err(Outcome::CannotHold(_))));
        let first = board.ids()[0];
        assert!(board.take(first).is_some() && board.take(first).is_none());
        assert_eq!(board.admit(&ask("ci", &["r"]), NOW), Ok(()));
    }

    #[test]
    fn one_agent_leaves_room_for_others() {
        let mut board = Board::default();
        for _ in 0..MOST_OF_ONE {
            put(&mut board, ask("greedy", &["r"]));
        }
        let refused = board.admit(&ask("greedy", &["r"]), NOW);
        assert!(matches!(refused, Err(Outcome::CannotHold(_))));
        assert_eq!(board.admit(&ask("ci", &["r"]), NOW), Ok(()));
    }

    #[test]
    fn what_was_held_under_other_rules_is_approved_by_itself_alone() {
        let mut board = Board::default();
        let id = put(&mut board, ask("ci", &["rule 3"]));
        board.forget();
        let held = board.take(id).unwrap();
        board.approve_ahead(&held, &hour(), NOW);
        assert_eq!(board.ahead(NOW), []);
        assert_eq!(board.admit(&ask("ci", &["rule 3"]), NOW), Ok(()));
    }

    #[test]
    fn past_so_many_bytes_of_bodies_none_is_held() {
        let mut board = Board::default();
        let with = |bytes: usize| Ask {
            body: Some(Bytes::from(vec![0; bytes])),
            ..ask("ci", &["r"])
        };
        let half = put(&mut board, with(MOST_BYTES / 2));
        put(&mut board, with(MOST_BYTES / 2));
        let refused = board.admit(&with(1), NOW);
        assert!(matches!(refused, Err(Outcome::CannotHold(_))));
        assert_eq!(board.admit(&ask("ci", &["r"]), NOW), Ok(()));
        board.take(half);
        assert_eq!(board.admit(&with(1), NOW), Ok(()));
    }

    #[test]
    fn what_is_approved_ahead_is_for_one_agent_and_every_rule() {
        let mut board = Board::default();
        let first = held(&board, ask("ci", &["a", "b"]));
        board.approve_ahead(&first, &hour(), NOW);
        let passes = |agent, rules: &[&str], now| board.admit(&ask(agent, rules), now).is_err();
        assert!(passes("ci", &["a"], NOW) && passes("ci", &["b", "a"], NOW));
        assert!(!passes("ci", &["a", "c"], NOW));
        assert!(!passes("ci", &[], NOW));
        assert!(!passes("other", &["a"], NOW));
        assert!(!passes("ci", &["a"], hour().since_boot));
        assert_eq!(board.ahead(NOW).len(), 2);
        assert!(board.ahead(hour().since_boot).is_empty());
        board.forget();
        assert_eq!(board.admit(&ask("ci", &["a"]), NOW), Ok(()));
    }

    #[test]
    fn those_that_wait_for_the_same_rules_pass_too() {
        let mut board = Board::default();
        let same = put(&mut board, ask("ci", &["a"]));
        let more = put(&mut board, ask("ci", &["a", "b"]));
        let other = put(&mut board, ask("other", &["a"]));
        let first = held(&board, ask("ci", &["a"]));
        let passed = board.approve_ahead(&first, &hour(), NOW);
        assert_eq!(
            passed.iter().map(|held| held.id).collect::<Vec<_>>(),
            [same]
        );
        assert_eq!(board.ids(), [more, other]);
    }

    #[test]
    fn a_shorter_time_does_not_cut_a_longer_one() {
        let mut board = Board::default();
        let first = held(&board, ask("ci", &["a"]));
        board.approve_ahead(&first, &hour(), NOW);
        let soon = Until {
            since_boot: NOW + Duration::from_secs(1),
            shown: "soon".to_owned(),
        };
        board.approve_ahead(&first, &soon, NOW);
        assert_eq!(board.ahead(NOW)[0].until, "then");
    }

    #[test]
    fn one_that_stops_takes_no_more() {
        let mut board = Board::default();
        put(&mut board, ask("ci", &["a"]));
        assert_eq!(board.stop().len(), 1);
        assert_eq!(board.admit(&ask("ci", &["a"]), NOW), Err(Outcome::Stopping));
    }
}
