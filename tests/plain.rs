//! For screen readers, logs and narrow windows: no colour where it is not
//! wanted, nothing that moves, and lines that fit.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use support::{Run, TestEnvironment};

/// What a terminal of so many columns shows, standard output and error alike.
fn on_terminal(run: Run<'_>, columns: u16) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let mut command = run.command();
    command
        .stdin(Stdio::null())
        .stdout(slave.try_clone().unwrap())
        .stderr(slave);
    let mut child = command.spawn().unwrap();
    // The command holds ends of the terminal, which closes with the last.
    drop(command);
    let mut shown = Vec::new();
    let mut chunk = [0; 4096];
    let mut master = File::from(master);
    // Linux ends a terminal without writers with an error.
    while let Ok(count @ 1..) = master.read(&mut chunk) {
        shown.extend(&chunk[..count]);
    }
    child.wait().unwrap();
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}

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
            let shown = on_terminal(run, columns);
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
            let shown = on_terminal(made.vault([command, flag]), 40);
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
    assert!(on_terminal(failing(), 80).contains("\x1b["));
    assert!(!on_terminal(failing().env("NO_COLOR", "1"), 80).contains('\x1b'));
    assert!(!on_terminal(failing().env("TERM", "dumb"), 80).contains('\x1b'));
    assert!(!on_terminal(failing().args(["--color", "never"]), 80).contains('\x1b'));
    assert!(on_terminal(failing().args(["--color", "always"]), 80).contains("\x1b["));
    assert!(!failing().fails(3).stderr.contains('\x1b'));
    let help = || made.vault(["get", "--help"]);
    for run in [help().env("NO_COLOR", "1"), help().env("TERM", "dumb")] {
        assert!(!on_terminal(run, 80).contains('\x1b'));
    }
}

#[test]
fn nothing_moves() {
    let made = filled();
    for arguments in [&["list"][..], &["doctor"], &["recipients"], &["backups"]] {
        let run = made.vault(arguments).env("TERM", "dumb");
        let shown = on_terminal(run, 80);
        for sign in ['\r', '\x08', '\x1b'] {
            assert!(!shown.contains(sign), "{arguments:?}: {shown:?}");
        }
        let piped = made.vault(arguments).finish();
        assert!(!piped.stderr.contains(['\r', '\x1b']), "{piped}");
    }
}
