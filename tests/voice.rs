//! Everything that the program says when it cannot do something, in one
//! place: `tests/voice.md`. Read it aloud.
//!
//! To write it anew: `VAULT_BLESS=1 cargo test --test voice`

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;
use support::{TestEnvironment, make_folder};
use vault::audit::{AuditError, Broken, Fault, VerifyError};
use vault::error::{Error, Kind};
use vault::export::{self, Format, Manifest};
use vault::files::FileError;
use vault::gateway::authority::AuthorityError;
use vault::name::{ConnectionName, VariableName};
use vault::provider::{self, Catalog};
use vault::seal::{BadIdentity, Fingerprint, IdentityFile, OpenError, Recipient};
use vault::secret::Secret;
use vault::unlock::UnlockError;
use vault::vault::VaultError;

/// One thing that is said.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    exit: u8,
    word: String,
    message: String,
    hint: Option<String>,
    /// How it came about, for the binary's own.
    call: Option<String>,
}

impl Said {
    fn of(error: impl Into<Error>) -> Self {
        let error = error.into();
        Self {
            exit: error.kind().exit_code(),
            word: error.kind().code().to_owned(),
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
            call: None,
        }
    }
}

fn path() -> PathBuf {
    PathBuf::from("/home/you/vault.age")
}

fn fingerprint(digit: &str) -> Fingerprint {
    digit.repeat(32).parse().unwrap()
}

/// An example of every variant; `number` makes the compiler ask for one.
fn vault_errors() -> Vec<VaultError> {
    let path = path();
    let (found, other) = (fingerprint("1"), fingerprint("2"));
    vec![
        VaultError::Damaged {
            path: path.clone(),
            reason: "its payload is cut short".into(),
        },
        VaultError::Newer {
            path: path.clone(),
            format: 2,
        },
        VaultError::SwappedSlot { path: path.clone() },
        VaultError::RolledBack {
            path: path.clone(),
            found: 3,
            seen: 5,
        },
        VaultError::Forked {
            path: path.clone(),
            generation: 5,
        },
        VaultError::Swapped {
            path: path.clone(),
            found: found.clone(),
            seen: other.clone(),
        },
        VaultError::Unexpected {
            path: path.clone(),
            found,
            wanted: other.clone(),
        },
        VaultError::TooMuchWork {
            path: path.clone(),
            error: too_much(),
        },
        VaultError::DamagedPin {
            path: "/home/you/state/pin".into(),
        },
        VaultError::KeyChanged { path: path.clone() },
        VaultError::Busy {
            path: path.clone(),
            holder: "vault login (process 7)".into(),
            seconds: 30,
        },
        VaultError::Exists { path: path.clone() },
        VaultError::NoBackup {
            path: path.clone(),
            number: "12".into(),
        },
        VaultError::File(file_error(io::ErrorKind::PermissionDenied)),
        VaultError::Foreign { path: path.clone() },
        VaultError::Gone {
            path: path.clone(),
            generation: 5,
        },
        VaultError::Absent {
            path: path.clone(),
            wanted: other,
        },
        VaultError::NotDurable {
            path,
            error: file_error(io::ErrorKind::Other),
        },
    ]
}

fn number_of_vault_error(error: &VaultError) -> usize {
    match error {
        VaultError::Damaged { .. } => 0,
        VaultError::Newer { .. } => 1,
        VaultError::SwappedSlot { .. } => 2,
        VaultError::RolledBack { .. } => 3,
        VaultError::Forked { .. } => 4,
        VaultError::Swapped { .. } => 5,
        VaultError::Unexpected { .. } => 6,
        VaultError::TooMuchWork { .. } => 7,
        VaultError::DamagedPin { .. } => 8,
        VaultError::KeyChanged { .. } => 9,
        VaultError::Busy { .. } => 10,
        VaultError::Exists { .. } => 11,
        VaultError::NoBackup { .. } => 12,
        VaultError::File(_) => 13,
        VaultError::Foreign { .. } => 14,
        VaultError::Gone { .. } => 15,
        VaultError::Absent { .. } => 16,
        VaultError::NotDurable { .. } => 17,
        // Nobody but the sealing room can make one.
        VaultError::Seal(_) => usize::MAX,
    }
}

fn too_much() -> OpenError {
    OpenError::TooMuchWork {
        asked: 25,
        limit: 20,
    }
}

fn unlock_errors() -> Vec<UnlockError> {
    let closed = || io::Error::from_raw_os_error(9);
    vec![
        UnlockError::Locked("no key was given"),
        UnlockError::WrongPassphrase("VAULT_PASSPHRASE".into()),
        UnlockError::WrongIdentityPassphrase("id.age".into()),
        UnlockError::TwoPassphrases("VAULT_PASSPHRASE".into(), "VAULT_PASSPHRASE_FILE".into()),
        UnlockError::NoIdentityFile("id.txt".into()),
        UnlockError::NoPassphraseFile("pass.txt".into()),
        UnlockError::Command("exit status: 1".into()),
        UnlockError::Descriptor(3, closed()),
        UnlockError::Empty("pass.txt".into()),
        UnlockError::NotText("pass.txt".into()),
        UnlockError::Identity(BadIdentity::Empty {
            origin: "id.txt".into(),
        }),
        UnlockError::File(file_error(io::ErrorKind::IsADirectory)),
        UnlockError::BrokenIdentity("id.age".into(), too_much()),
        UnlockError::BrokenIdentity(
            "id.age".into(),
            OpenError::Damaged("it is cut short".into()),
        ),
    ]
}

fn number_of_unlock_error(error: &UnlockError) -> usize {
    match error {
        UnlockError::Locked(_) => 0,
        UnlockError::WrongPassphrase(_) => 1,
        UnlockError::WrongIdentityPassphrase(_) => 2,
        UnlockError::TwoPassphrases(..) => 3,
        UnlockError::NoIdentityFile(_) => 4,
        UnlockError::NoPassphraseFile(_) => 5,
        UnlockError::Command(_) => 6,
        UnlockError::Descriptor(..) => 7,
        UnlockError::Empty(_) => 8,
        UnlockError::NotText(_) => 9,
        UnlockError::Identity(_) => 10,
        UnlockError::File(_) => 11,
        UnlockError::BrokenIdentity(..) => 12,
    }
}

fn bad_identities() -> Vec<BadIdentity> {
    let origin = || "id.txt".to_owned();
    vec![
        BadIdentity::Empty { origin: origin() },
        BadIdentity::Line {
            origin: origin(),
            line: 2,
        },
        BadIdentity::Ssh {
            origin: "id_ecdsa".into(),
            reason: "keys of this kind cannot decrypt".into(),
        },
        BadIdentity::PostQuantum {
            origin: origin(),
            line: 2,
        },
        BadIdentity::PluginRecipient {
            origin: origin(),
            plugin: "yubikey".into(),
        },
    ]
}

fn number_of_bad_identity(bad: &BadIdentity) -> usize {
    match bad {
        BadIdentity::Empty { .. } => 0,
        BadIdentity::Line { .. } => 1,
        BadIdentity::Ssh { .. } => 2,
        BadIdentity::PostQuantum { .. } => 3,
        BadIdentity::PluginRecipient { .. } => 4,
    }
}

fn export_reasons() -> [export::Reason; 9] {
    use export::Reason;
    [
        Reason::Nul,
        Reason::Newline,
        Reason::CarriageReturn,
        Reason::TooLong,
        Reason::OuterSpace,
        Reason::Reference,
        Reason::NoCommonQuoting,
        Reason::Noncharacter,
        Reason::ReservedName,
    ]
}

fn number_of_export_reason(reason: &export::Reason) -> usize {
    use export::Reason;
    match reason {
        Reason::Nul => 0,
        Reason::Newline => 1,
        Reason::CarriageReturn => 2,
        Reason::TooLong => 3,
        Reason::OuterSpace => 4,
        Reason::Reference => 5,
        Reason::NoCommonQuoting => 6,
        Reason::Noncharacter => 7,
        Reason::ReservedName => 8,
    }
}

fn file_error(kind: io::ErrorKind) -> FileError {
    FileError::from_io("read", &path(), io::Error::from(kind))
}

fn authority_errors() -> [AuthorityError; 5] {
    use AuthorityError as E;
    let reason = "its certificate is of another key";
    let stored = E::Stored(reason);
    [
        E::NothingPermitted,
        stored,
        E::NotPermitted,
        E::Ended,
        E::Signing,
    ]
}

fn number_of_authority_error(error: &AuthorityError) -> usize {
    match error {
        AuthorityError::NothingPermitted => 0,
        AuthorityError::Stored(_) => 1,
        AuthorityError::NotPermitted => 2,
        AuthorityError::Ended => 3,
        AuthorityError::Signing => 4,
    }
}

fn audit_faults() -> [Fault; 9] {
    let (line, wanted) = (5, 9);
    [
        Fault::Foreign { line },
        Fault::Changed { line },
        Fault::OutOfOrder {
            line,
            found: 6,
            wanted: 5,
        },
        Fault::Replaced { line },
        Fault::Other { line, seq: 5 },
        Fault::CutOff { line, wanted },
        Fault::Gone { wanted },
        Fault::NoTorn { line },
        Fault::NoHead { line },
    ]
}

fn number_of_audit_fault(fault: &Fault) -> usize {
    match fault {
        Fault::Foreign { .. } => 0,
        Fault::Changed { .. } => 1,
        Fault::OutOfOrder { .. } => 2,
        Fault::Replaced { .. } => 3,
        Fault::Other { .. } => 4,
        Fault::CutOff { .. } => 5,
        Fault::Gone { .. } => 6,
        Fault::NoTorn { .. } => 7,
        Fault::NoHead { .. } => 8,
    }
}

/// That the examples leave no variant out.
fn assert_whole<T>(examples: &[T], number: impl Fn(&T) -> usize, last: usize) {
    let found: BTreeSet<_> = examples.iter().map(number).collect();
    assert_eq!(found, (0..=last).collect());
}

/// What is said through the library's own enums.
fn of_the_library() -> Vec<Said> {
    let mut said = Vec::new();
    assert_whole(&vault_errors(), number_of_vault_error, 17);
    said.extend(vault_errors().into_iter().map(Said::of));
    assert_whole(&unlock_errors(), number_of_unlock_error, 12);
    said.extend(unlock_errors().into_iter().map(Said::of));
    assert_whole(&bad_identities(), number_of_bad_identity, 4);
    said.extend(bad_identities().into_iter().map(Said::of));
    assert_whole(&export_reasons(), number_of_export_reason, 8);
    let variable: VariableName = "DATABASE_URL".parse().unwrap();
    for reason in export_reasons() {
        said.push(Said::of(export::Refused {
            variable: variable.clone(),
            format: Format::Dotenv,
            reason,
        }));
    }
    said.push(Said::of(export::Conflict {
        variable,
        first: "openai/default".into(),
        second: "openai/team".into(),
    }));
    for kind in [
        io::ErrorKind::StorageFull,
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::NotFound,
        io::ErrorKind::IsADirectory,
        io::ErrorKind::NotADirectory,
        io::ErrorKind::FileTooLarge,
        io::ErrorKind::AlreadyExists,
        io::ErrorKind::Other,
    ] {
        said.push(Said::of(file_error(kind)));
    }
    said.push(Said::of("Team".parse::<ConnectionName>().unwrap_err()));
    said.push(Said::of("lower".parse::<VariableName>().unwrap_err()));
    said.push(Said::of("toml".parse::<Format>().unwrap_err()));
    said.push(Said::of(Manifest::new("A", None).unwrap_err()));
    said.push(Said::of(Manifest::new("a", Some("-")).unwrap_err()));
    said.push(Said::of(Recipient::parse("age1rubbish").unwrap_err()));
    said.push(Said::of(
        IdentityFile::parse(b"rubbish", "id.txt").err().unwrap(),
    ));
    assert_whole(&authority_errors(), number_of_authority_error, 4);
    said.extend(authority_errors().into_iter().map(Said::of));
    assert_whole(&audit_faults(), number_of_audit_fault, 8);
    said.extend(audit_faults().map(|fault| {
        let path = "/home/you/state/audit.jsonl".into();
        Said::of(VerifyError::Broken(Broken { path, fault }))
    }));
    said.push(Said::of(AuditError::Busy { path: path() }));
    said.extend(of_providers());
    said
}

fn of_providers() -> Vec<Said> {
    let catalog = Catalog::new(None);
    let openai = catalog.find(&"openai".parse().unwrap()).unwrap().definition;
    let field = openai.field("api_key").unwrap();
    let mut said = vec![
        Said::of(catalog.unknown("opneai")),
        Said::of(catalog.unknown("zzz")),
    ];
    for key in ["", "sk-a b", "FAKE", "sk-ant-api03-FAKEFAKEFAKEFAKEFAKE"] {
        let refused = field.check(&Secret::from(key.to_owned()));
        said.extend(refused.err().map(Said::of));
    }
    for text in ["{", "[]", "{\"name\":\"x\"}", "{\"name\":\"X y\"}"] {
        let refused = provider::validate(text, Path::new("mine.json"));
        said.extend(refused.err().map(Said::of));
    }
    said
}

/// A call of the binary and what it is fed.
type Call<'a> = (&'a [&'a str], &'a str);

const USAGE: &[Call<'_>] = &[
    (&["logn"], ""),
    (&["zzz"], ""),
    (&["login"], ""),
    (&["login", "openai", "sk-x"], ""),
    (&["login", "openai", "--key", "sk-x"], ""),
    (&["get", "openai", "--feild", "x"], ""),
    (&["get", "openai", "extra"], ""),
    (&["export", "--format", "toml"], ""),
    (&["export", "--all", "openai"], ""),
    (&["export", "--name", "x"], ""),
    (&["login", "Open/AI"], ""),
    (&["login", "FAKE_KEY_OF_MORE_THAN_A_WORD"], ""),
    (&["login", "openai/a", "-c", "b"], "x"),
    (&["login", "openai", "--expires", "soon"], "x"),
    (&["login", "openai", "--field", "api_key=sk-x"], ""),
    (&["login", "openai", "--field", "api_key"], ""),
    (&["set", "lower"], "x"),
    (&["init", "--recipient", "age1rubbish"], ""),
    (&["list", "--vault-fingerprint", "zz"], ""),
    (&["list", "--passphrase-fd", "x"], ""),
    (&["import", "x.env"], ""),
    (&["scan", "--format", "toml"], ""),
    (&["completions", "tcsh"], ""),
    (&["run", "--mode", "env"], ""),
    (&["restore", "openai"], ""),
    (&["rekey", "--passphrase", "--no-passphrase"], ""),
];

const WITHOUT_A_VAULT: &[Call<'_>] = &[
    (&["get", "openai"], ""),
    (&["get", "opneai"], ""),
    (&["get", "DATABASE_URL"], ""),
    (&["recipients"], ""),
    (&["agent", "create", "ci"], ""),
    (&["agent", "create", "A B"], ""),
    (&["agent", "create", "ci", "--allow", "opneai"], ""),
    (&["history", "openai"], ""),
    (&["default", "openai"], ""),
    (&["logout", "openai"], ""),
    (&["export", "openai"], ""),
    (&["export", "DATABASE_URL"], ""),
    (&["export", "--format", "github"], ""),
    (&["login", "openai"], ""),
    (&["login", "openai", "--stdin"], "FAKE"),
    (&["login", "openai", "--from-env"], ""),
    (&["login", "openai", "--from-env", "NOTHING"], ""),
    (&["login", "openai", "--from-file", "gone"], ""),
    (&["login", "openai", "--field", "nothing=-"], "x"),
    (&["login", "twilio", "--stdin"], "FAKE"),
    (&["set", "DATABASE_URL"], ""),
    (&["import", "--from", "dotenv", "gone.env"], ""),
    (&["import", "--from", "dotenv", "-"], "rubbish\n"),
    (&["import", "--from", "json", "-"], "[]"),
    (&["import", "--from", "authsome", "gone"], ""),
    (&["scan", "gone"], ""),
    (&["scan", "/dev/null"], ""),
    (&["man", "logn"], ""),
    (&["man", "zzz"], ""),
    (&["provider", "show", "opneai"], ""),
    (&["provider", "validate", "gone.json"], ""),
    (&["provider", "remove", "openai"], ""),
    (&["inspect", "opneai"], ""),
    (&["run", "--mode", "env", "--", "no-such-program"], ""),
    (&["unlock"], ""),
];

const WITH_A_VAULT: &[Call<'_>] = &[
    (&["init"], ""),
    (&["login", "openai/team", "--stdin"], "x"),
    (&["get", "openai"], ""),
    (&["get", "openai/other"], ""),
    (&["get", "anthropic"], ""),
    (&["get", "openai/team", "--field", "api_key"], ""),
    (&["get", "openai/team", "--field", "api_kye"], ""),
    (&["get", "openai/team", "--field", "zzz"], ""),
    (&["get", "PLAIN", "--field", "value"], ""),
    (&["set", "PLAIN"], "x"),
    (&["unset", "OTHER"], ""),
    (&["rename", "openai/team", "work"], ""),
    (&["restore", "openai/team", "--version", "9"], ""),
    (&["history", "gitlab"], ""),
    (&["backups", "restore", "99"], ""),
    (&["export", "--all"], ""),
    (&["rekey", "--no-passphrase"], ""),
    (&["rekey", "--remove-recipient", "nobody"], ""),
    (&["rekey", "--passphrase"], ""),
    (&["import", "--from", "json", "-"], "{\"PLAIN\":\"1\"}"),
    (&["agent", "create", "ci"], ""),
    (&["agent", "rotate", "old"], ""),
    (&["agent", "rotate", "other"], ""),
    (&["agent", "revoke", "other"], ""),
];

fn of_the_binary() -> Vec<Said> {
    let mut said = Vec::new();
    let bare = TestEnvironment::new().with("VAULT_NO_INPUT", "1");
    for call in USAGE.iter().chain(WITHOUT_A_VAULT) {
        said.extend(of_call(&bare, *call));
    }
    let filled = TestEnvironment::new()
        .with("VAULT_NO_INPUT", "1")
        .with_identity_vault();
    filled.log_in("team");
    filled.log_in("work");
    filled.vault(["set", "PLAIN"]).stdin("FAKE plain").ok();
    filled.vault(["agent", "create", "ci"]).ok();
    filled
        .vault(["agent", "create", "old", "--expires", "2020-01-31"])
        .ok();
    for call in WITH_A_VAULT {
        said.extend(of_call(&filled, *call));
    }
    std::fs::remove_file(filled.identity_file()).unwrap();
    said.extend(of_call(&filled, (&["list"], "")));
    said.extend(of_call(&filled, (&["list", "--identity", "gone"], "")));
    std::fs::write(filled.vault_file(), "rubbish").unwrap();
    said.extend(of_call(&filled, (&["list"], "")));
    let folder = TestEnvironment::new().with("VAULT_NO_INPUT", "1");
    make_folder(&folder.vault_file());
    said.extend(of_call(&folder, (&["list"], "")));
    said
}

fn of_call(made: &TestEnvironment, (arguments, input): Call<'_>) -> Option<Said> {
    let shown = arguments.join(" ");
    let run = made.vault(arguments).stdin(input).finish();
    let root = made.path("").display().to_string();
    let stderr = run.stderr.replace(&root, "/home/you/");
    let Some((_, said)) = stderr.split_once("Error: ") else {
        panic!("vault {shown} says nothing: {run}");
    };
    let (message, hint) = match said.trim_end().split_once("\nHint: ") {
        Some((message, hint)) => (message, Some(hint.to_owned())),
        None => (said.trim_end(), None),
    };
    let exit = u8::try_from(run.code.unwrap()).unwrap();
    let kind = Kind::ALL.into_iter().find(|kind| kind.exit_code() == exit);
    let kind = kind.unwrap_or(Kind::Failed);
    // `run` gives its arguments away, so that the flag goes first.
    let json = made.vault(["--json"]).args(arguments).stdin(input).finish();
    if let Some(line) = json
        .stderr
        .lines()
        .find(|line| line.starts_with("{\"error\""))
    {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        // What `run` ends with before its program began stands for any kind.
        if exit != 125 {
            assert_eq!(object["error"]["code"], kind.code(), "vault {shown}");
        }
        assert!(json.stdout.is_empty(), "vault {shown}: {json}");
    }
    Some(Said {
        exit: kind.exit_code(),
        word: kind.code().to_owned(),
        message: message.to_owned(),
        hint,
        call: Some(shown),
    })
}

fn everything() -> Vec<Said> {
    let mut said = of_the_library();
    said.extend(of_the_binary());
    said.sort();
    said.dedup_by(|a, b| a.message == b.message && a.hint == b.hint && a.call == b.call);
    said
}

#[test]
fn the_voice_of_the_program_is_as_it_was_read() {
    let mut text = String::from(
        "# What vault says when it cannot do something\n\nMade by `VAULT_BLESS=1 cargo test --test \
         voice`. Read it aloud: each message is plain, short and true, and each hint is something \
         to do.\n",
    );
    let mut last = 0;
    for said in everything() {
        if said.exit != last {
            last = said.exit;
            write!(text, "\n## {} {}\n", said.exit, said.word).unwrap();
        }
        text.push('\n');
        if let Some(call) = said.call {
            writeln!(text, "`vault {call}`  ").unwrap();
        }
        writeln!(text, "Error: {}  ", said.message.replace('\n', "  \n")).unwrap();
        writeln!(text, "Hint: {}", said.hint.as_deref().unwrap_or("-")).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/voice.md");
    if std::env::var_os("VAULT_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<_> = text
        .lines()
        .filter(|line| !committed.lines().any(|known| known == *line))
        .collect();
    assert!(
        committed == text,
        "The voice has changed. Read what is new, then: VAULT_BLESS=1 cargo test --test voice\n{}",
        changed.join("\n")
    );
}

#[test]
fn every_error_has_a_hint() {
    let without: Vec<_> = everything()
        .into_iter()
        .filter(|said| said.hint.is_none())
        .collect();
    assert!(without.is_empty(), "{without:#?}");
}

#[test]
fn every_hint_names_commands_and_options_that_exist() {
    let mut wrong = Vec::new();
    for said in everything() {
        for words in commands_in(said.hint.as_deref().unwrap_or_default()) {
            if let Err(reason) = is_a_call(&words) {
                wrong.push(format!("{}: {reason}", words.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_hint_of_a_command_that_is_not_there_is_found() {
    for hint in [
        "See: vault nothing",
        "vault list --nothing",
        "printf x | vault lgoin openai",
        "Do that (vault set X --frce); or this",
    ] {
        let commands = commands_in(hint);
        assert!(
            commands.iter().any(|words| is_a_call(words).is_err()),
            "{hint}"
        );
    }
    assert!(commands_in("Update vault on this machine.").is_empty());
}

/// The calls of vault in a sentence, as words.
fn commands_in(hint: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in hint.match_indices("vault ") {
        let before = hint[..at].trim_end();
        let begins = before.is_empty()
            || before.ends_with([':', '(', '|', ';', '&', '\'', '"'])
            || before
                .rsplit(' ')
                .next()
                .is_some_and(|word| word.contains('='));
        if !begins || (at > 0 && !hint[..at].ends_with([' ', '(', '\'', '"'])) {
            continue;
        }
        let end = hint[at..]
            .find([';', '|', '<', '>', ')', '&', '`'])
            .map_or(hint.len(), |length| at + length);
        let words = hint[at..end]
            .split_whitespace()
            .map(|word| word.trim_matches(['\'', '"', ',', '.', '?']).to_owned())
            // A descriptor before `<` is the shell's.
            .filter(|word| !word.is_empty() && word.parse::<u8>().is_err());
        let words = words.take_while(|word| word != "or" && word != "and" && word != "#");
        found.push(words.collect());
    }
    found
}

fn is_a_call(words: &[String]) -> Result<(), String> {
    match vault::cli::Cli::command().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            // Placeholders such as NAME or N stand where values belong.
            ErrorKind::MissingRequiredArgument if words.len() == 2 => Ok(()),
            ErrorKind::ValueValidation
            | ErrorKind::InvalidValue
            | ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion => Ok(()),
            _ => Err(error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()),
        },
    }
}
