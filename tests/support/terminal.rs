//! A terminal for tests of prompts: a pseudo-terminal that the program has as
//! its controlling one. Nothing here sleeps; it reads until what it waits for
//! is there, and gives up at a deadline.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::{Run, TestEnvironment};

const PATIENCE: Duration = Duration::from_secs(20);

/// A program at a terminal, and what the terminal shows.
pub struct Terminal<'a> {
    environment: &'a TestEnvironment,
    master: File,
    /// Ours too, so that the terminal's settings outlive the program.
    slave: File,
    child: Child,
    shown: Vec<u8>,
    read_to: usize,
}

/// How a program at a terminal ended.
pub struct Ended {
    /// The exit code, or 128 and the signal.
    pub code: i32,
    /// Everything that the terminal showed.
    pub shown: String,
    /// What went to standard output, a pipe.
    pub stdout: String,
    /// Whether the terminal shows what is typed.
    pub echoes: bool,
}

impl<'a> Terminal<'a> {
    /// Starts `command` with the terminal as its controlling one and its
    /// standard error, and as its standard input where nothing is fed.
    #[allow(unsafe_code)] // `pre_exec`
    pub(super) fn start(
        environment: &'a TestEnvironment,
        mut command: Command,
        stdin: &[u8],
    ) -> Self {
        let master: OwnedFd =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(rustix::fs::OFlags::NOCTTY.bits().cast_signed())
            .open(std::ffi::OsStr::from_bytes(name.as_bytes()))
            .unwrap();
        let controlling = slave.try_clone().unwrap();
        command
            .stdout(Stdio::piped())
            .stderr(slave.try_clone().unwrap());
        if stdin.is_empty() {
            command.stdin(slave.try_clone().unwrap());
        } else {
            command.stdin(Stdio::piped());
        }
        // SAFETY: two system calls, and nothing else.
        unsafe {
            command.pre_exec(move || {
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(&controlling)?;
                Ok(())
            });
        }
        let mut child = command.spawn().unwrap();
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(stdin).unwrap();
        }
        Self {
            environment,
            master: master.into(),
            slave,
            child,
            shown: Vec::new(),
            read_to: 0,
        }
    }

    /// Reads until the terminal shows `text`, after what was waited for last.
    pub fn wait_for(&mut self, text: &str) -> &mut Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let new = &self.shown[self.read_to..];
            if let Some(at) = new
                .windows(text.len())
                .position(|window| window == text.as_bytes())
            {
                self.read_to += at + text.len();
                return self;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && self.read(left),
                "the terminal does not show {text:?} but {:?}",
                String::from_utf8_lossy(&self.shown)
            );
        }
    }

    /// Reads until `find` finds what it looks for in all that was shown.
    pub fn wait_until<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = String::from_utf8_lossy(&self.shown);
            if let Some(found) = find(&shown) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && self.read(left),
                "no {what}: the terminal shows {:?}",
                String::from_utf8_lossy(&self.shown)
            );
        }
    }

    /// Types something.
    pub fn types(&mut self, text: &str) -> &mut Self {
        self.master.write_all(text.as_bytes()).unwrap();
        self
    }

    /// Sends the program a signal.
    pub fn signals(&mut self, signal: rustix::process::Signal) -> &mut Self {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
        self
    }

    /// Whether the terminal shows what is typed.
    pub fn echoes(&self) -> bool {
        let settings = tcgetattr(&self.slave).unwrap();
        settings.local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                panic!(
                    "it does not end; the terminal shows {:?}",
                    String::from_utf8_lossy(&self.shown)
                );
            }
            // Its pipe and the terminal must be emptied for it to go on.
            self.read(Duration::from_millis(5));
        };
        while self.read(Duration::ZERO) {}
        let mut stdout = String::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout).unwrap();
        }
        self.environment.look_into(&self.shown, "the terminal");
        let code = status.code();
        Ended {
            code: code.unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            shown: String::from_utf8_lossy(&self.shown).into_owned(),
            stdout,
            echoes: self.echoes(),
        }
    }

    /// Takes in what the terminal shows within this time; false where there
    /// is nothing.
    fn read(&mut self, patience: Duration) -> bool {
        let timeout = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap(),
            tv_nsec: patience.subsec_nanos().into(),
        };
        let mut ready = [PollFd::new(&self.master, PollFlags::IN)];
        if !poll(&mut ready, Some(&timeout)).is_ok_and(|count| count > 0) {
            return false;
        }
        let mut chunk = [0; 4096];
        match self.master.read(&mut chunk) {
            Ok(count) => self.shown.extend(&chunk[..count]),
            Err(_) => return false,
        }
        true
    }
}

/// What a terminal of so many columns shows, standard output and error alike.
pub fn shown_at(run: Run<'_>, columns: u16) -> String {
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
