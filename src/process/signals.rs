//! Which signals this process was told to ignore. One that got a handler here
//! would not be ignored in a child, which inherits ignoring and no handler;
//! so it is put back there as it was. (SIGPIPE is not among them: the
//! standard library ignores it before anything of ours runs, and gives it to
//! a child as the system's default. The mask it leaves alone.)

use std::ffi::{c_int, c_void};

use rustix::process::Signal;

/// The signals that a shell, `nohup` or a service manager may have told us to
/// ignore, and that this program has handlers for at some time.
const WATCHED: [Signal; 14] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::CONT,
    Signal::WINCH,
    Signal::TSTP,
    Signal::TTIN,
    Signal::TTOU,
    Signal::CHILD,
    Signal::XFSZ,
];

/// Larger than any system's `struct sigaction`.
#[repr(C, align(16))]
struct Room([usize; 32]);

impl Room {
    const EMPTY: Self = Self([0; 32]);
}

const IGNORE: usize = 1;
#[allow(unsafe_code)] // POSIX functions that rustix has no safe form of.
// SAFETY: the signatures are those of POSIX, with the structures' types left
// open; the standard library links the C library.
unsafe extern "C" {
    fn sigaction(signal: c_int, new: *const c_void, old: *mut c_void) -> c_int;
    fn signal(signal: c_int, handler: usize) -> usize;
}

/// The signals that are ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ignored(u64);

impl Ignored {
    /// Those of the watched ones that are ignored now. Asked before anything
    /// here has a handler, it is what whoever started us wanted.
    pub fn now() -> Self {
        let ignored = WATCHED.into_iter().filter(|signal| is_ignored(*signal));
        Self(ignored.fold(0, |bits, signal| bits | bit(signal)))
    }

    /// Whether this one is among them.
    pub fn has(self, number: c_int) -> bool {
        u32::try_from(number)
            .ok()
            .and_then(|number| 1_u64.checked_shl(number))
            .is_some_and(|bit| self.0 & bit != 0)
    }

    /// Ignores them again. Calls nothing that a child must not call before it
    /// executes its program.
    #[allow(unsafe_code)]
    pub fn restore(self) {
        for watched in WATCHED {
            if self.0 & bit(watched) != 0 {
                // SAFETY: `signal` is async-signal-safe, and to ignore a
                // signal needs no handler that could be gone.
                unsafe { signal(watched.as_raw(), IGNORE) };
            }
        }
    }
}

fn bit(signal: Signal) -> u64 {
    1 << signal.as_raw()
}

/// Both C libraries of Linux and that of macOS have the handler's address at
/// the beginning of the structure.
#[allow(unsafe_code)]
fn is_ignored(signal: Signal) -> bool {
    let mut room = Room::EMPTY;
    // SAFETY: nothing is set; what is written fits the room.
    let result = unsafe { sigaction(signal.as_raw(), std::ptr::null(), (&raw mut room.0).cast()) };
    result == 0 && room.0[0] == IGNORE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_known_and_can_be_ignored_again() {
        // One that no other test has a use for.
        let ignored = Ignored(bit(Signal::XFSZ));
        assert!(!Ignored::now().has(Signal::XFSZ.as_raw()));
        ignored.restore();
        assert!(Ignored::now().has(Signal::XFSZ.as_raw()));
        assert!(!ignored.has(Signal::TERM.as_raw()) && !ignored.has(-1) && !ignored.has(1000));
    }
}
