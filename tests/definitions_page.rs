//! `docs/definitions.md` is true: its JSON loads, its commands print what
//! stands below them, and its tables say what happens.
//!
//! To write down what the commands print: `VAULT_BLESS=1 cargo test --test
//! definitions_page`, and then read it.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use support::TestEnvironment;
use support::internet::{Internet, Reply, Seen};
use vault::provider::{Definition, Flow, Injection, OAuth, Spot, validate};

const KEY: &str = "acme_live_canary0123456789abcdefgh";
const ORG_KEY: &str = "acme_org_canary0123456789abcdefgh";
/// What the page calls the folder of the definitions.
const FOLDER: &str = "~/.config/vault";

/// A block of code: its language, its text, and the comment just before it.
struct Block {
    language: String,
    text: String,
    mark: Option<String>,
    /// Where its text is in the page.
    place: std::ops::Range<usize>,
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/definitions.md")
}

fn page() -> String {
    fs::read_to_string(path()).unwrap()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some(at) = page[offset..].find("\n```") {
        let fence = offset + at + 1;
        let begin = fence + page[fence..].find('\n').unwrap() + 1;
        let end = begin + page[begin - 1..].find("\n```").unwrap();
        let before = page[..fence].trim_end().lines().last().unwrap();
        let mark = before.strip_prefix("<!-- ");
        found.push(Block {
            language: page[fence + 3..begin].trim().to_owned(),
            text: page[begin..end].to_owned(),
            mark: mark.map(|mark| mark.trim_end_matches(" -->").to_owned()),
            place: begin..end,
        });
        offset = end + 3;
    }
    assert!(found.len() > 20, "the page has blocks");
    found
}

/// The cells of the tables after a comment, without their headings.
fn rows(page: &str, mark: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for part in page.split(&format!("<!-- {mark} -->\n")).skip(1) {
        let table = part.lines().take_while(|line| line.starts_with('|'));
        rows.extend(table.skip(2).map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells
                .map(|cell| cell.trim().trim_matches('`').replace("\\|", "|"))
                .collect()
        }));
    }
    assert!(!rows.is_empty(), "no table after '{mark}'");
    rows
}

fn load(text: &str) -> Definition {
    validate(text, Path::new("acme-weather.json")).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The smallest definition with one member more, or another one.
fn with(member: &str) -> String {
    let mut members = vec![r#""auth": ["api_key"]"#];
    if !member.contains("\"hosts\": [") {
        members.push(r#""hosts": ["api.acme.example"]"#);
    }
    format!("{{ {}, {member} }}", members.join(", "))
}

#[test]
fn every_definition_of_the_page_loads_without_a_word() {
    for block in blocks(&page()) {
        if block.language == "json" {
            let definition = load(&block.text);
            assert_eq!(definition.warnings(), [""; 0], "{}", block.text);
            assert_eq!(definition.remarks(), [""; 0], "{}", block.text);
            for field in &definition.fields {
                let fits = |value: &&String| {
                    let value = vault::secret::Secret::from((*value).clone());
                    field.check(&value).is_ok()
                };
                let examples = &field.examples;
                assert!(examples.fitting.iter().all(|value| fits(&value)));
                assert!(!examples.unfitting.iter().any(|value| fits(&value)));
            }
        }
    }
}

#[test]
fn what_the_page_calls_refused_is_refused_for_that_reason() {
    for row in rows(&page(), "refused") {
        let refused = validate(&with(&row[0]), Path::new("acme-weather.json"));
        let message = refused.expect_err(&row[0]).to_string();
        assert!(message.contains(&row[1]), "{}: {message}", row[0]);
    }
    let long = format!(r#""detect": ["{}"]"#, "a".repeat(2049));
    assert!(validate(&with(&long), Path::new("x.json")).is_err());
    load(&with(&long.replacen('a', "", 1)));
}

#[test]
fn what_the_page_calls_dangerous_is_never_used_and_what_it_calls_better_is() {
    let injection = |entry: &str| {
        let entry = serde_json::Value::from(entry);
        let definition = load(&with(&format!(r#""hosts": [{entry}]"#)));
        (definition.hosts[0].injection, definition.warnings().len())
    };
    for row in rows(&page(), "dangerous") {
        assert_eq!(injection(&row[0]), (Injection::Never, 1), "{}", row[0]);
        assert_eq!(injection(&row[1]), (Injection::Allowed, 0), "{}", row[1]);
    }
}

#[test]
fn every_kind_of_host_on_the_page_can_be_used() {
    let rows = rows(&page(), "hosts");
    for row in &rows {
        let entry = serde_json::Value::from(&*row[0]);
        let definition = load(&with(&format!(r#""hosts": [{entry}]"#)));
        assert_ne!(definition.hosts[0].injection, Injection::Never);
        assert_eq!(definition.warnings(), [""; 0], "{}", row[0]);
    }
    let is_at = |row: usize, host: &str| {
        let entry = serde_json::Value::from(&*rows[row][0]);
        let definition = load(&with(&format!(r#""hosts": [{entry}]"#)));
        definition.hosts[0].matches(&host.parse().unwrap())
    };
    assert!(is_at(0, "api.acme.example") && !is_at(0, "acme.example"));
    assert!(is_at(2, "a.b.acme.example") && !is_at(2, "acme.example"));
    assert!(is_at(4, "tiles.acme.example") && !is_at(4, "x.tiles.acme.example"));
}

#[test]
fn the_defaults_are_those_of_the_page() {
    let members: Vec<_> = (rows(&page(), "defaults").into_iter())
        .map(|mut row| row.remove(0))
        .collect();
    let smallest = load(r#"{"auth": ["api_key"]}"#);
    let local = load("{}");
    for member in members {
        match member.as_str() {
            "name" => assert_eq!(smallest.name.as_str(), "acme-weather"),
            "display_name" => assert_eq!(smallest.display_name, "acme-weather"),
            "auth" => {
                let kind = |text: &str| load(text).auth_type().to_string();
                assert_eq!(
                    kind(r#"{"oauth": {}, "fields": [{"name": "a"}]}"#),
                    "oauth2"
                );
                assert_eq!(kind(r#"{"fields": [{"name": "a"}]}"#), "api_key");
                assert_eq!(local.auth_type().to_string(), "none");
            }
            "fields" => {
                assert!(smallest.field("api_key").unwrap().is_secret);
                assert_eq!(smallest.fields.len(), 1);
                assert!(!local.field("base_url").unwrap().is_required);
                assert_eq!(local.fields.len(), 1);
            }
            "inject" => {
                let written =
                    r#"{"fields": [{"name": "app", "secret": false}, {"name": "token"}]}"#;
                let Spot::Header(name, value) = &load(written).placements[0].spot else {
                    panic!("no header");
                };
                assert_eq!(name, "authorization");
                assert_eq!(*value, "Bearer {token}".parse().unwrap());
            }
            "hosts" => assert!(smallest.hosts.is_empty()),
            "ports" => {
                let definition = load(&with(r#""hosts": ["a.acme.example"]"#));
                assert_eq!(definition.ports_of(&definition.hosts[0]), [443]);
            }
            "verify" => assert!(smallest.verify.is_empty()),
            "detect" => assert!(smallest.detect.is_empty()),
            "rotate_after_days" => assert_eq!(smallest.rotate_after_days, None),
            other => panic!("nobody tries the default of '{other}'"),
        }
    }
}

#[test]
fn every_member_of_oauth_is_on_the_page_and_loads_as_it_stands_there() {
    let schema: serde_json::Value = serde_json::from_str(vault::provider::SCHEMA).unwrap();
    let known = schema.pointer("/$defs/oauth/properties").unwrap();
    let mut missing: Vec<_> = known.as_object().unwrap().keys().cloned().collect();
    for row in rows(&page(), "oauth") {
        let member = row[0].split('"').nth(1).unwrap();
        let definition = load(&with(&format!(r#""oauth": {{ {} }}"#, row[0])));
        assert_eq!(definition.remarks(), [""; 0], "{}", row[0]);
        let is_usual = row[0].contains(&row[2]);
        let oauth = definition.oauth.unwrap();
        assert!(
            is_usual || oauth != OAuth::default(),
            "{member} is not read"
        );
        missing.retain(|known| known != member);
    }
    // What follows from the addresses, in authsome's words.
    let authsomes = [
        "supports_dcr",
        "supports_device_code",
        "supports_device_flow",
    ];
    assert_eq!(missing, authsomes);
}

#[test]
fn oauth_on_the_page_means_what_is_said_of_it() {
    let blocks = blocks(&page());
    let of_oauth: Vec<_> = blocks
        .iter()
        .filter(|block| block.language == "json" && block.text.contains("\"oauth\": {"))
        .map(|block| load(&block.text))
        .collect();
    let [person, registers, machine] = &of_oauth[..] else {
        panic!("{} definitions with OAuth", of_oauth.len());
    };
    let flows = |definition: &Definition| definition.oauth.as_ref().unwrap().flows();
    assert_eq!(flows(person), [Flow::DeviceCode, Flow::Pkce]);
    assert_eq!(flows(registers)[0], Flow::DcrPkce);
    assert_eq!(flows(machine), [Flow::ClientCredentials]);
    for definition in [registers, machine] {
        assert_eq!(definition.auth_type().to_string(), "oauth2");
        let Spot::Header(name, value) = &definition.placements[0].spot else {
            panic!("no header");
        };
        assert_eq!(name, "authorization");
        assert_eq!(*value, "Bearer {access_token}".parse().unwrap());
    }
    assert_eq!(person.auth_type().to_string(), "api_key");
    assert_eq!(
        person.variable_of("access_token").unwrap().as_str(),
        "ACME_TOKEN"
    );
    let oauth = person.oauth.as_ref().unwrap();
    let token_url = oauth.token_url.as_deref().unwrap();
    let region = |name: &str| person.field(name)?.default.clone();
    let resolved = oauth.resolve(token_url, None, &region).unwrap();
    assert_eq!(resolved, "https://eu.login.acme.example/token");
}

#[test]
fn the_variables_of_the_page_are_never_exported() {
    let page = page();
    let (_, after) = page.split_once("<!-- steering -->\n").unwrap();
    let (list, _) = after.split_once("\n\n").unwrap();
    let names: Vec<_> = list.split('`').skip(1).step_by(2).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let name = name.replace('*', "FAKE");
        let definition = load(&with(&format!(
            r#""export": {{ "env": {{ "api_key": "{name}" }} }}"#
        )));
        assert!(definition.exports.is_empty(), "{name}");
    }
}

#[test]
fn the_file_of_authsome_means_the_same_as_ours() {
    let blocks = blocks(&page());
    let meaning = |mark: &str| {
        let marked = blocks
            .iter()
            .find(|block| block.mark.as_deref() == Some(mark));
        let definition = load(&marked.unwrap().text);
        let hosts: Vec<_> = definition.hosts.iter().map(|host| host.as_str()).collect();
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            definition.display_name,
            definition.category,
            definition.auth,
            definition.docs,
            definition.fields,
            definition.exports,
            definition.placements,
        ) + &hosts.join(" ")
    };
    assert_eq!(meaning("authsome"), meaning("the same"));
}

#[test]
fn a_slip_is_told_to_its_author_and_to_nobody_else() {
    let environment = TestEnvironment::new();
    let slip = r#"{"name": "acme-typo", "auth": ["api_key"], "hots": ["api.acme.example"]}"#;
    let file = environment.given("typo.json", slip);
    let told = "member 'hots' is not known and is ignored; did you mean 'hosts'?";
    let of = |action: &str| environment.vault(["provider", action]).arg(&file);
    let run = of("validate").arg("--json").ok();
    assert_eq!(run.json()["warnings"], serde_json::json!([told]));
    of("register").ok().says(predicates::str::contains(told));
    for call in [
        &["list"][..],
        &["provider", "list"],
        &["provider", "show", "acme-typo"],
    ] {
        let run = environment.vault(call).ok();
        assert_eq!(run.stderr, "", "{call:?}");
    }
    let login = environment.vault(["login", "acme-typo"]).stdin("FAKE").ok();
    assert!(!login.stderr.contains("hots"), "{login}");
}

/// A machine with a vault, and a world that answers what it is told to.
struct World {
    environment: TestEnvironment,
    internet: Internet,
    reply: Arc<Mutex<Reply>>,
}

impl World {
    fn new() -> Self {
        let mut environment = TestEnvironment::new().with_identity_vault();
        let good = r#"{"stations": [{"name": "Alp"}, {"name": "Bay"}]}"#;
        let reply = Arc::new(Mutex::new(Reply::new(200, good)));
        let internet = Internet::start(&environment, {
            let reply = Arc::clone(&reply);
            move |_| reply.lock().unwrap().clone()
        });
        internet.reach(&mut environment);
        for (variable, key) in [("KEY", KEY), ("ORG_KEY", ORG_KEY)] {
            let key = environment.secret("a made-up key", key);
            environment.set(variable, key);
        }
        Self {
            environment,
            internet,
            reply,
        }
    }

    /// What the commands print, as the page has it.
    fn run(&self, commands: &str) -> String {
        let program = assert_cmd::cargo::cargo_bin!("vault");
        let home = self.environment.home().display().to_string();
        let commands = commands.replace(FOLDER, &home);
        let script = format!(
            "vault() {{ '{}' \"$@\"; }}\nexec 2>&1\n{commands}",
            program.display()
        );
        let run = self.environment.run("sh", ["-c", &script]);
        let run = if commands.contains("vault export") {
            run.asks_for_secrets()
        } else {
            run
        };
        let printed = run.finish().stdout.replace(&home, FOLDER);
        let lines = printed.replace(KEY, "KEY").replace(ORG_KEY, "ORG_KEY");
        let lines = lines.lines().map(|line| format!("{}\n", line.trim_end()));
        lines.collect()
    }

    /// The last request, as far as the page tells of it.
    fn shown(&self, wanted: &str) -> String {
        let seen = self.internet.seen();
        let last: &Seen = seen.last().expect("a request was sent");
        let (head, body) = wanted.split_once("\n\n").unwrap_or((wanted, ""));
        let is_shown = |name: &str| {
            head.lines()
                .any(|line| line.starts_with(&format!("{name}: ")))
        };
        for (name, value) in &last.headers {
            let holds_a_key = value.contains(KEY) || value.contains(ORG_KEY);
            assert!(!holds_a_key || is_shown(name), "a key went in '{name}' too");
        }
        let mut shown = format!("{} {} HTTP/1.1\n", last.method, last.path);
        for line in head.lines().skip(1) {
            let (name, _) = line.split_once(':').unwrap();
            let value = last.headers.get(name).map_or("", String::as_str);
            shown.push_str(&format!("{name}: {value}\n"));
        }
        if !body.is_empty() {
            shown.push_str(&format!("\n{}\n", last.body));
        }
        shown.replace(KEY, "KEY").replace(ORG_KEY, "ORG_KEY")
    }
}

/// Runs the page from its top to its end. Returns it as it should be.
fn walked(world: &World) -> String {
    let mut page = page();
    let mut printed = None;
    let mut corrections = Vec::new();
    for block in blocks(&page) {
        let is = match block.language.as_str() {
            "json" => {
                let file = block
                    .mark
                    .as_deref()
                    .and_then(|mark| mark.strip_prefix("file: "));
                if let Some(file) = file {
                    let file = world.environment.path("work").join(file);
                    fs::write(file, &block.text).unwrap();
                }
                continue;
            }
            "sh" => {
                printed = Some(world.run(&block.text));
                continue;
            }
            "text" => printed
                .take()
                .expect("commands stand above what they print"),
            "http" => {
                assert_eq!(world.shown(&block.text), block.text, "the request sent");
                continue;
            }
            other => panic!("a block of '{other}' is not read by anybody"),
        };
        if is != block.text {
            corrections.push((block.place, is));
        }
    }
    for (place, is) in corrections.into_iter().rev() {
        page.replace_range(place, &is);
    }
    page
}

#[test]
fn the_page_is_true_from_its_top_to_its_end() {
    let world = World::new();
    let true_page = walked(&world);
    if std::env::var_os("VAULT_BLESS").is_some() {
        fs::write(path(), &true_page).unwrap();
    }
    let page = page();
    for (stands, is) in page.lines().zip(true_page.lines()) {
        assert_eq!(stands, is, "docs/definitions.md is stale");
    }
    assert_eq!(page, true_page, "docs/definitions.md is stale");
    assert!(page.contains("ACME_API_KEY='KEY'"), "it was exported");
    answers_are_read_as_the_page_says(&world, &page);
    for (connection, days) in [("acme-station", 90), ("acme-weather", 180)] {
        let shown = world.environment.vault(["get", connection, "--json"]).ok();
        let shown = shown.json();
        let time = |name: &str| {
            let time: jiff::Timestamp = shown[name].as_str().unwrap().parse().unwrap();
            time.as_second()
        };
        let kept = time("rotate_at") - time("created_at");
        assert_eq!(kept / (24 * 60 * 60), days, "{connection}");
    }
}

fn answers_are_read_as_the_page_says(world: &World, page: &str) {
    let rows = rows(page, "answers");
    for row in &rows {
        *world.reply.lock().unwrap() = Reply::new(row[1].parse().unwrap(), row[2].clone());
        let run = world
            .environment
            .vault(["verify", &row[0], "--json"])
            .finish();
        let found = &run.json()["results"][0];
        assert_eq!(found["result"], *row[3], "{row:?}");
        assert_eq!(run.code, row[4].parse().ok(), "{row:?}");
        assert_eq!(found["message"].as_str().unwrap_or(""), row[5], "{row:?}");
    }
    // Each answer that the file names has a row.
    let text = fs::read_to_string(world.environment.path("work/acme-weather.json")).unwrap();
    for answer in load(&text).verify.iter().flat_map(|verify| &verify.answers) {
        let status = answer.status.to_string();
        assert!(rows.iter().any(|row| row[1] == status), "{status}");
    }
}
