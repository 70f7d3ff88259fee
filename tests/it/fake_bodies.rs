//! What the fake market answers when nothing is wrong: one body for each route, in the vendor's form.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::fake_market::{Call, Coin, Route, Shared};

const HOUR_MS: i64 = 3_600_000;

pub(crate) fn good(shared: &Shared, call: &Call) -> String {
    let asked = call.ids();
    let of = |ids: &[&str], row: &dyn Fn(&str, Coin, Timestamp) -> String| {
        let rows = ids.iter().filter_map(|id| shared.coin(id).map(|(coin, as_of)| row(id, coin, as_of)));
        rows.collect::<Vec<_>>()
    };
    let all = shared.ids();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    // Exchanges: capital names alone, so that other markets' ids do not become their assets.
    let bases: Vec<&str> =
        all.iter().copied().filter(|id| id.chars().all(|c| c.is_ascii_uppercase())).collect();
    match call.route {
        Route::Markets => {
            let rows = of(&asked, &|id, Coin { price, change, .. }, as_of| {
                format!(
                    r#"{{"id":"{id}","symbol":"x","name":"X","current_price":{price},"market_cap":1e9,
                    "market_cap_rank":null,"price_change_percentage_24h":{change},"roi":null,
                    "last_updated":"{as_of}","price_change_percentage_24h_in_currency":{change}}}"#
                )
            });
            // The default is 100 rows; a client that forgets it loses coins in silence.
            let page = if call.query.contains("per_page=250") { 250 } else { 100 };
            list(rows.into_iter().take(page).collect())
        }
        Route::SimplePrice => object(of(&asked, &|id, Coin { price, change, .. }, as_of| {
            let second = as_of.as_second();
            format!(r#""{id}":{{"usd":{price},"usd_24h_change":{change},"last_updated_at":{second}}}"#)
        })),
        Route::Tickers => list(of(&all, &|id, Coin { price, change, .. }, as_of| {
            format!(
                r#"{{"id":"{id}","name":"X","symbol":"X","rank":1,"last_updated":"{as_of}","quotes":{{"USD":{{
                "price":{price},"market_cap":0,"percent_change_24h":{change},"ath_price":null}}}}}}"#
            )
        })),
        Route::CmcPrice => {
            let rows = of(&asked, &|id, Coin { price, change, .. }, as_of| {
                format!(
                    r#"{{"id":{id},"symbol":"X","quotes":[{{"symbol":"USD","price":{price},
                    "percent_change_24h":{change},"last_updated":"{as_of}"}}]}}"#
                )
            });
            format!(r#"{{"data":{},"status":{{"error_code":"0","error_message":null}}}}"#, list(rows))
        }
        Route::LlamaNow | Route::LlamaThen => {
            // A day ago everything cost 100.
            let then = call.route == Route::LlamaThen;
            let rows = of(&asked, &|id, Coin { price, .. }, as_of| {
                let (price, second) =
                    if then { ("100", as_of.as_second() - 86_400) } else { (&*price, as_of.as_second()) };
                format!(
                    r#""coingecko:{id}":{{"price":{price},"symbol":"X","timestamp":{second},"confidence":0.99}}"#
                )
            });
            format!(r#"{{"coins":{}}}"#, object(rows))
        }
        Route::BinanceInfo => {
            let rows = of(&bases, &|id, _, _| {
                format!(
                    r#"{{"symbol":"{id}USDT","status":"TRADING","baseAsset":"{id}","quoteAsset":"USDT"}}"#
                )
            });
            format!(r#"{{"timezone":"UTC","symbols":{}}}"#, list(rows))
        }
        Route::BinanceTicker => list(of(&bases, &|id, Coin { price, .. }, as_of| {
            let ms = as_of.as_millisecond();
            format!(
                r#"{{"symbol":"{id}USDT","openPrice":"{price}","lastPrice":"{price}","closeTime":{ms},"count":7}}"#
            )
        })),
        Route::CoinbaseProducts => list(of(&bases, &|id, _, _| {
            format!(r#"{{"id":"{id}-USD","base_currency":"{id}","quote_currency":"USD","status":"online"}}"#)
        })),
        Route::CoinbaseStats => object(of(&bases, &|id, Coin { price, .. }, _| {
            format!(r#""{id}-USD":{{"stats_24hour":{{"open":"{price}","last":"{price}","volume":"9"}}}}"#)
        })),
        Route::OkxTickers => {
            let rows = of(&bases, &|id, Coin { price, .. }, as_of| {
                let ms = as_of.as_millisecond();
                format!(r#"{{"instId":"{id}-USDT","last":"{price}","open24h":"{price}","ts":"{ms}"}}"#)
            });
            format!(r#"{{"code":"0","msg":"","data":{}}}"#, list(rows))
        }
        Route::KrakenPairs => {
            let rows = of(&bases, &|id, _, _| {
                format!(r#""X{id}ZUSD":{{"wsname":"{}/USD","status":"online"}}"#, xbt(id))
            });
            format!(r#"{{"error":[],"result":{}}}"#, object(rows))
        }
        Route::KrakenTicker => {
            let rows = of(&bases, &|id, Coin { price, .. }, _| {
                format!(r#""X{id}ZUSD":{{"c":["{price}","1.0"],"o":"1.0"}}"#)
            });
            format!(r#"{{"error":[],"result":{}}}"#, object(rows))
        }
        Route::BatchHistorical => batch_historical(shared, call),
        Route::Klines => klines(shared, call),
        Route::ChartRange => chart_range(shared, call),
        Route::CoinsList | Route::Contracts => list(Vec::new()),
        Route::Listings => r#"{"data":[],"status":{"error_code":0}}"#.to_owned(),
    }
}

/// For each second asked the nearest record within the width.
fn batch_historical(shared: &Shared, call: &Call) -> String {
    let coins: BTreeMap<String, Vec<i64>> = serde_json::from_str(&call.parameter("coins")).unwrap();
    let width: i64 = call.parameter("searchWidth").parse().unwrap();
    let coin = |(coin, seconds): (&String, &Vec<i64>)| {
        let records = shared.past(coin.strip_prefix("coingecko:")?);
        let record = |second: &i64| {
            let distance = |at: &Timestamp| (at.as_second() - second).abs();
            let (at, price) = records.iter().min_by_key(|(at, _)| distance(at))?;
            let text = format!(r#"{{"timestamp":{},"price":{price},"confidence":0.99}}"#, at.as_second());
            (distance(at) <= width).then_some(text)
        };
        let prices: Vec<_> = seconds.iter().filter_map(record).collect();
        (!prices.is_empty()).then(|| format!(r#""{coin}":{{"symbol":"X","prices":{}}}"#, list(prices)))
    };
    format!(r#"{{"coins":{}}}"#, object(coins.iter().filter_map(coin).collect()))
}

/// One candle for each record on the hour: its close.
fn klines(shared: &Shared, call: &Call) -> String {
    let [start, end] = ["startTime", "endTime"].map(|name| call.parameter(name).parse::<i64>().unwrap());
    assert_eq!((&*call.parameter("interval"), &*call.parameter("limit")), ("1h", "1000"));
    let records = shared.past(&call.parameter("symbol"));
    let rows = records.iter().filter_map(|(at, price)| {
        let open = at.as_millisecond() - HOUR_MS;
        let close = open + HOUR_MS - 1;
        let row = format!(r#"[{open},"1","1","1","{price}","1",{close},"1",9,"1","1","0"]"#);
        (start..=end).contains(&open).then_some(row)
    });
    list(rows.take(1000).collect())
}

fn chart_range(shared: &Shared, call: &Call) -> String {
    let [from, to] = ["from", "to"].map(|name| call.parameter(name).parse::<i64>().unwrap());
    assert!(to - from <= 90 * 86_400, "above 90 days the grain is a day");
    let id = call.path.split('/').rev().nth(2).unwrap();
    let records = shared.past(id);
    let within = records.iter().filter(|(at, _)| (from..=to).contains(&at.as_second()));
    let points = within.map(|(at, price)| format!("[{},{price}]", at.as_millisecond()));
    format!(r#"{{"prices":{},"market_caps":[]}}"#, list(points.collect()))
}

fn xbt(base: &str) -> &str {
    if base == "BTC" { "XBT" } else { base }
}

fn list(rows: Vec<String>) -> String {
    format!("[{}]", rows.join(","))
}

fn object(rows: Vec<String>) -> String {
    format!("{{{}}}", rows.join(","))
}
