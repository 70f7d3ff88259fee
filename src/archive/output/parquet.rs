//! Parquet out: a row a record, mentions as nested columns, what is carried beside them.
//!
//! Owns its schema and how it can be gone on with: row groups are gathered one by one into a spool, each as a small
//! file of its own behind its length, and put together into one file at the end without decoding them.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use serde::Serialize;

use super::super::block::{Answered, Cell, Outcome};
use super::columns::{ColumnKind, Columns};
use super::{Batch, Encoded, Encoder, Gather, misplaced_line};
use crate::annotate::{Ambiguous, Mention, RecordError, Rejected};

/// Rows of one batch at most.
const BATCH_ROWS: usize = 1024;
/// A row group is closed at so many rows, or so many bytes.
const GROUP_ROWS: usize = 16 << 10;
const GROUP_BYTES: usize = 16 << 20;

/// The format.
pub(super) struct Parquet {
    columns: Columns,
    own: SchemaRef,
    schema: SchemaRef,
}

impl Parquet {
    pub(super) fn new(columns: &Columns) -> io::Result<Self> {
        let columns = columns.clone().not_own();
        let own = Arc::new(Schema::new(own_fields()));
        let carried = columns.list.iter().map(|column| Field::new(&column.name, column.kind.arrow(), true));
        let other = columns.other.then(|| text("other"));
        let fields: Vec<Field> = own_fields().into_iter().chain(carried).chain(other).collect();
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { columns, own, schema })
    }

    fn batch(&self, answered: &[Answered<'_>], rows: Option<RecordBatch>) -> io::Result<RecordBatch> {
        let mut decoder = ReaderBuilder::new(Arc::clone(&self.own))
            .with_batch_size(answered.len())
            .build_decoder()
            .map_err(invalid)?;
        let own = answered.iter().map(Row::new).collect::<io::Result<Vec<Row<'_>>>>()?;
        decoder.serialize(&own).map_err(invalid)?;
        let own = decoder.flush().map_err(invalid)?;
        let mut arrays: Vec<ArrayRef> = own.map(|own| own.columns().to_vec()).unwrap_or_default();
        match rows {
            Some(rows) => arrays.extend(self.columns.list.iter().map(|column| {
                let array = rows.column_by_name(&column.name).map(Arc::clone);
                array.unwrap_or_else(|| new_null_array(&column.kind.arrow(), answered.len()))
            })),
            None => arrays.extend(self.carried(answered)),
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(invalid)
    }

    /// The columns of what is carried, from cells.
    fn carried(&self, answered: &[Answered<'_>]) -> Vec<ArrayRef> {
        let placed: Vec<_> = answered.iter().map(|answered| self.columns.place(&answered.carried)).collect();
        let column = |at: usize| placed.iter().map(move |(cells, _)| cells[at]);
        let mut arrays: Vec<ArrayRef> = (self.columns.list.iter().enumerate())
            .map(|(at, described)| array(&described.kind, column(at), answered.len()))
            .collect();
        if self.columns.other {
            let mut other = StringBuilder::new();
            placed.iter().for_each(|(_, json)| other.append_option(json.as_deref()));
            arrays.push(Arc::new(other.finish()));
        }
        arrays
    }
}

fn array<'c>(kind: &ColumnKind, cells: impl Iterator<Item = Option<&'c Cell<'c>>>, rows: usize) -> ArrayRef {
    let json = |cell: Option<&'c Cell<'c>>| cell.map(Cell::json);
    match kind {
        ColumnKind::Int => {
            let mut values = Int64Builder::new();
            cells.for_each(|cell| values.append_option(json(cell).and_then(|json| json.parse().ok())));
            Arc::new(values.finish())
        }
        ColumnKind::Float => {
            let mut values = Float64Builder::new();
            cells.for_each(|cell| values.append_option(json(cell).and_then(|json| json.parse().ok())));
            Arc::new(values.finish())
        }
        ColumnKind::Bool => {
            let mut values = BooleanBuilder::new();
            cells.for_each(|cell| values.append_option(json(cell).and_then(|json| json.parse().ok())));
            Arc::new(values.finish())
        }
        ColumnKind::Text => {
            let mut values = StringBuilder::new();
            cells.for_each(|cell| {
                let null = json(cell).is_none_or(|json| json == "null");
                values.append_option(cell.filter(|_| !null).map(Cell::plain));
            });
            Arc::new(values.finish())
        }
        ColumnKind::Json => {
            let mut values = StringBuilder::new();
            cells.for_each(|cell| values.append_option(json(cell)));
            Arc::new(values.finish())
        }
        ColumnKind::Arrow(kind) => new_null_array(kind, rows),
    }
}

impl ColumnKind {
    fn arrow(&self) -> DataType {
        match self {
            Self::Text | Self::Json => DataType::Utf8,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Arrow(kind) => kind.clone(),
        }
    }
}

impl Encoder for Parquet {
    fn encode(&self, batch: &Batch<'_>) -> io::Result<Encoded> {
        let mut batches = Vec::new();
        for (at, answered) in batch.answered.chunks(BATCH_ROWS).enumerate() {
            let rows = batch.rows.map(|rows| rows.slice(at * BATCH_ROWS, answered.len()));
            batches.push(self.batch(answered, rows)?);
        }
        Ok(Encoded::Rows(batches))
    }

    fn gather(&self) -> Box<dyn Gather> {
        Box::new(Groups { schema: Arc::clone(&self.schema), open: None, rows: 0 })
    }
}

/// The record's own columns of one row.
#[derive(Serialize)]
struct Row<'r> {
    id: Option<&'r str>,
    catalog_version: Option<&'r str>,
    detector_version: Option<&'r str>,
    mentions: Option<&'r [Mention]>,
    ambiguous: Option<&'r [Ambiguous]>,
    rejected: Option<&'r [Rejected]>,
    error: Option<&'r RecordError>,
}

impl<'r> Row<'r> {
    fn new(answered: &'r Answered<'_>) -> io::Result<Self> {
        Ok(match &answered.outcome {
            Outcome::Tagged(record) => Self {
                id: record.id.as_deref(),
                catalog_version: Some(&record.catalog_version),
                detector_version: Some(&record.detector_version),
                mentions: Some(&record.mentions),
                ambiguous: Some(&record.ambiguous),
                rejected: Some(&record.rejected),
                error: None,
            },
            Outcome::Kept(_) => return Err(misplaced_line()),
            Outcome::SetAside(error) => Self {
                id: error.id.as_deref(),
                catalog_version: None,
                detector_version: None,
                mentions: None,
                ambiguous: None,
                rejected: None,
                error: Some(&error.error),
            },
        })
    }
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn list(name: &str, item: DataType) -> Field {
    Field::new(name, DataType::List(Arc::new(Field::new_list_field(item, true))), true)
}

fn nested(fields: Vec<Field>) -> DataType {
    DataType::Struct(Fields::from(fields))
}

/// The record, as `docs/record.schema.json` has it.
fn own_fields() -> Vec<Field> {
    let float = |name: &str| Field::new(name, DataType::Float64, true);
    let flag = |name: &str| Field::new(name, DataType::Boolean, true);
    let count = |name: &str| Field::new(name, DataType::Int32, true);
    let instant = |name: &str| {
        Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())), true)
    };
    let place = || vec![text("field"), count("start"), count("end"), text("surface")];
    let evidence = || list("evidence", DataType::Utf8);
    let quote = vec![
        text("state"),
        text("reason"),
        text("price"),
        text("currency"),
        float("change_24h_pct"),
        instant("as_of"),
        flag("as_of_received"),
        float("age_s"),
        text("source"),
        instant("asked_at"),
        float("distance_s"),
        float("change_since_pct"),
        instant("rate_as_of"),
    ];
    let span = [place(), vec![float("confidence"), evidence(), text("caip19")]].concat();
    let mention = vec![
        text("token_id"),
        text("symbol"),
        text("name"),
        text("kind"),
        float("confidence"),
        count("count"),
        flag("in_title"),
        list("spans", nested(span)),
        Field::new("quote", nested(quote), true),
    ];
    let candidate = vec![text("token_id"), text("symbol"), text("name"), float("confidence")];
    let ambiguous = vec![list("spans", nested(place())), list("candidates", nested(candidate))];
    let rejected = vec![
        Field::new("span", nested(place()), true),
        text("token_id"),
        float("confidence"),
        evidence(),
        text("reason"),
    ];
    vec![
        text("id"),
        text("catalog_version"),
        text("detector_version"),
        list("mentions", nested(mention)),
        list("ambiguous", nested(ambiguous)),
        list("rejected", nested(rejected)),
        Field::new("error", nested(vec![text("code"), text("message"), text("place")]), true),
    ]
}

/// Gathers batches into row groups.
struct Groups {
    schema: SchemaRef,
    open: Option<ArrowWriter<Vec<u8>>>,
    rows: usize,
}

impl Groups {
    fn close(&mut self) -> io::Result<Vec<u8>> {
        let Some(writer) = self.open.take() else { return Ok(Vec::new()) };
        self.rows = 0;
        let file = writer.into_inner().map_err(invalid)?;
        let mut framed = Vec::with_capacity(file.len() + LENGTH);
        framed.extend((file.len() as u64).to_le_bytes());
        framed.extend(file);
        Ok(framed)
    }
}

/// Bytes of the length in front of each row group of a spool.
const LENGTH: usize = 8;

impl Gather for Groups {
    fn push(&mut self, encoded: Encoded) -> io::Result<Vec<u8>> {
        let Encoded::Rows(batches) = encoded else {
            return Err(io::Error::other("bytes where rows belong"));
        };
        let mut full = false;
        for batch in batches {
            let writer = match &mut self.open {
                Some(writer) => writer,
                None => self.open.insert(
                    ArrowWriter::try_new(Vec::new(), Arc::clone(&self.schema), Some(properties()))
                        .map_err(invalid)?,
                ),
            };
            writer.write(&batch).map_err(invalid)?;
            self.rows += batch.num_rows();
            full |= self.rows >= GROUP_ROWS || writer.in_progress_size() >= GROUP_BYTES;
        }
        if full { self.close() } else { Ok(Vec::new()) }
    }

    fn is_empty(&self) -> bool {
        self.open.is_none()
    }

    fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.close()
    }

    fn assemble(&self, spool: &mut File, output: &mut (dyn Write + Send)) -> io::Result<bool> {
        let mut output = Some(io::BufWriter::new(output));
        let mut writer = None;
        let mut length = [0; LENGTH];
        loop {
            match spool.read_exact(&mut length) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            }
            let mut file = Vec::new();
            (&mut *spool).take(u64::from_le_bytes(length)).read_to_end(&mut file)?;
            let file = Bytes::from(file);
            let metadata = ParquetMetaDataReader::new()
                .with_page_index_policy(PageIndexPolicy::Optional)
                .parse_and_finish(&file)
                .map_err(invalid)?;
            if let Some(output) = output.take() {
                writer = Some(begin(output, &metadata)?);
            }
            if let Some(writer) = &mut writer {
                append(writer, &file, &metadata).map_err(invalid)?;
            }
        }
        match (writer, output) {
            (Some(writer), _) => drop(writer.close().map_err(invalid)?),
            (None, Some(output)) => {
                let writer = ArrowWriter::try_new(output, Arc::clone(&self.schema), Some(properties()));
                drop(writer.and_then(ArrowWriter::close).map_err(invalid)?);
            }
            (None, None) => {}
        }
        Ok(true)
    }
}

fn properties() -> WriterProperties {
    let level = ZstdLevel::default();
    WriterProperties::builder().set_compression(Compression::ZSTD(level)).build()
}

fn begin<W: Write + Send>(output: W, first: &ParquetMetaData) -> io::Result<SerializedFileWriter<W>> {
    let described = first.file_metadata();
    let properties =
        WriterProperties::builder().set_key_value_metadata(described.key_value_metadata().cloned()).build();
    let root = described.schema_descr().root_schema_ptr();
    SerializedFileWriter::new(output, root, Arc::new(properties)).map_err(invalid)
}

/// Copies the row groups of `file` as they are.
fn append<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    file: &Bytes,
    metadata: &ParquetMetaData,
) -> parquet::errors::Result<()> {
    for (group_at, group) in metadata.row_groups().iter().enumerate() {
        let mut out = writer.next_row_group()?;
        for (at, column) in group.columns().iter().enumerate() {
            let index = |all: Option<&Vec<Vec<_>>>| all.and_then(|all| all.get(group_at)?.get(at)).cloned();
            let closed = ColumnCloseResult {
                bytes_written: u64::try_from(column.compressed_size()).unwrap_or(0),
                rows_written: u64::try_from(group.num_rows()).unwrap_or(0),
                metadata: column.clone(),
                bloom_filter: None,
                column_index: index(metadata.column_index()),
                offset_index: metadata.offset_index().and_then(|all| all.get(group_at)?.get(at)).cloned(),
            };
            out.append_column(file, closed)?;
        }
        out.close()?;
    }
    Ok(())
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}
