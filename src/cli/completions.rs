//! `cointag completions`.

use std::process::ExitCode;

use clap::{Args, CommandFactory};

use super::{Cli, print};

/// Options of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cointag completions bash > ~/.local/share/bash-completion/completions/cointag
  cointag completions zsh > ~/.zfunc/_cointag")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cointag", &mut script);
    print(&String::from_utf8_lossy(&script)).err().unwrap_or(ExitCode::SUCCESS)
}
