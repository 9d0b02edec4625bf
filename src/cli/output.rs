//! Everything that is printed. Data goes to standard output, unbuffered, so
//! that no secret stays behind in a buffer; everything for a person goes to
//! standard error.

use std::io::{self, IsTerminal};

use rustix::fd::BorrowedFd;

use crate::error::{Error, Kind, Result};
use crate::secret::SecretBuffer;
use crate::text;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How this run prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Machine-readable.
    pub json: bool,
    /// Nothing for people but errors.
    pub quiet: bool,
    /// Colour on standard error.
    pub color_err: bool,
    /// Colour on standard output.
    pub color_out: bool,
}

impl Output {
    /// Decides on colour once.
    pub fn new(json: bool, quiet: bool, color: ColorChoice, plain: bool) -> Self {
        let wanted = |terminal: bool| match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !plain,
        };
        Self {
            json,
            quiet,
            color_err: wanted(io::stderr().is_terminal()),
            color_out: wanted(io::stdout().is_terminal()),
        }
    }

    /// Tells a person something that is no error.
    pub fn note(&self, message: &str) {
        if !self.quiet {
            write_people_text(&format!("{}\n", text::printable_lines(message)));
        }
    }

    /// Tells a person what to do now: said even where the rest is silenced,
    /// since the command waits for it.
    pub fn tell(&self, message: &str) {
        write_people_text(&format!("{}\n", text::printable_lines(message)));
    }

    /// Shows a code that is to be typed elsewhere, by itself and in a frame.
    pub fn show_code(&self, code: &str) {
        let code = text::printable(code);
        let line = "─".repeat(code.chars().count() + 6);
        let (bold, plain) = match self.color_err {
            true => ("\x1b[1m", "\x1b[0m"),
            false => ("", ""),
        };
        write_people_text(&format!(
            "\n    ╭{line}╮\n    │   {bold}{code}{plain}   │\n    ╰{line}╯\n\n"
        ));
    }

    /// Tells a person something to worry about.
    pub fn warn(&self, message: &str) {
        if !self.quiet {
            let word = self.painted("33", "Warning:");
            write_people_text(&format!("{word} {}\n", text::printable_lines(message)));
        }
    }

    /// Prints an error, the one place that does. A broken pipe is silent.
    pub fn error(&self, error: &Error) {
        if is_broken_pipe(error) {
            return;
        }
        let message = error.to_string();
        if self.json {
            let object = serde_json::json!({
                "error": {
                    "code": error.kind().code(),
                    "message": message,
                    "hint": error.hint(),
                }
            });
            write_error_text(&format!("{object}\n"));
            return;
        }
        let mut lines = format!(
            "{} {}\n",
            self.painted("31", "Error:"),
            text::printable_lines(&message)
        );
        if let Some(hint) = error.hint() {
            let word = self.painted("36", "Hint:");
            lines.push_str(&format!("{word} {}\n", text::printable_lines(hint)));
        }
        write_people_text(&lines);
    }

    fn painted(&self, code: &str, word: &str) -> String {
        if self.color_err {
            format!("\x1b[1;{code}m{word}\x1b[0m")
        } else {
            word.to_owned()
        }
    }
}

/// Prints data.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(data: &str) -> Result<()> {
    write_data(data.as_bytes())
}

/// Prints a value as one line of JSON.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_json(value: &serde_json::Value) -> Result<()> {
    write_data(format!("{value}\n").as_bytes())
}

/// Prints data that holds secrets, which were gathered in a buffer that is
/// wiped.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_secret(buffer: &SecretBuffer) -> Result<()> {
    write_data(buffer.as_bytes())
}

fn write_data(data: &[u8]) -> Result<()> {
    write_all(rustix::stdio::stdout(), data).map_err(|error| {
        let pipe = error.kind() == io::ErrorKind::BrokenPipe;
        let kind = Kind::Failed;
        let message = "Cannot write to standard output";
        let error = Error::new(kind, message).with_source(error);
        if pipe {
            error
        } else {
            error.with_hint("Look where the output goes: df .")
        }
    })
}

/// Whether somebody stopped listening, which is no news to them.
pub fn is_broken_pipe(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes sentences, broken between words where they go to a terminal.
fn write_people_text(lines: &str) {
    let width = super::table::width_of(rustix::stdio::stderr());
    match width {
        Some(width) => write_error_text(&text::wrapped(lines, width)),
        None => write_error_text(lines),
    }
}

fn write_error_text(text: &str) {
    // If even this cannot be written, there is nobody left to tell.
    let _ = write_all(rustix::stdio::stderr(), text.as_bytes());
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
