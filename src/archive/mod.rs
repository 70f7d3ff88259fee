//! Whole archives: read records, tag each on all cores, write one record out per record in, in input order.
//!
//! Owns formats, the pipeline, the checkpoint and what happens to bad records. Never knows who annotates: it is
//! handed an [`Annotator`], the local detector or another one.

mod block;
mod charset;
mod checkpoint;
mod compress;
mod fields;
mod files;
mod input;
mod instant;
mod output;
mod pipeline;
mod previous;
mod run;
mod source;
mod tally;
mod work;

use std::io;
use std::path::PathBuf;

pub use block::{Carried, Cell};
pub use compress::Compression;
pub use fields::{Fields, Reading, Region};
pub use files::{Destination, files_of_run, is_unfinished, rejected_path};
pub use input::InputFormat;
pub use output::{OutputFormat, box_line, price_text, write_table};
pub use previous::Previous;
pub use run::{Job, Progress, Tuning, run};
pub use source::{Input, Inputs};
pub use tally::{Tally, TokenCount, grouped};

use crate::annotate::{Record, RecordError};
use crate::mention::Document;

/// Tags documents. Called from several threads at once.
pub trait Annotator: Sync {
    /// One answer per document, in their order. What is wrong with one document alone is its answer.
    ///
    /// # Errors
    /// Nothing more can be tagged: the run ends.
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError>;
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// What was asked for cannot be done; the text names the option to change.
    #[error("{0}")]
    Refused(String),
    /// An input cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which one.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which file; `-` is standard output.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The annotator cannot go on.
    #[error("{0}")]
    Annotator(String),
}

impl ArchiveError {
    fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write { path, source }
    }
}
