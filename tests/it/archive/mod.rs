//! Whole archives through the library: every format in and out, and going on after any end.

mod formats;
mod killed;
mod previous;
mod resume;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use cointag::annotate::{Record, RecordError, annotate};
use cointag::archive::{
    Annotator, ArchiveError, Destination, Input, Inputs, Job, OutputFormat, Reading, Tally, Tuning, run,
};
use cointag::catalog::Catalog;
use cointag::mention::{Detector, Document, OffsetUnit, Options};
use serde_json::Value;

static DETECTOR: LazyLock<Detector> = LazyLock::new(|| Detector::new(Catalog::builtin()));

/// The detector, as a run on one machine has it.
struct Local;

impl Annotator for Local {
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError> {
        let tag = |document| Ok(annotate(&DETECTOR, &document, &Options::default(), None));
        Ok(documents.into_iter().map(tag).collect())
    }
}

/// A job with small blocks, a checkpoint after each of them, and two workers.
fn job<'a>(inputs: &[&Path], format: OutputFormat, annotator: &'a dyn Annotator) -> Job<'a> {
    Job {
        inputs: Inputs {
            list: inputs.iter().map(|path| Input::Path(path.to_path_buf())).collect(),
            ..Inputs::default()
        },
        reading: Reading::default(),
        format,
        colour: false,
        annotator,
        offset_unit: OffsetUnit::Bytes,
        identity: Vec::new(),
        previous: None,
        fill: false,
        prepare: None,
        resume: false,
        tuning: Tuning { jobs: 2, block_bytes: 512, checkpoint_every: Duration::ZERO },
    }
}

fn tag(inputs: &[&Path], format: OutputFormat, output: &Path) -> Tally {
    run(job(inputs, format, &Local), Destination::File(output.to_owned()), &mut |_| {}).unwrap()
}

/// The JSON Lines that a run over `inputs` gives.
fn tag_lines(inputs: &[&Path], output: &Path) -> Vec<Value> {
    tag(inputs, OutputFormat::JsonLines, output);
    lines(&std::fs::read_to_string(output).unwrap())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `count` articles, each naming a token or two, with fields to be carried; every tenth is longer.
fn articles(count: usize) -> Vec<Value> {
    let tokens = ["Bitcoin", "Solana (SOL)", "$ETH", "Dogecoin", "Uniswap’s UNI token"];
    (0..count)
        .map(|at| {
            let token = tokens[at % tokens.len()];
            let mut text = format!("Holders of {token} waited.\nThen it “rose”, by 3.1%.");
            if at % 10 == 9 {
                text.push_str(&" The court said nothing.".repeat(40));
            }
            serde_json::json!({
                "id": format!("a{at}"),
                "title": format!("{token}, day {at}"),
                "text": text,
                "published_at": format!("2026-{:02}-12", at % 12 + 1),
                "url": format!("https://news.example/{at}?a=1,2"),
                "views": at,
                "tags": ["a", {"b": at}],
            })
        })
        .collect()
}

fn write_jsonl(folder: &Path, articles: &[Value]) -> PathBuf {
    let path = folder.join("in.jsonl");
    let text: String = articles.iter().map(|article| format!("{article}\n")).collect();
    std::fs::write(&path, text).unwrap();
    path
}

fn write_csv(folder: &Path, articles: &[Value]) -> PathBuf {
    let path = folder.join("in.csv");
    let mut writer = csv::Writer::from_path(&path).unwrap();
    let names: Vec<&String> = articles[0].as_object().unwrap().keys().collect();
    writer.write_record(&names).unwrap();
    for article in articles {
        let cell = |name: &&String| match &article[*name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        writer.write_record(names.iter().map(cell)).unwrap();
    }
    writer.flush().unwrap();
    path
}

/// `group` rows a row group.
fn write_parquet(folder: &Path, articles: &[Value], group: usize) -> PathBuf {
    use arrow_schema::{DataType, Field, Schema, TimeUnit};
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let schema = std::sync::Arc::new(Schema::new(vec![
        text("id"),
        text("title"),
        text("text"),
        Field::new("published_at", DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())), true),
        text("url"),
        Field::new("views", DataType::Int32, true),
        Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
    ]));
    let mut decoder = arrow_json::ReaderBuilder::new(schema.clone())
        .with_coerce_primitive(true)
        .with_batch_size(articles.len())
        .build_decoder()
        .unwrap();
    let rows: Vec<Value> = articles
        .iter()
        .map(|article| {
            let mut row = article.clone();
            row["tags"] = serde_json::json!(["a", null]);
            row
        })
        .collect();
    decoder.serialize(&rows).unwrap();
    let path = folder.join("in.parquet");
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, schema, Some(properties)).unwrap();
    writer.write(&decoder.flush().unwrap().unwrap()).unwrap();
    writer.close().unwrap();
    path
}

/// The rows of a Parquet file as JSON, and how many row groups it has.
fn read_parquet(path: &Path) -> (Vec<Value>, usize) {
    let file = std::fs::File::open(path).unwrap();
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let groups = builder.metadata().num_row_groups();
    let mut out = arrow_json::LineDelimitedWriter::new(Vec::new());
    for batch in builder.build().unwrap() {
        out.write(&batch.unwrap()).unwrap();
    }
    out.finish().unwrap();
    (lines(&String::from_utf8(out.into_inner()).unwrap()), groups)
}

fn gzip(path: &Path) -> PathBuf {
    use std::io::Write as _;
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    let file = std::fs::File::create(&packed).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder.write_all(&std::fs::read(path).unwrap()).unwrap();
    encoder.finish().unwrap();
    packed
}

fn zstandard(path: &Path) -> PathBuf {
    let packed = PathBuf::from(format!("{}.zst", path.display()));
    let bytes = zstd::encode_all(std::fs::read(path).unwrap().as_slice(), 1).unwrap();
    std::fs::write(&packed, bytes).unwrap();
    packed
}

/// The text of a compressed file.
fn unpacked(path: &Path) -> String {
    use std::io::Read as _;
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().unwrap().to_str().unwrap() {
        "gz" => flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap(),
        "zst" => zstd::Decoder::new(bytes.as_slice()).unwrap().read_to_string(&mut text).unwrap(),
        _ => unreachable!("only compressed files are unpacked"),
    };
    text
}
