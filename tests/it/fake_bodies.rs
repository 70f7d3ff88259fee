//! What the fake market answers when nothing is wrong: one body for each route, in the vendor's form.

use jiff::Timestamp;

use crate::fake_market::{Call, Coin, Route, Shared};

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
    }
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
