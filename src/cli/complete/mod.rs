//! Names that complete by themselves: the shell asks this binary how a line
//! goes on. Asking costs nothing where nobody asks.
//!
//! What always holds: nothing is prompted, printed on standard error or
//! written; no secret is among the candidates; whatever goes wrong, there are
//! fewer candidates and no message.

mod names;
mod nushell;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use clap::CommandFactory;
use clap_complete::engine::ArgValueCandidates;
use clap_complete::env as known;
use clap_complete::env::EnvCompleter;

use super::args::Cli;
use super::context::Context;
use super::environment::Environment;
use super::global::Global;
use super::output;
use crate::process::Inherited;
use names::{Kind, Names};
use nushell::Nushell;

/// The variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";

/// A shell that can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// bash 4.4 or newer
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
    /// elvish
    Elvish,
    /// Nushell
    Nu,
}

impl Shell {
    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &known::Bash,
            Self::Zsh => &known::Zsh,
            Self::Fish => &known::Fish,
            Self::Powershell => &known::Powershell,
            Self::Elvish => &known::Elvish,
            Self::Nu => &Nushell,
        }
    }

    fn named(name: &OsStr) -> Option<Self> {
        let all: &[Self] = clap::ValueEnum::value_variants();
        let name = name.to_str()?;
        all.iter().copied().find(|shell| shell.completer().is(name))
    }

    /// What the shell has to read once.
    pub fn script(self) -> String {
        let mut script = Vec::new();
        self.completer()
            .write_registration(VARIABLE, "vault", "vault", "vault", &mut script)
            .expect("a buffer in memory takes every byte");
        let script = String::from_utf8_lossy(&script);
        let mut script: String = script
            .trim()
            .lines()
            .flat_map(|line| [line.trim_end(), "\n"])
            .collect();
        if self == Self::Zsh {
            // Found in a folder of `fpath`, the file is the body of `_vault`,
            // and its first call has to answer too.
            script.push_str("[[ ${funcstack[1]} == _vault ]] && _clap_dynamic_completer_vault\n");
        }
        script
    }
}

/// A shell's question.
pub struct Request {
    shell: Shell,
    words: Vec<OsString>,
}

impl Request {
    /// The question in a call of ours, if it is one: `vault -- WORDS…`.
    pub fn from(shell: &OsStr, arguments: &[OsString]) -> Option<Self> {
        let shell = Shell::named(shell)?;
        match arguments {
            [_] => Some(Self {
                shell,
                words: Vec::new(),
            }),
            [_, dashes, words @ ..] if dashes == "--" && !words.is_empty() => Some(Self {
                shell,
                words: words.to_owned(),
            }),
            _ => None,
        }
    }

    /// Answers it on standard output.
    pub fn give(self, environment: Environment, inherited: Inherited) {
        std::panic::set_hook(Box::new(|_| std::process::exit(0)));
        if self.words.is_empty() {
            let _ = output::print(&self.shell.script());
            return;
        }
        let mut global = Global::silent();
        global.file = value_of(&self.words, "--file").map(PathBuf::from);
        let identity = value_of(&self.words, "--identity");
        global.identity.extend(identity.map(PathBuf::from));
        let output = global.output(&environment);
        let context = Context::new(global, environment, output, inherited);
        let names = Arc::new(Names::new(context, &self.words));
        let mut command = offering(Cli::command(), &names);
        command.build();
        let mut answer = Vec::new();
        let folder = std::env::current_dir().ok();
        let completer = self.shell.completer();
        if completer
            .write_complete(&mut command, self.words, folder.as_deref(), &mut answer)
            .is_ok()
        {
            let _ = output::print(&String::from_utf8_lossy(&answer));
        }
    }
}

/// The value of an option among the words.
fn value_of<'a>(words: &'a [OsString], option: &str) -> Option<&'a str> {
    let mut words = words.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        if word == option {
            return words.next();
        }
        let joined = word
            .strip_prefix(option)
            .and_then(|rest| rest.strip_prefix('='));
        if joined.is_some() {
            return joined;
        }
    }
    None
}

/// The command with candidates wherever it takes names.
fn offering(command: clap::Command, names: &Arc<Names>) -> clap::Command {
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| match Kind::of(&name, arg.get_id().as_str()) {
        Some(kind) => {
            let names = Arc::clone(names);
            arg.add(ArgValueCandidates::new(move || names.candidates(kind)))
        }
        None => arg,
    });
    command.mut_subcommands(|inner| offering(inner, names))
}
