//! The child of `run` in proxy mode: its environment, its signals, its
//! terminal, its end, and what is left when it or we are killed.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use support::{Run, TestEnvironment};

const PATIENCE: Duration = Duration::from_secs(20);

/// Longer than any test has patience, and not for ever: a test that fails
/// leaves nothing behind for long. (A shell runs a trap between commands.)
const WAITING: &str = "for i in $(seq 600); do sleep 0.05; done";

/// A vault with a key, so that there is a gateway beside each child.
fn connected() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.log_in("default");
    environment
}

/// `vault run -- sh -c SCRIPT`.
fn run<'a>(environment: &'a TestEnvironment, script: &str) -> Run<'a> {
    environment.vault(["run", "--", "sh", "-c", script])
}

/// Starts it, and waits for the first line that the script says.
fn started(run: Run<'_>) -> (Child, BufReader<std::process::ChildStdout>, String) {
    let mut command = run
        .before(|| Ok(rustix::process::setsid().map(drop)?))
        .command();
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    (child, lines, line.trim_end().to_owned())
}

fn ended(mut child: Child, mut lines: BufReader<std::process::ChildStdout>) -> (i32, String) {
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    (child.wait().unwrap().code().unwrap(), rest)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// A script that says its number, then waits until a signal comes.
fn waits(trap: &str) -> String {
    format!("{trap}; echo $$; {WAITING}")
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

fn is_gone(number: &str) -> bool {
    let id = Pid::from_raw(number.parse().unwrap()).unwrap();
    let is_zombie = || {
        let state = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        state.contains(") Z ")
    };
    test_kill_process(id).is_err() || is_zombie()
}

/// Perl can be told what to ignore and to hold back, and then to become
/// another program.
fn has_perl() -> bool {
    let has = std::process::Command::new("perl").arg("-v").output();
    let has = has.is_ok_and(|told| told.status.success());
    if !has {
        support::skip("perl", "it is not here");
    }
    has
}

/// What runs have left in the runtime folder.
fn left(environment: &TestEnvironment) -> Vec<String> {
    let entries = std::fs::read_dir(environment.home().join("state"));
    let names = entries.into_iter().flatten().flatten();
    names
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.starts_with("run-"))
        .collect()
}

#[test]
fn without_a_vault_the_program_runs_all_the_same_unless_more_was_asked_for() {
    let environment = TestEnvironment::new();
    let finished = run(&environment, "exit 7").finish();
    assert_eq!(finished.code, Some(7), "{finished}");
    assert!(finished.stderr.contains("There is no vault"), "{finished}");
    for option in [
        "--isolate",
        "--base-urls",
        "--deny-unmatched",
        "--only=openai",
    ] {
        let run = environment.vault(["run", option, "--", "true"]);
        let finished = run.finish();
        assert_eq!(finished.code, Some(125), "{finished}");
    }
}

#[test]
fn the_exit_code_is_the_childs() {
    let environment = connected();
    for code in [0, 1, 7, 255] {
        let finished = run(&environment, &format!("exit {code}")).finish();
        assert_eq!(finished.code, Some(code), "{finished}");
    }
    for (signal, code) in [("TERM", 143), ("KILL", 137), ("INT", 130)] {
        let finished = run(&environment, &format!("kill -{signal} $$")).finish();
        assert_eq!(finished.code, Some(code), "{finished}");
    }
    let missing = environment.vault(["run", "--", "no-such-program"]);
    missing.fails(127);
    environment.vault(["run", "--", "/dev/null"]).fails(126);
    assert_eq!(left(&environment), [""; 0]);
}

#[test]
fn the_child_gets_a_placeholder_and_no_way_into_the_vault() {
    let environment = TestEnvironment::new().with_identity_vault();
    let key = environment.log_in("default");
    let identity = environment.identity_file();
    let finished = run(&environment, "env; cat \"$SSL_CERT_FILE\" >/dev/null")
        .env("VAULT_IDENTITY", identity)
        .env("OPENAI_API_KEY", &key)
        .env("NO_PROXY", "*")
        .ok();
    let value = |name: &str| {
        let line = finished
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(str::to_owned)
    };
    let placeholder = value("OPENAI_API_KEY").unwrap();
    assert!(placeholder.starts_with("sk-") && placeholder != key);
    assert!(!finished.stdout.contains("\nVAULT_"), "{finished}");
    assert!(value("HTTPS_PROXY").unwrap().starts_with("http://vault:"));
    assert_eq!(value("NO_PROXY").unwrap(), "localhost,127.0.0.1,::1");
    assert_eq!(left(&environment), [""; 0]);
}

#[test]
fn a_signal_that_was_sent_to_us_alone_reaches_the_child_once() {
    let environment = connected();
    for (name, signal) in [
        ("TERM", Signal::TERM),
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("ALRM", Signal::ALARM),
    ] {
        let script = waits(&format!("trap 'echo got {name}; exit 5' {name}"));
        let (child, lines, _) = started(run(&environment, &script));
        send(&child, signal);
        assert_eq!(ended(child, lines), (5, format!("got {name}\n")));
    }
}

#[test]
fn we_stay_as_long_as_a_child_that_ignores_us() {
    let environment = connected();
    let script = waits("trap 'echo again' INT TERM HUP; trap 'exit 0' USR1");
    let (mut child, mut lines, _) = started(run(&environment, &script));
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        send(&child, signal);
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line, "again\n");
        assert!(child.try_wait().unwrap().is_none());
    }
    send(&child, Signal::USR1);
    assert_eq!(ended(child, lines).0, 0);
}

#[test]
fn what_the_terminal_sends_reaches_the_child_once() {
    let environment = connected();
    let script = "trap 'echo got >&2; count=x$count' INT; echo ready >&2; \
        while [ \"$count\" != xx ]; do sleep 0.05; done; exit 3";
    let mut terminal = run(&environment, script).at_terminal();
    // Two keys, two signals: the second key is pressed after the first one's
    // signal was seen, so that none of them melts into another.
    terminal.wait_for("ready").types("\x03").wait_for("got");
    terminal.types("\x03").wait_for("got");
    let ended = terminal.end();
    assert_eq!(ended.code, 3, "{}", ended.shown);
    assert_eq!(ended.shown.matches("got").count(), 2, "{}", ended.shown);
}

#[test]
fn after_a_prompt_too_the_child_alone_decides() {
    let (environment, passphrase) = TestEnvironment::new().with_both_slots();
    std::fs::remove_file(environment.identity_file()).unwrap();
    let script = &format!("trap 'echo got >&2; exit 3' INT QUIT; echo ready >&2; {WAITING}");
    for key in ["\x03", "\x1c"] {
        let mut terminal = run(&environment, script).at_terminal();
        terminal
            .wait_for("assphrase")
            .types(&format!("{passphrase}\n"));
        terminal.wait_for("ready").types(key).wait_for("got");
        assert_eq!(terminal.end().code, 3);
    }
}

#[test]
fn the_terminal_stays_the_childs() {
    let environment = connected();
    let script = "echo ready >&2; read line; echo \"read $line\" >&2; stty -a </dev/tty >/dev/null";
    let mut terminal = run(&environment, script).at_terminal();
    terminal
        .wait_for("ready")
        .types("words\n")
        .wait_for("read words");
    assert_eq!(terminal.end().code, 0);
}

#[test]
fn a_shell_stops_both_and_goes_on_with_both() {
    let environment = connected();
    let vault = assert_cmd::cargo::cargo_bin!("vault").display().to_string();
    // A shell with job control: what it says when a job stops and goes on.
    let script = format!(
        "set -m; {vault} run -- sh -c 'echo child $$ >&2; read line; echo \"read $line\" >&2; \
         exit 4'; echo stopped $? >&2; read pause; fg >/dev/null; echo ended $? >&2"
    );
    let mut terminal = environment.run("bash", ["-c", &script]).at_terminal();
    let number = terminal.wait_until("child", |shown| {
        let rest = shown.split_once("child ")?.1;
        Some(rest.split_once('\r')?.0.to_owned())
    });
    terminal.types("\x1a").wait_for("stopped 148");
    // The shell looks at us alone; the child stops by itself, perhaps later.
    if std::path::Path::new("/proc/self/stat").exists() {
        let stat = format!("/proc/{number}/stat");
        wait_until("the child stops", || {
            std::fs::read_to_string(&stat).is_ok_and(|state| state.contains(") T "))
        });
    }
    terminal.types("\n").types("words\n").wait_for("read words");
    terminal.wait_for("ended 4");
    assert_eq!(terminal.end().code, 0);
}

#[test]
fn a_hangup_that_comes_to_us_alone_is_handed_on() {
    // The first of a session is told of it, and nobody else is.
    let environment = connected();
    let file = environment.path("given").join("hung-up");
    let script = format!(
        "trap 'echo yes >{}; exit' HUP; echo \"child $$\" >&2; {WAITING}",
        file.display()
    );
    let mut terminal = run(&environment, &script).at_terminal();
    let number = terminal.wait_until("child", |shown| {
        Some(shown.split_once("child ")?.1.split_once('\r')?.0.to_owned())
    });
    drop(terminal);
    wait_until("the child hears of it", || file.exists());
    wait_until("the child ends", || is_gone(&number));
}

#[test]
fn what_we_are_to_ignore_the_child_ignores_too() {
    let environment = connected();
    let vault = assert_cmd::cargo::cargo_bin!("vault").display().to_string();
    let script = format!(
        "trap '' HUP USR1; exec {vault} run -- sh -c 'kill -HUP $$; kill -USR1 $$; echo alive; \
         kill -USR2 $$'"
    );
    let finished = environment.run("sh", ["-c", &script]).finish();
    assert_eq!(finished.stdout, "alive\n", "{finished}");
    assert_eq!(finished.code, Some(128 + 12), "{finished}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_childs_mask_and_limits_are_what_we_were_given() {
    let environment = connected();
    if !has_perl() {
        return;
    }
    let vault = assert_cmd::cargo::cargo_bin!("vault").display().to_string();
    let after = |before: &str| {
        let script = "use POSIX; $SIG{HUP} = 'IGNORE'; \
            sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR2, SIGALRM)); \
            exec(BEFORE 'grep', '-hE', '^(Sig(Blk|Ign)|Max core)', \
            '/proc/self/status', '/proc/self/limits')";
        let script = script.replace("BEFORE", before);
        let limited = ["-c", "ulimit -S -c 17; exec perl -e \"$1\"", "sh", &script];
        let shown = environment.run("bash", limited).ok().stdout;
        let ignored = shown.lines().find(|line| line.starts_with("SigIgn"));
        let ignored = ignored.unwrap().to_owned();
        // The C library ignores two signals of its own, or not.
        let digits = ignored.rsplit('\t').next().unwrap();
        let kept = u64::from_str_radix(digits, 16).unwrap() & 0x7fff_ffff;
        shown.replace(&ignored, &format!("SigIgn {kept:x}"))
    };
    let direct = after("");
    let through = after(&format!("'{vault}', 'run', '--',"));
    assert_eq!(direct, through);
    for expected in ["SigBlk:\t0000000000002800", "SigIgn 1\n", " 17408 "] {
        assert!(direct.contains(expected), "{expected} in {direct}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_whose_vault_is_killed_is_told_to_end() {
    let environment = connected();
    let script = waits("trap 'exit 0' TERM");
    let (mut child, _lines, number) = started(run(&environment, &script));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the child ends", || is_gone(&number));
    assert_eq!(left(&environment).len(), 1);
    // The next run takes away what that one had no time for.
    run(&environment, "true").ok();
    assert_eq!(left(&environment), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_session_that_began_outside_of_our_namespace_does_no_harm() {
    // As in a container whose first process was started from outside.
    let environment = connected();
    let vault = assert_cmd::cargo::cargo_bin!("vault").display().to_string();
    for options in [&["-pf"][..], &["-Urpf"]] {
        let may = environment.run("unshare", options).args(["true"]).finish();
        if may.code != Some(0) {
            continue;
        }
        let inside = [&vault, "run", "--", "sh", "-c", "exit 6"];
        let finished = environment.run("unshare", options).args(inside).finish();
        assert_eq!(finished.code, Some(6), "{finished}");
        return;
    }
    support::skip("namespaces", "no PID namespace can be made here");
}

#[test]
fn a_child_that_nobody_may_collect_still_has_an_exit_code() {
    // Who starts us may have us ignore SIGCHLD, and children vanish.
    let environment = connected();
    let vault = assert_cmd::cargo::cargo_bin!("vault").display().to_string();
    let script =
        format!("$SIG{{CHLD}} = 'IGNORE'; exec '{vault}', 'run', '--', 'sh', '-c', 'exit 6'");
    if !has_perl() {
        return;
    }
    let finished = environment.run("perl", ["-e", &script]).finish();
    assert_eq!(finished.code, Some(6), "{finished}");
}

#[test]
fn the_mode_for_tools_that_know_no_proxy_still_becomes_the_program() {
    let environment = connected();
    let vault = assert_cmd::cargo::cargo_bin!("vault").display().to_string();
    let script = format!("echo $$; exec {vault} run --mode env -- sh -c 'echo $$'");
    let finished = environment.run("sh", ["-c", &script]).ok();
    let lines: Vec<_> = finished.stdout.lines().collect();
    assert_eq!(lines[0], lines[1], "{finished}");
}
