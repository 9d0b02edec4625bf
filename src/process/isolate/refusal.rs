//! Why a program cannot be isolated, as far as the system tells, and what to
//! do about it.

use std::ffi::OsStr;
use std::io;

use rustix::io::Errno;

use super::ADDRESS;
use super::channel::{Failure, Step};
use crate::error::{Error, Kind};
use crate::text;

/// The stage could not even be started.
pub fn unable(error: &io::Error) -> Error {
    let message = format!("The program cannot be isolated: no process can be started: {error}");
    Error::new(Kind::Failed, message).with_hint("See what is amiss: vault doctor")
}

/// A step of the stage failed.
pub fn error(failure: &Failure) -> Error {
    explained(failure, &Settings::read())
}

/// What on this machine can forbid namespaces.
#[derive(Debug, Default)]
struct Settings {
    is_root: bool,
    /// Debian's switch.
    unprivileged_clone: Option<u64>,
    /// Ubuntu's.
    apparmor_restricts: Option<u64>,
    /// How many of a kind there may be: the first kind of which there may be
    /// none.
    none_of: Option<&'static str>,
    /// A filter on system calls, as containers have it.
    is_filtered: bool,
}

const KINDS: [&str; 4] = [
    "user.max_user_namespaces",
    "user.max_mnt_namespaces",
    "user.max_net_namespaces",
    "user.max_ipc_namespaces",
];

impl Settings {
    fn read() -> Self {
        let number = |name: &str| -> Option<u64> {
            let path = format!("/proc/sys/{}", name.replace('.', "/"));
            std::fs::read_to_string(path).ok()?.trim().parse().ok()
        };
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            is_root: crate::process::user_id() == 0,
            unprivileged_clone: number("kernel.unprivileged_userns_clone"),
            apparmor_restricts: number("kernel.apparmor_restrict_unprivileged_userns"),
            none_of: KINDS.into_iter().find(|name| number(name) == Some(0)),
            is_filtered: is_filtered(&status),
        }
    }
}

fn is_filtered(status: &str) -> bool {
    let mut lines = status.lines();
    lines.any(|line| {
        line.strip_prefix("Seccomp:")
            .is_some_and(|mode| mode.trim() == "2")
    })
}

fn explained(failure: &Failure, settings: &Settings) -> Error {
    let (reason, hint) = match &failure.step {
        Step::Users | Step::Ids | Step::Spaces | Step::Mounts | Step::Loopback => {
            of_system(failure, settings)
        }
        Step::Hide(place) if errno(failure) == Errno::PERM => {
            let (reason, hint) = of_system(failure, settings);
            (format!("{} cannot be hidden: {reason}", shown(place)), hint)
        }
        other => of_step(other, failure),
    };
    let message = format!("The program cannot be isolated: {reason}");
    Error::new(Kind::Failed, message).with_hint(hint)
}

/// The system does not let this user, or this container, have namespaces or
/// act in them.
fn of_system(failure: &Failure, settings: &Settings) -> (String, String) {
    let sysctl = |what: &str, name: &str, value: &str| {
        let reason = format!("this system {what} ({name})");
        (reason, format!("Allow it: sudo sysctl -w {name}={value}"))
    };
    if let Some(name) = settings.none_of {
        return sysctl("allows no namespaces of one kind", name, "10000");
    }
    if settings.unprivileged_clone == Some(0) && !settings.is_root {
        let name = "kernel.unprivileged_userns_clone";
        return sysctl("keeps user namespaces to root", name, "1");
    }
    if settings.apparmor_restricts.is_some_and(|value| value > 0) && !settings.is_root {
        let name = "kernel.apparmor_restrict_unprivileged_userns";
        return sysctl(
            "has AppArmor take the rights in user namespaces away",
            name,
            "0",
        );
    }
    match errno(failure) {
        Errno::NOSPC | Errno::USERS => (
            "there are too many namespaces on this system, or one within the other".to_owned(),
            "See the limits: sysctl user".to_owned(),
        ),
        Errno::INVAL | Errno::NOSYS => (
            format!(
                "this kernel lacks namespaces that it takes: {}",
                because(failure)
            ),
            "See what it has: ls /proc/self/ns".to_owned(),
        ),
        _ if settings.is_filtered => (
            format!(
                "a filter on system calls, such as a container's, forbids it: {}",
                because(failure)
            ),
            "Start the container with: docker run --security-opt seccomp=unconfined \
             --security-opt apparmor=unconfined"
                .to_owned(),
        ),
        Errno::PERM | Errno::ACCESS => (
            format!(
                "the system forbids namespaces here, as in a chroot or a container: {}",
                because(failure)
            ),
            "See for yourself: unshare -Urmn true".to_owned(),
        ),
        _ => (
            format!(
                "the system does not make its namespaces: {}",
                because(failure)
            ),
            "See for yourself: unshare -Urmn true".to_owned(),
        ),
    }
}

fn of_step(step: &Step, failure: &Failure) -> (String, String) {
    let because = because(failure);
    match step {
        Step::Hide(place) if place == "/" => (
            "all of the file system would have to be hidden".to_owned(),
            "Put the vault into a folder of its own: export VAULT_HOME=/path/to/a/folder"
                .to_owned(),
        ),
        Step::Hide(place) => {
            let place = shown(place);
            (
                format!("{place} cannot be hidden: {because}"),
                format!("Look at it: ls -ld {place}"),
            )
        }
        Step::Keep(place) => {
            let place = shown(place);
            (
                format!("{place} cannot be kept: {because}"),
                format!("Look at it: ls -ld {place}"),
            )
        }
        Step::Folder(place) => (
            format!("this folder is hidden from it: {}", shown(place)),
            "Go somewhere else first: cd ~".to_owned(),
        ),
        Step::Listen => (
            format!("nobody can listen on {ADDRESS} inside: {because}"),
            "See what the system allows: unshare -Urmn true".to_owned(),
        ),
        Step::Rights => (
            format!("its rights cannot be taken away: {because}"),
            "See what the system allows: unshare -Urmn true".to_owned(),
        ),
        Step::Look => (
            format!("nothing is to be read from /proc: {because}"),
            "See whether it is mounted: ls /proc/self".to_owned(),
        ),
        // Those are the system's.
        Step::Users | Step::Ids | Step::Spaces | Step::Mounts | Step::Loopback => (
            because.to_string(),
            "See what the system allows: unshare -Urmn true".to_owned(),
        ),
    }
}

fn errno(failure: &Failure) -> Errno {
    Errno::from_raw_os_error(failure.errno)
}

fn because(failure: &Failure) -> io::Error {
    io::Error::from_raw_os_error(failure.errno)
}

fn shown(place: &OsStr) -> String {
    text::printable(&place.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(step: Step, errno: Errno, settings: &Settings) -> (String, String) {
        let failure = Failure::of(step, errno);
        let error = explained(&failure, settings);
        (
            error.to_string(),
            error.hint().unwrap_or_default().to_owned(),
        )
    }

    #[test]
    fn what_stands_in_the_way_is_named_with_a_command() {
        let free = Settings::default;
        let cases = [
            (
                Settings {
                    unprivileged_clone: Some(0),
                    ..free()
                },
                "kernel.unprivileged_userns_clone",
                "sudo sysctl -w kernel.unprivileged_userns_clone=1",
            ),
            (
                Settings {
                    apparmor_restricts: Some(1),
                    is_filtered: true,
                    ..free()
                },
                "AppArmor",
                "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
            ),
            (
                Settings {
                    none_of: Some(KINDS[2]),
                    is_root: true,
                    ..free()
                },
                "user.max_net_namespaces",
                "sudo sysctl -w user.max_net_namespaces=10000",
            ),
            (
                Settings {
                    is_filtered: true,
                    ..free()
                },
                "a filter on system calls",
                "docker run --security-opt seccomp=unconfined",
            ),
            (free(), "chroot", "unshare -Urmn true"),
        ];
        for (settings, message, hint) in cases {
            for step in [
                Step::Users,
                Step::Spaces,
                Step::Mounts,
                Step::Hide("/a".into()),
            ] {
                let told = said(step, Errno::PERM, &settings);
                assert!(told.0.contains(message), "{told:?}");
                assert!(told.1.contains(hint), "{told:?}");
            }
        }
    }

    #[test]
    fn switches_that_do_not_bind_root_are_not_blamed() {
        let settings = Settings {
            is_root: true,
            unprivileged_clone: Some(0),
            apparmor_restricts: Some(1),
            ..Settings::default()
        };
        let (message, _) = said(Step::Users, Errno::PERM, &settings);
        assert!(message.contains("chroot"), "{message}");
    }

    #[test]
    fn a_kernel_without_or_with_too_many_is_told_apart() {
        let free = Settings::default();
        assert!(
            said(Step::Users, Errno::NOSPC, &free)
                .0
                .contains("too many")
        );
        assert!(said(Step::Users, Errno::INVAL, &free).0.contains("lacks"));
    }

    #[test]
    fn every_step_has_a_hint() {
        for step in [
            Step::Look,
            Step::Hide("/".into()),
            Step::Hide("/a\u{1b}[2J".into()),
            Step::Keep("/a".into()),
            Step::Folder("/a".into()),
            Step::Listen,
            Step::Rights,
        ] {
            let (message, hint) = said(step, Errno::IO, &Settings::default());
            assert!(message.starts_with("The program cannot be isolated: "));
            assert!(hint.contains(": "), "{hint}");
            assert!(!message.contains('\u{1b}') && !hint.contains('\u{1b}'));
        }
    }

    #[test]
    fn a_filter_is_seen_in_the_status() {
        assert!(is_filtered("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"));
        assert!(!is_filtered("Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0\n"));
    }
}
