//! The list of commands.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use super::command::{
    backups, connection, doctor, export, get, history, init, list, login, logout, provider, rekey,
    run, secret, unlock,
};
use super::global::Global;

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
    about,
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
    /// Make the vault
    Init(init::InitArgs),
    /// Keep the vault open for a while, so that its passphrase is typed once
    Unlock(unlock::UnlockArgs),
    /// End what `unlock` began
    Lock,
    #[command(name = "__session", hide = true)]
    Session,
    /// Change the keys that open the vault
    Rekey(rekey::RekeyArgs),
    /// List who can open the vault
    Recipients,
    /// List earlier values of a connection or secret
    History(history::HistoryArgs),
    /// Put an earlier value back in force
    Restore(history::RestoreArgs),
    /// List earlier vault files, or put one back
    Backups(backups::BackupsArgs),
    /// Check that everything is as it should be
    Doctor(doctor::DoctorArgs),
}
