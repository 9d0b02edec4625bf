//! `name=value&name=value`, as a query and as a form's body. It is decoded
//! strictly, straight into places that are wiped.

use crate::secret::{Secret, SecretBuffer};

/// More pairs are refused.
const MOST: usize = 256;

/// The pairs in their order.
pub(super) struct Pairs(Vec<(Secret, Secret)>);

/// It is not of this form, or what may be there once is there twice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Pairs {
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let mut pairs = Vec::new();
        for pair in text.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MOST {
                return Err(Malformed);
            }
            let at = pair.iter().position(|&b| b == b'=');
            let (name, value) = at.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self(pairs))
    }

    /// Takes the value of a name that may be there once.
    pub fn take(&mut self, name: &str) -> Result<Option<Secret>, Malformed> {
        let name = Secret::from(name.to_owned());
        let mut found = self.0.extract_if(.., |(other, _)| other.matches(&name));
        match (found.next(), found.next()) {
            (first, None) => Ok(first.map(|(_, value)| value)),
            _ => Err(Malformed),
        }
    }
}

/// Undoes the percent-encoding, and the line endings that browsers make of
/// the line feeds in a form.
fn decode(text: &[u8]) -> Result<Secret, Malformed> {
    let mut decoded = SecretBuffer::with_capacity(text.len());
    let mut rest = text;
    let mut return_held = false;
    while let Some((byte, after)) = next_byte(rest)? {
        rest = after;
        if return_held && byte != b'\n' {
            decoded.push(b"\r");
        }
        return_held = byte == b'\r';
        if !return_held {
            decoded.push(&[byte]);
        }
    }
    if return_held {
        decoded.push(b"\r");
    }
    Secret::from_utf8(decoded.into_bytes()).map_err(|_| Malformed)
}

fn next_byte(text: &[u8]) -> Result<Option<(u8, &[u8])>, Malformed> {
    match text {
        [] => Ok(None),
        [b'+', rest @ ..] => Ok(Some((b' ', rest))),
        [b'%', high, low, rest @ ..] => {
            let digit = |b: u8| char::from(b).to_digit(16).ok_or(Malformed);
            let byte = digit(*high)? * 16 + digit(*low)?;
            Ok(Some((u8::try_from(byte).map_err(|_| Malformed)?, rest)))
        }
        [b'%', ..] => Err(Malformed),
        [byte, rest @ ..] => Ok(Some((*byte, rest))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<Option<String>, Malformed> {
        let taken = Pairs::parse(text.as_bytes())?.take("a")?;
        Ok(taken.map(|secret| secret.reveal().to_owned()))
    }

    #[test]
    fn values_come_out_as_they_were_typed() {
        for (text, typed) in [
            ("a=b", "b"),
            ("x=1&a=b+c%2B%26%3d%25&y", "b c+&=%"),
            ("a=b=c", "b=c"),
            ("a=%C3%A9", "é"),
            ("a=1%0D%0A2%0A3%0D4%0D", "1\n2\n3\r4\r"),
            ("a=%0D%0D%0A", "\r\n"),
            ("a", ""),
            ("&&a=", ""),
        ] {
            assert_eq!(value(text), Ok(Some(typed.to_owned())), "{text}");
        }
        assert_eq!(value("b=a"), Ok(None));
    }

    #[test]
    fn what_is_broken_or_doubled_is_refused() {
        for text in [
            "a=%",
            "a=%4",
            "a=%zz",
            "a=%+1",
            "a=%ff",
            "a=1&a=1",
            "a=1&%61=2",
        ] {
            assert_eq!(value(text), Err(Malformed), "{text}");
        }
        assert_eq!(value(&"x=1&".repeat(300)), Err(Malformed));
    }
}
