//! Spans of time as people write them: `15m`, `90d`.

use std::str::FromStr;
use std::time::Duration;

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
}
