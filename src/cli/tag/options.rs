//! The options of `cointag tag`, and what they mean to the archive and the detector.
//!
//! Owns their words and defaults. Never reads a file.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;

use super::remote::ServerArgs;
use crate::api;
use crate::archive::{Fields, InputFormat, OutputFormat, Reading, Region, Tuning};
use crate::mention::{Ambiguity, Context, Kind, OffsetUnit, Options};

/// Every kind, as in the record.
const KINDS: &[&str] = &[
    "token",
    "company",
    "exchange",
    "person",
    "unit",
    "collection",
    "agency",
    "product",
    "place",
    "longer_name",
    "term",
];

/// Options of `tag`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cointag tag 'Bitcoin slips as $ETH holds'            words, in single quotes (the shell eats $ETH otherwise)
  cointag tag article.html --explain                   one page, and why each candidate was or was not believed
  cointag tag archive.jsonl.gz -o tagged.jsonl.zst     one record out per record in, in order
  cointag tag archive.parquet -o tagged.parquet --resume      go on where a run was stopped, or start
  cointag tag news/ 'old/**/*.htm' -o report.html      what is mentioned in folders of pages, as one page
  cointag tag posts.csv --map text=body,published_at=date -o tagged.csv
  cointag tag archive.jsonl --previous old.jsonl --previous-catalog old.toml -o new.jsonl
  cointag tag archive.jsonl -o tagged.jsonl --server tagger.example:50051 --jobs 8
  cointag tag archive.jsonl --quotes published --plan              what prices at each published_at cost in calls
  cointag tag archive.jsonl --quotes published -o priced.jsonl --resume
  zcat archive.jsonl.gz | cointag tag - --format table

A JSON Lines record is {\"id\",\"title\",\"text\" or \"html\",\"published_at\",\"lang\",...}; CSV and Parquet have columns of
these names. Fields that are not text are carried through. A record that cannot be read yields an error in its place,
and its bytes go to OUTPUT.rejected, to be corrected and tagged by themselves (for pages: a list for --files-from).

Exit: 0 done, 1 done with records set aside, 2 could not do it.")]
pub(in crate::cli) struct TagArgs {
    /// Words to read, or files, folders, patterns, or - for standard input
    #[arg(required_unless_present = "files_from", value_name = "WORDS|FILE|-")]
    pub(super) inputs: Vec<String>,
    /// Take the arguments as words, whatever they look like
    #[arg(long)]
    pub(super) text: bool,
    /// Also read the files that FILE names, one a line
    #[arg(long, value_name = "FILE")]
    pub(super) files_from: Option<PathBuf>,
    /// Format of the input [default: by extension; jsonl for standard input]
    #[arg(long, value_enum, value_name = "FORMAT")]
    input_format: Option<InputFormatArg>,
    /// Names that fields have in the input, such as text=body,published_at=date
    #[arg(long, value_delimiter = ',', value_name = "OURS=THEIRS")]
    map: Vec<String>,
    /// Which part of a page is the article
    #[arg(long, value_enum, default_value_t = HtmlArg::Main)]
    html: HtmlArg,
    /// Format of the output [default: by the extension of --output; table for words, jsonl otherwise]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<OutputFormatArg>,
    /// Write to FILE; it appears under its name when it is whole. Compressed if it ends in .gz or .zst
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Go on with the run that was writing the same FILE, or fill in the prices that it could not have yet; start if
    /// there is none
    #[arg(long)]
    pub(super) resume: bool,
    /// Keep what a new catalog cannot change from the output of an earlier run over the same input, in JSON Lines and
    /// made with the same options
    #[arg(long, value_name = "FILE", requires = "previous_catalog", conflicts_with = "server")]
    pub(super) previous: Option<PathBuf>,
    /// The catalog of that run, from `catalog export`
    #[arg(long, value_name = "FILE", requires = "previous")]
    pub(super) previous_catalog: Option<PathBuf>,
    /// Threads that tag [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// No progress and no summary
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// Prices to attach [default: live for words, none otherwise]. `published` reads and tags files twice: first to
    /// learn which prices are needed, tell what they cost and fetch them, each once ever
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(super) quotes: Option<QuotesArg>,
    /// With --quotes published: tell what prices of the past are needed and what they cost in calls, by market, and do
    /// nothing else. Reads and tags everything once for that, as a run over files does before it asks for a price
    #[arg(long, conflicts_with_all = ["server", "previous", "output", "resume"])]
    pub(super) plan: bool,
    /// Currency of the prices: an ISO code, BTC or ETH
    #[arg(long, value_name = "CODE", default_value = "USD", value_parser = currency)]
    pub(super) currency: String,
    /// Also report what was not believed, and why
    #[arg(long)]
    explain: bool,
    /// Least confidence of a mention, 0 to 1 [default: the detector's]
    #[arg(long, value_name = "P", value_parser = fraction)]
    min_confidence: Option<f64>,
    /// What is known of the texts beforehand
    #[arg(long, value_enum, default_value_t = ContextArg::General)]
    context: ContextArg,
    /// What to do with a ticker that several assets hold: only list it, or also take the best or all of them
    #[arg(long, value_name = "WHAT", default_value = "drop", value_parser = word::<Ambiguity>(&["drop", "best", "all"]))]
    ambiguity: Ambiguity,
    /// Kinds to report, comma-separated
    #[arg(long, value_delimiter = ',', default_value = "token", value_parser = word::<Kind>(KINDS))]
    kinds: Vec<Kind>,
    /// Unit of the spans
    #[arg(long, value_name = "UNIT", default_value = "bytes", value_parser = word::<OffsetUnit>(&["bytes", "codepoints", "utf16"]))]
    offsets: OffsetUnit,
    /// Largest record; a larger one is set aside
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_bytes: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum InputFormatArg {
    /// One JSON object a line
    Jsonl,
    /// One record a line, named by the first line
    Csv,
    /// Rows of a Parquet file
    Parquet,
    /// A whole page
    Html,
    /// A whole text
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputFormatArg {
    /// For people
    Table,
    /// One JSON object a line
    Jsonl,
    /// One record a line, mentions as JSON in a cell
    Csv,
    /// Rows of a Parquet file, mentions as nested columns
    Parquet,
    /// A page about the archive as a whole
    Html,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum QuotesArg {
    /// No prices
    None,
    /// The newest price known
    Live,
    /// The price when the article was published (its `published_at`)
    Published,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HtmlArg {
    /// The first article or main element; the whole page if it has none
    Main,
    /// The whole page
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ContextArg {
    /// News about crypto: ambiguous tickers are believed sooner
    Crypto,
    /// Any text
    General,
}

impl TagArgs {
    /// How to answer.
    pub(super) fn options(&self) -> Options {
        Options {
            min_confidence: self.min_confidence,
            ambiguity: self.ambiguity,
            offset_unit: self.offsets,
            explain: self.explain,
            kinds: self.kinds.clone(),
            max_mentions: 0,
        }
    }

    /// What is known of the texts.
    pub(super) fn context(&self) -> Context {
        self.context.into()
    }

    /// How to read records.
    pub(super) fn reading(&self) -> Result<Reading, String> {
        let mut fields = Fields::default();
        self.map.iter().try_for_each(|pair| fields.map(pair)).map_err(|why| format!("--map: {why}"))?;
        Ok(Reading {
            fields,
            region: match self.html {
                HtmlArg::Main => Region::Main,
                HtmlArg::All => Region::All,
            },
            max_bytes: self.max_bytes,
            strict_published_at: self.quotes == Some(QuotesArg::Published),
        })
    }

    /// The format that was asked for.
    pub(super) fn input_format(&self) -> Option<InputFormat> {
        self.input_format.map(InputFormat::from)
    }

    /// The format of the output.
    pub(super) fn output_format(&self, words: bool) -> OutputFormat {
        let by_name = || {
            let name = self.output.as_ref()?.file_name()?.to_str()?;
            let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
            OutputFormat::of_extension(name.rsplit_once('.')?.1)
        };
        match self.format {
            Some(OutputFormatArg::Table) => OutputFormat::Table,
            Some(OutputFormatArg::Jsonl) => OutputFormat::JsonLines,
            Some(OutputFormatArg::Csv) => OutputFormat::Csv,
            Some(OutputFormatArg::Parquet) => OutputFormat::Parquet,
            Some(OutputFormatArg::Html) => OutputFormat::Html,
            None if words => OutputFormat::Table,
            None => by_name().unwrap_or(OutputFormat::JsonLines),
        }
    }

    /// Speed and memory. `ahead`: prices of the past are fetched before the first record is read.
    pub(super) fn tuning(&self, ahead: bool) -> Tuning {
        let mut tuning = Tuning::default();
        if let Some(jobs) = self.jobs {
            tuning.jobs = usize::from(jobs);
        }
        if self.quotes == Some(QuotesArg::Published) && !ahead {
            // Prices are fetched for a block together: enough articles that only one call in many is not full.
            tuning.block_bytes = 8 << 20;
        }
        tuning
    }

    /// What decides the answers, by the options' names.
    pub(super) fn identity(&self, quotes: QuotesArg) -> Vec<(String, String)> {
        let named = |name: &str, value: String| (name.to_owned(), value);
        vec![
            named("--quotes", format!("{quotes:?}")),
            named("--currency", self.currency.clone()),
            named("--explain", self.explain.to_string()),
            named("--min-confidence", format!("{:?}", self.min_confidence)),
            named("--context", format!("{:?}", self.context)),
            named("--ambiguity", format!("{:?}", self.ambiguity)),
            named("--kinds", format!("{:?}", self.kinds)),
            named("--offsets", format!("{:?}", self.offsets)),
        ]
    }
}

fn currency(text: &str) -> Result<String, String> {
    api::currency(Some(text), "currency").map_err(|error| error.message)
}

fn fraction(text: &str) -> Result<f64, String> {
    let fraction: f64 = text.parse().map_err(|_| "write a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&fraction) { Ok(fraction) } else { Err("write a number from 0 to 1".to_owned()) }
}

impl From<InputFormatArg> for InputFormat {
    fn from(format: InputFormatArg) -> Self {
        match format {
            InputFormatArg::Jsonl => Self::JsonLines,
            InputFormatArg::Csv => Self::Csv,
            InputFormatArg::Parquet => Self::Parquet,
            InputFormatArg::Html => Self::Html,
            InputFormatArg::Text => Self::Text,
        }
    }
}

impl From<ContextArg> for Context {
    fn from(context: ContextArg) -> Self {
        match context {
            ContextArg::Crypto => Self::CryptoNews,
            ContextArg::General => Self::General,
        }
    }
}

/// A word of an enum that is also a word of the record.
fn word<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| serde_json::from_value(serde_json::Value::String(word)))
}
