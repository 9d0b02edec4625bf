//! `scan`: keys that lie in plain files.

mod known;
mod printed;
mod sarif;
mod taken;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use directories::BaseDirs;

use known::Known;
use printed::Printed;
use rustix::event::{PollFd, PollFlags, poll};
use taken::Taken;

use crate::cli::context::Context;
use crate::error::{Error, Kind, Result};
use crate::provider::Definition;
use crate::scan::{Options, Report, Scanner};
use crate::text::counted;

/// Find keys of known providers in plain files; exit code 1 if there are any
#[derive(Debug, Args)]
#[command(
    after_help = "Prints where a key lies, whose it is and its fingerprint, never the key. Looks \
at what git would keep, hidden files and .env; skips binaries. Exit code 1 if anything is found, or \
could not be looked at. Nothing is changed in any file.\n\n\
Examples:\n  vault scan\n  vault scan --home --import\n  vault scan src deploy --format sarif > \
keys.sarif\n  git log -p | vault scan -"
)]
pub struct ScanArgs {
    /// Files and folders, or - for standard input; the current folder without any
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Look at shell histories, dotfiles with keys, and ~/.config
    #[arg(long)]
    home: bool,
    /// Look at what ignore files name, too
    #[arg(long)]
    no_ignore: bool,
    /// Store what was found and is not in the vault yet
    #[arg(long)]
    import: bool,
    /// The form of the output; text without it
    #[arg(long, value_name = "F")]
    format: Option<Form>,
    /// How many threads look; one for each processor without it
    #[arg(long, value_name = "N", hide_short_help = true,
        value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line for each finding
    Text,
    /// One object
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
}

/// What is kept in a home folder besides `~/.config` and `.env`: histories,
/// what shells read when they begin, and where tools put their keys.
const HOME_FILES: [&str; 65] = [
    ".bash_history",
    ".zsh_history",
    ".zhistory",
    ".histfile",
    ".history",
    ".sh_history",
    ".ash_history",
    ".ksh_history",
    ".local/share/fish/fish_history",
    ".local/share/powershell/PSReadLine/ConsoleHost_history.txt",
    ".python_history",
    ".node_repl_history",
    ".irb_history",
    ".psql_history",
    ".mysql_history",
    ".mariadb_history",
    ".sqlite_history",
    ".rediscli_history",
    ".mongorc.js",
    ".lesshst",
    ".wget-hsts",
    ".viminfo",
    ".netrc",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pypirc",
    ".git-credentials",
    ".gitconfig",
    ".curlrc",
    ".wgetrc",
    ".aws/credentials",
    ".aws/config",
    ".docker/config.json",
    ".cargo/credentials.toml",
    ".pgpass",
    ".kube/config",
    ".cache/huggingface/token",
    ".codex/auth.json",
    ".claude.json",
    ".claude/.credentials.json",
    ".claude/settings.json",
    ".huggingface/token",
    ".terraform.d/credentials.tfrc.json",
    ".terraformrc",
    ".m2/settings.xml",
    ".gem/credentials",
    ".composer/auth.json",
    ".cargo/credentials",
    ".gradle/gradle.properties",
    ".s3cfg",
    ".boto",
    ".my.cnf",
    ".pip/pip.conf",
    ".Renviron",
    ".continue/config.json",
    ".local/state/bash_history",
    ".local/share/nushell/history.txt",
    ".profile",
    ".bash_profile",
    ".bashrc",
    ".bash_aliases",
    ".zshrc",
    ".zprofile",
    ".zshenv",
];

/// Scans; the exit code is 1 where something was found.
pub fn run(args: &ScanArgs, context: &Context) -> Result<u8> {
    let definitions = definitions(context)?;
    let scanner = Scanner::new(&definitions);
    let report = scan(&scanner, args, context)?;
    for warning in &report.warnings {
        context.output.warn(warning);
    }
    let any = !report.findings.is_empty();
    let imported = (args.import && any).then(|| Taken::of(&report, &definitions, context));
    let (known, taken, failed) = match imported {
        Some(Ok((known, taken))) => (known, Some(taken), None),
        // What was found is told all the same.
        Some(Err(error)) => (None, None, Some(error)),
        None => {
            let known = any.then(|| Known::silently(context)).flatten();
            (known, args.import.then(Taken::default), None)
        }
    };
    let printed = Printed {
        report: &report,
        known: known.as_ref(),
        taken: taken.as_ref(),
    };
    let form = if context.output.json {
        Form::Json
    } else {
        Form::Text
    };
    match args.format.unwrap_or(form) {
        Form::Text => printed.text(context)?,
        Form::Json => printed.json()?,
        Form::Sarif => sarif::print(&report, &definitions)?,
    }
    if let Some(error) = failed {
        return Err(error);
    }
    if !any && report.unreadable > 0 {
        // No keys in what could be read is not the same as no keys.
        let what = counted(report.unreadable, "file or folder");
        return Err(
            Error::new(Kind::Failed, format!("{what} could not be looked at"))
                .with_hint("Scan as somebody who may read it, or leave it out."),
        );
    }
    Ok(u8::from(any))
}

/// Every definition that can be used; a broken one blocks only itself.
fn definitions(context: &Context) -> Result<Vec<Definition>> {
    let mut usable = Vec::new();
    for entry in context.catalog()?.all()? {
        match entry.definition {
            Ok(definition) => usable.push(definition),
            Err(error) => context.output.warn(&error.to_string()),
        }
    }
    Ok(usable)
}

fn scan(scanner: &Scanner, args: &ScanArgs, context: &Context) -> Result<Report> {
    let dash = Path::new("-");
    let mut options = Options {
        paths: args
            .paths
            .iter()
            .filter(|path| *path != dash)
            .cloned()
            .collect(),
        no_ignore: args.no_ignore,
        threads: args.threads.unwrap_or(0).into(),
        ..Options::default()
    };
    if args.home {
        add_home(&mut options, context)?;
    } else if args.paths.is_empty() {
        options.paths.push(PathBuf::from("."));
    }
    let mut report = scanner.scan(&options)?;
    if args.paths.iter().any(|path| path == dash) {
        if context.passphrase_descriptors().contains(&0) {
            let message = "Standard input cannot be both the passphrase and what is scanned";
            return Err(Error::new(Kind::Usage, message)
                .with_hint("Give the passphrase elsewhere: --passphrase-file PATH"));
        }
        let read = scanner.scan_stream(dash, &mut Stdin).map_err(|error| {
            Error::new(Kind::Failed, "Cannot read standard input")
                .with_source(error)
                .with_hint("Give it a file or a pipe: git log -p | vault scan -")
        })?;
        report.join(read);
    }
    Ok(report)
}

/// Standard input, past the library's own buffer, which is not wiped.
struct Stdin;

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut *buffer) {
                // Somebody made it one that does not wait; we do.
                Err(rustix::io::Errno::AGAIN) => {
                    let stdin = rustix::stdio::stdin();
                    poll(&mut [PollFd::from_borrowed_fd(stdin, PollFlags::IN)], None)?;
                }
                read => return Ok(read?),
            }
        }
    }
}

fn add_home(options: &mut Options, context: &Context) -> Result<()> {
    let folders = BaseDirs::new().ok_or_else(|| {
        Error::new(Kind::Failed, "There is no home folder to look at")
            .with_hint("Name what is to be looked at: vault scan PATH")
    })?;
    let home = folders.home_dir();
    if let Err(error) = std::fs::read_dir(home) {
        let message = format!("Cannot look at the home folder {}", home.display());
        return Err(Error::new(Kind::Failed, message)
            .with_source(error)
            .with_hint("Name what is to be looked at: vault scan PATH"));
    }
    options
        .if_there
        .extend(HOME_FILES.map(|file| home.join(file)));
    options.environment_files_of.push(home.to_owned());
    let config = context.environment.config_home.clone();
    let config = config
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| home.join(".config"));
    options.if_there.push(config);
    Ok(())
}
