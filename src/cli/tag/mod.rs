//! `cointag tag`: words, files or stdin in, mentions out.
//!
//! Owns which of them it is and what the run ends with; options, tagging and reporting are files of their own.

mod before;
mod local;
mod options;
mod past;
mod remote;
mod report;

use std::io::{self, BufWriter, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{EXIT_PART, Global, complain, fail, warn};
use crate::annotate::Record;
use crate::archive::{
    Annotator, ArchiveError, Destination, Input, Inputs, Job, Previous, Tally, is_unfinished, rejected_path,
    run as run_archive, write_table,
};
use crate::mention::{Detector, Document};
use before::Before;
use local::{LiveQuotes, Local};
use options::QuotesArg;
pub(super) use options::TagArgs;
use remote::Remote;
use report::Report;

pub(super) fn run(global: &Global, args: &TagArgs) -> ExitCode {
    match tag(global, args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(EXIT_PART),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

fn is_closed_pipe(error: &ArchiveError) -> bool {
    matches!(error, ArchiveError::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}

fn refused(error: impl std::fmt::Display) -> ArchiveError {
    ArchiveError::Refused(error.to_string())
}

/// What is to be tagged.
enum Source {
    Words(String),
    Files(Inputs),
}

/// Gives how many records were set aside.
fn tag(global: &Global, args: &TagArgs) -> Result<u64, ArchiveError> {
    let config = global.load_and_log(&[], "error").map_err(refused)?;
    let source = source(args)?;
    let words = matches!(source, Source::Words(_));
    let quotes = args.quotes.unwrap_or(if words { QuotesArg::Live } else { QuotesArg::None });
    let (options, context) = (args.options(), args.context());
    if let Some(addr) = &args.server.server {
        let remote = Remote::connect(addr, args, &options, quotes)?;
        let versions = remote.client.versions();
        let (catalog, detector) = (versions.catalog.clone(), versions.detector.clone());
        return match source {
            Source::Words(words) => answer_words(args, |document| one(&remote, document), words),
            Source::Files(inputs) => {
                let way = Way { before: None, prepare: None, ahead: false };
                tag_files(&remote, (catalog, detector), &way, inputs, quotes, args)
            }
        };
    }
    if args.plan && (words || quotes != QuotesArg::Published) {
        return Err(refused("--plan tells what past prices cost; give files and --quotes published"));
    }
    let detector = Detector::new(config.catalog.load().map_err(refused)?);
    let live = match quotes {
        QuotesArg::None => None,
        QuotesArg::Live | QuotesArg::Published => {
            Some(LiveQuotes::start(&detector, &config, &args.currency, args.plan).map_err(refused)?)
        }
    };
    let versions = (detector.catalog().version().to_owned(), detector.version().to_owned());
    let (published, currency) = (quotes == QuotesArg::Published, args.currency.clone());
    // What is read twice can be looked through for prices first.
    let ahead = published && !args.inputs.iter().any(|input| input == "-");
    let local = Local { detector, options, context, quotes: live, published, ahead, currency };
    match source {
        Source::Words(words) => answer_words(args, |document| Ok(local.priced(&document)), words),
        Source::Files(inputs) => {
            if let (true, Some(quotes)) = (args.plan, &local.quotes) {
                return tell_plan(&local, quotes, &inputs, args);
            }
            local.prepare();
            let before = Before::new(args, quotes, local.detector.catalog())?;
            let to_terminal = to_terminal(args);
            let fetch = |quotes: &LiveQuotes| past::fetch(&local, quotes, &inputs, args, to_terminal);
            let prepare = || local.quotes.as_ref().filter(|_| ahead).map_or(Ok(()), fetch);
            let way = Way { before: before.as_ref(), prepare: Some(&prepare), ahead };
            tag_files(&local, versions, &way, inputs.clone(), quotes, args)
        }
    }
}

/// Whether the output itself goes to the terminal, and nothing may come between.
fn to_terminal(args: &TagArgs) -> bool {
    args.output.is_none() && io::stdout().is_terminal()
}

/// What `--plan` asks for.
fn tell_plan(
    local: &Local,
    quotes: &LiveQuotes,
    inputs: &Inputs,
    args: &TagArgs,
) -> Result<u64, ArchiveError> {
    let report = Report::new(args.quiet, false).of("looking for prices to fetch: ");
    let wanted = past::wanted(local, quotes, inputs, args, report)?;
    let text = past::text(&quotes.history().cost(&wanted));
    let written = io::stdout().lock().write_all(text.as_bytes());
    written.map_err(|source| ArchiveError::Write { path: PathBuf::from("-"), source })?;
    Ok(0)
}

/// How an archive is gone through.
struct Way<'w> {
    before: Option<&'w Before>,
    prepare: Option<&'w (dyn Fn() -> Result<(), ArchiveError> + Sync)>,
    /// What it asks of markets is known before the first record is read.
    ahead: bool,
}

fn one(remote: &Remote, document: Document) -> Result<Record, ArchiveError> {
    match remote.annotate(vec![document])?.pop() {
        Some(Ok(record)) => Ok(record),
        Some(Err(error)) => Err(refused(error.message)),
        None => Err(refused("the server gives no answer")),
    }
}

fn answer_words(
    args: &TagArgs,
    tag: impl FnOnce(Document) -> Result<Record, ArchiveError>,
    words: String,
) -> Result<u64, ArchiveError> {
    if args.output.is_some() || args.resume {
        return Err(refused("words are answered on standard output; leave out --output and --resume"));
    }
    let document = Document { title: words, context: args.context(), ..Document::default() };
    let record = tag(document)?;
    let stdout = io::stdout();
    let colour = shows_colour(&stdout);
    let mut out = stdout.lock();
    let written = match args.output_format(true) {
        crate::archive::OutputFormat::Table => write_table(&mut out, &record, colour),
        crate::archive::OutputFormat::JsonLines => serde_json::to_writer(&mut out, &record)
            .map_err(io::Error::from)
            .and_then(|()| out.write_all(b"\n")),
        _ => return Err(refused("words are answered as --format table or jsonl")),
    };
    let flushed = written.and_then(|()| out.flush());
    flushed.map_err(|source| ArchiveError::Write { path: PathBuf::from("-"), source })?;
    Ok(0)
}

fn tag_files(
    annotator: &dyn Annotator,
    (catalog, detector): (String, String),
    way: &Way<'_>,
    inputs: Inputs,
    quotes: QuotesArg,
    args: &TagArgs,
) -> Result<u64, ArchiveError> {
    let (stdout, before) = (io::stdout(), way.before);
    let mut identity =
        vec![("the catalog".to_owned(), catalog.clone()), ("the detector".to_owned(), detector.clone())];
    identity.extend(before.map(|before| ("--previous".to_owned(), before.output.display().to_string())));
    let may_touch = |document: &Document| before.is_none_or(|before| before.changes.may_touch(document));
    let previous = before.map(|before| Previous {
        output: before.output.clone(),
        catalog_before: before.catalog.clone(),
        catalog,
        detector,
        may_touch: &may_touch,
    });
    identity.extend(args.identity(quotes));
    let job = Job {
        inputs,
        reading: args.reading().map_err(ArchiveError::Refused)?,
        format: args.output_format(false),
        colour: args.output.is_none() && shows_colour(&stdout),
        annotator,
        offset_unit: args.options().offset_unit,
        identity,
        previous,
        fill: quotes == QuotesArg::Published,
        prepare: way.prepare,
        resume: args.resume,
        tuning: args.tuning(way.ahead),
    };
    if let Some(path) = args.output.as_deref().filter(|path| !args.resume && is_unfinished(path)) {
        warn(format_args!("{} was not finished; --resume would have gone on with it", path.display()));
    }
    let mut report = Report::new(args.quiet, to_terminal(args));
    let destination = match &args.output {
        Some(path) => Destination::File(path.clone()),
        None => Destination::Stream(Box::new(BufWriter::new(stdout.lock()))),
    };
    let tally = run_archive(job, destination, &mut |progress| report.tick(progress))?;
    report.finish(&tally);
    if tally.left_out > 0 {
        warn(format_args!(
            "{} files of folders were left out: their extensions tell no format; give --input-format",
            tally.left_out
        ));
    }
    tell_set_aside(&tally, args.output.as_deref());
    tell_pending(&tally, args.output.as_deref());
    Ok(tally.set_aside)
}

fn tell_pending(tally: &Tally, output: Option<&Path>) {
    if tally.pending == 0 {
        return;
    }
    let how = match output {
        Some(_) => "run the same again with --resume",
        None => "with -o FILE, --resume",
    };
    complain(format_args!(
        "prices of {} of {} records could not be had yet; {how} to fill them in",
        tally.pending,
        tally.records()
    ));
}

fn tell_set_aside(tally: &Tally, output: Option<&Path>) {
    if tally.set_aside == 0 {
        return;
    }
    let at = match output.map(rejected_path) {
        Some(path) if path.exists() => format!("; their bytes are in {}", path.display()),
        Some(_) => String::new(),
        None => "; with -o FILE their bytes are kept in FILE.rejected".to_owned(),
    };
    complain(format_args!("{} of {} records set aside{at}", tally.set_aside, tally.records()));
}

/// Words if asked for, or if the only argument has white space and no file of that name exists.
fn source(args: &TagArgs) -> Result<Source, ArchiveError> {
    let looks_like_words = |text: &String| text.contains(char::is_whitespace) && !Path::new(text).exists();
    if args.text || args.inputs.len() == 1 && looks_like_words(&args.inputs[0]) {
        return Ok(Source::Words(args.inputs.join(" ")));
    }
    let mut list: Vec<Input> = args
        .inputs
        .iter()
        .map(|input| if input == "-" { Input::Stdin } else { Input::Path(PathBuf::from(input)) })
        .collect();
    if let Some(path) = &args.files_from {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ArchiveError::Read { path: path.display().to_string(), source })?;
        list.extend(text.lines().filter(|line| !line.is_empty()).map(|line| Input::Path(line.into())));
    }
    Ok(Source::Files(Inputs { list, format: args.input_format(), except: Vec::new() }))
}

fn shows_colour(output: &impl IsTerminal) -> bool {
    output.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
