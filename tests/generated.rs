//! The committed files that the program prints itself.
//!
//! To write them anew: `VAULT_BLESS=1 cargo test --test generated`

#![allow(clippy::unwrap_used)] // also in helpers

#[path = "pages/providers.rs"]
mod providers;
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::TestEnvironment;
use vault::provider::{Catalog, Definition};

/// Compares a committed file with what it should be, or writes it.
fn compare(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("VAULT_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == expected,
        "{file} is stale. Write it anew: VAULT_BLESS=1 cargo test --test generated"
    );
}

#[test]
fn the_committed_completions_are_what_the_program_prints() {
    let made = TestEnvironment::new();
    for (shell, file) in [
        ("bash", "vault.bash"),
        ("zsh", "_vault"),
        ("fish", "vault.fish"),
        ("powershell", "vault.ps1"),
        ("elvish", "vault.elv"),
        ("nu", "vault.nu"),
    ] {
        let printed = made.vault(["completions", shell]).ok().stdout;
        compare(&format!("completions/{file}"), &printed);
    }
}

#[test]
fn the_committed_manual_is_what_the_program_prints() {
    let made = TestEnvironment::new();
    let main = made.vault(["man"]).ok().stdout;
    compare("man/vault.1", &main);
    let names: Vec<String> = main
        .lines()
        .filter_map(|line| line.strip_prefix("\\fBvault\\-")?.split("\\fR").next())
        .map(|name| name.replace("\\-", "-"))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in &names {
        let page = made.vault(["man", name]).ok().stdout;
        compare(&format!("man/vault-{name}.1"), &page);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let known = file == "vault.1" || names.iter().any(|name| file == format!("vault-{name}.1"));
        assert!(known, "man/{file} is the page of no command");
    }
}

#[test]
fn the_manual_reads_without_complaint() {
    let made = TestEnvironment::new();
    if Command::new("groff").arg("--version").output().is_err() {
        support::skip("groff", "it is not installed");
        return;
    }
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("man")).unwrap() {
        let path = entry.unwrap().path();
        let run = made
            .run("groff", ["-man", "-Tutf8", "-ww", "-z"])
            .arg(&path)
            .finish();
        assert!(run.code == Some(0) && run.stderr.is_empty(), "{run}");
    }
}

fn bundled() -> Vec<Definition> {
    let all = Catalog::new(None).all().unwrap();
    all.into_iter()
        .map(|entry| entry.definition.unwrap())
        .collect()
}

#[test]
fn the_committed_page_of_providers_is_what_their_definitions_say() {
    let page = providers::page(&bundled());
    compare("docs/providers.md", &page);
    for definition in bundled() {
        let heading = format!("\n### {}\n", definition.name);
        assert_eq!(page.matches(&heading).count(), 1, "{}", definition.name);
    }
}

#[test]
fn the_page_of_providers_is_sound_markdown_and_names_no_registry() {
    let page = providers::page(&bundled());
    let named: Vec<_> = providers::possible_hosts(&page)
        .filter(|host| providers::is_a_registrys(host))
        .collect();
    assert_eq!(named, [""; 0]);
    let mut columns = 0;
    for line in page.lines() {
        let bars = line.replace("\\|", "").matches('|').count();
        if !line.starts_with('|') {
            columns = 0;
            continue;
        }
        assert!(columns == 0 || columns == bars, "{line}");
        columns = bars;
    }
    for line in page.lines().filter(|line| !line.starts_with('|')) {
        assert!(line.chars().count() < 400, "a wall of text: {line}");
        let outside: String = line.split('`').step_by(2).collect();
        let outside = outside.replace("<https://", "").replace("<!--", "");
        assert!(!outside.replace("\\<", "").contains('<'), "{line}");
    }
}

#[test]
fn a_page_that_is_not_there_is_told() {
    let made = TestEnvironment::new();
    made.vault(["man", "logn"])
        .fails(3)
        .says(predicates::str::contains("vault man login"));
}
