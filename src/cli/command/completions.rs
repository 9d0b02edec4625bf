//! `completions`: what a shell needs to complete names.

use clap::Args;

use crate::cli::complete::Shell;
use crate::cli::output;
use crate::error::Result;

/// Print what a shell needs to complete names by itself
#[derive(Debug, Args)]
#[command(
    after_help = "Commands, options, providers, fields and formats complete by themselves; \
connections too where reading their names needs no passphrase.\n\nExamples:\n  vault completions \
bash > ~/.local/share/bash-completion/completions/vault\n  vault completions zsh > \
\"${fpath[1]}/_vault\"\n  vault completions fish > ~/.config/fish/completions/vault.fish\n  vault \
completions powershell >> $PROFILE\n  vault completions elvish >> ~/.config/elvish/rc.elv\n  vault \
completions nu >> ~/.config/nushell/config.nu"
)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints it.
pub fn run(args: &CompletionsArgs) -> Result<()> {
    output::print(&args.shell.script())
}
