//! Keys whose shape alone says nothing, found by the name that they are given
//! to: `NAME=value`, `NAME: value`, `"NAME": "value"`, `export NAME='value'`.
//! Pure.

use std::ops::Range;

/// What stands between a name and its value at most.
const WIDEST: usize = 40;
/// The longest value that is looked at.
const LONGEST: usize = 2048;

/// The name that ends at `end`: letters, digits and `_`.
pub fn name_before(text: &[u8], end: usize) -> Range<usize> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let lowest = end.saturating_sub(LONGEST_NAME);
    let length = text[lowest..end]
        .iter()
        .rev()
        .take_while(|byte| is_part(byte))
        .count();
    end - length..end
}

/// The longest name of a variable that is known.
pub const LONGEST_NAME: usize = 256;

/// The value that a name which ends at `end` is given, if it is given one on
/// its line.
pub fn value_after(text: &[u8], end: usize) -> Option<Range<usize>> {
    let mut rest = Rest { text, at: end };
    // The end of `"NAME"`, `\"NAME\"` and `["NAME"]`.
    let is_quoted = rest.quote().is_some();
    if is_quoted {
        rest.take(|byte| byte == b']');
    }
    rest.blanks();
    // `getenv("NAME", "value")`
    let is_argument = is_quoted && rest.take(|byte| byte == b',').is_some();
    let is_word = rest.at > end && is_set_by_a_word(text, end);
    if !is_argument && !is_word {
        rest.operator()?;
    }
    rest.blanks();
    if rest.at > end + WIDEST {
        return None;
    }
    let quote = rest.quote();
    if is_argument && quote.is_none() {
        return None;
    }
    let start = rest.at;
    let line = text.get(start..text.len().min(start + LONGEST))?;
    let is_end = |byte: u8| match quote {
        Some(quote) => byte == quote || byte == b'\n' || byte == b'\\',
        None => byte.is_ascii_whitespace() || b"\"'`,;&|<>(){}[]\\".contains(&byte),
    };
    let length = match (line.iter().position(|byte| is_end(*byte)), quote) {
        (Some(length), Some(quote)) => match line[length..] {
            [last, ..] | [b'\\', last, ..] if last == quote => length,
            _ => return None,
        },
        // `NAME=function(…)`
        (Some(length), None) if line[length] == b'(' => return None,
        (Some(length), None) => length,
        // The text ends here.
        (None, None) if line.len() < LONGEST => line.len(),
        (None, _) => return None,
    };
    Some(start..start + length).filter(|value| !value.is_empty())
}

/// Whether the line sets the name that ends at `end` without a sign between:
/// `ENV NAME value`, `setenv NAME value`, `set -gx NAME value`.
fn is_set_by_a_word(text: &[u8], end: usize) -> bool {
    const FURTHEST: usize = 64;
    let name = name_before(text, end);
    let before = &text[name.start.saturating_sub(FURTHEST)..name.start];
    let line = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let mut words = before[line..].split(u8::is_ascii_whitespace);
    let mut words = words.by_ref().filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some(b"ENV" | b"setenv"), None, None) => true,
        (Some(b"set"), Some(flags), None) => flags.starts_with(b"-") && flags.ends_with(b"x"),
        _ => false,
    }
}

struct Rest<'a> {
    text: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        wanted(byte).then(|| {
            self.at += 1;
            byte
        })
    }

    fn blanks(&mut self) {
        while self.take(|byte| byte == b' ' || byte == b'\t').is_some() {}
    }

    /// A quotation mark, perhaps escaped.
    fn quote(&mut self) -> Option<u8> {
        let is_quote = |byte: u8| matches!(byte, b'"' | b'\'' | b'`');
        if self.text.get(self.at) == Some(&b'\\')
            && self
                .text
                .get(self.at + 1)
                .is_some_and(|next| is_quote(*next))
        {
            self.at += 1;
        }
        self.take(is_quote)
    }

    /// `=`, `:`, `:=` or `=>`, and no comparison.
    fn operator(&mut self) -> Option<()> {
        let first = self.take(|byte| byte == b'=' || byte == b':')?;
        match (first, self.text.get(self.at)) {
            (b'=', Some(b'=' | b'~')) | (b':', Some(b':')) => return None,
            // The last two as in `${NAME:-value}`.
            (b':', Some(b'=' | b'-' | b'?')) | (b'=', Some(b'>')) => self.at += 1,
            _ => {}
        }
        Some(())
    }
}

/// Whether a value of which nothing is known but its name could be a key: no
/// reference, address, path or word.
pub fn could_be_a_key(value: &[u8]) -> bool {
    /// What code says in the place of a value.
    const REFERENCES: [&[u8]; 12] = [
        b"process.env",
        b"import.meta",
        b"os.environ",
        b"settings.",
        b"secrets.",
        b"config.",
        b"module.",
        b"local.",
        b"vars.",
        b"data.",
        b"self.",
        b"env.",
    ];
    let is_odd = |byte: &u8| !byte.is_ascii_graphic() || b"${}<>*()\"'`".contains(byte);
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    (20..=400).contains(&value.len())
        && !value.iter().any(is_odd)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !value.windows(3).any(|part| part == b"://")
        && !REFERENCES
            .iter()
            .any(|reference| value.starts_with(reference))
        && !matches!(value, [b'/' | b'~', ..] | [b'.', b'/' | b'.', ..])
        && super::check::entropy(value) >= least_entropy(value)
}

/// How many bits a character of random text holds at least, or nearly so: text
/// of sixteen digits holds four at most.
fn least_entropy(value: &[u8]) -> f64 {
    let is_hex = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    if value.iter().all(is_hex) { 3.0 } else { 3.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Option<&str> {
        let end = line.find("NAME").unwrap() + 4;
        value_after(line.as_bytes(), end).map(|value| &line[value])
    }

    #[test]
    fn a_value_is_found_however_it_is_assigned() {
        for line in [
            "NAME=abc",
            "export NAME='abc'",
            "NAME=abc # a comment",
            "NAME=abc command",
            "  NAME: abc\r",
            "NAME: \"abc\"",
            "{\"NAME\": \"abc\", \"b\": 1}",
            "{\"NAME\":\"abc\"}",
            "{\\\"NAME\\\": \\\"abc\\\"}",
            "os.environ[\"NAME\"] = \"abc\"",
            "ENV['NAME'] = 'abc'",
            "NAME := `abc`",
            "'NAME' => 'abc',",
            "docker run -e NAME=abc image",
            "url?NAME=abc&b=c",
            "$env:NAME = \"abc\"",
            "NAME\t=\tabc\tx",
        ] {
            assert_eq!(value(line), Some("abc"), "{line}");
        }
    }

    #[test]
    fn what_is_no_assignment_on_one_line_has_no_value() {
        for line in [
            "NAME",
            "NAME abc",
            "NAME=",
            "NAME=\n abc",
            "NAME == 'abc'",
            "NAME::abc",
            "NAME=''",
            "NAME='abc",
            "NAME='abc\n'",
            "NAME=read(abc)",
            "NAME=~abc",
        ] {
            assert_eq!(value(line), None, "{line}");
        }
        let far = format!("NAME{}= abc", " ".repeat(WIDEST));
        assert_eq!(value(&far), None);
        let long = format!("NAME={}", "a".repeat(LONGEST));
        assert_eq!(value(&long), None);
    }

    #[test]
    fn a_name_is_read_backwards() {
        let text = b"export VAULT_2_KEY=x";
        assert_eq!(name_before(text, 18), 7..18);
        assert_eq!(name_before(b"A", 1), 0..1);
    }

    #[test]
    fn references_addresses_and_words_are_no_keys() {
        for value in [
            "short1",
            "process.env.OPENAI_API_KEY",
            "${OPENAI_API_KEY_OF_2026}",
            "$OPENAI_API_KEY_OF_2026ab",
            "<your-key-of-2026-goes-in>",
            "https://example.com/a/b/c1",
            "/run/secrets/openai_key_2026",
            "../secrets/openai_key_2026",
            "aaaaaaaaaaaaaaaaaaaaaaaaaa1",
            "settings.openai.api_key.value",
        ] {
            assert!(!could_be_a_key(value.as_bytes()), "{value}");
        }
        assert!(could_be_a_key(b"fa4e0123456789abcdef0123"));
    }
}
