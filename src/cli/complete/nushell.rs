//! Nushell, which the library does not know yet: it asks an external
//! completer and reads JSON.

use std::ffi::OsString;
use std::io::{Error, Write};
use std::path::Path;

use clap_complete::env::EnvCompleter;

/// The Nushell adapter.
pub struct Nushell;

impl EnvCompleter for Nushell {
    fn name(&self) -> &'static str {
        "nu"
    }

    fn is(&self, name: &str) -> bool {
        name == "nu" || name == "nushell"
    }

    fn write_registration(
        &self,
        variable: &str,
        _name: &str,
        binary: &str,
        completer: &str,
        buffer: &mut dyn Write,
    ) -> Result<(), Error> {
        // Whoever completes other commands goes on doing so.
        write!(
            buffer,
            "let vault_completer_before = ($env.config | get --optional completions.external.completer)\n\
             $env.config.completions.external.enable = true\n\
             $env.config.completions.external.completer = {{|spans|\n    \
                 if ($spans | first | path basename) == \"{binary}\" {{\n        \
                     with-env {{ {variable}: nu }} {{ ^{completer} -- ...$spans | from json }}\n    \
                 }} else if $vault_completer_before != null {{\n        \
                     do $vault_completer_before $spans\n    \
                 }}\n\
             }}\n"
        )
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        buffer: &mut dyn Write,
    ) -> Result<(), Error> {
        let last = words.len().saturating_sub(1);
        let found = clap_complete::engine::complete(command, words, last, folder)?;
        let list: Vec<_> = found
            .iter()
            .map(|candidate| {
                let help = candidate.get_help().map(ToString::to_string);
                serde_json::json!({
                    "value": candidate.get_value().to_string_lossy(),
                    "description": help.and_then(|help| help.lines().next().map(str::to_owned)),
                })
            })
            .collect();
        write!(buffer, "{}", serde_json::Value::from(list))
    }
}
