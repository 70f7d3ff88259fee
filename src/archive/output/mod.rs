//! Writes records: encoded by the workers, put together by the writer.
//!
//! Owns the output formats. Never decides what is written, nor where to.

mod columns;
mod csv;
mod html;
mod jsonl;
mod parquet;
mod table;

use std::fs::File;
use std::io::{self, Write};

use arrow_array::RecordBatch;

pub(super) use columns::{Column, ColumnKind, Columns};
pub(super) use jsonl::end_line;
pub use table::{box_line, price_text, write_table};

use super::block::Answered;
use super::compress::Compression;
use super::tally::Tally;

/// How records are written. To add a format, write its file and its rows here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// One JSON object a line.
    JsonLines,
    /// One record a line, named by a first line; mentions as JSON within a cell.
    Csv,
    /// Rows of a Parquet file, mentions as nested columns.
    Parquet,
    /// One page that tells what was found in the archive as a whole.
    Html,
}

/// How a format wants what is carried through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// By name, whatever names there are.
    Names,
    /// In columns that are fixed beforehand.
    Columns,
    /// As the arrays they came in, where they came in arrays.
    Arrays,
}

impl OutputFormat {
    /// The format that a file's extension tells.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            "html" | "htm" => Some(Self::Html),
            _ => None,
        }
    }

    pub(super) fn wants(self) -> Wants {
        match self {
            Self::Table | Self::JsonLines | Self::Html => Wants::Names,
            Self::Csv => Wants::Columns,
            Self::Parquet => Wants::Arrays,
        }
    }

    /// Whether the output is made from a spool once all is read; standard output is no place for that.
    pub fn needs_file(self) -> bool {
        self == Self::Parquet
    }

    /// An encoder of this format. `colour`: whether the output shows colours.
    pub(super) fn encoder(self, columns: Columns, colour: bool) -> io::Result<Box<dyn Encoder>> {
        Ok(match self {
            Self::Table => Box::new(table::Table::new(colour)),
            Self::JsonLines => Box::new(jsonl::JsonLines),
            Self::Csv => Box::new(csv::Csv::new(columns)),
            Self::Parquet => Box::new(parquet::Parquet::new(&columns)?),
            Self::Html => Box::new(html::Html),
        })
    }
}

/// The records of one block, as answered.
pub(super) struct Batch<'b> {
    pub(super) answered: Vec<Answered<'b>>,
    /// The rows they came from, one each, where they came in rows.
    pub(super) rows: Option<&'b RecordBatch>,
    /// Nothing stands before them in the output.
    pub(super) first: bool,
}

/// A block as a worker hands it to the writer.
#[derive(Debug)]
pub(super) enum Encoded {
    /// As it will stand in the output.
    Bytes(Vec<u8>),
    /// Rows to be gathered.
    Rows(Vec<RecordBatch>),
}

/// One output format.
pub(super) trait Encoder: Send + Sync {
    /// What stands before the first record.
    fn head(&self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// In a worker: the records of one block, at most 1,024 rows a batch.
    fn encode(&self, batch: &Batch<'_>) -> io::Result<Encoded>;

    /// What stands behind the last record.
    fn tail(&self, _: &Tally) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// What gathers encoded blocks; a format of bytes needs nothing but to append them.
    fn gather(&self) -> Box<dyn Gather> {
        Box::new(Append)
    }
}

/// In the writer: what becomes of encoded blocks.
pub(super) trait Gather {
    /// Takes one more block; gives what can be written now.
    fn push(&mut self, encoded: Encoded) -> io::Result<Vec<u8>>;

    /// Whether all that was pushed has been given: a run could go on from here.
    fn is_empty(&self) -> bool;

    /// Gives what is left.
    fn finish(&mut self) -> io::Result<Vec<u8>>;

    /// Makes the output of what was given, if it is not the output itself.
    fn assemble(&self, _spool: &mut File, _output: &mut (dyn Write + Send)) -> io::Result<bool> {
        Ok(false)
    }
}

/// Bytes, one block after another.
struct Append;

impl Gather for Append {
    fn push(&mut self, encoded: Encoded) -> io::Result<Vec<u8>> {
        match encoded {
            Encoded::Bytes(bytes) => Ok(bytes),
            Encoded::Rows(_) => Err(io::Error::other("rows where bytes belong")),
        }
    }

    fn is_empty(&self) -> bool {
        true
    }

    fn finish(&mut self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// A line of JSON Lines where a record belongs.
fn misplaced_line() -> io::Error {
    io::Error::other("a line where a record belongs")
}

impl Encoded {
    /// Compressed by itself, so that a run can go on behind it.
    pub(super) fn pack(self, compression: Compression) -> io::Result<Self> {
        match self {
            Self::Bytes(bytes) => compression.pack(bytes).map(Self::Bytes),
            rows => Ok(rows),
        }
    }
}
