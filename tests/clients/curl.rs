//! curl, over HTTP/1.1 and HTTP/2, with and without a key of its own.

use std::fs;

use hyper::Version;

use super::python::{with_openai, world};
use super::world::{play, runs};

const ASK: &str = "https://api.openai.com/v1/chat/completions";

fn is_here() -> bool {
    runs("sh", &["-c", "curl --version | grep -q HTTP2"])
}

#[test]
fn curl_speaks_either_protocol() {
    play(&[("curl", is_here())], || {
        let world = world();
        for (option, said, version) in [
            ("--http1.1", "1.1", Version::HTTP_11),
            ("--http2", "2", Version::HTTP_2),
        ] {
            let with_key = r#"-H "Authorization: Bearer $OPENAI_API_KEY""#;
            for key in ["", with_key] {
                let line = format!(
                    "curl -fsS {option} {key} -w '%{{stderr}}HTTP/%{{http_version}}\\n' \
                     --json '{{\"model\":\"gpt-fake\"}}' {ASK}"
                );
                let run = world.run(&[], ["sh", "-c", &line]);
                assert!(run.stdout.contains("Guten Tag"), "{run}");
                assert!(run.stderr.contains(&format!("HTTP/{said}\n")), "{run}");
                let seen = world.arrived_at("api.openai.com");
                assert_eq!(seen.last().unwrap().version, version);
            }
        }
        with_openai(&world.arrived_at("api.openai.com"));
    });
}

#[test]
fn long_bodies_come_and_go_whole() {
    play(&[("curl", is_here())], || {
        let world = world();
        let body: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let given = world.environment.given("body", &body);
        let back = world.environment.path("given/back");
        for option in ["--http1.1", "--http2"] {
            // More than a megabyte: it asks whether to go on (Expect) first.
            let line = format!(
                "curl -fsS {option} -o '{}' -H 'Expect: 100-continue' -T '{}' -X POST \
                 https://api.openai.com/v1/files",
                back.display(),
                given.display()
            );
            world.run(&[], ["sh", "-c", &line]);
            assert!(fs::read(&back).unwrap() == body, "{option}");
        }
        with_openai(&world.arrived_at("api.openai.com"));
    });
}

#[test]
fn a_placeholder_goes_to_its_own_provider_only() {
    play(&[("curl", is_here())], || {
        let world = world();
        let line = r#"curl -sS -H "Authorization: Bearer $OPENAI_API_KEY" \
            https://api.anthropic.com/v1/models"#;
        let run = world.run(&[], ["sh", "-c", line]);
        assert!(run.stdout.contains("placeholder_misplaced"), "{run}");
        assert!(world.server.seen().is_empty(), "{}", world.told());
    });
}

#[test]
fn without_the_token_nobody_gets_in() {
    play(&[("curl", is_here())], || {
        let world = world();
        let line = format!(
            "curl -sS -o /dev/null -w '%{{http_connect}}' \
             --proxy \"http://127.0.0.1:${{HTTPS_PROXY##*:}}\" {ASK}"
        );
        let run = world.try_run(&[], ["sh", "-c", &line]);
        assert_eq!(run.stdout, "407", "{run}");
        assert!(world.server.seen().is_empty(), "{}", world.told());
    });
}
