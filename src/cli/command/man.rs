//! `man`: the manual's pages.

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use clap::{Args, CommandFactory};

use crate::cli::args::Cli;
use crate::cli::environment::VAULT_VARIABLES;
use crate::cli::{manual, output};
use crate::error::{Error, Kind, Result};
use crate::text;

/// Show the manual
#[derive(Debug, Args)]
#[command(
    after_help = "On a terminal the page is shown; elsewhere it is printed as roff.\n\nExamples:\n  \
vault man\n  vault man login\n  vault man export > vault-export.1"
)]
pub struct ManArgs {
    /// The page of this command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

/// Shows or prints it.
pub fn run(args: &ManArgs) -> Result<()> {
    let command = args.command.as_deref();
    let page = manual::page(command).ok_or_else(|| unknown(command.unwrap_or_default()))?;
    if !std::io::stdout().is_terminal() {
        return output::print(&page);
    }
    if show(&page) {
        return Ok(());
    }
    let mut help = Cli::command();
    help.build();
    let help = match command.and_then(|name| help.find_subcommand_mut(name)) {
        Some(inner) => inner.render_long_help(),
        None => help.render_long_help(),
    };
    output::print(&help.to_string())
}

/// Hands the page to `man`; false where that did not work.
fn show(page: &str) -> bool {
    let mut reader = Command::new("man");
    reader
        .args(["-l", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null());
    for variable in VAULT_VARIABLES {
        reader.env_remove(variable);
    }
    let Ok(mut child) = reader.spawn() else {
        return false;
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A reader that was closed early has been read enough.
        let _ = stdin.write_all(page.as_bytes());
    }
    child.wait().is_ok_and(|status| status.success())
}

fn unknown(name: &str) -> Error {
    let commands = manual::commands();
    let name = text::printable(name);
    let error = Error::new(Kind::NotFound, format!("There is no page on '{name}'"));
    match text::nearest(&name, commands.iter().map(String::as_str)) {
        Some(near) => error.with_hint(format!("Did you mean: vault man {near}")),
        None => error.with_hint("See which commands there are: vault --help"),
    }
}
