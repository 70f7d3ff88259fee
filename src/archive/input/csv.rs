//! CSV in: a first record names the columns, every other one is an article.
//!
//! Owns its cutting and parsing. Cells are carried as they came, without their quotes.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use csv::{ByteRecord, ReaderBuilder};

use super::super::block::{Article, Block, Carried, Cell, Data, Parsed, Position, bad, place, too_long};
use super::super::fields::Reading;
use super::super::instant;
use super::super::output::{Column, ColumnKind, Columns};
use super::super::source::Entry;
use super::jsonl::no_instant;
use super::lines::{Cutter, Ends, Limits};
use super::{Cut, Format};
use crate::annotate::ErrorRecord;
use crate::mention::{ContentType, Document};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A first record is no longer than this.
const HEADER_MAX: usize = 1 << 20;

/// The format, with the header that all inputs of a run have.
pub(super) struct Csv {
    limits: Limits,
    header: Vec<String>,
    raw_header: Vec<u8>,
    columns: Columns,
}

impl Csv {
    /// Learns the columns from the header of `first`.
    pub(super) fn new(
        first: &Entry,
        reading: &Reading,
        limits: Limits,
    ) -> io::Result<(Self, Option<Box<dyn Cut>>)> {
        let (cutter, mut raw_header) = begin(first, limits, Arc::default())?;
        let header = header(&raw_header)?;
        if !raw_header.ends_with(b"\n") {
            raw_header.push(b'\n');
        }
        let own = |name: &&String| !reading.fields.is_text(name);
        let list = header
            .iter()
            .filter(own)
            .map(|name| Column { name: name.clone(), kind: ColumnKind::Text })
            .collect();
        let stdin: Option<Box<dyn Cut>> = if first.path.is_none() { Some(Box::new(cutter)) } else { None };
        Ok((Self { limits, header, raw_header, columns: Columns { list, other: false } }, stdin))
    }
}

/// A cutter that stands behind the header, and the header.
fn begin(entry: &Entry, limits: Limits, read: Arc<AtomicU64>) -> io::Result<(Cutter<Records>, Vec<u8>)> {
    let source = entry.open(read)?;
    let mut cutter = Cutter::new(source, Arc::clone(&entry.name), limits, Records::default(), (0, 0));
    if cutter.peek(BYTE_ORDER_MARK.len())? == BYTE_ORDER_MARK {
        cutter.pass(BYTE_ORDER_MARK.len());
    }
    let head = cutter.peek(HEADER_MAX)?;
    let mut end = None;
    Records::default().scan(head, &mut |at| {
        end = Some(at);
        true
    });
    let length = end.unwrap_or(head.len());
    let raw = cutter.pass(length);
    Ok((cutter, raw))
}

fn header(raw: &[u8]) -> io::Result<Vec<String>> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut record = ByteRecord::new();
    ReaderBuilder::new().has_headers(false).from_reader(raw).read_byte_record(&mut record)?;
    let names: Result<Vec<String>, _> = record.iter().map(|name| String::from_utf8(name.to_vec())).collect();
    let names =
        names.map_err(|_| invalid("its first record, which names the columns, is not UTF-8".into()))?;
    if names.is_empty() {
        return Err(invalid("it has no first record that names the columns".into()));
    }
    if let Some(at) = (1..names.len()).find(|at| names[..*at].contains(&names[*at])) {
        return Err(invalid(format!("two of its columns are called `{}`", names[at])));
    }
    Ok(names)
}

impl Format for Csv {
    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn reject_head(&self) -> &[u8] {
        &self.raw_header
    }

    fn open(&self, entry: &Entry, at: Position, read: Arc<AtomicU64>) -> io::Result<Box<dyn Cut>> {
        if at.offset > 0 {
            let source = entry.open_at(at.offset, read)?;
            let cutter = Cutter::new(
                source,
                Arc::clone(&entry.name),
                self.limits,
                Records::default(),
                (at.offset, at.line),
            );
            return Ok(Box::new(cutter));
        }
        let (cutter, raw) = begin(entry, self.limits, read)?;
        if header(&raw)? != self.header {
            let why = "its columns are not those of the first input; tag it in a run of its own";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Box::new(cutter))
    }

    fn parse<'b>(&self, block: &'b Block, reading: &Reading) -> Vec<Parsed<'b>> {
        let Data::Text(text) = &block.data else { return Vec::new() };
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_slice());
        let mut record = ByteRecord::new();
        let mut parsed = Vec::new();
        let (mut counted, mut line) = (0, block.line);
        // Reading from memory does not fail, and a flexible reader takes every record.
        while let Ok(true) = reader.read_byte_record(&mut record) {
            // The reader stands between the two bytes of a line end, or before blank lines.
            let begun = record.position().map_or(0, |at| index(at.byte()));
            let blank = text[begun..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
            let (start, mut end) = (begun + blank, index(reader.position().byte()));
            end += usize::from(text[end..].starts_with(b"\n") && text[..end].ends_with(b"\r"));
            let raw = &text[start..end];
            line += memchr::memchr_iter(b'\n', &text[counted..start]).count() as u64;
            counted = start;
            let (article, carried) = self.record(&record, raw, reading, || place(&block.name, line + 1));
            parsed.push(Parsed { article, carried, raw: Some(Cow::Borrowed(raw)), line: line + 1 });
        }
        parsed
    }

    fn count(&self, block: &Block) -> usize {
        let Data::Text(text) = &block.data else { return 0 };
        let reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_slice());
        reader.into_byte_records().filter(Result::is_ok).count()
    }
}

/// A position in a block is one in memory.
fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

impl Csv {
    fn record(
        &self,
        record: &ByteRecord,
        raw: &[u8],
        reading: &Reading,
        place: impl Fn() -> String,
    ) -> (Result<Article, ErrorRecord>, Carried<'static>) {
        let fail = |code: &str, message: String| (Err(bad(None, code, message, place())), Vec::new());
        if raw.strip_suffix(b"\n").unwrap_or(raw).len() > reading.max_bytes {
            return (Err(too_long(place(), reading.max_bytes)), Vec::new());
        }
        if record.len() != self.header.len() {
            let message = format!(
                "has {} fields, but the first record names {}; is a quote missing?",
                record.len(),
                self.header.len()
            );
            return fail("invalid_csv", message);
        }
        let names = &reading.fields;
        let mut document = Document::default();
        let (mut text, mut html, mut published, mut unreadable) = (None, None, None, false);
        let mut carried = Carried::new();
        for (name, cell) in self.header.iter().zip(record) {
            let Ok(cell) = std::str::from_utf8(cell) else {
                return fail("invalid_utf8", format!("`{name}` is not UTF-8; convert the input to UTF-8"));
            };
            let given = (!cell.is_empty()).then(|| cell.to_owned());
            if *name == names.title {
                document.title = cell.to_owned();
            } else if *name == names.text {
                text = given;
            } else if *name == names.html {
                html = given;
            } else {
                if *name == names.id {
                    document.id = given;
                } else if *name == names.published_at {
                    published = instant::of_text(cell);
                    unreadable = given.is_some() && published.is_none();
                } else if *name == names.lang {
                    document.language = given;
                }
                carried.push((Cow::Owned(name.clone()), Cell::Text(Cow::Owned(cell.to_owned()))));
            }
        }
        let failed = |id: Option<String>, code: &str, message: String| Err(bad(id, code, message, place()));
        document.published_at = published;
        if text.is_some() && html.is_some() {
            let message = format!("give `{}` or `{}`, not both", names.text, names.html);
            return (failed(document.id, "invalid_field", message), carried);
        }
        if unreadable && reading.strict_published_at {
            let message = no_instant(&names.published_at);
            return (failed(document.id, "invalid_published_at", message), carried);
        }
        document.content_type = if html.is_some() { ContentType::Html } else { ContentType::Plain };
        document.body = html.or(text).unwrap_or_default();
        (Ok(Article { document, before: String::new() }), carried)
    }
}

/// Records end at line ends outside of quotes.
#[derive(Debug, Default)]
pub(super) struct Records {
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote within quotes: the end of the field, or the first of two that stand for one.
    QuoteInQuoted,
}

impl Ends for Records {
    fn scan(&mut self, bytes: &[u8], end: &mut dyn FnMut(usize) -> bool) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            // Whatever decides nothing in this state is passed at once.
            let passed = match self.state {
                State::Plain => memchr::memchr3(b',', b'\n', b'\r', rest),
                State::Quoted => memchr::memchr(b'"', rest),
                _ => Some(0),
            };
            let Some(passed) = passed else { return };
            at += passed + 1;
            self.state = match (self.state, rest[passed]) {
                (State::Quoted, _) => State::QuoteInQuoted,
                (State::FieldStart | State::QuoteInQuoted, b'"') => State::Quoted,
                (_, b',' | b'\r') => State::FieldStart,
                (_, b'\n') => {
                    self.state = State::FieldStart;
                    if end(at) {
                        return;
                    }
                    State::FieldStart
                }
                (_, _) => State::Plain,
            };
        }
    }

    fn reset(&mut self) {
        self.state = State::FieldStart;
    }
}
