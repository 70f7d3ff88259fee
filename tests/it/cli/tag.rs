//! `cointag tag`: words, files, stdin; good records come out whatever stands between them.

use std::io::Write;
use std::process::{Output, Stdio};

use super::{code, cointag, run, stderr, stdout};

/// Runs `tag -` on `input` with the file source, so that nothing asks a network.
fn tag_stdin(input: &[u8], more: &[&str]) -> Output {
    let args = [&["tag", "-"][..], more].concat();
    let mut child =
        cointag(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn records(output: &Output) -> Vec<serde_json::Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The records that `tag -` writes for `input`.
pub(crate) fn tag_lines(input: &[u8], more: &[&str]) -> Vec<serde_json::Value> {
    records(&tag_stdin(input, more))
}

#[test]
fn words_show_the_box_with_prices() {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("market.file.path={root}/examples/quotes.json");
    let output = run(&["tag", "Bitcoin slips as $ETH holds", "--set", "market.sources=file", "--set", &path]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn a_path_that_does_not_exist_is_not_taken_for_words() {
    let output = run(&["tag", "no-such-file.jsonl"]);
    assert_eq!(code(&output), 2);
    assert_eq!(stderr(&output), "error: no file `no-such-file.jsonl`; to tag it as words, add --text\n");
}

#[test]
fn every_record_in_gives_one_record_out_in_order() {
    let input =
        b"\xef\xbb\xbf{\"id\":\"a\",\"title\":\"Bitcoin\",\"url\":\"https://x\",\"extra\":{\"n\":1}}\r\n\
                  not json\n\
                  {\"id\":7,\"text\":\"Solana token\"}\n\
                  \n\
                  {\"id\":\"c\",\"text\":5}\n\
                  \xff\xfe\n\
                  {\"id\":\"d\",\"html\":\"<p>Bit<b>coin</b></p>\"}";
    let output = tag_stdin(input, &[]);
    assert_eq!(code(&output), 1);
    let records = records(&output);
    let ids: Vec<_> = records.iter().map(|record| record["id"].clone()).collect();
    assert_eq!(serde_json::to_string(&ids).unwrap(), r#"["a",null,"7","c",null,"d"]"#);
    assert_eq!(records[0]["extra"]["n"], 1, "unknown fields are carried through");
    assert_eq!(records[0]["url"], "https://x");
    assert_eq!(records[0].get("title"), None, "texts are not repeated");
    assert_eq!(records[1]["error"]["code"], "invalid_json");
    assert_eq!(records[1]["error"]["place"], "stdin:2");
    assert_eq!(records[3]["error"]["message"], "`text` must be a text");
    assert_eq!(records[4]["error"]["code"], "invalid_utf8");
    assert_eq!(records[5]["mentions"][0]["token_id"], "bitcoin");
    assert!(stderr(&output).contains("3 of 6 records set aside"));
}

#[test]
fn a_record_over_the_limit_is_set_aside_and_names_the_option() {
    let long = format!(
        "{{\"id\":\"long\",\"text\":\"{}\"}}\n{{\"id\":\"b\",\"text\":\"Bitcoin\"}}\n",
        "x".repeat(300)
    );
    let output = tag_stdin(long.as_bytes(), &["--max-bytes", "100"]);
    assert_eq!(code(&output), 1);
    let records = records(&output);
    assert_eq!(records[0]["error"]["message"], "longer than 100 bytes; raise --max-bytes");
    assert_eq!(records[1]["mentions"][0]["token_id"], "bitcoin");
}

#[test]
fn an_output_file_appears_when_it_is_whole_and_rejected_bytes_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let output = tag_stdin(b"{\"id\":\"a\",\"title\":\"Bitcoin\"}\noops\n", &["-o", path.to_str().unwrap()]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    assert!(!folder.path().join("out.jsonl.part").exists());
    assert_eq!(std::fs::read_to_string(folder.path().join("out.jsonl.rejected")).unwrap(), "oops\n");
    // A clean run leaves no rejected bytes of an earlier one.
    assert_eq!(code(&tag_stdin(b"{\"id\":\"a\"}\n", &["-o", path.to_str().unwrap()])), 0);
    assert!(!folder.path().join("out.jsonl.rejected").exists());
}

#[test]
fn files_are_read_by_their_extension() {
    let folder = tempfile::tempdir().unwrap();
    let html = folder.path().join("page.html");
    let text = folder.path().join("note.txt");
    std::fs::write(&html, "<nav>Solana</nav><p>Dogecoin</p>").unwrap();
    std::fs::write(&text, [0xff, 0xfe, 0x00]).unwrap();
    let output = run(&["tag", html.to_str().unwrap(), text.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    let records = records(&output);
    assert_eq!(records[0]["mentions"].as_array().unwrap().len(), 1);
    assert_eq!(records[0]["mentions"][0]["token_id"], "dogecoin");
    assert_eq!(records[1]["error"]["code"], "invalid_utf8");
    let unknown = folder.path().join("x.doc");
    std::fs::write(&unknown, "").unwrap();
    let output = run(&["tag", unknown.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("give --input-format jsonl, csv, parquet, html or text"));
}

#[test]
fn an_option_that_cannot_be_is_an_error() {
    for (args, why) in [
        (&["--format", "parquet"][..], "Parquet needs a file to write; give --output FILE"),
        (&["--resume"], "--resume needs a file to write; give --output FILE"),
        (&["--map", "size=n"], "--map: no field `size`"),
    ] {
        let output = tag_stdin(b"", args);
        assert_eq!(code(&output), 2, "{args:?}");
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
}

#[test]
fn offsets_come_in_the_unit_asked_for() {
    for (unit, start) in [("bytes", 5), ("codepoints", 2), ("utf16", 3)] {
        let output = tag_stdin("{\"title\":\"😀 Bitcoin\"}".as_bytes(), &["--offsets", unit]);
        assert_eq!(records(&output)[0]["mentions"][0]["spans"][0]["start"], start);
    }
}

#[test]
fn published_never_takes_a_price_of_today() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"prices":{"bitcoin":{"price":"74603.12"}}}"#).unwrap();
    let path = format!("market.file.path={}", file.path().display());
    let set = ["--set", "market.sources=file", "--set", &path, "--set", "market.history.sources=coingecko"];
    let folder = tempfile::tempdir().unwrap();
    let args =
        [&set[..], &["--quotes", "published", "--state-dir", folder.path().to_str().unwrap()]].concat();
    let input = b"{\"title\":\"Bitcoin\",\"published_at\":\"2021-03-05T12:10:00Z\"}\n{\"title\":\"Bitcoin\"}";
    let records = records(&tag_stdin(input, &args));
    let quote = |place: usize| records[place]["mentions"][0]["quote"].clone();
    for (place, reason) in [
        (0, "no price at 2021-03-05T12:00:00Z: coingecko: reaches back 365 days without a paid plan"),
        (1, "the document has no `published_at` to price it at"),
    ] {
        assert_eq!(
            (&quote(place)["state"], &quote(place)["price"]),
            (&"unavailable".into(), &serde_json::Value::Null)
        );
        assert_eq!(quote(place)["reason"], reason);
    }
    assert_eq!(quote(0)["asked_at"], "2021-03-05T12:10:00Z");
}
