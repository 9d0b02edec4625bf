//! Points of time as `--since` and `--until` take them. Days are those of UTC,
//! as in the database.

use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::error::{Error, Kind, Result};
use crate::span::Span;

/// A point of time as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// This one.
    At(Timestamp),
    /// A whole day.
    Day(Date),
    /// So long ago.
    Ago(Span),
}

/// How many days are looked at where nobody says, today among them.
pub const USUAL_DAYS: i64 = 30;

impl When {
    fn at(self, now: Timestamp, days_on: i32) -> Result<Timestamp> {
        let found = match self {
            Self::At(time) => Some(time),
            Self::Day(day) => day
                .checked_add(days_on.days())
                .and_then(|day| day.to_zoned(TimeZone::UTC))
                .map(|time| time.timestamp())
                .ok(),
            Self::Ago(span) => SignedDuration::try_from(span.0)
                .ok()
                .and_then(|span| now.checked_sub(span).ok()),
        };
        found.ok_or_else(|| {
            Error::new(Kind::Usage, "That time is too far away")
                .with_hint("Give one such as: vault usage --since 7d")
        })
    }
}

/// From when until when: what comes at the end itself is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub since: Timestamp,
    pub until: Timestamp,
}

impl Range {
    /// The range that was asked for. A day counts as a whole at either end.
    ///
    /// # Errors
    /// It ends before it begins.
    pub fn asked(since: Option<When>, until: Option<When>, now: Timestamp) -> Result<Self> {
        let until = match until {
            Some(when) => when.at(now, 1)?,
            // With what is recorded in this very second.
            None => now.checked_add(1.second()).unwrap_or(now),
        };
        let since = match since {
            Some(when) => when.at(now, 0)?,
            None => {
                let last = until.checked_sub(1.nanosecond()).unwrap_or(until);
                let day = last.to_zoned(TimeZone::UTC).date();
                let first = day.saturating_sub((USUAL_DAYS - 1).days());
                When::Day(first).at(now, 0)?
            }
        };
        if since >= until {
            let message = "--until is not after --since";
            return Err(Error::new(Kind::Usage, message).with_hint(
                "Give the earlier one first: vault usage --since 2027-01-01 --until 2027-01-31",
            ));
        }
        Ok(Self { since, until })
    }

    /// For people: `2027-01-01 to 2027-01-31`, with hours where they matter.
    pub fn shown(self) -> String {
        let last = self.until.checked_sub(1.nanosecond()).unwrap_or(self.until);
        let zoned = |time: Timestamp| time.to_zoned(TimeZone::UTC);
        let (first, last) = (zoned(self.since).datetime(), zoned(last).datetime());
        let is_midnight = |time: DateTime| time.time() == jiff::civil::Time::midnight();
        let is_short = last.date() <= first.date().saturating_add(2.days());
        if is_midnight(first) && !is_short {
            return format!("{} to {}", first.date(), last.date());
        }
        let minute =
            |time: DateTime| format!("{} {:02}:{:02}", time.date(), time.hour(), time.minute());
        format!("{} to {}", minute(first), minute(last))
    }
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(span) = text.parse() {
            return Ok(Self::Ago(span));
        }
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        // A date's own reader takes a time behind it, and forgets it.
        if text.contains([':', 'T', 't', ' ']) {
            let time = text.parse::<DateTime>().ok();
            let time = time.and_then(|time| time.to_zoned(TimeZone::UTC).ok());
            if let Some(time) = time {
                return Ok(Self::At(time.timestamp()));
            }
        } else if let Ok(day) = text.parse() {
            return Ok(Self::Day(day));
        }
        Err(
            "it is a day such as 2027-01-31, a time such as 2027-01-31T10:00, or a span back such as 7d",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(since: &str, until: &str) -> String {
        let now = "2026-11-21T06:03:07Z".parse().unwrap();
        let when = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        match Range::asked(when(since), when(until), now) {
            Ok(range) => format!("{} {}", range.since, range.until),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn days_count_as_a_whole_and_times_to_the_instant() {
        for (since, until, expected) in [
            ("", "", "2026-10-23T00:00:00Z 2026-11-21T06:03:08Z"),
            ("7d", "", "2026-11-14T06:03:07Z 2026-11-21T06:03:08Z"),
            ("24h", "1h", "2026-11-20T06:03:07Z 2026-11-21T05:03:07Z"),
            (
                "2026-02-01",
                "2026-02-28",
                "2026-02-01T00:00:00Z 2026-03-01T00:00:00Z",
            ),
            (
                "2026-02-01T10:00",
                "2026-02-01T12:00:00+02:00",
                "--until is not after --since",
            ),
            (
                "2026-02-01 10:00",
                "2026-02-01T13:00:00+02:00",
                "2026-02-01T10:00:00Z 2026-02-01T11:00:00Z",
            ),
            (
                "",
                "2026-03-30",
                "2026-03-01T00:00:00Z 2026-03-31T00:00:00Z",
            ),
            ("2027-01-01", "", "--until is not after --since"),
            ("1h", "1h", "--until is not after --since"),
        ] {
            assert_eq!(range(since, until), expected, "{since} {until}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in ["", "soon", "2026-13-01", "31.01.2026", "7", "-7d", "10:00"] {
            assert!(bad.parse::<When>().is_err(), "{bad}");
        }
        assert_eq!(
            range("9999-12-31", "9999-12-31"),
            "That time is too far away"
        );
    }

    #[test]
    fn a_range_is_shown_as_short_as_it_can_be() {
        let shown = |since: &str, until: &str| {
            let (since, until) = (since.parse().unwrap(), until.parse().unwrap());
            Range { since, until }.shown()
        };
        assert_eq!(
            shown("2026-10-23T00:00:00Z", "2026-11-21T06:03:08Z"),
            "2026-10-23 to 2026-11-21"
        );
        assert_eq!(
            shown("2026-10-23T00:00:00Z", "2026-11-01T00:00:00Z"),
            "2026-10-23 to 2026-10-31"
        );
        assert_eq!(
            shown("2026-11-20T06:03:07Z", "2026-11-21T06:03:07Z"),
            "2026-11-20 06:03 to 2026-11-21 06:03"
        );
    }
}
