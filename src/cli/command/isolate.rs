//! The hidden command behind `run --isolate`, and what an isolated program is
//! not to find.

use std::ffi::OsString;

use crate::cli::output::{ColorChoice, Output};
use crate::error::{Error, Kind};
use crate::process::{Inherited, isolate};

/// The stage of an isolated program, if this process was started as that. It
/// is asked for before the environment is looked at, which is the program's.
pub fn stage(arguments: &[OsString], inherited: &std::io::Result<Inherited>) -> Option<u8> {
    let rest = match arguments {
        [_, command, rest @ ..] if command == isolate::COMMAND => rest,
        _ => return None,
    };
    let ended = match inherited {
        Ok(inherited) => isolate::stage(rest, inherited),
        Err(error) => Err(Error::new(Kind::Failed, error.to_string())),
    };
    Some(ended.unwrap_or_else(|error| {
        Output::new(false, false, ColorChoice::Never, true).error(&error);
        error.kind().exit_code()
    }))
}
