//! What is said to a call that is not of the command's form. Words that stood
//! on the command line are not repeated: one of them may be a key.

use std::ffi::OsString;

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

const NO_SECRETS_HERE: &str = "No secret is taken from the command line, where others can see it. \
     Pipe it in: printf '%s' \"$KEY\" | vault login openai --stdin";

/// Prints help where it was asked for, an error otherwise; tells the exit code.
pub fn report(error: &clap::Error, arguments: &[OsString], environment: &Environment) -> u8 {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        let asked = error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        // Help that nobody reads (a closed pipe) is no failure.
        let _ = error.print();
        return if asked { 0 } else { Kind::Usage.exit_code() };
    }
    let json = arguments.iter().any(|argument| argument == "--json");
    let plain = environment.no_color || environment.dumb_terminal;
    let refused = explain(error, arguments);
    Output::new(json, false, ColorChoice::Auto, plain).error(&refused);
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
    let help = format!("See: {} --help", command_in(arguments).0);
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
            if SECRET_FLAGS.contains(&&*flag.to_lowercase()) {
                return refused.with_hint(NO_SECRETS_HERE);
            }
            match context(ContextKind::SuggestedArg) {
                Some(suggested) => refused.with_hint(format!("Did you mean {suggested}? {help}")),
                None => refused.with_hint(help),
            }
        }
        ErrorKind::InvalidSubcommand => {
            let refused = usage("There is no such command".to_owned());
            // Looked at, and not repeated.
            let given = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            let known = super::manual::commands();
            match text::nearest(&given, known.iter().map(String::as_str)) {
                Some(near) => refused.with_hint(format!("Did you mean: vault {near}")),
                None => refused.with_hint("See what there is: vault --help"),
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = argument_list(&context(ContextKind::InvalidArg).unwrap_or_default());
            let message = match meaning_of(&missing, arguments) {
                Some(meaning) => format!("{missing} is missing: {meaning}"),
                None => format!("{missing} is missing"),
            };
            usage(message).with_hint(help)
        }
        ErrorKind::MissingSubcommand => usage("Say what to do".to_owned()).with_hint(help),
        ErrorKind::ArgumentConflict => {
            let other = context(ContextKind::PriorArg).unwrap_or_else(|| "another option".into());
            let name = argument_list(&argument.unwrap_or_default());
            let other = argument_list(&other);
            usage(format!("{name} cannot be used with {other}")).with_hint(help)
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let name = argument.unwrap_or_default();
            let name = argument_list(&name);
            let source = std::error::Error::source(error);
            if let Some(bad) = source.and_then(|source| source.downcast_ref::<BadName>()) {
                return bad.on_command_line();
            }
            let refused = usage(match source.map(ToString::to_string) {
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

fn argument_list(names: &str) -> String {
    names.replace(['<', '>', '[', ']'], "").replace("...", "")
}

/// What an argument of the command is, in the words of its help.
fn meaning_of(name: &str, arguments: &[OsString]) -> Option<String> {
    let (_, command) = command_in(arguments);
    let named = |arg: &&clap::Arg| {
        arg.get_value_names()
            .is_some_and(|names| names.concat() == name)
    };
    let found = command.get_positionals().find(named)?;
    let help = found.get_help()?.to_string();
    let mut characters = help.chars();
    let first = characters.next()?.to_lowercase();
    Some(first.chain(characters).collect())
}

/// The command that was meant, as far as the words are known commands.
fn command_in(arguments: &[OsString]) -> (String, clap::Command) {
    use clap::CommandFactory;
    let mut known = super::Cli::command();
    let mut path = "vault".to_owned();
    for argument in arguments.iter().skip(1) {
        let Some(found) = argument
            .to_str()
            .and_then(|word| known.find_subcommand(word))
            .cloned()
        else {
            continue;
        };
        path.push(' ');
        path.push_str(found.get_name());
        known = found;
    }
    (path, known)
}
