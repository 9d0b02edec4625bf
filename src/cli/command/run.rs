//! `run`: a program with credentials.

mod accompany;
mod bundle;
mod child;
mod stand_in;
mod surroundings;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use clap::{Args, ValueEnum};

use self::accompany::accompany;
use crate::audit::{Entry, Event};
use crate::broker::variables::{Naming, Variable, Wanted, collect};
use crate::cli::context::Context;
use crate::cli::environment::VAULT_VARIABLES;
use crate::cli::variables;
use crate::error::{Error, Kind, Result};
use crate::name::{Target, VariableName};
use crate::secret::Secret;

/// What `run` ends with where vault itself failed before the child began.
pub const FAILED_BEFORE_CHILD: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Run a program with credentials
#[derive(Debug, Args)]
#[command(
    after_help = "The program holds no key: its requests go through a gateway in this process, \
which puts the right credential into those to a provider's hosts and leaves all others alone. In \
the place of keys it finds placeholders, which are good nowhere else. Clients that know no proxies \
want --base-urls, or --mode env, where the real keys are in the program's environment. It gets none \
of the ways into the vault. Its terminal, its signals and its exit code are its own: 125 if vault \
failed before it began, 126 if it cannot be executed, 127 if it is not there.\n\nWithout --isolate \
this is no wall against a hostile program: one of the same user can read that user's \
files.\n\nExamples:\n  vault run -- python app.py\n  vault run --only openai/team,github -- \
./agent\n  vault run --isolate --deny-unmatched --allow pypi.org -- ./untrusted\n  vault run \
--mode env --only openai --with DATABASE_URL -- ./server"
)]
pub struct RunArgs {
    /// Only these connections
    #[arg(long, value_name = "P", value_delimiter = ',')]
    only: Vec<Target>,
    /// How the program gets them: env puts the keys into its environment
    #[arg(long, value_name = "MODE", default_value = "proxy")]
    mode: Mode,
    /// These plain secrets
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    with: Vec<VariableName>,
    /// With --mode env: do not renew tokens that are about to end
    #[arg(long)]
    no_refresh: bool,
    /// Refuse requests that no connection is for
    #[arg(long)]
    deny_unmatched: bool,
    /// Requests to this host are not refused; implies --deny-unmatched
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allow: Vec<String>,
    /// Also set *_BASE_URL, for clients that know no proxies
    #[arg(long)]
    base_urls: bool,
    /// The program reaches nothing but the gateway, and sees neither the vault nor sockets (Linux)
    #[arg(long)]
    isolate: bool,
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Real keys never enter the program
    Proxy,
    /// Real keys are in the program's environment
    Env,
}

/// Starts the program and tells its exit code, or becomes the program.
pub fn run(args: &RunArgs, context: &Context) -> u8 {
    let finished = match args.mode {
        Mode::Proxy => accompany(args, context),
        Mode::Env => replace(args, context),
    };
    match finished {
        Ok(code) => code,
        Err(error) => {
            context.output.error(&error);
            FAILED_BEFORE_CHILD
        }
    }
}

fn split(command: &[OsString]) -> Result<(&OsString, &[OsString])> {
    command
        .split_first()
        .ok_or_else(|| Error::new(Kind::Usage, "Say what to run").with_hint("vault run --help"))
}

/// What only a gateway can do.
fn refuse_proxy_options(args: &RunArgs) -> Result<()> {
    let given = [
        (args.deny_unmatched, "--deny-unmatched"),
        (!args.allow.is_empty(), "--allow"),
        (args.base_urls, "--base-urls"),
        (args.isolate, "--isolate"),
    ];
    match given.iter().find(|(is_given, _)| *is_given) {
        None => Ok(()),
        Some((_, option)) => {
            let message = format!("{option} needs the gateway, which --mode env goes without");
            Err(Error::new(Kind::Usage, message).with_hint("vault run --help"))
        }
    }
}

fn replace(args: &RunArgs, context: &Context) -> Result<u8> {
    refuse_proxy_options(args)?;
    let gathered = gather(args, context)?;
    let (program, arguments) = split(&args.command)?;
    let mut command = Command::new(program);
    command.args(arguments);
    for variable in VAULT_VARIABLES {
        command.env_remove(variable);
    }
    for (name, value) in collect(&gathered)? {
        if VAULT_VARIABLES.contains(&name.as_str()) {
            context.output.warn(&format!(
                "{name} is left out: it could lead the program into the vault."
            ));
            continue;
        }
        refuse_nul(&name, value)?;
        command.env(name.as_str(), value.reveal());
    }
    if !gathered.is_empty() {
        let entry = Entry::new(Event::Export, "run");
        context.audit(&variables::told(entry, &gathered));
    }
    let entry = started(program).with("mode", "env");
    context.audit(&variables::told(entry, &gathered));
    context.inherited.restore().map_err(|error| {
        Error::new(Kind::Failed, "Cannot give the program its limits back").with_source(error)
    })?;
    let failed = command.exec();
    Ok(report(&failed, program, context))
}

/// What the audit log is told of a program that is about to begin: its name,
/// and never what it is called with, which may hold anything.
fn started(program: &OsString) -> Entry {
    let name = Path::new(program).file_name().unwrap_or(program);
    Entry::new(Event::Run, "run").with("program", name.to_string_lossy())
}

fn refuse_nul(name: &VariableName, value: &Secret) -> Result<()> {
    if !value.reveal().contains('\0') {
        return Ok(());
    }
    let message = format!("{name} holds a NUL byte, which no variable can");
    Err(Error::new(Kind::InvalidInput, message)
        .with_hint("Leave it out: vault run --only P --with NAME"))
}

/// `--only` narrows the connections; plain secrets then are those of
/// `--with`. Without either the program gets what `export` would print.
fn gather(args: &RunArgs, context: &Context) -> Result<Vec<Variable>> {
    let naming = Naming {
        as_stored: args.no_refresh,
        ..Naming::default()
    };
    let with: Vec<_> = args.with.iter().cloned().map(Target::Secret).collect();
    if args.only.is_empty() && with.is_empty() {
        return variables::gather(&Wanted::Defaults, &naming, context);
    }
    if args.only.is_empty() {
        return variables::gather(&Wanted::ConnectionsAnd(&args.with), &naming, context);
    }
    let named: Vec<_> = args.only.iter().cloned().chain(with).collect();
    variables::gather(&Wanted::Named(&named), &naming, context)
}

/// Why it did not start, with the exit code that shells have for it.
fn report(failed: &std::io::Error, program: &OsString, context: &Context) -> u8 {
    let name = crate::text::printable(&program.to_string_lossy()).into_owned();
    let name = if name.is_empty() {
        "''".to_owned()
    } else {
        name
    };
    let (code, message, hint) = match failed.kind() {
        std::io::ErrorKind::NotFound => (
            NOT_FOUND,
            format!("There is no program {name}"),
            "Check its name and PATH.",
        ),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::OutOfMemory => (
            FAILED_BEFORE_CHILD,
            format!("{name} cannot be started: {failed}"),
            "Look at the limits: ulimit -a",
        ),
        _ => (
            NOT_EXECUTABLE,
            format!("{name} cannot be run: {failed}"),
            "Check that it is a program, and its mode: ls -l",
        ),
    };
    context
        .output
        .error(&Error::new(Kind::Failed, message).with_hint(hint));
    code
}
