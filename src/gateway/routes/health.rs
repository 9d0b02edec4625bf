//! What is remembered of connections that just failed, so that the next
//! request does not begin with them. Pure: the time is an argument.
//!
//! Always true here: nothing is forgotten for longer than five minutes at a
//! time, and nothing is given up: who is ill is put behind the others.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::name::ConnectionId;

/// So long one that failed for the first time is put behind.
const FIRST: Duration = Duration::from_secs(5);
/// And so long at most, however often it failed.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// Which connections are better not asked first.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Health(HashMap<ConnectionId, Ill>);

#[derive(Debug, Clone, Copy)]
struct Ill {
    until: Instant,
    /// How long it was put behind because it failed; doubled the next time.
    pause: Duration,
}

impl Health {
    /// It was not reached, or said that it has a fault.
    pub(super) fn failed(&mut self, id: &ConnectionId, now: Instant) {
        let known = self.0.get(id).copied();
        let pause = match known {
            // Many requests may fail over one fault.
            Some(ill) if now < ill.until => return,
            Some(ill) => (ill.pause * 2).clamp(FIRST, LONGEST),
            None => FIRST,
        };
        self.put(id, pause, pause, now);
    }

    /// It has too much to do, and perhaps said for how long.
    pub(super) fn busy(&mut self, id: &ConnectionId, wait: Option<Duration>, now: Instant) {
        let known = self.0.get(id).copied();
        let wait = wait.unwrap_or(FIRST).min(LONGEST);
        if known.is_some_and(|ill| ill.until > now + wait) {
            return;
        }
        let pause = known.map_or(Duration::ZERO, |ill| ill.pause);
        self.put(id, wait, pause, now);
    }

    /// It does its work.
    pub(super) fn served(&mut self, id: &ConnectionId) {
        self.0.remove(id);
    }

    /// The same, those first that are well, else in the order that they have.
    pub(super) fn ordered<T>(
        &self,
        all: Vec<T>,
        id: impl Fn(&T) -> &ConnectionId,
        now: Instant,
    ) -> Vec<T> {
        let (well, ill): (Vec<T>, Vec<T>) =
            all.into_iter().partition(|one| self.is_well(id(one), now));
        well.into_iter().chain(ill).collect()
    }

    fn is_well(&self, id: &ConnectionId, now: Instant) -> bool {
        self.0.get(id).is_none_or(|ill| ill.until <= now)
    }

    fn put(&mut self, id: &ConnectionId, wait: Duration, pause: Duration, now: Instant) {
        let until = now + wait;
        self.0.insert(id.clone(), Ill { until, pause });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ConnectionId {
        ConnectionId {
            provider: text.parse().unwrap(),
            connection: "default".parse().unwrap(),
        }
    }

    /// How many seconds from now on it is put behind.
    fn pause(health: &Health, name: &str, now: Instant) -> u64 {
        let ill = |seconds: &u64| !health.is_well(&id(name), now + Duration::from_secs(*seconds));
        (0..1000).take_while(ill).count() as u64
    }

    #[test]
    fn each_failure_after_a_pause_doubles_the_next_one_up_to_five_minutes() {
        let mut health = Health::default();
        let mut now = Instant::now();
        for expected in [5, 10, 20, 40, 80, 160, 300, 300] {
            health.failed(&id("a"), now);
            assert_eq!(pause(&health, "a", now), expected);
            now += Duration::from_secs(expected);
        }
        assert_eq!(pause(&health, "a", now), 0);
        assert_eq!(pause(&health, "b", now), 0);
    }

    #[test]
    fn failures_within_a_pause_are_one_failure() {
        let mut health = Health::default();
        let now = Instant::now();
        for _ in 0..64 {
            health.failed(&id("a"), now);
        }
        assert_eq!(pause(&health, "a", now), 5);
        health.failed(&id("a"), now + Duration::from_secs(4));
        assert_eq!(pause(&health, "a", now), 5);
    }

    #[test]
    fn a_success_makes_all_well() {
        let mut health = Health::default();
        let mut now = Instant::now();
        health.failed(&id("a"), now);
        now += Duration::from_secs(5);
        health.failed(&id("a"), now);
        health.served(&id("a"));
        assert_eq!(pause(&health, "a", now), 0);
        health.failed(&id("a"), now);
        assert_eq!(pause(&health, "a", now), 5);
    }

    #[test]
    fn who_is_busy_is_believed_up_to_five_minutes() {
        let now = Instant::now();
        for (said, expected) in [(None, 5), (Some(0), 0), (Some(42), 42), (Some(9999), 300)] {
            let mut health = Health::default();
            health.busy(&id("a"), said.map(Duration::from_secs), now);
            assert_eq!(pause(&health, "a", now), expected, "{said:?}");
        }
        let mut health = Health::default();
        health.busy(&id("a"), Some(Duration::from_secs(60)), now);
        health.busy(&id("a"), Some(Duration::from_secs(2)), now);
        assert_eq!(pause(&health, "a", now), 60);
        // Being busy is no fault, so it doubles nothing.
        let later = now + Duration::from_secs(60);
        health.failed(&id("a"), later);
        assert_eq!(pause(&health, "a", later), 5);
    }

    #[test]
    fn the_ill_come_last_and_are_not_given_up() {
        let mut health = Health::default();
        let now = Instant::now();
        let order = |health: &Health, now: Instant| {
            let all = ["a", "b", "c"].map(id).to_vec();
            let ordered = health.ordered(all, |id| id, now);
            let names = ordered.iter().map(|id| id.provider.to_string());
            names.collect::<String>()
        };
        health.failed(&id("a"), now);
        assert_eq!(order(&health, now), "bca");
        health.failed(&id("c"), now);
        assert_eq!(order(&health, now), "bac");
        health.failed(&id("b"), now);
        assert_eq!(order(&health, now), "abc");
        assert_eq!(order(&health, now + Duration::from_secs(5)), "abc");
    }
}
