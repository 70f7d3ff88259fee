//! `cointag config print` and `cointag config check`.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Global, fail, print};
use crate::config::Loaded;
use crate::guard::Keys;
use crate::market::{Clock, Markets};
use crate::net::Tls;

/// Options of `config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cointag config print
  cointag --config cointag.toml config check && echo good

Flags win over the environment (COINTAG_GRPC__LISTEN), which wins over the file, which wins over defaults.")]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Every option as TOML, with where its value came from; secrets are masked
    Print,
    /// Exit 2 if `serve` would refuse the configuration, and say what to change
    Check,
}

pub(super) fn run(global: &Global, args: &ConfigArgs) -> ExitCode {
    let loaded = match global.load(&[]) {
        Ok(loaded) => loaded,
        Err(error) => return fail(error),
    };
    for warning in &loaded.warnings {
        super::warn(warning);
    }
    let text = match args.command {
        ConfigCommand::Print => loaded.print(),
        ConfigCommand::Check => match check(&loaded) {
            Ok(()) => "the configuration is good\n".to_owned(),
            Err(error) => return fail(error),
        },
    };
    print(&text).err().unwrap_or(ExitCode::SUCCESS)
}

/// Everything that `serve` would look at, short of taking the ports and calling a market.
fn check(loaded: &Loaded) -> Result<(), Box<dyn std::error::Error>> {
    let config = &loaded.config;
    config.check()?;
    Tls::load(&config.tls)?;
    config.auth.keys_file.as_deref().map(Keys::read).transpose()?;
    let catalog = config.catalog.load()?;
    Markets::new(catalog, &config.market, &config.quotes, config.state_dir.as_deref(), Clock::system())?;
    Ok(())
}
