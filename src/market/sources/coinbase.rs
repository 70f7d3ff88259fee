//! Coinbase Exchange: every product against true US dollars in one call.

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
    name: "coinbase",
    title: "Coinbase Exchange",
    credit: "Price data by Coinbase",
    link: "https://www.coinbase.com",
    terms: "Public market data; its terms bar passing it on as a service of one's own without consent.",
    ids: Ids::MarketOrBinance("coinbase"),
    coverage: Coverage::Everything,
    cross_check: false,
    plans: &[Plan {
        name: "public",
        base_url: "https://api.exchange.coinbase.com",
        key_header: None,
        every: Duration::from_secs(60),
        calls_per_minute: 30,
        calls_per_month: None,
        back_off_max: BACK_OFF_MAX,
        timeout: Duration::from_secs(15),
    }],
    build,
};

const UNREADABLE: SourceError = SourceError::malformed("unreadable answer");

struct Coinbase {
    endpoint: Endpoint,
    pairs: Pairs,
}

fn build(setup: Setup<'_>) -> Result<Box<dyn QuoteSource>, MarketError> {
    let endpoint = setup.endpoint.ok_or_else(|| MarketError::option("coinbase", "base_url", "is missing"))?;
    Ok(Box::new(Coinbase { endpoint, pairs: Pairs::default() }))
}

impl QuoteSource for Coinbase {
    fn fetch<'a>(&'a self, _ids: &'a [&'a str], _haste: Haste) -> Fetching<'a> {
        Box::pin(async move {
            let products = || async { parse_products(&self.endpoint.get("/products", "").await?) };
            let pairs = self.pairs.current(products).await?;
            parse(&self.endpoint.get("/products/stats", "").await?, &pairs)
        })
    }
}

/// Reads an answer of `/products`: the base of each product in US dollars that trades.
fn parse_products(answer: &Answer) -> Result<HashMap<String, String>, SourceError> {
    #[derive(Deserialize)]
    struct Product {
        id: String,
        base_currency: String,
        quote_currency: String,
        #[serde(default)]
        status: String,
    }
    if let Some(fault) = status_fault(answer) {
        return Err(fault);
    }
    let rows: Vec<&RawValue> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let read = |row: &&RawValue| {
        let product: Product = serde_json::from_str(row.get()).ok()?;
        let trades = product.quote_currency == "USD" && product.status == "online";
        trades.then_some((product.id, product.base_currency))
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// Reads an answer of `/products/stats`. It gives no time; delisted products lack the last 24 hours.
fn parse(answer: &Answer, pairs: &HashMap<String, String>) -> Result<Vec<Priced>, SourceError> {
    #[derive(Deserialize)]
    struct Product<'a> {
        #[serde(borrow)]
        stats_24hour: Stats<'a>,
    }
    #[derive(Deserialize)]
    struct Stats<'a> {
        #[serde(borrow, default)]
        open: Option<&'a RawValue>,
        #[serde(borrow, default)]
        last: Option<&'a RawValue>,
        #[serde(borrow, default)]
        volume: Option<&'a RawValue>,
    }
    if let Some(fault) = status_fault(answer) {
        return Err(fault);
    }
    let rows: HashMap<String, &RawValue> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let stats = |row: &'_ RawValue| serde_json::from_str::<Product<'_>>(row.get()).is_ok();
    if !rows.values().any(|row| stats(row)) {
        return Err(UNREADABLE);
    }
    let read = |(id, row): (&String, &&RawValue)| {
        let Stats { open, last, volume } = serde_json::from_str::<Product<'_>>(row.get()).ok()?.stats_24hour;
        // Without a trade in 24 h the last price may be of any age, and no time tells.
        let price = number::price(last).filter(|_| number::float(volume) != Some(0.0))?;
        Some(Priced {
            id: pairs.get(id)?.clone(),
            price,
            change_24h_pct: number::price(open).and_then(|open| number::change_pct(open, price)),
            as_of: None,
            quoted_in: Currency::Usd,
        })
    };
    Ok(rows.iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, told};
    use super::*;

    #[test]
    fn products_in_dollars_that_trade_are_priced() {
        let products = r#"[{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","status":"online"},
            {"id":"BTC-EUR","base_currency":"BTC","quote_currency":"EUR","status":"online"},
            {"id":"ETH-USD","base_currency":"ETH","quote_currency":"USD","status":"online"},
            {"id":"IDLE-USD","base_currency":"IDLE","quote_currency":"USD","status":"online"},
            {"id":"OLD-USD","base_currency":"OLD","quote_currency":"USD","status":"delisted"},7]"#;
        let pairs = parse_products(&answer(200, products)).unwrap();
        assert_eq!(pairs.len(), 3);
        let stats = r#"{"BTC-USD":{"stats_24hour":{"open":"80000","last":"74600.50","volume":"8"}},
            "ETH-USD":{"stats_24hour":{"open":"0","last":"2500","volume":"8"}},
            "IDLE-USD":{"stats_24hour":{"open":"2","last":"2","volume":"0"}},
            "BTC-EUR":{"stats_24hour":{"open":"1","last":"1"}},
            "OLD-USD":{"stats_30day":{"volume":"12.1"}}}"#;
        let read = parse(&answer(200, stats), &pairs).unwrap();
        assert!(read.iter().all(|priced| priced.as_of.is_none()));
        assert_eq!(told(Ok(read)), ["BTC 74600.50 -6.749375", "ETH 2500 -"]);
    }

    #[test]
    fn what_is_no_statistics_is_unreadable() {
        for body in ["", "[]", "{}", r#"{"message":"NotFound"}"#, "<html>"] {
            assert_eq!(parse(&answer(200, body), &HashMap::new()), Err(UNREADABLE), "{body}");
        }
        let limited = Err(SourceError::RateLimited { retry_after: None });
        assert_eq!(parse_products(&answer(429, r#"{"message":"Public rate limit exceeded"}"#)), limited);
    }
}
