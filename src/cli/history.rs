//! `cointag history`: the past prices that were fetched so far, out and in.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Global, fail};
use crate::market::history::{self, TransferError};

/// Options of `history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cointag history export > past.jsonl                       everything fetched so far, one price a line
  cointag --state-dir other history import past.jsonl       what one machine fetched another need not

A running `cointag serve` holds the store of its state directory: stop it first, or name another --state-dir.")]
pub(super) struct HistoryArgs {
    #[command(subcommand)]
    command: HistoryCommand,
}

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    /// Write every past price as JSON Lines
    Export {
        /// Write to FILE instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Take in what `export` wrote; a price that is known stays as it is
    Import {
        /// The file, or - for standard input
        file: PathBuf,
    },
}

pub(super) fn run(global: &Global, args: &HistoryArgs) -> ExitCode {
    let config = match global.load_and_log(&[], "warn") {
        Ok(config) => config,
        Err(error) => return fail(error),
    };
    let Some(state_dir) = config.state_dir else {
        return fail("there is no state directory; name one with --state-dir");
    };
    let done = match &args.command {
        HistoryCommand::Export { output } => export(&state_dir, output.as_deref()),
        HistoryCommand::Import { file } => import(&state_dir, file),
    };
    match done {
        Ok(said) => {
            // On stderr: stdout may be the export.
            use io::Write as _;
            let _ = writeln!(anstream::stderr(), "{said}");
            ExitCode::SUCCESS
        }
        Err(TransferError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

fn export(state_dir: &Path, output: Option<&Path>) -> Result<String, TransferError> {
    let done = match output {
        Some(path) => history::export(state_dir, &mut BufWriter::new(File::create(path)?))?,
        None => history::export(state_dir, &mut BufWriter::new(io::stdout().lock()))?,
    };
    Ok(format!("{} rows written", done.lines))
}

fn import(state_dir: &Path, file: &Path) -> Result<String, TransferError> {
    let done = if file == Path::new("-") {
        history::import(state_dir, &mut io::stdin().lock())?
    } else {
        history::import(state_dir, &mut BufReader::new(File::open(file)?))?
    };
    Ok(format!("{} rows read, {} of them new", done.lines, done.new))
}
