//! The output of an earlier run over the same input: what a new catalog cannot change is taken from it.
//!
//! Owns reading it side by side with the input and deciding what may be kept. One of many records that are kept is
//! tagged all the same and compared, so that an output made with other options is noticed.

use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::ArchiveError;
use super::input::InputFormat;
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
pub(super) enum Former {
    /// It is the same today.
    Kept(Box<Record>),
    /// It is the same today, which is to be proved.
    Compared(Box<Record>),
    /// It must be tagged.
    Outdated,
}

impl Previous<'_> {
    /// What becomes of the record of `document`, which `line` was the answer to.
    pub(super) fn judge(
        &self,
        line: &[u8],
        document: &Document,
        number: u64,
    ) -> Result<Former, ArchiveError> {
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
        Ok(if number.is_multiple_of(COMPARED) { Former::Compared(record) } else { Former::Kept(record) })
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
        let mut lines = Lines { source: BufReader::with_capacity(1 << 16, source), name: name.clone() };
        for _ in 0..passed {
            lines.source.skip_until(b'\n').map_err(failed)?;
        }
        Ok(lines)
    }
}

/// The records of the earlier output, one a line.
pub(super) struct Lines {
    source: BufReader<Box<dyn Read + Send>>,
    name: String,
}

impl Lines {
    /// The next `count` lines.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<u8>, ArchiveError> {
        let mut lines = Vec::new();
        for _ in 0..count {
            let read = self.source.read_until(b'\n', &mut lines);
            if read.map_err(|source| self.failed(source))? == 0 {
                return Err(ArchiveError::Refused(format!(
                    "{} has fewer records than the input; leave out --previous",
                    self.name
                )));
            }
        }
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
