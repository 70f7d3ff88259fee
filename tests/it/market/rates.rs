//! Prices in other currencies: converted exactly, or withheld with the reason.

use cointag::api::{Code, Limits, QuoteResult, QuotesRequest, quote};

use super::*;
use crate::fake_market::Mood;

async fn ask(desk: &Desk, currency: &str, wait_ms: u32) -> QuoteAnswer {
    let request = QuotesRequest {
        token_ids: vec!["bitcoin".to_owned()],
        currency: Some(currency.to_owned()),
        quote_wait_ms: wait_ms,
        ..QuotesRequest::default()
    };
    let mut quotes = quote(&desk.catalog, &desk.markets, &Limits::default(), request).await.unwrap();
    match quotes.quotes.remove(0).result {
        QuoteResult::Priced(priced) => priced.quote,
        QuoteResult::Error(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn one_table_converts_every_price_and_is_fetched_only_when_asked_for() {
    let desk = Desk::open_with(fake_market().await, COINGECKO, None, |config| {
        config.coingecko.calls_per_minute = Some(1000);
    })
    .await;
    desk.first_round().await;
    assert_eq!(ask(&desk, "usd", 0).await.price.as_deref(), Some("74603.12"));
    assert_eq!(desk.fake.calls_of(Route::SimplePrice), 0);
    let rates = r#"{"bitcoin":{"usd":100000,"eur":88000,"btc":1.0,"jpy":null}}"#;
    desk.fake.set_mood(Route::SimplePrice, Mood::Body(rates));
    desk.advance(Duration::from_secs(1));
    let pending = ask(&desk, "EUR", 0).await;
    assert_eq!((pending.state, pending.price), (QuoteState::Pending, None));
    let euro = ask(&desk, "eur", 3000).await;
    assert_eq!((euro.price.as_deref(), euro.currency.as_deref()), (Some("65650.7456"), Some("EUR")));
    assert_eq!(euro.change_24h_pct, None, "the rate of 24 h ago is not known");
    assert_eq!(euro.rate_as_of, Some(desk.clock.now()));
    assert_eq!(ask(&desk, "BTC", 3000).await.price.as_deref(), Some("0.7460312"));
    assert_eq!(ask(&desk, "JPY", 3000).await.price, None);
    assert_eq!(desk.fake.calls_of(Route::SimplePrice), 1);
    let unknown = QuotesRequest {
        token_ids: vec!["bitcoin".to_owned()],
        currency: Some("XXX".to_owned()),
        ..QuotesRequest::default()
    };
    let refused = quote(&desk.catalog, &desk.markets, &Limits::default(), unknown).await.unwrap_err();
    assert_eq!((refused.code, refused.field.as_deref()), (Code::InvalidArgument, Some("currency")));
    assert!(refused.message.contains("EUR"));
}

#[tokio::test]
async fn without_coingecko_there_are_no_rates_and_the_answer_says_so() {
    let desk = Desk::open(COINPAPRIKA).await;
    desk.first_round().await;
    let answer = ask(&desk, "EUR", 0).await;
    assert_eq!((answer.state, answer.price), (QuoteState::Unavailable, None));
    assert_eq!(answer.reason.as_deref(), Some("no rates without CoinGecko; ask for USD"));
}
