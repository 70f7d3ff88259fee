//! Parquet in: each row is an article.
//!
//! Owns its reading. Rows are decoded by the reader, at most 1,024 at a time; texts and what is carried are taken out of
//! them by the workers. Rows that are set aside are written as JSON Lines.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    ArrowTimestampType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use arrow_schema::{DataType, FieldRef, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::super::ArchiveError;
use super::super::block::{Article, Block, Carried, Cell, Data, Parsed, Position, bad, place, too_long};
use super::super::fields::Reading;
use super::super::instant;
use super::super::output::{Column, ColumnKind, Columns, Wants};
use super::super::source::Entry;
use super::jsonl::no_instant;
use super::{Cut, Format, Piece};
use crate::annotate::ErrorRecord;
use crate::mention::{ContentType, Document};

/// Rows of a block at most.
const ROWS: usize = 1024;

/// The format, with the columns that all inputs of a run have.
pub(super) struct Parquet {
    schema: SchemaRef,
    columns: Columns,
    block_bytes: usize,
    /// Whether cells are carried one by one, or as the arrays they came in.
    cells: bool,
}

impl Parquet {
    /// Learns the columns from the footer of `first`.
    pub(super) fn new(
        first: &Entry,
        reading: &Reading,
        block_bytes: usize,
        wants: Wants,
    ) -> Result<Self, ArchiveError> {
        let Some(path) = &first.path else {
            let why = "Parquet is read from its end, which standard input does not allow; name the file";
            return Err(ArchiveError::Refused(why.to_owned()));
        };
        let read = |source| ArchiveError::Read { path: first.name.to_string(), source };
        let file = File::open(path).map_err(read)?;
        let schema = Arc::clone(metadata(&file).map_err(read)?.schema());
        let carried = schema.fields().iter().filter(|field| !reading.fields.is_text(field.name()));
        let list = carried
            .map(|field| Column {
                name: field.name().clone(),
                kind: ColumnKind::Arrow(field.data_type().clone()),
            })
            .collect();
        let columns = Columns { list, other: false };
        Ok(Self { schema, columns, block_bytes, cells: wants != Wants::Arrays })
    }
}

fn metadata(file: &File) -> io::Result<ArrowReaderMetadata> {
    ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(invalid)
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Format for Parquet {
    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn open(&self, entry: &Entry, at: Position, read: Arc<AtomicU64>) -> io::Result<Box<dyn Cut>> {
        let path = entry.path.as_deref().unwrap_or_else(|| std::path::Path::new(&*entry.name));
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let metadata = metadata(&file)?;
        if metadata.schema().fields() != self.schema.fields() {
            let why = "its columns are not those of the first input; tag it in a run of its own";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let groups = metadata.metadata().row_groups();
        let rows = groups.iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).collect();
        let bytes: i64 = groups.iter().map(parquet::file::metadata::RowGroupMetaData::total_byte_size).sum();
        Ok(Box::new(Rows {
            file,
            length,
            metadata,
            rows,
            bytes: u64::try_from(bytes).unwrap_or(0),
            block_bytes: self.block_bytes,
            row: at.offset,
            group: None,
            counted: 0,
            read,
        }))
    }

    fn parse<'b>(&self, block: &'b Block, reading: &Reading) -> Vec<Parsed<'b>> {
        let Data::Rows(batch) = &block.data else { return Vec::new() };
        let table = Table::new(batch);
        (0..batch.num_rows())
            .zip(block.line + 1..)
            .map(|(row, line)| {
                let article = table.article(row, reading, || place(&block.name, line));
                let carried = if self.cells { table.carried(row, reading) } else { Vec::new() };
                Parsed { article, carried, raw: None, line }
            })
            .collect()
    }

    fn count(&self, block: &Block) -> usize {
        let Data::Rows(batch) = &block.data else { return 0 };
        batch.num_rows()
    }

    fn raw(&self, block: &Block, row: usize) -> Vec<u8> {
        let Data::Rows(batch) = &block.data else { return Vec::new() };
        let mut line = b"{".to_vec();
        let table = Table::new(batch);
        for at in 0..batch.num_columns() {
            if at > 0 {
                line.push(b',');
            }
            // A name is always JSON.
            line.extend(serde_json::to_vec(batch.schema_ref().field(at).name()).unwrap_or_default());
            line.push(b':');
            line.extend(table.json(at, row).into_bytes());
        }
        line.extend(b"}\n");
        line
    }
}

/// One file being read.
struct Rows {
    file: File,
    length: u64,
    metadata: ArrowReaderMetadata,
    /// Rows of each row group.
    rows: Vec<u64>,
    /// Decoded size of all of them.
    bytes: u64,
    block_bytes: usize,
    /// The next row of the file.
    row: u64,
    group: Option<ParquetRecordBatchReader>,
    counted: u64,
    read: Arc<AtomicU64>,
}

impl Rows {
    /// The row group that holds the next row, from there on.
    fn open_group(&mut self) -> io::Result<bool> {
        let mut before = 0;
        for (group, rows) in self.rows.iter().enumerate() {
            if self.row < before + rows {
                let total: u64 = self.rows.iter().sum();
                let average = (self.bytes / total.max(1)).max(1);
                let batch = usize::try_from(self.block_bytes as u64 / average).unwrap_or(ROWS);
                let offset = usize::try_from(self.row - before).map_err(invalid)?;
                let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(
                    self.file.try_clone()?,
                    self.metadata.clone(),
                )
                .with_row_groups(vec![group])
                .with_offset(offset)
                .with_batch_size(batch.clamp(1, ROWS));
                self.group = Some(reader.build().map_err(invalid)?);
                return Ok(true);
            }
            before += rows;
        }
        Ok(false)
    }

    /// Progress, as if every row took the same share of the file.
    fn count(&mut self) {
        let total: u64 = self.rows.iter().sum();
        let share = u128::from(self.length) * u128::from(self.row) / u128::from(total.max(1));
        let share = u64::try_from(share).unwrap_or(self.length);
        self.read.fetch_add(share.saturating_sub(self.counted), Ordering::Relaxed);
        self.counted = share;
    }
}

impl Cut for Rows {
    fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if self.group.is_none() && !self.open_group()? {
                return Ok(None);
            }
            match self.group.as_mut().and_then(Iterator::next) {
                Some(batch) => {
                    let batch = batch.map_err(invalid)?;
                    let line = self.row;
                    self.row += batch.num_rows() as u64;
                    self.count();
                    return Ok(Some(Piece {
                        data: Data::Rows(batch),
                        line,
                        after: Some((self.row, self.row)),
                    }));
                }
                None => self.group = None,
            }
        }
    }
}

/// A batch whose cells are asked for by name.
struct Table<'b> {
    batch: &'b RecordBatch,
    /// The columns as they are written as JSON.
    columns: Vec<ArrayRef>,
    fields: Vec<FieldRef>,
    options: EncoderOptions,
}

impl<'b> Table<'b> {
    fn new(batch: &'b RecordBatch) -> Self {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(in_utc).collect();
        let fields = batch.schema_ref().fields().iter().zip(&columns);
        let fields = fields.map(|(field, column)| {
            Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone()))
        });
        Self {
            batch,
            fields: fields.collect(),
            columns,
            options: EncoderOptions::default().with_explicit_nulls(true),
        }
    }

    fn article(
        &self,
        row: usize,
        reading: &Reading,
        place: impl Fn() -> String,
    ) -> Result<Article, ErrorRecord> {
        let names = &reading.fields;
        let id = self.value(&names.id, row).map(|json| match serde_json::from_str::<String>(&json) {
            Ok(text) => text,
            Err(_) => json,
        });
        let text = |name: &str| -> Result<Option<&'b str>, ErrorRecord> {
            let Some(at) = self.at(name, row) else { return Ok(None) };
            let wrong =
                |what: &str| bad(id.clone(), "invalid_field", format!("`{name}` must be {what}"), place());
            match text_at(self.batch.column(at), row) {
                Some(bytes) if bytes.len() > reading.max_bytes => Err(too_long(place(), reading.max_bytes)),
                Some(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| wrong("UTF-8")),
                None => Err(wrong("a text")),
            }
        };
        let (title, plain, html) = (text(&names.title)?, text(&names.text)?, text(&names.html)?);
        if plain.is_some() && html.is_some() {
            let message = format!("give `{}` or `{}`, not both", names.text, names.html);
            return Err(bad(id, "invalid_field", message, place()));
        }
        let published_at = self.value(&names.published_at, row).and_then(|json| {
            // A time without a zone is UTC, as Spark and pandas write it.
            let utc = || instant::of_text(&format!("{}Z", json.trim_matches('"')));
            instant::of_json(&json).or_else(utc)
        });
        let unreadable = published_at.is_none() && self.at(&names.published_at, row).is_some();
        if unreadable && reading.strict_published_at {
            return Err(bad(id, "invalid_published_at", no_instant(&names.published_at), place()));
        }
        let language = self.value(&names.lang, row).and_then(|json| serde_json::from_str(&json).ok());
        let document = Document {
            id,
            title: title.unwrap_or_default().to_owned(),
            content_type: if html.is_some() { ContentType::Html } else { ContentType::Plain },
            body: html.or(plain).unwrap_or_default().to_owned(),
            published_at,
            language,
            ..Document::default()
        };
        Ok(Article { document, before: String::new() })
    }

    fn carried(&self, row: usize, reading: &Reading) -> Carried<'b> {
        let columns = self.fields.iter().enumerate();
        columns
            .filter(|(_, field)| !reading.fields.is_text(field.name()))
            .map(|(at, field)| (Cow::Owned(field.name().clone()), Cell::Json(Cow::Owned(self.json(at, row)))))
            .collect()
    }

    /// The column `name`, if this row has a value there.
    fn at(&self, name: &str, row: usize) -> Option<usize> {
        let at = self.fields.iter().position(|field| field.name() == name)?;
        self.batch.column(at).is_valid(row).then_some(at)
    }

    /// The value in the column `name` as JSON; `None`: no such column, or no value.
    fn value(&self, name: &str, row: usize) -> Option<String> {
        Some(self.json(self.at(name, row)?, row))
    }

    fn json(&self, at: usize, row: usize) -> String {
        let array = self.batch.column(at);
        if array.is_null(row) {
            return "null".to_owned();
        }
        if let Some(text) = text_at(array, row).and_then(|bytes| std::str::from_utf8(bytes).ok())
            && let Ok(json) = serde_json::to_string(text)
        {
            return json;
        }
        let mut json = Vec::new();
        match make_encoder(&self.fields[at], &self.columns[at], &self.options) {
            Ok(encoder) => encode(encoder, row, &mut json),
            // A type that has no JSON is told, not lost.
            Err(_) => json.extend(format!("\"unreadable as JSON: {}\"", array.data_type()).into_bytes()),
        }
        String::from_utf8(json).unwrap_or_else(|_| "null".to_owned())
    }
}

/// Instants of a named time zone as instants in UTC: they are the same, and need no table of zones.
fn in_utc(array: &ArrayRef) -> ArrayRef {
    fn utc<T: ArrowTimestampType>(array: &ArrayRef) -> ArrayRef {
        Arc::new(array.as_primitive::<T>().clone().with_timezone("+00:00"))
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, Some(_)) => utc::<TimestampSecondType>(array),
        DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => utc::<TimestampMillisecondType>(array),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => utc::<TimestampMicrosecondType>(array),
        DataType::Timestamp(TimeUnit::Nanosecond, Some(_)) => utc::<TimestampNanosecondType>(array),
        _ => Arc::clone(array),
    }
}

fn encode(mut encoder: NullableEncoder<'_>, row: usize, json: &mut Vec<u8>) {
    if encoder.is_null(row) {
        json.extend(b"null");
    } else {
        encoder.encode(row, json);
    }
}

/// The bytes of a text; `None`: the column holds something else.
fn text_at(array: &dyn Array, row: usize) -> Option<&[u8]> {
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).as_bytes(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).as_bytes(),
        DataType::Utf8View => array.as_string_view().value(row).as_bytes(),
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let key = *dictionary.normalized_keys().get(row)?;
            return text_at(dictionary.values(), key);
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::TimestampMicrosecondArray;
    use arrow_schema::{Field, Schema};

    #[test]
    fn an_instant_of_a_named_zone_is_told_in_utc() {
        let instants = TimestampMicrosecondArray::from(vec![Some(1_768_206_600_000_000), None]);
        let instants: ArrayRef = Arc::new(instants.with_timezone("Europe/Berlin"));
        let field = Field::new("published_at", instants.data_type().clone(), true);
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![instants]).unwrap();
        let table = Table::new(&batch);
        assert_eq!([table.json(0, 0), table.json(0, 1)], [r#""2026-01-12T08:30:00Z""#, "null"]);
        let article = table.article(0, &Reading::default(), String::new).unwrap();
        assert_eq!(article.document.published_at.unwrap().to_string(), "2026-01-12T08:30:00Z");
    }
}
