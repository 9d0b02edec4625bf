//! The descriptors that the stage was given: one of them is its own, and it
//! lets go of all others but the three that are the program's.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Closes everything above standard error but this descriptor, which is
/// taken, and closed as soon as the program begins.
///
/// # Errors
/// It is no socket, or nobody can tell what else is open.
#[allow(unsafe_code)] // A descriptor by its number has no owner that the compiler knows.
pub fn keep_only(number: i32) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(rustix::io::Errno::BADF.into());
    }
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|other| *other > 2)
        .collect();
    if !open.contains(&number) {
        return Err(rustix::io::Errno::BADF.into());
    }
    for other in open.into_iter().filter(|other| *other != number) {
        // The listing's own descriptor was in the list, and is closed by now.
        if std::fs::symlink_metadata(format!("/proc/self/fd/{other}")).is_ok() {
            // SAFETY: called first thing in a new process, before it opened
            // anything of its own: nobody here owns this one.
            unsafe { rustix::io::close(other) };
        }
    }
    // SAFETY: it is open, as the list said, and nobody else here owns it.
    let ours = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::net::sockopt::socket_type(&ours)?;
    rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
    Ok(ours)
}
