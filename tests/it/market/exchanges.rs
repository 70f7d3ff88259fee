//! The other sources over real HTTP: each alone, each in every bad mood, and what makes them special.

use cointag::market::{Secret, SourceState};

use super::log::Log;
use super::*;
use crate::fake_market::Mood;

const KEY: &str = "a-very-secret-key";

/// A source, the route that tells prices, and the price of bitcoin that it tells.
const SOURCES: &[(&str, Route, &str)] = &[
    ("coinmarketcap", Route::CmcPrice, "74601"),
    ("defillama", Route::LlamaNow, "74603.12"),
    ("binance", Route::BinanceTicker, "74525.4"),
    ("coinbase", Route::CoinbaseStats, "74600"),
    ("okx", Route::OkxTickers, "74525.4"),
];

/// Bitcoin at every market; the dollar price of USDT comes from CoinGecko alone. `BTC` is in USDT or dollars.
fn catalog() -> Catalog {
    let bitcoin = r#"markets = { coingecko = "bitcoin", coinpaprika = "btc-bitcoin""#;
    let everywhere = format!("{bitcoin}, coinmarketcap = \"1\", binance = \"BTC\"");
    let tether = r#"
[[asset]]
id = "tether"
symbol = "USDT"
name = "Tether"
rank = 3
symbol_class = "a"
name_class = "b"
markets = { coingecko = "tether" }
"#;
    Catalog::parse(&format!("{}{tether}", CATALOG.replace(bitcoin, &everywhere))).unwrap()
}

async fn everywhere() -> FakeMarket {
    let fake = fake_market().await;
    fake.set_price("1", "74601");
    fake.set_price("BTC", "74600");
    fake.set_price("tether", "0.999");
    fake
}

async fn desk(fake: FakeMarket, sources: &[&str], change: impl FnOnce(&mut MarketConfig)) -> Desk {
    Desk::open_catalog(Arc::new(catalog()), fake, sources, None, Clock::manual(noon()), change)
}

#[tokio::test]
async fn each_source_prices_what_coingecko_lacks() {
    for (name, route, price) in SOURCES {
        let fake = everywhere().await;
        fake.set_price("bitcoin", if *name == "defillama" { "74603.12" } else { "null" });
        if *name == "defillama" {
            fake.set_mood(Route::Markets, Mood::Says(451, "{}"));
        }
        let desk = desk(fake, &["coingecko", "coinpaprika", name], |_| {}).await;
        desk.fake.set_price("btc-bitcoin", "74602");
        desk.first_round().await;
        if matches!(*name, "binance" | "coinbase" | "okx") {
            // By now the dollar price of USDT is known, and the listing has proved itself.
            desk.advance_to_call(minutes(1), *route).await;
        }
        // The others fall silent: CoinPaprika's price grows old, and this source takes over.
        desk.fake.set_mood(Route::Tickers, Mood::Says(451, "{}"));
        desk.advance(minutes(11));
        if matches!(*name, "binance" | "okx") {
            desk.until(|desk| desk.state("tether") == QuoteState::Fresh).await;
            desk.advance(minutes(1));
        }
        desk.until(|desk| desk.price("bitcoin").1.as_deref() == Some(*name)).await;
        assert_eq!(desk.price("bitcoin"), (Some((*price).to_owned()), Some((*name).to_owned())), "{name}");
    }
}

#[tokio::test]
async fn each_mood_of_each_source_has_its_reaction() {
    use SourceState::{BackingOff, Disabled, Tripped};
    let rows = [
        (Mood::TooFast(None), "rate limited", BackingOff),
        (Mood::TooFast(Some("119")), "rate limited", BackingOff),
        (Mood::Says(500, "{}"), "answered 500", BackingOff),
        (Mood::Says(408, ""), "answered 408", BackingOff),
        (Mood::Hangs, "timed out", BackingOff),
        (Mood::Says(401, "{}"), "the API key was refused", Disabled),
        (Mood::Says(402, "{}"), "the plan does not include this route", Disabled),
        (Mood::Says(403, "<html>blocked"), "refused the call (403)", BackingOff),
        (Mood::Says(404, r#"{"message":"NotFound"}"#), "answered 404", BackingOff),
        (Mood::Says(451, "{}"), "not available from this place (451)", Disabled),
        (Mood::CutsOff, "answer cut off", BackingOff),
        (Mood::Html, "unreadable answer", BackingOff),
        (Mood::Body(r#"{"what":["is","this"]}"#), "unreadable answer", BackingOff),
        (Mood::Body(""), "unreadable answer", BackingOff),
        (Mood::Redirects, "redirects to another host", BackingOff),
    ];
    for (name, route, _) in SOURCES.iter().chain(&[("kraken", Route::KrakenTicker, "")]) {
        for (mood, reason, state) in &rows {
            let log = Log::start();
            let fake = everywhere().await;
            fake.set_mood(*route, mood.clone());
            let desk = desk(fake, &["coinpaprika", name], |config| {
                config.coinmarketcap.api_key = Some(Secret::new(KEY));
                if *mood == Mood::Hangs {
                    let MarketConfig { coinmarketcap, defillama, binance, coinbase, okx, kraken, .. } =
                        config;
                    for source in [coinmarketcap, defillama, binance, coinbase, okx, kraken] {
                        source.timeout = Some(Duration::from_millis(50));
                    }
                }
            })
            .await;
            desk.first_round().await;
            let source = desk.source(name);
            assert_eq!((source.reason.as_deref(), source.state), (Some(*reason), *state), "{name} {mood:?}");
            assert!(source.calls_total <= 4, "{name} {mood:?}: {} calls", source.calls_total);
            assert_eq!(desk.price("bitcoin").1.as_deref(), Some("coinpaprika"), "{name} {mood:?}");
            log.check(mood, KEY, reason);
            assert_ne!(source.state, Tripped);
        }
    }
}

#[tokio::test]
async fn a_breaker_opens_and_closes_by_one_probe() {
    let fake = everywhere().await;
    fake.set_mood(Route::CmcPrice, Mood::Html);
    let desk = desk(fake, &["coinmarketcap"], |_| {}).await;
    desk.first_round().await;
    for _ in 0..2 {
        desk.advance_to_call(minutes(1), Route::CmcPrice).await;
    }
    assert_eq!(desk.source("coinmarketcap").state, SourceState::Tripped);
    desk.fake.set_mood(Route::CmcPrice, Mood::Says(500, "{}"));
    desk.advance_to_call(minutes(2), Route::CmcPrice).await;
    assert_eq!(desk.source("coinmarketcap").calls_total, 4, "the probe is not retried");
    desk.fake.set_mood(Route::CmcPrice, Mood::Good);
    desk.advance_to_call(minutes(3), Route::CmcPrice).await;
    assert_eq!(desk.source("coinmarketcap").state, SourceState::Ok);
    assert_eq!(desk.price("bitcoin").0.as_deref(), Some("74601"));
}

#[tokio::test]
async fn a_pair_in_usdt_is_not_used_without_the_dollar_price_of_usdt() {
    let desk = desk(everywhere().await, &["binance"], |_| {}).await;
    desk.first_round().await;
    assert_eq!(desk.reason("bitcoin"), (QuoteState::Unavailable, "binance: no price".to_owned()));
}

#[tokio::test]
async fn the_change_of_defillama_is_from_its_own_record_a_day_earlier() {
    let desk = desk(everywhere().await, &["defillama"], |_| {}).await;
    desk.first_round().await;
    assert_eq!(desk.answer("bitcoin").change_24h_pct, Some(74503.12));
    let source = desk.source("defillama");
    assert_eq!((source.calls_total, source.calls_this_minute), (2, 2), "both calls are counted");
}

#[tokio::test]
async fn coinmarketcap_is_asked_by_the_keyless_path_or_with_the_key() {
    for (key, prefix) in [(None, "/coinmarketcap/public-api/v2/"), (Some(KEY), "/coinmarketcap/v2/")] {
        let desk = desk(everywhere().await, &["coinmarketcap"], |config| {
            config.coinmarketcap.api_key = key.map(Secret::new);
        })
        .await;
        desk.first_round().await;
        let call = &desk.fake.calls()[0];
        assert!(call.path.starts_with(prefix), "{}", call.path);
        assert_eq!(call.headers.get("x-cmc_pro_api_key").map(|key| key.to_str().unwrap()), key);
    }
}

#[tokio::test]
async fn kraken_never_prices_alone() {
    let desk = desk(everywhere().await, &["kraken"], |_| {}).await;
    desk.first_round().await;
    assert_eq!(desk.state("bitcoin"), QuoteState::Unlisted);
}
