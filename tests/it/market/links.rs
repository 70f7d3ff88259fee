//! Listings matched by name alone.

use super::*;
use crate::fake_market::Mood;

#[tokio::test]
async fn an_unverified_listing_prices_nothing_by_itself() {
    let desk = Desk::open(COINPAPRIKA).await;
    desk.first_round().await;
    let reason = "coinpaprika: unverified listing".to_owned();
    assert_eq!(desk.reason("doubtful"), (QuoteState::Unavailable, reason));
}

#[tokio::test]
async fn a_listing_that_agreed_once_is_remembered_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(fake_market().await, BOTH, Some(dir.path()), |_| {}).await;
    desk.first_round().await;
    let file = dir.path().join("verified_links.json");
    desk.until(|_| file.exists()).await;
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        serde_json::json!({"coinpaprika": {"doubtful": "dbt-doubtful"}})
    );

    let desk = Desk::open_with(fake_market().await, COINPAPRIKA, Some(dir.path()), |_| {}).await;
    desk.first_round().await;
    assert_eq!(desk.answer("doubtful").price.as_deref(), Some("2.05"));
}

#[tokio::test]
async fn a_listing_that_disagrees_stays_unverified() {
    let fake = fake_market().await;
    fake.set_price("dbt-doubtful", "2.11");
    let desk = Desk::open_with(fake, BOTH, None, |_| {}).await;
    desk.first_round().await;
    assert_eq!(desk.price("doubtful").1.as_deref(), Some("coingecko"));
    desk.fake.set_mood(Route::Markets, Mood::Says(451, "{}"));
    for _ in 0..3 {
        desk.advance_to_call(minutes(5), Route::Tickers).await;
    }
    desk.until(|desk| desk.price("bitcoin").1.as_deref() == Some("coinpaprika")).await;
    assert_eq!(desk.state("doubtful"), QuoteState::Stale);
    assert_eq!(desk.price("doubtful").1.as_deref(), Some("coingecko"));
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let not_a_directory = dir.path().join("file");
    std::fs::write(&not_a_directory, "").unwrap();
    let desk = Desk::open_with(fake_market().await, BOTH, Some(&not_a_directory), |_| {}).await;
    desk.first_round().await;
    desk.until(|desk| desk.state("doubtful") == QuoteState::Fresh).await;
}
