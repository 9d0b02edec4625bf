//! How much there was in the last so many seconds: a window that slides.
//!
//! Always true here: no span of that length, wherever it begins, has more
//! requests let through than the limit says. A bucket that fills up again
//! would let twice as many through around the moment in which it is full;
//! therefore each one that was let through is remembered until it has left.
//! Pure: the time is an argument, in nanoseconds since whenever, and one that
//! goes backwards is taken as standing still.

use std::collections::VecDeque;
use std::time::Duration;

/// So many are remembered each by itself, and any limit up to this is exact
/// to the nanosecond. Where more are in the window, those that came within
/// the same small part of it share an entry.
const EXACT: usize = 1 << 16;

/// So many of those parts make up the window.
const PARTS: u64 = 1 << 15;

/// What was counted in any span of one length, and how much it may be. A span
/// has its beginning in it and its end not.
#[derive(Debug, Clone)]
pub struct Window {
    limit: u64,
    span: u64,
    /// The oldest first; times only grow.
    entries: VecDeque<Entry>,
    /// Of all entries; what an upstream claims to have counted may be huge.
    sum: u128,
    latest: u64,
}

/// Something counted; of several, when the last one was, so that none leaves
/// early.
#[derive(Debug, Clone, Copy)]
struct Entry {
    at: u64,
    amount: u64,
}

/// How long it takes until there is room again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(pub Duration);

impl Window {
    /// At most `limit` in any span of this length.
    pub fn new(limit: u64, span: Duration) -> Self {
        Self {
            limit,
            span: u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).max(1),
            entries: VecDeque::new(),
            sum: 0,
            latest: 0,
        }
    }

    /// Counts one request, if there is room for it.
    ///
    /// # Errors
    /// There is not, for so long.
    pub fn admit(&mut self, now: u64) -> Result<(), Wait> {
        self.check(now)?;
        self.count(now, 1);
        Ok(())
    }

    /// Whether less than the limit is in the window; counts nothing.
    ///
    /// # Errors
    /// It is full, and has room again after so long.
    pub fn check(&mut self, now: u64) -> Result<(), Wait> {
        let now = self.advance(now);
        let Some(excess) = self.sum.checked_sub(u128::from(self.limit)) else {
            return Ok(());
        };
        let mut left = 0;
        let last_to_leave = self.entries.iter().find(|entry| {
            left += u128::from(entry.amount);
            left > excess
        });
        // Nothing to wait for: the limit is none at all.
        let at = last_to_leave.map_or(now, |entry| entry.at);
        let wait = at.saturating_add(self.span) - now;
        Err(Wait(Duration::from_nanos(wait)))
    }

    /// Counts so much, whether there is room or not.
    pub fn count(&mut self, now: u64, amount: u64) {
        let at = self.advance(now);
        if amount == 0 {
            return;
        }
        self.sum += u128::from(amount);
        let part = (self.span / PARTS).max(1);
        let is_crowded = self.entries.len() >= EXACT;
        match self.entries.back_mut() {
            Some(last) if is_crowded && last.at / part == at / part => {
                // What does not fit any more is beyond every limit anyway.
                let room = u64::MAX - last.amount;
                self.sum -= u128::from(amount.saturating_sub(room));
                last.amount = last.amount.saturating_add(amount);
                last.at = at;
            }
            _ => self.entries.push_back(Entry { at, amount }),
        }
    }

    /// Whether nothing is in it any more.
    pub fn is_empty(&mut self, now: u64) -> bool {
        self.advance(now);
        self.entries.is_empty()
    }

    /// How much may be in it.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How long the span is.
    pub fn span(&self) -> Duration {
        Duration::from_nanos(self.span)
    }

    /// The same with another limit and length: what was counted stays
    /// counted, as far as it is known.
    #[must_use]
    pub fn changed(self, limit: u64, span: Duration) -> Self {
        let new = Self::new(limit, span);
        Self {
            limit: new.limit,
            span: new.span,
            ..self
        }
    }

    /// Lets leave what is too old; the time that counts.
    fn advance(&mut self, now: u64) -> u64 {
        self.latest = self.latest.max(now);
        while let Some(oldest) = self.entries.front() {
            if self.latest - oldest.at < self.span {
                break;
            }
            self.sum -= u128::from(oldest.amount);
            self.entries.pop_front();
        }
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    /// The definition: of what was let through at these times, no span of
    /// this length has more than so many in it.
    fn holds(admitted: &[u64], limit: u64, span: u64) -> bool {
        admitted.iter().enumerate().all(|(first, begin)| {
            let within = admitted[first..]
                .iter()
                .take_while(|at| *at - begin < span)
                .count();
            within as u64 <= limit
        })
    }

    fn after(wait: Wait) -> u64 {
        u64::try_from(wait.0.as_nanos()).unwrap()
    }

    #[test]
    fn the_last_one_of_the_limit_goes_through_and_the_next_does_not() {
        let mut window = Window::new(3, Duration::from_secs(60));
        for now in [0, 10 * SECOND, 59 * SECOND] {
            assert_eq!(window.admit(now), Ok(()));
        }
        // A bucket would have filled up by now.
        assert_eq!(
            window.admit(60 * SECOND - 1),
            Err(Wait(Duration::from_nanos(1)))
        );
        assert_eq!(window.admit(60 * SECOND), Ok(()));
        let wait = Wait(Duration::from_secs(10));
        assert_eq!(window.admit(60 * SECOND), Err(wait));
    }

    #[test]
    fn looking_counts_nothing() {
        let mut window = Window::new(1, Duration::from_secs(1));
        for _ in 0..5 {
            assert_eq!(window.check(0), Ok(()));
        }
        assert_eq!(window.admit(0), Ok(()));
        assert!(window.check(0).is_err());
    }

    #[test]
    fn a_limit_of_nothing_lets_nothing_through() {
        let mut window = Window::new(0, Duration::from_secs(5));
        let wait = Wait(Duration::from_secs(5));
        assert_eq!(window.admit(7), Err(wait));
    }

    #[test]
    fn a_clock_that_goes_back_opens_nothing() {
        let mut window = Window::new(1, Duration::from_secs(60));
        assert_eq!(window.admit(100 * SECOND), Ok(()));
        for now in [0, 39 * SECOND, 99 * SECOND] {
            let wait = Wait(Duration::from_secs(60));
            assert_eq!(window.admit(now), Err(wait));
        }
        assert_eq!(window.admit(160 * SECOND), Ok(()));
        // It may also have run backwards before anything was counted.
        let mut window = Window::new(1, Duration::from_secs(60));
        assert!(window.is_empty(100 * SECOND));
        assert_eq!(window.admit(0), Ok(()));
        assert!(window.admit(159 * SECOND).is_err());
    }

    #[test]
    fn an_answer_larger_than_the_limit_is_waited_for_once() {
        let mut window = Window::new(1000, Duration::from_secs(60));
        window.count(0, 400);
        window.count(SECOND, u64::MAX);
        window.count(SECOND, u64::MAX);
        let wait = Wait(Duration::from_secs(60));
        assert_eq!(window.check(SECOND), Err(wait));
        window.count(2 * SECOND, 999);
        assert_eq!(window.check(61 * SECOND), Ok(()));
        assert!(!window.is_empty(61 * SECOND));
        assert!(window.is_empty(62 * SECOND));
    }

    #[test]
    fn a_lower_limit_counts_what_there_was() {
        let mut window = Window::new(10, Duration::from_secs(60));
        for now in 0..10 {
            assert_eq!(window.admit(now * SECOND), Ok(()));
        }
        let window = window.changed(4, Duration::from_secs(60));
        // Seven have to leave: the last of them came after six seconds.
        let wait = Wait(Duration::from_secs(56));
        assert_eq!(window.clone().check(10 * SECOND), Err(wait));
        let mut longer = window.clone().changed(4, Duration::from_secs(3600));
        assert!(longer.check(3600 * SECOND).is_err());
        let mut shorter = window.changed(4, Duration::from_secs(4));
        assert_eq!(shorter.check(10 * SECOND), Ok(()));
    }

    #[test]
    fn a_huge_limit_takes_bounded_memory_and_lets_no_more_through() {
        let (limit, span) = (300_000, SECOND);
        let mut window = Window::new(limit, Duration::from_nanos(span));
        let mut admitted = Vec::new();
        let mut largest = 0;
        // Twice as fast as it may be, for two and a half spans.
        for step in 0..1_500_000 {
            let now = step * 1_666;
            if window.admit(now).is_ok() {
                admitted.push(now);
            }
            largest = largest.max(window.entries.len());
        }
        assert!(largest <= EXACT + PARTS as usize + 1, "{largest}");
        let mut begin = 0;
        for (end, at) in admitted.iter().enumerate() {
            while at - admitted[begin] >= span {
                begin += 1;
            }
            assert!((end - begin) as u64 <= limit, "at {at}");
        }
        // The very limit goes through at first, and about as much in each
        // further span: what shares an entry leaves a little late.
        let first = admitted.partition_point(|at| *at < span);
        assert_eq!(first as u64, limit);
        assert!(admitted.len() as u64 > limit * 2, "{}", admitted.len());
    }

    proptest! {
        #[test]
        fn no_span_has_more_than_the_limit_and_none_is_refused_without_need(
            limit in 0_u64..5,
            span in 1_u64..12,
            steps in proptest::collection::vec((0_u64..6, any::<bool>()), 0..80),
        ) {
            let mut window = Window::new(limit, Duration::from_nanos(span));
            let mut admitted: Vec<u64> = Vec::new();
            let mut now = 0;
            for (step, goes_back) in steps {
                if !goes_back {
                    now += step;
                }
                let seen = if goes_back { now.saturating_sub(step) } else { now };
                let within = admitted.iter().filter(|at| now - **at < span).count() as u64;
                match window.admit(seen) {
                    Ok(()) => {
                        prop_assert!(within < limit);
                        admitted.push(now);
                    }
                    Err(wait) => {
                        prop_assert!(within >= limit);
                        let wait = after(wait);
                        if limit > 0 {
                            prop_assert!(window.clone().check(now + wait).is_ok());
                        }
                        prop_assert!(window.clone().check(now + wait - 1).is_err());
                    }
                }
                prop_assert!(holds(&admitted, limit, span));
            }
        }

        #[test]
        fn tokens_are_refused_while_those_of_the_last_span_reach_the_limit(
            limit in 1_u64..50,
            span in 1_u64..12,
            steps in proptest::collection::vec((0_u64..6, 0_u64..30), 0..80),
        ) {
            let mut window = Window::new(limit, Duration::from_nanos(span));
            let mut spent: Vec<(u64, u64)> = Vec::new();
            let mut now = 0;
            for (step, tokens) in steps {
                now += step;
                let sum_at = |then: u64| -> u64 {
                    let live = spent.iter().filter(|(at, _)| then - at < span);
                    live.map(|(_, amount)| amount).sum()
                };
                match window.check(now) {
                    Ok(()) => prop_assert!(sum_at(now) < limit),
                    Err(wait) => {
                        prop_assert!(sum_at(now + after(wait)) < limit);
                        prop_assert!(sum_at(now + after(wait) - 1) >= limit);
                    }
                }
                window.count(now, tokens);
                spent.push((now, tokens));
            }
        }
    }
}
