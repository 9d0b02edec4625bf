//! A look at an age header before the library acts on it.
//!
//! The library's header parser takes quadratic time, and a passphrase header
//! names its own price in memory and time. Both are bounded here, in one pass
//! over at most [`LONGEST`] bytes.

use std::io::Read;

use super::OpenError;

/// log2 N for slots that we make: 0.3 s and 128 MiB.
pub const DEFAULT_WORK_FACTOR: u8 = 17;
/// The largest log2 N that is opened unless the user allows more.
pub const MAX_WORK_FACTOR: u8 = 20;
/// The most recipients of one slot.
pub const MAX_RECIPIENTS: usize = 100;

const LONGEST: usize = 64 * 1024;
/// What nearly every header fits into.
const FIRST_LOOK: usize = 2048;
/// One more than recipients, for the random stanza that keeps readers honest.
const MOST_STANZAS: usize = MAX_RECIPIENTS + 1;

/// Refuses a header that is too long, has too many stanzas, or asks for more
/// scrypt work than 2^`max_work_factor`. Reads no more than it takes to tell.
pub(super) fn check(binary: &mut impl Read, max_work_factor: u8) -> Result<(), OpenError> {
    let mut head = Vec::with_capacity(FIRST_LOOK);
    let mut read = |head: &mut Vec<u8>, limit: usize| {
        let more = (limit - head.len()) as u64;
        let read = binary.by_ref().take(more).read_to_end(head);
        read.map_err(|error| OpenError::Damaged(format!("its armor is damaged ({error})")))
    };
    read(&mut head, FIRST_LOOK)?;
    if !is_whole(&head) {
        read(&mut head, LONGEST + 1)?;
    }
    judge(&head, max_work_factor)
}

/// Whether the line that ends a header is in it.
fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|four| four == b"\n---")
}

fn judge(binary: &[u8], max_work_factor: u8) -> Result<(), OpenError> {
    let head = &binary[..binary.len().min(LONGEST)];
    let mut stanzas = 0;
    let mut lines = head.split(|byte| *byte == b'\n');
    if lines.next() != Some(b"age-encryption.org/v1") {
        return Err(OpenError::Damaged("it is not an age file".to_owned()));
    }
    for line in lines {
        if line.starts_with(b"---") {
            return Ok(());
        }
        let Some(stanza) = line.strip_prefix(b"-> ") else {
            continue;
        };
        stanzas += 1;
        if stanzas > MOST_STANZAS {
            let reason = format!("it has more than {MAX_RECIPIENTS} recipients");
            return Err(OpenError::Damaged(reason));
        }
        if let Some(asked) = scrypt_work(stanza)
            && asked > u32::from(max_work_factor)
        {
            let limit = max_work_factor;
            return Err(OpenError::TooMuchWork { asked, limit });
        }
    }
    Err(OpenError::Damaged(if binary.len() > LONGEST {
        "its header is too long".to_owned()
    } else {
        "its header is cut short".to_owned()
    }))
}

/// The work factor of a `scrypt SALT N` stanza. One that is no number is
/// counted as the largest: the library would have to make sense of it.
fn scrypt_work(stanza: &[u8]) -> Option<u32> {
    let mut words = stanza.split(|byte| *byte == b' ');
    if words.next() != Some(b"scrypt") {
        return None;
    }
    let _salt = words.next();
    let digits = words.next().and_then(|word| std::str::from_utf8(word).ok());
    Some(
        digits
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(u32::MAX),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(header: &str) -> Result<(), OpenError> {
        check(&mut header.as_bytes(), MAX_WORK_FACTOR)
    }

    #[test]
    fn an_ordinary_header_passes() {
        checked("age-encryption.org/v1\n-> X25519 abc\ndef\n--- mac\nbody").unwrap();
        checked("age-encryption.org/v1\n-> scrypt salt 20\ndef\n--- mac\n").unwrap();
    }

    #[test]
    fn scrypt_work_beyond_the_limit_is_refused() {
        for work in ["21", "40", "4294967295", "99999999999", "-1", "x", ""] {
            let header = format!("age-encryption.org/v1\n-> scrypt salt {work}\nx\n--- mac\n");
            assert!(
                matches!(checked(&header), Err(OpenError::TooMuchWork { .. })),
                "{work}"
            );
        }
    }

    #[test]
    fn a_header_without_end_is_refused() {
        let stanza = "-> X25519 abc\ndef\n";
        let many = format!(
            "age-encryption.org/v1\n{}--- mac\n",
            stanza.repeat(1_000_000)
        );
        assert!(matches!(checked(&many), Err(OpenError::Damaged(_))));
        let long = format!(
            "age-encryption.org/v1\n-> X25519 abc\n{}",
            "a".repeat(1 << 20)
        );
        assert!(matches!(checked(&long), Err(OpenError::Damaged(_))));
        assert!(matches!(
            checked("age-encryption.org/v1\n-> X"),
            Err(OpenError::Damaged(_))
        ));
        assert!(matches!(checked(""), Err(OpenError::Damaged(_))));
    }
}
