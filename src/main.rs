//! The binary: turns a result into an exit code, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(vault::cli::main())
}
