//! `cointag quote`.

use super::{code, run, stderr, stdout};

fn quote(words: &[&str]) -> std::process::Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    // No time in the file: the prices are as old as the look at it.
    let prices =
        r#"{"prices":{"bitcoin":{"price":"74603.12","change_24h_pct":-1.8},"solana":{"price":"0.000001"}}}"#;
    std::fs::write(file.path(), prices).unwrap();
    let path = format!("market.file.path={}", file.path().display());
    run(&[&["quote", "--set", "market.sources=file", "--set", &path][..], words].concat())
}

#[test]
fn all_some_and_none_have_their_exit_codes() {
    assert_eq!(code(&quote(&["BTC", "solana"])), 0);
    let some = quote(&["NOSUCHCOIN", "BTC", "ethereum"]);
    assert_eq!(code(&some), 1);
    assert_eq!(stderr(&some), "error: no token goes by the symbol `NOSUCHCOIN`\n");
    assert_eq!(code(&quote(&["NOSUCHCOIN"])), 2);
    assert_eq!(code(&quote(&[])), 2);
}

#[test]
fn the_table_keeps_the_order_asked() {
    insta::assert_snapshot!(stdout(&quote(&["solana", "$btc"])));
}

#[test]
fn json_is_what_the_http_face_answers() {
    let json: serde_json::Value =
        serde_json::from_slice(&quote(&["BTC", "solana", "--format", "json"]).stdout).unwrap();
    assert_eq!(json["quotes"][0]["asked"], "BTC");
    assert_eq!(json["quotes"][0]["priced"]["quote"]["price"], "74603.12");
    assert_eq!(json["quotes"][1]["priced"]["quote"]["price"], "0.000001");
}
