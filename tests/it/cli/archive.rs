//! `cointag tag` over archives: killed and gone on with, and what a person sees.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{code, cointag, run, stderr};

fn beside(output: &Path, extension: &str) -> PathBuf {
    PathBuf::from(format!("{}{extension}", output.display()))
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Tags `input`, killing the process (SIGKILL) `kills` times: each time behind a new checkpoint, when the output
/// has grown by some more bytes.
fn tag_with_kills(input: &Path, output: &Path, kills: usize) -> usize {
    let args = ["tag", input.to_str().unwrap(), "-o", output.to_str().unwrap(), "--resume", "--jobs", "2"];
    let (checkpoint, part) = (beside(output, ".checkpoint"), beside(output, ".part"));
    let mut last = Vec::new();
    for kill in 0..=kills {
        let mut child = cointag(&args).stderr(Stdio::null()).spawn().unwrap();
        let mut enough = None;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return kill;
            }
            let now = std::fs::read(&checkpoint).unwrap_or_default();
            if enough.is_none() && !now.is_empty() && now != last {
                last = now;
                // A different place after every checkpoint.
                enough = Some(length(&part) + [0, 30_000][kill % 2]);
            }
            if kill < kills && enough.is_some_and(|enough| length(&part) >= enough) {
                child.kill().unwrap();
                child.wait().unwrap();
                assert!(!output.exists());
                break;
            }
            std::thread::yield_now();
        }
    }
    unreachable!("the last process is not killed")
}

#[test]
fn a_run_that_is_killed_goes_on_with_resume_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let sentence = "Holders of Solana waited while $ETH rose. The court said nothing. ";
    let long: String = (0..1200)
        .map(|at| format!("{{\"id\":{at},\"text\":\"{}\"}}\n", sentence.repeat(20 + at % 7)))
        .collect();
    let short: String = (0..36_000).map(|at| format!("{{\"id\":{at},\"text\":\"Bitcoin\"}}\n")).collect();
    for (text, name) in [(long, "out.jsonl.gz"), (short, "out.parquet")] {
        let input = folder.path().join("in.jsonl");
        std::fs::write(&input, text).unwrap();
        let whole = folder.path().join(format!("whole-{name}"));
        let output = run(&["tag", input.to_str().unwrap(), "-o", whole.to_str().unwrap(), "--quiet"]);
        assert_eq!((code(&output), stderr(&output)), (0, String::new()));
        let killed = folder.path().join(name);
        let kills = tag_with_kills(&input, &killed, 2);
        assert!(kills > 0, "{name} was done before it could be killed");
        assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&killed).unwrap(), "{name}");
        assert!(!beside(&killed, ".checkpoint").exists() && !beside(&killed, ".part").exists());
    }
}

#[test]
fn the_summary_tells_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    std::fs::write(&input, "{\"text\":\"Bitcoin and Solana\"}\n{\"text\":\"Bitcoin\"}\noops\n").unwrap();
    let path = folder.path().join("out.jsonl");
    let output = run(&["tag", input.to_str().unwrap(), "-o", path.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    let told = stderr(&output);
    assert!(told.starts_with("2 articles in "), "{told}");
    assert!(told.contains(": 3 mentions of 2 tokens, 0 ambiguous, 1 set aside\n"), "{told}");
    let bars = format!("  BTC  {} 2\n  SOL  {} 1\n", "█".repeat(40), "█".repeat(20));
    assert!(told.contains(&bars), "{told}");
    assert!(
        told.ends_with(&format!(
            "1 of 3 records set aside; their bytes are in {}.rejected\n",
            path.display()
        ))
    );
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    std::fs::write(&input, "{\"text\":\"Bitcoin\"}\n").unwrap();
    let path = folder.path().join("no-such-folder/out.jsonl");
    let output = run(&["tag", input.to_str().unwrap(), "-o", path.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).starts_with(&format!("error: cannot write {}.part: ", path.display())));
    // A disk that is full.
    if Path::new("/dev/full").exists() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let args = ["tag", input.to_str().unwrap()];
        let output = cointag(&args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(code(&output), 2);
        assert!(stderr(&output).contains("cannot write -: No space left"), "{}", stderr(&output));
    }
}

#[test]
fn a_running_server_gives_the_same_output() {
    let server = super::serve::Running::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    let lines: String = (0..500)
        .map(|at| format!("{{\"id\":{at},\"title\":\"Bitcoin {at}\",\"text\":\"$ETH rose\",\"n\":1.50}}\n"))
        .collect();
    std::fs::write(&input, lines + "oops\n").unwrap();
    let tag = |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        let args = [&["tag", input.to_str().unwrap(), "-o", path.to_str().unwrap(), "-q"], more].concat();
        let output = run(&args);
        assert_eq!(code(&output), 1, "{}", stderr(&output));
        std::fs::read(path).unwrap()
    };
    let here = tag("here.csv", &["--jobs", "1"]);
    assert_eq!(tag("there.csv", &["--jobs", "3", "--server", &server.grpc]), here);
}
