//! A run that is stopped anywhere and gone on with writes what one writes that is never stopped.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use cointag::annotate::{Record, RecordError};
use cointag::archive::{Annotator, ArchiveError, Destination, OutputFormat, run};
use cointag::mention::Document;

use super::*;

/// Tags a number of articles and then fails, as a process that is killed stops.
struct Stops {
    after: usize,
    tagged: AtomicUsize,
}

impl Annotator for Stops {
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError> {
        let tagged = self.tagged.fetch_add(documents.len(), Ordering::SeqCst);
        if tagged + documents.len() > self.after {
            return Err(ArchiveError::Annotator("stopped".to_owned()));
        }
        Local.annotate(documents)
    }
}

/// Tags `input`, stopping every few articles; gives how often it was stopped.
fn in_pieces(input: &Path, format: OutputFormat, output: &Path, step: usize) -> usize {
    for stops in 0..1000 {
        // Each piece gets further, so that every run ends.
        let annotator = Stops { after: step + stops, tagged: AtomicUsize::new(0) };
        let job = Job { resume: true, ..job(&[input], format, &annotator) };
        match run(job, Destination::File(output.to_owned()), &mut |_| {}) {
            Ok(_) => return stops,
            Err(error) => assert_eq!(error.to_string(), "stopped"),
        }
        assert!(!output.exists(), "it appears when it is whole");
        // What a crash leaves beyond the checkpoint is cut off.
        let mut torn = std::fs::read(part(output)).unwrap();
        torn.extend(b"torn");
        std::fs::write(part(output), torn).unwrap();
    }
    panic!("it never ends");
}

fn part(output: &Path) -> PathBuf {
    PathBuf::from(format!("{}.part", output.display()))
}

#[test]
fn every_format_and_compression_is_gone_on_with_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut articles = articles(60);
    articles[20]["text"] = Value::from(5);
    articles[41]["text"] = Value::from("long ".repeat(1000));
    let jsonl = write_jsonl(folder, &articles);
    articles[20]["text"] = Value::from("a text again");
    let csv = write_csv(folder, &articles);
    let parquet = write_parquet(folder, &articles, 25);
    let pages = folder.join("pages");
    std::fs::create_dir(&pages).unwrap();
    for (at, article) in articles.iter().enumerate() {
        let text = article["text"].as_str().unwrap();
        std::fs::write(pages.join(format!("{at:02}.html")), format!("<p>{text}\u{e9}")).unwrap();
    }
    std::fs::write(pages.join("33.html"), b"\xe9").unwrap();
    let outputs = [
        (OutputFormat::JsonLines, "jsonl"),
        (OutputFormat::JsonLines, "jsonl.gz"),
        (OutputFormat::JsonLines, "jsonl.zst"),
        (OutputFormat::Csv, "csv"),
        (OutputFormat::Csv, "csv.zst"),
        (OutputFormat::Parquet, "parquet"),
        (OutputFormat::Html, "html"),
        (OutputFormat::Table, "txt"),
    ];
    for input in [&jsonl, &gzip(&jsonl), &zstandard(&jsonl), &csv, &gzip(&csv), &parquet, &pages] {
        for (format, extension) in outputs {
            let (whole, pieces) =
                (folder.join(format!("whole.{extension}")), folder.join(format!("pieces.{extension}")));
            let tally = tag(&[input], format, &whole);
            let stops = in_pieces(input, format, &pieces, 14);
            let told = format!("{} to {extension}, stopped {stops} times", input.display());
            assert!(stops > 1 || format == OutputFormat::Parquet && stops > 0, "{told}");
            assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&pieces).unwrap(), "{told}");
            let rejected = |output: &Path| std::fs::read(cointag::archive::rejected_path(output)).ok();
            assert_eq!(rejected(&whole), rejected(&pieces), "{told}");
            assert_eq!(tally.records(), 60);
            let left = [part(&pieces), PathBuf::from(format!("{}.checkpoint", pieces.display()))];
            assert!(left.iter().all(|path| !path.exists()), "{told}");
            std::fs::remove_file(&pieces).unwrap();
        }
    }
}

#[test]
fn a_record_over_the_limit_is_never_cut_in_two_by_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut articles = articles(30);
    articles[11]["text"] = Value::from("x".repeat(20_000));
    let jsonl = write_jsonl(folder.path(), &articles);
    fn limited<'a>(jsonl: &Path, annotator: &'a dyn Annotator) -> Job<'a> {
        let mut job = job(&[jsonl], OutputFormat::JsonLines, annotator);
        job.reading.max_bytes = 4096;
        job
    }
    let whole = folder.path().join("whole.jsonl");
    run(limited(&jsonl, &Local), Destination::File(whole.clone()), &mut |_| {}).unwrap();
    let pieces = folder.path().join("pieces.jsonl");
    for after in 3.. {
        let annotator = Stops { after, tagged: AtomicUsize::new(0) };
        let job = Job { resume: true, ..limited(&jsonl, &annotator) };
        if run(job, Destination::File(pieces.clone()), &mut |_| {}).is_ok() {
            break;
        }
    }
    assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&pieces).unwrap());
    let rejected = std::fs::read_to_string(cointag::archive::rejected_path(&pieces)).unwrap();
    assert_eq!(rejected, format!("{}\n", articles[11]));
}

#[test]
fn a_run_is_not_gone_on_with_when_something_differs() {
    let folder = tempfile::tempdir().unwrap();
    let jsonl = write_jsonl(folder.path(), &articles(30));
    let output = folder.path().join("out.jsonl");
    let resumed = |change: &dyn Fn(&mut Job<'_>)| {
        let annotator = Stops { after: 10, tagged: AtomicUsize::new(0) };
        let mut job = job(&[&jsonl], OutputFormat::JsonLines, &annotator);
        job.identity = vec![("the catalog".to_owned(), "1".to_owned())];
        job.resume = true;
        change(&mut job);
        run(job, Destination::File(output.clone()), &mut |_| {}).unwrap_err().to_string()
    };
    // Nothing to go on with: it starts.
    assert_eq!(resumed(&|_| {}), "stopped");
    let catalog = resumed(&|job| job.identity[0].1 = "2".to_owned());
    assert!(catalog.contains("the catalog was `1` and is `2`; start anew without --resume"), "{catalog}");
    assert!(resumed(&|job| job.reading.max_bytes = 1).contains("--max-bytes was"));
    assert!(resumed(&|job| job.format = OutputFormat::Csv).contains("--format was"));
    let stdin = resumed(&|job| job.inputs.list = vec![Input::Stdin]);
    assert!(stdin.contains("which standard input does not allow"), "{stdin}");
    std::fs::write(&jsonl, "{}\n").unwrap();
    assert!(resumed(&|_| {}).contains("the input files are not what they were"));
}
