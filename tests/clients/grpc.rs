//! gRPC: HTTP/2 end to end, streams both ways, trailers, the status in them.
//! Its host is a provider of the user's own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::server::Answer;
use super::world::{OTHER, World, play, runs, script};

const KEY: &str = "FAKE-GRPC-KEY-FAKEFAKEFAKEFAKE";
const HOST: &str = "grpc.stand-in.test";
const SAID: &str = "unary: cba say\nstream: 01234 count\nboth ways: one\nboth ways: two\n\
                    end: echo\nstatus: NOT_FOUND no such thing\n";

fn is_here() -> bool {
    runs("python3", &["-c", "import grpc"])
}

#[test]
fn streams_and_trailers_pass_both_ways() {
    play(&[("grpc", is_here())], || {
        let world = World::new(|_| Answer::status(404));
        let definition = serde_json::json!({
            "name": "grpc-stand-in", "hosts": [HOST],
            "fields": [{"name": "api_key", "env": ["GRPC_STAND_IN_KEY"]}],
        });
        let environment = &world.environment;
        let file = environment.given("grpc-stand-in.json", definition.to_string());
        environment.vault(["provider", "register"]).arg(file).ok();
        world.with_key("grpc-stand-in", KEY);
        let (certificate, key) = world.certifier.certify(HOST);
        let certificate = environment.given("grpc.pem", certificate.pem());
        let key = environment.given("grpc.key", key.serialize_pem());
        let mut server = Command::new("python3")
            .arg(script("grpc_server.py"))
            .arg(OTHER)
            .args([certificate, key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = server.stdin.take().unwrap();
        // A placeholder for a field without a shape begins like this.
        let given = format!("Bearer {KEY}\nvault-placeholder\n");
        stdin.write_all(given.as_bytes()).unwrap();
        drop(stdin);
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let client = ["python3".into(), script("grpc_client.py").into_os_string()];
        let run = world.run(&[], client);
        server.kill().unwrap();
        server.wait().unwrap();
        let calls: Vec<_> = lines.map_while(Result::ok).collect();
        let told = fs::read_to_string(environment.path("told")).unwrap();
        assert!(
            told.contains("GRPC_STAND_IN_KEY=vault-placeholder"),
            "{told}"
        );
        assert_eq!(run.stdout, SAID, "{run}\n{calls:?}");
        // The key was in it, nothing of ours was, and it was there once.
        let right = ["say", "count", "echo", "refuse"].map(|call| format!("{call} True True 1"));
        assert_eq!(calls, right);
    });
}
