//! CoinPaprika: everything it has in one call of `/tickers`.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

use super::{
    BACK_OFF_MAX, Coverage, Currency, Fetching, Haste, Ids, Plan, Priced, QuoteSource, Setup, SourceEntry,
};
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
    cross_check: false,
    plans: &[
        Plan {
            name: "free",
            base_url: "https://api.coinpaprika.com/v1",
            key_header: None,
            // Its values are renewed about every 5 minutes.
            every: Duration::from_secs(5 * 60),
            calls_per_minute: 60,
            calls_per_month: Some(20_000),
            back_off_max: BACK_OFF_MAX,
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
            back_off_max: BACK_OFF_MAX,
            timeout: TIMEOUT,
        },
    ],
    build,
};

const UNREADABLE: SourceError = SourceError::malformed("unreadable answer");

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
        Box::pin(async move {
            let answer = self.endpoint.get("/tickers", "quotes=USD").await?;
            // Some milliseconds of work, which no request should have to wait behind.
            let parsed = tokio::task::spawn_blocking(move || parse(&answer)).await;
            parsed.unwrap_or(Err(UNREADABLE))
        })
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
    let rows: Vec<&RawValue> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let readable: Vec<Row<'_>> = rows.iter().filter_map(|row| serde_json::from_str(row.get()).ok()).collect();
    // An empty list is no answer either: the market has thousands of coins.
    if readable.is_empty() {
        return Err(UNREADABLE);
    }
    let read = |row: &Row<'_>| {
        Some(Priced {
            id: row.id.clone(),
            price: number::price(row.quotes.usd.price)?,
            change_24h_pct: number::float(row.quotes.usd.percent_change_24h),
            as_of: number::rfc3339(row.last_updated),
            quoted_in: Currency::Usd,
        })
    };
    Ok(readable.iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a row of `/tickers` with this JSON for price and change is read as.
    fn read(price: &str, change: &str) -> Option<(String, Option<f64>)> {
        let row = format!(
            r#"{{"id":"btc-bitcoin","symbol":"BTC","rank":1,"last_updated":"2026-05-18T12:00:00Z",
                "quotes":{{"USD":{{"price":{price},"percent_change_24h":{change},"ath_date":null}}}}}}"#
        );
        let other = r#"{"id":"eth-ethereum","quotes":{"USD":{"price":1}}}"#;
        let priced = parse(&good(&format!("[{row},{other}]"))).ok()?;
        assert_eq!(priced.last()?.id, "eth-ethereum");
        let first = priced.first().filter(|priced| priced.id == "btc-bitcoin")?;
        assert_eq!(first.as_of, "2026-05-18T12:00:00Z".parse().ok());
        Some((first.price.to_string(), first.change_24h_pct))
    }

    fn good(body: &str) -> Answer {
        Answer { status: 200, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn every_way_to_write_a_number_or_none_is_read() {
        for (price, change, expected) in [
            ("74600.5", "-2.81", Some(("74600.5", Some(-2.81)))),
            ("3.91e-06", "0", Some(("0.00000391", Some(0.0)))),
            ("\"1.25\"", "\"\"", Some(("1.25", None))),
            ("18971", "null", Some(("18971", None))),
            ("\"\"", "1", None),
            ("null", "1", None),
            ("0", "1", None),
            ("-3", "1", None),
        ] {
            let expected = expected.map(|(price, change)| (price.to_owned(), change));
            assert_eq!(read(price, change), expected, "{price} {change}");
        }
    }

    #[test]
    fn one_strange_row_does_not_spoil_the_others() {
        let body =
            r#"[{"name":"no id"},{"id":"a-a","quotes":{}},7,{"id":"b-b","quotes":{"USD":{"price":2}}}]"#;
        let ids: Vec<_> = parse(&good(body)).into_iter().flatten().map(|priced| priced.id).collect();
        assert_eq!(ids, ["b-b"]);
    }

    #[test]
    fn what_is_no_list_of_tickers_is_unreadable() {
        for body in ["", "[]", "{}", "[1,2]", r#"{"error":"id not found"}"#, "<html>", "[{\"id\":"] {
            assert_eq!(parse(&good(body)), Err(UNREADABLE), "{body}");
        }
    }
}
