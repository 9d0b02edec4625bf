//! Statements for the four families of shells.
//!
//! - POSIX (dash, bash, zsh): single quotes hold everything but themselves;
//!   `'` is `'\''`. No expansion and no history reaches into them, and zsh's
//!   `RC_QUOTES` reads this form alike, since no `''` stands within quotes.
//! - fish: single quotes, in which `\'` and `\\` are the only escapes. A
//!   variable whose name ends in `PATH` would be split at colons; `--unpath`
//!   keeps it one text.
//! - PowerShell: single quotes, doubled inside, of any of the five characters
//!   it takes for one. Control characters are joined in as `[char]10`, so a
//!   statement is one line and survives `vault export … | Invoke-Expression`.
//!   Before 7.5, PowerShell removes a variable that is set to nothing.
//! - Nushell: double quotes with escapes; `$` and parentheses mean nothing in
//!   them. For `source`.

use std::borrow::Cow;

use super::quote::{push_all, push_escaped};
use super::{Pair, Reason};
use crate::secret::SecretBuffer;

/// Read-only or computed in bash or zsh: setting one ends the script or is
/// forgotten at once.
const KEPT_BY_POSIX_SHELLS: [&str; 20] = [
    "_",
    "BASHOPTS",
    "BASHPID",
    "BASH_VERSINFO",
    "DIRSTACK",
    "EGID",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GID",
    "GROUPS",
    "HISTCMD",
    "LINENO",
    "PPID",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SRANDOM",
    "UID",
];

const KEPT_BY_FISH: [&str; 4] = ["_", "FISH_VERSION", "PWD", "SHLVL"];

pub(super) fn posix_obstacle(pair: Pair<'_>) -> Option<Reason> {
    KEPT_BY_POSIX_SHELLS
        .contains(&pair.name)
        .then_some(Reason::ReservedName)
}

pub(super) fn fish_obstacle(pair: Pair<'_>) -> Option<Reason> {
    KEPT_BY_FISH
        .contains(&pair.name)
        .then_some(Reason::ReservedName)
}

pub(super) fn posix(out: &mut SecretBuffer, pair: Pair<'_>) {
    push_all(out, &["export ", pair.name, "='"]);
    push_escaped(out, pair.value, |c| (c == '\'').then_some(r"'\''".into()));
    out.push(b"'\n");
}

pub(super) fn fish(out: &mut SecretBuffer, pair: Pair<'_>) {
    let split_at_colons =
        pair.name.ends_with("PATH") && !matches!(pair.name, "PATH" | "CDPATH" | "MANPATH");
    let flags = if split_at_colons {
        "set -gx --unpath "
    } else {
        "set -gx "
    };
    push_all(out, &[flags, pair.name, " '"]);
    push_escaped(out, pair.value, |c| match c {
        '\'' => Some(r"\'".into()),
        '\\' => Some(r"\\".into()),
        _ => None,
    });
    out.push(b"'\n");
}

pub(super) fn powershell(out: &mut SecretBuffer, pair: Pair<'_>) {
    push_all(out, &["$env:", pair.name, " = '"]);
    push_escaped(out, pair.value, |c| match c {
        '\'' => Some("''".into()),
        '\u{2018}'..='\u{201b}' => Some(Cow::Owned(format!("{c}{c}"))),
        '\0'..='\x08' | '\n'..='\x1f' | '\x7f' => {
            Some(Cow::Owned(format!("' + [char]{} + '", u32::from(c))))
        }
        _ => None,
    });
    out.push(b"'\n");
}

pub(super) fn nu(out: &mut SecretBuffer, pair: Pair<'_>) {
    push_all(out, &["$env.", pair.name, " = \""]);
    push_escaped(out, pair.value, |c| match c {
        '"' => Some(r#"\""#.into()),
        '\\' => Some(r"\\".into()),
        '\n' => Some(r"\n".into()),
        '\r' => Some(r"\r".into()),
        '\t' => Some(r"\t".into()),
        _ if c.is_control() => Some(Cow::Owned(format!("\\u{{{:x}}}", u32::from(c)))),
        _ => None,
    });
    out.push(b"\"\n");
}
