//! Files of `NAME=value` lines. They look alike and are read apart.
//!
//! - `dotenv` is for Python's `python-dotenv` and Node's `dotenv`, which
//!   agree on less than it seems. In single quotes Python reads `\\` and `\'`
//!   as escapes, Node reads none; in double quotes both read `\n` and `\r`,
//!   but Node knows no way to write a backslash before an `n`, nor a `"`; bare
//!   text is stripped and ends at `#`; backticks are Node's alone. Python
//!   replaces `${…}` in every one of them. So: single quotes where the value
//!   has none and no backslash that Python would take; else double quotes
//!   under the like conditions (also for carriage returns, as `\r`, since
//!   both readers turn a raw one into a line feed); else bare; else refused.
//! - `docker` takes the rest of the line literally, quotes, spaces and `#`
//!   included; one carriage return before the line's end is dropped, and a
//!   line must fit Go's scanner.
//! - `gitlab` has the same lines; what it does to them is in `ci`.
//! - `systemd` gets double quotes, in which a backslash escapes `"`, `\`,
//!   a backtick and `$` (newer versions escape nothing else, older ones
//!   anything), and newlines are kept. It refuses the whole file for a code
//!   point that is no character. Since v246 values may have several lines;
//!   before, it ignores such a variable with a message.

use super::quote::{push_all, push_escaped};
use super::{Pair, Reason};
use crate::secret::SecretBuffer;

/// Go's `bufio.MaxScanTokenSize`: a line and its newline must fit.
const DOCKER_LINE: usize = 64 * 1024;

enum Quoting {
    Single,
    Double,
    Bare,
}

pub(super) fn dotenv_obstacle(pair: Pair<'_>) -> Option<Reason> {
    if replaced_by_python(pair.value) {
        return Some(Reason::Reference);
    }
    quoting(pair.value)
        .is_none()
        .then_some(Reason::NoCommonQuoting)
}

pub(super) fn dotenv(out: &mut SecretBuffer, pair: Pair<'_>) {
    push_all(out, &[pair.name, "="]);
    match quoting(pair.value) {
        Some(Quoting::Single) => push_all(out, &["'", pair.value, "'"]),
        Some(Quoting::Double) => {
            out.push(b"\"");
            push_escaped(out, pair.value, |c| (c == '\r').then_some(r"\r".into()));
            out.push(b"\"");
        }
        // A value without any quoting was refused before.
        Some(Quoting::Bare) | None => out.push(pair.value.as_bytes()),
    }
    out.push(b"\n");
}

fn quoting(value: &str) -> Option<Quoting> {
    if fits_single_quotes(value) {
        Some(Quoting::Single)
    } else if fits_double_quotes(value) {
        Some(Quoting::Double)
    } else if fits_bare(value) {
        Some(Quoting::Bare)
    } else {
        None
    }
}

fn fits_single_quotes(value: &str) -> bool {
    !value.contains(['\'', '\r']) && !value.contains(r"\\") && !value.ends_with('\\')
}

fn fits_double_quotes(value: &str) -> bool {
    !value.contains('"')
        && value.match_indices('\\').all(|(position, _)| {
            value[position + 1..].chars().next().is_some_and(|next| {
                !matches!(
                    next,
                    '\\' | '\'' | 'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\r'
                )
            })
        })
}

fn fits_bare(value: &str) -> bool {
    // JavaScript takes U+2028 and U+2029 for ends of a line.
    !value.is_empty()
        && !value.contains(['#', '\r', '\n', '\u{2028}', '\u{2029}'])
        && !value.starts_with(['\'', '"', '`'])
        && !value.starts_with(is_stripped)
        && !value.ends_with(is_stripped)
}

/// What Python's `strip` or JavaScript's `trim` takes for white space.
fn is_stripped(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f' | '\u{feff}')
}

fn replaced_by_python(value: &str) -> bool {
    value
        .find("${")
        .is_some_and(|position| value[position..].contains('}'))
}

pub(super) fn docker_obstacle(pair: Pair<'_>) -> Option<Reason> {
    if pair.value.contains('\n') {
        Some(Reason::Newline)
    } else if pair.value.ends_with('\r') {
        Some(Reason::CarriageReturn)
    } else if pair.name.len() + "=".len() + pair.value.len() + "\n".len() > DOCKER_LINE {
        Some(Reason::TooLong)
    } else {
        None
    }
}

/// The line as it is, for the readers that unquote nothing.
pub(super) fn plain(out: &mut SecretBuffer, pair: Pair<'_>) {
    push_all(out, &[pair.name, "=", pair.value, "\n"]);
}

pub(super) fn systemd_obstacle(pair: Pair<'_>) -> Option<Reason> {
    pair.value
        .chars()
        .any(|c| matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe)
        .then_some(Reason::Noncharacter)
}

pub(super) fn systemd(out: &mut SecretBuffer, pair: Pair<'_>) {
    push_all(out, &[pair.name, "=\""]);
    push_escaped(out, pair.value, |c| match c {
        '"' => Some(r#"\""#.into()),
        '\\' => Some(r"\\".into()),
        '`' => Some(r"\`".into()),
        '$' => Some(r"\$".into()),
        _ => None,
    });
    out.push(b"\"\n");
}
