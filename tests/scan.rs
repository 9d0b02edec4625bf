//! `vault scan`, through the binary.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use predicates::prelude::{PredicateBooleanExt, predicate};
use predicates::str::contains;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use support::{Finished, TestEnvironment, chmod, make_folder, skip};
use vault::provider::{Catalog, Definition};

/// A fake key of GitHub, registered.
fn github(made: &TestEnvironment, name: &str) -> String {
    let body: String = format!("FAKE{name}c4n4ry")
        .chars()
        .cycle()
        .take(36)
        .collect();
    made.secret("a found key", format!("ghp_{body}"))
}

/// Where files are planted: the test's own, which may hold keys.
fn tree(made: &TestEnvironment) -> PathBuf {
    let tree = made.path("given").join("tree");
    make_folder(&tree);
    tree
}

fn plant(tree: &Path, file: &str, content: &str) {
    let path = tree.join(file);
    make_folder(path.parent().unwrap());
    fs::write(path, content).unwrap();
}

/// Scans the tree; the findings' paths in it, sorted.
fn paths(made: &TestEnvironment, tree: &Path, more: &[&str]) -> Vec<String> {
    let run = made.vault(["scan", "--json"]).args(more).arg(tree).finish();
    paths_of(&run, tree)
}

fn paths_of(run: &Finished, tree: &Path) -> Vec<String> {
    let findings = run.json()["findings"].as_array().unwrap().clone();
    assert_eq!(run.code, Some(i32::from(!findings.is_empty())), "{run}");
    let path = |finding: &Value| PathBuf::from(finding["path"].as_str().unwrap());
    let relative = |path: PathBuf| {
        path.strip_prefix(tree)
            .unwrap_or(&path)
            .display()
            .to_string()
    };
    findings.iter().map(path).map(relative).collect()
}

#[test]
fn a_finding_says_where_whose_and_which_but_never_what() {
    let made = TestEnvironment::new();
    let tree = tree(&made);
    let key = github(&made, "place");
    plant(
        &tree,
        "src/a.py",
        &format!("import x\n\nclient = x(\"{key}\")\n"),
    );
    let run = made.vault(["scan"]).arg(&tree).finish();
    assert_eq!(run.code, Some(1), "{run}");
    let run = run
        .prints(contains("/src/a.py:3:13  github  sha256:"))
        .says(contains("1 key in 1 file; looked at 1 file"))
        .says(contains("Error:").not());
    assert_eq!(run.stdout.lines().count(), 1);
    let quiet = made.vault(["scan", "--quiet"]).arg(&tree).finish();
    assert_eq!(
        (quiet.stderr.as_str(), quiet.stdout == run.stdout),
        ("", true)
    );
    let object = made.vault(["scan", "--json"]).arg(&tree).finish().json();
    let finding = &object["findings"][0];
    assert_eq!(
        (&object["files"], &object["skipped"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&json!(3), &json!(13))
    );
    assert_eq!(finding["provider"], "github");
    assert_eq!(
        (&finding["in_vault"], &finding["connection"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(finding.as_object().unwrap().len(), 7);
    assert!(!made.vault_file().exists());
}

#[test]
fn nothing_found_is_good_news() {
    let made = TestEnvironment::new();
    let tree = tree(&made);
    plant(&tree, "a.txt", "a text\n");
    let run = made.vault(["scan"]).arg(&tree).ok();
    run.prints(predicate::eq(""))
        .says(contains("No keys in 1 file."));
    assert_eq!(
        made.vault(["scan", "--json"]).arg(&tree).ok().json()["findings"],
        json!([])
    );
}

#[test]
fn ignore_files_are_heeded_unless_told_otherwise_and_dotenv_is_looked_at() {
    let made = TestEnvironment::new();
    let tree = tree(&made);
    let key = github(&made, "ignored");
    make_folder(&tree.join(".git"));
    plant(&tree, ".gitignore", "ignored.txt\n.env*\n");
    plant(&tree, ".ignore", "other.txt\n");
    for file in [
        "ignored.txt",
        "other.txt",
        ".env",
        "app/.env.local",
        ".hidden/a",
        "plain",
        ".git/config",
    ] {
        plant(&tree, file, &key);
    }
    let seen = paths(&made, &tree, &[]);
    assert_eq!(seen, [".env", ".hidden/a", "app/.env.local", "plain"]);
    let all = paths(&made, &tree, &["--no-ignore"]);
    assert_eq!(
        all,
        [
            ".env",
            ".hidden/a",
            "app/.env.local",
            "ignored.txt",
            "other.txt",
            "plain"
        ]
    );
    // What is named is looked at, ignored or not.
    let named = tree.join("ignored.txt");
    assert_eq!(paths(&made, &named, &[]).len(), 1);
}

#[test]
fn binaries_links_and_pipes_are_left_alone() {
    let made = TestEnvironment::new();
    let tree = tree(&made);
    let key = github(&made, "apart");
    plant(&tree, "binary", &format!("\0{key}"));
    let outside = made.given("outside.txt", &key);
    symlink(&outside, tree.join("link.txt")).unwrap();
    symlink(&outside, tree.join(".env")).unwrap();
    symlink(&tree, tree.join("circle")).unwrap();
    for pipe in ["pipe", ".env.pipe"] {
        mknodat(
            CWD,
            tree.join(pipe),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
    }
    let run = made
        .vault(["scan", "--json"])
        .arg(&tree)
        .within(Duration::from_secs(10))
        .ok();
    assert_eq!(
        (&run.json()["files"], &run.json()["skipped"]),
        (&json!(0), &json!(1))
    );
    // Named ones are another matter.
    assert_eq!(paths(&made, &tree.join("binary"), &[]).len(), 1);
    assert_eq!(paths(&made, &tree.join("link.txt"), &[]).len(), 1);
    made.vault(["scan"])
        .arg(tree.join("pipe"))
        .fails(1)
        .says(contains("neither a file nor a folder"));
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_looked_at() {
    let made = TestEnvironment::new();
    let tree = tree(&made);
    let key = github(&made, "locked");
    plant(&tree, "open.txt", &key);
    plant(&tree, "locked.txt", &key);
    chmod(&tree.join("locked.txt"), 0);
    let mut run = made.vault(["scan", "--json"]).arg(&tree);
    let mut unread = "locked.txt";
    if fs::read(tree.join("locked.txt")).is_ok() {
        // Nothing is locked for root, but this cannot be read by anybody.
        unread = "/proc/self/mem";
        if !Path::new(unread).exists() {
            skip("unprivileged", "root can read every file");
            return;
        }
        fs::remove_file(tree.join("locked.txt")).unwrap();
        run = run.arg(unread);
    }
    let run = run.finish();
    assert_eq!(paths_of(&run, &tree), ["open.txt"]);
    assert_eq!(run.json()["skipped"], 1);
    run.says(contains("Not looked at: ")).says(contains(unread));
}

#[test]
fn what_is_not_there_is_an_error() {
    let made = TestEnvironment::new();
    made.vault(["scan", "gone"])
        .fails(1)
        .says(contains("There is no file or folder gone"));
}

#[test]
fn a_dash_is_standard_input() {
    let made = TestEnvironment::new();
    let key = github(&made, "stream");
    let run = made
        .vault(["scan", "-"])
        .stdin(format!("a\n{key}\n"))
        .finish();
    assert_eq!(run.code, Some(1));
    run.prints(contains("-:2:1  github  "));
    made.vault(["scan", "-"]).stdin("nothing").ok();
}

#[test]
fn names_from_outside_cannot_steer_the_terminal() {
    let made = TestEnvironment::new();
    let tree = tree(&made);
    plant(&tree, "a\x1b[31m\nb.txt", &github(&made, "steer"));
    let run = made.vault(["scan"]).arg(&tree).finish();
    assert!(run.stdout.contains("a\\u{1b}[31m\\nb.txt:1:1"), "{run}");
}

#[test]
fn a_key_is_recognised_as_the_vaults_own_by_the_same_fingerprint() {
    let made = TestEnvironment::new().with_identity_vault();
    let tree = tree(&made);
    let (known, plain, other) = (
        github(&made, "known"),
        github(&made, "plain"),
        github(&made, "other"),
    );
    made.vault(["login", "github/team", "--stdin"])
        .stdin(&known)
        .ok();
    made.vault(["set", "A_TOKEN"]).stdin(&plain).ok();
    plant(&tree, "a", &format!("{known}\n{plain}\n{other}\n{known}\n"));
    let run = made.vault(["scan", "--json"]).arg(&tree).finish();
    let findings = run.json()["findings"].clone();
    let places: Vec<_> = (0..4)
        .map(|n| {
            (
                findings[n]["in_vault"].clone(),
                findings[n]["connection"].clone(),
            )
        })
        .collect();
    let team = (json!(true), json!("github/team"));
    assert_eq!(
        places,
        [
            team.clone(),
            (json!(true), json!("A_TOKEN")),
            (json!(false), Value::Null),
            team
        ]
    );
    let own = made
        .vault(["get", "github/team", "--field", "fingerprint"])
        .ok()
        .stdout;
    assert_eq!(findings[0]["fingerprint"], own.trim());
    assert_eq!(findings[0]["fingerprint"], findings[3]["fingerprint"]);
    made.vault(["scan"])
        .arg(&tree)
        .finish()
        .prints(contains("in the vault as github/team"))
        .prints(contains("in the vault as A_TOKEN"))
        .prints(contains("not in the vault"));
}

#[test]
fn a_locked_vault_is_not_asked_for_and_an_environment_opens_one() {
    let made = TestEnvironment::new();
    let tree = tree(&made);
    let key = github(&made, "locked");
    plant(&tree, "a", &key);
    let made = made.with_passphrase_vault();
    made.vault(["login", "github", "--stdin"]).stdin(&key).ok();
    let run = made.vault(["scan", "--json"]).arg(&tree).finish();
    assert_eq!(run.json()["findings"][0]["connection"], "github/default");
    let run = made
        .vault(["scan", "--json"])
        .arg(&tree)
        .without_env("VAULT_PASSPHRASE")
        .finish();
    assert_eq!(run.json()["findings"][0]["in_vault"], Value::Null);
    let digest = run.json()["findings"][0]["fingerprint"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        digest.starts_with("sha256:") && digest.len() == 23,
        "{digest}"
    );
}

#[test]
fn sarif_is_what_code_hosts_read() {
    let made = TestEnvironment::new().with_identity_vault();
    let key = github(&made, "sarif");
    let tree = tree(&made);
    plant(&tree, "a b/c.py", &format!("\n é {key}"));
    made.vault(["login", "github", "--stdin"]).stdin(&key).ok();
    let run = made
        .vault(["scan", "--format", "sarif"])
        .arg(&tree)
        .finish();
    assert_eq!(run.code, Some(1));
    let log = run.json();
    assert_eq!(log["version"], "2.1.0");
    let result = &log["runs"][0]["results"][0];
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(
        (&result["ruleId"], &rules[index]["id"]),
        (&json!("github"), &json!("github"))
    );
    let ids: BTreeSet<_> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), rules.len());
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["region"], json!({"startLine": 2, "startColumn": 4}));
    let uri = place["artifactLocation"]["uri"].as_str().unwrap();
    assert!(
        uri.starts_with("file:///") && uri.ends_with("/a%20b/c.py"),
        "{uri}"
    );
    let digest = result["partialFingerprints"]["keyDigest/v1"]
        .as_str()
        .unwrap();
    assert!(
        digest.starts_with("sha256:"),
        "the vault opens, and is not asked: {digest}"
    );
}

#[test]
fn paths_are_from_here() {
    let made = TestEnvironment::new();
    let key = github(&made, "here");
    // Scanned is the folder that commands run in; the hunt must not see it.
    let work = made.path("work");
    fs::remove_dir(&work).unwrap();
    symlink(tree(&made), &work).unwrap();
    plant(&work, "src/a.py", &key);
    for (format, place) in [
        ("json", "/findings/0/path"),
        (
            "sarif",
            "/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri",
        ),
    ] {
        let run = made.vault(["scan", "--format", format]).finish();
        assert_eq!(run.json().pointer(place).unwrap(), "src/a.py");
    }
    made.vault(["scan", "./src"])
        .finish()
        .prints(contains("src/a.py:1:1"));
}

#[test]
fn an_import_makes_the_vault_stores_once_and_says_what_it_could_not() {
    let made = TestEnvironment::new();
    let tree = tree(&made);
    let (first, second) = (github(&made, "first"), github(&made, "second"));
    let aws = made.secret("a key id", "AKIAFAKEFAKE234567QR");
    plant(&tree, "a", &format!("{first}\n{first}\n{aws}\n"));
    let run = made.vault(["scan", "--import"]).arg(&tree).finish();
    assert_eq!(run.code, Some(1), "{run}");
    run.says(contains("Made the vault"))
        .says(contains("Stored github/default."))
        .says(contains("Not stored: aws "))
        .says(contains("vault login aws"))
        .says(contains("The files are as they were."))
        .prints(contains("in the vault as github/default"));
    let backups = fs::read_dir(made.backups()).map_or(0, Iterator::count);
    assert_eq!(backups, 0, "one commit made the vault and filled it");
    plant(&tree, "b", &format!("{second}\n{first}"));
    let run = made
        .vault(["scan", "--import", "--json"])
        .arg(&tree)
        .finish();
    assert_eq!(run.json()["imported"], json!(["github/found-2"]));
    assert_eq!(run.json()["not_imported"], json!(["aws"]));
    let again = made
        .vault(["scan", "--import", "--json"])
        .arg(&tree)
        .finish();
    assert_eq!(again.json()["imported"], json!([]));
    let stored = made.vault([
        "get",
        "github/found-2",
        "--field",
        "api_key",
        "--show-secret",
    ]);
    stored.asks_for_secrets().ok().prints(contains(&second));
    assert_eq!(
        fs::read_to_string(tree.join("b")).unwrap(),
        format!("{second}\n{first}")
    );
}

#[test]
fn an_import_of_nothing_makes_no_vault() {
    let made = TestEnvironment::new();
    made.vault(["scan", "--import"]).ok();
    assert!(!made.vault_file().exists());
    // A locked vault is opened as a login does, or it fails.
    let made = made.with_passphrase_vault();
    let tree = tree(&made);
    plant(&tree, "a", &github(&made, "no"));
    let run = made
        .vault(["scan", "--import", "--no-input"])
        .arg(&tree)
        .without_env("VAULT_PASSPHRASE");
    run.finds(4);
}

#[test]
fn the_home_is_looked_at_where_keys_lie() {
    let made = TestEnvironment::on_platform_folders();
    let key = github(&made, "home");
    let home = made.path("given").join("user");
    let mut made = made;
    made.set("HOME", home.clone());
    made.set("XDG_CONFIG_HOME", home.join("config"));
    for file in [
        ".bash_history",
        ".netrc",
        ".aws/credentials",
        ".env",
        ".env.work",
        ".local/share/fish/fish_history",
        "config/tool/hosts.yml",
        "documents/letter.txt",
    ] {
        plant(&home, file, &key);
    }
    let run = made.vault(["scan", "--home", "--json"]).finish();
    let seen: BTreeSet<_> = paths_of(&run, &home).into_iter().collect();
    assert_eq!(seen.len(), 7, "{seen:?}");
    assert!(!seen.contains("documents/letter.txt"));
    let more = made
        .vault(["scan", "--home", "--json"])
        .arg(home.join("documents"))
        .finish();
    assert_eq!(paths_of(&more, &home).len(), 8);
}

#[test]
fn a_definition_of_ones_own_is_used_and_a_hostile_one_harms_no_other() {
    let made = TestEnvironment::new();
    let tree = tree(&made);
    let mine = made.secret("a key of mine", "mine-FAKE0123456789");
    let key = github(&made, "hostile");
    plant(
        &tree,
        "a",
        &format!("{}\n{mine} {key}\n", "a".repeat(100_000)),
    );
    let folder = made.home().join("providers");
    make_folder(&folder);
    let define = |name: &str, patterns: &[&str]| {
        let text = json!({"name": name, "api_key": {}, "detect": patterns}).to_string();
        fs::write(folder.join(format!("{name}.json")), text).unwrap();
    };
    define("mine", &["^mine-[A-Z0-9]{14}$"]);
    let run = made
        .vault(["scan", "--json"])
        .arg(&tree)
        .within(Duration::from_secs(30))
        .finish();
    let providers = |run: &Finished| -> Vec<String> {
        let findings = run.json()["findings"].as_array().unwrap().clone();
        findings
            .iter()
            .map(|finding| finding["provider"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(providers(&run), ["mine", "github"]);
    define("broken", &["(a{1000}){1000}"]);
    define("hostile", &["(a|aa)+$", ".*"]);
    let run = made
        .vault(["scan", "--json"])
        .arg(&tree)
        .within(Duration::from_secs(30))
        .finish();
    let seen = providers(&run);
    assert!(
        seen.contains(&"mine".to_owned()) && seen.contains(&"github".to_owned()),
        "{seen:?}"
    );
    assert!(run.stderr.contains("broken.json"), "{run}");
}

/// Every bundled definition's made-up keys, and where keys stand.
#[test]
fn every_made_up_key_of_every_definition_is_found_in_any_surroundings() {
    let made = TestEnvironment::new();
    let tree = tree(&made);
    let entries = Catalog::new(None).all().unwrap();
    let definitions: Vec<Definition> = entries
        .into_iter()
        .map(|entry| entry.definition.unwrap())
        .collect();
    let mut expected = Vec::new();
    for definition in &definitions {
        for (number, detect) in definition.detect.iter().enumerate() {
            let examples = &detect.examples;
            for (count, key) in examples.fitting.iter().enumerate() {
                made.secret("an example", key.clone());
                let file = format!("fitting/{}-{number}-{count}", definition.name);
                let text = format!(
                    "{key}\n{{\"key\": \"{key}\"}}\nhttps://x.example.com/?key={key}&a=b\nexport KEY={key}\n\
                     client = Client(api_key='{key}', retries=3)\n"
                );
                plant(&tree, &file, &text);
                expected.push((file, definition.name.to_string()));
            }
            // What only goes on after a key holds one.
            let holds_one =
                |text: &&String| (1..text.len()).any(|end| detect.pattern.fits(&text[..end]));
            let unfitting = examples.unfitting.iter().filter(|text| !holds_one(text));
            for (count, key) in unfitting.enumerate() {
                plant(
                    &tree,
                    &format!("unfitting/{}-{number}-{count}", definition.name),
                    &format!("{key}\n"),
                );
            }
        }
    }
    let run = made.vault(["scan", "--json"]).arg(&tree).finish();
    let object = run.json();
    let mut missed = Vec::new();
    let findings: Vec<(String, u64, String)> = object["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let path = Path::new(finding["path"].as_str().unwrap());
            let path = path.strip_prefix(&tree).unwrap().display().to_string();
            (
                path,
                finding["line"].as_u64().unwrap(),
                finding["provider"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    for (file, provider) in &expected {
        for line in 1..=5 {
            if !findings.contains(&(file.clone(), line, provider.clone())) {
                missed.push(format!("{file}:{line}"));
            }
        }
    }
    assert!(
        missed.is_empty(),
        "{} of {} missed: {missed:#?}",
        missed.len(),
        5 * expected.len()
    );
    // A text that is no key of its own provider may be one of another.
    let wrong: Vec<_> = findings
        .iter()
        .filter(|(path, _, provider)| path.starts_with(&format!("unfitting/{provider}-")))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(
        findings
            .iter()
            .filter(|(path, ..)| path.starts_with("fitting/"))
            .count(),
        5 * expected.len()
    );
}

#[test]
fn what_could_not_be_looked_at_is_no_all_clear() {
    let environment = TestEnvironment::new();
    // Nobody can read the beginning of this one, not even root.
    let closed = Path::new("/proc/self/mem");
    if closed.exists() {
        environment
            .vault(["scan"])
            .arg(closed)
            .fails(1)
            .says(contains("1 file or folder could not be looked at"));
    }
    environment
        .vault(["scan", "--home"])
        .env("HOME", environment.path("nowhere"))
        .fails(1)
        .says(contains("Cannot look at the home folder"));
}

#[test]
fn the_parts_of_one_credential_in_one_file_are_stored_together() {
    let environment = TestEnvironment::new().with_identity_vault();
    let tree = tree(&environment);
    let id = "AKIAFAKE234567ABCDEF";
    let secret = environment.secret("a secret key", "FAKE0123456789/abcdefghij+KLMNOPQRSTUVWX");
    let text = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    plant(&tree, "credentials", &text);
    let run = environment.vault(["scan", "--import"]).arg(&tree).finish();
    assert_eq!(run.code, Some(1), "{run}");
    run.says(contains("Stored aws/default"));
    let stored = environment
        .vault([
            "get",
            "aws",
            "--field",
            "secret_access_key",
            "--show-secret",
        ])
        .asks_for_secrets()
        .ok();
    assert_eq!(stored.stdout.trim_end(), secret);
    let shown = environment
        .vault(["get", "aws", "--field", "access_key_id"])
        .ok();
    assert_eq!(shown.stdout.trim_end(), id);
}
