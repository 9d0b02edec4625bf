//! What a held request is called: short enough to be typed, random enough
//! that no slip of a finger decides on another one.

use std::fmt;
use std::str::FromStr;

/// Crockford's base 32: no letter that looks like a digit or another letter.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 8;

/// The name of one held request, in every gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApprovalId([u8; LENGTH]);

/// It is no such name.
#[derive(Debug, PartialEq, Eq)]
pub struct NoId;

impl ApprovalId {
    /// A new one, of 40 random bits.
    pub fn random() -> Self {
        let mut bytes = [0; LENGTH];
        getrandom::getrandom(&mut bytes).expect("the system gives random bytes");
        Self(bytes.map(|byte| LETTERS[usize::from(byte) % LETTERS.len()]))
    }
}

impl FromStr for ApprovalId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().map_err(|_| NoId)?;
        let bytes = bytes.map(|byte| byte.to_ascii_lowercase());
        let is_whole = bytes.iter().all(|byte| LETTERS.contains(byte));
        is_whole.then_some(Self(bytes)).ok_or(NoId)
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_printed_whatever_its_case() {
        let id = ApprovalId::random();
        assert_ne!(id, ApprovalId::random());
        let text = id.to_string();
        assert_eq!(text.len(), LENGTH);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn what_is_not_a_whole_id_is_none() {
        let text = ApprovalId::random().to_string();
        let longer = format!("{text}0");
        for bad in [
            "",
            "all",
            &text[..7],
            &longer,
            "0000000u",
            "0000000 ",
            "ééé00",
        ] {
            assert_eq!(bad.parse::<ApprovalId>(), Err(NoId), "{bad}");
        }
    }
}
