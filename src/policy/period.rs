//! The spans that budgets are for: hours, days and months of UTC.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Unit, Zoned};

/// A span that begins and ends with the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the next one's.
    Month,
}

impl Period {
    /// When the one that `now` is in began.
    pub fn start(self, now: Timestamp) -> Timestamp {
        self.begin(now).map_or(now, |begin| begin.timestamp())
    }

    /// When the next one begins.
    pub fn end(self, now: Timestamp) -> Timestamp {
        let span = match self {
            Self::Hour => 1.hour(),
            Self::Day => 1.day(),
            Self::Month => 1.month(),
        };
        let next = self.begin(now).and_then(|begin| begin.checked_add(span));
        next.map_or(now, |next| next.timestamp())
    }

    fn begin(self, now: Timestamp) -> Result<Zoned, jiff::Error> {
        let zoned = now.to_zoned(TimeZone::UTC);
        match self {
            Self::Hour => zoned.round(
                jiff::ZonedRound::new()
                    .smallest(Unit::Hour)
                    .mode(jiff::RoundMode::Trunc),
            ),
            Self::Day => zoned.start_of_day(),
            Self::Month => zoned.first_of_month()?.start_of_day(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_and_end_with_the_calendar() {
        for (now, period, start, end) in [
            (
                "2026-02-28T23:59:59.9Z",
                Period::Hour,
                "2026-02-28T23:00:00Z",
                "2026-03-01T00:00:00Z",
            ),
            (
                "2026-02-28T23:59:59.9Z",
                Period::Day,
                "2026-02-28T00:00:00Z",
                "2026-03-01T00:00:00Z",
            ),
            (
                "2026-12-01T00:00:00Z",
                Period::Month,
                "2026-12-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
            ),
            (
                "2028-02-29T12:30:00Z",
                Period::Month,
                "2028-02-01T00:00:00Z",
                "2028-03-01T00:00:00Z",
            ),
        ] {
            let now: Timestamp = now.parse().unwrap();
            assert_eq!(period.start(now).to_string(), start);
            assert_eq!(period.end(now).to_string(), end);
        }
    }
}
