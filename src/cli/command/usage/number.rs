//! Counts and money as people read them. Whole numbers only: nothing here
//! rounds twice.

use crate::usage::Nano;

/// Every digit, in groups: `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 request`, `2,000 requests`.
pub fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(count))
}

/// Three digits that count: `950`, `12.3k`, `1.23M`.
pub fn compact(count: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    if count < 1000 {
        return count.to_string();
    }
    let mut size: u128 = 1000;
    for unit in UNITS {
        // How much of the unit one step of the last digit is.
        for (steps, below, decimals) in [(100, 1000, 2), (10, 1000, 1), (1, 1000, 0)] {
            let rounded = (u128::from(count) * steps * 2 + size) / (size * 2);
            if rounded < below {
                let (whole, part) = (rounded / steps, rounded % steps);
                return match decimals {
                    0 => format!("{whole}{unit}"),
                    _ => format!("{whole}.{part:0decimals$}{unit}"),
                };
            }
        }
        size *= 1000;
    }
    count.to_string()
}

/// The same without decimals that say nothing, for a number that is round.
pub fn round(count: u64) -> String {
    let text = compact(count);
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &text[..text.len() - unit.len()];
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number}{unit}")
}

/// How many decimals show something of amounts up to this one.
pub fn decimals_for(largest: Nano) -> usize {
    match largest.0 {
        1_000_000_000.. => 2,
        10_000_000.. => 4,
        1.. => 6,
        _ => 2,
    }
}

/// `$1,234.50`, rounded to so many decimals. What is too small for them is
/// said to be.
pub fn dollars(amount: Nano, decimals: usize) -> String {
    let step = (decimals..9).fold(1_u64, |step, _| step * 10);
    let amount = amount.0.unsigned_abs();
    let rounded = amount.saturating_add(step / 2) / step;
    let one = (0..decimals).fold(1, |one, _| one * 10);
    if rounded == 0 && amount > 0 {
        return format!("<${}.{:0decimals$}", 0, 1);
    }
    let whole = grouped(rounded / one);
    match decimals {
        0 => format!("${whole}"),
        _ => format!("${whole}.{:0decimals$}", rounded % one),
    }
}

/// An amount that stands alone: as many decimals as show something.
pub fn amount(amount: Nano) -> String {
    dollars(amount, decimals_for(amount))
}

/// `62%`, and `<1%` for what is more than nothing.
pub fn percent(part: u64, whole: u64) -> String {
    let (part, whole) = (u128::from(part), u128::from(whole.max(1)));
    match (part * 200 + whole) / (whole * 2) {
        0 if part > 0 => "<1%".to_owned(),
        rounded => format!("{rounded}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short_and_rounded_once() {
        for (count, short, even) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1000, "1.00k", "1k"),
            (1234, "1.23k", "1.23k"),
            (9_995, "10.0k", "10k"),
            (99_949, "99.9k", "99.9k"),
            (99_950, "100k", "100k"),
            (999_499, "999k", "999k"),
            (999_500, "1.00M", "1M"),
            (1_500_000, "1.50M", "1.5M"),
            (u64::MAX, "18.4E", "18.4E"),
        ] {
            assert_eq!(compact(count), short);
            assert_eq!(round(count), even);
        }
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
    }

    #[test]
    fn money_keeps_what_shows_something() {
        let shown = |nano: i64| amount(Nano(nano));
        assert_eq!(shown(0), "$0.00");
        assert_eq!(shown(12_345_000_000), "$12.35");
        assert_eq!(shown(1_234_567_000_000_000), "$1,234,567.00");
        assert_eq!(shown(25_000_000), "$0.0250");
        assert_eq!(shown(12_500), "$0.000013");
        assert_eq!(shown(1), "<$0.000001");
        assert_eq!(dollars(Nano(4_000_000), 2), "<$0.01");
        assert_eq!(dollars(Nano(5_000_000), 2), "$0.01");
        assert_eq!(dollars(Nano(i64::MAX), 2), "$9,223,372,036.85");
        assert_eq!(dollars(Nano(20_000_000_000), 0), "$20");
    }

    #[test]
    fn shares_are_of_the_whole() {
        assert_eq!(percent(1, 3), "33%");
        assert_eq!(percent(0, 0), "0%");
        assert_eq!(percent(1, 1000), "<1%");
        assert_eq!(percent(u64::MAX, u64::MAX), "100%");
    }
}
