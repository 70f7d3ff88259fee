//! `cointag tag`: words, files or stdin in, mentions out.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::{EXIT_PART, Global, complain, fail};
use crate::annotate::{Record, RecordError, annotate};
use crate::api::{self, price_at_publication, tokens};
use crate::archive::{
    Annotator, ArchiveError, Input, InputFormat, OutputFormat, Reader, Summary, Tagged, run as run_archive,
};
use crate::config::Config;
use crate::market::{Clock, Markets};
use crate::mention::{Ambiguity, Context, Detector, Document, Kind, OffsetUnit, Options};

/// How long prices are waited for before they are answered as unknown.
const QUOTES_WAIT: Duration = Duration::from_secs(3);

/// Articles whose past prices are fetched together: enough that only one call in many is not full.
const AHEAD: usize = 2000;

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
  cointag tag archive.jsonl -o tagged.jsonl            one record out per record in, in order
  cointag tag archive.jsonl --quotes published -o priced.jsonl     prices at each article's published_at
  zcat archive.jsonl.gz | cointag tag - --format table

A JSON Lines record is {\"id\",\"title\",\"text\" or \"html\",\"published_at\",\"lang\",...}; fields that are not text are
carried through. A record that cannot be read yields an error in its place, and its bytes go to OUTPUT.rejected.

Exit: 0 done, 1 done with records set aside, 2 could not do it.")]
pub(super) struct TagArgs {
    /// Words to read, or files, or - for standard input
    #[arg(required = true, value_name = "WORDS|FILE|-")]
    inputs: Vec<String>,
    /// Take the arguments as words, whatever they look like
    #[arg(long)]
    text: bool,
    /// Format of the input [default: by extension; jsonl for standard input]
    #[arg(long, value_enum, value_name = "FORMAT")]
    input_format: Option<InputFormatArg>,
    /// Format of the output [default: table for words, jsonl otherwise]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<OutputFormatArg>,
    /// Write to FILE; it appears under its name when it is whole
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Prices to attach; `published` fetches each past hour once ever [default: live for words, none otherwise]
    #[arg(long, value_enum, value_name = "WHICH")]
    quotes: Option<QuotesArg>,
    /// Currency of the prices: an ISO code, BTC or ETH
    #[arg(long, value_name = "CODE", default_value = "USD", value_parser = currency)]
    currency: String,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum QuotesArg {
    /// No prices
    None,
    /// The newest price known
    Live,
    /// The price when the article was published (its `published_at`)
    Published,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ContextArg {
    /// News about crypto: ambiguous tickers are believed sooner
    Crypto,
    /// Any text
    General,
}

pub(super) fn run(global: &Global, args: &TagArgs) -> ExitCode {
    match tag(global, args) {
        Ok(Summary { set_aside: 0, .. }) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(EXIT_PART),
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

#[derive(Debug, thiserror::Error)]
enum TagError {
    #[error("{0}")]
    Setup(String),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl TagError {
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Archive(ArchiveError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What is to be tagged.
enum Source {
    Words(String),
    Files(Vec<(Input, InputFormat)>),
}

fn tag(global: &Global, args: &TagArgs) -> Result<Summary, TagError> {
    let setup = |error: &dyn std::fmt::Display| TagError::Setup(error.to_string());
    let config = global.load_and_log(&[], "error").map_err(|error| setup(&error))?;
    let source = source(args).map_err(TagError::Setup)?;
    let words = matches!(source, Source::Words(_));
    let catalog = config.catalog.load().map_err(|error| setup(&error))?;
    let detector = Detector::new(catalog);
    let default_quotes = if words { QuotesArg::Live } else { QuotesArg::None };
    let quotes = match args.quotes.unwrap_or(default_quotes) {
        QuotesArg::None => None,
        QuotesArg::Live | QuotesArg::Published => {
            Some(LiveQuotes::start(&detector, &config, &args.currency).map_err(TagError::Setup)?)
        }
    };
    let published = args.quotes == Some(QuotesArg::Published);
    let default_format = if words { OutputFormatArg::Table } else { OutputFormatArg::Jsonl };
    let format = match args.format.unwrap_or(default_format) {
        OutputFormatArg::Table => OutputFormat::Table,
        OutputFormatArg::Jsonl => OutputFormat::JsonLines,
    };
    let (context, currency) = (args.context.into(), args.currency.clone());
    let local = Local { detector, options: options(args), context, quotes, published, currency };
    match source {
        Source::Words(words) => tag_words(&local, words, format),
        Source::Files(inputs) => tag_files(&local, inputs, format, args),
    }
}

fn tag_words(local: &Local, words: String, format: OutputFormat) -> Result<Summary, TagError> {
    let document = Document { title: words, context: local.context, ..Document::default() };
    if let Some(quotes) = &local.quotes {
        quotes.rates(&local.currency);
    }
    let mut record = local.record(&document);
    match &local.quotes {
        // Words have no time of publication; each price says so.
        Some(quotes) if !local.published => {
            quotes.wait(&local.detector, &record);
            record = local.record(&document);
        }
        _ => {}
    }
    let stdout = io::stdout();
    let colour = shows_colour(&stdout);
    let mut writer = format.writer(Box::new(stdout.lock()), colour);
    writer.record(&record, &Tagged::default()).and_then(|()| writer.finish()).map_err(ArchiveError::Write)?;
    let mentions = record.mentions.iter().map(|mention| u64::from(mention.count)).sum();
    Ok(Summary { tagged: 1, mentions, set_aside: 0 })
}

fn tag_files(
    local: &Local,
    inputs: Vec<(Input, InputFormat)>,
    format: OutputFormat,
    args: &TagArgs,
) -> Result<Summary, TagError> {
    if let Some(quotes) = &local.quotes {
        quotes.first_round();
        quotes.rates(&local.currency);
    }
    let progress = progress(&inputs, args.output.is_some());
    let mut reader = Reader::new(inputs, args.max_bytes);
    let mut tell = |summary: &Summary, bytes: u64| {
        progress.set_position(bytes);
        progress.set_message(format!("{} articles, {} set aside", summary.tagged, summary.set_aside));
    };
    let summary = match &args.output {
        Some(path) => {
            let output = Output::create(path)?;
            let file = output.file().map_err(ArchiveError::Write)?;
            let mut rejected = Rejected::new(path);
            let mut writer = format.writer(Box::new(BufWriter::new(file)), false);
            let summary = run_archive(&mut reader, local, &mut *writer, &mut rejected, &mut tell)?;
            drop(writer);
            output.finish()?;
            rejected.finish()?;
            summary
        }
        None => {
            let stdout = io::stdout();
            let colour = shows_colour(&stdout);
            let mut writer = format.writer(Box::new(BufWriter::new(stdout.lock())), colour);
            run_archive(&mut reader, local, &mut *writer, &mut io::sink(), &mut tell)?
        }
    };
    progress.finish_and_clear();
    if summary.set_aside > 0 {
        let at = match &args.output {
            Some(path) => format!("; their bytes are in {}", rejected_path(path).display()),
            None => "; with -o FILE their bytes are kept in FILE.rejected".to_owned(),
        };
        complain(format_args!(
            "{} of {} records set aside{at}",
            summary.set_aside,
            summary.set_aside + summary.tagged
        ));
    }
    Ok(summary)
}

/// Words if asked for, or if the only argument has white space and no file of that name exists.
fn source(args: &TagArgs) -> Result<Source, String> {
    let looks_like_words = |text: &String| text.contains(char::is_whitespace) && !Path::new(text).exists();
    if args.text || args.inputs.len() == 1 && looks_like_words(&args.inputs[0]) {
        return Ok(Source::Words(args.inputs.join(" ")));
    }
    let inputs = args.inputs.iter().map(|input| {
        let given = args.input_format.map(InputFormat::from);
        if input == "-" {
            return Ok((Input::Stdin, given.unwrap_or(InputFormat::JsonLines)));
        }
        let path = PathBuf::from(input);
        if !path.exists() {
            return Err(format!("no file `{input}`; to tag it as words, add --text"));
        }
        if path.is_dir() {
            return Err(format!("`{input}` is a folder; name the files in it"));
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let format = given.or_else(|| InputFormat::of_extension(extension)).ok_or_else(|| {
            format!("cannot tell the format of `{input}` by its extension; give --input-format jsonl, html or text")
        })?;
        Ok((Input::Path(path), format))
    });
    inputs.collect::<Result<_, _>>().map(Source::Files)
}

/// The detector of this process.
struct Local {
    detector: Detector,
    options: Options,
    context: Context,
    quotes: Option<LiveQuotes>,
    /// Prices are those of the time of publication.
    published: bool,
    currency: String,
}

impl Local {
    /// The caller knows of the archive what no record says.
    fn in_context<'a>(&self, document: &'a Document) -> Cow<'a, Document> {
        if self.context == document.context {
            return Cow::Borrowed(document);
        }
        Cow::Owned(Document { context: self.context, ..document.clone() })
    }

    fn record(&self, document: &Document) -> Record {
        let Some(quotes) = &self.quotes else {
            return annotate(&self.detector, document, &self.options, None);
        };
        let mut record = self.in_usd(quotes, document);
        for mention in &mut record.mentions {
            let convert = |quote| quotes.markets.rates().convert(quote, &self.currency);
            mention.quote = mention.quote.take().map(convert);
        }
        record
    }

    fn in_usd(&self, quotes: &LiveQuotes, document: &Document) -> Record {
        if self.published {
            let mut record = annotate(&self.detector, document, &self.options, None);
            let catalog = self.detector.catalog();
            price_at_publication(catalog, &quotes.markets, &mut record, document.published_at);
            return record;
        }
        let snapshot = quotes.markets.snapshot();
        annotate(&self.detector, document, &self.options, Some((&snapshot, quotes.markets.now())))
    }
}

impl Annotator for Local {
    fn ahead(&self) -> usize {
        if self.published { AHEAD } else { 1 }
    }

    /// Fetches the past prices of many articles in as few calls as their hours need.
    fn prepare(&self, documents: &[&Document]) {
        let (Some(quotes), true) = (&self.quotes, self.published) else { return };
        let catalog = self.detector.catalog();
        let mut asked = std::collections::BTreeSet::new();
        for document in documents {
            let Some(at) = document.published_at else { continue };
            let record = annotate(&self.detector, &self.in_context(document), &self.options, None);
            asked.extend(tokens(catalog, &record).into_iter().map(|token| (token, at)));
        }
        let asked: Vec<_> = asked.into_iter().collect();
        if !asked.is_empty() {
            quotes.runtime.block_on(quotes.markets.history().settle(&asked));
        }
    }

    fn annotate(&self, document: &Document) -> Result<Record, RecordError> {
        Ok(self.record(&self.in_context(document)))
    }
}

/// Markets asked from this process.
struct LiveQuotes {
    markets: Markets,
    runtime: tokio::runtime::Runtime,
    stop: CancellationToken,
}

impl LiveQuotes {
    fn start(detector: &Detector, config: &Config, currency: &str) -> Result<Self, String> {
        let runtime = super::runtime().map_err(|error| format!("cannot start threads: {error}"))?;
        let catalog = Arc::clone(detector.catalog());
        let state_dir = config.state_dir.as_deref();
        let stop = CancellationToken::new();
        let markets = runtime.block_on(async {
            let markets = Markets::new(catalog, &config.market, &config.quotes, state_dir, Clock::system())
                .map_err(|error| error.to_string())?;
            if currency != "USD" {
                markets.rates().want();
            }
            markets.spawn(stop.clone());
            Ok::<_, String>(markets)
        })?;
        Ok(Self { markets, runtime, stop })
    }

    /// Waits until the mentions of `record` are priced, or cannot be.
    fn wait(&self, detector: &Detector, record: &Record) {
        let ids = record.mentions.iter().filter_map(|mention| mention.token_id.as_deref());
        let tokens: Vec<_> = ids.filter_map(|id| detector.catalog().find(id)).collect();
        if !tokens.is_empty() {
            self.markets.want(&tokens);
            self.runtime.block_on(self.markets.wait_for(&tokens, QUOTES_WAIT));
        }
    }

    /// Waits for what a US dollar is in `currency`.
    fn rates(&self, currency: &str) {
        if currency != "USD" {
            self.runtime.block_on(self.markets.rates().wait_for(QUOTES_WAIT));
        }
    }

    /// Waits for the first round, so that a file does not begin without prices.
    fn first_round(&self) {
        let round = async { tokio::time::timeout(QUOTES_WAIT, self.markets.first_round()).await };
        // Past that time prices are answered as they stand.
        let _ = self.runtime.block_on(round);
    }
}

impl Drop for LiveQuotes {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An output that appears under its name only when it is whole.
struct Output {
    path: PathBuf,
    part: PathBuf,
}

impl Output {
    fn create(path: &Path) -> Result<Self, TagError> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        File::create(&part).map_err(|error| {
            TagError::Setup(format!("cannot write {}: {error}; choose another --output", part.display()))
        })?;
        Ok(Self { path: path.to_owned(), part })
    }

    fn file(&self) -> io::Result<File> {
        File::options().append(true).open(&self.part)
    }

    fn finish(&self) -> Result<(), ArchiveError> {
        Ok(std::fs::rename(&self.part, &self.path)?)
    }
}

/// The bytes of records set aside; the file is made with the first of them.
struct Rejected {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Rejected {
    fn new(output: &Path) -> Self {
        Self { path: rejected_path(output), file: None }
    }

    fn finish(mut self) -> Result<(), ArchiveError> {
        match &mut self.file {
            Some(file) => Ok(file.flush()?),
            // One of an earlier run would be taken for this one's.
            None => match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            },
        }
    }
}

impl Write for Rejected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufWriter::new(File::create(&self.path)?)),
        };
        file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

fn rejected_path(output: &Path) -> PathBuf {
    let mut path = output.as_os_str().to_owned();
    path.push(".rejected");
    PathBuf::from(path)
}

/// A bar over the bytes of the inputs, where the terminal is free for it.
fn progress(inputs: &[(Input, InputFormat)], to_file: bool) -> ProgressBar {
    let size = |input: &Input| match input {
        Input::Path(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
        Input::Stdin => None,
    };
    let total: Option<u64> = inputs.iter().map(|(input, _)| size(input)).sum();
    if !io::stderr().is_terminal() || !to_file && io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    let template = match total {
        Some(_) => "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}, {eta} left",
        None => "{spinner} {bytes} {bytes_per_sec} {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn shows_colour(output: &impl IsTerminal) -> bool {
    output.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn options(args: &TagArgs) -> Options {
    Options {
        min_confidence: args.min_confidence,
        ambiguity: args.ambiguity,
        offset_unit: args.offsets,
        explain: args.explain,
        kinds: args.kinds.clone(),
        max_mentions: 0,
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    let fraction: f64 = text.parse().map_err(|_| "write a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&fraction) { Ok(fraction) } else { Err("write a number from 0 to 1".to_owned()) }
}

impl From<InputFormatArg> for InputFormat {
    fn from(format: InputFormatArg) -> Self {
        match format {
            InputFormatArg::Jsonl => Self::JsonLines,
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

fn currency(text: &str) -> Result<String, String> {
    api::currency(Some(text), "currency").map_err(|error| error.message)
}
