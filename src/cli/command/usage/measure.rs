//! What bars are of: money where there is any, else tokens, else requests.

use super::number;
use crate::usage::{Nano, Row};

/// What the length of a bar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Cost,
    Tokens,
    Requests,
}

impl Measure {
    /// The first that says something of these.
    pub fn of<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Self {
        [Self::Cost, Self::Tokens]
            .into_iter()
            .find(|measure| rows.clone().any(|row| measure.value(row) > 0))
            .unwrap_or(Self::Requests)
    }

    /// How much of it there is in a row.
    pub fn value(self, row: &Row) -> u64 {
        match self {
            Self::Cost => row.cost.0.unsigned_abs(),
            Self::Tokens => row.input_tokens.saturating_add(row.output_tokens),
            Self::Requests => row.requests,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
        }
    }

    /// The same at the beginning of a title.
    pub fn capitalized(self) -> &'static str {
        match self {
            Self::Cost => "Cost",
            Self::Tokens => "Tokens",
            Self::Requests => "Requests",
        }
    }

    /// A value for people.
    pub fn shown(self, value: u64) -> String {
        match self {
            Self::Cost => number::amount(nano(value)),
            Self::Tokens => number::compact(value),
            Self::Requests => number::grouped(value),
        }
    }

    /// The same in a column whose largest value is another one.
    pub fn shown_beside(self, value: u64, largest: u64) -> String {
        match self {
            Self::Cost => number::dollars(nano(value), number::decimals_for(nano(largest))),
            Self::Tokens | Self::Requests => self.shown(value),
        }
    }

    /// A value on an axis whose marks are so far apart.
    pub fn mark(self, value: u64, step: u64) -> String {
        match self {
            Self::Cost if value == 0 => "$0".to_owned(),
            Self::Cost => {
                let needed = (0..9).find(|decimals| step.is_multiple_of(10_u64.pow(9 - decimals)));
                // Cents come in pairs.
                let decimals = match needed {
                    Some(0) => 0,
                    Some(1) => 2,
                    Some(more) => more as usize,
                    None => 9,
                };
                number::dollars(nano(value), decimals)
            }
            Self::Tokens | Self::Requests => number::round(value),
        }
    }
}

fn nano(value: u64) -> Nano {
    Nano(i64::try_from(value).unwrap_or(i64::MAX))
}

/// All rows as one.
pub fn total<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Row {
    let mut total = Row::default();
    for row in rows {
        add(&mut total, row);
    }
    total
}

/// Adds what is counted in `row`.
pub fn add(sum: &mut Row, row: &Row) {
    for (sum, more) in [
        (&mut sum.requests, row.requests),
        (&mut sum.input_tokens, row.input_tokens),
        (&mut sum.output_tokens, row.output_tokens),
        (&mut sum.cached_tokens, row.cached_tokens),
        (&mut sum.unpriced_requests, row.unpriced_requests),
        (&mut sum.cut_requests, row.cut_requests),
    ] {
        *sum = sum.saturating_add(more);
    }
    sum.cost = sum.cost.plus(row.cost);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_of_money_before_tokens_before_requests() {
        let mut row = Row {
            requests: 3,
            ..Row::default()
        };
        assert_eq!(Measure::of([&row].into_iter()), Measure::Requests);
        row.output_tokens = 5;
        assert_eq!(Measure::of([&row].into_iter()), Measure::Tokens);
        row.cost = Nano(1);
        assert_eq!(Measure::of([&row].into_iter()), Measure::Cost);
    }

    #[test]
    fn marks_have_the_decimals_that_their_steps_need() {
        for (value, step, expected) in [
            (0, 1, "$0"),
            (20_000_000_000, 20_000_000_000, "$20"),
            (1_500_000_000, 500_000_000, "$1.50"),
            (40_000_000, 20_000_000, "$0.04"),
            (2_000, 1_000, "$0.000002"),
            (3, 1, "$0.000000003"),
        ] {
            assert_eq!(Measure::Cost.mark(value, step), expected);
        }
        assert_eq!(Measure::Tokens.mark(1_500_000, 500_000), "1.5M");
    }
}
