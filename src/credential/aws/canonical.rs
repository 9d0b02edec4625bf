//! A request's parts in the one form that is signed. AWS makes the same form
//! out of what it receives, so this depends on what is sent and on nothing
//! else.

/// The path. S3 encodes once: what is sent is it, in one spelling. All others
/// encode what is sent once more, after climbing and merging slashes.
pub(super) fn path(sent: &str, is_s3: bool) -> String {
    let mut text = String::with_capacity(sent.len() + 16);
    if is_s3 {
        for byte in decoded(sent) {
            match byte {
                (b'/', Escape::Not) => text.push('/'),
                (byte, _) => push(&mut text, byte),
            }
        }
    } else {
        for segment in climbed(sent) {
            text.push('/');
            segment.bytes().for_each(|byte| push(&mut text, byte));
        }
        if sent.ends_with('/') && !text.is_empty() {
            text.push('/');
        }
    }
    if text.is_empty() {
        text.push('/');
    }
    text
}

/// The query: each name and value decoded, encoded in one spelling, and
/// sorted. A `+` is a plus; so AWS's own SDKs have it.
pub(super) fn query(sent: &str) -> String {
    let mut pairs: Vec<(String, String)> = sent
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (respelled(name), respelled(value))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// A header's value in words, which are signed with one space between them.
pub(super) fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

/// Whether a byte was written as an escape.
#[derive(PartialEq)]
pub(super) enum Escape {
    Yes,
    Not,
}

/// The bytes of a text, those of its escapes too. A `%` that begins none is
/// itself.
pub(super) fn decoded(text: &str) -> impl Iterator<Item = (u8, Escape)> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        let escaped = match *rest {
            [b'%', high, low, ..] => digit(high).zip(digit(low)),
            _ => None,
        };
        let byte = escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        rest = if byte.is_some() { &rest[3..] } else { after };
        Some(byte.map_or((first, Escape::Not), |byte| (byte, Escape::Yes)))
    })
}

/// The segments that are left when `.`, `..` and empty ones have had their
/// effect.
fn climbed(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    segments
}

fn respelled(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    decoded(text).for_each(|(byte, _)| push(&mut spelled, byte));
    spelled
}

/// RFC 3986's unreserved characters are themselves, and nothing else is.
fn push(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        text.push(char::from(byte));
    } else {
        text.push('%');
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}
