//! One run over an archive: cut, parse, tag, encode, write, checkpoint.
//!
//! Owns the order of these steps and what a run must have in common with the one it goes on with.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::block::{Answered, Block, Data, Parsed, Position};
use super::checkpoint::{Checkpoint, INPUTS};
use super::compress::Compression;
use super::fields::Reading;
use super::files::{Destination, Files, put_in_place};
use super::input::{self, Format, Opened, Reader};
use super::output::{Batch, Encoded, Encoder, OutputFormat};
use super::source::{Inputs, Survey};
use super::tally::Tally;
use super::{Annotator, ArchiveError, pipeline};
use crate::annotate::{ErrorRecord, Record, RecordError};
use crate::mention::{Field, OffsetUnit, Place};

/// What to do.
pub struct Job<'a> {
    /// What to read.
    pub inputs: Inputs,
    /// How to read it.
    pub reading: Reading,
    /// How to write it.
    pub format: OutputFormat,
    /// Whether the output shows colours.
    pub colour: bool,
    /// Who tags.
    pub annotator: &'a dyn Annotator,
    /// The unit in which the annotator counts spans.
    pub offset_unit: OffsetUnit,
    /// What decides the output beside what is above, named as a person knows it: versions and options. A run with
    /// other values is not gone on with.
    pub identity: Vec<(String, String)>,
    /// Go on with the run that was writing the same output, if there is one.
    pub resume: bool,
    /// Speed and memory.
    pub tuning: Tuning,
}

/// Speed and memory. None of it changes the output, but for `block_bytes`, which decides where compressed outputs
/// are cut into members and frames.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Threads that tag.
    pub jobs: usize,
    /// Input of about so many bytes travels together.
    pub block_bytes: usize,
    /// How often a checkpoint is written.
    pub checkpoint_every: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            block_bytes: 256 << 10,
            checkpoint_every: Duration::from_millis(500),
        }
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'t> {
    /// Bytes of input read in this run, as they lie on the disk.
    pub read: u64,
    /// All there are; `None`: not known.
    pub total: Option<u64>,
    /// What was found, earlier runs included.
    pub tally: &'t Tally,
}

/// Does `job`. `watch` is called after each block.
///
/// # Errors
/// [`ArchiveError`]; bad records and unreadable files among others are no errors, they are set aside.
pub fn run(
    mut job: Job<'_>,
    destination: Destination<'_>,
    watch: &mut dyn FnMut(&Progress<'_>),
) -> Result<Tally, ArchiveError> {
    let (path, stream) = match destination {
        Destination::File(path) => (Some(path), None),
        Destination::Stream(stream) => (None, Some(stream)),
    };
    if let Some(path) = &path {
        job.inputs.except.extend(Files::own(path));
    } else if job.resume || job.format.needs_file() {
        let what = if job.resume { "--resume" } else { "Parquet" };
        return Err(ArchiveError::Refused(format!("{what} needs a file to write; give --output FILE")));
    }
    let survey = job.inputs.survey()?;
    if job.resume && survey.bytes.is_none() {
        let why =
            "--resume reads the input from where it was, which standard input does not allow; name a file";
        return Err(ArchiveError::Refused(why.to_owned()));
    }
    let compression = path.as_deref().map_or(Compression::None, Compression::of_path);
    if job.format.needs_file() && compression != Compression::None {
        let why = "Parquet is compressed within; give --output FILE without .gz or .zst";
        return Err(ArchiveError::Refused(why.to_owned()));
    }
    let mut checkpoint = start(&job, path.as_deref(), &survey)?;
    if let (Some(path), Some(done)) = (&path, checkpoint.done) {
        put_in_place(path, &checkpoint, done)?;
        return Ok(checkpoint.tally);
    }
    checkpoint.tally.left_out = survey.left_out;
    let opened = input::open(&survey, &job.reading, job.tuning.block_bytes, job.format.wants())?;
    let sink = match (path, stream) {
        (Some(path), _) if checkpoint.position == Position::default() => Sink::Files(Files::start(&path)?),
        (Some(path), _) => Sink::Files(Files::resume(&path, &checkpoint)?),
        (None, Some(stream)) => Sink::Stream(stream),
        (None, None) => return Ok(checkpoint.tally),
    };
    Writing { checkpoint, sink, compression, total: survey.bytes }.run(&job, opened, watch)
}

/// The checkpoint to go on from, or one of a run that has not begun.
fn start(job: &Job<'_>, path: Option<&Path>, survey: &Survey) -> Result<Checkpoint, ArchiveError> {
    let reading = &job.reading;
    let mut identity = vec![
        (INPUTS.to_owned(), survey.stamp.clone()),
        ("the version of cointag".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("--format".to_owned(), format!("{:?}", job.format)),
        ("--input-format".to_owned(), format!("{:?}", job.inputs.format)),
        ("--map".to_owned(), format!("{:?}", reading.fields)),
        ("--html".to_owned(), format!("{:?}", reading.region)),
        ("--max-bytes".to_owned(), reading.max_bytes.to_string()),
        ("the size of blocks".to_owned(), job.tuning.block_bytes.to_string()),
    ];
    identity.extend(job.identity.iter().cloned());
    let found = match path.filter(|_| job.resume) {
        Some(path) => Checkpoint::load(&Files::checkpoint_path(path))?,
        None => None,
    };
    match found {
        Some(checkpoint) => checkpoint.check(&identity).map(|()| checkpoint),
        None => Ok(Checkpoint::new(identity, Tally::new(job.format == OutputFormat::Html))),
    }
}

enum Sink<'w> {
    Files(Files),
    Stream(Box<dyn std::io::Write + 'w>),
}

impl Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        match self {
            Self::Files(files) => files.write(bytes),
            Self::Stream(stream) => stream.write_all(bytes).map_err(ArchiveError::write("-")),
        }
    }
}

/// A block as it leaves a worker.
struct Done {
    encoded: Encoded,
    rejects: Vec<u8>,
    tally: Tally,
    after: Option<Position>,
    read: u64,
}

/// The writing end of a run.
struct Writing<'w> {
    checkpoint: Checkpoint,
    sink: Sink<'w>,
    compression: Compression,
    total: Option<u64>,
}

impl Writing<'_> {
    fn run(
        mut self,
        job: &Job<'_>,
        opened: Opened,
        watch: &mut dyn FnMut(&Progress<'_>),
    ) -> Result<Tally, ArchiveError> {
        let output = || ArchiveError::write("the output");
        let tuning = job.tuning;
        let Opened { format, stdin } = opened;
        let format = &*format;
        let encoder = job.format.encoder(format.columns(), job.colour).map_err(output())?;
        let encoder = &*encoder;
        let mut gather = encoder.gather();
        let at = self.checkpoint.position;
        let begins = at == Position::default();
        if begins {
            let head = encoder.head().and_then(|head| self.compression.pack(head)).map_err(output())?;
            self.sink.write(&head)?;
        }
        let limit = job.reading.max_bytes;
        let mut reader = Reader::new(&job.inputs, format, stdin, at, limit, tuning.block_bytes);
        let compression = self.compression;
        let mut saved = Instant::now();
        pipeline::run(
            tuning.jobs,
            tuning.jobs.max(1) * 4 * tuning.block_bytes,
            || {
                let block = reader.next()?;
                let size = block.data.size();
                Some((block, size))
            },
            |number, block: Block| work(job, format, encoder, compression, &block, begins && number == 0),
            |done: Result<Done, ArchiveError>| {
                let done = done?;
                let bytes = gather.push(done.encoded).map_err(output())?;
                self.sink.write(&bytes)?;
                if let Sink::Files(files) = &mut self.sink {
                    files.reject(format.reject_head(), &done.rejects)?;
                }
                self.checkpoint.tally.add(done.tally);
                watch(&Progress { read: done.read, total: self.total, tally: &self.checkpoint.tally });
                if let (Sink::Files(files), Some(after)) = (&self.sink, done.after)
                    && gather.is_empty()
                    && saved.elapsed() >= tuning.checkpoint_every
                {
                    self.checkpoint.position = after;
                    files.checkpoint(&mut self.checkpoint)?;
                    saved = Instant::now();
                }
                Ok::<_, ArchiveError>(())
            },
        )?;
        let left = gather.finish().map_err(output())?;
        self.sink.write(&left)?;
        let tail = encoder.tail(&self.checkpoint.tally).and_then(|tail| compression.pack(tail));
        self.sink.write(&tail.map_err(output())?)?;
        match self.sink {
            Sink::Files(files) => files.finish(&*gather, &mut self.checkpoint)?,
            Sink::Stream(mut stream) => stream.flush().map_err(ArchiveError::write("-"))?,
        }
        Ok(self.checkpoint.tally)
    }
}

/// What a worker does with one block.
fn work(
    job: &Job<'_>,
    format: &dyn Format,
    encoder: &dyn Encoder,
    compression: Compression,
    block: &Block,
    first: bool,
) -> Result<Done, ArchiveError> {
    let mut tally = Tally::new(job.format == OutputFormat::Html);
    let mut rejects = Vec::new();
    let answered = match &block.data {
        Data::SetAside(bytes, error) => {
            rejects.extend(bytes);
            if error.is_some() {
                end_line(&mut rejects);
            }
            let lost = |error: &ErrorRecord| Answered { outcome: Err(error.clone()), carried: Vec::new() };
            error.iter().map(lost).collect()
        }
        _ => answer(job, format, block, &mut tally, &mut rejects)?,
    };
    for answered in &answered {
        if let Err(error) = &answered.outcome {
            tally.error(error);
        }
    }
    let rows = match &block.data {
        Data::Rows(rows) => Some(rows),
        _ => None,
    };
    let encoded = encoder.encode(&Batch { answered, rows, first });
    let encoded = encoded.and_then(|encoded| encoded.pack(compression));
    let encoded = encoded.map_err(ArchiveError::write("the output"))?;
    Ok(Done { encoded, rejects, tally, after: block.after, read: block.read })
}

fn answer<'b>(
    job: &Job<'_>,
    format: &dyn Format,
    block: &'b Block,
    tally: &mut Tally,
    rejects: &mut Vec<u8>,
) -> Result<Vec<Answered<'b>>, ArchiveError> {
    let parsed = format.parse(block, &job.reading);
    let mut documents = Vec::with_capacity(parsed.len());
    // What is left of each record once its document is on its way.
    let mut left = Vec::with_capacity(parsed.len());
    for Parsed { article, carried, raw, line } in parsed {
        let kept = article.map(|article| {
            let document = article.document;
            let kept = (document.id.clone(), document.published_at, article.before);
            documents.push(document);
            kept
        });
        left.push((kept, carried, raw, line));
    }
    let sent = documents.len();
    let mut answers = if sent == 0 { Vec::new() } else { job.annotator.annotate(documents)? }.into_iter();
    if answers.len() != sent {
        let why = format!("{} answers to {sent} articles: the annotator is at fault", answers.len());
        return Err(ArchiveError::Annotator(why));
    }
    let mut answered = Vec::with_capacity(left.len());
    for (index, (kept, carried, raw, line)) in left.into_iter().enumerate() {
        let outcome = kept.and_then(|(id, published_at, before)| match answers.next() {
            Some(Ok(mut record)) => {
                shift(&mut record, &before, job.offset_unit);
                tally.record(&record, published_at);
                Ok(record)
            }
            Some(Err(error)) => {
                let name = if line == 0 { id.as_deref().unwrap_or(&block.name) } else { &block.name };
                let place =
                    if error.place.is_empty() { super::block::place(name, line) } else { error.place };
                Err(ErrorRecord { id, error: RecordError { place, ..error } })
            }
            None => {
                Err(super::block::bad(id, "internal", "was not answered".to_owned(), block.name.to_string()))
            }
        });
        if outcome.is_err() {
            match raw {
                Some(raw) => rejects.extend_from_slice(&raw),
                None => rejects.extend(format.raw(block, index)),
            }
            if !matches!(block.data, Data::Pages(_)) {
                end_line(rejects);
            }
        }
        answered.push(Answered { outcome, carried });
    }
    Ok(answered)
}

/// What is set aside next begins a line of its own.
fn end_line(bytes: &mut Vec<u8>) {
    if bytes.last().is_some_and(|byte| *byte != b'\n') {
        bytes.push(b'\n');
    }
}

/// Moves every span of the body behind `before`, so that it points into the whole page.
fn shift(record: &mut Record, before: &str, unit: OffsetUnit) {
    if before.is_empty() {
        return;
    }
    let units = match unit {
        OffsetUnit::Bytes => before.len(),
        OffsetUnit::Codepoints => before.chars().count(),
        OffsetUnit::Utf16 => before.chars().map(char::len_utf16).sum(),
    };
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    let mut shift = |place: &mut Place| {
        if place.field == Field::Body {
            place.start = place.start.saturating_add(units);
            place.end = place.end.saturating_add(units);
        }
    };
    for span in record.mentions.iter_mut().flat_map(|mention| &mut mention.spans) {
        shift(&mut span.place);
    }
    record.ambiguous.iter_mut().flat_map(|ambiguous| &mut ambiguous.spans).for_each(&mut shift);
    record.rejected.iter_mut().for_each(|rejected| shift(&mut rejected.span));
}
