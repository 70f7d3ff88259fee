//! Watching quotes: what changed, once, however many changes there were.

use cointag::api::{Limits, QuoteResult, Quotes, QuotesRequest, Watch};

use super::*;

/// Id and price of each.
fn told(quotes: Quotes) -> Vec<(String, Option<String>)> {
    let told = |item: cointag::api::QuoteItem| match item.result {
        QuoteResult::Priced(priced) => (priced.token_id, priced.quote.price),
        QuoteResult::Error(error) => (item.asked, Some(error.code)),
    };
    quotes.quotes.into_iter().map(told).collect()
}

#[tokio::test]
async fn a_slow_watcher_sees_the_newest_state_of_what_changed_and_nothing_twice() {
    let market = Desk::open(COINGECKO).await;
    market.first_round().await;
    let request = QuotesRequest {
        token_ids: vec!["bitcoin".to_owned(), "lonely".to_owned()],
        symbols: vec!["NOSUCH".to_owned()],
        ..QuotesRequest::default()
    };
    let limits = Limits::default();
    let mut watch = Watch::new(&market.catalog, &market.markets, &limits, request, Duration::ZERO).unwrap();
    let price = |price: &str| Some(price.to_owned());
    let all = [
        ("bitcoin", price("74603.12")),
        ("lonely", price("0.0000000000782")),
        ("NOSUCH", price("not_found")),
    ];
    assert_eq!(told(watch.changed()), all.map(|(id, price)| (id.to_owned(), price)));
    assert_eq!(told(watch.changed()), []);
    for (bitcoin, minutes_on) in [("101", 2), ("102", 2), ("103", 2)] {
        market.fake.set_price("bitcoin", bitcoin);
        market.fake.set_as_of("lonely", market.clock.now());
        market.advance_to_call(minutes(minutes_on), Route::Markets).await;
    }
    within(watch.wait()).await;
    let changed = told(watch.changed());
    assert!(changed.contains(&("bitcoin".to_owned(), price("103"))), "{changed:?}");
    assert!(changed.len() <= 2);
    assert_eq!(told(watch.changed()), []);
}
