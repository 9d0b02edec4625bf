//! Where the new token could not be saved, nobody asks for it: a refresh token
//! is spent by asking.

use predicates::prelude::*;
use predicates::str::contains;
use rustix::process::Resource;

use super::server::{SHORT, World, access, refresh};
use super::support::mounts::in_own_mounts;

/// Smaller than the room that a renewal takes, larger than all else.
const SMALL: u64 = 64 * 1024;

/// What is printed for either connection: its exit code, and what is said
/// beside it.
const ASK: &str = r#"
    for name in good ended; do
        code=0
        "$0" get "peer/$name" --field access_token --show-secret > "$name" || code=$?
        echo "$name $code"
    done
"#;

fn two_logins() -> World {
    let world = World::new();
    world.log_in_ended("peer/ended");
    world.log_in("peer/good", Some(SHORT));
    world
}

fn is_untouched(world: &World) {
    assert_eq!(world.internet.seen().len(), 0, "somebody asked");
    assert_eq!(world.stored("peer/ended", "refresh_token"), refresh(1));
    assert_eq!(world.stored("peer/good", "refresh_token"), refresh(2));
    let printed = std::fs::read_to_string(world.environment.path("work/good"));
    // The test's own copy of what was printed.
    if let Ok(printed) = printed {
        assert_eq!(printed.trim_end(), access(2));
        for name in ["good", "ended"] {
            std::fs::remove_file(world.environment.path("work").join(name)).unwrap();
        }
    }
}

#[test]
fn a_limit_on_file_sizes_stops_the_question() {
    let world = two_logins();
    let run = world.get("peer/good").limited(Resource::Fsize, SMALL).ok();
    let run = run.says(contains("the vault cannot be written").and(contains("too large")));
    assert_eq!(run.stdout.trim_end(), access(2));
    world
        .get("peer/ended")
        .limited(Resource::Fsize, SMALL)
        .fails(1)
        .says(contains("the vault cannot be written").and(contains("too large")));
    is_untouched(&world);
    assert!(world.temporary_files().is_empty());
}

#[test]
fn a_folder_that_may_only_be_read_stops_the_question() {
    let world = two_logins();
    let script = format!("mount --bind \"$1\" \"$1\"\nmount -o remount,bind,ro \"$1\"\n{ASK}");
    let Some(finished) = in_own_mounts(&world.environment, &script) else {
        return;
    };
    assert_eq!(finished.stdout, "good 0\nended 1\n", "{finished}");
    // Twice the vault, and once the audit log.
    finished.says(contains("Warning: ").and(contains("Read-only").count(3)));
    is_untouched(&world);
}

/// As containers have it: there is room beside the file, and it cannot be
/// renamed over.
#[test]
fn a_vault_that_is_mounted_by_itself_stops_the_question() {
    let world = two_logins();
    let script = format!("mount --bind \"$1/vault.age\" \"$1/vault.age\"\n{ASK}");
    let Some(finished) = in_own_mounts(&world.environment, &script) else {
        return;
    };
    assert_eq!(finished.stdout, "good 0\nended 1\n", "{finished}");
    finished.says(contains("Warning: ").and(contains("busy").count(2)));
    is_untouched(&world);
    assert!(world.temporary_files().is_empty());
}

#[test]
fn a_disk_without_room_stops_the_question() {
    let world = two_logins();
    let script = format!(
        r#"
        cp -R "$1" "$PWD/../tmp/copy"
        mount -t tmpfs -o size=1m,mode=700 tmpfs "$1"
        cp -R "$PWD/../tmp/copy/." "$1"
        cat /dev/zero > "$1/filler" 2>/dev/null || true
        {ASK}
        ls -A "$1" | grep -c 'tmp-' || true
        "#
    );
    let Some(finished) = in_own_mounts(&world.environment, &script) else {
        return;
    };
    assert_eq!(finished.stdout, "good 0\nended 1\n0\n", "{finished}");
    finished.says(contains("Warning: ").and(contains("No space left on device").count(2)));
    is_untouched(&world);
    // The copy holds the identity.
    std::fs::remove_dir_all(world.environment.path("tmp/copy")).unwrap();
}
