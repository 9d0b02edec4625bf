//! One line on a terminal that says how far a command is. Nothing of it is
//! left when the command is done, and nothing of it goes into a file.

use std::io::{IsTerminal, stderr};

use super::output::Output;

/// A line that is written over.
pub struct Progress {
    is_shown: bool,
}

impl Progress {
    /// A line, where somebody sees it.
    pub fn new(output: &Output) -> Self {
        Self {
            is_shown: !output.quiet && !output.json && stderr().is_terminal(),
        }
    }

    /// Says something in place of what it said before.
    pub fn say(&self, text: &str) {
        if self.is_shown {
            // Back to the beginning, and away with what was there.
            let line = format!("\r\x1b[K{text}");
            let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.say("");
    }
}
