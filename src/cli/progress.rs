//! One line on a terminal that says how far a command is. Nothing of it is
//! left when the command is done, and nothing of it goes into a file.

use std::io::{IsTerminal, stderr};

use super::context::Context;

/// A line that is written over.
pub struct Progress {
    is_shown: bool,
}

impl Progress {
    /// A line, where somebody sees it.
    pub fn new(context: &Context) -> Self {
        let output = &context.output;
        let is_plain = context.environment.dumb_terminal;
        Self {
            is_shown: !output.quiet && !output.json && !is_plain && stderr().is_terminal(),
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
