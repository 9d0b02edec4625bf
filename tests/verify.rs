//! `vault verify` against a world of its own: every provider is played on
//! loopback, behind a proxy, with certificates that `SSL_CERT_FILE` names.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};
use support::TestEnvironment;
use support::internet::{Internet, Reply, Seen};

/// An environment with a vault, and a world that answers so.
fn world(answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (TestEnvironment, Internet) {
    let mut environment = TestEnvironment::new().with_identity_vault();
    let internet = Internet::start(&environment, answers);
    internet.reach(&mut environment);
    (environment, internet)
}

fn results(printed: &str) -> Vec<Value> {
    let parsed: Value = serde_json::from_str(printed).unwrap();
    parsed["results"].as_array().unwrap().clone()
}

fn status(environment: &TestEnvironment, connection: &str) -> String {
    let run = environment
        .vault(["get", connection, "--field", "status"])
        .finish();
    run.stdout.trim_end().to_owned()
}

#[test]
fn a_living_key_is_connected_and_was_sent_once_to_its_own_host() {
    let (environment, internet) = world(|_| Reply::new(200, r#"{"data":[]}"#));
    let key = environment.log_in("default");
    let run = environment.vault(["verify", "--json"]).ok();
    assert_eq!(
        results(&run.stdout),
        [json!({
            "provider": "openai", "connection": "default", "result": "ok",
            "http_status": 200, "message": null
        })]
    );
    let seen = internet.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].host, "api.openai.com");
    assert_eq!((&*seen[0].method, &*seen[0].path), ("GET", "/v1/models"));
    assert_eq!(seen[0].headers["host"], "api.openai.com");
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {key}"));
    assert!(seen[0].headers["user-agent"].starts_with("vault/"));
    assert!(!seen[0].headers.contains_key("proxy-authorization"));
}

#[test]
fn a_rejected_key_ends_with_9_and_says_how_to_replace_it() {
    let (environment, _internet) = world(|_| Reply::new(401, "{}"));
    environment.log_in("team");
    let run = environment.vault(["verify"]).finds(9);
    assert!(run.stdout.contains("rejected"), "{}", run.stdout);
    assert!(run.stderr.contains("vault login openai/team --force"));
    assert_eq!(status(&environment, "openai/team"), "invalid");
}

#[test]
fn each_answer_is_told_by_its_exit_code_and_its_status() {
    for (http, result, code, kept) in [
        (200, "ok", 0, "connected"),
        (403, "forbidden", 0, "connected"),
        (429, "rate_limited", 0, "connected"),
        (401, "rejected", 9, "invalid"),
        (503, "unreachable", 8, "connected"),
        (302, "unreachable", 8, "connected"),
        (0, "unreachable", 8, "connected"),
    ] {
        let (environment, internet) = world(move |_| {
            let mut reply = Reply::new(http, "{}");
            let elsewhere = "https://evil.example.com/".to_owned();
            reply.headers.push(("Location".to_owned(), elsewhere));
            reply
        });
        environment.log_in("default");
        let run = environment.vault(["verify", "--json"]).finish();
        assert_eq!(run.code, Some(code), "{http}");
        let found = &results(&run.stdout)[0];
        assert_eq!(found["result"], result, "{http}");
        assert_eq!(found["http_status"].as_u64().unwrap_or(0), u64::from(http));
        assert_eq!(found["message"].is_null(), http == 200, "{http}");
        assert_eq!(internet.seen().len(), 1, "one request, whatever comes");
        assert_eq!(status(&environment, "openai"), kept, "{http}");
    }
}

#[test]
fn what_was_learned_replaces_what_was_known_and_makes_no_backup() {
    let alive = Arc::new(AtomicUsize::new(401));
    let (environment, _internet) = world({
        let alive = Arc::clone(&alive);
        move |_| Reply::new(u16::try_from(alive.load(Ordering::SeqCst)).unwrap(), "{}")
    });
    environment.log_in("default");
    let backups = environment.files_under(&environment.backups()).len();
    environment.vault(["verify"]).finds(9);
    assert_eq!(status(&environment, "openai"), "invalid");
    alive.store(503, Ordering::SeqCst);
    environment.vault(["verify"]).finds(8);
    assert_eq!(
        status(&environment, "openai"),
        "invalid",
        "nothing was learned"
    );
    alive.store(429, Ordering::SeqCst);
    environment.vault(["verify"]).ok();
    assert_eq!(status(&environment, "openai"), "connected");
    let untouched = std::fs::read(environment.vault_file()).unwrap();
    environment.vault(["verify"]).ok();
    assert_eq!(std::fs::read(environment.vault_file()).unwrap(), untouched);
    assert_eq!(
        environment.files_under(&environment.backups()).len(),
        backups
    );
}

#[test]
fn a_key_that_was_replaced_meanwhile_keeps_its_own_status() {
    let environment = Arc::new(Mutex::new(None::<(TestEnvironment, String)>));
    let shared = Arc::clone(&environment);
    let mut made = TestEnvironment::new().with_identity_vault();
    let internet = Internet::start(&made, move |_| {
        // While the provider thinks, somebody stores another key.
        let guard = shared.lock().unwrap();
        let (environment, key) = guard.as_ref().unwrap();
        environment
            .vault(["login", "openai", "--force", "--stdin"])
            .stdin(key)
            .ok();
        Reply::new(401, "{}")
    });
    internet.reach(&mut made);
    made.log_in("default");
    let key = made.key("newer");
    let mut prepared = made.vault(["verify", "openai"]).command();
    *environment.lock().unwrap() = Some((made, key));
    let output = prepared.output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    let guard = environment.lock().unwrap();
    let (environment, _) = guard.as_ref().unwrap();
    assert_eq!(status(environment, "openai"), "connected");
}

#[test]
fn all_are_asked_at_once_and_nobody_twice() {
    const PROVIDERS: usize = 6;
    let waiting = Arc::new((Mutex::new(0), Condvar::new()));
    let (environment, internet) = world({
        let waiting = Arc::clone(&waiting);
        move |_| {
            // Nobody is answered before everybody has asked.
            let (count, all_here) = &*waiting;
            let mut count = count.lock().unwrap();
            *count += 1;
            all_here.notify_all();
            let (_count, late) = all_here
                .wait_timeout_while(count, std::time::Duration::from_secs(8), |count| {
                    *count < PROVIDERS
                })
                .unwrap();
            Reply::new(if late.timed_out() { 500 } else { 200 }, "{}")
        }
    });
    for number in 0..PROVIDERS {
        environment.log_in(&format!("n{number}"));
    }
    environment.vault(["verify"]).ok();
    assert_eq!(internet.seen().len(), PROVIDERS);
}

#[test]
fn a_provider_means_all_its_connections_and_a_name_means_one() {
    let (environment, internet) = world(|_| Reply::new(200, "{}"));
    for name in ["one", "two"] {
        environment.log_in(name);
    }
    for (arguments, count) in [
        (&["verify", "openai"][..], 2),
        (&["verify", "openai/one"], 1),
        (&["verify", "openai", "-c", "two"], 1),
        (&["verify", "openai/one", "openai"], 2),
    ] {
        internet.forget();
        environment.vault(arguments).ok();
        assert_eq!(internet.seen().len(), count, "{arguments:?}");
    }
    environment.vault(["verify", "openai/three"]).fails(3);
    environment.vault(["verify", "anthropic"]).fails(3);
    environment.vault(["verify", "opnai"]).fails(3);
    environment
        .vault(["verify", "--connection", "one"])
        .fails(2);
}

#[test]
fn rejected_wins_over_unreachable() {
    let (environment, _internet) = world(|seen| {
        let is_bad = seen.headers["authorization"].contains("bad");
        Reply::new(if is_bad { 401 } else { 500 }, "{}")
    });
    environment.log_in("bad");
    environment.log_in("lost");
    let run = environment.vault(["verify"]).finds(9);
    assert!(run.stdout.contains("rejected") && run.stdout.contains("unreachable"));
}

#[test]
fn nothing_to_verify_is_no_failure() {
    let environment = TestEnvironment::new();
    let run = environment.vault(["verify", "--json"]).ok();
    assert_eq!(run.stdout, "{\"results\":[]}\n");
    environment.vault(["verify", "openai"]).fails(3);
}

#[test]
fn a_certificate_that_nobody_vouches_for_gets_no_key() {
    let (environment, internet) = world(|_| Reply::new(200, "{}"));
    environment.log_in("default");
    let other = rcgen::generate_simple_self_signed(vec!["other.example".to_owned()]).unwrap();
    let others = environment.given("other.pem", other.cert.pem());
    let run = environment
        .vault(["verify"])
        .env("SSL_CERT_FILE", &others)
        .finds(8);
    assert!(run.stdout.contains("nobody we trust"), "{}", run.stdout);
    let empty = environment.given("empty.pem", "");
    let run = environment
        .vault(["verify"])
        .env("SSL_CERT_FILE", &empty)
        .finds(8);
    assert!(run.stdout.contains("no certificate in"), "{}", run.stdout);
    assert_eq!(internet.seen().len(), 0);
}

#[test]
fn a_proxy_that_refuses_is_named_without_its_password() {
    let (environment, internet) = world(|_| Reply::new(200, "{}"));
    environment.log_in("default");
    internet.refuse("HTTP/1.1 407 Proxy Authentication Required");
    let password = environment.secret("the proxy's password", "FAKEproxypass");
    let proxy = internet
        .address()
        .replace("http://", &format!("http://me:{password}@"));
    let run = environment
        .vault(["verify"])
        .env("HTTPS_PROXY", &proxy)
        .finds(8);
    assert!(run.stdout.contains("wants a user's name"), "{}", run.stdout);
    let run = environment
        .vault(["verify"])
        .env("HTTPS_PROXY", format!("socks5://me:{password}@127.0.0.1:1"))
        .finds(8);
    assert!(run.stdout.contains("https_proxy"), "{}", run.stdout);
    assert!(run.stderr.contains("HTTPS_PROXY=http://"), "{}", run.stderr);
}

#[test]
fn a_proxy_is_shown_its_password_and_may_be_spoken_to_in_tls() {
    let (environment, internet) = world(|_| Reply::new(200, "{}"));
    environment.log_in("default");
    let plain = internet.address().replace("http://", "http://me:FAKEpass@");
    for proxy in [plain.clone(), plain.replace("http://", "https://")] {
        internet.forget();
        environment
            .vault(["verify"])
            .env("HTTPS_PROXY", &proxy)
            .ok();
        let seen = internet.seen();
        let shown = seen[0].proxy_authorization.as_deref();
        assert_eq!(shown, Some("Basic bWU6RkFLRXBhc3M="), "{proxy}");
        assert!(!seen[0].headers.contains_key("proxy-authorization"));
        assert_eq!((&*seen[0].host, seen[0].port), ("api.openai.com", 443));
    }
}

#[test]
fn no_more_than_sixteen_are_asked_at_a_time() {
    const CONNECTIONS: usize = 40;
    let busy = Arc::new((Mutex::new((0_usize, 0_usize, 0_usize)), Condvar::new()));
    let (environment, internet) = world({
        let busy = Arc::clone(&busy);
        move |_| {
            let (state, changed) = &*busy;
            let mut now = state.lock().unwrap();
            now.0 += 1;
            now.1 = now.1.max(now.0);
            now.2 += 1;
            changed.notify_all();
            // Until as many are here as may be, or all others have been.
            let (mut now, _) = changed
                .wait_timeout_while(now, std::time::Duration::from_secs(8), |now| {
                    now.1 < 16 && now.2 < CONNECTIONS
                })
                .unwrap();
            now.0 -= 1;
            Reply::new(200, "{}")
        }
    });
    for number in 0..CONNECTIONS {
        environment.log_in(&format!("n{number}"));
    }
    environment.vault(["verify"]).ok();
    assert_eq!(internet.seen().len(), CONNECTIONS);
    assert_eq!(busy.0.lock().unwrap().1, 16);
}

#[test]
fn what_cannot_be_kept_is_told_all_the_same() {
    let (environment, _internet) = world(|_| Reply::new(401, "{}"));
    environment.log_in("default");
    let run = environment
        .vault(["verify"])
        .limited(rustix::process::Resource::Fsize, 64)
        .finds(9);
    assert!(run.stderr.contains("could not be kept"), "{run}");
    assert_eq!(status(&environment, "openai"), "connected");
}

#[test]
fn roots_that_are_no_file_keep_nobody_waiting() {
    let (environment, _internet) = world(|_| Reply::new(200, "{}"));
    environment.log_in("default");
    let pipe = environment.path("given/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let run = environment
        .vault(["verify"])
        .env("SSL_CERT_FILE", &pipe)
        .finds(8);
    assert!(run.stdout.contains("is no file"), "{run}");
}

#[test]
fn roots_may_lie_in_several_folders() {
    let (mut environment, internet) = world(|_| Reply::new(200, "{}"));
    environment.log_in("default");
    environment.unset("SSL_CERT_FILE");
    let folder = environment.path("given/roots");
    support::make_folder(&folder);
    std::fs::copy(internet.roots(), folder.join("root.pem")).unwrap();
    let folders = format!("/nowhere:{}", folder.display());
    environment
        .vault(["verify"])
        .env("SSL_CERT_DIR", folders)
        .ok();
    environment
        .vault(["verify"])
        .env("SSL_CERT_DIR", "/nowhere")
        .finds(8);
}

#[test]
fn what_a_provider_says_of_itself_is_shown_but_no_secret_and_no_control_characters() {
    let (environment, _internet) = world(|seen| {
        let sent = seen.headers["authorization"].clone();
        let name = if sent.contains("echo") {
            format!("you said {sent}")
        } else {
            "octo\u{1b}[2Jcat".to_owned()
        };
        Reply::new(200, json!({"login": name}).to_string())
    });
    let token = |name: &str| environment.secret("a token", format!("ghp_FAKE{name:F>32}"));
    for name in ["echo", "plain"] {
        let token = token(name);
        environment
            .vault(["login", &format!("github/{name}"), "--stdin"])
            .stdin(&token)
            .ok();
    }
    let run = environment.vault(["verify"]).ok();
    assert!(run.stdout.contains(r"octo\u{1b}[2Jcat"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}') && !run.stdout.contains("you said"));
}

#[test]
fn a_login_can_ask_first_and_stores_only_what_is_alive() {
    let (environment, _internet) = world(|seen| {
        let sent = &seen.headers["authorization"];
        Reply::new(
            match sent {
                sent if sent.contains("good") => 200,
                sent if sent.contains("limit") => 429,
                sent if sent.contains("wrong") => 401,
                _ => 500,
            },
            "{}",
        )
    });
    for (name, code) in [("good", 0), ("limit", 0), ("wrong", 9), ("lost", 8)] {
        let key = environment.key(name);
        let target = format!("openai/{name}");
        let run = environment
            .vault(["login", &target, "--stdin", "--verify"])
            .stdin(&key)
            .finish();
        assert_eq!(run.code, Some(code), "{name}: {}", run.stderr);
        let is_stored = status(&environment, &target) == "connected";
        assert_eq!(is_stored, code == 0, "{name}");
        if code != 0 {
            assert!(run.stderr.contains("nothing was stored"), "{}", run.stderr);
        }
    }
}

#[test]
fn what_cannot_be_asked_about_is_said_and_counts_for_nothing() {
    let (environment, internet) = world(|_| Reply::new(200, "{}"));
    let token = environment.secret("a token", format!("npm_{}", "FAKE".repeat(9)));
    environment
        .vault(["login", "npm", "--stdin"])
        .stdin(&token)
        .ok();
    environment.log_in("default");
    let run = environment.vault(["verify", "--json"]).ok();
    assert!(run.stderr.contains("Not asked: npm/default"), "{run}");
    assert_eq!(run.json()["results"].as_array().unwrap().len(), 1);
    assert_eq!(internet.seen().len(), 1);
    environment.vault(["verify", "npm"]).fails(5);
    environment
        .vault(["login", "npm/other", "--stdin", "--verify"])
        .stdin(&token)
        .fails(5);
    assert_eq!(status(&environment, "npm/other"), "not_connected");
}

#[test]
fn a_tenant_is_logged_in_to_at_its_own_address_however_that_is_given() {
    let (environment, internet) = world(|_| Reply::new(200, "{}"));
    let key = environment.secret("a key", "FAKE".repeat(10));
    let object = json!({
        "base_url": "https://one.zendesk.com", "email": "me@example.com", "api_key": key
    });
    environment
        .vault(["login", "zendesk/one", "--stdin"])
        .stdin(object.to_string())
        .ok();
    environment
        .vault([
            "login",
            "zendesk/two",
            "--base-url",
            "https://two.zendesk.com",
        ])
        .args(["--field", "email=me@example.com", "--stdin"])
        .stdin(&key)
        .ok();
    environment.vault(["verify"]).ok();
    let mut hosts: Vec<_> = internet.seen().into_iter().map(|seen| seen.host).collect();
    hosts.sort();
    assert_eq!(hosts, ["one.zendesk.com", "two.zendesk.com"]);
    for address in ["http://three.zendesk.com", "https://evil.test", "three"] {
        let object = json!({"base_url": address, "email": "me@example.com", "api_key": key});
        environment
            .vault(["login", "zendesk/three", "--stdin"])
            .stdin(object.to_string())
            .fails(5);
        assert_eq!(status(&environment, "zendesk/three"), "not_connected");
    }
    let regional = environment
        .vault(["login", "azure-openai", "--stdin"])
        .args(["--base-url", "https://mine.openai.azure.com"])
        .stdin("fa4efa4efa4efa4efa4efa4efa4efa4e")
        .ok();
    assert!(regional.stderr.contains("Successfully logged in"));
    environment
        .vault(["export", "azure-openai"])
        .asks_for_secrets()
        .ok()
        .prints(predicates::str::contains(
            "AZURE_OPENAI_ENDPOINT='https://mine.openai.azure.com'",
        ));
}

#[test]
fn a_broken_definition_keeps_nobody_else_from_being_asked_about() {
    let (environment, internet) = world(|_| Reply::new(200, "{}"));
    environment.log_in("default");
    let token = environment.secret("a token", format!("ghp_{}", "FAKE".repeat(9)));
    environment
        .vault(["login", "github", "--stdin"])
        .stdin(&token)
        .ok();
    let folder = environment.home().join("providers");
    support::make_folder(&folder);
    std::fs::write(folder.join("github.json"), "{").unwrap();
    let run = environment.vault(["verify"]).finds(5);
    assert!(
        run.stdout.contains("openai") && run.stderr.contains("github.json"),
        "{run}"
    );
    assert_eq!(internet.seen().len(), 1);
    environment.vault(["verify", "github"]).fails(5);
}

#[test]
fn a_field_that_a_request_needs_is_named_with_the_way_to_store_it() {
    let (environment, internet) = world(|_| Reply::new(200, "{}"));
    let token = environment.secret("a token", format!("cfat_{}0123abcd", "FAKE".repeat(10)));
    environment
        .vault(["login", "cloudflare", "--stdin"])
        .stdin(&token)
        .ok();
    let run = environment.vault(["verify", "cloudflare"]).fails(5);
    assert!(run.stderr.contains("--field account_id="), "{run}");
    environment
        .vault(["login", "cloudflare", "--force", "--stdin"])
        .args(["--field", "account_id=fa4efa4efa4efa4efa4efa4efa4efa4e"])
        .stdin(&token)
        .ok();
    environment.vault(["verify", "cloudflare"]).ok();
    assert!(internet.seen()[0].path.contains("/accounts/fa4efa4e"));
}

#[test]
fn a_key_for_a_local_server_is_kept_and_sent_to_this_machine_alone() {
    let environment = TestEnvironment::new().with_identity_vault();
    let internet = Internet::start(&environment, |_| Reply::new(200, r#"{"data":[]}"#));
    let key = environment.secret("a key", "FAKE-local-key-0123456789");
    environment
        .vault(["login", "vllm", "--base-url", &internet.address()])
        .stdin(&key)
        .ok();
    environment
        .vault(["verify", "vllm"])
        .ok()
        .prints(predicates::str::contains("no models yet"));
    let sent = internet.seen().pop().unwrap();
    assert_eq!(sent.headers["authorization"], format!("Bearer {key}"));
    for address in ["http://gpu.lan:8000", "http://127.0.0.1.evil.test:8000"] {
        environment
            .vault(["login", "vllm/far", "--base-url", address])
            .stdin(&key)
            .fails(5);
        environment
            .vault(["login", "vllm/far", "--force", "--base-url", address])
            .ok();
        environment.vault(["logout", "vllm/far"]).ok();
    }
    environment
        .vault(["login", "ollama", "--stdin"])
        .stdin("http://127.0.0.1:9")
        .ok();
}

#[test]
fn addresses_come_from_the_providers_own_variables_too() {
    let (environment, internet) = world(|_| Reply::new(200, "{}"));
    let key = environment.key("gateway");
    environment
        .vault(["login", "openai/gateway", "--from-env"])
        .env("OPENAI_API_KEY", &key)
        .env("OPENAI_BASE_URL", "https://llm.corp.test/openai/v1")
        .ok();
    environment.vault(["verify", "openai/gateway"]).ok();
    let seen = internet.seen();
    assert_eq!(
        (&*seen[0].host, &*seen[0].path),
        ("llm.corp.test", "/openai/v1/models")
    );
    environment
        .vault(["login", "ollama", "--from-env"])
        .env("OLLAMA_HOST", "127.0.0.1:11434")
        .ok();
    environment
        .vault(["get", "ollama", "--field", "base_url"])
        .ok()
        .prints(predicates::str::contains("http://127.0.0.1:11434"));
    environment
        .vault(["login", "zendesk", "--base-url", "https://a.zendesk.com"])
        .args(["--field", "base_url=https://b.zendesk.com"])
        .fails(2);
}

#[test]
fn another_program_on_a_local_servers_port_is_no_model_server() {
    let environment = TestEnvironment::new().with_identity_vault();
    let internet = Internet::start(&environment, |_| Reply::new(200, "<html>hello</html>"));
    environment
        .vault(["login", "ollama", "--base-url", &internet.address()])
        .ok();
    environment.vault(["verify"]).finds(8);
}

#[test]
fn a_person_sees_how_far_it_is_and_nothing_of_that_is_left() {
    let (environment, _internet) = world(|_| Reply::new(200, "{}"));
    environment.log_in("default");
    let ended = environment.vault(["verify"]).at_terminal().end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
    assert!(ended.shown.contains("Asked 1 of 1"), "{:?}", ended.shown);
    assert!(ended.shown.contains("\r\u{1b}[K"), "{:?}", ended.shown);
    let plain = environment
        .vault(["verify"])
        .env("TERM", "dumb")
        .at_terminal()
        .end();
    assert!(!plain.shown.contains("Asked"), "{:?}", plain.shown);
}

#[test]
fn what_has_several_lines_is_taken_from_a_file_and_not_at_a_prompt() {
    let environment = TestEnvironment::new().with_identity_vault();
    let ended = environment.vault(["login", "gcp"]).at_terminal().end();
    assert_eq!(ended.code, 5, "{}", ended.shown);
    assert!(
        ended.shown.contains("vault login gcp --from-file"),
        "{}",
        ended.shown
    );
    let key = json!({"client_email": "fake@fake.iam.example", "private_key": "FAKE\nFAKE"});
    let file = environment.given("key.json", key.to_string());
    environment
        .vault(["login", "gcp", "--from-file"])
        .arg(&file)
        .ok();
    environment
        .vault(["login", "gcp/path", "--stdin"])
        .stdin(file.to_str().unwrap())
        .fails(5);
}

#[test]
fn a_wrong_address_is_told_before_the_next_question() {
    let environment = TestEnvironment::new().with_identity_vault();
    let mut terminal = environment.vault(["login", "zendesk"]).at_terminal();
    terminal.wait_for("Zendesk").types("acme\n");
    let ended = terminal.end();
    assert_eq!(ended.code, 5, "{}", ended.shown);
    assert!(!ended.shown.contains("API token:"), "{}", ended.shown);
}
