//! Reads inputs one after another and cuts them into blocks; parses blocks into articles.
//!
//! Owns the input formats. Cutting is done by one thread and touches as little as it can; parsing is done by the
//! workers. An input that cannot be read yields an error in its place, and the reading goes on with the next.

mod csv;
mod jsonl;
mod lines;
mod pages;
mod parquet;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ArchiveError;
use super::block::{Block, Data, Page, Parsed, Position, bad, place, too_long};
use super::fields::Reading;
use super::output::{Columns, Wants};
use super::source::{Entry, Found, Inputs, Lost, Survey};

/// How records are written in an input. To add a format, write its file and its rows here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputFormat {
    /// One JSON object a line.
    JsonLines,
    /// One record a line, named by a first line; texts may hold line ends within quotes.
    Csv,
    /// Rows of a Parquet file.
    Parquet,
    /// The whole input is one HTML page.
    Html,
    /// The whole input is one plain text.
    Text,
}

impl InputFormat {
    /// The format that a file's extension tells.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "txt" | "md" | "text" => Some(Self::Text),
            _ => None,
        }
    }

    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Html => "html",
            Self::Text => "text",
        }
    }

    fn is_page(self) -> bool {
        matches!(self, Self::Html | Self::Text)
    }

    /// Whether both can be read in one run: what is set aside has one form, and columns are the same.
    pub(super) fn goes_with(self, other: Self) -> bool {
        self == other || self.is_page() && other.is_page()
    }
}

/// One format, with what is the same in all inputs of a run.
pub(super) trait Format: Send + Sync {
    /// The columns that its records have, for outputs whose columns are fixed.
    fn columns(&self) -> Columns;

    /// What stands before the first record that is set aside.
    fn reject_head(&self) -> &[u8] {
        b""
    }

    /// Begins to cut `entry` at `at`.
    fn open(&self, entry: &Entry, at: Position, read: Arc<AtomicU64>) -> io::Result<Box<dyn Cut>>;

    /// The records of a block, in order.
    fn parse<'b>(&self, block: &'b Block, reading: &Reading) -> Vec<Parsed<'b>>;

    /// How many records a block has, without parsing them.
    fn count(&self, block: &Block) -> usize;

    /// The record of a block at `index` as it is set aside, where it has no bytes of its own.
    fn raw(&self, _block: &Block, _index: usize) -> Vec<u8> {
        Vec::new()
    }
}

/// Cuts one input.
pub(super) trait Cut: Send {
    /// The next stretch; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Piece>>;
}

/// A stretch of one input.
pub(super) struct Piece {
    pub(super) data: Data,
    /// Lines or rows before it.
    pub(super) line: u64,
    /// Offset and lines after it; `None` in the midst of a record.
    pub(super) after: Option<(u64, u64)>,
}

/// What is read, once its first input has been looked into.
pub(super) struct Opened {
    pub(super) format: Box<dyn Format>,
    /// Standard input of which the beginning has been read.
    pub(super) stdin: Option<Box<dyn Cut>>,
}

/// Looks into the first input.
///
/// # Errors
/// The first input cannot be read.
pub(super) fn open(
    survey: &Survey,
    reading: &Reading,
    block_bytes: usize,
    wants: Wants,
) -> Result<Opened, ArchiveError> {
    let cannot_read = |entry: &Entry| {
        let path = entry.name.to_string();
        move |source| ArchiveError::Read { path, source }
    };
    let Some(first) = &survey.first else {
        return Ok(Opened { format: Box::new(pages::Pages), stdin: None });
    };
    let limits = lines::Limits { block: block_bytes, record: reading.max_bytes };
    let (format, stdin): (Box<dyn Format>, _) = match first.format {
        InputFormat::Html | InputFormat::Text => (Box::new(pages::Pages), None),
        InputFormat::Parquet => (Box::new(parquet::Parquet::new(first, reading, block_bytes, wants)?), None),
        InputFormat::JsonLines => {
            let (format, stdin) = jsonl::JsonLines::new(
                first,
                reading,
                limits,
                wants == Wants::Columns || wants == Wants::Arrays,
            )
            .map_err(cannot_read(first))?;
            (Box::new(format), stdin)
        }
        InputFormat::Csv => {
            let (format, stdin) = csv::Csv::new(first, reading, limits).map_err(cannot_read(first))?;
            (Box::new(format), stdin)
        }
    };
    Ok(Opened { format, stdin })
}

/// Reads all inputs one after another.
pub(super) struct Reader<'f> {
    format: &'f dyn Format,
    walk: Box<dyn Iterator<Item = Result<Found, Lost>> + Send>,
    stdin: Option<Box<dyn Cut>>,
    open: Option<(Arc<str>, Box<dyn Cut>)>,
    /// A page that did not fit into the last block.
    page: Option<Block>,
    at: Position,
    read: Arc<AtomicU64>,
    max_bytes: usize,
    block_bytes: usize,
}

/// Pages of one block at most.
const PAGES: usize = 64;

impl<'f> Reader<'f> {
    /// A reader of `inputs` from `at` on.
    pub(super) fn new(
        inputs: &Inputs,
        format: &'f dyn Format,
        stdin: Option<Box<dyn Cut>>,
        at: Position,
        max_bytes: usize,
        block_bytes: usize,
    ) -> Self {
        let mut walk = inputs.walk();
        let mut passed = 0;
        while passed < at.input {
            match walk.next() {
                Some(Ok(Found::LeftOut)) => {}
                Some(_) => passed += 1,
                None => break,
            }
        }
        Self { format, walk, stdin, open: None, page: None, at, read: Arc::default(), max_bytes, block_bytes }
    }

    /// The next block; `None` at the end of the last input.
    pub(super) fn next(&mut self) -> Option<Block> {
        loop {
            if let Some(page) = self.page.take() {
                return Some(page);
            }
            if let Some((name, cut)) = &mut self.open {
                let name = Arc::clone(name);
                match cut.next() {
                    Ok(Some(piece)) => {
                        let after = piece.after.map(|(offset, line)| Position { offset, line, ..self.at });
                        return Some(self.block(name, piece.line, piece.data, after));
                    }
                    Ok(None) => {
                        self.open = None;
                        self.next_input();
                    }
                    Err(error) => {
                        self.open = None;
                        return Some(self.unreadable(&name, &error));
                    }
                }
                continue;
            }
            let entry = match self.walk.next()? {
                Ok(Found::Entry(entry)) => entry,
                Ok(Found::LeftOut) => continue,
                Err((name, error)) => return Some(self.unreadable(&name, &error)),
            };
            if entry.format.is_page() {
                return Some(self.pages(entry));
            }
            let cut = match (&entry.path, self.stdin.take()) {
                (None, Some(cut)) => Ok(cut),
                (_, stdin) => {
                    self.stdin = stdin;
                    self.format.open(&entry, self.at, Arc::clone(&self.read))
                }
            };
            match cut {
                Ok(cut) => self.open = Some((entry.name, cut)),
                Err(error) => return Some(self.unreadable(&entry.name, &error)),
            }
        }
    }

    /// `first` and the pages after it that fit into one block.
    fn pages(&mut self, first: Entry) -> Block {
        let mut pages: Vec<Page> = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(entry) = next.take() {
            let page = pages::read(&entry, self.max_bytes, Arc::clone(&self.read));
            self.next_input();
            match page {
                Ok(page) if page.bytes.len() <= self.max_bytes => {
                    bytes += page.bytes.len();
                    pages.push(page);
                }
                other => {
                    // It ends the block, as an error of its own behind it.
                    let block = match other {
                        Ok(page) => {
                            let error = too_long(entry.name.to_string(), self.max_bytes);
                            let raw = if page.listed { pages::listed(&entry.name) } else { page.bytes };
                            self.set_aside(&entry.name, raw, error)
                        }
                        Err(error) => self.page_lost(&entry.name, &error),
                    };
                    if pages.is_empty() {
                        return block;
                    }
                    self.page = Some(block);
                    break;
                }
            }
            if pages.len() >= PAGES || bytes >= self.block_bytes {
                break;
            }
            loop {
                match self.walk.next() {
                    Some(Ok(Found::LeftOut)) => {}
                    Some(Ok(Found::Entry(entry))) => {
                        next = Some(entry);
                        break;
                    }
                    Some(Err((name, error))) => {
                        self.page = Some(self.unreadable(&name, &error));
                        break;
                    }
                    None => break,
                }
            }
        }
        let name = pages.first().map_or_else(|| Arc::from(""), |page| Arc::clone(&page.name));
        // A block behind this one stands for an input that is already counted.
        let after = if self.page.is_some() { None } else { Some(self.at) };
        self.block(name, 0, Data::Pages(pages), after)
    }

    fn next_input(&mut self) {
        self.at = Position { input: self.at.input + 1, ..Position::default() };
    }

    fn unreadable(&mut self, name: &str, error: &io::Error) -> Block {
        self.next_input();
        self.page_lost(name, error)
    }

    fn page_lost(&self, name: &str, error: &io::Error) -> Block {
        let error = bad(None, "unreadable", format!("cannot be read ({error})"), place(name, 0));
        self.set_aside(name, Vec::new(), error)
    }

    fn set_aside(&self, name: &str, raw: Vec<u8>, error: crate::annotate::ErrorRecord) -> Block {
        self.block(name.into(), 0, Data::SetAside(raw, Some(error)), Some(self.at))
    }

    fn block(&self, name: Arc<str>, line: u64, data: Data, after: Option<Position>) -> Block {
        Block {
            name,
            line,
            data,
            former: Vec::new(),
            number: 0,
            after,
            read: self.read.load(Ordering::Relaxed),
        }
    }
}
