//! Another catalog in force without a stop: prices, the state directory and the store of the past stay.

use cointag::grpc::pb::quote_service_client::QuoteServiceClient;

use super::*;
use crate::fake_market::{FakeMarket, Route};

#[tokio::test]
async fn the_state_directory_and_the_past_stay_with_the_process() {
    let fake = FakeMarket::start().await;
    fake.set_time(noon());
    fake.set_price("btc-bitcoin", "74600");
    fake.set_past("bitcoin", "2024-03-05T12:00:12Z", "66000");
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(|config| {
        config.market = fake.config(&["coinpaprika"]);
        config.market.history.sources = vec!["defillama".to_owned()];
        config.state_dir = Some(dir.path().to_owned());
    });
    let mut server = server.await.ready().await;
    let past = || pb::GetQuotesRequest {
        token_ids: vec!["bitcoin".to_owned()],
        at: Some(prost_types::Timestamp { seconds: 1_709_640_000, nanos: 0 }),
        quote_wait_ms: 20_000,
        ..pb::GetQuotesRequest::default()
    };
    let mut client = QuoteServiceClient::new(server.channel().await);
    let before = within(client.get_quotes(past())).await.unwrap().into_inner();
    assert_eq!(fake.calls_of(Route::BatchHistorical), 1);
    let catalog = Arc::new(Detector::new(Catalog::builtin()));
    within(server.server.reload(catalog)).await.unwrap();
    let after = within(client.get_quotes(past())).await.unwrap().into_inner();
    assert_eq!(before, after);
    assert_eq!(fake.calls_of(Route::BatchHistorical), 1, "the store went over to the new catalog");
    std::fs::remove_file(dir.path().join("quotes.json")).unwrap();
    within(server.server.shutdown(Duration::ZERO)).await;
    let text = std::fs::read_to_string(dir.path().join("quotes.json")).unwrap();
    assert!(text.contains("74600"), "the new catalog's markets keep what they learn: {text}");
}
