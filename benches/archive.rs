//! A whole archive against detection alone: what reading, parsing and writing cost.
//!
//! And tagging again after a small change of the catalog against a full run.
//!
//! `cargo bench --bench archive`. Generated articles lie in files, as JSON Lines and as Parquet; each run reads, tags and
//! writes them. Per-core figures count the processor time of the whole process, threads that cut and write included.

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a program of its own; not all of it is used by every benchmark"
)]

mod support;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_schema::{DataType, Field, Schema};
use cointag::annotate::{Record, RecordError, annotate};
use cointag::archive::{
    Annotator, ArchiveError, Destination, Input, Inputs, Job, OutputFormat, Previous, Reading, Tuning, run,
};
use cointag::catalog::Catalog;
use cointag::mention::{Changes, Detector, Document, OffsetUnit, Options};
use support::articles::articles;

const ARTICLES: usize = 20_000;
const ROUNDS: usize = 5;

struct Local(Detector);

impl Annotator for Local {
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError> {
        let tag = |document| Ok(annotate(&self.0, &document, &Options::default(), None));
        Ok(documents.into_iter().map(tag).collect())
    }
}

fn main() {
    let catalog = Catalog::builtin();
    let local = Local(Detector::new(catalog.clone()));
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<serde_json::Value> = articles(&catalog, 7, ARTICLES)
        .into_iter()
        .enumerate()
        .map(|(id, article)| {
            let url = format!("https://news.example/{id}");
            serde_json::json!({"id": id.to_string(), "title": article.title, "text": article.body, "url": url})
        })
        .collect();
    let jsonl = folder.path().join("in.jsonl");
    std::fs::write(&jsonl, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    let parquet = write_parquet(folder.path(), &rows);
    let bytes = std::fs::metadata(&jsonl).unwrap().len();
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    let documents: Vec<Document> = rows
        .iter()
        .map(|row| Document { title: text(row, "title"), body: text(row, "text"), ..Document::default() })
        .collect();
    drop(rows);

    // The catalog learns 20 aliases of tokens that few articles name.
    let ranked = catalog.assets().iter().filter(|asset| asset.rank.is_some()).skip(700).take(20);
    let alias = |asset: &cointag::catalog::AssetRecord| {
        let alias = format!("{} of late", asset.name.replace('"', ""));
        let id = &asset.id;
        format!(
            "[[asset]]\nid = \"{id}\"\naliases = [{{ text = \"{alias}\", kind = \"nickname\", case = \"any\", class = \"a\" }}]\n"
        )
    };
    let learned = Arc::new(catalog.with_overlay(&ranked.map(alias).collect::<String>()).unwrap());
    let changes = Changes::between(&catalog, &learned);
    let again = Local(Detector::new(learned.clone()));
    let touched = documents.iter().filter(|document| changes.may_touch(document)).count();
    let may_touch = |document: &Document| changes.may_touch(document);
    let previous = || Previous {
        output: folder.path().join("out.jsonl"),
        catalog_before: catalog.version().to_owned(),
        catalog: learned.version().to_owned(),
        detector: again.0.version().to_owned(),
        may_touch: &may_touch,
    };

    let job = |local: &Local, input: &Path, output: &str, jobs: usize, previous: Option<Previous<'_>>| {
        let path = folder.path().join(output);
        let format = OutputFormat::of_extension(output.rsplit('.').next().unwrap()).unwrap();
        let job = Job {
            inputs: Inputs { list: vec![Input::Path(input.to_owned())], ..Inputs::default() },
            reading: Reading::default(),
            format,
            colour: false,
            annotator: local,
            offset_unit: OffsetUnit::Bytes,
            identity: Vec::new(),
            previous,
            fill: false,
            prepare: None,
            resume: false,
            tuning: Tuning { jobs, ..Tuning::default() },
        };
        run(job, Destination::File(path), &mut |_| {}).unwrap();
    };
    let detection = || {
        for document in &documents {
            black_box(local.0.detect(document, &Options::default()));
        }
    };
    let records = || {
        for document in &documents {
            black_box(annotate(&local.0, document, &Options::default(), None));
        }
    };
    let runs: [(&str, &dyn Fn()); 9] = [
        ("detection alone", &detection),
        ("JSON Lines, 1 job", &|| job(&local, &jsonl, "out.jsonl", 1, None)),
        ("JSON Lines, 2 jobs", &|| job(&local, &jsonl, "out.jsonl", 2, None)),
        ("Parquet to JSON Lines, 1 job", &|| job(&local, &parquet, "parquet.jsonl", 1, None)),
        ("Parquet to Parquet, 1 job", &|| job(&local, &parquet, "out.parquet", 1, None)),
        ("JSON Lines, 4 jobs", &|| job(&local, &jsonl, "out.jsonl", 4, None)),
        ("again, all of it", &|| job(&again, &jsonl, "full.jsonl", 1, None)),
        ("again, what changed", &|| job(&again, &jsonl, "kept.jsonl", 1, Some(previous()))),
        ("detection and its record", &records),
    ];
    let mut times = vec![Vec::new(); runs.len()];
    for _ in 0..ROUNDS {
        for (times, (_, run)) in times.iter_mut().zip(&runs) {
            let (wall, cpu) = (Instant::now(), cpu_time());
            run();
            times.push((wall.elapsed(), cpu_time().saturating_sub(cpu)));
        }
    }
    println!("{ARTICLES} articles, {:.1} MB as JSON Lines, median of {ROUNDS} rounds", bytes as f64 / 1e6);
    println!("{:30} {:>12} {:>14} {:>8}", "", "articles/s", "per core", "MB/s");
    let mut medians = Vec::new();
    for (times, (name, _)) in times.iter_mut().zip(&runs) {
        let median = |pick: fn(&(Duration, Duration)) -> Duration| {
            let mut picked: Vec<Duration> = times.iter().map(pick).collect();
            picked.sort();
            picked[picked.len() / 2].as_secs_f64()
        };
        let (wall, cpu) = (median(|times| times.0), median(|times| times.1));
        println!(
            "{name:30} {:12.0} {:14.0} {:8.1}",
            ARTICLES as f64 / wall,
            ARTICLES as f64 / cpu,
            bytes as f64 / 1e6 / wall
        );
        medians.push((wall, cpu));
    }
    let text = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(text("full.jsonl") == text("kept.jsonl"), "what is kept is what a full run writes");
    let [detection, one, two, parquet, _, _, full, kept, _] = medians[..] else { return };
    println!("JSON Lines end to end, of detection, per core: {:.2} (wanted: 0.70)", detection.1 / one.1);
    println!("two jobs, of one core's worth:                 {:.2} (wanted: 1.80)", one.1 / two.0);
    println!("Parquet, time of JSON Lines, per core:         {:.2} (wanted: 1.25)", parquet.1 / one.1);
    println!("after 20 new aliases, of a full run, per core: {:.2} (wanted: 0.50)", kept.1 / full.1);
    println!("  of the articles tagged again for that:       {:.3}", touched as f64 / ARTICLES as f64);
}

/// Processor time of this process: user and system, in hundredths of a second.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    let ticks = fields.get(11).zip(fields.get(12)).map_or(0, |(user, system)| user + system);
    Duration::from_millis(ticks * 10)
}

fn write_parquet(folder: &Path, rows: &[serde_json::Value]) -> PathBuf {
    let names = ["id", "title", "text", "url"];
    let fields: Vec<Field> = names.map(|name| Field::new(name, DataType::Utf8, true)).to_vec();
    let schema = Arc::new(Schema::new(fields));
    let path = folder.join("in.parquet");
    let file = std::fs::File::create(&path).unwrap();
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_compression(parquet::basic::Compression::ZSTD(parquet::basic::ZstdLevel::default()))
        .build();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, schema.clone(), Some(properties)).unwrap();
    for rows in rows.chunks(1024) {
        let mut decoder =
            arrow_json::ReaderBuilder::new(schema.clone()).with_batch_size(1024).build_decoder().unwrap();
        decoder.serialize(rows).unwrap();
        writer.write(&decoder.flush().unwrap().unwrap()).unwrap();
    }
    writer.close().unwrap();
    path
}
