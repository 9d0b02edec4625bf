//! A program that runs while the test talks to it: what it says is read as it
//! comes, and it may be given input meanwhile. Bounded in time.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::TestEnvironment;

/// Longer than `vault` takes for anything that these tests wait for.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same where a browser or a crowd is waited for.
const LONG_PATIENCE: Duration = Duration::from_secs(90);

/// A program that runs, and what it has said so far.
pub struct Running<'a> {
    /// Where what it says is searched for secrets.
    environment: Option<&'a TestEnvironment>,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<JoinHandle<String>>,
    lines: Receiver<String>,
    stderr: String,
    deadline: Instant,
}

/// What a program said, and how it ended.
pub struct Ended {
    /// The exit code, or 128 and the signal.
    pub code: i32,
    /// The data.
    pub stdout: String,
    /// What a person reads.
    pub stderr: String,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "it ended with {code}\nstdout: {stdout}\nstderr: {stderr}"
        )
    }
}

impl Ended {
    /// It must have succeeded and printed no data.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.code == 0 && self.stdout.is_empty(), "{self}");
        self
    }

    /// It must have failed with this exit code, an error and a hint.
    #[track_caller]
    pub fn fails(self, code: i32) -> Self {
        let says = |word: &str| self.stderr.contains(word);
        let is_told = says("Error: ") && says("\nHint: ");
        assert!(self.code == code && is_told, "not exit {code}: {self}");
        assert!(self.stdout.is_empty(), "data: {self}");
        self
    }

    /// What a person reads must have this in it.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "not {text:?}: {self}");
        self
    }
}

impl<'a> Running<'a> {
    /// Starts it, without anything to read.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::begin(None, command, LONG_PATIENCE)
    }

    /// Starts it at a pipe that stays open.
    pub(super) fn at_pipe(environment: &'a TestEnvironment, mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        Self::begin(Some(environment), command, PATIENCE)
    }

    /// Starts it with nothing to read, and nobody to ask.
    pub(super) fn alone(environment: &'a TestEnvironment, mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::begin(Some(environment), command, PATIENCE)
    }

    fn begin(
        environment: Option<&'a TestEnvironment>,
        mut command: Command,
        patience: Duration,
    ) -> Self {
        heed_interrupts();
        let mut child = command
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
            environment,
            stdin: child.stdin.take(),
            child,
            stdout: Some(stdout),
            lines,
            stderr: String::new(),
            deadline: Instant::now() + patience,
        }
    }

    /// Gives it something to read; the pipe stays open.
    pub fn types(&mut self, text: &str) {
        let pipe = self.stdin.as_mut().unwrap();
        pipe.write_all(text.as_bytes()).unwrap();
    }

    /// Sends it a signal.
    pub fn signals(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Reads what a person would until `find` finds what it looks for.
    #[track_caller]
    pub fn wait_for<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        loop {
            if let Some(found) = find(&self.stderr) {
                return found;
            }
            assert!(self.reads_line(), "no {what} in {:?}", self.stderr);
        }
    }

    /// Whether it has not ended yet.
    pub fn is_going_on(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        while self.reads_line() {}
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < self.deadline,
                "it does not end; it said {:?}",
                self.stderr
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        let code = status.code();
        let ended = Ended {
            code: code.unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: self.stdout.take().unwrap().join().unwrap(),
            stderr: std::mem::take(&mut self.stderr),
        };
        assert!(!ended.stderr.contains("on an error of its own"), "{ended}");
        if let Some(environment) = self.environment {
            environment.look_into(ended.stdout.as_bytes(), "standard output");
            environment.look_into(ended.stderr.as_bytes(), "standard error");
        }
        ended
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

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Nothing where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who starts us in the background of a shell has us ignore SIGINT, and what
/// we start would too. A signal with a handler is its own again in a child;
/// here the handler does what the system does.
fn heed_interrupts() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let always = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let interrupt = signal_hook::consts::SIGINT;
        signal_hook::flag::register_conditional_default(interrupt, always).unwrap();
    });
}
