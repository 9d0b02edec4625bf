//! What is asked of a text that has the shape of a key: does it stand alone,
//! and could it be one? Pure.

/// Whether a key can begin at `at`: what stands before it is no part of a
/// longer word. An escape such as `\n` or `%3D` ends in a letter and is none.
pub fn begins(text: &[u8], at: usize) -> bool {
    let before = &text[..at];
    match before.last() {
        Some(last) if is_word(*last) => ends_in_escape(before),
        _ => true,
    }
}

fn ends_in_escape(before: &[u8]) -> bool {
    let all_hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    match before {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'0'] => true,
        [.., b'%', high, low] if all_hex(&[*high, *low]) => true,
        [.., b'\\', b'u', a, b, c, d] => all_hex(&[*a, *b, *c, *d]),
        [rest @ .., b'm'] => ends_in_colour(rest),
        _ => false,
    }
}

/// Whether it ends as a terminal's colour does before its `m`: `ESC [ 1 ; 31`.
fn ends_in_colour(before: &[u8]) -> bool {
    let start = before.len().saturating_sub(LOOK_BEHIND - 1);
    let tail = &before[start..];
    let is_part = |byte: &&u8| byte.is_ascii_digit() || **byte == b';';
    let digits = tail.iter().rev().take_while(is_part).count();
    tail[..tail.len() - digits].ends_with(b"\x1b[")
}

/// How many bytes [`begins`] looks back.
pub const LOOK_BEHIND: usize = 24;

/// Whether a key can end at `at`.
pub fn ends(text: &[u8], at: usize) -> bool {
    text.get(at)
        .is_none_or(|next| !is_word(*next) && *next != b'-')
}

pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether this stands where a key would: more than half of it is one and the
/// same character, as in `xxxx` and `****`.
pub fn is_placeholder(text: &[u8]) -> bool {
    let counts = counts(text);
    counts
        .iter()
        .max()
        .is_some_and(|most| most * 2 > text.len())
}

/// What people write where a key belongs, besides `xxxx`.
pub fn asks_for_a_key(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 9] = [
        b"your",
        b"change_me",
        b"changeme",
        b"change-me",
        b"replace",
        b"placeholder",
        b"insert",
        b"...",
        b"xxxx",
    ];
    let holds = |word: &[u8]| {
        let mut parts = text.windows(word.len());
        parts.any(|part| part.eq_ignore_ascii_case(word))
    };
    WORDS.iter().any(|word| holds(word))
}

/// Shannon's bits per character, over the text's own characters.
pub fn entropy(text: &[u8]) -> f64 {
    #[allow(clippy::cast_precision_loss)] // Texts are a few thousand bytes.
    let portion = |count: usize| count as f64 / text.len() as f64;
    counts(text)
        .into_iter()
        .filter(|count| *count > 0)
        .map(|count| -portion(count) * portion(count).log2())
        .sum()
}

fn counts(text: &[u8]) -> [usize; 256] {
    let mut counts = [0; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_alone() {
        for before in [
            "", " ", "=", "\"", "/", "-", ".", "\\n", "\\t", "\\r", "\\\"", "%3D", "\\u003d", "é",
        ] {
            let text = format!("{before}ghp_");
            assert!(begins(text.as_bytes(), before.len()), "{before}");
        }
        for before in ["a", "Z", "0", "_", "n", "3D", "%D", "u003d", "xD"] {
            let text = format!("{before}ghp_");
            assert!(!begins(text.as_bytes(), before.len()), "{before}");
        }
        for (after, is_end) in [
            ("", true),
            (" ", true),
            ("\"", true),
            (".", true),
            ("\\n", true),
            ("/", true),
            ("a", false),
            ("7", false),
            ("_", false),
            ("-", false),
        ] {
            let text = format!("key{after}");
            assert_eq!(ends(text.as_bytes(), 3), is_end, "{after}");
        }
    }

    #[test]
    fn what_repeats_itself_is_a_placeholder_and_a_fake_key_is_none() {
        for text in [
            "xxxxxxxxxxxx",
            "00000000",
            "****",
            "....",
            "abcxxxxx",
            "YYYYYYYYYYYYAA",
        ] {
            assert!(is_placeholder(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "FAKEFAKEFAKEFAKE",
            "EXAMPLE",
            "aabb",
            "FAKE_CANARY_KEY_______a",
        ] {
            assert!(!is_placeholder(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_text_that_asks_for_a_key_is_none() {
        for text in [
            "sk-your-api-key",
            "YOUR_KEY_HERE",
            "sk-CHANGEME-123",
            "sk-...",
        ] {
            assert!(asks_for_a_key(text.as_bytes()), "{text}");
        }
        assert!(!asks_for_a_key(b"sk-FAKE_CANARY_KEY_example"));
    }

    #[test]
    fn entropy_is_bits_per_character() {
        assert!(entropy(b"").abs() < 1e-9);
        assert!(entropy(b"aaaa").abs() < 1e-9);
        assert!((entropy(b"abababab") - 1.0).abs() < 1e-9);
        assert!((entropy(b"0123456789abcdef") - 4.0).abs() < 1e-9);
    }
}
