//! The command of `policy.json` that hears of held requests: the facts on its
//! standard input, one line of JSON, never a header or a body. It has a time
//! and a process group of its own, few run at once, and each is waited for.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::json;

use super::board::MOST_HELD;
use super::id::ApprovalId;
use super::wire::Facts;
use super::{Shared, locked};

/// How long it may take.
const LONGEST: Duration = Duration::from_secs(30);
/// So many run at once; others wait for their turn.
const MOST_AT_ONCE: usize = 4;

/// Whom to tell yet, and who runs.
#[derive(Default)]
pub(super) struct Notices {
    waiting: VecDeque<(ApprovalId, Arc<Facts>)>,
    threads: usize,
    /// Children that were not waited for yet, so that their numbers are
    /// theirs.
    running: Vec<Pid>,
    is_stopping: bool,
}

/// Has the command run for a request, if there is a command.
pub(super) fn tell(shared: &Arc<Shared>, id: ApprovalId, facts: Arc<Facts>) {
    if (shared.settings.notify)().is_none() {
        return;
    }
    let mut notices = locked(&shared.notices);
    if notices.is_stopping || notices.waiting.len() >= MOST_HELD {
        return;
    }
    notices.waiting.push_back((id, facts));
    if notices.threads == MOST_AT_ONCE {
        return;
    }
    let theirs = Arc::clone(shared);
    let begun = thread::Builder::new()
        .name("approvals-notify".to_owned())
        .spawn(move || work(&theirs));
    match begun {
        Ok(_) => notices.threads += 1,
        // Another thread may take it.
        Err(error) => (shared.settings.warn)(&failed(&error)),
    }
}

/// Ends those that run.
pub(super) fn stop(shared: &Shared) {
    let mut notices = locked(&shared.notices);
    notices.is_stopping = true;
    notices.waiting.clear();
    for group in &notices.running {
        let _ = kill_process_group(*group, Signal::KILL);
    }
}

fn work(shared: &Shared) {
    loop {
        let (id, facts) = {
            let mut notices = locked(&shared.notices);
            let Some(next) = notices.waiting.pop_front() else {
                notices.threads -= 1;
                return;
            };
            next
        };
        // It may have been decided while it waited for its turn.
        if shared.board().find(id).is_none() {
            continue;
        }
        let Some(command) = (shared.settings.notify)() else {
            continue;
        };
        match run(shared, &command, &facts, LONGEST) {
            Ok(status) if status.success() || is_stopping(shared) => {}
            Ok(status) => {
                let message = format!("The notify command of the policy failed: {status}.");
                (shared.settings.warn)(&message);
            }
            Err(error) => (shared.settings.warn)(&failed(&error)),
        }
    }
}

fn failed(error: &io::Error) -> String {
    format!("The notify command of the policy cannot be run: {error}.")
}

fn is_stopping(shared: &Shared) -> bool {
    locked(&shared.notices).is_stopping
}

fn run(shared: &Shared, command: &str, facts: &Facts, longest: Duration) -> io::Result<ExitStatus> {
    let said = || match shared.settings.is_verbose {
        true => Ok(Stdio::from(rustix::io::fcntl_dupfd_cloexec(
            rustix::stdio::stderr(),
            3,
        )?)),
        false => io::Result::Ok(Stdio::null()),
    };
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .env_clear()
        .envs(shared.settings.environment.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(said()?)
        .stderr(said()?)
        .process_group(0);
    let (mut child, group) = {
        // Under the lock: whoever stops all knows of this one, or it is not
        // begun.
        let mut notices = locked(&shared.notices);
        if notices.is_stopping {
            return Ok(ExitStatus::default());
        }
        let child = shell.spawn()?;
        let group = Pid::from_child(&child);
        notices.running.push(group);
        (child, group)
    };
    let attended = attend(&mut child, group, &line(facts), longest);
    if !matches!(attended, Ok(true)) {
        // Not waited for yet: the number is still the child's.
        let _ = kill_process_group(group, Signal::KILL);
    }
    locked(&shared.notices)
        .running
        .retain(|known| *known != group);
    let status = child.wait()?;
    attended.map(|_| status)
}

/// The facts, one line.
fn line(facts: &Facts) -> Vec<u8> {
    let object = json!({
        "id": facts.id,
        "agent": facts.agent,
        "rules": facts.rules,
        "method": facts.method,
        "host": facts.host,
        "path": facts.path,
        "model": facts.model,
        "bytes": facts.bytes,
        "expires": facts.expires,
    });
    format!("{object}\n").into_bytes()
}

/// Gives a child what it is to read and waits for its end, without collecting
/// it; false when its time was over.
fn attend(child: &mut Child, id: Pid, input: &[u8], longest: Duration) -> io::Result<bool> {
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &stdin {
        rustix::io::ioctl_fionbio(stdin, true)?;
    }
    let end = Instant::now() + longest;
    let (ended, tell) = UnixStream::pair()?;
    thread::Builder::new().spawn(move || await_end(id, &tell))?;
    let mut left = input;
    loop {
        let Some(rest) = end.checked_duration_since(Instant::now()) else {
            return Ok(false);
        };
        let timeout = Timespec::try_from(rest).unwrap_or_default();
        let mut ready = vec![PollFd::new(&ended, PollFlags::IN)];
        if let Some(stdin) = &stdin {
            ready.push(PollFd::new(stdin, PollFlags::OUT));
        }
        match poll(&mut ready, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let can_write = ready.get(1).is_some_and(|pipe| !pipe.revents().is_empty());
        if !ready[0].revents().is_empty() {
            return Ok(true);
        }
        if can_write && !write_some(stdin.as_mut(), &mut left) {
            // All is written, or nobody reads: its reader sees the end.
            stdin = None;
        }
    }
}

/// Whether there is more to write.
fn write_some(to: Option<&mut ChildStdin>, left: &mut &[u8]) -> bool {
    let Some(to) = to else {
        return false;
    };
    match to.write(left) {
        Ok(count) => *left = &left[count..],
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(_) => return false,
    }
    !left.is_empty()
}

/// Says by closing the pipe that a child has ended, and leaves it to be
/// collected.
fn await_end(id: Pid, _tell: &UnixStream) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(
        waitid(WaitId::Pid(id), options),
        Err(rustix::io::Errno::INTR)
    ) {}
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::sync::Mutex;

    use rustix::process::test_kill_process;
    use tokio::sync::broadcast;

    use super::super::Settings;
    use super::*;

    fn shared() -> Shared {
        Shared {
            settings: Settings {
                folders: Vec::new(),
                notify: Arc::new(|| None),
                environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
                is_verbose: false,
                audit: Arc::new(|_| {}),
                warn: Arc::new(|_| {}),
                clock: jiff::Timestamp::now,
            },
            board: Mutex::default(),
            desk: Mutex::default(),
            changes: broadcast::Sender::new(1),
            notices: Mutex::default(),
        }
    }

    fn facts() -> Facts {
        serde_json::from_value(json!({
            "id": "00000000", "agent": "ci", "rules": ["r"], "method": "POST", "host": "h",
            "path": "/p", "since": "s", "expires": "e",
        }))
        .unwrap()
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended_with_all_that_it_began() {
        let shared = shared();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids");
        let script = format!(
            "trap '' TERM; sleep 1000 & echo $$ $! > '{}'; wait",
            path.display()
        );
        // Long enough for the shell to have written the numbers, on any day.
        let status = run(&shared, &script, &facts(), Duration::from_secs(3)).unwrap();
        assert_eq!(status.signal(), Some(9));
        let text = std::fs::read_to_string(&path).unwrap();
        let mut ids = text.split_whitespace().map(|id| id.parse().unwrap());
        let shell = Pid::from_raw(ids.next().unwrap()).unwrap();
        assert!(test_kill_process(shell).is_err());
        let child: i32 = ids.next().unwrap();
        let end = Instant::now() + LONGEST;
        let is_gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat"));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        while !is_gone() {
            assert!(Instant::now() < end);
            thread::yield_now();
        }
        assert!(locked(&shared.notices).running.is_empty());
    }

    #[test]
    fn a_command_that_does_not_read_is_no_matter() {
        let shared = shared();
        let mut facts = facts();
        facts.path = "x".repeat(1_000_000);
        for script in ["exec 0<&-; exit 0", "head -c 3 > /dev/null"] {
            let status = run(&shared, script, &facts, LONGEST).unwrap();
            assert!(status.success(), "{script}: {status}");
        }
        let script = "test \"$(wc -c)\" -gt 1000000";
        let status = run(&shared, script, &facts, LONGEST).unwrap();
        assert!(status.success(), "{status}");
    }

    #[test]
    fn after_the_end_no_command_is_begun() {
        let shared = shared();
        stop(&shared);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let script = format!("touch '{}'", path.display());
        run(&shared, &script, &facts(), LONGEST).unwrap();
        assert!(!path.exists());
    }
}
