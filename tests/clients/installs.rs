//! pip and npm as bystanders: no connection is for their index, so they are
//! passed on as they are, and the certificate that they see is the index's own.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::seen::Seen;
use super::server::Answer;
use super::world::{PACKAGES, World, play, runs, script};

fn world(answers: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> World {
    let world = World::new(answers);
    world.with_key("openai", "sk-FAKE_OPENAI_KEY_FAKEFAKEFAKE");
    world
}

/// Runs an installer: as `run` leaves its environment, and then with nobody
/// trusted but the index's own authority.
fn installs(world: &World, own_roots: &str, line: &str) {
    let roots = world.roots.display();
    for option in [String::new(), format!("{own_roots} '{roots}'")] {
        let run = world.run(&[], ["sh", "-euc", &format!("{line} {option} >&2")]);
        // It is not even listed: nobody looked inside.
        assert!(!run.stderr.contains(&format!("GET {PACKAGES}")), "{run}");
    }
    let seen = world.arrived_at(PACKAGES);
    for request in &seen {
        assert_eq!(request.header("authorization"), None, "{request}");
    }
    // But for that, both would prove nothing.
    let curl = format!("curl -sS --cacert {roots} https://api.openai.com/v1/models");
    let run = world.try_run(&[], ["sh", "-c", &curl]);
    assert_eq!(run.code, Some(60), "{run}");
}

#[test]
fn pip_is_passed_on_untouched() {
    let needed = [
        ("pip", runs("python3", &["-m", "pip", "--version"])),
        ("curl", runs("curl", &["--version"])),
    ];
    play(&needed, || {
        let folder = tempfile::tempdir().unwrap();
        assert!(runs(
            "python3",
            &[
                script("wheel.py").to_str().unwrap(),
                folder.path().to_str().unwrap()
            ]
        ));
        let name = "tiny-1.0-py3-none-any.whl";
        let wheel = std::fs::read(folder.path().join(name)).unwrap();
        let world = world(move |seen| match seen.path() {
            "/simple/tiny/" => Answer::new("text/html", format!("<a href='/{name}'>{name}</a>")),
            path if path == format!("/{name}") => {
                Answer::new("application/octet-stream", wheel.clone())
            }
            _ => Answer::status(404),
        });
        let line = format!(
            "python3 -m pip install -q --no-cache-dir --disable-pip-version-check --upgrade \
             --target here --index-url https://{PACKAGES}/simple tiny"
        );
        installs(&world, "--cert", &line);
        assert!(world.environment.path("work/here/tiny.py").exists());
    });
}

fn tarball(folder: &Path) -> Vec<u8> {
    let package = folder.join("package");
    std::fs::create_dir(&package).unwrap();
    let own = json!({"name": "tiny", "version": "1.0.0", "main": "tiny.js"});
    std::fs::write(package.join("package.json"), own.to_string()).unwrap();
    std::fs::write(package.join("tiny.js"), "module.exports = 'Guten Tag';\n").unwrap();
    let made = Command::new("tar")
        .args(["-czf", "tiny.tgz", "package"])
        .current_dir(folder)
        .status();
    assert!(made.unwrap().success());
    std::fs::read(folder.join("tiny.tgz")).unwrap()
}

#[test]
fn npm_is_passed_on_untouched() {
    let needed = [
        ("npm", runs("npm", &["--version"])),
        ("curl", runs("curl", &["--version"])),
    ];
    play(&needed, || {
        let folder = tempfile::tempdir().unwrap();
        let tarball = tarball(folder.path());
        let version = json!({"name": "tiny", "version": "1.0.0",
            "dist": {"tarball": format!("https://{PACKAGES}/npm/tiny.tgz")}});
        let about = json!({"name": "tiny", "dist-tags": {"latest": "1.0.0"},
            "versions": {"1.0.0": version}});
        let world = world(move |seen| match seen.path() {
            "/npm/tiny" => Answer::new("application/json", about.to_string()),
            "/npm/tiny.tgz" => Answer::new("application/octet-stream", tarball.clone()),
            _ => Answer::status(404),
        });
        let line = format!(
            "rm -rf here ../user/.npm; npm install --silent --no-audit --no-fund \
             --no-update-notifier --prefix here --registry https://{PACKAGES}/npm/ tiny"
        );
        installs(&world, "--cafile", &line);
        let installed = world
            .environment
            .path("work/here/node_modules/tiny/tiny.js");
        assert!(installed.exists());
    });
}
