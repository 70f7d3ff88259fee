//! The unit that travels through the pipeline: a stretch of one input, and the articles parsed from it.
//!
//! Owns the types. Never reads or writes.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::previous::KeptLine;
use crate::annotate::{ErrorRecord, Record, RecordError};
use crate::mention::Document;

/// Where reading goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Which input, counted from 0.
    pub(super) input: u64,
    /// How far into it: bytes of its decompressed text, or rows.
    pub(super) offset: u64,
    /// Lines before it.
    pub(super) line: u64,
}

/// A stretch of one input, as cut by the reader.
#[derive(Debug)]
pub(super) struct Block {
    /// Name of the input.
    pub(super) name: Arc<str>,
    /// Lines or rows before its first one.
    pub(super) line: u64,
    /// What was cut.
    pub(super) data: Data,
    /// The lines of an earlier output that answer its records.
    pub(super) former: Vec<u8>,
    /// Records before its first one.
    pub(super) number: u64,
    /// Where reading goes on; `None` in the midst of a record.
    pub(super) after: Option<Position>,
    /// Bytes of input files read so far, as they lie on the disk.
    pub(super) read: u64,
}

/// What a block holds.
#[derive(Debug)]
pub(super) enum Data {
    /// Whole lines or whole CSV records.
    Text(Vec<u8>),
    /// Whole pages.
    Pages(Vec<Page>),
    /// Rows of a table.
    Rows(RecordBatch),
    /// What cannot be read: bytes for the rejected file, and with the last of them the error that stands in
    /// the record's place.
    SetAside(Vec<u8>, Option<ErrorRecord>),
}

impl Data {
    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::SetAside(bytes, _) => bytes.len(),
            Self::Pages(pages) => pages.iter().map(|page| page.bytes.len()).sum(),
            Self::Rows(batch) => batch.get_array_memory_size(),
        }
    }
}

/// One file that is one article.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) name: Arc<str>,
    pub(super) html: bool,
    pub(super) bytes: Vec<u8>,
    /// What goes to the rejected file in its stead: the path of a file, for `--files-from`. `None`: its bytes.
    pub(super) listed: bool,
}

/// A value that is carried through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'b> {
    /// A text as it came.
    Text(Cow<'b, str>),
    /// A JSON value as it was written.
    Json(Cow<'b, str>),
}

/// Every field of a record that is no text of the article, in the order it came.
pub type Carried<'b> = Vec<(Cow<'b, str>, Cell<'b>)>;

/// A record as parsed.
#[derive(Debug)]
pub(super) struct Parsed<'b> {
    /// The article, or why there is none.
    pub(super) article: Result<Article, ErrorRecord>,
    /// What goes with it through the run.
    pub(super) carried: Carried<'b>,
    /// Its bytes, to set aside; `None`: to be had of [`super::input::Format::raw`].
    pub(super) raw: Option<Cow<'b, [u8]>>,
    /// Line or row, counted from 1; 0: the whole input.
    pub(super) line: u64,
}

/// An article to tag.
#[derive(Debug, Default)]
pub(super) struct Article {
    pub(super) document: Document,
    /// What stands in the page before the part that is tagged: spans of the body lie behind it.
    pub(super) before: String,
}

/// A record as answered: what the writers of formats see.
#[derive(Debug)]
pub(super) struct Answered<'b> {
    pub(super) outcome: Outcome<'b>,
    pub(super) carried: Carried<'b>,
}

/// What became of a record.
#[derive(Debug)]
pub(super) enum Outcome<'b> {
    Tagged(Record),
    /// It is written as an earlier run wrote it; only where the output is JSON Lines.
    Kept(KeptLine<'b>),
    SetAside(ErrorRecord),
}

/// The lines of `text`, each with its end.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b'\n', text).map(|at| at + 1);
    let last = (text.last().is_some_and(|byte| *byte != b'\n')).then_some(text.len());
    let mut from = 0;
    ends.chain(last).map(move |end| &text[std::mem::replace(&mut from, end)..end])
}

/// `FILE:LINE`, or the file alone.
pub(super) fn place(name: &str, line: u64) -> String {
    if line == 0 { name.to_owned() } else { format!("{name}:{line}") }
}

/// The error in a record's place.
pub(super) fn bad(id: Option<String>, code: &str, message: String, place: String) -> ErrorRecord {
    ErrorRecord { id, error: RecordError { code: code.to_owned(), message, place } }
}

/// The error of a record over the limit.
pub(super) fn too_long(place: String, max: usize) -> ErrorRecord {
    bad(None, "too_long", format!("longer than {max} bytes; raise --max-bytes"), place)
}

/// The error of bytes that are no text.
pub(super) fn not_utf8(id: Option<String>, error: std::str::Utf8Error, place: String) -> ErrorRecord {
    let message = format!("not UTF-8 from byte {} on; convert the input to UTF-8", error.valid_up_to());
    bad(id, "invalid_utf8", message, place)
}
