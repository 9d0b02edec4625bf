//! Numbers as they are written, compared exactly: `8000.0000001` is more than
//! `8000`, and 2⁵³+1 is not 2⁵³.

use std::cmp::Ordering;

use super::json::number_length;

/// A number of any size: `0.DIGITS` times ten to the power of `point`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Neither begins nor ends with a zero; nothing of a zero.
    digits: String,
    /// As far as it goes; beyond that all are equally large.
    point: i64,
}

/// Beyond it no two exponents of a text that fits into memory are told apart.
const FARTHEST: i64 = i64::MAX / 4;

impl Decimal {
    /// Reads a number as JSON writes it, and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if number_length(text.as_bytes()) != Some(text.len()) {
            return None;
        }
        let unsigned = text.trim_start_matches('-');
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, part].concat();
        let significant = digits.trim_start_matches('0');
        let zeros = digits.len() - significant.len();
        let shift = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
        let significant = significant.trim_end_matches('0');
        let is_zero = significant.is_empty();
        Some(Self {
            is_negative: !is_zero && text.starts_with('-'),
            digits: significant.to_owned(),
            point: match is_zero {
                true => 0,
                false => saturated(exponent).saturating_add(shift),
            },
        })
    }

    /// How often ten to the power of `-digits` is in it, where that is exact
    /// and it is not below zero.
    pub(super) fn scaled(&self, digits: i64) -> Option<i64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let length = i64::try_from(self.digits.len()).ok()?;
        let zeros = self.point.checked_add(digits)?.checked_sub(length)?;
        if self.is_negative || !(0..19).contains(&zeros) {
            return None;
        }
        let number: i64 = self.digits.parse().ok()?;
        number.checked_mul(10_i64.checked_pow(u32::try_from(zeros).ok()?)?)
    }
}

fn saturated(exponent: &str) -> i64 {
    let (is_negative, digits) = match exponent.as_bytes() {
        [b'-', ..] => (true, &exponent[1..]),
        [b'+', ..] => (false, &exponent[1..]),
        _ => (false, exponent),
    };
    let size = digits
        .parse::<i64>()
        .map_or(FARTHEST, |size| size.min(FARTHEST));
    if is_negative { -size } else { size }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let size = || {
            let by_point = self.point.cmp(&other.point);
            by_point.then_with(|| self.digits.cmp(&other.digits))
        };
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => size(),
            _ => size().reverse(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn numbers_are_compared_exactly_however_they_are_written() {
        let rising = [
            "-1e99999999999999999999",
            "-10",
            "-9.5",
            "-0.001",
            "0",
            "1e-400",
            "0.1",
            "1",
            "8000",
            "8000.0000001",
            "8001",
            "9007199254740992",
            "9007199254740993",
            "1e300",
            "1e400",
            "1e99999999999999999999",
        ];
        for (place, smaller) in rising.iter().enumerate() {
            for larger in &rising[place + 1..] {
                assert!(number(smaller) < number(larger), "{smaller} {larger}");
                assert!(number(larger) > number(smaller), "{smaller} {larger}");
            }
        }
        for same in [
            ["8000", "8e3"],
            ["8000", "8000.000"],
            ["0.5", "5E-1"],
            ["0", "-0"],
            ["0", "0e99"],
            ["1200", "0.12e+4"],
        ] {
            assert_eq!(number(same[0]), number(same[1]), "{same:?}");
        }
    }

    #[test]
    fn only_numbers_of_json_are_numbers() {
        for wrong in [
            "", " 1", "1 ", "+1", "01", "1.", ".5", "1_000", "0x1", "1e", "NaN", "१",
        ] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn amounts_are_scaled_without_rounding() {
        for (text, nano) in [
            ("5.00", Some(5_000_000_000)),
            ("0.000000001", Some(1)),
            ("1e-9", Some(1)),
            ("0", Some(0)),
            ("9223372036.854775807", Some(i64::MAX)),
            ("9223372036.854775808", None),
            ("0.0000000001", None),
            ("-1", None),
            ("1e30", None),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", None),
        ] {
            assert_eq!(number(text).scaled(9), nano, "{text}");
        }
    }

    proptest! {
        #[test]
        fn integers_compare_as_integers(a in any::<i64>(), b in any::<i64>()) {
            prop_assert_eq!(number(&a.to_string()).cmp(&number(&b.to_string())), a.cmp(&b));
        }

        #[test]
        fn doubles_compare_as_doubles(a in -1e12..1e12_f64, b in -1e12..1e12_f64) {
            let ours = number(&a.to_string()).cmp(&number(&b.to_string()));
            prop_assert_eq!(Some(ours), a.partial_cmp(&b));
        }
    }
}
