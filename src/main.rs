//! The `cointag` program: parse, run one command, exit code.

use std::process::ExitCode;

/// Articles and answers are made of many small strings, and each call has its own: a tenth of the work of `serve` went
/// into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cointag::cli::main()
}
