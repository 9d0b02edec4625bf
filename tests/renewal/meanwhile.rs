//! What others did between reading the vault and renewing: the lock is held
//! here, so that it certainly happens in between.

#![cfg(target_os = "linux")] // who waits for a lock is told by /proc

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::server::{SHORT, World, access};

/// The vault's lock, held by the test.
struct Held<'a> {
    world: &'a World,
    lock: File,
}

impl<'a> Held<'a> {
    fn take(world: &'a World) -> Self {
        let lock = File::options()
            .read(true)
            .write(true)
            .open(world.environment.home().join(".vault.age.lock"))
            .unwrap();
        fs2::FileExt::lock_exclusive(&lock).unwrap();
        Self { world, lock }
    }

    /// Starts a reader, and comes back when it waits for the lock.
    fn reader(&self, target: &str) -> Child {
        let mut command = self.world.get(target).command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let inode = format!(":{} ", self.lock.metadata().unwrap().ino());
        let deadline = Instant::now() + Duration::from_secs(20);
        let is_waiting = |line: &str| line.contains("-> FLOCK") && line.contains(&inode);
        while !fs::read_to_string("/proc/locks")
            .unwrap()
            .lines()
            .any(is_waiting)
        {
            assert!(Instant::now() < deadline, "it does not wait for the lock");
            std::thread::sleep(Duration::from_millis(2));
        }
        child
    }

    /// Lets somebody change the vault past those who wait: under a lock of
    /// the same name.
    fn meanwhile(&self, act: impl FnOnce()) {
        let home = self.world.environment.home();
        let (usual, aside) = (home.join(".vault.age.lock"), home.join("lock-aside"));
        fs::rename(&usual, &aside).unwrap();
        act();
        fs::rename(&aside, &usual).unwrap();
    }

    fn release(self) {
        fs2::FileExt::unlock(&self.lock).unwrap();
    }
}

/// The code, what was printed, and what was said; the hunt is for the latter.
fn end(world: &World, child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    fs::write(world.environment.path("work/said"), &said).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned();
    (output.status.code(), printed, said)
}

/// Whether the system tells who waits.
fn tells() -> bool {
    let is_there = fs::read_to_string("/proc/locks").is_ok();
    if !is_there {
        super::support::skip("/proc/locks", "this system has none");
    }
    is_there
}

#[test]
fn what_another_one_renewed_meanwhile_is_used() {
    if !tells() {
        return;
    }
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    let held = Held::take(&world);
    let reader = held.reader("peer");
    held.meanwhile(|| assert_eq!(world.token("peer"), access(2)));
    held.release();
    let (code, printed, said) = end(&world, reader);
    assert_eq!((code, &*printed, &*said), (Some(0), &*access(2), ""));
    assert_eq!(world.renewals().len(), 1);
}

#[test]
fn a_connection_that_was_logged_out_meanwhile_is_not_renewed() {
    if !tells() {
        return;
    }
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    let held = Held::take(&world);
    let reader = held.reader("peer");
    held.meanwhile(|| {
        world.environment.vault(["logout", "peer", "--local"]).ok();
    });
    held.release();
    let (code, printed, said) = end(&world, reader);
    assert_eq!((code, &*printed), (Some(3), ""), "{said}");
    assert!(said.contains("logged out of in the meantime"), "{said}");
    assert!(said.contains("Hint: vault login peer"), "{said}");
    assert_eq!(world.internet.seen().len(), 0);
}

#[test]
fn under_another_key_nothing_is_asked() {
    if !tells() {
        return;
    }
    for (ended, expected) in [(false, Some(0)), (true, Some(6))] {
        let world = World::new();
        if ended {
            world.log_in_ended("peer");
        } else {
            world.log_in("peer", Some(SHORT));
        }
        let held = Held::take(&world);
        let reader = held.reader("peer");
        held.meanwhile(|| {
            world.environment.vault(["rekey"]).ok();
        });
        held.release();
        let (code, printed, said) = end(&world, reader);
        assert_eq!(code, expected, "{said}");
        assert_eq!(printed, if ended { String::new() } else { access(1) });
        assert!(said.contains("was changed by another process"), "{said}");
        assert_eq!(world.internet.seen().len(), 0);
        assert_eq!(
            world.token("peer"),
            access(2),
            "the next one has the new key"
        );
    }
}

#[test]
fn who_waited_for_a_renewal_that_came_to_nothing_does_not_ask_again() {
    if !tells() {
        return;
    }
    for (holder, ended, asks) in [
        ("renewal of peer/default", false, false),
        ("renewal of peer/default", true, false),
        ("renewal of peer/other", true, true),
        ("login openai", false, true),
    ] {
        let world = World::new();
        if ended {
            world.log_in_ended("peer");
        } else {
            world.log_in("peer", Some(SHORT));
        }
        let held = Held::take(&world);
        let reader = held.reader("peer");
        let said = format!("process 1 (vault {holder})\n");
        fs::write(world.environment.home().join(".vault.age.lock"), said).unwrap();
        held.release();
        let (code, printed, said) = end(&world, reader);
        let expected = match (asks, ended) {
            (true, _) => (Some(0), access(2)),
            (false, false) => (Some(0), access(1)),
            (false, true) => (Some(8), String::new()),
        };
        assert_eq!((code, printed), expected, "{holder}: {said}");
        assert_eq!(said.contains("just tried in vain"), !asks, "{said}");
        assert_eq!(world.renewals().len(), usize::from(asks), "{holder}");
    }
}
