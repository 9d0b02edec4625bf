//! Patterns: `*` is any run of characters within a segment, `**` any run of
//! characters, and where `**` is a whole segment, any number of segments, none
//! included: `/v1/files/**` is `/v1/files` and everything below it.
//!
//! Matching takes time in proportion to the text, whatever the pattern.

use std::fmt;

/// The longest pattern, in bytes.
const LONGEST: usize = 1000;
/// Words of states for a pattern of usual length: one state more than tokens.
const FEW: usize = 2;
/// Those of the longest, which has no more tokens than bytes.
const MANY: usize = LONGEST / 64 + 1;

/// Patterns of which one has to match.
#[derive(Debug, Clone)]
pub struct Globs(Vec<Glob>);

/// One pattern.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    written: Box<str>,
    /// What every match begins with, in bytes that need not be characters.
    prefix: Box<[u8]>,
    rest: Rest,
}

#[derive(Debug, Clone)]
enum Rest {
    Nothing,
    Anything,
    /// Nothing, or everything from this separator on.
    Below(u8),
    Tokens(Box<[Token]>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// Any run without this byte.
    Within(u8),
    /// Any run.
    Across,
    /// The next two tokens, or none of them.
    Maybe,
}

impl Globs {
    pub(super) fn new(globs: Vec<Glob>) -> Self {
        Self(globs)
    }

    /// Whether one of them matches all of the text.
    pub fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|glob| glob.matches(text))
    }

    /// The patterns as they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Glob::as_str)
    }

    /// Those that match one text alone.
    pub fn exact(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(Glob::literal)
    }

    /// What alone they match, where that can be listed.
    pub(super) fn literals(&self) -> Option<Vec<&str>> {
        self.0.iter().map(Glob::literal).collect()
    }
}

impl fmt::Display for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, text) in self.texts().enumerate() {
            let gap = if position == 0 { "" } else { ", " };
            write!(f, "{gap}{text}")?;
        }
        Ok(())
    }
}

impl Glob {
    /// Reads a pattern whose segments this byte separates. Without one, `*`
    /// and `**` are the same.
    pub(super) fn new(pattern: &str, separator: Option<u8>) -> Option<Self> {
        if pattern.len() > LONGEST {
            return None;
        }
        let tokens = tokens(pattern, separator);
        let literal = tokens
            .iter()
            .take_while(|token| matches!(token, Token::Byte(_)));
        let literal = literal.count();
        let (prefix, rest) = tokens.split_at(literal);
        let prefix = prefix.iter().filter_map(|token| match token {
            Token::Byte(byte) => Some(*byte),
            _ => None,
        });
        Some(Self {
            written: pattern.into(),
            prefix: prefix.collect(),
            rest: match rest {
                [] => Rest::Nothing,
                [Token::Across] => Rest::Anything,
                [Token::Maybe, Token::Byte(byte), Token::Across] => Rest::Below(*byte),
                tokens => Rest::Tokens(tokens.into()),
            },
        })
    }

    /// The same, shown as a person wrote it.
    pub(super) fn written_as(mut self, text: &str) -> Self {
        self.written = text.into();
        self
    }

    /// The pattern as it was written.
    fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it matches all of the text.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(text) = text.as_bytes().strip_prefix(&*self.prefix) else {
            return false;
        };
        match &self.rest {
            Rest::Nothing => text.is_empty(),
            Rest::Anything => true,
            Rest::Below(separator) => text.first().is_none_or(|first| first == separator),
            Rest::Tokens(tokens) if tokens.len() < 64 * FEW => run::<FEW>(tokens, text),
            Rest::Tokens(tokens) => run::<MANY>(tokens, text),
        }
    }

    /// What alone it matches, where that is one text.
    pub(super) fn literal(&self) -> Option<&str> {
        match self.rest {
            Rest::Nothing => std::str::from_utf8(&self.prefix).ok(),
            _ => None,
        }
    }
}

fn tokens(pattern: &str, separator: Option<u8>) -> Vec<Token> {
    let Some(separator) = separator else {
        return within(pattern, Token::Across).collect();
    };
    let mut segments: Vec<&str> = pattern.split(char::from(separator)).collect();
    // The second of two such segments says nothing more.
    segments.dedup_by(|next, one| is_any_segments(next) && is_any_segments(one));
    let mut tokens = Vec::with_capacity(pattern.len());
    let border = Token::Byte(separator);
    for (position, segment) in segments.iter().enumerate() {
        let is_last = position + 1 == segments.len();
        match (is_any_segments(segment), is_last) {
            (true, true) if tokens.pop().is_some() => {
                tokens.extend([Token::Maybe, border, Token::Across]);
            }
            (true, true) => tokens.push(Token::Across),
            (true, false) => tokens.extend([Token::Maybe, Token::Across, border]),
            (false, _) => {
                tokens.extend(within(segment, Token::Within(separator)));
                tokens.extend((!is_last).then_some(border));
            }
        }
    }
    tokens
}

fn is_any_segments(segment: &str) -> bool {
    segment.len() > 1 && segment.bytes().all(|byte| byte == b'*')
}

/// The tokens of one segment, in which a single star is this.
fn within(segment: &str, star: Token) -> impl Iterator<Item = Token> {
    let mut bytes = segment.bytes().peekable();
    std::iter::from_fn(move || {
        let byte = bytes.next()?;
        if byte != b'*' {
            return Some(Token::Byte(byte));
        }
        let mut is_double = false;
        while bytes.next_if_eq(&b'*').is_some() {
            is_double = true;
        }
        Some(if is_double { Token::Across } else { star })
    })
}

/// Sets of states, a bit each: `states[n]` is that tokens before `n` matched.
type States<const WORDS: usize> = [u64; WORDS];

fn run<const WORDS: usize>(tokens: &[Token], text: &[u8]) -> bool {
    let mut now = [0; WORDS];
    now[0] = 1;
    follow(tokens, &mut now);
    for &byte in text {
        let mut next = [0; WORDS];
        for (word, mut bits) in now.into_iter().enumerate() {
            while bits != 0 {
                let state = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                match tokens.get(state) {
                    Some(Token::Byte(wanted)) if *wanted == byte => set(&mut next, state + 1),
                    Some(Token::Within(separator)) if *separator != byte => set(&mut next, state),
                    Some(Token::Across) if state + 1 == tokens.len() => return true,
                    Some(Token::Across) => set(&mut next, state),
                    _ => {}
                }
            }
        }
        if next == [0; WORDS] {
            return false;
        }
        follow(tokens, &mut next);
        now = next;
    }
    now[tokens.len() / 64] & (1 << (tokens.len() % 64)) != 0
}

/// Adds what is reached without a byte. All of it lies ahead.
fn follow<const WORDS: usize>(tokens: &[Token], states: &mut States<WORDS>) {
    for word in 0..WORDS {
        let mut seen = 0;
        while states[word] & !seen != 0 {
            let bit = (states[word] & !seen).trailing_zeros() as usize;
            seen |= 1 << bit;
            let state = word * 64 + bit;
            match tokens.get(state) {
                Some(Token::Within(_) | Token::Across) => set(states, state + 1),
                Some(Token::Maybe) => {
                    set(states, state + 1);
                    set(states, state + 3);
                }
                _ => {}
            }
        }
    }
}

fn set<const WORDS: usize>(states: &mut States<WORDS>, state: usize) {
    states[state / 64] |= 1 << (state % 64);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, text: &str, separator: Option<u8>) -> bool {
        Glob::new(pattern, separator).unwrap().matches(text)
    }

    fn path(pattern: &str, text: &str) -> bool {
        fits(pattern, text, Some(b'/'))
    }

    #[test]
    fn one_star_stays_within_its_segment() {
        for (pattern, text, is) in [
            ("/v1/*", "/v1/models", true),
            ("/v1/*", "/v1/models/x", false),
            ("/v1/*/x", "/v1/models/x", true),
            ("/v1/*/x", "/v1/a/b/x", false),
            ("/v1/fi*", "/v1/files", true),
            ("/v1/*-x", "/v1/a-b-x", true),
            ("/v1/*", "/v1", false),
            ("*", "abc", true),
            ("*", "a/b", false),
            ("/*/*/*", "/a/b/c", true),
            ("/*/*/*", "/a/b", false),
            ("/v1/a*b*c", "/v1/axxbxxc", true),
            ("/v1/a*b*c", "/v1/axx/bxxc", false),
        ] {
            assert_eq!(path(pattern, text), is, "{pattern} {text}");
        }
    }

    #[test]
    fn two_stars_go_across_segments_and_may_be_none() {
        for (pattern, text, is) in [
            ("/v1/fine_tuning/**", "/v1/fine_tuning/x/y", true),
            ("/v1/fine_tuning/**", "/v1/fine_tuning", true),
            ("/v1/fine_tuning/**", "/v1/fine_tuning/", true),
            ("/v1/fine_tuning/**", "/v1/fine_tuning_jobs", false),
            ("/a/**/z", "/a/z", true),
            ("/a/**/z", "/a/b/z", true),
            ("/a/**/z", "/a/b/c/z", true),
            ("/a/**/z", "/a/bz", false),
            ("/a/**/z", "/az", false),
            ("/a/**/**/z", "/a/z", true),
            ("/a/**/**", "/a", true),
            ("/a/**/**", "/a/b", true),
            ("/a/**/**", "/ab", false),
            ("**", "/anything/at/all", true),
            ("**/z", "/a/z", true),
            ("**/z", "z", true),
            ("**/z", "/az", false),
            ("**/**", "/a", true),
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/v1/files**", "/v1/files/a/b", true),
            ("/v1/files**", "/v1/filesystem", true),
            ("/a/**b", "/a/x/yb", true),
            ("/**/b/**", "/b", true),
            ("/**/b/**", "/a/b/c", true),
            ("/**/b/**", "/a/bb/c", false),
            ("/a/***", "/a/b/c", true),
        ] {
            assert_eq!(path(pattern, text), is, "{pattern} {text}");
        }
        for (pattern, text, is) in [
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("**.example.com", "a.b.example.com", true),
            ("**.example.com", "example.com", true),
            ("**.example.com", "badexample.com", false),
            ("*.example.com", "a.example.com.evil.test", false),
        ] {
            assert_eq!(fits(pattern, text, Some(b'.')), is, "{pattern} {text}");
        }
    }

    #[test]
    fn without_segments_both_are_the_same() {
        for pattern in ["gpt-5*-pro", "gpt-5**-pro"] {
            assert!(fits(pattern, "gpt-5.4/x-pro", None));
            assert!(fits(pattern, "gpt-5-pro", None));
            assert!(!fits(pattern, "gpt-5-pro-x", None));
        }
        assert!(fits("*", "", None));
        assert!(fits("", "", None));
        assert!(!fits("", "a", None));
        assert!(fits("*é*", "aéb", None));
    }

    #[test]
    fn only_what_has_no_star_is_a_literal() {
        let globs = |patterns: &[&str]| {
            let all = patterns.iter().map(|text| Glob::new(text, None).unwrap());
            Globs::new(all.collect())
        };
        assert_eq!(globs(&["a", "b"]).literals(), Some(vec!["a", "b"]));
        assert_eq!(globs(&["a", "b*"]).literals(), None);
        assert_eq!(globs(&["a", "b*"]).to_string(), "a, b*");
        assert!(globs(&["a", "b*"]).matches("bc"));
    }

    #[test]
    fn a_hostile_pair_takes_no_longer_than_it_is_long() {
        let text = "/".to_owned() + &"a".repeat(20_000);
        let start = Instant::now();
        for pattern in [
            "/".to_owned() + &"*a".repeat(60) + "b",
            "/".to_owned() + &"**a".repeat(60) + "b",
            "/".to_owned() + &"*a**".repeat(200) + "b",
        ] {
            assert!(!path(&pattern, &text));
        }
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(Glob::new(&"*a".repeat(501), None).is_none());
        let longest = "*a".repeat(500);
        assert!(fits(&longest, &"a".repeat(500), Some(b'/')));
        assert!(!fits(&longest, &"a".repeat(499), Some(b'/')));
    }

    /// The same by definition, in any time.
    fn slowly(pattern: &[char], text: &[char], begins_segment: bool) -> bool {
        let mut cuts = 0..=text.len();
        match pattern {
            [] => text.is_empty(),
            ['/', '*', '*'] => text.is_empty() || text[0] == '/',
            ['/', '*', '*', '/', rest @ ..] => {
                let tail: Vec<char> = ['/'].into_iter().chain(rest.iter().copied()).collect();
                let is_border = |cut: &usize| text.get(*cut) == Some(&'/');
                is_border(&0)
                    && cuts.any(|cut| is_border(&cut) && slowly(&tail, &text[cut..], false))
            }
            ['*', '*', '/', rest @ ..] if begins_segment => cuts
                .any(|cut| (cut == 0 || text[cut - 1] == '/') && slowly(rest, &text[cut..], true)),
            ['*', '*', rest @ ..] => cuts.any(|cut| slowly(rest, &text[cut..], false)),
            ['*', rest @ ..] => cuts
                .take_while(|cut| !text[..*cut].contains(&'/'))
                .any(|cut| slowly(rest, &text[cut..], false)),
            [first, rest @ ..] => text.first() == Some(first) && slowly(rest, &text[1..], false),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn it_matches_what_the_definition_matches(
            pattern in "/?(a|b|\\*|\\*\\*|a\\*|\\*b)(/(a|b|\\*|\\*\\*|ab\\*|\\*\\*a)){0,4}",
            text in "/?[ab]{0,3}(/[ab]{0,2}){0,4}",
        ) {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let mut segments: Vec<&str> = pattern.split('/').collect();
            segments.dedup_by(|next, one| *next == "**" && *one == "**");
            prop_assert_eq!(
                path(&pattern, &text),
                slowly(&chars(&segments.join("/")), &chars(&text), true),
                "{} {}", pattern, text
            );
        }
    }
}
