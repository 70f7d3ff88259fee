//! Whole archives: read records, tag each, write one record out per record in, in input order.
//!
//! Owns reading, writing and what happens to bad records. Never knows who annotates: it is handed an
//! [`Annotator`], the local detector or another one.

mod input;
mod jsonl;
mod table;

use std::collections::VecDeque;
use std::io::{self, Write};

pub use input::{Input, InputFormat, Item, Reader, Tagged};
pub use jsonl::JsonLines;
pub use table::{Table, box_line, price_text};

use crate::annotate::{ErrorRecord, Record, RecordError};
use crate::mention::Document;

/// Documents that wait to be annotated take no more memory than about this.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

/// Tags one document.
pub trait Annotator {
    /// # Errors
    /// What was wrong with this document alone; the archive goes on.
    fn annotate(&self, document: &Document) -> Result<Record, RecordError>;

    /// How many documents [`Self::prepare`] wants to see at a time.
    fn ahead(&self) -> usize {
        1
    }

    /// Told of the documents that come next, before they are annotated: what they need can be fetched together.
    fn prepare(&self, _documents: &[&Document]) {}
}

/// Writes records in one output format. To add a format, write its file and its row in [`OutputFormat`].
pub trait RecordWriter {
    /// Writes the answer to one record.
    ///
    /// # Errors
    /// The output cannot be written.
    fn record(&mut self, record: &Record, tagged: &Tagged) -> io::Result<()>;

    /// Writes an error in the place of a record.
    ///
    /// # Errors
    /// The output cannot be written.
    fn error(&mut self, error: &ErrorRecord) -> io::Result<()>;

    /// Writes what stands at the end.
    ///
    /// # Errors
    /// The output cannot be written.
    fn finish(&mut self) -> io::Result<()>;
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// One JSON object a line.
    JsonLines,
}

impl OutputFormat {
    /// A writer of this format. `colour`: whether `output` shows colours.
    pub fn writer<'w>(self, output: Box<dyn Write + 'w>, colour: bool) -> Box<dyn RecordWriter + 'w> {
        match self {
            Self::Table => Box::new(Table::new(output, colour)),
            Self::JsonLines => Box::new(JsonLines::new(output)),
        }
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records tagged.
    pub tagged: u64,
    /// Mentions in them.
    pub mentions: u64,
    /// Records set aside.
    pub set_aside: u64,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// An input cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which one.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Tags everything that `reader` yields. The bytes of records that could not be tagged go to `rejected`.
/// `progress` is called after each record with the bytes of input read so far.
///
/// # Errors
/// [`ArchiveError`]; bad records are not errors.
pub fn run(
    reader: &mut Reader,
    annotator: &dyn Annotator,
    writer: &mut dyn RecordWriter,
    rejected: &mut dyn Write,
    progress: &mut dyn FnMut(&Summary, u64),
) -> Result<Summary, ArchiveError> {
    let mut summary = Summary::default();
    let mut ahead = VecDeque::new();
    loop {
        if ahead.is_empty() {
            let start = reader.bytes_read();
            while ahead.len() < annotator.ahead().max(1) && reader.bytes_read() - start < AHEAD_BYTES_MAX {
                let Some(item) = reader.next(rejected)? else { break };
                ahead.push_back((item, reader.bytes_read()));
            }
            annotator.prepare(&documents(&ahead));
        }
        let Some((item, bytes_read)) = ahead.pop_front() else { break };
        let failed = match item {
            Item::Record(tagged) => match annotator.annotate(&tagged.document) {
                Ok(record) => {
                    summary.tagged += 1;
                    summary.mentions +=
                        record.mentions.iter().map(|mention| u64::from(mention.count)).sum::<u64>();
                    writer.record(&record, &tagged)?;
                    None
                }
                Err(error) => {
                    rejected.write_all(&tagged.raw)?;
                    let place = if error.place.is_empty() { tagged.place } else { error.place };
                    Some(ErrorRecord { id: tagged.document.id, error: RecordError { place, ..error } })
                }
            },
            Item::Bad { error, raw } => {
                rejected.write_all(&raw)?;
                Some(error)
            }
        };
        if let Some(error) = failed {
            summary.set_aside += 1;
            writer.error(&error)?;
        }
        progress(&summary, bytes_read);
    }
    writer.finish()?;
    Ok(summary)
}

fn documents(ahead: &VecDeque<(Item, u64)>) -> Vec<&Document> {
    let mut documents = Vec::new();
    for (item, _) in ahead {
        if let Item::Record(tagged) = item {
            documents.push(&tagged.document);
        }
    }
    documents
}
