//! `file`: the operator's own prices.

use std::path::PathBuf;

use cointag::market::{FileConfig, MarketError};

use super::*;

const FILE: &[&str] = &["file"];

fn config(path: PathBuf) -> MarketConfig {
    MarketConfig {
        sources: vec!["file".to_owned()],
        file: FileConfig { path: Some(path) },
        ..MarketConfig::default()
    }
}

async fn desk(path: PathBuf) -> Desk {
    let desk = Desk::open_with(fake_market().await, FILE, None, |new| *new = config(path)).await;
    desk.first_round().await;
    desk
}

#[tokio::test]
async fn the_example_prices_bitcoin_and_stays_fresh() {
    let desk = desk(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/quotes.json")).await;
    let answer = desk.answer("bitcoin");
    assert_eq!((answer.state, answer.price.as_deref()), (QuoteState::Fresh, Some("74603.12")));
    assert!(answer.as_of_received, "the file gives no time");
    assert_eq!(desk.state("lonely"), QuoteState::Unlisted);
    desk.clock.advance(minutes(60));
    desk.until(|desk| desk.state("bitcoin") == QuoteState::Fresh).await;
}

#[tokio::test]
async fn a_changed_file_is_read_again_and_a_broken_one_keeps_the_old_prices() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prices.json");
    let timed = r#"{"as_of": "2026-05-18T11:45:00Z", "prices": {"bitcoin": {"price": 70000.5}}}"#;
    std::fs::write(&path, timed).unwrap();
    let desk = desk(path.clone()).await;
    let answer = desk.answer("bitcoin");
    assert_eq!((answer.state, answer.as_of_received), (QuoteState::Stale, false));
    assert_eq!((answer.price.as_deref(), answer.change_24h_pct), (Some("70000.5"), None));

    std::fs::write(&path, r#"{"prices": {"bitcoin": {"price": "71000"}}}"#).unwrap();
    desk.clock.advance(minutes(1));
    desk.until(|desk| desk.price("bitcoin").0.as_deref() == Some("71000")).await;

    std::fs::write(&path, "{").unwrap();
    desk.clock.advance(minutes(1));
    desk.until(|desk| desk.source("file").reason.is_some()).await;
    assert_eq!(desk.price("bitcoin").0.as_deref(), Some("71000"));
}

#[test]
fn a_file_that_cannot_be_used_is_refused_at_the_start_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prices.json");
    let rows = [
        ("{", "EOF while parsing"),
        (r#"{"prices": {"bitcoin": {"price": 0}}}"#, "the price of `bitcoin` is not a number above 0"),
        (r#"{"prices": {"bitcoin": {"cost": 1}}}"#, "unknown field `cost`"),
        (r#"{"price": {}}"#, "unknown field `price`"),
        (r#"{"prices": {"bitcoin": {"price": 1, "as_of": "noon"}}}"#, "line 1 column"),
    ];
    for (text, problem) in rows {
        std::fs::write(&path, text).unwrap();
        let error = refuse(&config(path.clone()));
        assert!(error.starts_with("market.file.path: ") && error.contains(problem), "{error}");
    }
    let missing = refuse(&config(dir.path().join("missing.json")));
    assert!(missing.contains("missing.json"), "{missing}");
}

pub(super) fn refuse(config: &MarketConfig) -> String {
    let catalog = Arc::new(Catalog::parse(CATALOG).unwrap());
    let result: Result<Markets, MarketError> =
        Markets::new(catalog, config, &QuotesConfig::default(), None, Clock::system());
    result.expect_err("is refused").to_string()
}
