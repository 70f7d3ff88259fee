//! Prices in other currencies, over both faces and the command line: converted exactly with the rate's own age, and
//! no change without the rate of 24 h earlier.

use cointag::grpc::pb::quote_service_client::QuoteServiceClient;
use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use serde_json::{Value, json};

use super::http::{as_json, post};
use super::*;
use crate::fake_market::{FakeMarket, Mood, Route};

const NOON: &str = r#"{"bitcoin":{"usd":100000,"eur":88000,"btc":1.0,"jpy":null}}"#;
/// 24 h later. The same route also serves prices that somebody waits for, so it tells the change, too.
const DAY_LATER: &str = r#"{"bitcoin":{"usd":100000,"eur":88000,"btc":1.0,
    "usd_24h_change":10,"last_updated_at":1779192000}}"#;
const DAY_BEFORE: &str = r#"{"bitcoin":{"usd":100000,"eur":80000,"btc":1.0}}"#;

async fn market() -> FakeMarket {
    let fake = FakeMarket::start().await;
    fake.set_time(noon());
    fake.set_price("bitcoin", "74603.12");
    fake.set_mood(Route::SimplePrice, Mood::Body(NOON));
    fake
}

async fn server(fake: &FakeMarket) -> TestServer {
    let server = TestServer::start_with(|config| {
        config.market = fake.config(&["coingecko"]);
        config.market.coingecko.calls_per_minute = Some(60_000);
        config.market.history.sources.clear();
    });
    let server = server.await.ready().await;
    // The first call of the market's pace lies behind.
    server.clock.advance(Duration::from_millis(10));
    server
}

fn in_currency(currency: &str) -> pb::TagRequest {
    let options = pb::TagOptions {
        currency: Some(currency.to_owned()),
        quote_wait_ms: 20_000,
        ..pb::TagOptions::default()
    };
    pb::TagRequest { options: Some(options), ..title("Bitcoin") }
}

#[tokio::test]
async fn a_request_names_its_currency_and_both_faces_agree() {
    let fake = market().await;
    let server = server(&fake).await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let answer = within(client.tag(in_currency("eur"))).await.unwrap().into_inner();
    let euro = answer.mentions[0].quote.clone().unwrap();
    assert_eq!((euro.price.as_deref(), euro.currency.as_deref()), (Some("65650.7456"), Some("EUR")));
    assert_eq!(euro.change_24h_pct, None, "the rate of 24 h ago is not known");
    assert!(euro.rate_as_of.is_some());
    let request = json!({"document": {"title": "Bitcoin"}, "options": {"currency": "EUR"}});
    let (status, json) = post(&server, "/v1/tag", &request).await;
    assert_eq!((status, &json), (200, &as_json(&answer)));
    let (_, json) = post(&server, "/v1/quotes", &json!({"token_ids": ["bitcoin"], "currency": "BTC"})).await;
    assert_eq!(json["quotes"][0]["priced"]["quote"]["price"], "0.7460312");
    let request = pb::GetQuotesRequest {
        token_ids: vec!["bitcoin".to_owned()],
        currency: Some("JPY".to_owned()),
        ..pb::GetQuotesRequest::default()
    };
    let mut quotes = QuoteServiceClient::new(server.channel().await);
    let item = quotes.get_quotes(request).await.unwrap().into_inner().quotes.remove(0);
    let Some(pb::quote_item::Result::Priced(priced)) = item.result else { panic!("{item:?}") };
    let yen = priced.quote.unwrap();
    assert_eq!((yen.price, yen.currency), (None, None), "this market told no rate of it");
    assert!(yen.reason.unwrap().contains("JPY"));
    let (status, json) = post(&server, "/v1/quotes", &json!({"symbols": ["BTC"], "currency": "XXX"})).await;
    assert_eq!((status, &json["error"]["field"]), (400, &Value::from("currency")), "{json}");
    assert_eq!(fake.calls_of(Route::SimplePrice), 1, "one table for all");
}

#[tokio::test]
async fn a_change_in_another_currency_needs_the_rate_of_a_day_earlier() {
    let fake = market().await;
    fake.set_mood(Route::SimplePrice, Mood::Body(DAY_BEFORE));
    fake.set_change("bitcoin", "10");
    let server = server(&fake).await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    within(client.tag(in_currency("EUR"))).await.unwrap();
    // A day later the market and the rate have moved on.
    fake.set_mood(Route::SimplePrice, Mood::Body(DAY_LATER));
    let day_later = noon().checked_add(jiff::SignedDuration::from_hours(24)).unwrap();
    fake.set_time(day_later);
    let calls = fake.calls_of(Route::Markets);
    server.clock.advance(Duration::from_secs(24 * 3600));
    fake.called(Route::Markets, calls + 1).await;
    within(async {
        let mut changes = server.server.markets().changes();
        while server.server.markets().sources()[0].last_success < Some(day_later) {
            changes.changed().await.unwrap();
        }
    })
    .await;
    within(async {
        loop {
            // The pace wants some time between two calls.
            server.clock.advance(Duration::from_millis(10));
            let answer = client.tag(in_currency("EUR")).await.unwrap().into_inner();
            let quote = answer.mentions[0].quote.clone().unwrap();
            if quote.rate_as_of.is_some_and(|at| at.seconds >= day_later.as_second()) {
                // 10 % in dollars, and a dollar that went from 0.80 to 0.88 euros.
                assert_eq!(quote.change_24h_pct, Some(21.0));
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}
