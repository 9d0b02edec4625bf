//! What is said to a call that is not of the command's form. Words that stood
//! on the command line are not repeated: one of them may be a key.

use std::ffi::OsString;
use std::io::Write;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::environment::Environment;
use super::output::{ColorChoice, Output};
use crate::error::{Error, Kind};
use crate::name::BadName;
use crate::text;

/// Names that people give a flag which would take a secret.
const SECRET_FLAGS: [&str; 10] = [
    "--key",
    "--api-key",
    "--apikey",
    "--token",
    "--secret",
    "--value",
    "--password",
    "--access-token",
    "--credential",
    "--passphrase",
];

/// The same for the secret of an OAuth client, which has places of its own.
const CLIENT_SECRET_FLAGS: [&str; 2] = ["--client-secret", "--clientsecret"];

const NO_SECRETS_HERE: &str = "No secret is taken from the command line, where others can see it. \
     Pipe it in: printf '%s' \"$KEY\" | vault login openai --stdin";

/// Prints help where it was asked for, an error otherwise; tells the exit code.
pub fn report(error: &clap::Error, arguments: &[OsString], environment: &Environment) -> u8 {
    let json = arguments.iter().any(|argument| argument == "--json");
    let plain = environment.no_color || environment.dumb_terminal;
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        let asked = error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        let printed = error.print().and_then(|()| std::io::stdout().flush());
        return match printed {
            // Help that nobody reads is no failure; a full disk is one.
            Err(reason) if reason.kind() != std::io::ErrorKind::BrokenPipe => {
                let failed = Error::new(Kind::Failed, "Cannot write to standard output")
                    .with_source(reason)
                    .with_hint("Make room where the output goes, then run the command again.");
                Output::new(json, false, ColorChoice::Auto, plain).error(&failed);
                failed.kind().exit_code()
            }
            _ if asked => 0,
            _ => Kind::Usage.exit_code(),
        };
    }
    let refused = explain(error, arguments);
    Output::new(json, false, ColorChoice::Auto, plain).error(&refused);
    if command_in(arguments) == "vault run" {
        return super::command::run::FAILED_BEFORE_CHILD;
    }
    refused.kind().exit_code()
}

fn explain(error: &clap::Error, arguments: &[OsString]) -> Error {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let argument = context(ContextKind::InvalidArg)
        .map(|name| name.split(['=', ' ']).next().unwrap_or_default().to_owned());
    let help = format!("See: {} --help", command_in(arguments));
    let usage = |message: String| Error::new(Kind::Usage, message);
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let flag = argument.filter(|name| name.starts_with('-'));
            let Some(flag) = flag else {
                let refused = usage("There is a word too many".to_owned());
                return if help.contains("login") || help.contains(" set ") {
                    refused.with_hint(NO_SECRETS_HERE)
                } else {
                    refused.with_hint(help)
                };
            };
            let refused = usage(format!("There is no option {flag} here"));
            if flag == "--passphrase" {
                return refused.with_hint(
                    "No passphrase is taken from the command line. Give it with \
                     --passphrase-file PATH, VAULT_PASSPHRASE, or at the prompt.",
                );
            }
            let lower = flag.to_lowercase();
            if CLIENT_SECRET_FLAGS.contains(&&*lower) {
                return refused.with_hint(
                    "No secret is taken from the command line, where others can see it. That of \
                     an OAuth client is asked for at a terminal, or taken from the variable that \
                     this shows: vault inspect PROVIDER",
                );
            }
            if SECRET_FLAGS.contains(&&*lower) {
                return refused.with_hint(NO_SECRETS_HERE);
            }
            match context(ContextKind::SuggestedArg) {
                Some(suggested) => refused.with_hint(format!("Did you mean {suggested}? {help}")),
                None => refused.with_hint(help),
            }
        }
        ErrorKind::InvalidSubcommand => {
            let refused = usage("There is no such command".to_owned());
            let given = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            let known = super::args::Cli::command();
            let names = known
                .get_subcommands()
                .filter(|command| !command.is_hide_set());
            match text::nearest(&given, names.map(clap::Command::get_name)) {
                Some(suggested) => refused.with_hint(format!("Did you mean: vault {suggested}")),
                None => refused.with_hint("See what there is: vault --help"),
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let names = context(ContextKind::InvalidArg).unwrap_or_default();
            let first = names.split(", ").next().unwrap_or_default();
            usage(format!("Missing: {}", described(first, arguments))).with_hint(help)
        }
        ErrorKind::MissingSubcommand => usage("Say what to do".to_owned()).with_hint(help),
        ErrorKind::ArgumentConflict => {
            let other = context(ContextKind::PriorArg).unwrap_or_else(|| "another option".into());
            let name = argument.unwrap_or_default();
            let other = other.replace(['<', '>', '[', ']'], "").replace("...", "");
            usage(format!("{name} cannot be used with {other}")).with_hint(help)
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let name = argument.unwrap_or_default();
            let name = name.trim_matches(['<', '>']).to_owned();
            let source = std::error::Error::source(error);
            if let Some(bad) = source.and_then(|source| source.downcast_ref::<BadName>()) {
                return bad.clone().into();
            }
            let source = source.map(ToString::to_string);
            let refused = usage(match source {
                Some(reason) if reason.contains("digit found") => format!("{name} takes a number"),
                Some(reason) => format!("{name}: {reason}"),
                None => format!("{name} does not take this value"),
            });
            if let Some(suggested) = context(ContextKind::SuggestedValue) {
                return refused.with_hint(format!("Did you mean {suggested}?"));
            }
            match context(ContextKind::ValidValue).filter(|values| !values.is_empty()) {
                Some(values) => refused.with_hint(format!("It takes one of: {values}")),
                None => refused.with_hint(help),
            }
        }
        _ => usage("The command line cannot be understood".to_owned()).with_hint(help),
    }
}

/// An argument in the words of its help: `the provider (P)`.
fn described(name: &str, arguments: &[OsString]) -> String {
    let name = name.replace(['<', '>'], "");
    let bare = name.trim_end_matches("...");
    let command = innermost_command(arguments);
    let help = command
        .get_positionals()
        .find(|positional| {
            let names = positional.get_value_names().unwrap_or_default();
            names.iter().any(|known| known.as_str() == bare)
        })
        .and_then(clap::Arg::get_help)
        .map(ToString::to_string);
    match help {
        Some(help) => {
            let begin = help.split([';', ',']).next().unwrap_or(bare);
            format!("{} ({bare})", lower_first(begin))
        }
        None => name,
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// The command that was meant, as far as the words are known commands.
fn command_in(arguments: &[OsString]) -> String {
    let (path, _) = walk(arguments);
    path
}

fn innermost_command(arguments: &[OsString]) -> clap::Command {
    let (_, command) = walk(arguments);
    command
}

fn walk(arguments: &[OsString]) -> (String, clap::Command) {
    let mut known = super::args::Cli::command();
    let mut path = "vault".to_owned();
    for argument in arguments.iter().skip(1) {
        let found = argument
            .to_str()
            .and_then(|word| known.find_subcommand(word));
        let Some(found) = found.cloned() else {
            continue;
        };
        path.push(' ');
        path.push_str(found.get_name());
        known = found;
    }
    (path, known)
}
