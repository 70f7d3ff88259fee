//! The command line: thin. Each command is one file that parses nothing, decides little and says its exit code.

mod catalog;
mod completions;
mod config;
mod eval;
mod health;
mod history;
mod quote;
mod serve;
mod sync;
mod tag;
mod watch;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::AnsiColor;
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError, Layers, Loaded};
use crate::telemetry;

/// Exit code: done in part.
pub(crate) const EXIT_PART: u8 = 1;
/// Exit code: could not do it.
pub(crate) const EXIT_FAILED: u8 = 2;

/// Finds crypto-token mentions in text and attaches each token's price.
#[derive(Debug, Parser)]
#[command(name = "cointag", version, max_term_width = 100, propagate_version = true)]
#[command(after_help = "\
Examples:
  cointag serve                        answer over gRPC and HTTP on this machine
  cointag tag 'Bitcoin slips'          the tokens that words mention, with their prices
  cointag tag archive.jsonl -o out.jsonl
  cointag quote BTC ethereum           what they are worth
  cointag config print                 every option, its value and where it came from

Every option can be set in a TOML file and in the environment: `[grpc] listen` is COINTAG_GRPC__LISTEN.")]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Configuration file [default: cointag/config.toml in the platform's configuration folder, if there]
    #[arg(long, global = true, value_name = "FILE", env = "COINTAG_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Catalog to use in place of the built-in one ([catalog] file)
    #[arg(long, global = true, value_name = "FILE")]
    catalog: Option<String>,
    /// Additions and changes to the catalog ([catalog] overlay)
    #[arg(long, global = true, value_name = "FILE")]
    overlay: Option<String>,
    /// Where learned facts are kept between runs
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<String>,
    /// Any option by its key, such as `quotes.fresh_for=5m`; may be given several times
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer over gRPC and HTTP until told to stop
    Serve(serve::ServeArgs),
    /// Find the tokens that words or files mention
    Tag(tag::TagArgs),
    /// Say what tokens are worth
    Quote(quote::QuoteArgs),
    /// Measure how well detection does on labelled text
    Eval(eval::EvalArgs),
    /// Look into the catalog of tokens
    Catalog(catalog::CatalogArgs),
    /// Past prices fetched so far: export, import
    History(history::HistoryArgs),
    /// Ask a running server whether it is serving
    Health(health::HealthArgs),
    /// Show or check the configuration
    Config(config::ConfigArgs),
    /// Write a completion script for a shell
    Completions(completions::CompletionsArgs),
}

/// Parses the process's arguments, runs the command and gives its exit code.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe here is as good as any other end.
            let _ = error.print();
            let asks_health = args.iter().skip(1).any(|arg| arg == "health");
            return match error.exit_code() {
                0 => ExitCode::SUCCESS,
                _ if asks_health => ExitCode::from(health::EXIT_ARGUMENTS),
                _ => ExitCode::from(EXIT_FAILED),
            };
        }
    };
    match cli.command {
        Command::Serve(args) => serve::run(&cli.global, &args),
        Command::Tag(args) => tag::run(&cli.global, &args),
        Command::Eval(args) => eval::run(&cli.global, &args),
        Command::Catalog(args) => catalog::run(&cli.global, &args),
        Command::Quote(args) => quote::run(&cli.global, &args),
        Command::History(args) => history::run(&cli.global, &args),
        Command::Health(args) => health::run(&cli.global, &args),
        Command::Config(args) => config::run(&cli.global, &args),
        Command::Completions(args) => completions::run(&args),
    }
}

impl Global {
    /// The configuration in force; `flags` are those of the command: name, key, value.
    pub(crate) fn load(&self, flags: &[(&str, &str, Option<String>)]) -> Result<Loaded, ConfigError> {
        let own = [
            ("--catalog", "catalog.file", self.catalog.clone()),
            ("--overlay", "catalog.overlay", self.overlay.clone()),
            ("--state-dir", "state_dir", self.state_dir.clone()),
        ];
        let flag = |(name, key, value): &(&str, &str, Option<String>)| {
            Some(((*name).to_owned(), (*key).to_owned(), value.clone()?))
        };
        let set = self.set.iter().map(|(key, value)| ("--set".to_owned(), key.clone(), value.clone()));
        let layers = Layers {
            platform: platform(),
            file: self.config.clone().or_else(platform_file),
            env: environment(),
            flags: own.iter().filter_map(flag).chain(flags.iter().filter_map(flag)).chain(set).collect(),
        };
        layers.load()
    }

    /// As [`Self::load`], for a command that then logs by it: warnings are told, values are checked.
    pub(crate) fn load_and_log(
        &self,
        flags: &[(&str, &str, Option<String>)],
        level: &str,
    ) -> Result<Config, ConfigError> {
        let Loaded { config, warnings, .. } = self.load(flags)?;
        config.check()?;
        telemetry::init(&config.log, level);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(config)
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as quotes.fresh_for=5m")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// A duration such as `2s` or `500ms`, as the configuration writes it.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed =
        text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| "write a duration such as 2s or 500ms".to_owned())
}

/// Only the part that may concern us, read once. A variable that is no Unicode is none of our keys' values.
fn environment() -> Vec<(String, String)> {
    let ours = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with("COINTAG_"))?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    ours.collect()
}

fn platform_file() -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let file = etcetera::choose_base_strategy().ok()?.config_dir().join("cointag").join("config.toml");
    file.is_file().then_some(file)
}

fn platform() -> Vec<(String, String)> {
    use etcetera::BaseStrategy as _;
    let dir = etcetera::choose_base_strategy().ok().and_then(|base| {
        // Windows has no folder for state; its local data folder is the nearest.
        let dir = base.state_dir().unwrap_or_else(|| base.data_dir()).join("cointag");
        dir.to_str().map(str::to_owned)
    });
    dir.map(|dir| ("state_dir".to_owned(), dir)).into_iter().collect()
}

/// Says on stderr why a command could not do its work.
pub(crate) fn fail(error: impl Display) -> ExitCode {
    complain(error);
    ExitCode::from(EXIT_FAILED)
}

/// One line on stderr about something that went wrong.
pub(crate) fn complain(error: impl Display) {
    tell(AnsiColor::Red, "error", error);
}

/// One line on stderr about something that was ignored.
pub(crate) fn warn(warning: impl Display) {
    tell(AnsiColor::Yellow, "warning", warning);
}

fn tell(colour: AnsiColor, word: &str, what: impl Display) {
    let style = colour.on_default().bold();
    // Nobody is left to tell if stderr is closed.
    let _ = writeln!(anstream::stderr(), "{style}{word}:{style:#} {what}");
}

/// Writes to stdout. A closed pipe (`cointag ... | head`) is a success.
pub(crate) fn print(text: &str) -> Result<(), ExitCode> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ExitCode::SUCCESS),
        Err(error) => Err(fail(format_args!("cannot write: {error}"))),
    }
}

/// The runtime of the commands that talk to the network.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
