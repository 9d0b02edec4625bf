//! The arguments that every command shares, and the list of commands.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use super::command::{
    backups, completions, connection, doctor, export, get, history, import, init, list, login,
    logout, man, provider, rekey, run, secret, unlock,
};
use super::environment::Environment;
use super::output::{ColorChoice, Output};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Green.on_default());

/// Keeps API keys and OAuth tokens in one encrypted file and hands them to scripts, CI and programs
#[derive(Debug, Parser)]
#[command(
    name = "vault",
    version,
    styles = STYLES,
    max_term_width = 100,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "First steps:\n  printf '%s' \"$KEY\" | vault login openai\n  vault get openai --field api_key --show-secret\n\nEvery command explains itself: vault COMMAND --help"
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Print JSON; errors too, on standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing to people but errors; data is printed all the same
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Say more about what is done
    #[arg(long, short, global = true, hide_short_help = true)]
    pub verbose: bool,
    /// Colour: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        hide_short_help = true,
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub color: ColorChoice,
    /// The vault file
    #[arg(long, global = true, value_name = "PATH")]
    pub file: Option<PathBuf>,
    /// An age identity or SSH key that opens the vault; may be given several times
    #[arg(long, global = true, value_name = "PATH")]
    pub identity: Vec<PathBuf>,
    /// Read the passphrase from a file
    #[arg(long, global = true, value_name = "PATH", hide_short_help = true)]
    pub passphrase_file: Option<PathBuf>,
    /// Read the passphrase from an open descriptor
    #[arg(long, global = true, value_name = "N", hide_short_help = true)]
    pub passphrase_fd: Option<u32>,
    /// Refuse any vault but the one with this fingerprint
    #[arg(long, global = true, value_name = "F", hide_short_help = true)]
    pub vault_fingerprint: Option<String>,
    /// The scrypt work (log2 N) that opening may cost
    #[arg(long, global = true, value_name = "N", hide_short_help = true,
        value_parser = clap::value_parser!(u8).range(1..=30))]
    pub max_work_factor: Option<u8>,
    /// Never ask anything
    #[arg(long, global = true)]
    pub no_input: bool,
}

impl Global {
    /// What is in force where nothing was given.
    pub fn silent() -> Self {
        Self {
            json: false,
            quiet: true,
            verbose: false,
            color: ColorChoice::Never,
            file: None,
            identity: Vec::new(),
            passphrase_file: None,
            passphrase_fd: None,
            vault_fingerprint: None,
            max_work_factor: None,
            no_input: true,
        }
    }

    /// How to print.
    pub fn output(&self, environment: &Environment) -> Output {
        let plain = environment.no_color || environment.dumb_terminal;
        Output::new(self.json, self.quiet, self.color, plain)
    }
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Store a credential
    Login(login::LoginArgs),
    /// Read a connection or plain secret
    Get(get::GetArgs),
    /// List providers, their connections, and plain secrets
    List(list::ListArgs),
    /// Print credentials as environment variables
    Export(export::ExportArgs),
    /// Run a program with credentials
    Run(run::RunArgs),
    /// Remove a credential
    Logout(logout::LogoutArgs),
    /// Store a plain secret, such as DATABASE_URL
    Set(secret::SetArgs),
    /// Remove a plain secret
    Unset(secret::UnsetArgs),
    /// Choose the connection that is used when none is named
    Default(connection::DefaultArgs),
    /// Give a connection another name
    Rename(connection::RenameArgs),
    /// Remove everything of a provider, and tell it so where it can be told
    Revoke(logout::RevokeArgs),
    /// Revoke, and remove the provider's definition too
    Remove(logout::RevokeArgs),
    /// Look at providers, or add one of your own
    Provider(provider::ProviderArgs),
    /// Print the definition of a provider as JSON, fit to be edited
    Inspect(provider::InspectArgs),
    /// Take in the keys of a .env file, a JSON file or an authsome home
    Import(import::ImportArgs),
    /// Make the vault
    Init(init::InitArgs),
    /// Keep the vault open for a while, so that its passphrase is typed once
    Unlock(unlock::UnlockArgs),
    /// End what `unlock` began
    #[command(after_help = "Example:\n  vault lock")]
    Lock,
    #[command(name = "__session", hide = true)]
    Session,
    /// Change the keys that open the vault
    Rekey(rekey::RekeyArgs),
    /// List who can open the vault
    #[command(after_help = "Example:\n  vault recipients --json")]
    Recipients,
    /// List earlier values of a connection or secret
    History(history::HistoryArgs),
    /// Put an earlier value back in force
    Restore(history::RestoreArgs),
    /// List earlier vault files, or put one back
    Backups(backups::BackupsArgs),
    /// Check that everything is as it should be
    Doctor(doctor::DoctorArgs),
    /// Show the manual
    Man(man::ManArgs),
    /// Print what a shell needs to complete names by itself
    Completions(completions::CompletionsArgs),
}
