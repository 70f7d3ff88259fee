//! What a market was asked, and what is left of its budget: told by GetServerInfo, its JSON twin and the metrics.

use cointag::grpc::pb::server_service_client::ServerServiceClient;
use serde_json::json;

use super::http::get;
use super::*;
use crate::fake_market::FakeMarket;

#[tokio::test]
async fn plan_spend_and_what_is_left_are_told_for_each_source() {
    let fake = FakeMarket::start().await;
    fake.set_time(noon());
    fake.set_price("btc-bitcoin", "74600");
    let server = TestServer::start_with(|config| {
        config.market = fake.config(&["coinpaprika", "defillama"]);
        config.market.coinpaprika.calls_per_month = Some(9_000);
        config.market.history.sources = vec!["defillama".to_owned()];
    });
    let server = server.await.ready().await;
    let mut client = ServerServiceClient::new(server.channel().await);
    let info = client.get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    let source = info.sources[0].clone();
    assert_eq!((&*source.name, &*source.plan, &*source.state), ("coinpaprika", "free", "ok"));
    assert_eq!((source.calls_per_month, source.calls_left_this_month), (Some(9_000), Some(8_999)));
    assert_eq!((source.calls_this_minute, source.calls_this_month), (1, 1));
    // Nine tenths of the month's calls, spread over 31 days.
    assert!((source.every_s - 31.0 * 86_400.0 / 8_100.0).abs() < 1e-3, "{}", source.every_s);
    let next = source.next_call.unwrap();
    assert!((330..=331).contains(&(next.seconds - noon().as_second())), "{next:?}");
    let other = &info.sources[1];
    assert_eq!((other.calls_per_month, other.calls_left_this_month), (None, None));

    let (_, json) = get(&server, "/v1/server-info").await;
    let told = &json["sources"][0];
    assert_eq!((&told["calls_left_this_month"], &told["calls_this_month"]), (&json!(8_999), &json!(1)));
    assert_eq!(told["every_s"], json!(source.every_s));
    assert_eq!(json["sources"][1].get("calls_left_this_month"), None);
    let text = reqwest::get(server.url("/metrics")).await.unwrap().text().await.unwrap();
    for line in [
        "cointag_source_state{source=\"coinpaprika\",state=\"tripped\"} 0",
        "cointag_source_calls_this_month{source=\"coinpaprika\"} 1",
        "cointag_source_calls_left_this_month{source=\"coinpaprika\"} 8999",
        "cointag_source_calls_per_minute{source=\"coinpaprika\"} 60",
        "cointag_past_calls_total{source=\"defillama\"} 0",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    assert!(!text.contains("calls_left_this_month{source=\"defillama\"}"), "no budget, nothing left of it");
}
