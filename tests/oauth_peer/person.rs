//! A person at a browser (`browser.mjs`), and a program that talks to that
//! person while it runs. Both are bounded in time.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::peer::{chromium, script};

/// Longer than the browser gives itself.
const PATIENCE: Duration = Duration::from_secs(90);

/// One browser at a time, or a small machine is busy with nothing else.
static BROWSER: Mutex<()> = Mutex::new(());

/// Whoever sits at the browser. Take one before starting what waits for it.
pub struct Person {
    _seat: MutexGuard<'static, ()>,
}

impl Person {
    /// Waits until the browser is free.
    pub fn sits_down() -> Self {
        Self {
            _seat: BROWSER.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Opens an address, logs in and agrees; the text of the last page.
    pub fn agrees_at(&self, address: &str) -> String {
        Self::browse(&[address])
    }

    /// Opens an address, logs in and does not agree; the text of the last page.
    pub fn declines_at(&self, address: &str) -> String {
        Self::browse(&["--deny", address])
    }

    /// Opens a device's page, types the code, logs in and agrees.
    pub fn types_code_at(&self, address: &str, code: &str) -> String {
        Self::browse(&[address, code])
    }

    fn browse(arguments: &[&str]) -> String {
        // The browser's own files are no concern of the environment's hunt.
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("node");
        command
            .arg(script("browser.mjs"))
            .args(arguments)
            .env("PEER_CHROMIUM", chromium().unwrap())
            .env("HOME", home.path())
            .env("TMPDIR", home.path());
        for folder in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"] {
            command.env_remove(folder);
        }
        let ended = Running::start(command).end();
        assert!(ended.code == Some(0), "{}", ended.stderr);
        let shown: Value = serde_json::from_str(&ended.stdout).unwrap();
        shown["text"].as_str().unwrap().to_owned()
    }
}

/// A program that runs, and what it has said so far.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    lines: Receiver<String>,
    stderr: String,
    deadline: Instant,
}

/// What a program said, and how it ended.
pub struct Ended {
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The data.
    pub stdout: String,
    /// What a person reads.
    pub stderr: String,
}

impl Running {
    /// Starts it, without anything to read.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stdout.read_to_string(&mut text);
            text
        });
        Self {
            child,
            stdout: Some(stdout),
            lines,
            stderr: String::new(),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// Reads what a person would until `find` finds what it looks for.
    pub fn wait_for<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        loop {
            if let Some(found) = find(&self.stderr) {
                return found;
            }
            assert!(self.reads_line(), "no {what} in {:?}", self.stderr);
        }
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        while self.reads_line() {}
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(
                Instant::now() < self.deadline,
                "it does not end; it said {:?}",
                self.stderr
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        let stdout = self.stdout.take().unwrap();
        Ended {
            code,
            stdout: stdout.join().unwrap(),
            stderr: std::mem::take(&mut self.stderr),
        }
    }

    /// One more line; false at the end and when the time is over.
    fn reads_line(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let Ok(line) = self.lines.recv_timeout(left) else {
            return false;
        };
        self.stderr.push_str(&line);
        self.stderr.push('\n');
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
