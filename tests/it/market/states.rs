//! Every state of an answer, and which quote wins.

use std::sync::Arc;

use cointag::catalog::TokenIndex;
use cointag::market::{Freshness, Markets, Quote, QuoteState, Snapshot, Standing};

use super::*;
use crate::fake_market::Mood;

#[tokio::test]
async fn a_price_is_fresh_then_stale_then_expired() {
    let desk = Desk::open(COINGECKO).await;
    desk.first_round().await;
    let answer = desk.answer("bitcoin");
    assert_eq!(answer.state, QuoteState::Fresh);
    assert_eq!(answer.price.as_deref(), Some("74603.12"));
    assert_eq!(answer.currency.as_deref(), Some("USD"));
    assert_eq!((answer.change_24h_pct, answer.age_s), (Some(-1.8), Some(0.0)));
    assert_eq!((answer.as_of, answer.as_of_received), (Some(noon()), false));
    assert_eq!(answer.reason, None);
    desk.fake.set_mood(Route::Markets, Mood::Says(451, "{}"));

    desk.advance_to_call(minutes(10), Route::Markets).await;
    assert_eq!(desk.state("bitcoin"), QuoteState::Fresh);
    desk.advance(Duration::from_millis(1_234));
    let answer = desk.answer("bitcoin");
    assert_eq!((answer.state, answer.age_s), (QuoteState::Stale, Some(601.2)));
    assert_eq!(answer.price.as_deref(), Some("74603.12"));

    desk.advance(minutes(24 * 60));
    let answer = desk.answer("bitcoin");
    assert_eq!(answer.state, QuoteState::Expired);
    assert_eq!((answer.price, answer.currency, answer.change_24h_pct), (None, None, None));
    assert_eq!((answer.as_of, answer.source.as_deref()), (Some(noon()), Some("coingecko")));
    let reason = "the last known price is older than 24h; coingecko: not available from this place (451)";
    assert_eq!(answer.reason.as_deref(), Some(reason));
}

#[tokio::test]
async fn a_token_is_pending_before_its_first_try_ends() {
    let fake = fake_market().await;
    fake.set_mood(Route::Markets, Mood::Hangs);
    let desk = Desk::open_with(fake, COINGECKO, None, |_| {}).await;
    desk.fake.called(Route::Markets, 1).await;
    assert_eq!(desk.state("bitcoin"), QuoteState::Pending);
    assert!(desk.answer("bitcoin").reason.is_some());
    assert!(!desk.markets.first_round_ended());
}

#[tokio::test]
async fn a_token_that_no_enabled_source_lists_is_unlisted() {
    let desk = Desk::open(COINGECKO).await;
    for id in ["stranger", "paper"] {
        let reason = "no enabled source lists it (coingecko)".to_owned();
        assert_eq!(desk.reason(id), (QuoteState::Unlisted, reason));
    }
}

#[tokio::test]
async fn without_a_source_everything_is_unavailable_at_once() {
    let catalog = Arc::new(Catalog::parse(CATALOG).unwrap());
    let markets = Markets::disabled(Arc::clone(&catalog));
    assert!(markets.first_round_ended());
    let token = catalog.find("bitcoin").unwrap();
    within(markets.wait_for(&[token], minutes(60))).await;
    let answer = markets.snapshot().answer(token, markets.now());
    assert_eq!(answer.state, QuoteState::Unavailable);
    assert_eq!(answer.reason.as_deref(), Some("no market source is enabled"));
}

#[tokio::test]
async fn a_token_that_every_source_fails_names_each_fault() {
    let fake = fake_market().await;
    fake.set_mood(Route::Markets, Mood::TooFast(None));
    fake.set_price("btc-bitcoin", "null");
    let desk = Desk::open_with(fake, BOTH, None, |_| {}).await;
    desk.first_round().await;
    let reason = "coingecko: rate limited; coinpaprika: no price".to_owned();
    assert_eq!(desk.reason("bitcoin"), (QuoteState::Unavailable, reason));
}

#[tokio::test]
async fn a_price_that_is_no_price_is_left_to_the_next_source() {
    for price in ["0", "0.0", "-1", "null", "\"\"", "\"NaN\"", "1e-40", "true", "{}"] {
        let fake = fake_market().await;
        fake.set_price("bitcoin", price);
        let desk = Desk::open_with(fake, BOTH, None, |_| {}).await;
        desk.first_round().await;
        assert_eq!(
            desk.price("bitcoin"),
            (Some("74600".to_owned()), Some("coinpaprika".to_owned())),
            "{price}"
        );
    }
}

#[tokio::test]
async fn prices_keep_every_digit_and_never_show_an_exponent() {
    let rows = [
        ("7.82e-11", "0.0000000000782"),
        ("77671", "77671"),
        ("1E+5", "100000"),
        ("\"0.123456789012345678901\"", "0.123456789012345678901"),
        ("1.50", "1.5"),
    ];
    for (written, told) in rows {
        let fake = fake_market().await;
        fake.set_price("bitcoin", written);
        fake.set_change("bitcoin", "null");
        let desk = Desk::open_with(fake, COINGECKO, None, |_| {}).await;
        desk.first_round().await;
        assert_eq!(desk.answer("bitcoin").price.as_deref(), Some(told));
        assert_eq!(desk.answer("bitcoin").change_24h_pct, None, "unknown is not zero");
    }
}

#[tokio::test]
async fn a_time_in_the_future_counts_as_now() {
    let fake = fake_market().await;
    fake.set_as_of("bitcoin", "2030-01-01T00:00:00Z".parse().unwrap());
    let desk = Desk::open_with(fake, COINGECKO, None, |_| {}).await;
    desk.first_round().await;
    assert_eq!(desk.answer("bitcoin").as_of, Some(noon()));
}

#[tokio::test]
async fn a_listing_by_the_thousand_prices_one() {
    let desk = Desk::open(COINPAPRIKA).await;
    desk.first_round().await;
    assert_eq!(desk.answer("mini").price.as_deref(), Some("0.00000391"));
}

#[tokio::test]
async fn a_token_moves_to_the_next_source_when_stale_and_back_when_its_own_answers_again() {
    let desk = Desk::open(BOTH).await;
    desk.first_round().await;
    desk.until(|desk| desk.price("bitcoin").1.as_deref() == Some("coingecko")).await;
    desk.fake.set_mood(Route::Markets, Mood::Says(500, "{}"));

    desk.advance_to_call(minutes(5), Route::Tickers).await;
    assert_eq!(desk.price("bitcoin").1.as_deref(), Some("coingecko"), "it is fresh still");
    desk.advance_to_call(minutes(5), Route::Tickers).await;
    assert_eq!(desk.price("bitcoin").1.as_deref(), Some("coingecko"), "it is fresh still");
    desk.advance_to_call(minutes(5), Route::Tickers).await;
    desk.until(|desk| desk.price("bitcoin").1.as_deref() == Some("coinpaprika")).await;

    desk.fake.set_mood(Route::Markets, Mood::Good);
    desk.advance(minutes(16));
    desk.until(|desk| desk.price("bitcoin").1.as_deref() == Some("coingecko")).await;
}

#[test]
fn an_older_quote_never_replaces_a_newer_one() {
    let quote = |source, price: &str, as_of: Timestamp| Quote {
        token: TokenIndex(0),
        price: price.parse().unwrap(),
        change_24h_pct: None,
        as_of,
        as_of_received: false,
        source,
    };
    let later = |by| noon().checked_add(minutes(by)).unwrap();
    let mut book = Snapshot::new(Freshness::default(), vec![Standing::Pending]);
    assert!(book.offer(quote("b", "1", noon()), 1, noon()));
    assert!(!book.offer(quote("b", "2", later(0)).at(-1), 1, noon()), "older, same source");
    assert!(!book.offer(quote("a", "3", later(0)).at(-1), 0, noon()), "older, better source");
    assert!(!book.offer(quote("c", "4", later(1)), 2, later(1)), "newer, lesser source, still fresh");
    assert!(book.offer(quote("a", "5", later(1)), 0, later(1)), "newer, better source");
    assert!(book.offer(quote("c", "6", later(20)), 2, later(20)), "no longer fresh");
    assert_eq!(book.quote(TokenIndex(0)).unwrap().source, "c");
}

trait At {
    fn at(self, minutes: i64) -> Self;
}

impl At for Quote {
    fn at(mut self, minutes: i64) -> Self {
        self.as_of = self.as_of.checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
        self
    }
}
