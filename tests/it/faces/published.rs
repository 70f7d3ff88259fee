//! Prices at the time of publication, over both faces: of that time or none, and each fetched once ever.

use cointag::grpc::pb::quote_service_client::QuoteServiceClient;
use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use serde_json::json;

use super::http::{as_json, post};
use super::*;
use crate::fake_market::{FakeMarket, Route};

const PUBLISHED: &str = "2024-03-05T12:10:00Z";

/// Bitcoin at 66,000 then and 60,000 the day before, at 74,603.12 now; nothing of Ethereum.
async fn market() -> FakeMarket {
    let fake = FakeMarket::start().await;
    fake.set_time(noon());
    fake.set_price("bitcoin", "74603.12");
    fake.set_past("bitcoin", "2024-03-05T12:00:12Z", "66000");
    fake.set_past("bitcoin", "2024-03-04T12:00:03Z", "60000");
    fake.set_past("ethereum", "2024-03-05T15:00:00Z", "3700");
    fake
}

async fn server(fake: &FakeMarket) -> TestServer {
    let server = TestServer::start_with(|config| {
        config.market = fake.config(&["coingecko"]);
        config.market.history.sources = vec!["defillama".to_owned()];
    });
    server.await.ready().await
}

fn instant(text: &str) -> prost_types::Timestamp {
    let at: Timestamp = text.parse().unwrap();
    prost_types::Timestamp { seconds: at.as_second(), nanos: 0 }
}

fn document(title: &str, published_at: Option<&str>) -> pb::Document {
    let published_at = published_at.map(instant);
    pb::Document { title: title.to_owned(), published_at, ..pb::Document::default() }
}

fn at_publication(wait_ms: u32) -> Option<pb::TagOptions> {
    let quotes = pb::QuoteMode::AtPublication.into();
    Some(pb::TagOptions { quotes, quote_wait_ms: wait_ms, ..pb::TagOptions::default() })
}

/// Lets the clock run, so that the pace of a source holds nobody up.
async fn while_time_passes<T>(server: &TestServer, asking: impl Future<Output = T>) -> T {
    let ticking = async {
        loop {
            server.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    within(async {
        tokio::select! {
            answer = asking => answer,
            () = ticking => unreachable!("it runs for ever"),
        }
    })
    .await
}

#[tokio::test]
async fn an_article_is_priced_as_of_its_publication_and_never_as_of_today() {
    let fake = market().await;
    let server = server(&fake).await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let request = pb::TagRequest {
        document: Some(document("Bitcoin and Ethereum", Some(PUBLISHED))),
        options: at_publication(20_000),
    };
    let answer = within(client.tag(request)).await.unwrap().into_inner();
    let quote = |place: usize| answer.mentions[place].quote.clone().unwrap();
    let bitcoin = quote(0);
    assert_eq!((bitcoin.state(), bitcoin.price.as_deref()), (pb::QuoteState::Historical, Some("66000")));
    assert_eq!((bitcoin.change_24h_pct, bitcoin.change_since_pct), (Some(10.0), Some(13.035)));
    assert_eq!((bitcoin.distance_s, bitcoin.age_s), (Some(588.0), None));
    assert_eq!(bitcoin.asked_at, Some(instant(PUBLISHED)));
    assert_eq!(bitcoin.as_of, Some(instant("2024-03-05T12:00:12Z")));
    assert_eq!(bitcoin.source.as_deref(), Some("defillama"));
    // The nearest record lies three hours away, and today's price is no price of then.
    let ethereum = quote(1);
    assert_eq!((ethereum.state(), ethereum.price), (pb::QuoteState::Unavailable, None));
    let reason = "no price at 2024-03-05T12:00:00Z: defillama: no record within 2h";
    assert_eq!(ethereum.reason.as_deref(), Some(reason));
    assert_eq!(fake.calls_of(Route::BatchHistorical), 1);

    // Both faces say the same, and nothing is fetched again.
    let request = json!({
        "document": {"title": "Bitcoin and Ethereum", "published_at": PUBLISHED},
        "options": {"quotes": "at_publication"},
    });
    let (status, json) = post(&server, "/v1/tag", &request).await;
    assert_eq!((status, &json), (200, &as_json(&answer)));
    let at = pb::GetQuotesRequest {
        token_ids: vec!["bitcoin".to_owned()],
        at: Some(instant(PUBLISHED)),
        ..pb::GetQuotesRequest::default()
    };
    let mut quotes = QuoteServiceClient::new(server.channel().await);
    let item = quotes.get_quotes(at).await.unwrap().into_inner().quotes.remove(0);
    let Some(pb::quote_item::Result::Priced(priced)) = item.result else { panic!("{item:?}") };
    assert_eq!(priced.quote, Some(bitcoin));
    assert_eq!(fake.calls_of(Route::BatchHistorical), 1);
}

#[tokio::test]
async fn without_a_time_of_publication_or_a_wait_there_is_no_price_but_a_reason() {
    let fake = market().await;
    let server = server(&fake).await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let mut tag = async |published_at| {
        let document = Some(document("Bitcoin", published_at));
        let request = pb::TagRequest { document, options: at_publication(0) };
        let mut answer = within(client.tag(request)).await.unwrap().into_inner();
        answer.mentions.remove(0).quote.unwrap()
    };
    let timeless = tag(None).await;
    assert_eq!((timeless.state(), timeless.price), (pb::QuoteState::Unavailable, None));
    assert!(timeless.reason.unwrap().contains("published_at"));
    let pending = tag(Some(PUBLISHED)).await;
    assert_eq!((pending.state(), pending.price), (pb::QuoteState::Pending, None));
    let future = tag(Some("2026-05-18T13:00:00Z")).await;
    assert_eq!(future.reason.as_deref(), Some("the moment asked for lies in the future"));
}

#[tokio::test]
async fn the_past_of_a_batch_is_fetched_together() {
    let fake = market().await;
    let server = server(&fake).await;
    let mut client = TaggerServiceClient::new(server.channel().await).max_decoding_message_size(1 << 24);
    // 60 articles of 60 days: 61 points with the day before the first.
    let days: Vec<String> = (0..60)
        .map(|day| {
            let first: Timestamp = "2023-06-01T08:00:00Z".parse().unwrap();
            first.checked_add(jiff::SignedDuration::from_hours(24 * day)).unwrap().to_string()
        })
        .collect();
    for day in &days {
        fake.set_past("bitcoin", day, "27000");
    }
    let documents = days.iter().map(|day| document("Bitcoin", Some(day))).collect();
    let request = pb::BatchTagRequest { documents, options: at_publication(30_000) };
    let answer = while_time_passes(&server, client.batch_tag(request)).await.unwrap().into_inner();
    let prices = answer.results.iter().filter_map(|result| match &result.result {
        Some(pb::tag_result::Result::Response(record)) => record.mentions[0].quote.as_ref()?.price.clone(),
        _ => None,
    });
    assert_eq!(prices.filter(|price| price == "27000").count(), 60);
    assert_eq!(fake.calls_of(Route::BatchHistorical), 2);
}
