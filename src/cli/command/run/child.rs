//! The program that `run` starts and waits for. It is in our process group,
//! so that the terminal is its own: what a key sends reaches it and us, and it
//! alone decides. What was sent to us alone is handed on. We never end before
//! it, it is never signalled after it is gone, and where we are killed it is
//! told to end.

use std::io;
use std::marker::PhantomData;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, waitid};
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::low_level::emulate_default_handler;

use crate::process::Inherited;
use crate::process::signals::Ignored;

/// What is handed on. Stopping (Ctrl-Z) is not among it: the terminal stops
/// both, and the shell sees that we are stopped.
const HANDED_ON: [i32; 9] = [
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
];

/// A program that runs. It stays on the thread that started it: the system
/// takes the end of that thread for the end of the parent.
pub struct Child {
    child: process::Child,
    line: Arc<Line>,
    stays_here: PhantomData<*const ()>,
}

impl Child {
    /// Starts it with the limits and ignored signals that we were started
    /// with. From here on signals are the child's, also those that come
    /// before it is there. To be called once in a process.
    ///
    /// # Errors
    /// It is not there, or cannot be executed.
    pub fn spawn(mut command: Command, inherited: &Inherited) -> io::Result<Self> {
        let line = Arc::new(Line::new(inherited));
        for signal in HANDED_ON {
            listen(signal, Arc::clone(&line))?;
        }
        // Where it is ignored, children vanish with their exit codes.
        listen_to_nothing(SIGCHLD)?;
        prepare(&mut command, inherited.clone());
        let child = command.spawn()?;
        line.connect(Pid::from_child(&child));
        Ok(Self {
            child,
            line,
            stays_here: PhantomData,
        })
    }

    /// Waits for its end: its exit code, or 128 and the signal that ended it.
    ///
    /// # Errors
    /// Its end cannot be learned.
    pub fn wait(mut self) -> io::Result<u8> {
        let id = Pid::from_child(&self.child);
        // It stays as it died until we have let go of its number, which may
        // be another process's right after.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(error) = waitid(WaitId::Pid(id), options) {
            if error != rustix::io::Errno::INTR {
                self.line.disconnect();
                return Err(error.into());
            }
        }
        self.line.disconnect();
        let status = self.child.wait()?;
        let code = match (status.code(), status.signal()) {
            (Some(code), _) => code,
            (None, signal) => 128 + signal.unwrap_or_default(),
        };
        Ok(u8::try_from(code).unwrap_or(u8::MAX))
    }
}

/// The way of a signal from us to the child. Everything here happens in
/// signal handlers: numbers that are read and written in one step, and `kill`.
struct Line {
    parent: Pid,
    /// Whether a hangup comes to us alone, as to the first of a session.
    leads_session: bool,
    ignored: Ignored,
    /// The child's number; 0 before it is there and after it is gone.
    child: AtomicI32,
    /// What came and is not handed on yet, a bit each.
    waiting: AtomicU64,
    /// How many handlers are at work right now.
    busy: AtomicU32,
}

impl Line {
    fn new(inherited: &Inherited) -> Self {
        let parent = getpid();
        Self {
            parent,
            leads_session: crate::process::leads_session(),
            ignored: inherited.ignored(),
            child: AtomicI32::new(0),
            waiting: AtomicU64::new(0),
            busy: AtomicU32::new(0),
        }
    }

    fn connect(&self, child: Pid) {
        self.child
            .store(child.as_raw_nonzero().get(), Ordering::SeqCst);
        self.hand_on();
    }

    /// Nothing is sent once this returns.
    fn disconnect(&self) {
        self.child.store(0, Ordering::SeqCst);
        while self.busy.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
    }

    /// In the handler. `code` is the system's word on where it came from.
    fn hear(&self, signal: i32, code: i32) {
        if getpid() != self.parent {
            // The child, before it has become its program: what the program
            // would do, which has no handlers yet.
            if !self.ignored.has(signal) {
                let _ = emulate_default_handler(signal);
            }
            return;
        }
        let is_there = self.child.load(Ordering::SeqCst) != 0;
        if is_there && self.child_has_it(signal, code) {
            return;
        }
        if let Some(bit) = 1_u64.checked_shl(signal.unsigned_abs()) {
            self.waiting.fetch_or(bit, Ordering::SeqCst);
        }
        self.hand_on();
    }

    /// Sends what waits. A signal is noted before the child's number is read
    /// here, and the number before this is called by `connect`: whoever comes
    /// second finds both.
    fn hand_on(&self) {
        self.busy.fetch_add(1, Ordering::SeqCst);
        if let Some(child) = Pid::from_raw(self.child.load(Ordering::SeqCst)) {
            let waiting = self.waiting.swap(0, Ordering::SeqCst);
            for number in HANDED_ON {
                let is_waiting = waiting & (1 << number) != 0;
                if let Some(signal) = Signal::from_named_raw(number).filter(|_| is_waiting) {
                    let _ = kill_process(child, signal);
                }
            }
        }
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether the terminal sent it, to us and to the child alike. Codes above
    /// 0 are the kernel's; what a process sends has others.
    #[cfg(target_os = "linux")]
    fn child_has_it(&self, signal: i32, code: i32) -> bool {
        let is_of_terminal = match signal {
            SIGINT | SIGQUIT | SIGWINCH => true,
            SIGHUP => !self.leads_session,
            // An alarm that was set before we were executed is ours alone.
            _ => false,
        };
        is_of_terminal && code > 0
    }

    /// Elsewhere the code does not tell. What a terminal can send is the
    /// terminal's.
    #[cfg(not(target_os = "linux"))]
    fn child_has_it(&self, signal: i32, _code: i32) -> bool {
        match signal {
            SIGINT | SIGQUIT | SIGWINCH => has_terminal(),
            SIGHUP => !self.leads_session && has_terminal(),
            _ => false,
        }
    }
}

/// Whether a terminal can send us signals at all.
#[cfg(not(target_os = "linux"))]
fn has_terminal() -> bool {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOCTTY;
    rustix::fs::open(c"/dev/tty", flags, rustix::fs::Mode::empty()).is_ok()
}

#[allow(unsafe_code)] // A signal handler.
fn listen(signal: i32, line: Arc<Line>) -> io::Result<()> {
    // SAFETY: the handler reads and writes atomic numbers and makes system
    // calls; it allocates nothing, takes no lock and does not panic.
    unsafe {
        signal_hook_registry::register_sigaction(signal, move |info| {
            line.hear(signal, info.si_code);
        })?;
    }
    Ok(())
}

#[allow(unsafe_code)] // A signal handler.
fn listen_to_nothing(signal: i32) -> io::Result<()> {
    // SAFETY: the handler does nothing.
    unsafe { signal_hook_registry::register(signal, || ())? };
    Ok(())
}

/// What the child does before it becomes its program.
#[allow(unsafe_code)] // `pre_exec`
fn prepare(command: &mut Command, inherited: Inherited) {
    #[cfg(target_os = "linux")]
    let parent = getpid();
    let last_steps = move || {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{getppid, set_parent_process_death_signal};
            set_parent_process_death_signal(Some(Signal::TERM))?;
            // It may be gone already, and nobody would tell. (A parent outside
            // of our own namespace of processes has no number.)
            if getppid().is_some_and(|now| now != parent) {
                return Err(rustix::io::Errno::SRCH.into());
            }
        }
        inherited.restore()
    };
    // SAFETY: between fork and exec there are only system calls, with values
    // that were made before; nothing is allocated, and no lock is taken.
    unsafe { command.pre_exec(last_steps) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            parent: getpid(),
            leads_session: false,
            ignored: Ignored::default(),
            child: AtomicI32::new(0),
            waiting: AtomicU64::new(0),
            busy: AtomicU32::new(0),
        }
    }

    fn sleeper() -> process::Child {
        Command::new("sleep").arg("1000").spawn().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_terminal_sends_is_the_childs_already_and_nothing_else_is() {
        const BY_KERNEL: i32 = 0x80;
        const BY_KILL: i32 = 0;
        let mut line = line();
        for signal in [SIGINT, SIGQUIT, SIGWINCH, SIGHUP] {
            assert!(line.child_has_it(signal, BY_KERNEL), "{signal}");
        }
        for signal in HANDED_ON {
            assert!(!line.child_has_it(signal, BY_KILL), "{signal}");
        }
        // The kernel's too, and to one process each.
        for signal in [SIGALRM, SIGTERM, SIGCONT] {
            assert!(!line.child_has_it(signal, BY_KERNEL), "{signal}");
        }
        line.leads_session = true;
        assert!(!line.child_has_it(SIGHUP, BY_KERNEL));
    }

    #[test]
    fn a_signal_that_comes_before_the_child_is_handed_on_when_it_is_there() {
        let line = line();
        // Even one of the terminal: nobody was there to get it. Not SIGINT,
        // which programs in the background are often started to ignore.
        line.hear(SIGUSR1, 0x80);
        let mut child = sleeper();
        line.connect(Pid::from_child(&child));
        assert_eq!(child.wait().unwrap().signal(), Some(SIGUSR1));
    }

    #[test]
    fn nothing_is_sent_to_a_child_that_is_gone() {
        let line = line();
        let mut other = sleeper();
        line.connect(Pid::from_child(&other));
        line.disconnect();
        // Its number is somebody else's from here on, as far as we know.
        line.hear(SIGTERM, 0);
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        assert_eq!(other.wait().unwrap().signal(), Some(9));
    }
}
