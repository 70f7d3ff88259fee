//! JSON Lines out: one object a line, the record first, then what is carried through.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{RecordWriter, Tagged};
use crate::annotate::{ErrorRecord, Record};

/// Names that belong to the record; a carried field of the same name is left out.
const OWN: &[&str] =
    &["id", "catalog_version", "detector_version", "mentions", "ambiguous", "rejected", "error"];

/// Writes JSON Lines.
pub struct JsonLines<'w> {
    output: Box<dyn Write + 'w>,
}

impl<'w> JsonLines<'w> {
    /// A writer into `output`.
    pub fn new(output: Box<dyn Write + 'w>) -> Self {
        Self { output }
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, value)?;
        self.output.write_all(b"\n")
    }
}

#[derive(Serialize)]
struct Line<'r> {
    #[serde(flatten)]
    record: &'r Record,
    #[serde(flatten)]
    carried: &'r Map<String, Value>,
}

impl RecordWriter for JsonLines<'_> {
    fn record(&mut self, record: &Record, tagged: &Tagged) -> io::Result<()> {
        if tagged.carried.keys().all(|key| !OWN.contains(&key.as_str())) {
            return self.line(&Line { record, carried: &tagged.carried });
        }
        let mut carried = tagged.carried.clone();
        carried.retain(|key, _| !OWN.contains(&key.as_str()));
        self.line(&Line { record, carried: &carried })
    }

    fn error(&mut self, error: &ErrorRecord) -> io::Result<()> {
        self.line(error)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
