//! Tagging again with a new catalog: what cannot have changed is kept, and the result is that of a full run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cointag::archive::{Previous, run};
use cointag::mention::Changes;

use super::*;

const OVERLAY: &str = r#"
[[asset]]
id = "newcomer"
symbol = "NWCMR"
name = "Newcomer Chain"
symbol_class = "b"
name_class = "a"
"#;

/// Counts what it tags.
struct Counts {
    detector: Detector,
    tagged: AtomicUsize,
}

impl Annotator for Counts {
    fn annotate(&self, documents: Vec<Document>) -> Result<Vec<Result<Record, RecordError>>, ArchiveError> {
        self.tagged.fetch_add(documents.len(), Ordering::SeqCst);
        let tag = |document| Ok(annotate(&self.detector, &document, &Options::default(), None));
        Ok(documents.into_iter().map(tag).collect())
    }
}

fn overlaid(catalog: &Catalog) -> Arc<Catalog> {
    Arc::new(catalog.with_overlay(OVERLAY).unwrap())
}

#[test]
fn only_what_a_new_catalog_may_change_is_tagged_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut articles = articles(600);
    for at in (0..600).step_by(20) {
        articles[at]["text"] = Value::from("The Newcomer Chain ($NWCMR) began, like Solana.");
    }
    articles[7]["text"] = Value::from(5);
    let jsonl = write_jsonl(folder, &articles);
    let old = folder.join("old.jsonl.zst");
    tag(&[&jsonl], OutputFormat::JsonLines, &old);
    let before = Catalog::builtin();
    let after = overlaid(&before);
    let annotator = Counts { detector: Detector::new(after.clone()), tagged: AtomicUsize::new(0) };
    let changes = Changes::between(&before, &after);
    assert_eq!(changes.counts(), (1, 0));
    let may_touch = |document: &Document| changes.may_touch(document);
    let previous = |output: &Path, detector: &str| Previous {
        output: output.to_owned(),
        catalog_before: before.version().to_owned(),
        catalog: after.version().to_owned(),
        detector: detector.to_owned(),
        may_touch: &may_touch,
    };
    let again = |previous: Option<Previous<'_>>, inputs: &Path| {
        annotator.tagged.store(0, Ordering::SeqCst);
        let output = folder.join("new.jsonl");
        let mut job = job(&[inputs], OutputFormat::JsonLines, &annotator);
        job.previous = previous;
        let run = run(job, Destination::File(output.clone()), &mut |_| {});
        run.map(|tally| (std::fs::read_to_string(output).unwrap(), tally))
    };
    // What is counted is the same, too.
    let told = |tally: &Tally| (tally.mentions, tally.ambiguous, tally.tokens.clone());
    let (full, tally) = again(None, &jsonl).unwrap();
    let told_in_full = told(&tally);
    assert_eq!((tally.kept, annotator.tagged.load(Ordering::SeqCst)), (0, 599));
    let (kept, tally) = again(Some(previous(&old, annotator.detector.version())), &jsonl).unwrap();
    assert_eq!(kept, full);
    assert_eq!(told(&tally), told_in_full);
    let tagged = annotator.tagged.load(Ordering::SeqCst);
    assert!((30..=36).contains(&tagged), "{tagged} of 600");
    assert!(tally.kept >= 560 && tally.articles == 599);
    // What is carried is the input's of today, and so is its absence.
    let mut moved = articles.clone();
    for (at, article) in moved.iter_mut().enumerate() {
        match at % 4 {
            0 => article["url"] = Value::from("https://moved.example/"),
            1 => drop(article.as_object_mut().unwrap().remove("url")),
            2 => article["a \"new\" one"] = Value::from("é"),
            _ => {}
        }
    }
    let other_folder = folder.join("moved");
    std::fs::create_dir(&other_folder).unwrap();
    let moved = write_jsonl(&other_folder, &moved);
    let (full_moved, _) = again(None, &moved).unwrap();
    let (kept_moved, tally) = again(Some(previous(&old, annotator.detector.version())), &moved).unwrap();
    assert!(kept_moved == full_moved && tally.kept >= 560);
    // Outputs that are no JSON Lines are written from records.
    let write = |name: &str, previous: Option<Previous<'_>>| {
        let output = folder.join(name);
        let job = Job { previous, ..job(&[&jsonl], OutputFormat::Csv, &annotator) };
        let tally = run(job, Destination::File(output.clone()), &mut |_| {}).unwrap();
        (std::fs::read(output).unwrap(), tally.mentions)
    };
    let kept = write("kept.csv", Some(previous(&old, annotator.detector.version())));
    assert!(kept == write("full.csv", None));
    // Another detector decides anew.
    let (_, tally) = again(Some(previous(&old, "2-other")), &jsonl).unwrap();
    assert_eq!(tally.kept, 0);
    // What is not the output of this input is noticed, and so is one made with other options.
    let why = |output: &Path, input: &Path| {
        again(Some(previous(output, annotator.detector.version())), input)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let text = unpacked(&old);
    let other = folder.join("other.jsonl");
    std::fs::write(&other, text.replace("\"id\":\"a5\"", "\"id\":\"b5\"")).unwrap();
    assert!(why(&other, &jsonl).contains("its record 6 is `b5`, the input's is `a5`"));
    std::fs::write(&other, text.lines().take(300).map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    assert!(why(&other, &jsonl).contains("has fewer records than the input"));
    std::fs::write(&other, format!("{text}{{}}\n")).unwrap();
    assert!(why(&other, &jsonl).contains("has more records than the input"));
    std::fs::write(&other, text.replace("\"count\":", "\"count\":1")).unwrap();
    assert!(why(&other, &jsonl).contains("was that made with other options?"));
}
