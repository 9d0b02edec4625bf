//! Sums of hours, days and months for each agent and connection.
//!
//! Always true here: a sum belongs to one period of the calendar, and the two
//! newest of each kind are kept, so that what comes late from before the turn
//! does not count after it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Spent;
use crate::name::ConnectionId;
use crate::policy::Period;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

#[derive(Default)]
pub(super) struct Totals {
    agents: HashMap<Arc<str>, HashMap<Arc<ConnectionId>, Sums>>,
    months: Months,
}

#[derive(Default, Clone, Copy)]
struct Sums {
    hours: Newest,
    days: Newest,
    months: Newest,
}

/// The sums of two periods, the newer one first.
#[derive(Clone, Copy)]
struct Newest([(i64, Spent); 2]);

impl Default for Newest {
    fn default() -> Self {
        Self([(i64::MIN, Spent::default()); 2])
    }
}

/// The month that was last asked for: the calendar is slow.
#[derive(Default, Clone, Copy)]
struct Months {
    start: i64,
    end: i64,
}

impl Totals {
    pub(super) fn add(
        &mut self,
        agent: &Arc<str>,
        connection: &Arc<ConnectionId>,
        at: i64,
        spent: Spent,
    ) {
        let month = self.months.start(at);
        if !self.agents.contains_key(agent) {
            self.agents.insert(Arc::clone(agent), HashMap::new());
        }
        let Some(connections) = self.agents.get_mut(agent) else {
            return;
        };
        if !connections.contains_key(connection) {
            connections.insert(Arc::clone(connection), Sums::default());
        }
        if let Some(sums) = connections.get_mut(connection) {
            sums.hours.add(hour(at), spent);
            sums.days.add(day(at), spent);
            sums.months.add(month, spent);
        }
    }

    pub(super) fn spent(
        &mut self,
        agent: &str,
        period: Period,
        now: Timestamp,
        matches: &dyn Fn(&ConnectionId) -> bool,
    ) -> Spent {
        let now = now.as_millisecond();
        let start = match period {
            Period::Hour => hour(now),
            Period::Day => day(now),
            Period::Month => self.months.start(now),
        };
        let Some(connections) = self.agents.get_mut(agent) else {
            return Spent::default();
        };
        let matching = connections.iter_mut().filter(|(id, _)| matches(id));
        let each = matching.map(|(_, sums)| match period {
            Period::Hour => sums.hours.of(start),
            Period::Day => sums.days.of(start),
            Period::Month => sums.months.of(start),
        });
        each.fold(Spent::default(), Spent::plus)
    }

    /// Agents come and go; who did nothing since is forgotten.
    pub(super) fn forget_before(&mut self, month: i64) {
        for connections in self.agents.values_mut() {
            connections.retain(|_, sums| sums.months.0[0].0 >= month);
        }
        self.agents.retain(|_, connections| !connections.is_empty());
    }
}

impl Newest {
    fn add(&mut self, start: i64, spent: Spent) {
        let [newer, older] = &mut self.0;
        if start == newer.0 {
            newer.1 = newer.1.plus(spent);
        } else if start == older.0 {
            older.1 = older.1.plus(spent);
        } else if start > newer.0 {
            *older = *newer;
            *newer = (start, spent);
        } else if start > older.0 {
            *older = (start, spent);
        }
        // Else nobody asks for it any more.
    }

    fn of(&mut self, start: i64) -> Spent {
        let [newer, older] = &mut self.0;
        if older.0 > start {
            // The clock was ahead, and was put back: this period counts from
            // now on, else it would not count until the clock is there again.
            *older = (start, Spent::default());
        }
        match start {
            at if at == newer.0 => newer.1,
            at if at == older.0 => older.1,
            _ => Spent::default(),
        }
    }
}

impl Months {
    fn start(&mut self, at: i64) -> i64 {
        if !(self.start..self.end).contains(&at) {
            let time = Timestamp::from_millisecond(at).unwrap_or_default();
            self.start = Period::Month.start(time).as_millisecond();
            self.end = Period::Month.end(time).as_millisecond();
        }
        self.start
    }
}

fn hour(at: i64) -> i64 {
    at.div_euclid(HOUR_MS) * HOUR_MS
}

fn day(at: i64) -> i64 {
    at.div_euclid(DAY_MS) * DAY_MS
}
