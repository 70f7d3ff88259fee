//! One run over an archive: cut, parse, tag, encode, write, checkpoint.
//!
//! Owns the order of these steps and what a run must have in common with the one it goes on with.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::block::{Block, Data, Position};
use super::checkpoint::{Checkpoint, INPUTS};
use super::compress::Compression;
use super::fields::Reading;
use super::files::{Destination, Files, files_of_run, put_in_place};
use super::input::{self, Format, Opened, Reader};
use super::output::OutputFormat;
use super::previous::{Lines, Previous};
use super::source::{Inputs, Survey};
use super::tally::Tally;
use super::work::{Done, work};
use super::{Annotator, ArchiveError, pipeline};
use crate::mention::OffsetUnit;

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
    /// The output of an earlier run over the same input, to keep what has not changed.
    pub previous: Option<Previous<'a>>,
    /// What waits for a price is filled in by going on with the run, once the price can be had.
    pub fill: bool,
    /// Called when all is ready and before the first record is read.
    pub prepare: Option<&'a (dyn Fn() -> Result<(), ArchiveError> + Sync)>,
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
        job.inputs.except.extend(files_of_run(path));
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
        if checkpoint.tally.pending == 0 {
            return Ok(checkpoint.tally);
        }
        checkpoint = checkpoint.filling();
    }
    let lacked = checkpoint.tally.pending;
    let total = survey.bytes;
    let open = |mut checkpoint: Checkpoint, stream| -> Result<_, ArchiveError> {
        checkpoint.tally.left_out = survey.left_out;
        let opened = input::open(&survey, &job.reading, job.tuning.block_bytes, job.format.wants())?;
        let sink = match (&path, stream) {
            (Some(path), _) if checkpoint.position == Position::default() => {
                Sink::Files(Files::start(path, &checkpoint)?)
            }
            (Some(path), _) => Sink::Files(Files::resume(path, &checkpoint)?),
            (None, Some(stream)) => Sink::Stream(stream),
            (None, None) => Sink::Stream(Box::new(std::io::sink())),
        };
        Ok((Writing { checkpoint, sink, compression, total }, opened))
    };
    let (writing, opened) = open(checkpoint, stream)?;
    job.prepare.map_or(Ok(()), |prepare| prepare())?;
    let tally = writing.run(&job, opened, watch)?;
    // What an earlier run could not have yet is in its part of the output; it may be known by now.
    let again = path.as_deref().filter(|_| lacked > 0 && tally.pending > 0);
    match again.map(|path| Checkpoint::load(&Files::checkpoint_path(path))).transpose()?.flatten() {
        Some(checkpoint) => {
            let (writing, opened) = open(checkpoint, None)?;
            writing.run(&job, opened, watch)
        }
        None => Ok(tally),
    }
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
        let mut number = self.checkpoint.tally.records();
        let mut former = job.previous.as_ref().map(|previous| previous.open(number)).transpose()?;
        // What ends the cutting, for the writer to tell.
        let lost = Mutex::new(None);
        pipeline::run(
            tuning.jobs,
            tuning.jobs.max(1) * 4 * tuning.block_bytes,
            || {
                let mut beside = || pair(&mut reader, format, former.as_mut(), &mut number);
                let block = beside().unwrap_or_else(|error| {
                    *lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    None
                })?;
                let size = block.data.size() + block.former.len();
                Some((block, size))
            },
            |at, block: Block| work(job, format, encoder, compression, &block, begins && at == 0),
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
        if let Some(error) = lost.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
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

/// The next block, with what an earlier output has for its records.
fn pair(
    reader: &mut Reader<'_>,
    format: &dyn Format,
    former: Option<&mut Lines>,
    number: &mut u64,
) -> Result<Option<Block>, ArchiveError> {
    let block = reader.next();
    let Some(former) = former else { return Ok(block) };
    let Some(mut block) = block else { return former.end().map(|()| None) };
    let records = match &block.data {
        Data::SetAside(_, error) => usize::from(error.is_some()),
        _ => format.count(&block),
    };
    (block.former, block.number) = (former.take(records)?, *number);
    *number += records as u64;
    Ok(Some(block))
}
