//! Random values go through every export format to the program that reads it,
//! and come back as they were, or were refused for a reason that holds.
//!
//! A reader that is not installed is skipped with a line that says so, unless
//! `VAULT_TEST_REQUIRE` (names, comma between) asks for it. Where the real
//! reader cannot be had, a small one here follows its documented rules.

#![allow(clippy::unwrap_used)] // a test, outside #[test] too

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use vault::export::{Format, Reason, Rendered, Settings, render};
use vault::name::VariableName;
use vault::secret::Secret;

type Variables = BTreeMap<String, String>;

/// What has gone wrong in quoting before, here or elsewhere.
const TRICKY: &[&str] = &[
    "",
    " ",
    "\n",
    "\n\n",
    "'",
    "\"",
    "`",
    "\\",
    "\\\\",
    "\\'",
    "\\\"",
    "''",
    "'''",
    "it's",
    "it's \"so\"",
    "\"quoted\"",
    "'quoted'",
    "`quoted`",
    "ends in \\",
    "ends in '",
    "a\\nb",
    "'a\\nb",
    "'a\\tb\\",
    "C:\\new\\table",
    "$HOME",
    "${HOME}",
    "${HOME:-x}",
    "$(id)",
    "`id`",
    "$$",
    "a$",
    "!!",
    "!x",
    "%",
    "%0A",
    "%25",
    "%3B%5D%3b%0d",
    "%AZP25",
    "50% off;]",
    "#",
    " # not a comment",
    "a #b",
    "a#b",
    "-n",
    "--help",
    "=",
    "a=b",
    "KEY=value\nOTHER=value",
    "export A='b'",
    " leading",
    "trailing ",
    "\ttabs\t",
    "line one\nline two",
    "line one\nline two\n",
    "EOF\nKEY<<EOF",
    "::add-mask::x",
    "##vso[task.complete]",
    "{\"json\": \"it's \\\"quoted\\\"\"}",
    "yes",
    "null",
    "1e3",
    "- item",
    "a: b",
    "*alias",
    "é漢😀",
    "\u{301}",
    "\u{a0}nbsp\u{a0}",
    "\u{2018}\u{2019}\u{201a}\u{201b}\u{201c}\u{201d}",
    "a\u{2028}'b'\u{2029}\"c\"",
    "\u{85}",
    "\u{200b}\u{202e}",
    "\u{feff}bom",
    "\u{e000}\u{f600}\u{f6ff}\u{fffd}",
    // A pasted key; no key at all.
    "-----BEGIN FAKE KEY-----\nMIIB+/AbCd==\n-----END FAKE KEY-----\n",
    "-----BEGIN FAKE KEY-----\r\nMIIB+/AbCd==\r\n-----END FAKE KEY-----\r\n",
];

/// Control characters beside the newline: they pass or are refused.
const CONTROLS: &[&str] = &[
    "\r",
    "a\rb",
    "\r\n",
    "\x1b[31m",
    "\x07\x08\x0b\x0c\x7f",
    "\x01\x1c\x1f",
];

/// Text of printable characters and newlines, with a heavy hand for those
/// that mean something to one of the readers.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(
            "'\"`\\$!%#=;:&|<>(){}[]*?~^@,-+ \n\t".chars().collect::<Vec<_>>()
        ).prop_map(String::from),
        4 => "[a-zA-Z0-9]{1,3}".prop_map(String::from),
        2 => proptest::sample::select(
            "é漢😀\u{a0}\u{2018}\u{2019}\u{2028}\u{85}\u{feff}\u{301}\u{1f600}".chars().collect::<Vec<_>>()
        ).prop_map(String::from),
        1 => any::<char>()
            .prop_filter("printable", |c| !c.is_control())
            .prop_map(String::from),
        1 => proptest::sample::select(vec!["\\n", "\\r", "\\\\", "${A}", "$(x)", "%0A", "%AZP25", "<<"])
            .prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Asks `read` for what it makes of every value, many at a time, and compares.
fn every_value_comes_back(format: Format, read: impl Fn(&Rendered) -> Variables) {
    let listed: Vec<_> = TRICKY
        .iter()
        .chain(CONTROLS)
        .map(|v| (*v).to_owned())
        .collect();
    comes_back(format, &listed, &read).unwrap();
    let config = Config {
        cases: 10,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&proptest::collection::vec(value(), 60), |values| {
            comes_back(format, &values, &read)
        })
        .unwrap_or_else(|error| panic!("{format}: {error}"));
}

fn comes_back(
    format: Format,
    values: &[String],
    read: &impl Fn(&Rendered) -> Variables,
) -> Result<(), TestCaseError> {
    let mut carried = Vec::new();
    let mut expected = Variables::new();
    for (position, value) in values.iter().enumerate() {
        let name: VariableName = format!("VT_{position}").parse().unwrap();
        let secret = Secret::from(value.clone());
        match render(format, &settings(), &[(name.clone(), &secret)]) {
            Ok(_) => {
                expected.insert(name.to_string(), value.clone());
                carried.push((name, secret));
            }
            Err(refused) => prop_assert!(
                may_refuse(format, refused.reason, value),
                "{format} refused {value:?}: {}",
                refused.reason
            ),
        }
    }
    let variables: Vec<_> = carried.iter().map(|(n, s)| (n.clone(), s)).collect();
    let rendered = render(format, &settings(), &variables).unwrap();
    let mut got = read(&rendered);
    got.retain(|name, _| name.starts_with("VT_"));
    for (name, value) in &expected {
        prop_assert_eq!(got.get(name), Some(value), "{} of {}", name, format);
    }
    prop_assert_eq!(got.len(), expected.len());
    Ok(())
}

fn settings() -> Settings {
    Settings {
        random: [7; 16],
        ..Settings::default()
    }
}

/// The refusals that are documented, said once more and more simply.
fn may_refuse(format: Format, reason: Reason, value: &str) -> bool {
    match (format, reason) {
        (Format::Docker | Format::Gitlab, Reason::Newline) => value.contains('\n'),
        (Format::Docker, Reason::CarriageReturn) => value.ends_with('\r'),
        (Format::Gitlab, Reason::OuterSpace) => value.trim() != value,
        (Format::Gitlab, Reason::Reference) => value.contains('$'),
        (Format::Dotenv, Reason::Reference) => value.contains("${"),
        (Format::Dotenv, Reason::NoCommonQuoting) => {
            value.contains(['\'', '\r']) || value.contains("\\\\") || value.ends_with('\\')
        }
        (Format::Systemd, Reason::Noncharacter) => value
            .chars()
            .any(|c| u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c)),
        _ => false,
    }
}

fn text(rendered: &Rendered) -> &str {
    std::str::from_utf8(rendered.text.as_bytes()).unwrap()
}

/// Whether a reader is there; `probe` is a command that then succeeds.
fn installed(name: &str, probe: &mut Command) -> bool {
    let found = probe
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        let required = std::env::var("VAULT_TEST_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|wanted| wanted.trim() == name),
            "{name} is required and not installed"
        );
        // Past the test runner, which keeps what is printed to itself.
        let _ = writeln!(std::io::stderr(), "skipped: {name} is not installed");
    }
    found
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8");
    command
}

/// Writes the text to a file, gives its path to the command as the last
/// argument, and returns what that prints.
fn output(mut command: Command, extension: &str, contents: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("exported.{extension}"));
    fs::write(&path, contents).unwrap();
    run(command.arg(&path))
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// What `env -0` printed in the reader's child.
fn environment(printed: &[u8]) -> Variables {
    String::from_utf8(printed.to_vec())
        .unwrap()
        .split('\0')
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn from_json(printed: &[u8]) -> Variables {
    serde_json::from_slice(printed).unwrap()
}

fn shell(name: &str, format: Format, flags: &[&str], probe: &[&str], script: &str, ext: &str) {
    if !installed(name, &mut command(name, probe)) {
        return;
    }
    every_value_comes_back(format, |rendered| {
        let mut arguments = flags.to_vec();
        arguments.extend(["-c", script]);
        environment(&output(
            command(name, &arguments),
            ext,
            rendered.text.as_bytes(),
        ))
    });
}

const EVAL: &str = r#"eval "$(cat "$0")" && exec env -0"#;

#[test]
fn dash_reads_env() {
    shell("dash", Format::Env, &[], &["-c", "true"], EVAL, "sh");
}

#[test]
fn bash_reads_env() {
    let flags = ["--norc", "--noprofile"];
    shell("bash", Format::Env, &flags, &["--version"], EVAL, "sh");
}

#[test]
fn zsh_reads_env() {
    shell("zsh", Format::Env, &["-f"], &["--version"], EVAL, "sh");
}

#[test]
fn zsh_with_rc_quotes_reads_env() {
    let flags = ["-f", "-o", "rcquotes"];
    shell("zsh", Format::Env, &flags, &["--version"], EVAL, "sh");
}

#[test]
fn fish_reads_fish() {
    let script = "cat $argv[1] | source; and exec env -0";
    let flags = ["--no-config"];
    shell("fish", Format::Fish, &flags, &["--version"], script, "fish");
}

#[test]
fn fish_leaves_colons_of_a_path_alone() {
    if !installed("fish", &mut command("fish", &["--version"])) {
        return;
    }
    let secret = Secret::from("a::b:".to_owned());
    let variables = [("KEY_PATH".parse().unwrap(), &secret)];
    let rendered = render(Format::Fish, &settings(), &variables).unwrap();
    let script = "source $argv[1]; printf '%s,' $KEY_PATH; exec env -0";
    let command = command("fish", &["--no-config", "-c", script]);
    let printed = output(command, "fish", rendered.text.as_bytes());
    assert!(printed.starts_with(b"a::b:,"));
    assert!(String::from_utf8_lossy(&printed).contains("KEY_PATH=a::b:\0"));
}

#[test]
fn nu_reads_nu() {
    if !installed("nu", &mut command("nu", &["--version"])) {
        return;
    }
    every_value_comes_back(Format::Nu, |rendered| {
        let script = format!("{}^env -0\n", text(rendered));
        environment(&output(command("nu", &["-n"]), "nu", script.as_bytes()))
    });
}

#[test]
fn powershell_reads_powershell() {
    if !installed("pwsh", &mut command("pwsh", &["--version"])) {
        return;
    }
    every_value_comes_back(Format::Powershell, |rendered| {
        let script = format!("{}& env -0\n", text(rendered));
        let command = command("pwsh", &["-NoProfile", "-File"]);
        let mut got = environment(&output(command, "ps1", script.as_bytes()));
        // Before 7.5 an empty variable is removed; to the reader it is empty.
        for line in text(rendered).lines() {
            if let Some(name) = line.strip_suffix(" = ''") {
                let name = name.trim_start_matches("$env:").to_owned();
                got.entry(name).or_default();
            }
        }
        got
    });
}

#[test]
fn a_reader_of_single_quotes_reads_powershell() {
    every_value_comes_back(Format::Powershell, |rendered| {
        text(rendered).lines().map(powershell_statement).collect()
    });
}

/// One assignment: single-quoted parts, in which two of any of the five
/// quotes are one, joined with characters by number.
fn powershell_statement(line: &str) -> (String, String) {
    let (name, mut rest) = line.split_once(" = ").unwrap();
    let is_quote = |c: char| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
    let mut value = String::new();
    loop {
        if let Some(number) = rest.strip_prefix("[char]") {
            let end = number.find(' ').unwrap_or(number.len());
            value.push(char::from_u32(number[..end].parse().unwrap()).unwrap());
            rest = &number[end..];
        } else {
            let mut characters = rest.strip_prefix('\'').unwrap().chars();
            while let Some(c) = characters.next() {
                if is_quote(c) && !characters.as_str().starts_with(is_quote) {
                    break;
                }
                value.push(if is_quote(c) {
                    characters.next().unwrap()
                } else {
                    c
                });
            }
            rest = characters.as_str();
        }
        match rest.strip_prefix(" + ") {
            Some(more) => rest = more,
            None => break,
        }
    }
    assert_eq!(rest, "");
    (name.strip_prefix("$env:").unwrap().to_owned(), value)
}

#[test]
fn a_reader_of_escapes_reads_nu() {
    every_value_comes_back(Format::Nu, |rendered| {
        text(rendered)
            .lines()
            .map(|line| {
                let (name, quoted) = line.split_once(" = ").unwrap();
                let quoted = quoted.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
                let name = name.strip_prefix("$env.").unwrap();
                (name.to_owned(), nu_unescaped(quoted))
            })
            .collect()
    });
}

fn nu_unescaped(quoted: &str) -> String {
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        assert_ne!(c, '"');
        if c != '\\' {
            value.push(c);
            continue;
        }
        value.push(match characters.next().unwrap() {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let number = characters.by_ref().skip(1).take_while(|c| *c != '}');
                let number = u32::from_str_radix(&number.collect::<String>(), 16).unwrap();
                char::from_u32(number).unwrap()
            }
            escaped @ ('"' | '\\') => escaped,
            other => panic!("nu knows no escape {other:?}"),
        });
    }
    value
}

#[test]
fn python_reads_dotenv() {
    if !installed(
        "python-dotenv",
        &mut command("python3", &["-c", "import dotenv"]),
    ) {
        return;
    }
    let script = "import json, sys, dotenv\nprint(json.dumps(dotenv.dotenv_values(sys.argv[1])))";
    every_value_comes_back(Format::Dotenv, |rendered| {
        let python = command("python3", &["-c", script]);
        from_json(&output(python, "env", rendered.text.as_bytes()))
    });
}

#[test]
fn node_reads_dotenv() {
    if !installed(
        "node-dotenv",
        &mut command("node", &["-e", "require('dotenv')"]),
    ) {
        return;
    }
    // Newer versions have a second parser behind `fast`; older ones ignore it.
    for options in ["{}", "{fast: true}"] {
        let script = format!(
            "const text = require('fs').readFileSync(process.argv[1]);
             console.log(JSON.stringify(require('dotenv').parse(text, {options})));"
        );
        every_value_comes_back(Format::Dotenv, |rendered| {
            let node = command("node", &["-e", &script]);
            from_json(&output(node, "env", rendered.text.as_bytes()))
        });
    }
}

#[test]
fn pyyaml_reads_yaml() {
    if let Some(load) = pyyaml() {
        every_value_comes_back(Format::Yaml, |rendered| {
            serde_json::from_value(load(rendered)).unwrap()
        });
    }
}

#[test]
fn pyyaml_reads_names_of_yaml_1_1_as_text() {
    let Some(load) = pyyaml() else { return };
    let secret = Secret::from("no".to_owned());
    let names = [
        "Y", "N", "YES", "NO", "ON", "OFF", "TRUE", "FALSE", "NULL", "_", "A",
    ];
    let variables = names.map(|name| (name.parse().unwrap(), &secret));
    for format in [Format::Yaml, Format::K8s] {
        let mut loaded = load(&render(format, &settings(), &variables).unwrap());
        if format == Format::K8s {
            loaded = loaded["data"].take();
        }
        let mut got: Vec<_> = loaded.as_object().unwrap().keys().cloned().collect();
        got.sort();
        let mut expected = names.to_vec();
        expected.sort_unstable();
        assert_eq!(got, expected);
    }
}

#[test]
fn pyyaml_reads_the_manifest() {
    if let Some(load) = pyyaml() {
        every_value_comes_back(Format::K8s, |rendered| {
            let manifest = load(rendered);
            assert_eq!(manifest["kind"], "Secret");
            assert_eq!(manifest["metadata"]["name"], "vault");
            let decoded = |(name, value): (&String, &serde_json::Value)| {
                let bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
                (name.clone(), String::from_utf8(bytes).unwrap())
            };
            let data = manifest["data"].as_object().unwrap();
            data.iter().map(decoded).collect()
        });
    }
}

/// PyYAML's safe loader, which reads YAML 1.1.
fn pyyaml() -> Option<impl Fn(&Rendered) -> serde_json::Value> {
    let script = "import json, sys, yaml\nwith open(sys.argv[1], 'rb') as f: print(json.dumps(yaml.safe_load(f)))";
    installed("pyyaml", &mut command("python3", &["-c", "import yaml"])).then_some(
        move |rendered: &Rendered| {
            let python = command("python3", &["-c", script]);
            serde_json::from_slice(&output(python, "yaml", rendered.text.as_bytes())).unwrap()
        },
    )
}

#[test]
fn a_json_reader_reads_json() {
    every_value_comes_back(Format::Json, |rendered| from_json(rendered.text.as_bytes()));
}

#[test]
fn a_reader_of_environment_files_reads_systemd() {
    every_value_comes_back(Format::Systemd, |rendered| systemd(text(rendered)));
}

/// systemd.exec(5), EnvironmentFile=: quoted parts may follow each other and
/// span lines; in double quotes a backslash escapes what the shell has it
/// escape, joins lines, and else stays.
fn systemd(file: &str) -> Variables {
    let mut variables = Variables::new();
    let mut rest = file.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let Some(first) = rest.next() else {
            return variables;
        };
        if matches!(first, '#' | ';') {
            rest.by_ref().take_while(|c| *c != '\n').for_each(drop);
            continue;
        }
        let mut name = String::from(first);
        name.extend(rest.by_ref().take_while(|c| *c != '='));
        let mut value = String::new();
        loop {
            while rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
            match rest.next() {
                None | Some('\n' | '\r') => break,
                Some('\'') => value.extend(rest.by_ref().take_while(|c| *c != '\'')),
                Some('"') => loop {
                    match rest.next().unwrap() {
                        '"' => break,
                        '\\' => match rest.next().unwrap() {
                            c @ ('"' | '\\' | '`' | '$') => value.push(c),
                            '\n' => {}
                            c => value.extend(['\\', c]),
                        },
                        c => value.push(c),
                    }
                },
                Some(c) => panic!("{name} has {c:?} outside of quotes"),
            }
        }
        variables.insert(name.trim_end().to_owned(), value);
    }
}

#[test]
fn a_reader_of_env_files_reads_docker() {
    every_value_comes_back(Format::Docker, |rendered| docker(text(rendered)));
}

/// `docker run --env-file`: lines as Go's scanner splits them; white space
/// before the name goes, comments and empty lines too; the rest is literal.
fn docker(file: &str) -> Variables {
    let mut variables = Variables::new();
    for line in file.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').unwrap();
        assert!(!name.contains([' ', '\t']));
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}

#[test]
fn a_reader_of_reports_reads_gitlab() {
    every_value_comes_back(Format::Gitlab, |rendered| gitlab(text(rendered)));
}

/// A dotenv report: `NAME=value` lines without an empty one, both sides
/// stripped, quotes kept; then the runner expands references.
fn gitlab(file: &str) -> Variables {
    let space = |c: char| matches!(c, '\t'..='\r' | ' ' | '\0');
    let line = |line: &str| {
        let (name, value) = line.split_once('=').unwrap();
        let value = expanded(value.trim_matches(space));
        (name.trim_matches(space).to_owned(), value)
    };
    file.split_terminator('\n').map(line).collect()
}

/// Go's `os.Expand` where no variable is known.
fn expanded(value: &str) -> String {
    let reference = regex::Regex::new(r"\$(\{[^}]*\}?|[A-Za-z_][A-Za-z0-9_]*|[*#$@!?\-0-9])");
    reference.unwrap().replace_all(value, "").into_owned()
}

#[test]
fn a_runner_reads_github() {
    every_value_comes_back(Format::Github, |rendered| {
        let appended = rendered.github_env.as_ref().unwrap();
        let variables = github_env(std::str::from_utf8(appended.as_bytes()).unwrap());
        let masks: Vec<_> = text(rendered).lines().map(github_mask).collect();
        let mut lines = variables.values().flat_map(|value| value.split('\n'));
        assert!(lines.all(|line| {
            line.chars().count() < 4
                || line.trim().is_empty()
                || masks.iter().any(|mask| mask == line)
        }));
        variables
    });
}

/// `NAME<<DELIMITER`, lines, `DELIMITER`; the value is without its last line
/// feed. Lines end at a line feed alone, as on Linux and macOS.
fn github_env(file: &str) -> Variables {
    let mut variables = Variables::new();
    let mut lines = file.split_terminator('\n');
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").unwrap();
        assert!(!name.contains('='));
        let value: Vec<_> = lines.by_ref().take_while(|l| *l != delimiter).collect();
        variables.insert(name.to_owned(), value.join("\n"));
    }
    variables
}

fn github_mask(line: &str) -> String {
    let data = line.strip_prefix("::add-mask::").unwrap();
    data.replace("%0D", "\r")
        .replace("%0A", "\n")
        .replace("%25", "%")
}

#[test]
fn an_agent_reads_azure() {
    for decodes_percents in [true, false] {
        every_value_comes_back(Format::Azure, |rendered| {
            let mut variables = azure(text(rendered), true);
            if !decodes_percents {
                let older = azure(text(rendered), false);
                variables.retain(|name, value| {
                    let escaped = ["%0D", "%0A", "%3B", "%5D", "%AZP25"];
                    let doubtful = escaped.iter().any(|e| value.to_uppercase().contains(e));
                    assert!(doubtful || older.get(name) == Some(value));
                    true
                });
            }
            variables
        });
    }
}

/// `##vso[area.action key=value;…]data`, the data decoded; `%AZP25` last, and
/// only where percents are decoded.
fn azure(log: &str, decodes_percents: bool) -> Variables {
    let mut variables = Variables::new();
    for line in log.split_terminator('\n') {
        assert!(!line.contains('\r'));
        let (command, data) = line
            .strip_prefix("##vso[")
            .unwrap()
            .split_once(']')
            .unwrap();
        let Some(properties) = command.strip_prefix("task.setvariable ") else {
            assert_eq!(command, "task.setsecret");
            continue;
        };
        let (name, secrecy) = properties.split_once(';').unwrap();
        assert_eq!(secrecy, "issecret=true");
        let mut value = data.to_owned();
        for (escaped, meant) in [("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]")] {
            value = value.replace(escaped, meant);
        }
        if decodes_percents {
            value = value.replace("%AZP25", "%");
        }
        let name = name.strip_prefix("variable=").unwrap();
        variables.insert(name.to_owned(), value);
    }
    variables
}

#[test]
fn files_with_windows_line_ends_never_come_out() {
    let secret = Secret::from("fake".to_owned());
    let variables = [
        ("A".parse().unwrap(), &secret),
        ("B".parse().unwrap(), &secret),
    ];
    for format in Format::ALL {
        let rendered = render(format, &settings(), &variables).unwrap();
        assert!(!text(&rendered).contains('\r'), "{format}");
        assert!(text(&rendered).ends_with('\n'), "{format}");
    }
}
