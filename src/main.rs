//! The `cointag` program: parse, run one command, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cointag::cli::main()
}
