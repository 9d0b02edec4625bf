//! Requests that wait for approval: `Approvals` as a gateway has them, in this
//! process, and the real `vault approvals` on the other side of the socket.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use support::{TestEnvironment, make_folder, skip};
use tokio::task::JoinSet;
use vault::broker::approval::{
    Approvals, Ask, Decided, End, Listing, Outcome, Settings, Verdict, decide, list,
};

const PATIENCE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);
/// Never shown by anything.
const BODY: &str = "{\"model\":\"gpt-5-pro\",\"input\":\"FAKE words of a body\"}";

/// A machine, and a gateway on it.
struct Scene {
    environment: TestEnvironment,
    gateway: Gateway,
}

struct Gateway {
    approvals: Arc<Approvals>,
    audited: Receiver<Decided>,
    warned: Receiver<String>,
}

impl Gateway {
    fn at(folder: &Path) -> Self {
        Self::with(folder, None, Vec::new())
    }

    fn with(folder: &Path, notify: Option<String>, variables: Vec<(OsString, OsString)>) -> Self {
        let (audit, audited) = mpsc::channel();
        let (warn, warned) = mpsc::channel::<String>();
        let (audit, warn) = (Mutex::new(audit), Mutex::new(warn));
        let approvals = Approvals::new(Settings {
            folders: vec![folder.to_owned()],
            notify: Arc::new(move || notify.clone()),
            environment: variables,
            is_verbose: false,
            audit: Arc::new(move |decided| {
                let _ = audit.lock().unwrap().send(decided);
            }),
            warn: Arc::new(move |message| {
                let _ = warn.lock().unwrap().send(message.to_owned());
            }),
            clock: jiff::Timestamp::now,
        });
        Self {
            approvals: Arc::new(approvals),
            audited,
            warned,
        }
    }

    /// Asks, in a thread of its own as in one of a gateway.
    fn ask(&self, ask: Ask) -> JoinHandle<Outcome> {
        let approvals = Arc::clone(&self.approvals);
        std::thread::spawn(move || block_on(approvals.ask(ask)))
    }

    fn audited(&self) -> Decided {
        self.audited.recv_timeout(PATIENCE).unwrap()
    }
}

impl Scene {
    fn new() -> Self {
        let environment = TestEnvironment::new();
        let gateway = Gateway::at(&environment.home().join("state"));
        Self {
            environment,
            gateway,
        }
    }

    fn state(&self) -> PathBuf {
        self.environment.home().join("state")
    }

    /// Waits until so many are held.
    #[track_caller]
    fn held(&self, count: usize) -> Listing {
        let state = self.state();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listing = list(&[&state], false);
            if listing.held.len() == count {
                return listing;
            }
            assert!(Instant::now() < deadline, "not {count}: {listing:?}");
            std::thread::yield_now();
        }
    }

    /// The ID of the only one.
    #[track_caller]
    fn only(&self) -> String {
        self.held(1).held.remove(0).id
    }

    fn vault(&self, arguments: &[&str]) -> support::Run<'_> {
        self.environment
            .vault(["approvals"].iter().chain(arguments))
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

fn an_ask() -> Ask {
    Ask {
        agent: "ci".into(),
        rules: vec!["large models".to_owned()],
        method: "POST".to_owned(),
        host: "api.openai.com".to_owned(),
        path: "/v1/responses".to_owned(),
        connection: Some("openai/team".to_owned()),
        model: Some("gpt-5-pro".to_owned()),
        bytes: Some(BODY.len() as u64),
        body: Some(Bytes::from_static(BODY.as_bytes())),
        timeout: HOUR,
    }
}

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn without_a_gateway_nothing_waits_and_nothing_is_made() {
    let environment = TestEnvironment::new();
    let run = environment.vault(["approvals", "list"]).ok();
    run.prints(is_empty())
        .says(contains("Nothing waits for approval."));
    let listed = environment.vault(["approvals", "list", "--json"]).ok();
    assert_eq!(listed.json(), json!({"approvals": []}));
    assert!(!environment.home().exists());
    for id in ["00000000", "all", "", "\u{1b}[2J", "0000000"] {
        for action in ["approve", "deny"] {
            let run = environment.vault(["approvals", action, id]).fails(3);
            run.says(contains("vault approvals list").and(contains("\u{1b}").not()));
        }
    }
}

#[test]
fn nothing_is_made_before_the_first_request_is_held() {
    let scene = Scene::new();
    assert!(!scene.environment.home().exists());
    let asked = scene.gateway.ask(an_ask());
    scene.only();
    let sockets = scene.environment.sockets();
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&sockets[0]), 0o600);
    assert_eq!(mode(&scene.state()), 0o700);
    scene.gateway.approvals.stop();
    assert_eq!(asked.join().unwrap(), Outcome::Stopping);
    assert!(scene.environment.sockets().is_empty());
}

#[test]
fn a_request_is_listed_and_approved() {
    let scene = Scene::new();
    let asked = scene.gateway.ask(an_ask());
    let id = scene.only();
    let people = scene.vault(&["list"]).ok();
    for part in ["ci", "POST", "api.openai.com", "/v1/responses", "gpt-5-pro"] {
        assert!(people.stdout.contains(part), "{part}: {people}");
    }
    assert!(people.stdout.contains(&id) && !people.stdout.contains("FAKE"));
    let listed = scene.vault(&["list", "--json"]).ok();
    let row = &listed.json()["approvals"][0];
    let mut expected = json!({
        "id": id, "agent": "ci", "method": "POST", "host": "api.openai.com",
        "path": "/v1/responses", "model": "gpt-5-pro", "bytes": BODY.len(),
    });
    for name in ["since", "expires"] {
        row[name]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap();
        expected[name] = row[name].clone();
    }
    assert_eq!(*row, expected);
    // Not a part of it, and not another one.
    scene.vault(&["approve", &id[..7]]).fails(3);
    scene.vault(&["approve", "00000000"]).fails(3);
    assert!(!asked.is_finished());
    let upper = id.to_uppercase();
    let run = scene.vault(&["approve", &upper]).ok();
    run.prints(is_empty())
        .says(contains("Approved: ").and(contains(&id)));
    assert_eq!(asked.join().unwrap(), Outcome::Approved);
    let decided = scene.gateway.audited();
    assert_eq!(decided.outcome, End::Approved);
    assert_eq!((decided.id, decided.ahead), (id.clone(), None));
    assert_eq!(decided.rules, ["large models"]);
    assert_eq!((&*decided.agent, &*decided.path), ("ci", "/v1/responses"));
    let by = decided.by.unwrap();
    assert_eq!(by.uid, rustix::process::geteuid().as_raw());
    assert!(by.pid.is_some() || !cfg!(target_os = "linux"));
    let run = scene.vault(&["deny", &id]).fails(3);
    run.says(contains("It may have been decided"));
}

#[test]
fn a_request_is_denied() {
    let scene = Scene::new();
    let asked = scene.gateway.ask(an_ask());
    let id = scene.only();
    let run = scene.vault(&["deny", &id, "--json"]).ok();
    assert_eq!(
        run.json(),
        json!({"status": "denied", "id": id, "agent": "ci", "also": 0})
    );
    assert_eq!(asked.join().unwrap(), Outcome::Denied);
    assert_eq!(scene.gateway.audited().outcome, End::Denied);
    scene.held(0);
}

#[test]
fn the_body_is_shown_where_it_is_asked_for_alone() {
    let scene = Scene::new();
    let text = Bytes::from_static(b"FAKE \x1b[2J\nID  ci  POST");
    let _asked = scene.gateway.ask(Ask {
        body: Some(text),
        path: "/v1/\u{1b}]0;x\u{7}".to_owned(),
        ..an_ask()
    });
    let id = scene.only();
    for arguments in [&["list"][..], &["list", "--json"]] {
        let run = scene.vault(arguments).ok();
        run.prints(contains("FAKE").not().and(contains("\u{1b}").not()));
    }
    let run = scene.vault(&["list", "--show-body"]).ok();
    let expected = format!("\n{id}\n  | FAKE \\u{{1b}}[2J\n  | ID  ci  POST\n");
    run.prints(contains(expected).and(contains("\u{1b}").not()));
    let run = scene.vault(&["list", "--show-body", "--json"]).ok();
    let body = &run.json()["approvals"][0]["body"];
    assert_eq!(body, "FAKE \u{1b}[2J\nID  ci  POST");
}

#[test]
fn what_is_approved_for_a_time_passes_at_once_for_that_agent_and_rule() {
    let scene = Scene::new();
    let gateway = &scene.gateway;
    let first = gateway.ask(an_ask());
    let id = scene.only();
    let second = gateway.ask(an_ask());
    let other = gateway.ask(Ask {
        agent: "other".into(),
        ..an_ask()
    });
    scene.held(3);
    let run = scene.vault(&["approve", &id, "--for", "1h"]).ok();
    run.says(contains("For 1h, ci passes").and(contains("1 other request passed")));
    assert_eq!(first.join().unwrap(), Outcome::Approved);
    assert_eq!(second.join().unwrap(), Outcome::Approved);
    let (one, two) = (gateway.audited(), gateway.audited());
    assert_eq!((one.ahead, two.ahead), (Some(HOUR), Some(HOUR)));
    assert!(one.by.is_some() && two.by.is_some());
    // Nobody is asked any more, but for the other agent and for another rule.
    assert_eq!(block_on(gateway.approvals.ask(an_ask())), Outcome::Approved);
    assert!(!other.is_finished());
    let also = gateway.ask(Ask {
        rules: vec!["large models".to_owned(), "another".to_owned()],
        ..an_ask()
    });
    scene.held(2);
    let run = scene.vault(&["list"]).ok();
    run.prints(contains("APPROVED AHEAD FOR").and(contains("large models")));
    gateway.approvals.forget();
    let again = gateway.ask(an_ask());
    scene.held(3);
    gateway.approvals.stop();
    for asked in [other, also, again] {
        assert_eq!(asked.join().unwrap(), Outcome::Stopping);
    }
    let run = scene.vault(&["approve", &id, "--for", "90d"]).fails(2);
    run.says(contains("at most 30d"));
}

#[test]
fn a_request_that_nobody_decides_on_is_denied_in_time() {
    let scene = Scene::new();
    let asked = block_on(scene.gateway.approvals.ask(Ask {
        timeout: Duration::from_millis(20),
        ..an_ask()
    }));
    assert_eq!(asked, Outcome::TimedOut);
    let decided = scene.gateway.audited();
    assert_eq!((decided.outcome, decided.by), (End::TimedOut, None));
    scene.held(0);
    let run = scene.vault(&["approve", &decided.id]).fails(3);
    run.says(contains("timed out"));
}

#[test]
fn a_client_that_goes_away_withdraws_its_request() {
    let scene = Scene::new();
    let approvals = Arc::clone(&scene.gateway.approvals);
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let client = std::thread::spawn(move || {
        block_on(async {
            tokio::select! {
                outcome = approvals.ask(an_ask()) => Some(outcome),
                _ = left => None,
            }
        })
    });
    let id = scene.only();
    leave.send(()).unwrap();
    assert_eq!(client.join().unwrap(), None);
    assert_eq!(scene.gateway.audited().outcome, End::Withdrawn);
    scene.held(0);
    scene.vault(&["approve", &id]).fails(3);
}

#[test]
fn one_that_stops_answers_everybody_and_takes_no_more() {
    let scene = Scene::new();
    let asked: Vec<_> = (0..3).map(|_| scene.gateway.ask(an_ask())).collect();
    scene.held(3);
    scene.gateway.approvals.stop();
    for asked in asked {
        assert_eq!(asked.join().unwrap(), Outcome::Stopping);
        assert_eq!(scene.gateway.audited().outcome, End::Stopped);
    }
    let again = block_on(scene.gateway.approvals.ask(an_ask()));
    assert_eq!(again, Outcome::Stopping);
    assert!(scene.environment.sockets().is_empty());
}

#[test]
fn two_gateways_are_listed_and_decided_on_as_one() {
    let scene = Scene::new();
    let second = Gateway::at(&scene.state());
    let of_first = scene.gateway.ask(an_ask());
    let of_second = second.ask(Ask {
        agent: "other".into(),
        ..an_ask()
    });
    let held = scene.held(2).held;
    assert_eq!(scene.environment.sockets().len(), 2);
    for facts in held {
        let action = if facts.agent == "ci" {
            "approve"
        } else {
            "deny"
        };
        scene.vault(&[action, &facts.id]).ok();
    }
    assert_eq!(of_first.join().unwrap(), Outcome::Approved);
    assert_eq!(of_second.join().unwrap(), Outcome::Denied);
    drop(second);
    assert_eq!(scene.environment.sockets().len(), 1);
}

#[test]
fn the_socket_of_a_killed_gateway_is_removed_by_whoever_lists() {
    let scene = Scene::new();
    let _asked = scene.gateway.ask(an_ask());
    scene.only();
    let dead = scene.state().join("g-1-deadbeef.sock");
    drop(UnixListener::bind(&dead).unwrap());
    assert!(dead.exists());
    let run = scene.vault(&["list"]).ok();
    run.says(is_empty());
    assert!(!dead.exists());
    scene.only();
}

#[test]
fn a_socket_that_somebody_cleaned_up_is_made_again() {
    let scene = Scene::new();
    let first = scene.gateway.ask(an_ask());
    scene.only();
    let state = scene.state();
    fs::remove_dir_all(&state).unwrap();
    assert!(list(&[&state], false).held.is_empty());
    let second = scene.gateway.ask(an_ask());
    for facts in scene.held(2).held {
        scene.vault(&["deny", &facts.id]).ok();
    }
    assert_eq!(first.join().unwrap(), Outcome::Denied);
    assert_eq!(second.join().unwrap(), Outcome::Denied);
}

#[test]
fn where_nobody_can_be_asked_the_request_is_refused() {
    let environment = TestEnvironment::new();
    let file = environment.given("file", "no folder");
    let long = environment.path(&"x".repeat(120));
    for folder in [file, long] {
        let gateway = Gateway::at(&folder);
        let outcome = block_on(gateway.approvals.ask(an_ask()));
        assert!(matches!(outcome, Outcome::CannotHold(_)), "{outcome:?}");
        let warning = gateway.warned.recv_timeout(PATIENCE).unwrap();
        assert!(warning.contains("nobody can be asked"), "{warning}");
    }
}

#[test]
fn of_three_hundred_at_once_so_many_are_held_and_the_others_refused() {
    let scene = Scene::new();
    let approvals = Arc::clone(&scene.gateway.approvals);
    let crowd = std::thread::spawn(move || {
        block_on(async {
            let mut all = JoinSet::new();
            for number in 0..300 {
                let approvals = Arc::clone(&approvals);
                let ask = Ask {
                    agent: format!("agent-{}", number % 4).into(),
                    ..an_ask()
                };
                all.spawn(async move { approvals.ask(ask).await });
            }
            all.join_all().await
        })
    });
    let held = scene.held(256).held;
    let mut ids: Vec<_> = held.iter().map(|facts| facts.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 256);
    let listed = scene.vault(&["list", "--show-body", "--json"]).ok();
    assert_eq!(listed.json()["approvals"].as_array().unwrap().len(), 256);
    // One decision for all of an agent's, of which there are a quarter.
    for agent in ["agent-0", "agent-1", "agent-2", "agent-3"] {
        let own = held.iter().find(|facts| facts.agent == agent).unwrap();
        let run = scene
            .vault(&["approve", &own.id, "--for", "10m", "--json"])
            .ok();
        assert_eq!(run.json()["also"], 63);
    }
    let outcomes = crowd.join().unwrap();
    let refused = |outcome: &&Outcome| matches!(outcome, Outcome::CannotHold(_));
    assert_eq!(outcomes.iter().filter(refused).count(), 44);
    let approved = outcomes.iter().filter(|one| **one == Outcome::Approved);
    assert_eq!(approved.count(), 256);
}

#[test]
fn hostile_peers_get_nothing_and_hold_nobody_up() {
    let scene = Scene::new();
    let asked = scene.gateway.ask(an_ask());
    let id = scene.only();
    let socket = scene.environment.sockets().remove(0);
    let long = format!("{{\"deny\":{{\"id\":\"{id}{}\"}}}}\n", " ".repeat(1000));
    let unterminated = format!("{{\"deny\":{{\"id\":\"{id}\"}}}}");
    let texts: [&[u8]; 7] = [
        b"\n",
        b"\xff\xfe\x00\n",
        b"{\"approve\":{}}\n",
        b"{\"watch\":{\"body\":true},\"deny\":{\"id\":\"x\"}}\n",
        b"GET / HTTP/1.1\r\n\r\n",
        long.as_bytes(),
        unterminated.as_bytes(),
    ];
    for text in texts {
        let mut peer = UnixStream::connect(&socket).unwrap();
        // It may be sent away before it has said everything.
        let _ = peer.write_all(text);
        let _ = peer.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = peer.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(text));
    }
    assert!(!asked.is_finished());
    // Some say nothing, and some do not listen.
    let silent: Vec<_> = (0..20)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    let deaf: Vec<_> = (0..16)
        .map(|_| {
            let mut peer = UnixStream::connect(&socket).unwrap();
            peer.write_all(b"{\"watch\":{\"body\":true}}\n").unwrap();
            peer
        })
        .collect();
    scene.vault(&["list"]).ok().prints(contains(&id));
    // More of them than there are seats: the gateway goes on.
    let more: Vec<_> = (0..100)
        .filter_map(|_| UnixStream::connect(&socket).ok())
        .collect();
    for _ in 0..1000 {
        let outcome = block_on(scene.gateway.approvals.ask(Ask {
            path: "/".repeat(2000),
            timeout: Duration::ZERO,
            ..an_ask()
        }));
        assert_eq!(outcome, Outcome::TimedOut);
    }
    drop((silent, deaf, more));
    wait_until("a decision", || {
        let state = scene.state();
        let decision = decide(&[&state], &id, Verdict::Deny);
        matches!(decision, vault::broker::approval::Decision::Done(..))
    });
    assert_eq!(asked.join().unwrap(), Outcome::Denied);
}

#[test]
fn a_gateway_that_does_not_answer_is_said_to_and_hides_no_other() {
    let scene = Scene::new();
    let _asked = scene.gateway.ask(an_ask());
    let id = scene.only();
    let hung = UnixListener::bind(scene.state().join("g-1-a.sock")).unwrap();
    let run = scene.vault(&["list"]).ok();
    run.prints(contains(&id)).says(contains("does not answer"));
    let run = scene.vault(&["deny", "00000000"]).fails(3);
    run.says(contains("does not answer"));
    // Neither is one that talks nonsense, or does not stop to talk.
    drop(hung);
    for text in [&b"\xff\n"[..], b"{\"held\":{}}\n", &[b'x'; 700_000]] {
        let path = scene.state().join("g-1-b.sock");
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            for peer in listener.incoming() {
                let _ = peer.unwrap().write_all(text);
            }
        });
        let run = scene.vault(&["list"]).ok();
        run.prints(contains(&id)).says(contains("does not answer"));
    }
}

/// A watcher, whose lines are read as they come.
struct Watcher {
    child: Child,
    lines: Receiver<String>,
}

impl Watcher {
    fn start(scene: &Scene, arguments: &[&str]) -> Self {
        let mut command = scene.vault(&["list", "--watch"]).args(arguments).command();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { child, lines }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// Ctrl-C, and its exit code.
    fn end(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watcher_sees_what_comes_and_how_it_ended() {
    let scene = Scene::new();
    let first = scene.gateway.ask(an_ask());
    let id = scene.only();
    let mut watcher = Watcher::start(&scene, &[]);
    let begun = watcher.line();
    assert!(
        begun.starts_with(&id) && begun.contains("gpt-5-pro"),
        "{begun}"
    );
    scene.vault(&["approve", &id]).ok();
    assert_eq!(first.join().unwrap(), Outcome::Approved);
    let ended = watcher.line();
    assert!(
        ended.starts_with(&id) && ended.ends_with(": approved"),
        "{ended}"
    );
    // A gateway that comes later is seen too.
    let later = Gateway::at(&scene.state());
    let asked = later.ask(Ask {
        agent: "later".into(),
        ..an_ask()
    });
    assert!(watcher.line().contains("later"));
    later.approvals.stop();
    assert_eq!(asked.join().unwrap(), Outcome::Stopping);
    let ended = watcher.line();
    assert!(ended.ends_with(": its gateway stopped"), "{ended}");
    assert_eq!(watcher.end(), Some(130));
}

#[test]
fn a_watcher_for_programs_gets_an_object_for_each_change() {
    let scene = Scene::new();
    let short = Ask {
        timeout: Duration::from_millis(200),
        ..an_ask()
    };
    let first = scene.gateway.ask(an_ask());
    let id = scene.only();
    let mut watcher = Watcher::start(&scene, &["--json"]);
    let read = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    let held = read(watcher.line());
    assert_eq!((&held["status"], &held["id"]), (&json!("held"), &json!(id)));
    assert!(held.get("body").is_none());
    let timed_out = scene.gateway.ask(short);
    let second = read(watcher.line());
    let ended = read(watcher.line());
    assert_eq!(ended["id"], second["id"]);
    assert_eq!(ended["status"], "timed_out");
    assert_eq!(ended["path"], "/v1/responses");
    assert_eq!(timed_out.join().unwrap(), Outcome::TimedOut);
    scene.vault(&["deny", &id]).ok();
    assert_eq!(read(watcher.line())["status"], "denied");
    assert_eq!(first.join().unwrap(), Outcome::Denied);
    assert_eq!(watcher.end(), Some(130));
}

/// A gateway with a notify command, and a folder where that leaves things.
fn notifying(command: &str) -> (Scene, PathBuf) {
    let environment = TestEnvironment::new();
    let out = environment.path("out");
    make_folder(&out);
    let variables = vec![
        ("PATH".into(), std::env::var_os("PATH").unwrap()),
        ("OUT".into(), out.clone().into()),
    ];
    let state = environment.home().join("state");
    let gateway = Gateway::with(&state, Some(command.to_owned()), variables);
    let scene = Scene {
        environment,
        gateway,
    };
    (scene, out)
}

fn number_in(path: &Path) -> Pid {
    wait_until("a number", || {
        fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'))
    });
    let text = fs::read_to_string(path).unwrap();
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

#[test]
fn a_notify_command_gets_the_facts_and_nothing_else() {
    let script = "cat > \"$OUT/part\"; env > \"$OUT/env\"; \
                  mv \"$OUT/part\" \"$OUT/facts\"; echo $$ > \"$OUT/id\"";
    let (scene, out) = notifying(script);
    let _asked = scene.gateway.ask(an_ask());
    let id = scene.only();
    let number = number_in(&out.join("id"));
    let facts: Value =
        serde_json::from_str(&fs::read_to_string(out.join("facts")).unwrap()).unwrap();
    let expires = facts["expires"].clone();
    expires
        .as_str()
        .unwrap()
        .parse::<jiff::Timestamp>()
        .unwrap();
    let expected = json!({
        "id": id, "agent": "ci", "rules": ["large models"], "method": "POST",
        "host": "api.openai.com", "path": "/v1/responses", "model": "gpt-5-pro",
        "bytes": BODY.len(), "expires": expires,
    });
    assert_eq!(facts, expected);
    let variables = fs::read_to_string(out.join("env")).unwrap();
    let names = variables.lines().filter_map(|line| line.split_once('='));
    for (name, _) in names {
        // The shell's own are among them.
        let known = ["PATH", "OUT", "PWD", "OLDPWD", "SHLVL", "_"];
        assert!(known.contains(&name), "{name}");
    }
    // It is waited for: not even a zombie is left.
    wait_until("its end", || test_kill_process(number).is_err());
}

#[test]
fn a_notify_command_that_hangs_holds_nothing_up_and_ends_with_the_gateway() {
    let script = "echo $$ > \"$OUT/id\"; sleep 1000 & echo $! > \"$OUT/child\"; wait";
    let (scene, out) = notifying(script);
    let begun = Instant::now();
    let asked = scene.gateway.ask(Ask {
        // More than a pipe holds, and nobody reads it.
        rules: vec!["\u{1}".repeat(2000); 100],
        ..an_ask()
    });
    let id = scene.only();
    let (shell, child) = (number_in(&out.join("id")), number_in(&out.join("child")));
    scene.vault(&["approve", &id]).ok();
    assert_eq!(asked.join().unwrap(), Outcome::Approved);
    assert!(test_kill_process(shell).is_ok());
    scene.gateway.approvals.stop();
    wait_until("its end", || test_kill_process(shell).is_err());
    wait_until("its child's end", || is_gone(child));
    // Not by its own time, which is 30 s.
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(scene.gateway.warned.try_recv().is_err());
}

/// Whoever collects orphans here may take its time.
fn is_gone(number: Pid) -> bool {
    let stat = format!("/proc/{}/stat", number.as_raw_nonzero());
    let is_zombie = fs::read_to_string(stat).is_ok_and(|stat| stat.contains(") Z "));
    test_kill_process(number).is_err() || is_zombie
}

#[test]
fn few_notify_commands_run_at_once_and_all_have_their_turn() {
    let script = "mkdir \"$OUT/run-$$\"; ls -d \"$OUT\"/run-* | wc -l > \"$OUT/part-$$\"; \
                  mv \"$OUT/part-$$\" \"$OUT/count-$$\"; \
                  while ! test -e \"$OUT/go\"; do sleep 0.01; done; rmdir \"$OUT/run-$$\"";
    let (scene, out) = notifying(script);
    let asked: Vec<_> = (0..10).map(|_| scene.gateway.ask(an_ask())).collect();
    scene.held(10);
    let counts = || -> Vec<usize> {
        let names = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap());
        names
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("count-"))
            .map(|entry| fs::read_to_string(entry.path()).unwrap())
            .map(|text| text.trim().parse().unwrap())
            .collect()
    };
    wait_until("four of them", || counts().len() >= 4);
    fs::write(out.join("go"), "").unwrap();
    wait_until("all of them", || counts().len() == 10);
    assert!(counts().iter().all(|count| *count <= 4), "{:?}", counts());
    scene.gateway.approvals.stop();
    for asked in asked {
        assert_eq!(asked.join().unwrap(), Outcome::Stopping);
    }
}

#[test]
fn a_notify_command_that_fails_is_told_of() {
    let (scene, _) = notifying("exit 7");
    let _asked = scene.gateway.ask(an_ask());
    let warning = scene.gateway.warned.recv_timeout(PATIENCE).unwrap();
    assert!(warning.contains("exit status: 7"), "{warning}");
}

#[test]
fn another_user_is_told_nothing_and_not_believed() {
    if !rustix::process::geteuid().is_root() {
        skip("root", "only root can act as somebody else");
        return;
    }
    let scene = Scene::new();
    let _asked = scene.gateway.ask(an_ask());
    scene.only();
    let socket = scene.environment.sockets().remove(0);
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(&scene.environment.path(""), 0o711);
    open(scene.environment.home(), 0o711);
    open(&scene.state(), 0o777);
    open(&socket, 0o666);
    let theirs = scene.state().join("g-1-theirs.sock");
    let mut stranger = Command::new("python3")
        .args([
            "-c",
            STRANGER,
            socket.to_str().unwrap(),
            theirs.to_str().unwrap(),
        ])
        .uid(54_321)
        .gid(54_321)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(stranger) = &mut stranger else {
        skip("python", "it is not here");
        return;
    };
    let mut said = BufReader::new(stranger.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "b''\n");
    let error = vault::files::socket::connect(&theirs, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

/// Asks at the first socket, and listens at the second.
const STRANGER: &str = "
import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
try:
    peer.sendall(b'{\"list\":{\"body\":true}}\\n')
except OSError:
    pass
try:
    said = peer.recv(1000)
except OSError:
    said = b''
own = socket.socket(socket.AF_UNIX)
own.bind(sys.argv[2])
own.listen()
print(said, flush=True)
sys.stdin.read()
";

#[test]
fn an_isolated_program_does_not_find_the_folder_of_the_socket() {
    // The socket's folder is one that nobody has made yet.
    let environment = TestEnvironment::at(&"x".repeat(60)).with_identity_vault();
    environment.log_in("default");
    let words = ["-Urmni", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    let asked = Command::new("unshare").args(words).output();
    if !asked.is_ok_and(|output| output.status.success()) {
        skip("namespaces", "this machine allows none, or has no unshare");
        return;
    }
    let user = rustix::process::geteuid().as_raw();
    let folder = environment.path(&format!("tmp/vault-{user}"));
    assert!(!folder.exists());
    let script = "test -d \"$1\" && ls -A \"$1\" && ! touch \"$1/x\" 2>/dev/null";
    let arguments = ["run", "--isolate", "--", "sh", "-c", script, "sh"];
    let run = environment.vault(arguments).args([&folder]).ok();
    run.prints(is_empty());
    assert!(folder.is_dir());
}
