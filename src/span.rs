//! Spans and points of time as people write them: `15m`, `90d`, `2027-01-31`.

use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Kind, Result as EdgeResult};

/// A span of time such as `90s`, `15m`, `8h`, `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a time is a number with s, m, h, d or w, such as 15m or 90d";
        let split = text.len() - text.chars().last().map_or(0, char::len_utf8);
        let (number, unit) = text.split_at(split);
        let seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return Err(FORM),
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(FORM);
        }
        let total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(seconds))
            .filter(|total| (1..=100 * 366 * 86_400).contains(total))
            .ok_or("a time is at least 1s and at most 100 years")?;
        Ok(Self(Duration::from_secs(total)))
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        for (size, unit) in [(86_400, 'd'), (3600, 'h'), (60, 'm')] {
            if seconds >= size && seconds.is_multiple_of(size) {
                return write!(f, "{}{unit}", seconds / size);
            }
        }
        write!(f, "{seconds}s")
    }
}

/// How long something is kept: a span such as `90d`, or a number of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep(pub Duration);

impl FromStr for Keep {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let span: Result<Span, _> = match is_number && !text.is_empty() {
            true => format!("{text}d").parse(),
            false => text.parse(),
        };
        let span = span.map_err(|_| "it is a number of days, or a time such as 90d or 12w")?;
        Ok(Self(span.0))
    }
}

impl Span {
    /// The point in time so long after `now`.
    ///
    /// # Errors
    /// It is beyond what can be written.
    pub fn after(self, now: Timestamp) -> EdgeResult<Timestamp> {
        SignedDuration::try_from(self.0)
            .ok()
            .and_then(|span| now.checked_add(span).ok())
            .ok_or_else(too_far)
    }
}

fn too_far() -> Error {
    Error::new(Kind::Usage, "That time is too far away").with_hint("Give one such as 90d.")
}

/// A point of time that is past: a day, a point in time, or a span back from
/// now.
#[derive(Debug, Clone, Copy)]
pub struct Past(Expiry);

impl Past {
    /// The point in time that is meant.
    ///
    /// # Errors
    /// It is beyond what can be written.
    pub fn before(self, now: Timestamp) -> EdgeResult<Timestamp> {
        match self.0 {
            Expiry::At(time) => Ok(time),
            Expiry::After(span) => SignedDuration::try_from(span.0)
                .ok()
                .and_then(|span| now.checked_sub(span).ok())
                .ok_or_else(too_far),
        }
    }
}

impl FromStr for Past {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .map(Self)
            .map_err(|_| "it is a day such as 2027-01-31 or a time back from now such as 7d")
    }
}

/// When something ends: a day, a point in time, or a span from now.
#[derive(Debug, Clone, Copy)]
pub enum Expiry {
    /// At this time; a day begins at midnight UTC.
    At(Timestamp),
    /// So long from now.
    After(Span),
}

impl Expiry {
    /// The point in time that is meant.
    ///
    /// # Errors
    /// It is beyond what can be written.
    pub fn after(self, now: Timestamp) -> EdgeResult<Timestamp> {
        match self {
            Self::At(time) => Ok(time),
            Self::After(span) => span.after(now),
        }
    }
}

impl FromStr for Expiry {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(span) = text.parse() {
            return Ok(Self::After(span));
        }
        let midnight = |day: Date| {
            day.to_zoned(TimeZone::UTC)
                .ok()
                .map(|time| time.timestamp())
        };
        let time = text.parse::<Timestamp>().ok();
        let day = || text.parse::<Date>().ok().and_then(midnight);
        time.or_else(day)
            .map(Self::At)
            .ok_or("an end is a day such as 2027-01-31 or a time such as 90d")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("8h", 28_800),
            ("90d", 7_776_000),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0.as_secs(), seconds);
            assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
        for bad in [
            "",
            "m",
            "15",
            "-1m",
            "1.5h",
            "15 m",
            "0s",
            "99999999999999999999d",
            "9é",
            "+5m",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_span_leads_back_where_the_past_is_meant() {
        let now = "2026-01-08T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-01-01", "2026-01-01T00:00:00Z"),
            ("2026-01-01T10:00:00+02:00", "2026-01-01T08:00:00Z"),
            ("7d", "2026-01-01T12:00:00Z"),
        ] {
            let point = text.parse::<Past>().unwrap().before(now).unwrap();
            assert_eq!(point.to_string(), expected);
        }
        assert!("yesterday".parse::<Past>().is_err());
    }

    #[test]
    fn what_is_kept_is_kept_for_days_or_a_span() {
        for (text, days) in [("180", 180), ("90d", 90), ("2w", 14)] {
            let keep: Keep = text.parse().unwrap();
            assert_eq!(keep.0.as_secs(), days * 86_400, "{text}");
        }
        for bad in ["", "0", "x", "-1", "1.5"] {
            assert!(bad.parse::<Keep>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_end_is_a_day_a_time_or_a_span() {
        let now = "2026-01-01T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2027-01-31", "2027-01-31T00:00:00Z"),
            ("2027-01-31T10:00:00+02:00", "2027-01-31T08:00:00Z"),
            ("1d", "2026-01-02T12:00:00Z"),
        ] {
            let end = text.parse::<Expiry>().unwrap().after(now).unwrap();
            assert_eq!(end.to_string(), expected);
        }
        for bad in ["", "soon", "2027-13-01", "31.01.2027"] {
            assert!(bad.parse::<Expiry>().is_err(), "{bad}");
        }
    }
}
