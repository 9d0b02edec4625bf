//! The person at `/dev/tty`, if there is one.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::output::Output;
use super::signals::{Signals, Watch};
use crate::error::{Error, Kind, Result};
use crate::seal::PluginPrompt;
use crate::secret::{Secret, SecretBuffer};
use crate::text::printable_lines;
use crate::unlock::Ask;

/// How to ask, unless asking is forbidden.
#[derive(Debug, Clone)]
pub struct Terminal {
    output: Output,
    no_input: bool,
    /// Each notice is given once, however often a command meets its cause.
    said: Arc<Mutex<HashSet<String>>>,
    signals: Signals,
}

impl Terminal {
    /// Asks nobody where `no_input` is set.
    pub fn new(output: Output, no_input: bool) -> Self {
        Self {
            output,
            no_input,
            said: Arc::default(),
            signals: Signals::default(),
        }
    }

    /// One that asks nothing and says nothing, for `doctor`.
    pub fn silent() -> Self {
        let output = Output {
            json: false,
            quiet: true,
            color_err: false,
            color_out: false,
        };
        Self::new(output, true)
    }

    /// Keeps Ctrl-C and its like from ending the program until what this
    /// gives is dropped. Where that cannot be had, things go on without.
    pub fn undisturbed(&self) -> Box<dyn std::any::Any> {
        Box::new(self.signals.hold().ok())
    }

    /// From here on no signal ends the program by what stands here: a child
    /// has the terminal, and who waits for it decides.
    pub fn give_over(&self) {
        self.signals.give_over();
    }

    /// Warns of something once.
    pub fn warn_once(&self, message: &str) {
        if self.is_new(message) {
            self.output.warn(message);
        }
    }

    fn is_new(&self, message: &str) -> bool {
        self.said
            .lock()
            .is_ok_and(|mut said| said.insert(message.to_owned()))
    }

    /// Whether somebody can be asked.
    pub fn is_there(&self) -> bool {
        !self.no_input
            && OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/tty")
                .is_ok()
    }

    /// Asks for a secret that is shown as stars while it is typed or pasted;
    /// `None` where nobody can be asked.
    ///
    /// # Errors
    /// The person broke off, or the terminal failed.
    pub fn ask_masked(&self, prompt: &str) -> Result<Option<Secret>> {
        self.ask_secret(prompt, Some('*'))
    }

    /// Asks for a new passphrase twice; `None` where nobody can be asked.
    ///
    /// # Errors
    /// The person broke off, or typed two different ones.
    pub fn ask_new_passphrase(&self, prompt: &str) -> Result<Option<Secret>> {
        let Some(first) = self.ask_secret(prompt, None)? else {
            return Ok(None);
        };
        if first.is_empty() {
            return Ok(Some(first));
        }
        let again = self.ask_secret("The same once more: ", None)?;
        if again.is_some_and(|again| again.matches(&first)) {
            Ok(Some(first))
        } else {
            Err(Error::new(Kind::InvalidInput, "The two passphrases differ")
                .with_hint("Nothing was changed. Run the command again."))
        }
    }

    /// Asks for something that may be seen; `None` where nobody can be asked.
    ///
    /// # Errors
    /// The person broke off, or the terminal failed.
    pub fn ask_plain(&self, prompt: &str) -> Result<Option<Secret>> {
        let answer = self.ask_line(prompt)?;
        Ok(answer.map(|answer| Secret::from(answer.trim().to_owned())))
    }

    /// Reads one line that may be seen, while something else goes on: from the
    /// terminal, or from a pipe where there is none. `None` where nobody is
    /// to be asked.
    pub fn line_reader(&self) -> Option<LineReader> {
        if self.no_input {
            return None;
        }
        match File::open("/dev/tty") {
            Ok(terminal) => Some(LineReader::of(terminal.into())),
            Err(_) if super::input::stdin_speaks() => {
                let stdin = rustix::io::dup(rustix::stdio::stdin()).ok()?;
                Some(LineReader::of(stdin))
            }
            Err(_) => None,
        }
    }

    /// Asks a question that is answered with yes or no; no where nobody can
    /// be asked.
    ///
    /// # Errors
    /// The terminal failed.
    pub fn ask_yes(&self, question: &str) -> Result<bool> {
        let answer = self.ask_line(&format!("{question} [y/N] "))?;
        Ok(answer.is_some_and(|answer| matches!(&*answer.trim().to_lowercase(), "y" | "yes")))
    }

    fn ask_line(&self, prompt: &str) -> Result<Option<String>> {
        if self.no_input {
            return Ok(None);
        }
        let Ok(mut terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
            return Ok(None);
        };
        let mut answer = String::new();
        terminal
            .write_all(printable_lines(prompt).as_bytes())
            .and_then(|()| BufReader::new(&terminal).read_line(&mut answer))
            .map_err(|error| failed(error.into()))?;
        Ok(Some(answer))
    }

    fn ask_secret(&self, prompt: &str, mask: Option<char>) -> Result<Option<Secret>> {
        if !self.is_there() {
            return Ok(None);
        }
        let _quiet = Quiet::now(&self.signals).map_err(|error| failed(error.into()))?;
        let config = rpassword::ConfigBuilder::new();
        let config = match mask {
            Some(mask) => config.password_feedback_mask(mask),
            None => config.password_feedback_hide(),
        };
        let prompt = printable_lines(prompt);
        match rpassword::prompt_password_with_config(prompt, config.build()) {
            Ok(text) => Ok(Some(Secret::from(text))),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Interrupted | ErrorKind::UnexpectedEof
                ) =>
            {
                Err(Error::new(
                    Kind::Interrupted,
                    "Interrupted; nothing was changed",
                ))
            }
            Err(error) => Err(failed(error.into())),
        }
    }
}

/// Lines that are read on a thread of its own. Whoever drops it lets
/// go of the terminal soon.
pub struct LineReader {
    lines: tokio::sync::mpsc::Receiver<Secret>,
    stop: Arc<AtomicBool>,
}

impl LineReader {
    /// More than any address that is pasted.
    const LONGEST: usize = 64 * 1024;

    fn of(source: OwnedFd) -> Self {
        let (tell, lines) = tokio::sync::mpsc::channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        std::thread::spawn(move || {
            while let Some(line) = read_line(&source, &is_over) {
                // Nobody waits any more: then nobody needs it.
                if tell.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self { lines, stop }
    }

    /// The next line; never, where the other side was closed.
    pub async fn line(&mut self) -> Secret {
        match self.lines.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }
}

impl Drop for LineReader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Reads up to the end of the line; looks up now and then whether it is still
/// wanted, so that it takes nothing from the next prompt.
fn read_line(source: &OwnedFd, is_over: &AtomicBool) -> Option<Secret> {
    let now_and_then = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    let mut line = SecretBuffer::with_capacity(LineReader::LONGEST);
    while !is_over.load(Ordering::SeqCst) {
        let mut ready = [PollFd::new(source, PollFlags::IN)];
        if poll(&mut ready, Some(&now_and_then)).ok()? == 0 {
            continue;
        }
        let mut bytes = [0; 1];
        if rustix::io::read(source, &mut bytes).ok()? == 0 {
            return None;
        }
        if bytes == *b"\n" || line.as_bytes().len() == LineReader::LONGEST {
            return Secret::from_utf8(line.into_bytes()).ok();
        }
        line.push(&bytes);
    }
    None
}

/// A terminal that shows nothing of what is typed, until dropped. The library
/// turns the echo off only after its prompt: who answers at once, as a script
/// or a paste does, would see the answer.
struct Quiet {
    terminal: File,
    before: Termios,
    _watch: Watch,
}

impl Quiet {
    fn now(signals: &Signals) -> io::Result<Self> {
        let terminal = File::open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let (watched, restored) = (terminal.try_clone()?, before.clone());
        let watch = signals.watch(move || {
            let _ = tcsetattr(&watched, OptionalActions::Now, &restored);
        })?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(&terminal, OptionalActions::Now, &quiet)?;
        Ok(Self {
            terminal,
            before,
            _watch: watch,
        })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::new(Kind::Failed, "Cannot ask at the terminal").with_source(error)
}

impl Ask for Terminal {
    fn passphrase(&self, prompt: &str) -> Result<Option<Secret>> {
        self.ask_secret(prompt, None)
    }

    fn notice(&self, message: &str) {
        if self.is_new(message) {
            self.output.note(message);
        }
    }
}

impl PluginPrompt for Terminal {
    fn notice(&self, message: &str) {
        self.output.note(message);
    }

    fn secret(&self, prompt: &str) -> Option<Secret> {
        self.ask_secret(&format!("{prompt}: "), None).ok().flatten()
    }

    fn answer(&self, prompt: &str) -> Option<String> {
        let line = self.ask_line(&format!("{prompt}: ")).ok().flatten()?;
        Some(line.trim_end().to_owned())
    }

    fn confirm(&self, prompt: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let choices = format!("{prompt}\n  y: {yes}\n  n: {}\n", no.unwrap_or("no"));
        let line = self.ask_line(&format!("{choices}[y/N] ")).ok().flatten()?;
        Some(matches!(&*line.trim().to_lowercase(), "y" | "yes"))
    }
}
