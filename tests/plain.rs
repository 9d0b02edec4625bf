//! For screen readers, logs and narrow windows: no colour where it is not
//! wanted, nothing that moves, and lines that fit.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use support::TestEnvironment;
use support::terminal::shown_at;

fn filled() -> TestEnvironment {
    let made = TestEnvironment::new()
        .with("VAULT_NO_INPUT", "1")
        .with_identity_vault();
    made.log_in("a-connection-with-a-rather-long-name");
    made
}

fn widest(text: &str) -> usize {
    text.lines()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0)
}

#[test]
fn a_table_fits_the_terminal_that_it_is_on() {
    let made = filled();
    for columns in [40, 80] {
        for arguments in [&["list"][..], &["recipients"], &["provider", "list"]] {
            // Sentences, which the terminal wraps, are left out.
            let run = made.vault(["--quiet"]).args(arguments);
            let shown = shown_at(run, columns);
            assert!(
                !shown.is_empty() && widest(&shown) <= usize::from(columns),
                "{arguments:?} at {columns}:\n{shown}"
            );
        }
    }
    // A pipe gets all of it.
    let piped = made.vault(["list"]).ok().stdout;
    assert!(
        piped.contains("a-connection-with-a-rather-long-name"),
        "{piped}"
    );
}

#[test]
fn help_fits_forty_columns() {
    let made = TestEnvironment::new();
    for command in [
        "login", "get", "list", "export", "run", "set", "import", "init",
    ] {
        for flag in ["-h", "--help"] {
            let shown = shown_at(made.vault([command, flag]), 40);
            let too_wide: Vec<_> = shown
                .lines()
                .filter(|line| strip(line).chars().count() > 40)
                // The usage is one line, to be copied.
                .filter(|line| !strip(line).starts_with("Usage: "))
                .collect();
            assert!(too_wide.is_empty(), "{command} {flag}: {too_wide:#?}");
        }
    }
}

/// Without what colours.
fn strip(line: &str) -> String {
    let mut plain = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\x1b' {
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let made = filled();
    let failing = || made.vault(["get", "opneai"]);
    assert!(shown_at(failing(), 80).contains("\x1b["));
    assert!(!shown_at(failing().env("NO_COLOR", "1"), 80).contains('\x1b'));
    assert!(!shown_at(failing().env("TERM", "dumb"), 80).contains('\x1b'));
    assert!(!shown_at(failing().args(["--color", "never"]), 80).contains('\x1b'));
    assert!(shown_at(failing().args(["--color", "always"]), 80).contains("\x1b["));
    assert!(!failing().fails(3).stderr.contains('\x1b'));
    let help = || made.vault(["get", "--help"]);
    for run in [help().env("NO_COLOR", "1"), help().env("TERM", "dumb")] {
        assert!(!shown_at(run, 80).contains('\x1b'));
    }
}

#[test]
fn nothing_moves() {
    let made = filled();
    for arguments in [&["list"][..], &["doctor"], &["recipients"], &["backups"]] {
        let run = made.vault(arguments).env("TERM", "dumb");
        let shown = shown_at(run, 80);
        for sign in ['\r', '\x08', '\x1b'] {
            assert!(!shown.contains(sign), "{arguments:?}: {shown:?}");
        }
        let piped = made.vault(arguments).finish();
        assert!(!piped.stderr.contains(['\r', '\x1b']), "{piped}");
    }
}
