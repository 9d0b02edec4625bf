//! Scripts that may mount what they like, where the system allows that.

use std::process::{Command, Stdio};

use super::{Finished, TestEnvironment, skip};

/// Runs a script with mounts of its own: `$0` is the program, `$1` its home.
/// `None` where that is not allowed.
pub fn in_own_mounts(environment: &TestEnvironment, script: &str) -> Option<Finished> {
    for options in [&["-rm"][..], &["-m"]] {
        let may = Command::new("unshare")
            .args(options)
            .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
            .stderr(Stdio::null())
            .status();
        if may.is_ok_and(|status| status.success()) {
            let vault = assert_cmd::cargo::cargo_bin!("vault");
            return Some(
                environment
                    .run("unshare", options)
                    .args(["sh", "-euc", script])
                    .arg(vault)
                    .arg(environment.home())
                    .finish(),
            );
        }
    }
    skip(
        "tmpfs",
        "no tmpfs can be mounted here, not even in a namespace",
    );
    None
}
