//! What ends the program while a prompt has the terminal: the terminal is put
//! back first.
//!
//! The handlers stay once they are there. (To take one away again does not
//! bring back what the signal did before: it is then ignored.) While no prompt
//! is open, they do what the system does by itself.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::Shutdown;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::low_level::{self, emulate_default_handler};
use signal_hook::{SigId, flag};

const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
/// What else must not come between a question and its answer.
const STOPPING: [i32; 2] = [SIGQUIT, SIGTSTP];
/// How long a prompt that reads Ctrl-C has to end by itself.
const PROMPTS_TURN: Duration = Duration::from_millis(500);

/// The handlers of this process, made at the first prompt.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Set while no prompt is open.
    unwatched: Arc<AtomicBool>,
    registered: Arc<Mutex<bool>>,
    /// Set while signals are not held.
    unheld: Arc<AtomicBool>,
    /// The same for SIGQUIT, which ends the program where the other one of
    /// its kind only stops it.
    unended: Arc<AtomicBool>,
    stopping_registered: Arc<Mutex<bool>>,
    /// Set once somebody else decides what ends the program.
    given_over: Arc<AtomicBool>,
}

impl Signals {
    /// Runs `restore` before a signal ends the program, until the watch is
    /// dropped.
    pub fn watch(&self, restore: impl Fn() + Send + 'static) -> io::Result<Watch> {
        self.register()?;
        let (heard, speaks) = UnixStream::pair()?;
        let which = Arc::new(AtomicUsize::new(0));
        let mut handlers = Vec::new();
        for signal in ENDING {
            let number = usize::try_from(signal).unwrap_or_default();
            handlers.push(flag::register_usize(signal, Arc::clone(&which), number)?);
            handlers.push(low_level::pipe::register(signal, speaks.try_clone()?)?);
        }
        let thread = thread::spawn(move || wait(heard, &which, &restore));
        self.unwatched.store(false, Ordering::SeqCst);
        Ok(Watch {
            unwatched: Arc::clone(&self.unwatched),
            given_over: Arc::clone(&self.given_over),
            handlers,
            speaks,
            thread: Some(thread),
        })
    }

    /// Keeps a signal from ending the program until what this gives is
    /// dropped; one that came meanwhile then does.
    pub fn hold(&self) -> io::Result<Held> {
        let which = Arc::new(AtomicUsize::new(0));
        let mut handlers = Vec::new();
        if self.is_given_over() {
            return Ok(Held {
                free: Vec::new(),
                handlers,
                which,
            });
        }
        self.register()?;
        self.register_stopping()?;
        for signal in ENDING.into_iter().chain(STOPPING) {
            let number = usize::try_from(signal).unwrap_or_default();
            handlers.push(flag::register_usize(signal, Arc::clone(&which), number)?);
        }
        self.unwatched.store(false, Ordering::SeqCst);
        self.unheld.store(false, Ordering::SeqCst);
        self.unended.store(false, Ordering::SeqCst);
        let free = [&self.unwatched, &self.unheld, &self.unended];
        Ok(Held {
            free: free.into_iter().map(Arc::clone).collect(),
            handlers,
            which,
        })
    }

    /// From here on nothing here ends the program, nor a prompt or a hold
    /// that is over: whoever calls this has handlers of its own. Ctrl-Z stops
    /// the program as before.
    pub fn give_over(&self) {
        self.given_over.store(true, Ordering::SeqCst);
        self.unwatched.store(false, Ordering::SeqCst);
        self.unended.store(false, Ordering::SeqCst);
    }

    fn is_given_over(&self) -> bool {
        self.given_over.load(Ordering::SeqCst)
    }

    fn register_stopping(&self) -> io::Result<()> {
        let registered = self.stopping_registered.lock();
        let mut registered = registered.unwrap_or_else(PoisonError::into_inner);
        if !*registered {
            self.unheld.store(true, Ordering::SeqCst);
            self.unended.store(true, Ordering::SeqCst);
            for (signal, free) in [(SIGQUIT, &self.unended), (SIGTSTP, &self.unheld)] {
                flag::register_conditional_default(signal, Arc::clone(free))?;
            }
            *registered = true;
        }
        Ok(())
    }

    fn register(&self) -> io::Result<()> {
        let mut registered = self
            .registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !*registered {
            self.unwatched
                .store(!self.is_given_over(), Ordering::SeqCst);
            for signal in ENDING {
                flag::register_conditional_default(signal, Arc::clone(&self.unwatched))?;
            }
            *registered = true;
        }
        Ok(())
    }
}

/// Signals that wait.
#[derive(Debug)]
pub struct Held {
    free: Vec<Arc<AtomicBool>>,
    handlers: Vec<SigId>,
    which: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        for free in &self.free {
            free.store(true, Ordering::SeqCst);
        }
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
        if let Ok(signal @ 1..) = i32::try_from(self.which.load(Ordering::SeqCst)) {
            let _ = emulate_default_handler(signal);
        }
    }
}

/// A prompt that is open.
#[derive(Debug)]
pub struct Watch {
    unwatched: Arc<AtomicBool>,
    given_over: Arc<AtomicBool>,
    handlers: Vec<SigId>,
    speaks: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let is_free = !self.given_over.load(Ordering::SeqCst);
        self.unwatched.store(is_free, Ordering::SeqCst);
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
        let _ = rustix::net::shutdown(&self.speaks, Shutdown::Write);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits for a signal, or for the end of the prompt.
fn wait(mut heard: UnixStream, which: &AtomicUsize, restore: &dyn Fn()) {
    let mut byte = [0];
    if !matches!(heard.read(&mut byte), Ok(1)) {
        return;
    }
    let signal = i32::try_from(which.load(Ordering::SeqCst)).unwrap_or(SIGTERM);
    if signal == SIGINT {
        // Ctrl-C is a character at a prompt, for which the prompt raises the
        // signal and then ends with a message of its own.
        let _ = heard.set_read_timeout(Some(PROMPTS_TURN));
        if matches!(heard.read(&mut byte), Ok(0)) {
            return;
        }
    }
    restore();
    let _ = emulate_default_handler(signal);
}
