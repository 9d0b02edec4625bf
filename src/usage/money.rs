//! Money in whole 10⁻⁹ US dollars: sums are exact.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

const DIGITS: usize = 9;
const ONE: i64 = 1_000_000_000;

/// An amount in 10⁻⁹ US dollars, never below nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nano(pub i64);

impl Nano {
    /// Both together; the most there is where that is too much.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Nano {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::plus)
    }
}

/// Dollars: `5`, `0.25`, `0.000000001`.
impl FromStr for Nano {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "an amount is dollars such as 5, 0.25 or 12.50, with 9 decimals at most";
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > DIGITS {
            return Err(FORM);
        }
        let whole: i64 = whole.parse().map_err(|_| FORM)?;
        let part: i64 = format!("{part:0<DIGITS$}").parse().map_err(|_| FORM)?;
        let amount = whole.checked_mul(ONE).and_then(|all| all.checked_add(part));
        amount.map(Self).ok_or(FORM)
    }
}

/// With as many decimals as it has, and two at least.
impl fmt::Display for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:0DIGITS$}", self.0.unsigned_abs() % ONE.unsigned_abs());
        let part = text.trim_end_matches('0');
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{part:0<2}", (self.0 / ONE).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_and_written_exactly() {
        for (text, amount, written) in [
            ("5", 5_000_000_000, "5.00"),
            ("0.25", 250_000_000, "0.25"),
            ("0.000000001", 1, "0.000000001"),
            ("12.345", 12_345_000_000, "12.345"),
            ("0", 0, "0.00"),
        ] {
            let read: Nano = text.parse().unwrap();
            assert_eq!(read, Nano(amount));
            assert_eq!(read.to_string(), written);
        }
        for bad in [
            "",
            "-1",
            "1.",
            ".5",
            "1,5",
            "1e3",
            "0.0000000001",
            "9999999999",
            "$5",
            " 5",
        ] {
            assert!(bad.parse::<Nano>().is_err(), "{bad}");
        }
    }
}
