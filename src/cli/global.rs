//! The arguments that every command shares.

use std::path::PathBuf;

use clap::Args;

use super::environment::Environment;
use super::output::{ColorChoice, Output};

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
    /// What is in force where nothing was given, for who says nothing.
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
