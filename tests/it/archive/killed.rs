//! A process that dies at any moment: the files are as they lay then, and going on gives what was never stopped.
//!
//! A moment is taken as a copy of every file of the run; what a disk may hold beyond the checkpoint is there, too.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use cointag::annotate::{Record, RecordError};
use cointag::archive::{Destination, files_of_run, rejected_path, run};
use cointag::market::{QuoteAnswer, QuoteState};
use cointag::mention::Document;

use super::*;

const OUTPUTS: [(OutputFormat, &str); 8] = [
    (OutputFormat::JsonLines, "out.jsonl"),
    (OutputFormat::JsonLines, "out.jsonl.gz"),
    (OutputFormat::JsonLines, "out.jsonl.zst"),
    (OutputFormat::Csv, "out.csv"),
    (OutputFormat::Csv, "out.csv.gz"),
    (OutputFormat::Parquet, "out.parquet"),
    (OutputFormat::Html, "out.html"),
    (OutputFormat::Table, "out.txt"),
];

/// Prices every token, or says that no price could be had yet.
struct Prices {
    known: AtomicBool,
}

impl Annotator for Prices {
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError> {
        let mut answers = Local.annotate(documents)?;
        let answer = if self.known.load(Ordering::SeqCst) {
            QuoteAnswer {
                reason: None,
                price: Some("66000".to_owned()),
                currency: Some("USD".to_owned()),
                ..QuoteAnswer::without_price(QuoteState::Historical, "")
            }
        } else {
            QuoteAnswer::without_price(QuoteState::Pending, "no price yet")
        };
        for record in answers.iter_mut().flatten() {
            record.mentions.iter_mut().for_each(|mention| mention.quote = Some(answer.clone()));
        }
        Ok(answers)
    }
}

fn job_of<'a>(input: &Path, format: OutputFormat, prices: &'a Prices) -> Job<'a> {
    Job { resume: true, fill: true, ..job(&[input], format, prices) }
}

fn copy(from: &Path, to: &Path) {
    for (from, to) in files_of_run(from).iter().zip(files_of_run(to)) {
        if from.is_file() {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// Runs and keeps a copy of the files at every block; gives the copies, each in a folder of its own.
fn moments(job: Job<'_>, output: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut copies = Vec::new();
    let name = output.file_name().unwrap();
    let mut watch = |_: &cointag::archive::Progress<'_>| {
        let at = folder.join(format!("moment-{}", copies.len())).join(name);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        copy(output, &at);
        copies.push(at);
    };
    run(job, Destination::File(output.to_owned()), &mut watch).unwrap();
    copies
}

/// An archive of which one record is set aside.
fn with_one_bad(folder: &Path, count: usize) -> PathBuf {
    let mut articles = articles(count);
    articles[13]["text"] = Value::from(5);
    write_jsonl(folder, &articles)
}

/// A run that nothing stops, beside a folder for others into the same format.
fn uninterrupted(
    jsonl: &Path,
    format: OutputFormat,
    folder: &Path,
    name: &str,
    prices: &Prices,
) -> (PathBuf, PathBuf) {
    let folder = folder.join(format!("of-{name}"));
    std::fs::create_dir(&folder).unwrap();
    let whole = folder.join(format!("whole-{name}"));
    run(job_of(jsonl, format, prices), Destination::File(whole.clone()), &mut |_| {}).unwrap();
    (folder, whole)
}

fn read(output: &Path) -> [Option<Vec<u8>>; 2] {
    [output.to_owned(), rejected_path(output)].map(|path| std::fs::read(path).ok())
}

fn append(path: &Path, bytes: &[u8]) {
    let mut text = std::fs::read(path).unwrap();
    text.extend(bytes);
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_process_that_dies_at_any_block_is_gone_on_with_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let jsonl = with_one_bad(folder, 40);
    let prices = Prices { known: AtomicBool::new(true) };
    for (format, name) in OUTPUTS {
        let folder = folder.join(format!("of-{name}"));
        std::fs::create_dir(&folder).unwrap();
        let whole = folder.join(name);
        let copies = moments(job_of(&jsonl, format, &prices), &whole, &folder);
        assert!(copies.len() > 10, "{name}: {}", copies.len());
        for (at, output) in copies.iter().enumerate() {
            assert!(!output.exists(), "{name}: it appears when it is whole");
            let [_, part, _, _, new, ..] = &files_of_run(output)[..] else { panic!("fewer files") };
            // What was never put on the disk for sure, and a checkpoint that was not whole yet.
            append(part, b"\xfftorn");
            std::fs::write(new, "{\"form\":").unwrap();
            let tally =
                run(job_of(&jsonl, format, &prices), Destination::File(output.clone()), &mut |_| {}).unwrap();
            assert_eq!(tally.records(), 40);
            assert_eq!(read(output), read(&whole), "{name}, block {at}");
        }
    }
}

#[test]
fn filling_what_is_pending_loses_nothing_whenever_it_dies() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let jsonl = with_one_bad(folder, 24);
    let prices = Prices { known: AtomicBool::new(true) };
    for (format, name) in OUTPUTS {
        let (folder, whole) = uninterrupted(&jsonl, format, folder, name, &prices);
        let to = |output: &Path| Destination::File(output.to_owned());
        let output = folder.join(name);
        prices.known.store(false, Ordering::SeqCst);
        // Killed while prices are missing, and gone on with when they are there: the beginning is filled, too.
        let early = moments(job_of(&jsonl, format, &prices), &output, &folder.join("early"));
        let pending = read(&output);
        assert_ne!(pending, read(&whole), "{name}");
        prices.known.store(true, Ordering::SeqCst);
        for output in &early {
            run(job_of(&jsonl, format, &prices), to(output), &mut |_| {}).unwrap();
            assert_eq!(read(output), read(&whole), "{name}");
        }
        // Killed while it fills.
        let late = moments(job_of(&jsonl, format, &prices), &output, &folder.join("late"));
        assert_eq!(read(&output), read(&whole), "{name}");
        let left = files_of_run(&output).into_iter().filter(|path| path.exists());
        assert_eq!(left.collect::<Vec<_>>(), [output.clone(), rejected_path(&output)], "{name}");
        for output in &late {
            assert_eq!(read(output), pending, "{name}: it stays until there is a better one");
            let tally = run(job_of(&jsonl, format, &prices), to(output), &mut |_| {}).unwrap();
            assert_eq!((tally.records(), tally.pending), (24, 0));
            assert_eq!(read(output), read(&whole), "{name}");
        }
    }
}

#[test]
fn a_process_that_dies_while_files_come_under_their_names_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let jsonl = with_one_bad(folder, 24);
    let prices = Prices { known: AtomicBool::new(true) };
    for (format, name) in OUTPUTS {
        let (folder, whole) = uninterrupted(&jsonl, format, folder, name, &prices);
        let to = |output: &Path| Destination::File(output.to_owned());
        // Folders in the way stop it before the output is there, and before what was set aside is.
        let output = folder.join(name);
        for in_the_way in [output.clone(), rejected_path(&output)] {
            std::fs::create_dir_all(in_the_way.join("x")).unwrap();
            let stopped = run(job_of(&jsonl, format, &prices), to(&output), &mut |_| {}).unwrap_err();
            assert!(stopped.to_string().contains("cannot write"), "{stopped}");
            std::fs::remove_dir_all(&in_the_way).unwrap();
            let done = std::fs::read(&files_of_run(&output)[3]).unwrap();
            run(job_of(&jsonl, format, &prices), to(&output), &mut |_| {}).unwrap();
            assert_eq!(read(&output), read(&whole), "{name}");
            // Before the checkpoint was taken away.
            std::fs::write(&files_of_run(&output)[3], done).unwrap();
            run(job_of(&jsonl, format, &prices), to(&output), &mut |_| {}).unwrap();
            assert_eq!(read(&output), read(&whole), "{name}");
            for path in [&output, &rejected_path(&output)] {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}
