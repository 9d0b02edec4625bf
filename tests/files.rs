//! Files and folders as the program leaves, finds and touches them.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use predicates::prelude::*;
use predicates::str::contains;

use support::{Run, TestEnvironment, chmod, make_folder, mode, skip};

fn without_umask(run: Run<'_>) -> Run<'_> {
    run.before(|| {
        rustix::process::umask(rustix::fs::Mode::empty());
        Ok(())
    })
}

/// Every folder and file under `folder` must be its owner's alone.
fn assert_private(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_folder = path.is_dir();
        let wanted = if is_folder { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
        if is_folder {
            assert_private(&path);
        }
    }
}

#[test]
fn everything_is_private_whatever_the_umask() {
    for environment in [
        TestEnvironment::new(),
        TestEnvironment::on_platform_folders(),
    ] {
        let words = environment.passphrase("of the vault");
        for arguments in [
            &["login", "openai", "--stdin"][..],
            &["login", "openai", "--force", "--stdin"],
            &["rekey", "--passphrase", "--work-factor", "2"],
            &["rekey", "--no-passphrase"],
            &["restore", "openai", "--version", "1"],
            &["unlock"],
            &["list"],
        ] {
            without_umask(environment.vault(arguments))
                .stdin(environment.key("umask"))
                .env("VAULT_NEW_PASSPHRASE", &words)
                .ok();
        }
        assert_private(environment.home());
        assert_eq!(mode(environment.home()), 0o700);
        for folder in ["user/state", "user/config", "user/run"] {
            let folder = environment.path(folder);
            if folder.exists() {
                assert_private(&folder);
            }
        }
        environment.vault(["doctor"]).ok();
    }
}

/// What every command says once of a file that others can read.
fn reports(environment: &TestEnvironment, loose: &Path, said: &str) {
    chmod(loose, 0o644);
    let close = format!("chmod 600 '{}'", loose.display());
    for arguments in [
        &["list"][..],
        &["get", "openai/loose"],
        &["get", "openai/loose", "--field", "status"],
        &["login", "openai/loose", "--force", "--stdin"],
        &["recipients"],
        &["history"],
        &["restore", "openai/loose", "--version", "1"],
        &["unlock"],
        &["lock"],
        &["rekey"],
        &["backups", "restore", "2"],
    ] {
        // A change of the vault makes it private again.
        chmod(loose, 0o644);
        if arguments == ["lock"] {
            environment.vault(arguments).ok();
            continue;
        }
        let finished = environment
            .vault(arguments)
            .stdin(environment.key("loose"))
            .ok()
            .says(contains(said).and(contains(close.as_str())));
        assert_eq!(finished.stderr.matches(&close).count(), 1, "{finished}");
    }
    chmod(loose, 0o644);
    let finished = environment.vault(["doctor"]).finish();
    assert_eq!(finished.code, Some(1), "{finished}");
    assert!(finished.stdout.contains(&close), "{finished}");
    environment.vault(["list", "--json"]).ok().json();
}

#[test]
fn a_vault_that_others_can_read_is_reported() {
    let environment = TestEnvironment::new().with_identity_vault();
    environment.log_in("loose");
    reports(
        &environment,
        &environment.vault_file(),
        "Others can read the vault",
    );
    // Whoever changes it closes it, too.
    environment.log_in("closing");
    assert_eq!(mode(&environment.vault_file()), 0o600);
}

#[test]
fn an_identity_that_others_can_read_is_reported() {
    let environment = TestEnvironment::new().with_identity_vault();
    environment.log_in("loose");
    reports(
        &environment,
        &environment.identity_file(),
        "Others can read the identity",
    );
}

#[test]
fn a_vault_reached_through_a_link_stays_one() {
    let environment = TestEnvironment::new();
    make_folder(environment.home());
    make_folder(&environment.path("work/elsewhere"));
    let link = environment.vault_file();
    // A relative link, to a file that is not there yet.
    symlink("../work/elsewhere/real.age", &link).unwrap();
    let real = environment.path("work/elsewhere/real.age");
    let key = environment.log_in("linked");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::symlink_metadata(&real).unwrap().is_file());
    environment.vault(["rekey"]).ok();
    assert_eq!(environment.stored("linked"), key);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    // Through the link or not, it is the same vault with the same memory.
    environment.vault(["list", "--file"]).arg(&real).ok();
    environment.vault(["unlock"]).ok();
    environment
        .vault(["list", "--verbose", "--file"])
        .arg(&real)
        .ok()
        .says(contains("the session"));
    // A link in a circle is no vault.
    fs::remove_file(&link).unwrap();
    symlink("vault.age", &link).unwrap();
    environment
        .vault(["list"])
        .fails(1)
        .says(contains("circle"));
}

#[test]
fn a_read_only_vault_can_be_read() {
    let environment = TestEnvironment::new().with_identity_vault();
    let key = environment.log_in("fixed");
    let script = r#"
        mount --bind "$1" "$1"
        mount -o remount,bind,ro "$1"
        touch "$1/x" 2>/dev/null && exit 99
        "$0" get openai/fixed --field api_key --show-secret
        "$0" list --connected >&2
        printf %s sk-FAKE-0123456789012345678901 | "$0" login openai/more --stdin || echo "login $?"
    "#;
    let probe = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\"";
    let may = Command::new("unshare")
        .args(["-rm", "sh", "-c", probe])
        .arg(environment.home())
        .stderr(Stdio::null())
        .status();
    if !may.is_ok_and(|status| status.success()) {
        return skip(
            "mount",
            "nothing can be mounted here, not even in a namespace",
        );
    }
    let finished = environment
        .run("unshare", ["-rm", "sh", "-euc", script])
        .arg(assert_cmd::cargo::cargo_bin!("vault"))
        .arg(environment.home())
        .asks_for_secrets()
        .ok()
        .says(contains("Read-only file system"))
        .says(contains("Hint: The file system is read-only"));
    assert_eq!(finished.stdout, format!("{key}\nlogin 1\n"));
}

#[test]
fn a_home_may_have_any_name() {
    for name in [
        "with spaces",
        "Zuhause – für Schlüssel 🔑",
        "it's \"quoted\" $HOME",
    ] {
        let environment = TestEnvironment::at(name);
        let key = environment.log_in("named");
        assert_eq!(environment.stored("named"), key);
        environment.vault(["unlock"]).ok();
        environment.vault(["rekey"]).ok();
        environment.vault(["backups"]).ok();
        environment.vault(["backups", "restore", "1"]).ok();
        environment.vault(["doctor"]).ok();
        assert!(environment.vault_file().exists());
        assert_eq!(
            fs::read_dir(environment.path("")).unwrap().count(),
            4,
            "everything lies under it"
        );
    }
}

#[test]
fn a_vault_in_the_folder_one_is_in_works() {
    let environment = TestEnvironment::new().with_identity_vault();
    environment.vault(["init", "--file", "here.age"]).ok();
    environment
        .vault(["login", "openai/here", "--stdin", "--file", "here.age"])
        .stdin(environment.key("here"))
        .ok();
    let work = environment.path("work");
    assert!(work.join("here.age").is_file());
    assert!(work.join("backups").is_dir());
    environment
        .vault(["get", "openai/here"])
        .env("VAULT_FILE", "here.age")
        .ok();
    environment.vault(["get", "openai/here"]).fails(3);
}

#[test]
fn without_home_the_named_folders_are_enough() {
    let mut environment = TestEnvironment::on_platform_folders();
    environment.unset("HOME");
    let key = environment.log_in("homeless");
    assert_eq!(environment.stored("homeless"), key);
    assert!(environment.vault_file().exists());
    assert!(environment.identity_file().exists());
    environment.unset("XDG_RUNTIME_DIR");
    environment.vault(["unlock"]).ok();
    assert!(environment.sockets()[0].starts_with(environment.path("tmp")));
}

#[test]
fn where_there_is_no_vault_reading_makes_none() {
    let environment = TestEnvironment::new();
    environment.vault(["list"]).ok();
    environment.vault(["get", "openai"]).fails(3);
    environment.vault(["backups"]).ok();
    environment.vault(["lock"]).ok();
    for arguments in [&["recipients"][..], &["rekey"], &["unlock"], &["history"]] {
        environment
            .vault(arguments)
            .fails(3)
            .says(contains("There is no vault").and(contains("vault init")));
    }
    environment
        .vault(["doctor"])
        .ok()
        .prints(contains("warn").and(contains("there is none at")));
    assert!(!environment.home().exists(), "nothing was made");
}

#[test]
fn what_stands_in_the_way_is_named() {
    let environment = TestEnvironment::new();
    make_folder(&environment.vault_file());
    let place = environment.vault_file().display().to_string();
    environment.vault(["list"]).fails(1).says(contains(&place));
    environment
        .vault(["login", "openai", "--stdin"])
        .stdin(environment.key("way"))
        .fails(1)
        .says(contains(&place));
    let environment = TestEnvironment::new();
    fs::write(environment.home(), "a file").unwrap();
    environment
        .vault(["login", "openai", "--stdin"])
        .stdin(environment.key("way"))
        .fails(1)
        .says(contains(environment.home().to_str().unwrap()));
}

#[test]
fn a_read_touches_what_it_must_and_nothing_else() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("strace", "it is not installed");
    }
    let environment = TestEnvironment::new().with_identity_vault();
    let key = environment.log_in("watched");
    assert_eq!(environment.stored("watched"), key);
    let log = environment.path("given/strace");
    let finished = environment
        .run("strace", ["-f", "-qq", "-s", "200", "-o"])
        .arg(&log)
        .args([
            "-e",
            "trace=%file,%process,%network,prctl,prlimit64,setrlimit",
        ])
        .arg(assert_cmd::cargo::cargo_bin!("vault"))
        .args(["get", "openai/watched", "-F", "api_key", "--show-secret"])
        .asks_for_secrets()
        .finish();
    if finished.stderr.contains("Operation not permitted") {
        return skip("strace", "it may not look at other processes here");
    }
    assert_eq!(finished.stdout.trim_end(), key, "{finished}");
    let log = fs::read_to_string(log).unwrap();
    let home = environment.home().display().to_string();
    let mut touched = Vec::new();
    let mut is_closed = [false; 2];
    for line in log.lines() {
        let call = line
            .split_once(' ')
            .map_or(line, |(_, call)| call.trim_start());
        let name = call.split('(').next().unwrap();
        assert!(
            !["clone", "clone3", "fork", "vfork"].contains(&name),
            "it started something: {call}"
        );
        assert!(
            name != "socket" || call.contains("AF_UNIX"),
            "it opened a socket: {call}"
        );
        assert!(
            !["bind", "listen", "sendto", "sendmsg"].contains(&name),
            "it talked: {call}"
        );
        is_closed[0] |= name == "prctl" && call.contains("PR_SET_DUMPABLE, SUID_DUMP_DISABLE");
        is_closed[1] |= name == "prlimit64" && call.contains("RLIMIT_CORE, {rlim_cur=0");
        let Some(path) = call.split('"').nth(1) else {
            continue;
        };
        if let Some(own) = path.strip_prefix(&home) {
            assert_eq!(is_closed, [true; 2], "before it was closed: {call}");
            touched.push(format!("{name} {own}"));
        } else {
            let of_system = [
                "/lib",
                "/usr/lib",
                "/etc/ld.so",
                "/proc/self/",
                "/dev/null",
                "/sys/fs/cgroup",
            ];
            let harmless = name == "execve"
                || of_system.iter().any(|known| path.starts_with(known))
                || home.starts_with(path);
            assert!(harmless, "it touched {call}");
        }
    }
    touched.sort();
    touched.dedup();
    for touch in &touched {
        let (_, path) = touch.split_once(' ').unwrap();
        let known = ["", "/vault.age", "/identity.txt", "/providers/openai.json"].contains(&path)
            || path.starts_with("/state/s-")
            || path.starts_with("/state/pin-")
            || path.starts_with("/state/audit.");
        assert!(known, "{touch} in {touched:#?}");
    }
}
