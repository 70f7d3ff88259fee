//! A price that jumps while another source says otherwise.

use super::*;

/// CoinGecko says that bitcoin is worth ten times as much, CoinPaprika does not.
async fn jumped() -> Desk {
    let desk = Desk::open(BOTH).await;
    desk.first_round().await;
    desk.until(|desk| desk.price("bitcoin").1.as_deref() == Some("coingecko")).await;
    desk.fake.set_price("bitcoin", "746000");
    desk.advance_to_call(minutes(1), Route::Markets).await;
    desk
}

#[tokio::test]
async fn a_contradicted_jump_is_held_back_until_a_second_look() {
    let desk = jumped().await;
    assert_eq!(desk.price("bitcoin").0.as_deref(), Some("74603.12"));
    desk.advance_to_call(minutes(1), Route::Markets).await;
    assert_eq!(desk.price("bitcoin").0.as_deref(), Some("746000"));
}

#[tokio::test]
async fn a_slip_is_never_shown() {
    let desk = jumped().await;
    desk.fake.set_price("bitcoin", "74700");
    desk.advance_to_call(minutes(1), Route::Markets).await;
    assert_eq!(desk.price("bitcoin").0.as_deref(), Some("74700"));
}

#[tokio::test]
async fn nothing_is_held_back_for_good() {
    let desk = jumped().await;
    desk.fake.set_mood(Route::Markets, crate::fake_market::Mood::Says(451, "{}"));
    desk.advance_to_call(minutes(1), Route::Markets).await;
    assert_eq!(desk.price("bitcoin").0.as_deref(), Some("74603.12"));
    desk.advance(minutes(4) + Duration::from_secs(1));
    desk.until(|desk| desk.price("bitcoin").0.as_deref() == Some("746000")).await;
}

#[tokio::test]
async fn a_jump_that_nobody_contradicts_is_shown_at_once() {
    let desk = Desk::open(BOTH).await;
    desk.first_round().await;
    desk.fake.set_price("lonely", "1");
    desk.advance_to_call(minutes(1), Route::Markets).await;
    assert_eq!(desk.price("lonely").0.as_deref(), Some("1"));
}
