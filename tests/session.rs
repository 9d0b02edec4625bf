//! The session between `unlock` and `lock`.

#![allow(clippy::unwrap_used)] // also in helpers
#![cfg(target_os = "linux")] // it looks at the session through /proc

mod support;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use predicates::prelude::*;
use predicates::str::contains;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getsid, kill_process, pidfd_open};

use support::{TestEnvironment, mode};

/// A vault under a passphrase, which nobody gives any more: whatever opens it
/// is the session.
struct Scene {
    environment: TestEnvironment,
    passphrase: String,
}

impl Scene {
    fn new() -> Self {
        Self::of(TestEnvironment::new())
    }

    fn of(environment: TestEnvironment) -> Self {
        let mut environment = environment.with_passphrase_vault();
        environment.unset("VAULT_PASSPHRASE");
        let passphrase = environment.passphrase("of the vault");
        Self {
            environment,
            passphrase,
        }
    }

    fn unlock(&self) -> support::Run<'_> {
        self.environment
            .vault(["unlock"])
            .env("VAULT_PASSPHRASE", &self.passphrase)
    }

    fn is_open(&self) -> bool {
        let finished = self.environment.vault(["list", "--connected"]).finish();
        assert!(matches!(finished.code, Some(0 | 4)), "{finished}");
        finished.code == Some(0)
    }

    fn socket(&self) -> PathBuf {
        let sockets = self.environment.sockets();
        assert_eq!(sockets.len(), 1, "{sockets:?}");
        sockets[0].clone()
    }

    fn session(&self) -> Session {
        Session::at(&self.socket())
    }
}

/// The process behind a socket.
struct Session {
    id: Pid,
    handle: std::os::fd::OwnedFd,
}

impl Session {
    fn at(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        let id = rustix::net::sockopt::socket_peercred(&stream).unwrap().pid;
        let handle = pidfd_open(id, PidfdFlags::empty()).unwrap();
        Self { id, handle }
    }

    fn ends_within(&self, seconds: i64) -> bool {
        let timeout = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let mut ready = [PollFd::new(&self.handle, PollFlags::IN)];
        poll(&mut ready, Some(&timeout)).unwrap() > 0
    }

    fn about(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.id.as_raw_nonzero()))
    }

    fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(self.about("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    }
}

#[test]
fn a_session_opens_the_vault_until_it_is_locked() {
    let scene = Scene::new();
    assert!(!scene.is_open());
    scene
        .unlock()
        .ok()
        .prints(predicates::str::is_empty())
        .says(contains("Unlocked until"));
    assert!(scene.is_open());
    let key = scene.environment.log_in("through-the-session");
    assert_eq!(scene.environment.stored("through-the-session"), key);
    let session = scene.session();
    scene
        .environment
        .vault(["lock"])
        .ok()
        .says(contains("Locked."));
    assert!(session.ends_within(5));
    assert!(!scene.is_open());
    assert!(scene.environment.sockets().is_empty());
    scene
        .environment
        .vault(["lock", "--json"])
        .ok()
        .prints(contains("\"ended\":false"));
}

#[test]
fn unlocking_in_a_substitution_returns() {
    let scene = Scene::new();
    scene
        .environment
        .run("sh", ["-c", "x=$(\"$0\" unlock 2>&1) && echo \"said: $x\""])
        .arg(assert_cmd::cargo::cargo_bin!("vault"))
        .env("VAULT_PASSPHRASE", &scene.passphrase)
        .within(Duration::from_secs(10))
        .ok()
        .prints(contains("said: Unlocked until"));
    assert!(scene.is_open());
}

#[test]
fn a_session_keeps_nothing_of_whoever_started_it() {
    let scene = Scene::new();
    let script = "exec 3<\"$1\" 9>\"$2\" 4<\"$1\"; exec \"$0\" unlock";
    scene
        .environment
        .run("sh", ["-c", script])
        .arg(assert_cmd::cargo::cargo_bin!("vault"))
        .arg(scene.environment.given("read", "x"))
        .arg(scene.environment.given("written", "x"))
        .env("VAULT_PASSPHRASE", &scene.passphrase)
        .ok();
    let session = scene.session();
    assert_eq!(getsid(Some(session.id)).unwrap(), session.id);
    let Ok(descriptors) = fs::read_dir(session.about("fd")) else {
        return support::skip("root", "the session is closed to us, as it should be");
    };
    for descriptor in descriptors {
        let target = fs::read_link(descriptor.unwrap().path()).unwrap();
        let target = target.to_str().unwrap();
        assert!(
            target == "/dev/null" || target.starts_with("socket:"),
            "it holds {target}"
        );
    }
    assert!(fs::read(session.about("environ")).unwrap().is_empty());
    assert_eq!(fs::read_link(session.about("cwd")).unwrap(), Path::new("/"));
    let command = fs::read_to_string(session.about("cmdline")).unwrap();
    assert!(command.ends_with("\0__session\0"), "{command:?}");
}

#[test]
fn a_session_is_neither_swapped_nor_dumped() {
    let scene = Scene::new();
    scene.unlock().ok();
    let session = scene.session();
    let locked = session.status("VmLck:");
    assert!(!locked.starts_with("0 "), "{locked}");
    let limits = fs::read_to_string(session.about("limits")).unwrap();
    let core = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().next(), Some("0"), "{core}");
    // What is not dumpable belongs to root, whoever runs it.
    if rustix::process::geteuid().is_root() {
        return;
    }
    assert!(fs::read(session.about("mem")).is_err());
    assert!(fs::read(session.about("environ")).is_err());
}

#[test]
fn the_socket_is_private_whatever_the_umask() {
    let environment = TestEnvironment::on_platform_folders();
    for unset in [false, true] {
        let mut environment = if unset {
            TestEnvironment::on_platform_folders()
        } else {
            TestEnvironment::new()
        };
        if unset {
            environment.unset("XDG_RUNTIME_DIR");
        }
        let scene = Scene::of(environment);
        scene
            .unlock()
            .before(|| {
                rustix::process::umask(rustix::fs::Mode::empty());
                Ok(())
            })
            .ok();
        let socket = scene.socket();
        assert_eq!(mode(&socket), 0o600);
        assert_eq!(mode(socket.parent().unwrap()), 0o700);
        assert!(scene.is_open());
    }
    let scene = Scene::of(environment);
    scene.unlock().ok();
    let socket = scene.socket();
    assert!(socket.starts_with(scene.environment.path("user/run/vault")));
}

#[test]
fn a_socket_that_nobody_listens_at_is_cleaned_up() {
    let scene = Scene::new();
    scene.unlock().ok();
    let session = scene.session();
    kill_process(session.id, Signal::KILL).unwrap();
    assert!(session.ends_within(5));
    assert!(scene.socket().exists());
    assert!(!scene.is_open());
    assert!(scene.environment.sockets().is_empty());
    scene.unlock().ok();
    assert!(scene.is_open());
}

#[test]
fn a_session_ends_when_nobody_uses_it() {
    let scene = Scene::new();
    scene.unlock().args(["--ttl", "1s"]).ok();
    let session = scene.session();
    assert!(session.ends_within(10));
    assert!(!scene.is_open());
    assert!(scene.environment.sockets().is_empty());
    scene.unlock().args(["--ttl", "0s"]).fails(2);
    scene.unlock().args(["--ttl", "soon"]).fails(2);
}

#[test]
fn a_session_ends_when_the_vault_has_a_new_key() {
    let scene = Scene::new();
    scene.unlock().ok();
    let session = scene.session();
    // A new passphrase leaves the key, and the session, as they are.
    let changed = scene.environment.passphrase("changed");
    scene
        .environment
        .vault(["rekey", "--passphrase", "--work-factor", "2"])
        .env("VAULT_NEW_PASSPHRASE", &changed)
        .ok();
    assert!(scene.is_open());
    scene
        .environment
        .vault(["rekey", "--work-factor", "2"])
        .env("VAULT_PASSPHRASE", &changed)
        .ok();
    assert!(session.ends_within(5));
    assert!(!scene.is_open());
}

#[test]
fn a_session_ends_when_another_vault_takes_the_place() {
    let scene = Scene::new();
    let other = scene.environment.home().join("other.age");
    scene
        .environment
        .vault(["init", "--work-factor", "2", "--file"])
        .arg(&other)
        .env("VAULT_PASSPHRASE", &scene.passphrase)
        .ok();
    scene.unlock().ok();
    let session = scene.session();
    fs::rename(&other, scene.environment.vault_file()).unwrap();
    assert!(!scene.is_open());
    assert!(session.ends_within(5));
    // And so it does when the vault is gone, without being asked anything.
    let scene = Scene::new();
    scene.unlock().ok();
    let session = scene.session();
    fs::remove_file(scene.environment.vault_file()).unwrap();
    assert!(session.ends_within(15));
}

#[test]
fn each_vault_has_its_own_session() {
    let scene = Scene::new();
    let other = scene.environment.home().join("other.age");
    let words = scene.environment.passphrase("of the other");
    let other_vault =
        |arguments: &[&str]| scene.environment.vault(arguments).arg("--file").arg(&other);
    other_vault(&["init", "--work-factor", "2"])
        .env("VAULT_PASSPHRASE", &words)
        .ok();
    scene.unlock().ok();
    other_vault(&["list"]).fails(4);
    other_vault(&["unlock"])
        .env("VAULT_PASSPHRASE", &words)
        .ok();
    assert_eq!(scene.environment.sockets().len(), 2);
    other_vault(&["list"]).ok();
    other_vault(&["lock"]).ok();
    assert!(scene.is_open());
}

#[test]
fn a_second_unlock_takes_the_place_of_the_first() {
    let scene = Scene::new();
    scene.unlock().ok();
    let first = scene.session();
    scene.unlock().ok();
    assert!(first.ends_within(10));
    assert!(scene.is_open());
    // An open session is enough to begin another one.
    scene.environment.vault(["unlock"]).ok();
    assert!(scene.is_open());
}

#[test]
fn a_session_survives_the_terminal_and_the_group_that_started_it() {
    let scene = Scene::new();
    let mut terminal = scene.environment.vault(["unlock"]).at_terminal();
    terminal
        .wait_for("Passphrase of the vault: ")
        .types(&format!("{}\n", scene.passphrase));
    // The terminal hangs up with this.
    assert_eq!(terminal.end().code, 0);
    assert!(scene.is_open());
    scene.environment.vault(["lock"]).ok();

    // A shell ends its whole group.
    scene
        .environment
        .run("sh", ["-c", "\"$0\" unlock --quiet && kill -KILL 0"])
        .arg(assert_cmd::cargo::cargo_bin!("vault"))
        .env("VAULT_PASSPHRASE", &scene.passphrase)
        .before(|| {
            rustix::process::setsid()?;
            Ok(())
        })
        .finish();
    assert!(scene.is_open());
}

#[test]
fn a_session_that_hangs_is_no_locked_vault() {
    let scene = Scene::new();
    scene.unlock().ok();
    let session = scene.session();
    kill_process(session.id, Signal::STOP).unwrap();
    let number = session.id.as_raw_nonzero();
    scene
        .environment
        .vault(["lock"])
        .fails(1)
        .says(contains(format!("process {number}")).and(contains("may still hold the key")))
        .says(contains(format!("kill -KILL {number}")));
    kill_process(session.id, Signal::CONT).unwrap();
    scene.environment.vault(["lock"]).finish();
    assert!(session.ends_within(10));
}

#[test]
fn a_session_holds_its_key_once() {
    let (environment, passphrase) = TestEnvironment::new().with_both_slots();
    let key = environment.vault_key();
    let text = key.slot_text();
    environment
        .vault(["unlock"])
        .env("VAULT_PASSPHRASE", &passphrase)
        .ok();
    // It looks at the key, and answers, before it is looked at.
    environment.vault(["list"]).env("VAULT_IDENTITY", "").ok();
    let session = Session::at(&environment.sockets()[0]);
    kill_process(session.id, Signal::STOP).unwrap();
    let found = copies_in_memory(&session, text.trim_end().as_bytes());
    kill_process(session.id, Signal::CONT).unwrap();
    match found {
        Ok(found) => assert_eq!(found, 1, "copies of the key"),
        Err(_) => support::skip("root", "the session is closed to us, as it should be"),
    }
}

fn copies_in_memory(session: &Session, text: &[u8]) -> std::io::Result<usize> {
    use std::os::unix::fs::FileExt;
    let memory = fs::File::open(session.about("mem"))?;
    let maps = fs::read_to_string(session.about("maps"))?;
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let from = u64::from_str_radix(from, 16).unwrap();
        let to = u64::from_str_radix(to, 16).unwrap();
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            found += bytes
                .windows(text.len())
                .filter(|here| here == &text)
                .count();
        }
    }
    Ok(found)
}

#[test]
fn the_session_process_is_not_for_people() {
    let scene = Scene::new();
    scene
        .environment
        .vault(["--help"])
        .ok()
        .prints(contains("__session").not());
    let finished = scene.environment.vault(["__session"]).finish();
    assert_eq!(finished.code, Some(1), "{finished}");
}
