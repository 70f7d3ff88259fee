//! The output of an earlier run over the same input: what a new catalog cannot change is taken from it.
//!
//! Owns reading it side by side with the input and deciding what may be kept. Where the output is JSON Lines, too, a line is
//! kept as it is, but for the catalog's version. One of many records that are kept is tagged all the same and compared, so
//! that an output made with other options is noticed.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ArchiveError;
use super::block::Carried;
use super::input::InputFormat;
use super::output::end_line;
use super::source::Entry;
use crate::annotate::Record;
use crate::mention::Document;

/// One kept record of so many is tagged and compared.
const COMPARED: u64 = 199;

/// An earlier run and what has changed since.
pub struct Previous<'a> {
    /// Its output: JSON Lines, compressed or not.
    pub output: PathBuf,
    /// Version of the catalog that it used.
    pub catalog_before: String,
    /// Version of the catalog in force.
    pub catalog: String,
    /// Version of the detector in force; what another one tagged is tagged again.
    pub detector: String,
    /// Whether the change of catalog may change what a document mentions.
    pub may_touch: &'a (dyn Fn(&Document) -> bool + Sync),
}

/// What becomes of a record for which the earlier run has one.
pub(super) enum Former<'l> {
    /// It is the same today, and so is its line.
    Line(KeptLine<'l>),
    /// It is the same today.
    Kept(Box<Record>),
    /// It is the same today, which is to be proved.
    Compared(Box<Record>),
    /// It must be tagged.
    Outdated,
}

/// A line of an earlier output that is written again.
#[derive(Debug)]
pub(super) struct KeptLine<'l> {
    /// What is written in the place of its beginning: id and version of the catalog.
    pub(super) head: Vec<u8>,
    /// What follows that, as it is.
    pub(super) rest: &'l [u8],
    pub(super) mentions: Vec<Counted<'l>>,
    /// Places of ambiguous surfaces.
    pub(super) ambiguous: u64,
}

/// What is counted of a mention.
#[derive(Debug, Deserialize)]
pub(super) struct Counted<'l> {
    #[serde(borrow, default)]
    pub(super) token_id: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub(super) symbol: Option<Cow<'l, str>>,
    #[serde(borrow)]
    pub(super) name: Cow<'l, str>,
    pub(super) count: u32,
    /// A price is of its time; no line that has one is kept.
    #[serde(default)]
    quote: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Shared {
    spans: Vec<IgnoredAny>,
}

impl Previous<'_> {
    /// The line that stands for `document` as it would be written today, if `line` is one: of its id and of both versions,
    /// with nothing but what a record has and what is carried now.
    fn line<'l>(&self, line: &'l [u8], document: &Document, carried: &Carried<'_>) -> Option<KeptLine<'l>> {
        let head = |catalog: &str| -> serde_json::Result<Vec<u8>> {
            let mut head = Vec::with_capacity(128);
            head.extend(br#"{"id":"#);
            serde_json::to_writer(&mut head, &document.id)?;
            head.extend(br#","catalog_version":"#);
            serde_json::to_writer(&mut head, catalog)?;
            Ok(head)
        };
        let rest = line.strip_prefix(&*head(&self.catalog_before).ok()?)?;
        let own = rest.strip_prefix(br#","detector_version":""#)?.strip_prefix(self.detector.as_bytes())?;
        let own = own.strip_prefix(br#"","mentions":"#)?;
        let (mentions, mut own) = value::<Vec<Counted<'l>>>(own)?;
        if mentions.iter().any(|mention| mention.quote.is_some()) {
            return None;
        }
        let mut ambiguous = 0;
        if let Some(shared) = own.strip_prefix(br#","ambiguous":"#) {
            let (shared, after) = value::<Vec<Shared>>(shared)?;
            ambiguous = shared.iter().map(|one| one.spans.len() as u64).sum();
            own = after;
        }
        if let Some(rejected) = own.strip_prefix(br#","rejected":"#) {
            own = value::<IgnoredAny>(rejected)?.1;
        }
        let mut end = Vec::with_capacity(own.len());
        end_line(&mut end, carried).ok()?;
        let head = head(&self.catalog).ok()?;
        (own == end).then_some(KeptLine { head, rest, mentions, ambiguous })
    }

    /// What becomes of the record of `document`, which `line` was the answer to. `carried`: what is written behind it,
    /// where it is written as JSON Lines.
    pub(super) fn judge<'l>(
        &self,
        line: &'l [u8],
        document: &Document,
        carried: Option<&Carried<'_>>,
        number: u64,
    ) -> Result<Former<'l>, ArchiveError> {
        let compared = number.is_multiple_of(COMPARED);
        if let Some(carried) = carried.filter(|_| !compared)
            && let Some(line) = self.line(line, document, carried)
        {
            let touched = (self.may_touch)(document);
            return Ok(if touched { Former::Outdated } else { Former::Line(line) });
        }
        // An error, or nothing that this version wrote.
        let Ok(mut record) = serde_json::from_slice::<Record>(line) else { return Ok(Former::Outdated) };
        if record.id != document.id {
            let name = |id: &Option<String>| id.clone().unwrap_or_else(|| "no id".to_owned());
            return Err(ArchiveError::Refused(format!(
                "{} is not the output of this input: its record {} is `{}`, the input's is `{}`",
                self.output.display(),
                number + 1,
                name(&record.id),
                name(&document.id)
            )));
        }
        let same_rules =
            record.catalog_version == self.catalog_before && record.detector_version == self.detector;
        if !same_rules || (self.may_touch)(document) {
            return Ok(Former::Outdated);
        }
        record.catalog_version.clone_from(&self.catalog);
        let record = Box::new(record);
        Ok(if compared { Former::Compared(record) } else { Former::Kept(record) })
    }

    /// The error when a record that was to be kept is tagged otherwise.
    pub(super) fn differs(&self, place: &str) -> ArchiveError {
        ArchiveError::Refused(format!(
            "{place} is tagged otherwise than in {}, though nothing in it changed: was that made with other options? \
             Give the same, or leave out --previous",
            self.output.display()
        ))
    }

    /// Opens the output, `passed` records into it.
    pub(super) fn open(&self, passed: u64) -> Result<Lines, ArchiveError> {
        let name = self.output.display().to_string();
        let entry = Entry {
            path: Some(self.output.clone()),
            name: name.as_str().into(),
            format: InputFormat::JsonLines,
        };
        let failed = |source| ArchiveError::Read { path: name.clone(), source };
        let source = entry.open(Arc::<AtomicU64>::default()).map_err(failed)?;
        let mut lines =
            Lines { source: BufReader::with_capacity(1 << 16, source), name: name.clone(), longest: 0 };
        for _ in 0..passed {
            lines.source.skip_until(b'\n').map_err(failed)?;
        }
        Ok(lines)
    }
}

/// The JSON value that `text` begins with, and what follows it.
fn value<'l, T: Deserialize<'l>>(text: &'l [u8]) -> Option<(T, &'l [u8])> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

/// The records of the earlier output, one a line.
pub(super) struct Lines {
    source: BufReader<Box<dyn Read + Send>>,
    name: String,
    /// Bytes of the most lines that were taken at once.
    longest: usize,
}

impl Lines {
    /// The next `count` lines.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<u8>, ArchiveError> {
        let mut lines = Vec::with_capacity(self.longest);
        for _ in 0..count {
            let read = self.source.read_until(b'\n', &mut lines);
            if read.map_err(|source| self.failed(source))? == 0 {
                return Err(ArchiveError::Refused(format!(
                    "{} has fewer records than the input; leave out --previous",
                    self.name
                )));
            }
        }
        self.longest = self.longest.max(lines.len());
        Ok(lines)
    }

    /// Whether all has been read.
    pub(super) fn end(&mut self) -> Result<(), ArchiveError> {
        let left = self.source.fill_buf().map(<[u8]>::len);
        if left.map_err(|source| self.failed(source))? == 0 {
            return Ok(());
        }
        let why = format!("{} has more records than the input; leave out --previous", self.name);
        Err(ArchiveError::Refused(why))
    }

    fn failed(&self, source: io::Error) -> ArchiveError {
        ArchiveError::Read { path: self.name.clone(), source }
    }
}
