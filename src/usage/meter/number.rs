//! Numbers as JSON writes them, read exactly or not at all.

use crate::usage::Nano;

/// The largest whole number that every program reads the same from JSON.
const MOST: u64 = 1 << 53;

/// Decimals of an amount.
const NANO: i64 = 9;

/// More digits than an amount has room for.
const DIGITS: usize = 40;

/// A count; `None` for what is negative, a fraction, in powers of ten, or
/// absurd.
pub(super) fn count(word: &[u8]) -> Option<u64> {
    let (whole, part) = match word.iter().position(|byte| *byte == b'.') {
        Some(point) => (&word[..point], &word[point + 1..]),
        None => (word, &b"0"[..]),
    };
    if whole.is_empty() || part.is_empty() || part.iter().any(|byte| *byte != b'0') {
        return None;
    }
    let mut count = 0_u64;
    for byte in whole {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || count > MOST {
            return None;
        }
        count = count * 10 + u64::from(digit);
    }
    (count <= MOST).then_some(count)
}

/// Dollars, to the nearest 10⁻⁹; `None` for what is negative or too much.
pub(super) fn money(word: &[u8]) -> Option<Nano> {
    let (digits, power) = match word.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => {
            let power = std::str::from_utf8(&word[at + 1..]).ok()?;
            (&word[..at], power.parse::<i64>().ok()?)
        }
        None => (word, 0),
    };
    let mut amount = 0_i128;
    // By how many powers of ten `amount` is less than 10⁻⁹ dollars' count.
    let mut missing = power.checked_add(NANO)?;
    let (mut is_part, mut is_any, mut taken) = (false, false, 0);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                is_any = true;
                // Leading zeros take no room.
                taken += usize::from(amount > 0);
                if taken >= DIGITS - 3 {
                    // Beyond what can matter after the point, too much before it.
                    if is_part {
                        continue;
                    }
                    return None;
                }
                amount = amount * 10 + i128::from(byte - b'0');
                missing = missing.checked_sub(i64::from(is_part))?;
            }
            b'.' if !is_part && is_any => is_part = true,
            _ => return None,
        }
    }
    if !is_any {
        return None;
    }
    while missing > 0 && amount > 0 {
        amount = amount.checked_mul(10)?;
        missing -= 1;
    }
    if missing < 0 {
        // Half a unit goes up. What is shifted further than it is long is nothing.
        let shift = u32::try_from(missing.unsigned_abs()).unwrap_or(u32::MAX);
        amount = match 10_i128.checked_pow(shift) {
            Some(power) => (amount + power / 2) / power,
            None => 0,
        };
    }
    i64::try_from(amount).ok().map(Nano)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_numbers_that_can_be() {
        for (word, read) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("7.0", Some(7)),
            ("9007199254740992", Some(1 << 53)),
            ("9007199254740993", None),
            ("99999999999999999999999999999999", None),
            ("-1", None),
            ("1.5", None),
            ("1.", None),
            (".0", None),
            ("1e3", None),
            ("null", None),
            ("true", None),
            ("", None),
        ] {
            assert_eq!(count(word.as_bytes()), read, "{word}");
        }
    }

    #[test]
    fn money_is_read_to_the_nearest_unit() {
        for (word, read) in [
            ("0", Some(0)),
            ("1", Some(1_000_000_000)),
            ("0.00014", Some(140_000)),
            ("1.4e-05", Some(14_000)),
            ("1.4E+2", Some(140_000_000_000)),
            ("0.0000000014", Some(1)),
            ("0.0000000015", Some(2)),
            ("0.0000000004", Some(0)),
            (
                "0.00000000000000000000000000000000000000000000000009",
                Some(0),
            ),
            (
                "0.12345678949999999999999999999999999999999999999999",
                Some(123_456_789),
            ),
            ("9223372036.854775807", Some(i64::MAX)),
            ("9223372036.854775808", None),
            ("1e-400", Some(0)),
            ("0e999", Some(0)),
            ("1e999", None),
            ("1e99999999999999999999", None),
            ("1e9223372036854775807", None),
            ("99999999999999999999999999999999999999999999999", None),
            ("-0.5", None),
            ("", None),
            (".", None),
            (".5", None),
            ("1.2.3", None),
            ("null", None),
        ] {
            assert_eq!(money(word.as_bytes()), read.map(Nano), "{word}");
        }
    }
}
