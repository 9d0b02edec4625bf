//! A renewal that is killed between the server's answer and the save: the old
//! login or the new one is there, and whoever comes next is told which.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{LONG, SHORT, World, access, is_renewal};

/// How long after the answer was thought of the kill comes, in microseconds.
const DELAYS: [Option<u64>; 14] = [
    None,
    Some(0),
    Some(200),
    Some(500),
    Some(1000),
    Some(1500),
    Some(2000),
    Some(3000),
    Some(4000),
    Some(6000),
    Some(9000),
    Some(13_000),
    Some(20_000),
    Some(40_000),
];

/// The renewing process, once it has been started.
type Victim = Arc<Mutex<Option<Pid>>>;

fn kill(victim: &Victim) {
    send(victim, Signal::KILL);
}

fn send(victim: &Victim, signal: Signal) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(pid) = *victim.lock().unwrap() {
            // It may have come to its end by itself.
            let _ = kill_process(pid, signal);
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_kill_between_the_answer_and_the_save_leaves_the_old_login_or_the_new_one() {
    let world = World::new();
    let (mut lost, mut saved) = (0, 0);
    for delay in DELAYS {
        world.set(|mood| mood.issued = 0);
        world.before_answers(|_| ());
        world.set(|mood| mood.lives = Some(SHORT));
        world.login("peer").arg("--force").ok();
        world.set(|mood| mood.lives = Some(LONG));
        let victim = Victim::default();
        let theirs = Arc::clone(&victim);
        world.before_answers(move |seen| {
            if !is_renewal(seen) {
                return;
            }
            let Some(delay) = delay else {
                return kill(&theirs);
            };
            let theirs = Arc::clone(&theirs);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(delay));
                kill(&theirs);
            });
        });
        let mut child = world.get("peer").command();
        child.stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        *victim.lock().unwrap() = Some(Pid::from_child(&child));
        child.wait().unwrap();
        world.before_answers(|_| ());

        // The vault opens, and the token was spent once.
        assert_eq!(world.issued(), 2, "{delay:?}");
        let in_vault = world.stored("peer", "access_token");
        let next = world.get("peer").finish();
        match next.code {
            Some(0) => {
                // Saved, or found beside the vault by who came next.
                assert_eq!(next.stdout.trim_end(), access(2), "{delay:?}");
                assert_eq!(world.stored("peer", "access_token"), access(2));
                saved += 1;
            }
            Some(9) => {
                assert_eq!(in_vault, access(1), "{delay:?}");
                assert!(next.stdout.is_empty(), "{next}");
                assert!(next.stderr.contains("vault login peer/default --force"));
                assert_eq!(world.status("peer"), "expired");
                lost += 1;
            }
            _ => panic!("{delay:?}: {next}"),
        }
        world
            .environment
            .vault(["login", "openai", "--stdin", "--force"])
            .stdin(world.environment.key("next"))
            .ok();
        assert!(world.temporary_files().is_empty(), "{delay:?}");
    }
    assert!(lost > 0, "no kill came before the save");
    assert_eq!(lost + saved, DELAYS.len());
}

#[test]
fn a_signal_waits_until_the_answer_is_saved_and_then_ends_the_program() {
    for signal in [Signal::TERM, Signal::HUP, Signal::QUIT] {
        let world = World::new();
        world.log_in("peer", Some(SHORT));
        let victim = Victim::default();
        let theirs = Arc::clone(&victim);
        world.before_answers(move |_| send(&theirs, signal));
        let mut child = world.get("peer").command();
        child.stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        *victim.lock().unwrap() = Some(Pid::from_child(&child));
        let status = child.wait().unwrap();
        world.before_answers(|_| ());
        let ended_by = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(ended_by, Some(signal.as_raw()), "{status:?}");
        assert_eq!(world.stored("peer", "access_token"), access(2));
        assert_eq!(world.token("peer"), access(2));
    }
}
