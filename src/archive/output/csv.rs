//! CSV out: a header, then one record a line; what is nested stands in its cell as JSON.

use std::io;

use serde::Serialize;

use super::super::block::Outcome;
use super::columns::Columns;
use super::{Batch, Encoded, Encoder, misplaced_line};
use crate::annotate::Record;

const HEAD: &[&str] = &[
    "id",
    "tokens",
    "mentions",
    "ambiguous",
    "rejected",
    "catalog_version",
    "detector_version",
    "error_code",
    "error_message",
    "error_place",
];

/// The format.
pub(super) struct Csv {
    columns: Columns,
}

impl Csv {
    pub(super) fn new(columns: Columns) -> Self {
        Self { columns: columns.not_own() }
    }
}

impl Encoder for Csv {
    fn head(&self) -> io::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let carried = self.columns.list.iter().map(|column| column.name.as_str());
        let other = self.columns.other.then_some("other");
        writer.write_record(HEAD.iter().copied().chain(carried).chain(other))?;
        writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }

    fn encode(&self, batch: &Batch<'_>) -> io::Result<Encoded> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for answered in &batch.answered {
            match &answered.outcome {
                Outcome::Tagged(record) => {
                    writer.write_field(record.id.as_deref().unwrap_or_default())?;
                    writer.write_field(tokens(record))?;
                    writer.write_field(list(&record.mentions)?)?;
                    writer.write_field(list(&record.ambiguous)?)?;
                    writer.write_field(list(&record.rejected)?)?;
                    writer.write_field(&record.catalog_version)?;
                    writer.write_field(&record.detector_version)?;
                    for _ in 0..3 {
                        writer.write_field("")?;
                    }
                }
                Outcome::Kept(_) => return Err(misplaced_line()),
                Outcome::SetAside(error) => {
                    writer.write_field(error.id.as_deref().unwrap_or_default())?;
                    for _ in 0..6 {
                        writer.write_field("")?;
                    }
                    writer.write_field(&error.error.code)?;
                    writer.write_field(&error.error.message)?;
                    writer.write_field(&error.error.place)?;
                }
            }
            let (cells, other) = self.columns.place(&answered.carried);
            for cell in cells {
                writer.write_field(cell.map(|cell| cell.plain()).unwrap_or_default().as_bytes())?;
            }
            if self.columns.other {
                writer.write_field(other.unwrap_or_default())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        writer.into_inner().map(Encoded::Bytes).map_err(|error| io::Error::other(error.to_string()))
    }
}

/// The tokens mentioned, in the order of the box.
fn tokens(record: &Record) -> String {
    let ids: Vec<&str> = record.mentions.iter().filter_map(|mention| mention.token_id.as_deref()).collect();
    ids.join(";")
}

fn list<T: Serialize>(items: &[T]) -> io::Result<String> {
    if items.is_empty() { Ok(String::new()) } else { Ok(serde_json::to_string(items)?) }
}
