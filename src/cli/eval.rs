//! `cointag eval`: how well detection does on labelled text.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Global, fail, print};
use crate::eval::{LabelledText, evaluate, read, table};
use crate::mention::Detector;

/// Options of `eval`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cointag eval data/labelled/test.jsonl
  cointag eval my-texts.jsonl --errors --format json

A line of labelled JSON Lines is {\"id\",\"title\",\"text\" or \"html\",\"published_at\",\"mentions\",\"optional\"}; a mention
is {\"token_id\",\"field\":\"title\" or \"text\",\"start\",\"end\"}, in Unicode code points.")]
pub(super) struct EvalArgs {
    /// Labelled JSON Lines
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Also list every text that is not exactly right: + is false, - is missed
    #[arg(long)]
    errors: bool,
    /// How many rows of what was taken for what
    #[arg(long, default_value_t = 20)]
    confusions: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

pub(super) fn run(global: &Global, args: &EvalArgs) -> ExitCode {
    match report(global, args) {
        Ok(text) => print(&text).err().unwrap_or(ExitCode::SUCCESS),
        Err(error) => fail(error),
    }
}

fn report(global: &Global, args: &EvalArgs) -> Result<String, String> {
    let config = global.load_and_log(&[], "warn").map_err(|error| error.to_string())?;
    let catalog = config.catalog.load().map_err(|error| error.to_string())?;
    let mut texts = Vec::new();
    for file in &args.files {
        texts.extend(labelled(file)?);
    }
    let report = evaluate(&Detector::new(catalog), &texts);
    match args.format {
        Format::Json => {
            serde_json::to_string_pretty(&report).map(|text| text + "\n").map_err(|e| e.to_string())
        }
        Format::Table => {
            let mut text = table(&report, args.confusions);
            if args.errors {
                for mistake in &report.mistakes {
                    let wrong = mistake.wrong.iter().map(|id| format!(" +{id}"));
                    let missed = mistake.missed.iter().map(|id| format!(" -{id}"));
                    text += &format!("{}{}\n", mistake.id, wrong.chain(missed).collect::<String>());
                }
            }
            Ok(text)
        }
    }
}

fn labelled(file: &Path) -> Result<Vec<LabelledText>, String> {
    let lines =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    read(&lines).map_err(|error| format!("{}: {error}", file.display()))
}
