//! Text for terminals: what came from outside cannot steer the terminal, and
//! a mistyped name finds its neighbour.

use std::borrow::Cow;

/// The text with every control character written out, so that a provider
/// file, a server or the vault cannot move the cursor or forge a line.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unprintable(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Like [`printable`], but line feeds stay: for text of several lines of our
/// own making.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_unprintable(c)) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    Cow::Owned(lines.join("\n"))
}

/// The text with its lines broken between words at `width`. A word that is
/// longer, such as a path, stays whole, so that it can be copied.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut broken = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        let mut column = 0;
        for word in line.split_inclusive(' ') {
            let length = visible_length(word.trim_end());
            if column > 0 && column + length > width {
                while broken.ends_with(' ') {
                    broken.pop();
                }
                broken.push('\n');
                column = 0;
            }
            broken.push_str(word);
            column += visible_length(word.trim_end_matches('\n'));
        }
    }
    broken
}

/// Characters that take a place; our own colour codes take none.
fn visible_length(word: &str) -> usize {
    let mut in_code = false;
    word.chars()
        .filter(|&character| {
            let hidden = in_code || character == '\x1b';
            in_code = hidden && character != 'm';
            !hidden
        })
        .count()
}

/// Control characters, and the marks that reorder or hide what is shown.
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

/// A number of things: `1 connection`, `2 connections`.
pub fn counted(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        more => format!("{more} {thing}s"),
    }
}

/// The candidate that a person most likely meant by `given`.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let tolerated = (given.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(given, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .map(|(_, candidate)| candidate)
}

/// Edits between two texts; swapping two neighbours counts as one.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitution.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(printable("plain é 漢"), "plain é 漢");
        assert_eq!(printable("a\x1b[2Jb\r\n"), "a\\u{1b}[2Jb\\r\\n");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(printable_lines("a\nb\x07"), "a\nb\\u{7}");
    }

    #[test]
    fn sentences_break_between_words_and_long_words_stay_whole() {
        let text = "Made the vault /a/rather/long/path/to/it\nIt opens with a key.\n";
        assert_eq!(
            wrapped(text, 16),
            "Made the vault\n/a/rather/long/path/to/it\nIt opens with a\nkey.\n"
        );
        assert_eq!(
            wrapped("\x1b[1;31mError:\x1b[0m abc", 10),
            "\x1b[1;31mError:\x1b[0m abc"
        );
        assert_eq!(wrapped(text, 200), text);
    }

    #[test]
    fn a_typo_finds_its_neighbour() {
        let names = ["openai", "openrouter", "anthropic", "github"];
        assert_eq!(nearest("opneai", names), Some("openai"));
        assert_eq!(nearest("antropic", names), Some("anthropic"));
        assert_eq!(nearest("gitub", names), Some("github"));
        assert_eq!(nearest("zzz", names), None);
    }
}
