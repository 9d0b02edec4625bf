//! The hidden command: makes the namespaces and becomes the program.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{
    DumpableBehavior, Signal, getegid, geteuid, getppid, set_dumpable_behavior,
    set_parent_process_death_signal,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, unshare_unsafe,
};

use super::channel::{Channel, Failure, Orders, Report, Step, Word};
use super::hide::Hidden;
use super::{ADDRESS, descriptors, network};
use crate::error::{Error, Kind, Result};
use crate::process::Inherited;

/// What the stage ends with where it never became the program; the parent has
/// heard the reason by then.
const FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// The hidden command: the number of a descriptor, the program, its arguments.
/// Comes back only where it did not become the program.
///
/// # Errors
/// It was not started by a parent that talks to it.
pub fn stage(arguments: &[OsString], inherited: &Inherited) -> Result<u8> {
    let [number, program, arguments @ ..] = arguments else {
        return Err(not_for_people());
    };
    let number = number.to_str().and_then(|text| text.parse().ok());
    let end = descriptors::keep_only(number.unwrap_or_default()).map_err(|_| not_for_people())?;
    let channel = Channel::from_end(end);
    let Ok(Some((orders, _))) = channel.receive::<Orders>() else {
        return Err(not_for_people());
    };
    if let Err(failure) = prepare(&orders, &channel) {
        // Whom it cannot be told does not wait for it any more.
        let _ = channel.send(&Report::Failed(failure), None);
        return Ok(FAILED);
    }
    let Ok(Some((Word::Go, _))) = channel.receive::<Word>() else {
        // The parent thought better of it, as after a probe.
        return Ok(FAILED);
    };
    let Err(error) = surrender(&orders, inherited).and_then(|()| {
        let error = Command::new(program).args(arguments).exec();
        Err::<Infallible, _>(Report::NotRun(error.raw_os_error().unwrap_or_default()))
    });
    let code = match &error {
        Report::NotRun(errno) => match io::Error::from_raw_os_error(*errno).kind() {
            io::ErrorKind::NotFound => NOT_FOUND,
            _ => NOT_EXECUTABLE,
        },
        _ => FAILED,
    };
    let _ = channel.send(&error, None);
    Ok(code)
}

fn not_for_people() -> Error {
    Error::new(Kind::Usage, "This command is for vault itself")
        .with_hint("Isolate a program: vault run --isolate -- CMD")
}

/// Everything up to the listener, which it hands out.
fn prepare(orders: &Orders, channel: &Channel) -> Result<(), Failure> {
    let user = geteuid().as_raw();
    let hidden = Hidden::find(&orders.hidden, user)?;
    enter(user, getegid().as_raw())?;
    hidden.cover(orders.keep.as_deref().map(Path::new))?;
    network::raise_loopback().map_err(|error| Failure::of(Step::Loopback, error))?;
    let listener = TcpListener::bind(ADDRESS).map_err(|error| Failure::of(Step::Listen, error))?;
    channel
        .send(&Report::Listening, Some(listener.as_fd()))
        .map_err(|error| Failure::of(Step::Listen, error))
}

/// Leaves the namespaces of the parent. Inside, user and group have the
/// numbers that they have outside.
#[allow(unsafe_code)] // `unshare` can part threads from their descriptors.
fn enter(user: u32, group: u32) -> Result<(), Failure> {
    // What an undumpable process has in /proc belongs to root, and the two
    // maps below are there. Nothing secret is in this process.
    set_dumpable_behavior(DumpableBehavior::Dumpable)
        .map_err(|error| Failure::of(Step::Ids, error))?;
    // SAFETY: there is one thread, and the table of descriptors is not
    // unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }
        .map_err(|error| Failure::of(Step::Users, error))?;
    let map = |file: &str, text: String| {
        std::fs::write(file, text).map_err(|error| Failure::of(Step::Ids, error))
    };
    // Without this nobody may map a group: to leave one can open files too.
    map("/proc/self/setgroups", "deny".to_owned())?;
    map("/proc/self/uid_map", format!("{user} {user} 1"))?;
    map("/proc/self/gid_map", format!("{group} {group} 1"))?;
    let others = UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWIPC;
    // SAFETY: as above.
    unsafe { unshare_unsafe(others) }.map_err(|error| Failure::of(Step::Spaces, error))
}

/// Gives up what the program must not have, and takes back what it must. Past
/// this, nobody can undo what the stage did: root inside has no rights either.
fn surrender(orders: &Orders, inherited: &Inherited) -> Result<(), Report> {
    let failed = |error: io::Error| Report::Failed(Failure::of(Step::Rights, error));
    forgo_rights().map_err(|error| failed(error.into()))?;
    // A program that outlives its gateway reaches nobody, and ends.
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(|error| failed(error.into()))?;
    let parent = getppid().map(|id| id.as_raw_nonzero().get().cast_unsigned());
    if parent != Some(orders.parent) {
        return Err(failed(rustix::io::Errno::SRCH.into()));
    }
    inherited.restore().map_err(failed)
}

fn forgo_rights() -> rustix::io::Result<()> {
    // The bounding set is what an exec by user 0 would hand out again.
    for number in 0..u64::BITS {
        let right = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(right) {
            // This kernel has no more of them.
            Err(rustix::io::Errno::INVAL) if number > 0 => break,
            other => other?,
        }
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    set_no_new_privs(true)
}
