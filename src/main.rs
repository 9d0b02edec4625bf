//! The binary: turns a result into an exit code, and nothing else.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: vault::process::WipingAllocator = vault::process::WipingAllocator;

fn main() -> ExitCode {
    ExitCode::from(vault::cli::main())
}
