//! Every format in and out: one record out per record in, in order, with what is carried.

use std::path::PathBuf;

use cointag::archive::{Destination, OutputFormat, run};
use serde_json::{Value, json};

use super::*;

fn mentions(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| record["mentions"].to_string()).collect()
}

#[test]
fn every_format_and_compression_gives_the_same_mentions() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let articles = articles(120);
    let jsonl = write_jsonl(folder, &articles);
    let expected = tag_lines(&[&jsonl], &folder.join("out.jsonl"));
    assert_eq!(expected.len(), 120);
    for (record, article) in expected.iter().zip(&articles) {
        assert_eq!(record["mentions"].as_array().unwrap().len(), 1, "{record}");
        for carried in ["id", "published_at", "url", "views", "tags"] {
            assert_eq!(record[carried], article[carried]);
        }
        assert_eq!(record.get("text"), None, "texts are not repeated");
    }
    let csv = write_csv(folder, &articles);
    let parquet = write_parquet(folder, &articles, 50);
    for input in [gzip(&jsonl), zstandard(&jsonl), csv.clone(), gzip(&csv), parquet] {
        let records = tag_lines(&[&input], &folder.join("out.jsonl"));
        assert_eq!(mentions(&records), mentions(&expected), "{}", input.display());
        assert_eq!(records[7]["url"], articles[7]["url"]);
        assert_eq!(records[7]["id"], "a7");
    }
    for name in ["out.jsonl.gz", "out.jsonl.zst"] {
        let output = folder.join(name);
        tag(&[&jsonl], OutputFormat::JsonLines, &output);
        assert_eq!(lines(&unpacked(&output)), expected, "{name}");
    }
}

#[test]
fn columns_are_carried_through_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let articles = articles(70);
    let jsonl = write_jsonl(folder, &articles);
    let csv = write_csv(folder, &articles);
    let parquet = write_parquet(folder, &articles, 30);
    // Parquet to Parquet keeps types and values.
    let output = folder.join("out.parquet");
    tag(&[&parquet], OutputFormat::Parquet, &output);
    let ((before, _), (after, _)) = (read_parquet(&parquet), read_parquet(&output));
    for (before, after) in before.iter().zip(&after) {
        for carried in ["id", "published_at", "url", "views", "tags"] {
            assert_eq!(before[carried], after[carried]);
        }
        assert_eq!(after["mentions"].as_array().unwrap().len(), 1);
        assert!(after["mentions"][0]["spans"][0]["evidence"].is_array());
    }
    assert_eq!(after.len(), 70);
    // JSON Lines to Parquet finds the kinds of the columns.
    tag(&[&jsonl], OutputFormat::Parquet, &output);
    let (rows, _) = read_parquet(&output);
    assert_eq!((&rows[5]["views"], &rows[5]["url"]), (&json!(5), &articles[5]["url"]));
    assert_eq!(rows[5]["tags"], r#"["a",{"b":5}]"#);
    // CSV to CSV keeps every cell.
    let output = folder.join("out.csv");
    tag(&[&csv], OutputFormat::Csv, &output);
    let mut reader = csv::Reader::from_path(&output).unwrap();
    let header = reader.headers().unwrap().clone();
    assert_eq!(
        header.iter().collect::<Vec<_>>().join(" "),
        "id tokens mentions ambiguous rejected catalog_version detector_version error_code error_message \
         error_place published_at url views tags"
    );
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 70);
    assert_eq!((&records[0][0], &records[0][1]), ("a0", "bitcoin"));
    assert_eq!(&records[3][11], articles[3]["url"].as_str().unwrap());
    assert_eq!(&records[3][13], r#"["a",{"b":3}]"#);
}

#[test]
fn fields_that_no_sample_showed_are_kept_in_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut articles = articles(3000);
    articles[2900]["late"] = json!({"x": 1});
    articles[2901]["views"] = json!("many");
    let jsonl = write_jsonl(folder.path(), &articles);
    let output = folder.path().join("out.csv");
    tag(&[&jsonl], OutputFormat::Csv, &output);
    let records: Vec<_> = csv::Reader::from_path(&output).unwrap().records().map(Result::unwrap).collect();
    let other = |at: usize| records[at].iter().next_back().unwrap().to_owned();
    assert_eq!([other(2900), other(2901), other(1)], [r#"{"late":{"x":1}}"#, r#"{"views":"many"}"#, ""]);
}

#[test]
fn a_bad_record_stands_in_its_place_and_can_be_fed_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let jsonl = folder.join("bad.jsonl");
    std::fs::write(&jsonl, "{\"id\":\"a\",\"text\":\"Bitcoin\"}\n{\"id\":\"b\",\"text\":7,\"n\":1}\noops")
        .unwrap();
    let output = folder.join("out.jsonl");
    let records = tag_lines(&[&jsonl], &output);
    assert_eq!(records[1]["error"]["place"], format!("{}:2", jsonl.display()));
    assert_eq!((&records[1]["id"], &records[1]["n"]), (&json!("b"), &json!(1)));
    assert_eq!(records[2]["error"]["code"], "invalid_json");
    let rejected = folder.join("out.jsonl.rejected");
    let text = std::fs::read_to_string(&rejected).unwrap();
    assert_eq!(text, "{\"id\":\"b\",\"text\":7,\"n\":1}\noops\n");
    let mended = folder.join("mended.jsonl");
    std::fs::write(&mended, text.replace("7", "\"Solana token\"").replace("oops", "{}")).unwrap();
    assert_eq!(tag_lines(&[&mended], &output)[0]["mentions"][0]["token_id"], "solana");
    assert!(!rejected.exists(), "a clean run leaves none of an earlier one");

    let csv = folder.join("bad.csv");
    std::fs::write(&csv, "id,text\r\na,Bitcoin\r\nb,\"Solana\ntoken\",what\r\nc,\"Dogecoin\r\n\"\r\n")
        .unwrap();
    let records = tag_lines(&[&csv], &output);
    assert_eq!(records.len(), 3);
    assert_eq!(records[1]["error"]["code"], "invalid_csv");
    assert_eq!(records[1]["error"]["place"], format!("{}:3", csv.display()));
    assert_eq!(records[2]["mentions"][0]["token_id"], "dogecoin");
    let text = std::fs::read_to_string(&rejected).unwrap();
    assert_eq!(text, "id,text\r\nb,\"Solana\ntoken\",what\r\n");
    let mended = folder.join("mended.csv");
    std::fs::write(&mended, text.replace(",what", "")).unwrap();
    assert_eq!(tag_lines(&[&mended], &output)[0]["mentions"][0]["token_id"], "solana");

    let parquet = write_parquet(folder, &articles(20), 8);
    let mut job = job(&[&parquet], OutputFormat::JsonLines, &Local);
    job.reading.max_bytes = 500;
    run(job, Destination::File(output.clone()), &mut |_| {}).unwrap();
    let records = lines(&std::fs::read_to_string(&output).unwrap());
    assert_eq!((records.len(), &records[9]["error"]["code"]), (20, &json!("too_long")));
    assert_eq!(records[9]["url"], "https://news.example/9?a=1,2");
    let back = folder.join("back.jsonl");
    std::fs::rename(&rejected, &back).unwrap();
    let records = tag_lines(&[&back], &output);
    assert_eq!((records.len(), &records[0]["mentions"][0]["token_id"]), (2, &json!("uniswap")));
}

#[test]
fn a_bad_time_of_publication_sets_a_record_aside_only_where_prices_hang_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let jsonl = folder.join("in.jsonl");
    let text = "{\"text\":\"Bitcoin\",\"published_at\":\"last week\"}\n{\"text\":\"Bitcoin\"}\n\
                {\"text\":\"Bitcoin\",\"published_at\":1768206600}\n";
    std::fs::write(&jsonl, text).unwrap();
    let csv = folder.join("in.csv");
    std::fs::write(&csv, "text,published_at\nBitcoin,last week\nBitcoin,\nBitcoin,2026-01-12\n").unwrap();
    for input in [&jsonl, &csv] {
        for (strict, set_aside) in [(true, 1), (false, 0)] {
            let mut job = job(&[input], OutputFormat::JsonLines, &Local);
            job.reading.strict_published_at = strict;
            let output = folder.join("out.jsonl");
            let tally = run(job, Destination::File(output.clone()), &mut |_| {}).unwrap();
            assert_eq!((tally.set_aside, tally.articles), (set_aside, 3 - set_aside));
            let first = &lines(&std::fs::read_to_string(output).unwrap())[0];
            assert_eq!(first["error"]["code"] == "invalid_published_at", strict);
        }
    }
}

#[test]
fn an_unreadable_file_is_told_in_its_place_and_the_rest_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let jsonl = write_jsonl(folder, &articles(40));
    let packed = gzip(&jsonl);
    let bytes = std::fs::read(&packed).unwrap();
    let torn = folder.join("torn.jsonl.gz");
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    let output = folder.join("out.jsonl");
    let records = tag_lines(&[&torn, &packed], &output);
    let error = records.iter().position(|record| record.get("error").is_some()).unwrap();
    assert_eq!(records[error]["error"]["code"], "unreadable");
    assert_eq!(records[error]["error"]["place"], torn.display().to_string());
    assert_eq!(records.len() - error - 1, 40, "the whole second file");
    let other = folder.join("other.csv");
    std::fs::write(&other, "id,body\na,Bitcoin\n").unwrap();
    let csv = write_csv(folder, &articles(3));
    let records = tag_lines(&[&csv, &other, &csv], &output);
    assert_eq!(records.len(), 7);
    assert!(records[3]["error"]["message"].as_str().unwrap().contains("in a run of its own"));
    let mixed =
        run(job(&[&csv, &jsonl], OutputFormat::JsonLines, &Local), Destination::File(output), &mut |_| {});
    assert!(mixed.unwrap_err().to_string().ends_with("tag them in two runs"));
}

#[test]
fn a_folder_of_pages_is_read_in_any_charset() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let news = folder.join("news");
    std::fs::create_dir_all(news.join("b")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(news.join(name), bytes).unwrap();
    write(
        "a.html",
        b"<meta charset=windows-1252><nav>Solana</nav><h1>Dogecoin</h1><article><p>Caf\xe9 \x96 Bitcoin</p></article>",
    );
    let wide: Vec<u8> = "\u{feff}<p>Bitcoin".encode_utf16().flat_map(u16::to_le_bytes).collect();
    write("b/wide.html", &wide);
    write("b/note.txt", b"\xef\xbb\xbfBitcoin\r\nup");
    write("b/torn.html", b"<p>Bitcoin \xe9");
    write("z.pdf", b"%PDF");
    let output = folder.join("out.jsonl");
    let tally = tag(&[&news], OutputFormat::JsonLines, &output);
    assert_eq!((tally.articles, tally.set_aside, tally.left_out), (3, 1, 1));
    let records = lines(&std::fs::read_to_string(&output).unwrap());
    let ids: Vec<String> = records
        .iter()
        .map(|record| record["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["a.html", "note.txt", "torn.html", "wide.html"]);
    // Spans point into the decoded page, though only the article was read.
    let page = "<meta charset=windows-1252><nav>Solana</nav><h1>Dogecoin</h1><article><p>Café – Bitcoin</p></article>";
    assert_eq!(records[0]["mentions"].as_array().unwrap().len(), 1);
    let span = &records[0]["mentions"][0]["spans"][0];
    let range = |name: &str| usize::try_from(span[name].as_u64().unwrap()).unwrap();
    assert_eq!(&page[range("start")..range("end")], "Bitcoin");
    assert_eq!(records[1]["mentions"][0]["spans"][0]["start"], 0);
    let rejected = std::fs::read_to_string(folder.join("out.jsonl.rejected")).unwrap();
    assert_eq!(rejected, format!("{}\n", news.join("b/torn.html").display()));
    let mut job = job(&[&news], OutputFormat::JsonLines, &Local);
    job.reading.region = cointag::archive::Region::All;
    run(job, Destination::File(output.clone()), &mut |_| {}).unwrap();
    let records = lines(&std::fs::read_to_string(&output).unwrap());
    assert_eq!(records[0]["mentions"].as_array().unwrap().len(), 2, "the heading, too");
}

#[test]
fn parquet_row_groups_are_put_together_and_an_empty_archive_gives_an_empty_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small: Vec<Value> = (0..40_000).map(|at| json!({"id": at, "text": "x", "n": at})).collect();
    let jsonl = write_jsonl(folder, &small);
    let output = folder.join("out.parquet");
    let mut large = job(&[&jsonl], OutputFormat::Parquet, &Local);
    large.tuning.block_bytes = 64 << 10;
    run(large, Destination::File(output.clone()), &mut |_| {}).unwrap();
    let (rows, groups) = read_parquet(&output);
    assert_eq!((rows.len(), groups), (40_000, 3));
    assert!(rows.iter().enumerate().all(|(at, row)| row["n"] == json!(at)));
    let left: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    std::fs::write(&jsonl, "").unwrap();
    tag(&[&jsonl], OutputFormat::Parquet, &output);
    assert_eq!(read_parquet(&output), (Vec::new(), 0));
}

#[test]
fn the_report_is_one_page_that_needs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut articles = articles(50);
    articles.push(json!({"id": "<b>", "text": 5}));
    let jsonl = write_jsonl(folder.path(), &articles);
    let output = folder.path().join("out.html");
    let tally = tag(&[&jsonl], OutputFormat::Html, &output);
    assert_eq!(tally.tokens["bitcoin"].articles, 10);
    let page = std::fs::read_to_string(&output).unwrap();
    assert!(
        page.contains("Bitcoin (BTC)") && page.contains("<svg") && page.contains("2026-01-12 to 2026-12-12")
    );
    assert!(page.contains(":51<td>`text` must be a text"));
    for foreign in ["http:", "https:", "src=", "<script", "<link", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}
