//! JSON as people write it: comments and trailing commas become spaces, so
//! that a parser accepts the rest and every line and column stays true.

/// How deep arrays and objects may stand in each other.
const DEEPEST: usize = 32;

/// Text that is no JSON, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    reason: &'static str,
    /// Where, in bytes.
    pub offset: usize,
}

/// The text with comments, trailing commas and a byte order mark blanked out,
/// byte for byte as long as before.
///
/// # Errors
/// A comment does not end, or something stands too deep.
pub fn plain(text: &str) -> Result<String, Malformed> {
    let mut bytes = text.as_bytes().to_vec();
    let mut depth = 0_usize;
    let mut comma = None;
    let mut before = b'[';
    let mut at = 0;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        blank(&mut bytes[..3]);
        at = 3;
    }
    while at < bytes.len() {
        let byte = bytes[at];
        let next = bytes.get(at + 1).copied();
        match (byte, next) {
            (b'"', _) => at = end_of_string(&bytes, at),
            (b'/', Some(b'/')) => {
                let end = find(&bytes, at, b"\n").unwrap_or(bytes.len());
                blank(&mut bytes[at..end]);
                at = end;
                continue;
            }
            (b'/', Some(b'*')) => {
                let Some(star) = find(&bytes, at + 2, b"*/") else {
                    return Err(Malformed {
                        reason: "a comment does not end",
                        offset: at,
                    });
                };
                blank(&mut bytes[at..star + 2]);
                at = star + 2;
                continue;
            }
            (b'{' | b'[', _) => {
                depth += 1;
                if depth > DEEPEST {
                    return Err(Malformed {
                        reason: "too many objects or arrays in each other",
                        offset: at,
                    });
                }
            }
            (b'}' | b']', _) => {
                depth = depth.saturating_sub(1);
                if let Some(comma) = comma {
                    bytes[comma] = b' ';
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            let is_comma = byte == b',' && !b"[{,:".contains(&before);
            comma = is_comma.then_some(at);
            before = byte;
        }
        at += 1;
    }
    // Only ASCII was put in the place of whole characters.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Line and column, from 1, of a byte offset; columns count bytes, as
/// `serde_json` does.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|&byte| byte == b'\n');
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    (
        line,
        before.len() - line_start.map_or(0, |start| start + 1) + 1,
    )
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len() - 1
}

fn find(bytes: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(wanted.len())
        .position(|window| window == wanted)
        .map(|found| from + found)
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_commas_go_and_everything_else_stays_in_place() {
        let text =
            "\u{feff}{ // é\n \"a\": \"//no /*no*/ ,]\", /* x\n y */ \"b\": [1, 2, /* z */ ],\n}";
        let plain = plain(text).unwrap();
        assert_eq!(plain.len(), text.len());
        let value: serde_json::Value = serde_json::from_str(&plain).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"a": "//no /*no*/ ,]", "b": [1, 2]})
        );
        assert_eq!(plain.find("\"b\""), text.find("\"b\""));
        assert_eq!(plain.matches('\n').count(), text.matches('\n').count());
    }

    #[test]
    fn a_comma_without_a_value_before_it_is_still_wrong() {
        for wrong in ["[,]", "[1,,]", "{\"a\":,}", "[1 2,]"] {
            let plain = plain(wrong).unwrap();
            assert!(
                serde_json::from_str::<serde_json::Value>(&plain).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn open_ends_and_depth_are_refused_with_their_place() {
        assert_eq!(plain("{}\n /* x").unwrap_err().offset, 4);
        assert_eq!(plain(&"[".repeat(100_000)).unwrap_err().offset, DEEPEST);
        for odd in ["\"", "\"\\", "/", "\"a\\\"", "{\"a\": \"", ""] {
            assert_eq!(plain(odd).unwrap().len(), odd.len());
        }
        assert_eq!(position("a\nbc\nd", 3), (2, 2));
    }
}
