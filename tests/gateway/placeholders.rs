//! What the child of `run` holds in the place of keys: made-up ones, good at
//! their own provider and refused elsewhere. The real ones are nowhere in it.

use std::fs;
use std::io::{Read, Seek, SeekFrom};

use hyper::Request;

use crate::client::{Gateway, Text};
use crate::support::skip;
use crate::template::{self, filled};
use crate::world::World;

fn request(address: &str, name: &str, value: &str) -> Request<Text> {
    let request = Request::get(address).header(name, value);
    request.body(Text::default()).unwrap()
}

#[tokio::test]
async fn a_placeholder_becomes_the_key_at_its_own_provider_only() {
    let (mut environment, _) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::run(&environment, &[]);
    let acme = gateway.variable("ACME_API_KEY").to_owned();
    let openai = gateway.variable("OPENAI_API_KEY").to_owned();
    assert!(
        openai.starts_with("sk-") && openai != template::OPENAI_KEY,
        "{openai}"
    );
    assert!(!acme.is_empty() && acme != template::KEY);

    let own = request(
        "https://api.acme.example/",
        "authorization",
        &format!("Bearer {acme}"),
    );
    gateway.send(own).await.ok();
    let heard = world.last();
    assert_eq!(
        heard.header("authorization"),
        format!("Bearer {}", template::KEY)
    );
    assert!(!heard.holds(&acme));
    world.forget();

    let plain = gateway.with_token(&gateway.token);
    for (address, name, value) in [
        (
            "https://api.openai.com/v1",
            "authorization",
            format!("Bearer {acme}"),
        ),
        ("https://api.openai.com/v1", "x-anything", acme.clone()),
        (
            "https://api.acme.example/",
            "authorization",
            format!("Bearer {openai}"),
        ),
        (
            "http://plain.example/",
            "authorization",
            format!("Bearer {acme}"),
        ),
    ] {
        let answer = plain.send(request(address, name, &value)).await;
        answer.refused(403, "placeholder_misplaced");
    }
    let address = format!("https://api.openai.com/v1?key={acme}");
    let answer = gateway.get(&address).await;
    let told = answer.refused(403, "placeholder_misplaced");
    assert!(told["error"].as_str().unwrap().contains("acme"), "{told}");
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn a_placeholder_is_the_token_of_the_path_form_for_its_provider() {
    let (mut environment, _) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::run(&environment, &["--base-urls"]);
    let acme = gateway.variable("ACME_API_KEY").to_owned();
    let base = gateway.variable("ACME_BASE_URL");
    assert_eq!(base, format!("http://{}/api/acme/v1", gateway.address));
    let shown = format!("Bearer {acme}");
    gateway
        .asks(request("/api/acme/v1/models", "authorization", &shown))
        .await
        .ok();
    let heard = world.last();
    assert_eq!(heard.line, "GET /v1/models");
    assert_eq!(
        heard.header("authorization"),
        format!("Bearer {}", template::KEY)
    );
    world.forget();
    let answer = gateway
        .asks(request("/api/openai/v1", "authorization", &shown))
        .await;
    answer.refused(403, "not_granted");
    let mut proxied = gateway.client.clone();
    proxied.token = acme;
    let answer = proxied.get("https://api.openai.com/v1").await;
    answer.refused(403, "not_granted");
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn only_the_connections_that_were_named_are_there() {
    let (mut environment, _) = filled();
    let world = World::new(&mut environment);
    let gateway = Gateway::run(&environment, &["--only", "acme/team", "--deny-unmatched"]);
    assert_eq!(gateway.variable("OPENAI_API_KEY"), "");
    gateway.get("https://api.acme.example/").await.ok();
    let shown = world.last().header("authorization").to_owned();
    assert_eq!(shown, format!("Bearer {}", template::TEAM_KEY));
    let named = request("https://api.acme.example/", "x-vault-connection", "default");
    assert_eq!(gateway.send(named).await.status, 424);
    let denied = gateway.get("https://api.openai.com/").await;
    denied.refused(424, "not_configured");
}

#[tokio::test]
async fn neither_the_childs_environment_nor_its_memory_nor_its_files_hold_a_key() {
    let (mut environment, _) = filled();
    let _world = World::new(&mut environment);
    // A key of ours that lies in our own environment is not the child's either.
    environment.set("OPENAI_API_KEY", template::OPENAI_KEY);
    let identity = fs::read_to_string(environment.identity_file()).unwrap();
    let line = identity
        .lines()
        .find(|line| line.starts_with("AGE-"))
        .unwrap();
    environment.set("VAULT_IDENTITY", line);
    let gateway = Gateway::run(&environment, &[]);
    for (name, value) in &gateway.environment {
        assert!(!name.starts_with("VAULT_"), "{name}");
        assert!(
            !value.contains("canary") && !value.contains("CANARY"),
            "{name}={value}"
        );
    }
    // What lies beside: certificates, and no key of theirs.
    for variable in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"] {
        let text = fs::read_to_string(gateway.variable(variable)).unwrap();
        assert!(text.contains("BEGIN CERTIFICATE"), "{variable}");
        assert!(!text.contains("PRIVATE KEY"), "{variable}");
    }
    let adding = fs::read_to_string(gateway.variable("NODE_EXTRA_CA_CERTS")).unwrap();
    assert_eq!(adding.matches("BEGIN CERTIFICATE").count(), 1);
    for path in environment.files_under(environment.home()) {
        let content = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains("PRIVATE KEY"), "{}", path.display());
    }
    let memory = memory_of(gateway.variable("CHILD"));
    match memory {
        Ok(memory) => {
            assert!(memory.len() > 10_000);
            let secrets = [template::KEY, template::OPENAI_KEY, template::SECRET, line];
            for secret in secrets {
                let is_there = memory
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes());
                assert!(!is_there, "in the child's memory");
            }
            // It does hold what it was given.
            let made_up = gateway.variable("OPENAI_API_KEY").as_bytes();
            assert!(
                memory
                    .windows(made_up.len())
                    .any(|window| window == made_up)
            );
        }
        Err(error) => skip("memory", &error.to_string()),
    }
}

/// All that is mapped and can be read of a process, as a core would hold.
fn memory_of(process: &str) -> std::io::Result<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let mut memory = fs::File::open(format!("/proc/{process}/mem"))?;
    let mut found = fs::read(format!("/proc/{process}/environ"))?;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        let mut piece = vec![0; usize::try_from(end - start).unwrap()];
        memory.seek(SeekFrom::Start(start))?;
        if memory.read_exact(&mut piece).is_ok() {
            found.extend(piece);
        }
    }
    Ok(found)
}
