//! The program's own source as tests of its shape read it: without comments
//! and without the content of strings.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml excepts tests, not their helpers"
)]

use std::fs;
use std::path::Path;

/// One file under `src`.
pub struct Source {
    /// Its path under `src`, with forward slashes.
    pub path: String,
    /// Its code.
    pub code: String,
}

impl Source {
    /// A file of that path with that text.
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            code: code_of(text),
        }
    }

    /// All of them.
    pub fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        gather(&root, &root, &mut found);
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// The code that is built into the program: without its tests, which
    /// stand last in a file or in one of their own.
    pub fn without_tests(&self) -> &str {
        if self.path.ends_with("tests.rs") || self.path.contains("/tests/") {
            return "";
        }
        self.code.split("#[cfg(test)]").next().unwrap_or(&self.code)
    }
}

fn gather(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            found.push(Source::new(name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Where a word stands in code: not as a part of a longer one.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .filter(move |(at, _)| {
            let before = code[..*at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            let starts = word.starts_with(is_part) && before.is_some_and(is_part);
            let goes_on = word.ends_with(is_part) && after.is_some_and(is_part);
            !starts && !goes_on
        })
        .map(|(at, _)| at)
}

/// The text with comments and the content of strings and characters gone.
pub fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest, &code) {
            code.push_str("\"\"");
            length
        } else if c == '"' {
            code.push_str("\"\"");
            quoted(rest, '"')
        } else if c == '\'' && is_character(rest) {
            code.push_str("' '");
            quoted(rest, '\'')
        } else {
            code.push(c);
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    code
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string(text: &str, before: &str) -> Option<usize> {
    if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') && !before.ends_with('b') {
        return None;
    }
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(2 + hashes + length)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether a quote begins a character and not a lifetime.
fn is_character(text: &str) -> bool {
    let mut next = text.chars().skip(1);
    matches!(
        (next.next(), next.next()),
        (Some('\\'), _) | (Some(_), Some('\''))
    )
}
