//! git over https and `gh`: the key goes in as Basic for the one and as Bearer
//! for the other.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::seen::Seen;
use super::server::Answer;
use super::world::{World, play, runs};

const KEY: &str = "ghp_FAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKE";

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("x-access-token:{KEY}")))
}

/// git's own server, as a CGI program (RFC 3875).
fn by_git(root: &Path, seen: &Seen) -> Answer {
    if seen.header("authorization") != Some(&basic()) {
        let ask = ("www-authenticate".to_owned(), "Basic realm=FAKE".to_owned());
        return Answer {
            headers: vec![ask],
            ..Answer::status(401)
        };
    }
    let header = |name| seen.header(name).unwrap_or_default();
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "fake")
        .env("REQUEST_METHOD", &seen.method)
        .env("PATH_INFO", seen.path())
        .env("QUERY_STRING", seen.query())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", seen.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = backend.stdin.take().unwrap();
    let body = seen.body.clone();
    let feeding = std::thread::spawn(move || stdin.write_all(&body));
    let output = backend.wait_with_output().unwrap().stdout;
    let _ = feeding.join().unwrap();
    let end = output.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = output.split_at(end.unwrap() + 4);
    let mut answer = Answer {
        body: body.to_vec(),
        ..Answer::default()
    };
    for line in std::str::from_utf8(head).unwrap().lines() {
        match line.split_once(": ") {
            Some(("Status", status)) => answer.status = status[..3].parse().unwrap(),
            Some((name, value)) => answer.headers.push((name.to_owned(), value.to_owned())),
            None => {}
        }
    }
    answer
}

/// A repository with one commit, to be cloned and pushed to.
fn repository() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let script = r#"
        git init -q --bare -b main fake/small.git
        git init -q -b main first && cd first
        echo 'Guten Tag' > hello
        git add hello
        git -c user.name=Fake -c user.email=fake@stand-in.test commit -q -m first
        git push -q ../fake/small.git main
    "#;
    let made = Command::new("sh")
        .args(["-euc", script])
        .current_dir(root.path())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .status();
    assert!(made.unwrap().success());
    root
}

#[test]
fn git_clones_and_pushes() {
    play(&[("git", runs("git", &["--version"]))], || {
        let root = repository();
        let folder: PathBuf = root.path().to_owned();
        let world = World::new(move |seen| by_git(&folder, seen));
        world.with_key("github", KEY);
        // More than git sends in one piece: it goes in chunks.
        let script = r#"
            git clone -q https://github.com/fake/small.git
            cd small
            cat hello
            head -c 3000000 /dev/urandom > long
            git add long
            git -c user.name=Fake -c user.email=fake@stand-in.test commit -q -m second
            git push -q origin main
            git pull -q
            git log --format=%s
        "#;
        let run = world.run(&[], ["sh", "-euc", script]);
        assert_eq!(run.stdout, "Guten Tag\nsecond\nfirst\n", "{run}");
        let pushed = Command::new("git")
            .args(["-C", "fake/small.git", "log", "-1", "--format=%s", "main"])
            .current_dir(root.path())
            .output()
            .unwrap();
        assert_eq!(pushed.stdout, b"second\n");
        let seen = world.arrived_at("github.com");
        let is_push = |seen: &&Seen| seen.path() == "/fake/small.git/git-receive-pack";
        let longest = seen
            .iter()
            .filter(is_push)
            .map(|seen| seen.body.len())
            .max();
        assert!(longest > Some(3_000_000));
        for request in seen {
            request.carries(KEY, "authorization", &basic());
        }
        // Nothing of it was written down.
        let config = world.environment.path("work/small/.git/config");
        assert!(!fs::read_to_string(config).unwrap().contains('@'));
    });
}

#[test]
fn gh_asks_who_it_is() {
    play(&[("gh", runs("gh", &["--version"]))], || {
        let bearer = format!("Bearer {KEY}");
        let expected = bearer.clone();
        let world = World::new(move |seen| {
            if seen.header("authorization") != Some(&expected) {
                return Answer::status(401);
            }
            match (seen.method.as_str(), seen.path()) {
                ("GET", "/user") => Answer::new("application/json", r#"{"login":"fake"}"#),
                ("POST", "/graphql") => Answer::new(
                    "application/json",
                    r#"{"data":{"viewer":{"login":"fake"}}}"#,
                ),
                _ => Answer::status(404),
            }
        });
        world.with_key("github", KEY);
        let run = world.run(&[], ["gh", "api", "user", "--jq", ".login"]);
        assert_eq!(run.stdout, "fake\n", "{run}");
        let query = "query={viewer{login}}";
        let run = world.run(&[], ["gh", "api", "graphql", "-f", query]);
        assert!(run.stdout.contains("fake"), "{run}");
        for request in world.arrived_at("api.github.com") {
            request.carries(KEY, "authorization", &bearer);
        }
    });
}
