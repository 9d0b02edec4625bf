//! The audit log through the binary: every command tells what it did, nothing
//! secret is among it, and nothing goes missing from it unnoticed.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;
use std::path::PathBuf;

use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;

use support::mounts::in_own_mounts;
use support::{Finished, TestEnvironment, mode};

fn log(made: &TestEnvironment) -> PathBuf {
    made.home().join("state/audit.jsonl")
}

fn head(made: &TestEnvironment) -> PathBuf {
    made.home().join("state/audit.head")
}

fn lines(made: &TestEnvironment) -> Vec<String> {
    let text = fs::read_to_string(log(made)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn put(made: &TestEnvironment, lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(log(made), text).unwrap();
}

fn entries(made: &TestEnvironment) -> Vec<Value> {
    let lines = lines(made);
    let read = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    read.collect()
}

/// What `act` adds to the log, without what every line has.
fn added(made: &TestEnvironment, act: impl FnOnce(&TestEnvironment)) -> Vec<Value> {
    let before = entries(made).len();
    act(made);
    made.vault(["audit", "verify"]).ok();
    let mut added = entries(made).split_off(before);
    for entry in &mut added {
        let members = entry.as_object_mut().unwrap();
        for name in ["seq", "time", "prev", "hash"] {
            assert!(members.remove(name).is_some(), "{name}");
        }
        let user = members.remove("user").unwrap();
        assert_eq!(user, rustix::process::geteuid().as_raw());
        let vault = members.remove("vault").unwrap();
        assert_eq!(vault, made.vault_file().to_str().unwrap());
    }
    added
}

/// Whether that is exactly what was added, each as one line of JSON.
fn is(added: &[Value], expected: &[&str]) {
    let read = expected
        .iter()
        .map(|text| serde_json::from_str(text).unwrap());
    let expected: Vec<Value> = read.collect();
    assert_eq!(added, expected);
}

fn made() -> TestEnvironment {
    TestEnvironment::new().with_identity_vault()
}

fn with_keys() -> TestEnvironment {
    let made = made();
    made.log_in("team");
    made
}

#[test]
fn storing_and_removing_is_told() {
    let made = made();
    is(
        &added(&made, |made| drop(made.log_in("team"))),
        &[r#"{"event":"login","command":"login","connection":"openai/team"}"#],
    );
    let key = made.key("new");
    is(
        &added(&made, |made| {
            let force = ["login", "openai/team", "--stdin", "--force"];
            made.vault(force).stdin(&key).ok();
            made.vault(["default", "openai/team"]).ok();
            made.vault(["rename", "openai/team", "work"]).ok();
            made.vault(["restore", "openai/work", "--version", "1"])
                .ok();
        }),
        &[
            r#"{"event":"login","command":"login","connection":"openai/team","forced":true}"#,
            r#"{"event":"default","command":"default","connection":"openai/team"}"#,
            r#"{"event":"rename","command":"rename","connection":"openai/team","to":"openai/work"}"#,
            r#"{"event":"restore","command":"restore","connection":"openai/work","version":1}"#,
        ],
    );
    let secret = made.secret("a plain secret", "FAKE-plain-secret-value");
    is(
        &added(&made, |made| {
            made.vault(["set", "DEPLOY_KEY"]).stdin(&secret).ok();
            made.vault(["unset", "DEPLOY_KEY", "--purge"]).ok();
        }),
        &[
            r#"{"event":"set","command":"set","secret":"DEPLOY_KEY"}"#,
            r#"{"event":"unset","command":"unset","secret":"DEPLOY_KEY","purged":true}"#,
        ],
    );
    is(
        &added(&made, |made| {
            made.vault(["logout", "openai/work"]).ok();
            made.log_in("b");
            made.vault(["revoke", "openai"]).ok();
            made.log_in("c");
            made.vault(["remove", "openai"]).ok();
        }),
        &[
            r#"{"event":"logout","command":"logout","connections":["openai/work"]}"#,
            r#"{"event":"login","command":"login","connection":"openai/b"}"#,
            r#"{"event":"revoke","command":"revoke","provider":"openai","connections":["openai/b"]}"#,
            r#"{"event":"login","command":"login","connection":"openai/c"}"#,
            r#"{"event":"revoke","command":"remove","provider":"openai","connections":["openai/c"]}"#,
            r#"{"event":"remove","command":"remove","provider":"openai"}"#,
        ],
    );
}

#[test]
fn a_vault_is_told_of_from_its_beginning() {
    let made = TestEnvironment::new();
    is(
        &added(&made, |made| drop(made.log_in("team"))),
        &[
            r#"{"event":"init","command":"login","slots":["recipients"]}"#,
            r#"{"event":"login","command":"login","connection":"openai/team"}"#,
        ],
    );
    assert_eq!(mode(&log(&made)), 0o600);
    assert_eq!(mode(&head(&made)), 0o600);
    assert_eq!(mode(&made.home().join("state")), 0o700);
    let made = TestEnvironment::new();
    is(
        &added(&made, |made| drop(made.vault(["init"]).ok())),
        &[r#"{"event":"init","command":"init","slots":["recipients"]}"#],
    );
}

#[test]
fn what_is_shown_is_told_with_the_fields() {
    let made = with_keys();
    let secret = made.secret("a plain secret", "FAKE-plain-secret-value");
    made.vault(["set", "DEPLOY_KEY"]).stdin(&secret).ok();
    let get = |arguments: &[&str]| {
        added(&made, |made| {
            let run = made.vault(["get"]).args(arguments);
            run.asks_for_secrets().ok();
        })
    };
    let told =
        [r#"{"event":"reveal","command":"get","connection":"openai/team","fields":["api_key"]}"#];
    is(
        &get(&["openai", "--field", "api_key", "--show-secret"]),
        &told,
    );
    is(&get(&["openai", "--show-secret"]), &told);
    is(&get(&["openai", "--show-secret", "--json"]), &told);
    is(
        &get(&["openai", "--show-secret", "--json", "--field", "status"]),
        &told,
    );
    is(
        &get(&["openai", "--field", "header", "--show-secret"]),
        &[r#"{"event":"reveal","command":"get","connection":"openai/team","fields":["header"]}"#],
    );
    is(
        &get(&["DEPLOY_KEY", "--show-secret"]),
        &[r#"{"event":"reveal","command":"get","secret":"DEPLOY_KEY"}"#],
    );
    // What is no secret is nobody's business.
    for quiet in [
        &["openai"][..],
        &["openai", "--json"],
        &["openai", "--field", "status", "--show-secret"],
        &["DEPLOY_KEY"],
    ] {
        is(&get(quiet), &[]);
    }
    is(
        &added(&made, |made| {
            let refused = made.vault(["get", "openai", "--field", "api_key"]);
            refused.fails(5);
            let unknown = ["get", "openai", "--field", "nope", "--show-secret"];
            made.vault(unknown).fails(3);
            made.vault(unknown).arg("--json").finish();
        }),
        &[],
    );
}

#[test]
fn what_is_exported_is_told_before_it_is_out() {
    let made = with_keys();
    let secret = made.secret("a plain secret", "FAKE-plain-secret-value");
    made.vault(["set", "DEPLOY_KEY"]).stdin(&secret).ok();
    is(
        &added(&made, |made| {
            made.vault(["export", "--format", "json"])
                .asks_for_secrets()
                .ok();
            let file = made.path("given/keys.env");
            made.vault(["export", "openai", "--format", "dotenv", "--output"])
                .arg(&file)
                .ok();
        }),
        &[
            r#"{"event":"export","command":"export","connections":["openai/team"],"secrets":["DEPLOY_KEY"],"format":"json"}"#,
            &format!(
                r#"{{"event":"export","command":"export","connections":["openai/team"],"format":"dotenv","output":"{}"}}"#,
                made.path("given/keys.env").display()
            ),
        ],
    );
}

#[test]
fn a_program_is_told_of_by_its_name_and_what_it_is_given() {
    let made = with_keys();
    let secret = made.secret("a plain secret", "FAKE-plain-secret-value");
    made.vault(["set", "DEPLOY_KEY"]).stdin(&secret).ok();
    is(
        &added(&made, |made| {
            made.vault(["run", "--", "/bin/sh", "-c", "true # FAKE argument"])
                .ok();
            made.vault(["run", "--with", "DEPLOY_KEY", "--", "true"])
                .ok();
            made.vault(["run", "--mode", "env", "--", "sh", "-c", "true"])
                .ok();
        }),
        &[
            r#"{"event":"run","command":"run","program":"sh","mode":"proxy","connections":["openai/team"]}"#,
            r#"{"event":"export","command":"run","secrets":["DEPLOY_KEY"]}"#,
            r#"{"event":"run","command":"run","program":"true","mode":"proxy","connections":["openai/team"]}"#,
            r#"{"event":"export","command":"run","connections":["openai/team"],"secrets":["DEPLOY_KEY"]}"#,
            r#"{"event":"run","command":"run","program":"sh","mode":"env","connections":["openai/team"],"secrets":["DEPLOY_KEY"]}"#,
        ],
    );
    assert!(!lines(&made).join("\n").contains("FAKE"));
}

#[test]
fn agents_and_the_authority_are_told_of() {
    let made = made();
    let token = |run: Finished| {
        made.secret("an agent's token", run.stdout.trim_end());
    };
    is(
        &added(&made, |made| {
            let create = ["agent", "create", "ci", "--allow", "openai/team,github"];
            let run = made.vault(create).args(["--expires", "2099-01-31"]);
            token(run.asks_for_secrets().ok());
            token(
                made.vault(["agent", "rotate", "ci"])
                    .asks_for_secrets()
                    .ok(),
            );
            made.vault(["agent", "revoke", "ci"]).ok();
            made.vault(["ca"]).ok();
            made.vault(["ca", "renew"]).ok();
        }),
        &[
            r#"{"event":"agent_create","command":"agent create","agent":"ci","allow":["openai/team","github"],"expires_at":"2099-01-31T00:00:00Z"}"#,
            r#"{"event":"agent_rotate","command":"agent rotate","agent":"ci","allow":["openai/team","github"],"expires_at":"2099-01-31T00:00:00Z"}"#,
            r#"{"event":"agent_revoke","command":"agent revoke","agent":"ci"}"#,
            r#"{"event":"ca_export","command":"ca"}"#,
            r#"{"event":"ca_renew","command":"ca renew"}"#,
        ],
    );
}

#[test]
fn keys_sessions_and_earlier_vaults_are_told_of() {
    let made = made();
    made.log_in("team");
    is(
        &added(&made, |made| {
            made.vault(["unlock", "--ttl", "8h"]).ok();
            made.vault(["lock"]).ok();
            // There was nothing to end.
            made.vault(["lock"]).ok();
            made.vault(["rekey"]).ok();
            made.vault(["rekey", "--purge-backups"]).ok();
        }),
        &[
            r#"{"event":"unlock","command":"unlock","ttl":"8h"}"#,
            r#"{"event":"lock","command":"lock"}"#,
            r#"{"event":"rekey","command":"rekey","new_key":true,"added":0,"removed":0}"#,
            r#"{"event":"rekey","command":"rekey","added":0,"removed":0,"purged_backups":true}"#,
        ],
    );
    made.log_in("b");
    let listed = made.vault(["backups", "--json"]).ok().json();
    let number = listed["backups"][0]["backup"].as_str().unwrap().to_owned();
    is(
        &added(&made, |made| {
            made.vault(["backups", "restore", &number]).ok();
            made.vault(["doctor", "--accept", "--json"]).ok();
        })[..1],
        &[&format!(
            r#"{{"event":"restore","command":"backups restore","backup":"{number}"}}"#
        )],
    );
    let accepted = entries(&made).pop().unwrap();
    assert_eq!(accepted["event"], "accept");
    assert_eq!(accepted["command"], "doctor");
}

#[test]
fn what_comes_in_is_told() {
    let made = made();
    let key = made.key("imported");
    let secret = made.secret("a plain secret", "FAKE-plain-secret-value");
    let file = made.given(
        "keys.env",
        format!("OPENAI_API_KEY={key}\nOTHER={secret}\n"),
    );
    let import = |made: &TestEnvironment, more: &[&str]| {
        let run = made.vault(["import", "--from", "dotenv"]).args(more);
        run.arg(&file).ok();
    };
    is(
        &added(&made, |made| {
            import(made, &["--dry-run"]);
            import(made, &[]);
        }),
        &[
            r#"{"event":"import","command":"import","from":"dotenv","connections":["openai/default"],"secrets":["OTHER"]}"#,
        ],
    );
}

#[test]
fn a_verification_is_told_with_what_was_rejected() {
    let made = with_keys();
    // Nobody listens there.
    let made = made
        .with("https_proxy", "http://127.0.0.1:1")
        .with("http_proxy", "http://127.0.0.1:1");
    is(
        &added(&made, |made| drop(made.vault(["verify"]).finds(8))),
        &[
            r#"{"event":"verify","command":"verify","connections":["openai/team"],"unreachable":["openai/team"]}"#,
        ],
    );
}

#[test]
fn a_gateway_is_told_of_when_it_listens() {
    let made = with_keys();
    let mut child = made
        .vault(["serve", "--listen", "127.0.0.1:0", "--json"])
        .command()
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut announced = String::new();
    let stdout = child.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut announced).unwrap();
    let told = entries(&made).pop().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(child.wait().unwrap().success());
    let announced: Value = serde_json::from_str(&announced).unwrap();
    assert_eq!(told["event"], "serve");
    assert_eq!(told["listen"], announced["listen"]);
}

#[test]
fn people_see_a_table_and_scripts_the_lines_as_they_are() {
    let made = with_keys();
    made.stored("team");
    made.vault(["audit"]).ok().prints(
        contains("EVENT")
            .and(contains("reveal"))
            .and(contains("openai/team")),
    );
    let printed = made.vault(["audit", "--json"]).ok().stdout;
    assert_eq!(printed, fs::read_to_string(log(&made)).unwrap());
    for (span, is_there) in [
        (["--since", "1d"], true),
        (["--since", "2099-01-01"], false),
        (["--until", "1d"], false),
        (["--until", "2099-01-01T00:00:00Z"], true),
    ] {
        let run = made.vault(["audit", "--json"]).args(span).ok();
        assert_eq!(!run.stdout.is_empty(), is_there, "{run}");
        let run = made.vault(["audit"]).args(span).ok();
        assert_eq!(!run.stdout.is_empty(), is_there, "{run}");
        assert_eq!(run.stderr.contains("Nothing happened"), !is_there, "{run}");
    }
    made.vault(["audit", "--since", "yesterday"]).fails(2);
    // A line that was put in is left out, and people are told.
    fs::write(log(&made), lines(&made).join("\n") + "\n\x1b[2J{}\n").unwrap();
    made.vault(["audit"])
        .ok()
        .says(contains("vault audit verify"));
    let printed = made.vault(["audit", "--json"]).ok();
    assert!(!printed.stdout.contains('\x1b'), "{printed}");
}

#[test]
fn where_nothing_happened_there_is_nothing_to_tell_and_nothing_is_made() {
    let made = TestEnvironment::new();
    made.vault(["audit"])
        .ok()
        .prints(is_empty())
        .says(contains("Nothing has happened yet"));
    made.vault(["audit", "--json"]).ok().prints(is_empty());
    made.vault(["audit", "verify"])
        .ok()
        .says(contains("no audit log yet"));
    let said = made.vault(["audit", "verify", "--json"]).ok().json();
    assert_eq!(said["status"], "ok");
    assert_eq!(said["entries"], 0);
    assert!(!made.home().exists());
}

#[test]
fn verify_says_how_much_it_saw_and_leaves_no_trace() {
    let made = with_keys();
    made.stored("team");
    let before = fs::read(log(&made)).unwrap();
    made.vault(["audit", "verify"])
        .ok()
        .says(contains("3 entries since 20"));
    let said = made.vault(["audit", "verify", "--json"]).ok().json();
    assert_eq!(said["entries"], 3);
    assert!(said["since"].as_str().unwrap().starts_with("20"));
    made.vault(["audit", "verify", "--quiet"])
        .ok()
        .says(is_empty());
    assert_eq!(fs::read(log(&made)).unwrap(), before);
}

/// Changes the log, and what is said of it.
fn broken(edit: impl FnOnce(&TestEnvironment)) -> Finished {
    let made = with_keys();
    for name in ["b", "c", "d"] {
        made.log_in(name);
    }
    made.vault(["audit", "verify"]).ok();
    edit(&made);
    let refused = made.vault(["audit", "verify"]).fails(7);
    // It is no better when life goes on.
    made.stored("team");
    made.log_in("e");
    made.vault(["audit", "verify"]).fails(7);
    refused
}

fn edited(edit: impl FnOnce(&mut Vec<String>)) -> Finished {
    broken(|made| {
        let mut lines = lines(made);
        edit(&mut lines);
        put(made, &lines);
    })
}

#[test]
fn an_edit_of_any_kind_is_found_and_named() {
    edited(|lines| lines[2] = lines[2].replace("openai/b", "openai/x"))
        .says(contains("line 3 was changed"));
    edited(|lines| drop(lines.remove(2))).says(contains("line 3 holds entry 4"));
    edited(|lines| drop(lines.remove(0))).says(contains("line 1 holds entry 2"));
    edited(|lines| lines.swap(1, 3)).says(contains("line 2 holds entry 4"));
    edited(|lines| lines.insert(2, lines[1].clone())).says(contains("line 3 holds entry 2"));
    edited(|lines| lines.insert(4, "hello".into())).says(contains("line 5 is no entry"));
    edited(|lines| lines.truncate(3))
        .says(contains("line 3 is the last one").and(contains("5 entries were written")));
    edited(Vec::clear).says(contains("gone or empty").and(contains("5 entries were written")));
    broken(|made| fs::remove_file(log(made)).unwrap()).says(contains("gone or empty"));
}

#[test]
fn a_log_that_is_gone_with_its_head_is_missed_by_the_pin() {
    broken(|made| {
        fs::remove_file(log(made)).unwrap();
        fs::remove_file(head(made)).unwrap();
    })
    // The pin was written before the last entry was.
    .says(contains("gone or empty").and(contains("4 entries were written")));
}

#[test]
fn a_log_that_was_cut_with_its_head_is_missed_by_the_pin() {
    let early = std::cell::RefCell::new((Vec::new(), Vec::new()));
    let made = with_keys();
    early.replace((
        fs::read(log(&made)).unwrap(),
        fs::read(head(&made)).unwrap(),
    ));
    for name in ["b", "c", "d"] {
        made.log_in(name);
    }
    let (old_log, old_head) = early.into_inner();
    fs::write(log(&made), &old_log).unwrap();
    fs::write(head(&made), &old_head).unwrap();
    made.vault(["audit", "verify"])
        .fails(7)
        .says(contains("line 2 is the last one"));
    // Neither reads nor commits make it forgotten.
    for _ in 0..4 {
        made.stored("team");
    }
    made.log_in("e");
    made.vault(["audit", "verify"]).fails(7);
}

#[test]
fn a_pin_of_an_older_version_has_no_such_field_and_is_good() {
    let made = with_keys();
    let state = made.home().join("state");
    let is_pin = |path: &PathBuf| path.to_string_lossy().contains("pin-");
    let pin = made.files_under(&state).into_iter().find(is_pin).unwrap();
    let mut written: Value = serde_json::from_slice(&fs::read(&pin).unwrap()).unwrap();
    assert!(written.as_object_mut().unwrap().remove("audit").is_some());
    fs::write(&pin, written.to_string()).unwrap();
    made.stored("team");
    made.vault(["audit", "verify"]).ok();
    made.log_in("b");
    let written: Value = serde_json::from_slice(&fs::read(&pin).unwrap()).unwrap();
    assert!(written["audit"].is_string());
}

#[test]
fn what_went_wrong_can_be_accepted_and_stays_as_it_was_then() {
    let made = with_keys();
    made.log_in("b");
    fs::remove_file(log(&made)).unwrap();
    fs::remove_file(head(&made)).unwrap();
    made.vault(["audit", "verify"])
        .fails(7)
        .says(contains("vault doctor --accept"));
    made.vault(["doctor", "--accept"])
        .ok()
        .says(contains("gone or empty").and(contains("Accepted.")));
    made.vault(["audit", "verify"])
        .ok()
        .says(contains("was accepted at 20"));
    made.log_in("c");
    made.vault(["audit", "verify"]).ok();
    let mut lines = lines(&made);
    lines[0] = lines[0].replace("accept", "except");
    put(&made, &lines);
    made.vault(["audit", "verify"]).fails(7);
}

#[test]
fn sixteen_at_once_make_one_chain() {
    let made = with_keys();
    let before = lines(&made).len();
    let get = ["get", "openai", "--field", "api_key", "--show-secret"];
    let started: Vec<_> = (0..16)
        .map(|_| {
            let mut command = made.vault(get).command();
            command.stdout(std::process::Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    for mut child in started {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(lines(&made).len(), before + 16);
    made.vault(["audit", "verify"]).ok();
}

#[test]
fn a_kill_between_a_line_and_its_head_is_no_false_alarm() {
    let made = with_keys();
    let before = fs::read(head(&made)).unwrap();
    made.stored("team");
    fs::write(head(&made), before).unwrap();
    made.vault(["audit", "verify"]).ok();
    made.stored("team");
    made.vault(["audit", "verify"]).ok();
    // And one in the middle of a line is told of by the next.
    let before = fs::read(head(&made)).unwrap();
    let whole = fs::read(log(&made)).unwrap();
    made.stored("team");
    let text = fs::read(log(&made)).unwrap();
    fs::write(log(&made), &text[..whole.len() + 30]).unwrap();
    fs::write(head(&made), before).unwrap();
    made.vault(["audit", "verify"])
        .ok()
        .says(contains("A crash cut its last line"));
    made.vault(["audit"]).ok();
    made.stored("team");
    made.vault(["audit", "verify"])
        .ok()
        .says(contains("crash").not());
    assert!(entries_that_are(&made, "torn") == 1);
}

fn entries_that_are(made: &TestEnvironment, event: &str) -> usize {
    let lines = lines(made);
    let told = format!("\"event\":\"{event}\"");
    lines.iter().filter(|line| line.contains(&told)).count()
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing_and_is_told_of() {
    let made = with_keys();
    fs::remove_file(log(&made)).unwrap();
    fs::create_dir(log(&made)).unwrap();
    let get = ["get", "openai", "--field", "api_key", "--show-secret"];
    let run = made.vault(get).asks_for_secrets().ok();
    assert!(run.stdout.starts_with("sk-FAKE"));
    run.says(contains("Warning: This is not in the audit log.").and(contains("audit.jsonl")));
    made.vault(get)
        .arg("--quiet")
        .asks_for_secrets()
        .ok()
        .says(is_empty());
    let key = made.key("b");
    made.vault(["login", "openai/b", "--stdin"])
        .stdin(&key)
        .ok()
        .says(contains("Warning:"));
    // Two lines that fail are one trouble.
    let run = made
        .vault([
            "run",
            "--only",
            "openai/team",
            "--mode",
            "env",
            "--",
            "true",
        ])
        .ok();
    assert_eq!(run.stderr.matches("audit log").count(), 1, "{run}");
    made.vault(["audit", "verify"]).fails(1);
}

#[test]
fn a_full_disk_leaves_no_half_line() {
    let made = with_keys();
    // A limit that ends in the middle of the next line; other files are short.
    let length = fs::metadata(log(&made)).unwrap().len();
    let get = ["get", "openai", "--field", "api_key", "--show-secret"];
    made.vault(get)
        .limited(rustix::process::Resource::Fsize, length + 100)
        .asks_for_secrets()
        .ok()
        .says(contains("This is not in the audit log."));
    assert_eq!(fs::metadata(log(&made)).unwrap().len(), length);
    made.vault(["audit", "verify"]).ok();
}

/// Reads a key where the home is read-only, and says so with `more`.
fn read_only(made: &TestEnvironment, more: &str) -> Option<Finished> {
    let script = format!(
        "mount --bind \"$1\" \"$1\"; mount -o remount,ro,bind \"$1\"
         \"$0\" get openai --field api_key --show-secret {more} >/dev/null"
    );
    let run = in_own_mounts(made, &script)?;
    assert_eq!(run.code, Some(0), "{run}");
    Some(run)
}

#[test]
fn a_home_that_never_had_a_log_and_is_read_only_is_no_trouble() {
    let made = with_keys();
    fs::remove_dir_all(made.home().join("state")).unwrap();
    let Some(run) = read_only(&made, "") else {
        return;
    };
    run.says(is_empty());
    read_only(&made, "--verbose")
        .unwrap()
        .says(contains("There is no audit log"));
    // An empty folder is no memory of one.
    support::make_folder(&made.home().join("state"));
    read_only(&made, "").unwrap().says(is_empty());
}

#[test]
fn a_home_that_had_a_log_and_is_read_only_is_told_of() {
    let made = with_keys();
    let Some(run) = read_only(&made, "") else {
        return;
    };
    run.says(contains("This is not in the audit log."));
    // Its pin tells that there was one.
    fs::remove_file(log(&made)).unwrap();
    fs::remove_file(head(&made)).unwrap();
    read_only(&made, "")
        .unwrap()
        .says(contains("This is not in the audit log."));
}

#[test]
fn an_isolated_program_does_not_find_the_log() {
    let made = with_keys();
    let sees = "cat \"$1\" >/dev/null 2>&1 && echo seen; echo done";
    let run = made.vault(["run", "--isolate", "--", "sh", "-c", sees, "sh"]);
    let run = run.arg(log(&made)).finish();
    if run.code == Some(125) {
        support::skip("isolate", &run.stderr);
        return;
    }
    assert_eq!(run.stdout, "done\n", "{run}");
    made.vault(["audit", "verify"]).ok();
}
