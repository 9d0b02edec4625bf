//! Nothing that was acknowledged is lost: after a kill at any instant, on a
//! full disk, and with many writers at once.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // also in helpers

mod support;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use predicates::prelude::*;
use predicates::str::contains;
use rustix::process::Resource;

use support::mounts::in_own_mounts;
use support::{TestEnvironment, fake_key, skip};

/// Numbers that are different in every run, without a crate for them.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let mut seed = [0; 8];
        getrandom::getrandom(&mut seed).unwrap();
        Self(u64::from_ne_bytes(seed) | 1)
    }

    /// A moment between nothing and `longest`.
    fn moment(&mut self, longest: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let share = (self.0 >> 11) as f64 / (1u64 << 53) as f64;
        longest.mul_f64(share)
    }
}

/// What kills came upon.
#[derive(Default, Debug)]
struct Tally {
    before: usize,
    after: usize,
    acknowledged: usize,
}

fn temporary_files(environment: &TestEnvironment) -> Vec<PathBuf> {
    let mut found = environment.files_under(environment.home());
    found.retain(|path| path.to_string_lossy().contains(".tmp-"));
    found
}

/// Starts a login that is fed its key and may be killed at any time.
fn start_login(environment: &TestEnvironment, key: &str) -> std::process::Child {
    let mut command = environment
        .vault(["login", "openai/torture", "--force", "--stdin", "--quiet"])
        .command();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // Killed or not, the pipe is big enough for a key.
    let _ = child.stdin.take().unwrap().write_all(key.as_bytes());
    child
}

fn kill_at_random(kills: usize) -> Tally {
    let environment = TestEnvironment::new().with_identity_vault();
    environment.secret("an API key", "FAKE_CANARY_KEY");
    let mut stored = fake_key("0");
    let began = Instant::now();
    for _ in 0..5 {
        assert!(start_login(&environment, &stored).wait().unwrap().success());
    }
    // A little longer, so that some of them finish.
    let longest = began.elapsed().mul_f64(1.2 / 5.0);
    let mut dice = Dice::new();
    let mut tally = Tally::default();
    for number in 1..=kills {
        let offered = fake_key(&number.to_string());
        let mut child = start_login(&environment, &offered);
        std::thread::sleep(dice.moment(longest));
        let _ = child.kill();
        let status = child.wait().unwrap();
        assert!(
            status.code().is_none_or(|code| code == 0),
            "it failed by itself: {status}"
        );
        let found = environment.stored("torture");
        if status.success() {
            assert_eq!(found, offered, "an acknowledged change was lost");
            tally.acknowledged += 1;
        } else if found == offered {
            tally.after += 1;
        } else {
            assert_eq!(found, stored, "something else than before and after");
            tally.before += 1;
        }
        stored = found;
    }
    environment.log_in("sweeper");
    assert_eq!(temporary_files(&environment), Vec::<PathBuf>::new());
    assert!(fs::read_dir(environment.backups()).unwrap().count() <= 10);
    environment.vault(["doctor"]).ok();
    tally
}

#[test]
fn a_kill_at_any_instant_loses_nothing_acknowledged() {
    let workers: Vec<_> = (0..2)
        .map(|_| std::thread::spawn(|| kill_at_random(250)))
        .collect();
    for worker in workers {
        let tally = worker.join().unwrap();
        println!("{tally:?}");
        // If all fell on one side, the kills did not reach into the commit.
        assert!(tally.before > 10, "{tally:?}");
        assert!(tally.after + tally.acknowledged > 10, "{tally:?}");
    }
}

#[test]
fn a_kill_during_a_change_of_key_never_locks_the_owner_out() {
    let mut dice = Dice::new();
    let environment = TestEnvironment::new().with_identity_vault();
    let key = environment.log_in("torture");
    let rekey = |environment: &TestEnvironment| {
        let mut command = environment.vault(["rekey", "--quiet"]).command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let began = Instant::now();
    assert!(rekey(&environment).wait().unwrap().success());
    let longest = began.elapsed().mul_f64(1.1);
    for _ in 0..80 {
        let mut child = rekey(&environment);
        std::thread::sleep(dice.moment(longest));
        let _ = child.kill();
        child.wait().unwrap();
        assert_eq!(environment.stored("torture"), key);
    }
}

#[test]
fn readers_and_writers_beside_changes_of_the_key_never_fail() {
    let environment = TestEnvironment::new().with_identity_vault();
    environment.log_in("torture");
    let spawn = |arguments: &[&str]| {
        let mut command = environment.vault(arguments).command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    for _ in 0..12 {
        let mut running = vec![spawn(&["rekey", "--quiet"])];
        running.extend((0..4).map(|_| spawn(&["get", "openai/torture"])));
        running.push(spawn(&["default", "openai/torture"]));
        for child in running {
            let ended = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(ended.status.success(), "{said}");
        }
    }
}

#[test]
fn recipients_that_are_added_at_once_all_stay() {
    let environment = TestEnvironment::new().with_identity_vault();
    let recipients: Vec<_> = (0..6)
        .map(|_| {
            let (_, recipient) = vault::seal::IdentityFile::generate("2026-01-01T00:00:00Z");
            recipient.as_str().to_owned()
        })
        .collect();
    let spawned: Vec<_> = recipients
        .iter()
        .map(|recipient| {
            let arguments = ["rekey", "--quiet", "--add-recipient", recipient];
            environment.vault(arguments).command().spawn().unwrap()
        })
        .collect();
    for mut child in spawned {
        assert!(child.wait().unwrap().success());
    }
    let listed = environment.vault(["recipients", "--json"]).ok().stdout;
    for recipient in &recipients {
        assert!(
            listed.contains(recipient.as_str()),
            "{recipient} in {listed}"
        );
    }
}

#[test]
fn a_kill_during_the_first_login_leaves_no_vault_or_a_whole_one() {
    let mut dice = Dice::new();
    let environment = TestEnvironment::new();
    let began = Instant::now();
    let key = environment.key("first");
    assert!(start_login(&environment, &key).wait().unwrap().success());
    let longest = began.elapsed().mul_f64(1.1);
    let mut made = 0;
    for _ in 0..40 {
        let environment = TestEnvironment::new();
        let key = environment.key("first");
        let mut child = start_login(&environment, &key);
        std::thread::sleep(dice.moment(longest));
        let _ = child.kill();
        child.wait().unwrap();
        if environment.vault_file().exists() {
            assert_eq!(environment.stored("torture"), key);
            made += 1;
        }
        // What is there does not stand in the way of the next login, and
        // what the dead one left behind is gone after it.
        assert!(start_login(&environment, &key).wait().unwrap().success());
        assert_eq!(environment.stored("torture"), key);
        assert_eq!(temporary_files(&environment), Vec::<PathBuf>::new());
    }
    println!("{made} of 40 were made before the kill");
}

#[test]
fn sixteen_writers_at_once_lose_no_change() {
    const WRITERS: usize = 16;
    const CHANGES: usize = 20;
    let environment = TestEnvironment::new().with_identity_vault();
    environment.secret("an API key", "FAKE_CANARY_KEY");
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let mut logins: Vec<_> = (0..CHANGES)
                .map(|change| {
                    let name = format!("w{writer}-{change}");
                    let mut command = environment
                        .vault(["login", &format!("openai/{name}"), "--stdin", "--quiet"])
                        .command();
                    command.stdin(Stdio::piped());
                    (command, fake_key(&name))
                })
                .collect();
            std::thread::spawn(move || {
                for (command, key) in &mut logins {
                    let mut child = command.spawn().unwrap();
                    child
                        .stdin
                        .take()
                        .unwrap()
                        .write_all(key.as_bytes())
                        .unwrap();
                    assert!(child.wait().unwrap().success());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let listed = environment
        .vault(["list", "--connected", "--json"])
        .ok()
        .json();
    let connections = listed["providers"][0]["connections"].as_array().unwrap();
    assert_eq!(connections.len(), WRITERS * CHANGES);
    for name in ["w0-0", "w7-11", "w15-19"] {
        assert_eq!(environment.stored(name), fake_key(name));
    }
    assert_eq!(temporary_files(&environment), Vec::<PathBuf>::new());
}

#[test]
fn first_logins_at_once_make_one_vault() {
    for round in 0..8 {
        let environment = TestEnvironment::new();
        let children: Vec<_> = (0..4)
            .map(|number| {
                let name = format!("first{number}");
                environment
                    .vault(["login", &format!("openai/{name}"), "--stdin", "--quiet"])
                    .stdin(environment.key(&name))
                    .start()
            })
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success(), "round {round}");
        }
        for number in 0..4 {
            let name = format!("first{number}");
            assert_eq!(environment.stored(&name), fake_key(&name));
        }
    }
}

#[test]
fn a_full_disk_leaves_the_old_vault_untouched() {
    let environment = TestEnvironment::new();
    support::make_folder(environment.home());
    environment.given("one", environment.key("one"));
    environment.given("two", environment.key("two"));
    // Prints the exit codes; what `vault` says goes to standard error. What
    // it left on the disk is copied out, for the hunt.
    let script = r#"
        given="$PWD/../given"
        mount -t tmpfs -o size=1m,mode=700 tmpfs "$1"
        "$0" login openai/full --from-file "$given/one" --quiet
        cp "$1/vault.age" before
        cat /dev/zero > "$1/filler" 2>/dev/null || true
        code=0
        "$0" login openai/full --force --from-file "$given/two" || code=$?
        echo "login $code"
        cmp "$1/vault.age" before && echo same
        "$0" get openai/full --field api_key --show-secret | cmp - "$given/one" || true
        "$0" get openai/full --field status
        code=0
        "$0" rekey --no-input 2>/dev/null || code=$?
        echo "rekey $code"
        cmp "$1/vault.age" before && echo same
        ls -A "$1" "$1/backups" 2>/dev/null | grep -c 'tmp-' || true
        rm "$1/filler"
        "$0" login openai/full --force --from-file "$given/two" --quiet
        "$0" get openai/full --field status
        cp -R "$1" after
    "#;
    let Some(finished) = in_own_mounts(&environment, script) else {
        return;
    };
    assert_eq!(finished.code, Some(0), "{finished}");
    assert_eq!(
        finished.stdout, "login 1\nsame\nconnected\nrekey 1\nsame\n0\nconnected\n",
        "{finished}"
    );
    finished
        .says(contains("No space left on device"))
        .says(contains("Hint: Nothing was changed. Make room"));
}

#[test]
fn a_limit_on_file_sizes_is_an_error_like_any_other() {
    let environment = TestEnvironment::new().with_identity_vault();
    environment.log_in("limited");
    let before = fs::read(environment.vault_file()).unwrap();
    environment
        .vault(["login", "openai/limited", "--force", "--stdin"])
        .stdin(environment.key("other"))
        .limited(Resource::Fsize, 4096)
        .fails(1)
        .says(contains("vault.age").and(contains("too large")));
    assert_eq!(fs::read(environment.vault_file()).unwrap(), before);
    assert_eq!(environment.stored("limited"), fake_key("limited"));
    assert_eq!(temporary_files(&environment), Vec::<PathBuf>::new());
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    if !std::path::Path::new("/dev/full").exists() {
        return skip("/dev/full", "this system has none");
    }
    let environment = TestEnvironment::new().with_identity_vault();
    let key = environment.log_in("full");
    environment
        .vault(["login", "openai/full", "--force", "--stdin"])
        .stdin(&key)
        .ok();
    let vault = assert_cmd::cargo::cargo_bin!("vault");
    for arguments in [
        &["list"][..],
        &["get", "openai/full", "-F", "api_key", "--show-secret"],
        &["recipients"],
        &["history"],
        &["backups"],
        &["doctor"],
        &["--help"],
        &["--version"],
    ] {
        environment
            .run("sh", ["-c", "exec \"$0\" \"$@\" > /dev/full"])
            .arg(vault)
            .args(arguments)
            .finish()
            .says(contains("No space left on device"))
            .code
            .map_or_else(
                || panic!("{arguments:?} was ended by a signal"),
                |code| assert_eq!(code, 1, "{arguments:?}"),
            );
    }
    // Somebody who stops reading is no error worth a word.
    environment
        .run("sh", ["-c", "\"$0\" list | true"])
        .arg(vault)
        .ok()
        .says(predicates::str::is_empty());
}
