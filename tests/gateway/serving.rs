//! `serve` as a service: where it listens and for whom, how it starts and
//! stops, and which addresses it calls for others.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use http_body_util::BodyExt;
use hyper::Request;
use predicates::str::contains;
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::client::{Client, Gateway, Text, bounded, get, http1_over, inner, roots, sends};
use crate::support::{TestEnvironment, mode};
use crate::template::{define, filled, provider};
use crate::world::{PATIENCE, Reply, World, authority, certified, piece, pipe};

#[tokio::test]
async fn anybody_may_ask_whether_it_is_well_and_learns_nothing_else() {
    let (mut environment, tokens) = filled();
    let _world = World::new(&mut environment);
    let gateway = Gateway::serve(&environment, "", &[]);
    let answer = gateway.asks(get("/-/health")).await.ok();
    assert_eq!(answer.text(), r#"{"status":"ok"}"#);
    for path in ["/", "/api", "/api/", "/-/", "/metrics"] {
        gateway.asks(get(path)).await.refused(404, "not_found");
    }
    drop(tokens);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_and_takes_nothing_new() {
    let (mut environment, tokens) = filled();
    let (hand, mut feeds) = tokio::sync::mpsc::unbounded_channel();
    let _world = World::answering(&mut environment, move |_, _| {
        let (feed, body) = pipe();
        hand.send(feed).unwrap();
        async move { Some(Reply::new(body.boxed())) }
    });
    let mut gateway = Gateway::serve(&environment, &tokens.ci, &["--drain", "20s"]);
    let mut sender = gateway.http1::<Text>("api.acme.example").await;
    let request = inner(get("https://api.acme.example/"));
    let response = bounded(sender.send_request(request)).await.unwrap();
    let feed = bounded(feeds.recv()).await.unwrap();
    let idle = gateway.connect().await;
    gateway.running.signals(Signal::TERM);
    gateway.running.wait_for("word of its end", |said| {
        said.contains("The gateway stops").then_some(())
    });
    assert!(gateway.running.is_going_on());
    feed.send(piece("late")).unwrap();
    drop(feed);
    let body = bounded(response.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes(), "late");
    drop((sender, idle));
    let address = gateway.address.clone();
    let ended = gateway.running.end();
    assert_eq!(ended.code, 0, "{ended}");
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let (mut environment, tokens) = filled();
    let _world = World::answering(&mut environment, |_, _| async {
        std::future::pending().await
    });
    let mut gateway = Gateway::serve(&environment, &tokens.ci, &["--drain", "1s"]);
    let mut sender = gateway.http1::<Text>("api.acme.example").await;
    let waiting = tokio::spawn(sender.send_request(inner(get("https://api.acme.example/"))));
    gateway.running.signals(Signal::TERM);
    gateway.running.wait_for("word of its end", |said| {
        said.contains("The gateway stops").then_some(())
    });
    let begin = std::time::Instant::now();
    let ended = gateway.running.end();
    assert_eq!(ended.code, 0, "{ended}");
    assert!(begin.elapsed() < PATIENCE / 2);
    assert!(bounded(waiting).await.unwrap().is_err());
}

/// Says this at a socket, and reads to the end.
async fn says_at(path: &Path, text: &str) -> String {
    let mut stream = bounded(UnixStream::connect(path)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let _ = bounded(stream.read_to_end(&mut said)).await;
    String::from_utf8_lossy(&said).into_owned()
}

fn asking_at_path(token: &str) -> String {
    format!(
        "GET /api/acme/v1 HTTP/1.1\r\nHost: x\r\nX-Api-Key: {token}\r\nConnection: close\r\n\r\n"
    )
}

#[tokio::test]
async fn a_socket_in_the_file_system_is_its_owners_and_goes_with_the_service() {
    let (mut environment, tokens) = filled();
    let _world = World::new(&mut environment);
    let path = environment.path("work/gateway.sock");
    let address = format!("unix:{}", path.display());
    let mut running = environment.vault(["serve", "--listen", &address]).begin();
    running.wait_for("address", |said| said.contains(&address).then_some(()));
    assert_eq!(mode(&path), 0o600);
    let said = says_at(&path, &asking_at_path(&tokens.ci)).await;
    assert!(
        said.starts_with("HTTP/1.1 200 ") && said.ends_with("ok"),
        "{said}"
    );
    let said = says_at(&path, &asking_at_path("vat_FAKE")).await;
    assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
    running.signals(Signal::TERM);
    assert_eq!(running.end().code, 0);
    assert!(!path.exists());
}

#[tokio::test]
async fn sockets_that_systemd_listens_on_are_taken_over() {
    let (mut environment, tokens) = filled();
    let _world = World::new(&mut environment);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // The number of the process is known only where it is one already.
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let vault = assert_cmd::cargo::cargo_bin!("vault");
    let run = environment
        .run("sh", ["-c", script, "sh"])
        .arg(vault)
        .arg("serve")
        .before(move || Ok(rustix::stdio::dup2_stdin(&listener)?));
    let mut running = run.begin();
    running.wait_for("address", |said| {
        said.contains(&format!("http://{address}")).then_some(())
    });
    let client = Client {
        address,
        token: tokens.ci.clone(),
        roots: tokio_rustls::rustls::RootCertStore::empty(),
    };
    let request = Request::get("/api/acme/v1").header("x-api-key", &tokens.ci);
    client
        .asks(request.body(Text::default()).unwrap())
        .await
        .ok();
    running.signals(Signal::TERM);
    assert_eq!(running.end().code, 0);
}

#[test]
fn a_service_manager_is_told_of_the_beginning_and_the_end() {
    let (mut environment, tokens) = filled();
    let path = environment.path("work/notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    environment.set("NOTIFY_SOCKET", &path);
    let gateway = Gateway::serve(&environment, &tokens.ci, &[]);
    let mut buffer = [0; 64];
    let count = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"READY=1");
    gateway.running.signals(Signal::TERM);
    let count = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"STOPPING=1");
    assert_eq!(gateway.running.end().code, 0);
}

#[test]
fn scripts_read_where_it_listens_and_clients_the_certificate_alone() {
    let (environment, _) = filled();
    let ca = environment.path("work/ca.pem");
    let mut command = environment
        .vault(["serve", "--json", "--listen", "127.0.0.1:0", "--ca-out"])
        .arg(&ca)
        .command();
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = Vec::new();
    let mut stdout = child.stdout.take().unwrap();
    let mut byte = [0];
    while stdout.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    let told: serde_json::Value = serde_json::from_slice(&line).unwrap();
    let place = told["listen"][0].as_str().unwrap();
    assert!(
        place.starts_with("http://127.0.0.1:") && !place.ends_with(":0"),
        "{told}"
    );
    let text = fs::read_to_string(&ca).unwrap();
    assert_eq!(text.matches("-----BEGIN").count(), 1);
    assert!(text.starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(mode(&ca), 0o644);
    let printed = environment.vault(["ca"]).ok().stdout;
    assert_eq!(printed, text);
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    // Its key is in the sealed vault, and in no other file.
    for path in environment.files_under(environment.home()) {
        let content = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains("PRIVATE KEY"), "{}", path.display());
    }
}

#[test]
fn the_certificate_takes_the_place_of_no_other_file() {
    let (environment, _) = filled();
    let vault = fs::read(environment.path("home/vault.age")).unwrap();
    for (name, content) in [
        ("notes.txt", "mine"),
        ("key.pem", "-----BEGIN PRIVATE KEY-----"),
    ] {
        fs::write(environment.path(&format!("work/{name}")), content).unwrap();
    }
    for name in [
        "home/vault.age",
        "home/identity.txt",
        "work/notes.txt",
        "work/key.pem",
        "work",
    ] {
        environment
            .vault(["serve", "--listen", "127.0.0.1:0", "--ca-out"])
            .arg(environment.path(name))
            .fails(6);
    }
    assert_eq!(
        fs::read(environment.path("home/vault.age")).unwrap().len(),
        vault.len()
    );
    let notes = fs::read_to_string(environment.path("work/notes.txt")).unwrap();
    assert_eq!(notes, "mine");
}

/// Files for TLS of the listener: a certificate for 127.0.0.1 and its key.
fn tls_files(environment: &TestEnvironment) -> [String; 3] {
    let (issuer, root) = authority();
    let (leaf, key) = certified("127.0.0.1", &issuer);
    let leaf = pem("CERTIFICATE", &leaf);
    let path = |path: std::path::PathBuf| path.into_os_string().into_string().unwrap();
    [
        path(environment.given("tls.pem", leaf)),
        path(environment.given("tls.key", key.serialize_pem())),
        path(environment.given("tls-root.pem", root)),
    ]
}

fn pem(what: &str, bytes: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("-----BEGIN {what}-----\n{text}\n-----END {what}-----\n")
}

#[tokio::test]
async fn other_machines_come_in_over_tls_or_not_at_all() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    environment
        .vault(["serve", "--listen", "0.0.0.0:0"])
        .fails(2)
        .says(contains("--tls-cert"));
    let [certificate, key, root] = tls_files(&environment);
    let mut running = environment
        .vault(["serve", "--listen", "0.0.0.0:0"])
        .args(["--tls-cert", &certificate, "--tls-key", &key])
        .begin();
    let port = running.wait_for("address", |said| {
        let said = said.split_once("listens on https://0.0.0.0:")?.1;
        Some(said.split_once(".\n")?.0.to_owned())
    });
    let client = Client {
        address: format!("127.0.0.1:{port}"),
        token: tokens.ci.clone(),
        roots: roots(Path::new(&root)),
    };
    let stream = client.connect().await;
    let stream = client.secures(stream, "127.0.0.1", &[]).await.unwrap();
    let mut sender = http1_over(stream).await;
    let request = Request::get("/api/acme/v1")
        .header("host", "gateway")
        .header("x-api-key", &tokens.ci);
    sends(&mut sender, request.body(Text::default()).unwrap())
        .await
        .ok();
    world.forget();
    // Whoever speaks plainly is not heard.
    let said = client.says(&asking_at_path(&tokens.ci)).await;
    assert!(!said.contains("HTTP/1.1 200"), "{said:?}");
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn addresses_of_this_machine_and_its_networks_are_not_called_for_others() {
    let (mut environment, tokens) = filled();
    let world = World::new(&mut environment);
    let port = world.port;
    // Without a proxy: it is the addresses themselves that are called.
    environment.unset("HTTPS_PROXY");
    environment.unset("http_proxy");
    let local = json!({
        "hosts": [format!("127.0.0.1:{port}")],
        "allow_http": true,
        "base_url": format!("http://127.0.0.1:{port}"),
    });
    define(&environment, &provider("local", local));
    let key = environment.secret("local's key", "FAKE-canary-of-local");
    environment
        .vault(["login", "local", "--stdin"])
        .stdin(key)
        .ok();
    let path = environment.path("work/gateway.sock");
    let socket = format!("unix:{}", path.display());
    let own = [
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--insecure-http",
        "--allow-unmatched",
    ];
    for arguments in [&["--listen", &socket][..], &[][..]] {
        let mut running = environment.vault(own).args(arguments).begin();
        let address = running.wait_for("address", |said| {
            let said = said.split_once("listens on http://0.0.0.0:")?.1;
            let digits: String = said.chars().take_while(char::is_ascii_digit).collect();
            said.contains(".\n")
                .then_some(format!("127.0.0.1:{digits}"))
        });
        let client = Client {
            address,
            token: tokens.ci.clone(),
            roots: tokio_rustls::rustls::RootCertStore::empty(),
        };
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::]",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::7f00:1]",
            "localhost",
            "a.localhost",
            "169.254.169.254",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "[fe80::1]",
            "[fd00::1]",
        ] {
            let answer = client.connects(&format!("{host}:{port}")).await;
            let answer = answer.map(drop).expect_err(host);
            let told = answer.refused(403, "private_address");
            assert!(told["hint"].as_str().unwrap().contains("--allow-private"));
        }
        let answer = client.get(&format!("http://127.0.0.1:{port}/")).await;
        answer.refused(403, "private_address");
        let request = Request::get("/api/local/v1").header("x-api-key", &tokens.ci);
        let answer = client.asks(request.body(Text::default()).unwrap()).await;
        answer.refused(403, "private_address");
        if !arguments.is_empty() {
            let text = asking_at_path(&tokens.ci).replace("acme", "local");
            let said = says_at(&path, &text).await;
            assert!(said.contains("private_address"), "{said}");
        }
    }
    assert!(world.heard().is_empty() && world.connects().is_empty());

    // A socket alone serves others too: it may lie in a container.
    let mut running = environment.vault(["serve", "--listen", &socket]).begin();
    running.wait_for("address", |said| said.contains("listens").then_some(()));
    let said = says_at(&path, &asking_at_path(&tokens.ci).replace("acme", "local")).await;
    assert!(said.contains("private_address"), "{said}");
    drop(running);
    assert!(world.heard().is_empty());

    // Where it is allowed, or where only this machine is served, they are.
    let mut open = environment.vault(own).arg("--allow-private").begin();
    let digits = open.wait_for("address", |said| {
        let said = said.split_once("listens on http://0.0.0.0:")?.1;
        Some(said.split_once(".\n")?.0.to_owned())
    });
    let local = Gateway::serve(&environment, &tokens.ci, &[]);
    for address in [format!("127.0.0.1:{digits}"), local.address.clone()] {
        let client = Client {
            address,
            ..local.client.clone()
        };
        let request = Request::get("/api/local/v1").header("x-api-key", &tokens.ci);
        client
            .asks(request.body(Text::default()).unwrap())
            .await
            .ok();
        assert_eq!(
            world.last().header("authorization"),
            "Bearer FAKE-canary-of-local"
        );
    }
}
