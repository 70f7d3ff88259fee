//! CoinPaprika: everything it has in one call of `/tickers`.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

use super::{Coverage, Fetching, Haste, Ids, Plan, Priced, QuoteSource, Setup, SourceEntry};
use crate::market::error::{MarketError, SourceError};
use crate::market::http::{Answer, Endpoint, status_fault};
use crate::market::number;

pub(super) const ENTRY: SourceEntry = SourceEntry {
    name: "coinpaprika",
    title: "CoinPaprika",
    credit: "Price data by CoinPaprika",
    link: "https://coinpaprika.com",
    terms: "The free plan is for hobby and other non-commercial use; a business brings its own key.",
    ids: Ids::Market("coinpaprika"),
    coverage: Coverage::Everything,
    plans: &[
        Plan {
            name: "free",
            base_url: "https://api.coinpaprika.com/v1",
            key_header: None,
            // Its values are renewed about every 5 minutes.
            every: Duration::from_secs(5 * 60),
            calls_per_minute: 60,
            calls_per_month: Some(20_000),
            timeout: TIMEOUT,
        },
        Plan {
            name: "pro",
            base_url: "https://api-pro.coinpaprika.com/v1",
            // The bare key, without `Bearer`.
            key_header: Some("authorization"),
            every: Duration::from_secs(60),
            calls_per_minute: 60,
            // Plans differ; the operator knows.
            calls_per_month: Some(100_000),
            timeout: TIMEOUT,
        },
    ],
    build,
};

/// About 2 MB come in one answer.
const TIMEOUT: Duration = Duration::from_secs(20);

struct CoinPaprika {
    endpoint: Endpoint,
}

fn build(setup: Setup<'_>) -> Result<Box<dyn QuoteSource>, MarketError> {
    let endpoint =
        setup.endpoint.ok_or_else(|| MarketError::option("coinpaprika", "base_url", "is missing"))?;
    Ok(Box::new(CoinPaprika { endpoint }))
}

impl QuoteSource for CoinPaprika {
    fn fetch<'a>(&'a self, _ids: &'a [&'a str], _haste: Haste) -> Fetching<'a> {
        Box::pin(async move { parse(&self.endpoint.get("/tickers", "quotes=USD").await?) })
    }
}

/// Reads an answer of `/tickers`.
fn parse(answer: &Answer) -> Result<Vec<Priced>, SourceError> {
    #[derive(Deserialize)]
    struct Row<'a> {
        id: String,
        #[serde(borrow, default)]
        last_updated: Option<&'a RawValue>,
        #[serde(borrow)]
        quotes: Quotes<'a>,
    }
    #[derive(Deserialize)]
    struct Quotes<'a> {
        #[serde(borrow, rename = "USD")]
        usd: Usd<'a>,
    }
    #[derive(Deserialize)]
    struct Usd<'a> {
        #[serde(borrow, default)]
        price: Option<&'a RawValue>,
        #[serde(borrow, default)]
        percent_change_24h: Option<&'a RawValue>,
    }
    if let Some(fault) = status_fault(answer) {
        return Err(fault);
    }
    let unreadable = || SourceError::Malformed("unreadable answer");
    let rows: Vec<&RawValue> = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
    let readable: Vec<Row<'_>> = rows.iter().filter_map(|row| serde_json::from_str(row.get()).ok()).collect();
    // An empty list is no answer either: the market has thousands of coins.
    if readable.is_empty() {
        return Err(unreadable());
    }
    let read = |row: &Row<'_>| {
        Some(Priced {
            id: row.id.clone(),
            price: number::price(row.quotes.usd.price)?,
            change_24h_pct: number::float(row.quotes.usd.percent_change_24h),
            as_of: number::rfc3339(row.last_updated),
        })
    };
    Ok(readable.iter().filter_map(read).collect())
}
