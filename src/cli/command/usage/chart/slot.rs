//! The slots of time that bars stand in, and how they are called. As many as
//! a picture has room for: hours, days, weeks, months or years.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

use crate::cli::command::usage::when::Range;

/// How long a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// The most slots of one length.
const MOST: usize = 93;
/// Hours are for so many of them.
const MOST_HOURS: usize = 73;

impl Length {
    /// The shortest that the whole of a range can be shown in.
    pub fn for_range(range: Range) -> Self {
        [Self::Hour, Self::Day, Self::Week, Self::Month]
            .into_iter()
            .find(|length| {
                let most = if *length == Self::Hour {
                    MOST_HOURS
                } else {
                    MOST
                };
                slots(range, *length, most + 1).len() <= most
            })
            .unwrap_or(Self::Year)
    }

    fn span(self) -> Span {
        match self {
            Self::Hour => 1.hour(),
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
            Self::Year => 1.year(),
        }
    }

    /// The start of the slot that a time is in.
    pub fn start(self, time: Timestamp) -> DateTime {
        let time = utc(time).datetime();
        let day = time.date();
        let midnight = |day: Date| day.at(0, 0, 0, 0);
        match self {
            Self::Hour => day.at(time.hour(), 0, 0, 0),
            Self::Day => midnight(day),
            Self::Week => {
                let since = day.weekday().since(Weekday::Monday);
                midnight(day.saturating_sub(i64::from(since).days()))
            }
            Self::Month => midnight(day.first_of_month()),
            Self::Year => midnight(day.first_of_year()),
        }
    }

    /// What a bar is called where somebody points at it.
    pub fn name(self, start: DateTime) -> String {
        let day = start.date();
        match self {
            Self::Hour => format!("{day} {:02}:00", start.hour()),
            Self::Day => day.to_string(),
            Self::Week => format!("week of {day}"),
            Self::Month => format!("{} {}", month(day), day.year()),
            Self::Year => day.year().to_string(),
        }
    }

    /// What stands below a bar; `is_first` where no other stands before it.
    pub fn label(self, start: DateTime, is_first: bool) -> String {
        let day = start.date();
        match self {
            Self::Hour if start.hour() == 0 => format!("{} {}", month(day), day.day()),
            Self::Hour => format!("{:02}:00", start.hour()),
            Self::Day | Self::Week => format!("{} {}", month(day), day.day()),
            Self::Month if is_first || day.month() == 1 => format!("{} {}", month(day), day.year()),
            Self::Month => month(day).to_owned(),
            Self::Year => day.year().to_string(),
        }
    }

    /// How many slots labels may be apart, in the order in which to try.
    pub fn strides(self) -> &'static [usize] {
        match self {
            Self::Hour => &[1, 2, 3, 6, 12, 24],
            Self::Day => &[1, 2, 3, 5, 7, 10, 14, 20, 30],
            Self::Week => &[1, 2, 4, 8, 13, 26],
            Self::Month => &[1, 2, 3, 6, 12],
            Self::Year => &[1, 2, 5, 10, 20, 50, 100],
        }
    }

    /// Whether a slot has a label where they are so many apart: at hours that
    /// divide the day, at months that divide the year.
    pub fn has_label(self, start: DateTime, slot: usize, stride: usize) -> bool {
        let place = match self {
            Self::Hour => usize::from(start.hour().unsigned_abs()),
            Self::Month => usize::from(start.month().unsigned_abs()) - 1,
            _ => slot,
        };
        place.is_multiple_of(stride)
    }
}

/// The starts of all slots that a range touches, at most so many.
pub fn slots(range: Range, length: Length, most: usize) -> Vec<DateTime> {
    let last = range.until.checked_sub(1.nanosecond());
    let last = length.start(last.unwrap_or(range.until));
    let mut starts = Vec::new();
    let mut next = Some(length.start(range.since));
    while let Some(start) = next.filter(|start| *start <= last && starts.len() < most) {
        starts.push(start);
        next = start.checked_add(length.span()).ok();
    }
    starts
}

fn utc(time: Timestamp) -> Zoned {
    time.to_zoned(TimeZone::UTC)
}

fn month(day: Date) -> &'static str {
    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    NAMES[usize::from(day.month().unsigned_abs()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(since: &str, until: &str) -> Range {
        let (since, until) = (since.parse().unwrap(), until.parse().unwrap());
        Range { since, until }
    }

    #[test]
    fn slots_are_as_short_as_there_is_room_for() {
        let since = "2026-01-01T00:00:00Z";
        for (until, length, count) in [
            ("2026-01-01T00:00:01Z", Length::Hour, 1),
            ("2026-01-01T01:00:00Z", Length::Hour, 1),
            ("2026-01-04T00:00:00Z", Length::Hour, 72),
            ("2026-01-05T00:00:00Z", Length::Day, 4),
            ("2026-04-01T00:00:00Z", Length::Day, 90),
            ("2026-07-01T00:00:00Z", Length::Week, 27),
            ("2028-01-01T00:00:00Z", Length::Month, 24),
            ("2126-01-01T00:00:00Z", Length::Year, 100),
        ] {
            let range = range(since, until);
            assert_eq!(Length::for_range(range), length, "{until}");
            assert_eq!(slots(range, length, 1000).len(), count, "{until}");
        }
    }

    #[test]
    fn a_time_is_in_the_slot_that_began_last() {
        let time = "2026-11-19T23:59:59.9Z".parse().unwrap();
        for (length, start, name) in [
            (Length::Hour, "2026-11-19T23:00:00", "2026-11-19 23:00"),
            (Length::Day, "2026-11-19T00:00:00", "2026-11-19"),
            (Length::Week, "2026-11-16T00:00:00", "week of 2026-11-16"),
            (Length::Month, "2026-11-01T00:00:00", "Nov 2026"),
            (Length::Year, "2026-01-01T00:00:00", "2026"),
        ] {
            let found = length.start(time);
            assert_eq!(found.to_string(), start);
            assert_eq!(length.name(found), name);
        }
    }
}
