//! What this process tells the system about itself: that its memory is not to
//! be dumped, read by its neighbours, or written to swap; and what it was given
//! by whoever started it, for its own children.

pub mod isolate;
pub mod signals;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::time::Duration;

use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd};
use rustix::param::page_size;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit, test_kill_process};

use crate::secret::SecretBuffer;

/// What this process was started with, for the children that should have it
/// back.
#[derive(Debug, Clone)]
pub struct Inherited {
    core: Rlimit,
    ignored: signals::Ignored,
}

/// Makes this process undumpable and forbids core files. Called before
/// anything secret is read.
///
/// # Errors
/// The system refused, which it has no reason to do.
pub fn harden() -> io::Result<Inherited> {
    let core = getrlimit(Resource::Core);
    let ignored = signals::Ignored::now();
    // The soft limit only: the hard one stays, so that children can have
    // their setting back.
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: core.maximum,
        },
    )?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(Inherited { core, ignored })
}

impl Inherited {
    /// Gives this process back its core limit and the signals that it was to
    /// ignore, just before it becomes the child. (Executing a program makes
    /// the process dumpable again.) Calls nothing that a child must not call
    /// between fork and exec.
    ///
    /// # Errors
    /// The system refused to raise the soft limit to what it was.
    pub fn restore(&self) -> io::Result<()> {
        self.ignored.restore();
        Ok(setrlimit(Resource::Core, self.core)?)
    }

    /// The signals that we were told to ignore.
    pub fn ignored(&self) -> signals::Ignored {
        self.ignored
    }
}

/// Whether this process could be dumped right now, for `doctor`.
pub fn is_dumpable() -> bool {
    let core_allowed = getrlimit(Resource::Core).current != Some(0);
    #[cfg(target_os = "linux")]
    let dumpable = !matches!(
        rustix::process::dumpable_behavior(),
        Ok(rustix::process::DumpableBehavior::NotDumpable)
    );
    #[cfg(not(target_os = "linux"))]
    let dumpable = false;
    core_allowed || dumpable
}

/// The user this process acts for.
pub fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether we are the first process of our session.
///
/// On Linux this is read from `/proc`: where the session's first process is
/// outside of our PID namespace (a container's, `unshare -p`), `getsid` answers
/// 0, and rustix takes that for a number that cannot be.
#[cfg(target_os = "linux")]
pub fn leads_session() -> bool {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // proc(5): the number, the name in parentheses (which may hold anything),
    // then state, parent, group, session.
    let Some((before, after)) = stat.rsplit_once(')') else {
        return false;
    };
    let number = before.split(' ').next();
    number.is_some() && number == after.split_ascii_whitespace().nth(3)
}

/// Whether we are the first process of our session.
#[cfg(not(target_os = "linux"))]
pub fn leads_session() -> bool {
    rustix::process::getsid(None).is_ok_and(|leader| leader == rustix::process::getpid())
}

/// Whether a process with this number runs, whoever it belongs to.
pub fn is_alive(number: u32) -> bool {
    let id = i32::try_from(number).ok().and_then(Pid::from_raw);
    id.is_some_and(|id| test_kill_process(id) != Err(rustix::io::Errno::SRCH))
}

/// A clock that goes on while the machine sleeps, so that a closed lid does
/// not stretch what is to end.
pub fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Bytes on a page of their own that is never written to swap nor to a core
/// file, where the system grants that, and wiped when dropped.
pub struct LockedBytes {
    page: Box<[u8]>,
    start: usize,
    length: usize,
    locked: bool,
}

impl LockedBytes {
    /// Takes a copy of `bytes`, which must fit a page.
    pub fn new(bytes: &[u8]) -> Self {
        let size = page_size();
        assert!(bytes.len() <= size, "one key fits one page");
        // Three pages hold one whole aligned page, wherever the heap puts them.
        let mut page = vec![0; 3 * size].into_boxed_slice();
        let start = size - page.as_ptr().addr() % size;
        let locked = lock_page(&mut page[start..start + size]);
        page[start..start + bytes.len()].copy_from_slice(bytes);
        Self {
            page,
            start,
            length: bytes.len(),
            locked,
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.page[self.start..self.start + self.length]
    }

    /// Whether the system keeps them out of swap.
    pub fn is_locked(&self) -> bool {
        self.locked
    }
}

impl Drop for LockedBytes {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.page.zeroize();
    }
}

/// Keeps one aligned page out of swap and out of core files.
#[allow(unsafe_code)] // mlock and madvise take an address.
fn lock_page(page: &mut [u8]) -> bool {
    let address = page.as_mut_ptr().cast();
    // SAFETY: the range is one whole page inside a live allocation that we
    // own; neither call changes its content, and a lock may outlive its use.
    unsafe {
        #[cfg(target_os = "linux")]
        let _ = rustix::mm::madvise(address, page.len(), rustix::mm::Advice::LinuxDontDump);
        rustix::mm::mlock(address, page.len()).is_ok()
    }
}

/// Keeps a descriptor that we were given from the programs that we start and
/// the one that we become.
pub fn close_on_exec(number: u32) {
    // One that cannot be marked is of no use to a child either.
    let _ = with_descriptor(number, |descriptor| {
        Ok(rustix::io::fcntl_setfd(
            descriptor,
            rustix::io::FdFlags::CLOEXEC,
        )?)
    });
}

/// Reads a descriptor that whoever started us left open, to its end. Opening
/// it anew by its name would not do: a socket has none.
///
/// # Errors
/// It is not open, cannot be read, or gives more than `limit` bytes.
pub fn read_descriptor(number: u32, limit: usize) -> io::Result<SecretBuffer> {
    with_descriptor(number, |descriptor| {
        SecretBuffer::read_from(descriptor, 0, limit)
    })
}

/// Takes a descriptor that whoever started us left open for us, and keeps it
/// from our own children.
///
/// # Errors
/// It is not open.
#[allow(unsafe_code)] // A descriptor by its number has no owner that the compiler knows.
pub fn take_descriptor(number: u32) -> io::Result<OwnedFd> {
    with_descriptor(number, |descriptor| {
        Ok(rustix::io::fcntl_setfd(
            descriptor,
            rustix::io::FdFlags::CLOEXEC,
        )?)
    })?;
    let number = i32::try_from(number).map_err(|_| rustix::io::Errno::BADF)?;
    // SAFETY: it is open, it was handed to this process to own, and the caller
    // takes each number once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[allow(unsafe_code)] // A descriptor by its number has no owner that the compiler knows.
fn with_descriptor<T>(
    number: u32,
    act: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
) -> io::Result<T> {
    std::fs::symlink_metadata(format!("/dev/fd/{number}"))?;
    let number = i32::try_from(number).map_err(|_| rustix::io::Errno::BADF)?;
    // SAFETY: it is open, and borrowed for the length of a call that does not
    // close it.
    act(unsafe { BorrowedFd::borrow_raw(number) })
}

/// The system's allocator, which wipes every block before it gives it back: a
/// copy of a secret that a library made does not outlive its use either.
pub struct WipingAllocator;

#[allow(unsafe_code)] // An allocator is an unsafe trait of raw memory.
// SAFETY: every block comes from `System` and returns to it with its own
// layout. `realloc` is the trait's own, made of these, so that a block that
// moves is wiped where it was.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is ours alone until the last line, and as large as
        // its layout says. The barrier keeps the compiler from leaving out
        // writes that nobody reads before the block is gone.
        unsafe {
            block.write_bytes(0, layout.size());
            zeroize::optimization_barrier(&*block);
            System.dealloc(block, layout);
        }
    }
}

/// Closes every descriptor above standard error, so that a process that goes
/// on in the background holds no file, lock or pipe of whoever started it.
#[allow(unsafe_code)] // A descriptor by its number has no owner that the compiler knows.
pub fn close_inherited_descriptors() {
    let Ok(entries) = std::fs::read_dir("/dev/fd") else {
        return;
    };
    let open: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in open {
        // The listing's own descriptor was in the list, and is closed by now.
        if std::fs::symlink_metadata(format!("/dev/fd/{number}")).is_ok() {
            // SAFETY: called first thing in a new process, before it opened
            // anything of its own: nobody here owns this descriptor.
            unsafe { rustix::io::close(number) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_bytes_hold_what_they_were_given() {
        let bytes = LockedBytes::new(b"AGE-SECRET-KEY-FAKE");
        assert_eq!(bytes.as_bytes(), b"AGE-SECRET-KEY-FAKE");
        let whole = vec![7; page_size()];
        let locked = LockedBytes::new(&whole);
        assert_eq!(locked.as_bytes(), whole);
        assert_eq!(locked.as_bytes().as_ptr().addr() % page_size(), 0);
    }

    #[test]
    fn a_process_is_alive_until_it_is_gone() {
        assert!(is_alive(std::process::id()));
        assert!(is_alive(1));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let number = child.id();
        child.wait().unwrap();
        assert!(!is_alive(number));
        assert!(!is_alive(0) && !is_alive(u32::MAX));
    }

    #[test]
    fn a_descriptor_is_read_where_it_stands_and_stays_open() {
        use std::io::{Read, Seek, Write};
        use std::os::fd::AsRawFd;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before words").unwrap();
        file.seek(io::SeekFrom::Start(7)).unwrap();
        let number = u32::try_from(file.as_raw_fd()).unwrap();
        assert_eq!(read_descriptor(number, 100).unwrap().as_bytes(), b"words");
        file.rewind().unwrap();
        let mut whole = String::new();
        file.read_to_string(&mut whole).unwrap();
        assert_eq!(whole, "before words");
        assert!(read_descriptor(987, 100).is_err());
    }
}
