//! The house of docs/architecture.md: each room uses the rows above its own, siblings
//! not at all unless said, and some things are done in one room only.

#![allow(clippy::unwrap_used)] // also in helpers

mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, words};

/// The rows, highest first. Rooms that are still to be built have their
/// places already.
const ROWS: [&[&str]; 7] = [
    &[
        "error", "secret", "name", "text", "span", "files", "json", "jsonc", "process",
    ],
    &["seal", "provider", "policy"],
    &["credential"],
    &[
        "vault", "unlock", "net", "flow", "export", "import", "scan", "usage", "audit",
    ],
    &["broker"],
    &["gateway", "dashboard"],
    &["cli"],
];

/// Siblings that may be used after all: who uses whom.
const SIBLINGS: [(&str, &str); 1] = [("flow", "net")];

/// Rooms of this row may use each other, as long as they do so in no circle.
const FREE_ROW: usize = 0;

fn row_of(room: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&room))
}

/// The room that a file belongs to; none for the crate's own two files.
fn room_of(path: &str) -> Option<&str> {
    let room = path.split('/').next()?.trim_end_matches(".rs");
    (room != "lib" && room != "main").then_some(room)
}

/// The rooms that some code names, by `crate::` or by climbing.
fn named_in(source: &Source) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for at in words(&source.code, "crate") {
        if let Some(rest) = after_colons(&source.code[at + "crate".len()..]) {
            named.extend(first_names(rest));
        }
    }
    // How many steps up the root is: `a.rs` and `a/mod.rs` stand right under
    // it. In a module within a file it is one more, which only makes this
    // look at a name that is no room.
    let steps = source.path.split('/').count() - usize::from(source.path.ends_with("/mod.rs"));
    let mut rest = source.code.as_str();
    while let Some(at) = words(rest, "super").next() {
        rest = &rest[at..];
        let mut climbed = 0;
        while let Some(next) = rest.strip_prefix("super").and_then(after_colons) {
            climbed += 1;
            rest = next;
        }
        if climbed >= steps {
            let rooms = first_names(rest).into_iter();
            named.extend(rooms.filter(|name| row_of(name).is_some()));
        }
        rest = rest.strip_prefix("super").unwrap_or(rest);
    }
    named
}

fn after_colons(code: &str) -> Option<&str> {
    code.trim_start().strip_prefix("::").map(str::trim_start)
}

/// `a` of `a::b`, and `a`, `b` of `{a, b::{c, d}}`.
fn first_names(code: &str) -> Vec<String> {
    let name_at = |code: &str| -> String {
        code.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '*')
            .collect()
    };
    let Some(group) = code.strip_prefix('{') else {
        return vec![name_at(code)];
    };
    let mut depth = 0;
    let mut names = vec![name_at(group)];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name_at(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Everything that the rules refuse, one sentence each.
fn violations(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    let mut uses: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let path = &source.path;
        found.extend(done_elsewhere(source));
        let Some(room) = room_of(path) else {
            continue;
        };
        let Some(row) = row_of(room) else {
            found.push(format!("{path}: the room {room} is not in the table"));
            continue;
        };
        for other in named_in(source) {
            if other == room {
                continue;
            }
            uses.entry(room).or_default().insert(other.clone());
            let sibling = SIBLINGS.contains(&(room, other.as_str()));
            match row_of(&other) {
                None => found.push(format!("{path}: {other} is not in the table")),
                Some(above) if above > row => {
                    found.push(format!("{path}: {room} uses {other}, which is below it"));
                }
                Some(same) if same == row && row != FREE_ROW && !sibling => {
                    found.push(format!("{path}: {room} uses its sibling {other}"));
                }
                Some(_) => {}
            }
        }
    }
    found.extend(circles(&uses));
    found
}

/// Rooms that come back to themselves.
fn circles(uses: &BTreeMap<&str, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for room in uses.keys() {
        let mut reached = BTreeSet::new();
        let mut open = vec![*room];
        while let Some(next) = open.pop() {
            for other in uses.get(next).into_iter().flatten() {
                if reached.insert(other.as_str()) {
                    open.push(other);
                }
            }
        }
        if reached.contains(room) {
            found.push(format!("{room} is in a circle"));
        }
    }
    found
}

/// What has one place only, done in another one.
fn done_elsewhere(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut found = Vec::new();
    let mut refuse = |word: &str, reason: &str| {
        if words(&source.code, word).next().is_some() {
            found.push(format!("{path}: {word}: {reason}"));
        }
    };
    if !path.starts_with("seal/") && path != "seal.rs" {
        refuse("age::", "only seal knows the age library");
        refuse("use age", "only seal knows the age library");
    }
    if path != "cli/environment.rs" {
        for word in ["env::var", "env::var_os", "env::vars", "env::vars_os"] {
            refuse(word, "the environment is read in cli/environment.rs");
        }
        refuse("temp_dir", "the environment is read in cli/environment.rs");
        refuse("env::{", "the environment is read in cli/environment.rs");
    }
    for word in ["set_var", "remove_var"] {
        refuse(word, "the environment is never changed");
    }
    for word in ["println!", "eprintln!", "print!", "eprint!", "dbg!"] {
        refuse(word, "everything is printed by cli/output.rs");
    }
    found
}

#[test]
fn every_room_keeps_to_its_row() {
    let found = violations(&Source::all());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_source_is_really_read() {
    let sources = Source::all();
    let cli: Vec<_> = sources
        .iter()
        .filter(|source| room_of(&source.path) == Some("cli"))
        .flat_map(named_in)
        .collect();
    for room in ["error", "seal", "vault", "unlock"] {
        assert!(cli.iter().any(|named| named == room), "{room}");
    }
    let root = sources.iter().find(|s| s.path == "lib.rs").unwrap();
    for room in words(&root.code, "pub mod") {
        let name = first_names(&root.code[room + "pub mod ".len()..]).remove(0);
        assert!(row_of(&name).is_some(), "{name} is in lib.rs alone");
    }
}

/// What the rules say of one made-up file.
fn verdict(path: &str, text: &str) -> String {
    violations(&[Source::new(path, text)]).join("\n")
}

#[test]
fn an_import_from_a_lower_row_is_refused() {
    for text in [
        "use crate::cli::output;",
        "use crate::{error, cli::output};",
        "use crate::{\n    error::{Error, Kind},\n    cli,\n};",
        "fn f() { crate::cli::main(); }",
        "use crate :: cli;",
        "pub(crate) use crate::cli::Cli;",
    ] {
        let said = verdict("vault/store.rs", text);
        assert!(said.contains("which is below it"), "{text}: {said:?}");
    }
    assert!(verdict("files.rs", "use super::cli;").contains("below"));
    assert!(verdict("vault/mod.rs", "use super::cli;").contains("below"));
    assert!(verdict("vault/store.rs", "use super::super::cli;").contains("below"));
    assert!(verdict("cli/command/x.rs", "use super::super::super::vault;").is_empty());
    assert!(verdict("vault/store.rs", "use super::layout; use crate::seal;").is_empty());
}

#[test]
fn an_import_from_a_sibling_is_refused_unless_said() {
    assert!(verdict("unlock/mod.rs", "use crate::vault::Store;").contains("sibling vault"));
    assert!(verdict("net/mod.rs", "use crate::flow;").contains("sibling flow"));
    assert!(verdict("flow/mod.rs", "use crate::net::Client;").is_empty());
    assert!(verdict("dashboard/mod.rs", "use crate::gateway;").contains("sibling gateway"));
    assert!(verdict("files.rs", "use crate::error::Error;").is_empty());
}

#[test]
fn a_circle_is_refused_where_siblings_are_free() {
    let circle = [
        Source::new("error.rs", "use crate::text;"),
        Source::new("text.rs", "use crate::name;"),
        Source::new("name.rs", "use crate::error;"),
    ];
    let said = violations(&circle).join("\n");
    assert!(said.contains("text is in a circle"), "{said}");
    assert!(violations(&circle[..2]).is_empty());
}

#[test]
fn a_room_that_is_not_in_the_table_is_refused() {
    assert!(verdict("cellar/mod.rs", "").contains("cellar is not in the table"));
    assert!(verdict("cellar.rs", "").contains("cellar is not in the table"));
    assert!(verdict("cli/mod.rs", "use crate::cellar;").contains("cellar is not in the table"));
}

#[test]
fn what_has_one_place_is_refused_in_another() {
    assert!(verdict("vault/mod.rs", "age::x25519::Identity::generate()").contains("only seal"));
    assert!(verdict("vault/mod.rs", "use age;").contains("only seal"));
    assert!(verdict("seal/key.rs", "age::x25519::Identity::generate()").is_empty());
    assert!(verdict("vault/mod.rs", "storage::open(); manage::x()").is_empty());
    for text in [
        "std::env::var(\"X\")",
        "env::var_os(x)",
        "use std::env::{self, var};",
        "std::env::vars()",
    ] {
        assert!(verdict("cli/mod.rs", text).contains("read in"), "{text}");
    }
    assert!(verdict("cli/environment.rs", "std::env::var_os(name)").is_empty());
    assert!(verdict("cli/mod.rs", "std::env::args_os()").is_empty());
    assert!(verdict("cli/environment.rs", "std::env::set_var(a, b)").contains("never changed"));
    for text in ["println!(\"\")", "eprintln!()", "print!(x)", "dbg!(x)"] {
        assert!(
            verdict("cli/output.rs", text).contains("printed by"),
            "{text}"
        );
    }
}

#[test]
fn comments_and_strings_say_nothing() {
    for text in [
        "// use crate::cli;",
        "/// [`crate::cli`]",
        "/* use crate::cli; /* nested */ println!() */",
        "const X: &str = \"use crate::cli; \\\" println!()\";",
        "const X: &str = r#\"use crate::cli; \" println!()\"#;",
        "const Q: char = '\"'; // \"\nconst X: &str = \"crate::cli\";",
        "fn f<'a>(x: &'a str) -> &'a str { x } // crate::cli",
    ] {
        assert!(verdict("vault/mod.rs", text).is_empty(), "{text}");
    }
    // And what follows them still counts.
    let after = "const Q: char = '\\''; /* x */ use crate::cli;";
    assert!(verdict("vault/mod.rs", after).contains("below"));
}
