//! The list of commands.

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use super::command::{
    agent, approvals, audit, backups, ca, completions, connection, doctor, export, get, history,
    import, init, list, login, logout, man, provider, rekey, route, rule, run, scan, secret, serve,
    unlock, usage, verify,
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

impl Cli {
    /// Reads the commands that programs call most without building every
    /// other one first, which would take longer than opening a vault. What
    /// does not parse here, a plea for help included, is `None`, and judged by
    /// the whole parser.
    pub fn quick(arguments: &[OsString]) -> Option<Self> {
        let (command, rest) = arguments.get(1..)?.split_first()?;
        let words = || arguments.iter().take(1).chain(rest);
        match command.to_str()? {
            "get" => Alone::parse_with(words(), Command::Get),
            "export" => Alone::parse_with(words(), Command::Export),
            "run" => Alone::parse_with(words(), Command::Run),
            _ => None,
        }
    }
}

/// One command as if it were the whole program.
#[derive(Debug, Parser)]
struct Alone<A: Args> {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    args: A,
}

impl<A: Args> Alone<A> {
    fn parse_with<'a>(
        words: impl Iterator<Item = &'a OsString>,
        command: impl FnOnce(A) -> Command,
    ) -> Option<Cli> {
        let Self { global, args } = Self::try_parse_from(words).ok()?;
        let command = command(args);
        Some(Cli { global, command })
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
    /// Ask the providers whether credentials are alive
    Verify(verify::VerifyArgs),
    /// Print credentials as environment variables
    Export(export::ExportArgs),
    /// Run a program with credentials
    Run(run::RunArgs),
    Serve(serve::ServeArgs),
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
    /// Give programs access to the gateway, each with a token of its own
    Agent(agent::AgentArgs),
    /// Show what was used and what it cost
    Usage(usage::UsageArgs),
    /// See and choose the ways from models to connections
    Route(route::RouteArgs),
    /// Decide on requests that the policy wants approved
    Approvals(approvals::ApprovalsArgs),
    /// Look at what agents may do through the gateway
    Rule(rule::RuleArgs),
    /// Print the certificate that clients of `serve` trust
    Ca(ca::CaArgs),
    /// Tell what happened, and whether the log of it is whole
    Audit(audit::AuditArgs),
    /// Take in the keys of a .env file, a JSON file or an authsome home
    Import(import::ImportArgs),
    /// Find keys of known providers in plain files
    Scan(scan::ScanArgs),
    /// Make the vault
    Init(init::InitArgs),
    /// Keep the vault open for a while, so that its passphrase is typed once
    Unlock(unlock::UnlockArgs),
    /// End what `unlock` began
    #[command(after_help = "Examples:\n  vault lock\n  vault lock --json")]
    Lock,
    #[command(name = "__session", hide = true)]
    Session,
    /// Change the keys that open the vault
    Rekey(rekey::RekeyArgs),
    /// List who can open the vault
    #[command(after_help = "Examples:\n  vault recipients\n  vault recipients --json")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_quickly_is_read_the_same_as_the_long_way() {
        let read = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            (Cli::quick(&words), Cli::try_parse_from(&words))
        };
        for line in [
            "vault get openai",
            "vault get openai/team --field api_key --show-secret",
            "vault get -F api_key openai --json --file /v.age --identity a --identity b",
            "vault get KEY --show-secret --quiet --no-input --color never -- ",
            "vault export",
            "vault export openai DATABASE_URL --format fish --prefix A_ --json",
            "vault export --all --name api_key=KEY -o /tmp/x --quiet",
            "vault run --mode env --only openai/team --with A,B -- sh -c true --quiet",
            "vault run -v --mode env sh --json -- -x",
            "vault run --file /v --mode proxy -- get",
            "vault get openai --connection team -v --max-work-factor 18 --passphrase-fd 3",
        ] {
            let (quick, whole) = read(line);
            if let Ok(whole) = &whole {
                let quick = quick.expect(line);
                assert_eq!(format!("{quick:?}"), format!("{whole:?}"), "{line}");
            } else {
                assert!(quick.is_none(), "{line}");
            }
        }
        for line in [
            "vault",
            "vault get",
            "vault get --help",
            "vault get openai --nonsense",
            "vault --json get openai",
            "vault list",
            "vault run",
            "vault export --format nonsense",
            "vault get openai --version",
            "vault get openai --max-work-factor 99",
        ] {
            assert!(read(line).0.is_none(), "{line}");
        }
    }
}
