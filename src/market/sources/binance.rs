//! Binance spot: every pair against USDT in one call; which pair is which comes from `exchangeInfo`.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::Duration;

use super::{
    BACK_OFF_MAX, Coverage, Currency, Fetching, Haste, Ids, Pairs, Plan, Priced, QuoteSource, Setup,
    SourceEntry,
};
use crate::market::error::{MarketError, SourceError};
use crate::market::http::{Answer, Endpoint, status_fault};
use crate::market::number;

pub(super) const ENTRY: SourceEntry = SourceEntry {
    name: "binance",
    title: "Binance",
    credit: "Price data by Binance",
    link: "https://www.binance.com",
    terms: "Public market data; not offered in some countries, which are answered 451.",
    ids: Ids::Market("binance"),
    coverage: Coverage::Everything,
    cross_check: false,
    plans: &[Plan {
        name: "public",
        base_url: "https://data-api.binance.vision",
        key_header: None,
        every: Duration::from_secs(60),
        // All pairs weigh 80 of the 6,000 that a minute holds.
        calls_per_minute: 30,
        calls_per_month: None,
        back_off_max: BACK_OFF_MAX,
        timeout: Duration::from_secs(20),
    }],
    build,
};

const UNREADABLE: SourceError = SourceError::malformed("unreadable answer");
/// A pair whose last 24 h ended this much before the newest pair's is dead.
const STALE_MS: i64 = 60 * 60 * 1000;

struct Binance {
    endpoint: Endpoint,
    pairs: Pairs,
}

fn build(setup: Setup<'_>) -> Result<Box<dyn QuoteSource>, MarketError> {
    let endpoint = setup.endpoint.ok_or_else(|| MarketError::option("binance", "base_url", "is missing"))?;
    Ok(Box::new(Binance { endpoint, pairs: Pairs::default() }))
}

impl QuoteSource for Binance {
    fn fetch<'a>(&'a self, _ids: &'a [&'a str], _haste: Haste) -> Fetching<'a> {
        Box::pin(async move {
            let info = || async { parse_info(&self.endpoint.get("/api/v3/exchangeInfo", "").await?) };
            let pairs = self.pairs.current(info).await?;
            let answer = self.endpoint.get("/api/v3/ticker/24hr", "type=MINI&symbolStatus=TRADING").await?;
            // Some milliseconds of work, which no request should have to wait behind.
            let parsed = tokio::task::spawn_blocking(move || parse(&answer, &pairs)).await;
            parsed.unwrap_or(Err(UNREADABLE))
        })
    }
}

/// Reads an answer of `/exchangeInfo`: the base asset of each pair against USDT that trades.
fn parse_info(answer: &Answer) -> Result<HashMap<String, String>, SourceError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Symbol {
        symbol: String,
        status: String,
        base_asset: String,
        quote_asset: String,
    }
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        symbols: Vec<&'a RawValue>,
    }
    if let Some(fault) = fault(answer) {
        return Err(fault);
    }
    let body: Body<'_> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let read = |symbol: &&RawValue| {
        let symbol: Symbol = serde_json::from_str(symbol.get()).ok()?;
        let trades = symbol.status == "TRADING" && symbol.quote_asset == "USDT";
        trades.then_some((symbol.symbol, symbol.base_asset))
    };
    Ok(body.symbols.iter().filter_map(read).collect())
}

/// Reads an answer of `/ticker/24hr`. Rows come in any order; dead pairs stay with old or zero values.
fn parse(answer: &Answer, pairs: &HashMap<String, String>) -> Result<Vec<Priced>, SourceError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row<'a> {
        symbol: String,
        #[serde(borrow, default)]
        open_price: Option<&'a RawValue>,
        #[serde(borrow, default)]
        last_price: Option<&'a RawValue>,
        #[serde(borrow, default)]
        close_time: Option<&'a RawValue>,
        #[serde(borrow, default)]
        count: Option<&'a RawValue>,
    }
    if let Some(fault) = fault(answer) {
        return Err(fault);
    }
    let rows: Vec<&RawValue> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let rows: Vec<Row<'_>> = rows.iter().filter_map(|row| serde_json::from_str(row.get()).ok()).collect();
    let newest = rows.iter().filter_map(|row| number::unix_millis(row.close_time)).max().ok_or(UNREADABLE)?;
    let read = |row: &Row<'_>| {
        let as_of = number::unix_millis(row.close_time)?;
        let dead = newest.as_millisecond() - as_of.as_millisecond() > STALE_MS
            || number::float(row.count) == Some(0.0);
        let price = number::price(row.last_price).filter(|_| !dead)?;
        Some(Priced {
            id: pairs.get(&row.symbol)?.clone(),
            price,
            change_24h_pct: number::price(row.open_price).and_then(|open| number::change_pct(open, price)),
            as_of: Some(as_of),
            quoted_in: Currency::Token("tether"),
        })
    };
    Ok(rows.iter().filter_map(read).collect())
}

fn fault(answer: &Answer) -> Option<SourceError> {
    match answer.status {
        // Banned for not heeding 429: 2 minutes at least.
        418 => Some(SourceError::RateLimited {
            retry_after: answer.retry_after.or(Some(Duration::from_secs(120))),
        }),
        _ => status_fault(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, told};
    use super::*;

    #[test]
    fn pairs_are_told_by_exchange_info_never_by_their_letters() {
        let info = r#"{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT"},
            {"symbol":"DEADUSDT","status":"BREAK","baseAsset":"DEAD","quoteAsset":"USDT"},
            {"symbol":"ETHBTC","status":"TRADING","baseAsset":"ETH","quoteAsset":"BTC"},7]}"#;
        let pairs = parse_info(&answer(200, info)).unwrap();
        assert_eq!(pairs, HashMap::from([("BTCUSDT".to_owned(), "BTC".to_owned())]));
        let rows = r#"[{"symbol":"ETHBTC","openPrice":"1","lastPrice":"1","closeTime":1779105600000,"count":5},
            {"symbol":"BTCUSDT","openPrice":"80000","lastPrice":"74600.50","closeTime":1779105600000,"count":9}]"#;
        let read = parse(&answer(200, rows), &pairs).unwrap();
        assert_eq!(read[0].quoted_in, Currency::Token("tether"));
        assert_eq!(told(Ok(read)), ["BTC 74600.50 -6.749375"]);
    }

    #[test]
    fn dead_pairs_are_dropped() {
        let pairs = ["A", "B", "C", "D", "E"].map(|base| (format!("{base}USDT"), base.to_owned()));
        let pairs = HashMap::from(pairs);
        let row = |base: &str, last: &str, close: i64, count: u32| {
            format!(
                r#"{{"symbol":"{base}USDT","openPrice":"0","lastPrice":"{last}","closeTime":{close},"count":{count}}}"#
            )
        };
        let now = 1_779_105_600_000;
        let rows = [
            row("A", "2", now, 1),
            row("B", "0.00000000", now, 1),
            row("C", "2", now, 0),
            row("D", "2", now - STALE_MS - 1, 1),
            row("E", "", now, 1),
        ];
        let body = format!("[{}]", rows.join(","));
        assert_eq!(told(parse(&answer(200, &body), &pairs)), ["A 2 -"], "without an open there is no change");
    }

    #[test]
    fn errors_have_their_reactions() {
        let banned = SourceError::RateLimited { retry_after: Some(Duration::from_secs(120)) };
        assert_eq!(parse_info(&answer(418, r#"{"code":-1003}"#)), Err(banned));
        let place = SourceError::Permanent("not available from this place (451)");
        assert_eq!(parse_info(&answer(451, "{}")), Err(place));
        for body in ["", "{}", "[]", r#"{"code":-1121,"msg":"Invalid symbol."}"#] {
            assert_eq!(parse(&answer(200, body), &HashMap::new()), Err(UNREADABLE), "{body}");
        }
    }
}
