//! The command line: arguments in, wiring, output. The only row that knows
//! the environment, the terminal and the clock.

mod args;
mod audited;
mod authority;
mod command;
mod commit;
mod complete;
mod context;
mod desktop;
mod environment;
mod fields;
mod form;
mod fresh;
mod gateway;
mod global;
mod input;
mod manual;
mod network;
mod output;
mod oversight;
mod places;
mod progress;
mod refusal;
mod shown;
mod signals;
mod table;
mod terminal;
mod variables;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::sync::Arc;

use clap::Parser;

use crate::error::{Error, Result};
use crate::process;

pub use args::Cli;

/// Runs the program and tells its exit code.
pub fn main() -> u8 {
    quiet_panics();
    // First of all: what is read from here on may be secret.
    let inherited = process::harden();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = command::isolate::stage(&arguments, &inherited) {
        return code;
    }
    let environment = environment::Environment::read();
    if environment.age_debug {
        return without_age_debug(inherited.as_ref().ok());
    }
    // A write beyond a limit on file sizes is then an error and not the end;
    // a handler, unlike ignoring, is not passed on to children.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    if let (Some(shell), Ok(inherited)) = (&environment.complete, &inherited)
        && let Some(answer) = complete::Request::from(shell, &arguments)
    {
        answer.give(environment, inherited.clone());
        return 0;
    }
    let cli = match Cli::quick(&arguments).map_or_else(|| Cli::try_parse_from(&arguments), Ok) {
        Ok(cli) => cli,
        Err(error) => return refusal::report(&error, &arguments, &environment),
    };
    let output = cli.global.output(&environment);
    let finished = inherited
        .map_err(|error| {
            let message = "Cannot forbid core dumps of this process";
            Error::new(crate::error::Kind::Failed, message).with_source(error)
        })
        .and_then(|inherited| {
            let context = context::Context::new(cli.global, environment, output, inherited);
            for descriptor in context.passphrase_descriptors() {
                process::close_on_exec(descriptor);
            }
            run(cli.command, &context)
        });
    match finished {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            error.kind().exit_code()
        }
    }
}

fn run(command: args::Command, context: &context::Context) -> Result<u8> {
    use args::Command;
    match command {
        Command::Login(args) => command::login::run(&args, context),
        Command::Get(args) => return command::get::run(&args, context),
        Command::List(args) => return command::list::run(&args, context),
        Command::Verify(args) => command::verify::run(&args, context),
        Command::Export(args) => command::export::run(&args, context),
        Command::Run(args) => return Ok(command::run::run(&args, context)),
        Command::Logout(args) => command::logout::run(&args, context),
        Command::Set(args) => command::secret::set(&args, context),
        Command::Unset(args) => command::secret::unset(&args, context),
        Command::Default(args) => command::connection::default(&args, context),
        Command::Rename(args) => command::connection::rename(&args, context),
        Command::Revoke(args) => command::logout::revoke(&args, context),
        Command::Remove(args) => command::logout::remove(&args, context),
        Command::Provider(args) => command::provider::run(&args, context),
        Command::Inspect(args) => command::provider::inspect(&args, context),
        Command::Serve(args) => command::serve::run(&args, context),
        Command::Agent(args) => command::agent::run(&args, context),
        Command::Route(args) => command::route::run(&args, context),
        Command::Usage(args) => command::usage::run(&args, context),
        Command::Approvals(args) => return command::approvals::run(&args, context),
        Command::Rule(args) => return command::rule::run(&args, context),
        Command::Ca(args) => command::ca::run(&args, context),
        Command::Audit(args) => command::audit::run(&args, context),
        Command::Import(args) => command::import::run(&args, context),
        Command::Scan(args) => return command::scan::run(&args, context),
        Command::Init(args) => command::init::run(&args, context),
        Command::Unlock(args) => command::unlock::run(&args, context),
        Command::Lock => command::unlock::lock(context),
        Command::Session => command::unlock::keep(),
        Command::Rekey(args) => command::rekey::run(&args, context),
        Command::Recipients => command::recipients::run(context),
        Command::History(args) => command::history::run(&args, context),
        Command::Restore(args) => command::history::restore(&args, context),
        Command::Backups(args) => command::backups::run(&args, context),
        Command::Man(args) => command::man::run(&args),
        Command::Completions(args) => command::completions::run(&args),
        Command::Doctor(args) => command::doctor::run(&args, context),
    }
    .map(|()| 0)
}

/// A panic says where it happened and nothing else: its message could quote
/// what the program was working on.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |location| {
            format!(" at {}:{}", location.file(), location.line())
        });
        let message = format!(
            "Error: vault stopped on an error of its own{place}.\nHint: Please report this line; it holds nothing secret.\n"
        );
        let _ = rustix::io::write(rustix::stdio::stderr(), message.as_bytes());
        std::process::exit(1);
    }));
}

/// `AGEDEBUG` makes the age library and its plugins print what they exchange,
/// file keys included. Variables cannot be unset in a running program without
/// risk, so the program starts anew without it.
fn without_age_debug(inherited: Option<&process::Inherited>) -> u8 {
    // So that it finds the limits that we found.
    let _ = inherited.map(process::Inherited::restore);
    let failed = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .env_remove("AGEDEBUG")
            .exec(),
        Err(error) => error,
    };
    let message = format!("Error: Cannot start without AGEDEBUG: {failed}\nHint: unset AGEDEBUG\n");
    let _ = rustix::io::write(rustix::stdio::stderr(), message.as_bytes());
    1
}
