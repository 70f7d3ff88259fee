//! Kraken: last prices in true US dollars, to check others by. It has no 24 h change over REST (its `o` is the
//! open of the day in UTC), so it prices nothing alone.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::Duration;

use super::{
    BACK_OFF_MAX, Coverage, Currency, Fetching, Haste, Ids, Pairs, Plan, Priced, QuoteSource, Setup,
    SourceEntry,
};
use crate::market::error::{MarketError, PassingFault, SourceError};
use crate::market::http::{Answer, Endpoint, status_fault};
use crate::market::number;

pub(super) const ENTRY: SourceEntry = SourceEntry {
    name: "kraken",
    title: "Kraken",
    credit: "Cross-checked with Kraken",
    link: "https://www.kraken.com",
    terms: "Public market data; about one call a second is common practice, not a promise.",
    ids: Ids::MarketOrBinance("kraken"),
    coverage: Coverage::Everything,
    cross_check: true,
    plans: &[Plan {
        name: "public",
        base_url: "https://api.kraken.com/0/public",
        key_header: None,
        every: Duration::from_secs(120),
        calls_per_minute: 20,
        calls_per_month: None,
        back_off_max: BACK_OFF_MAX,
        timeout: Duration::from_secs(15),
    }],
    build,
};

const UNREADABLE: SourceError = SourceError::malformed("unreadable answer");

struct Kraken {
    endpoint: Endpoint,
    pairs: Pairs,
}

fn build(setup: Setup<'_>) -> Result<Box<dyn QuoteSource>, MarketError> {
    let endpoint = setup.endpoint.ok_or_else(|| MarketError::option("kraken", "base_url", "is missing"))?;
    Ok(Box::new(Kraken { endpoint, pairs: Pairs::default() }))
}

impl QuoteSource for Kraken {
    fn fetch<'a>(&'a self, _ids: &'a [&'a str], _haste: Haste) -> Fetching<'a> {
        Box::pin(async move {
            let table = || async { parse_pairs(&self.endpoint.get("/AssetPairs", "").await?) };
            let pairs = self.pairs.current(table).await?;
            parse(&self.endpoint.get("/Ticker", "").await?, &pairs)
        })
    }
}

/// What stands under `result`; an error stands under 200, in a list.
fn result(answer: &Answer) -> Result<HashMap<String, &RawValue>, SourceError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(default)]
        error: Vec<String>,
        #[serde(borrow, default)]
        result: Option<HashMap<String, &'a RawValue>>,
    }
    if let Some(fault) = status_fault(answer) {
        return Err(fault);
    }
    let body: Body<'_> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    // Warnings begin with W and come beside a result.
    if let Some(error) = body.error.iter().find(|error| error.starts_with('E')) {
        return Err(match error.as_str() {
            error if error.contains("Rate limit") || error.contains("Too many requests") => {
                SourceError::RateLimited { retry_after: answer.retry_after }
            }
            error if error.starts_with("EService") => SourceError::Passing(PassingFault::Status(503)),
            _ => SourceError::malformed("answered with an error"),
        });
    }
    body.result.ok_or(UNREADABLE)
}

/// Reads an answer of `/AssetPairs`: the base of each pair in US dollars, by its name for people.
fn parse_pairs(answer: &Answer) -> Result<HashMap<String, String>, SourceError> {
    #[derive(Deserialize)]
    struct Pair {
        wsname: String,
        #[serde(default)]
        status: String,
    }
    let read = |(name, pair): (String, &RawValue)| {
        let pair: Pair = serde_json::from_str(pair.get()).ok()?;
        let base = pair.wsname.strip_suffix("/USD").filter(|_| pair.status == "online")?;
        let base = match base {
            "XBT" => "BTC",
            "XDG" => "DOGE",
            other => other,
        };
        Some((name, base.to_owned()))
    };
    Ok(result(answer)?.into_iter().filter_map(read).collect())
}

/// Reads an answer of `/Ticker`. It gives no time; pairs that the table lacks are no pairs for us.
fn parse(answer: &Answer, pairs: &HashMap<String, String>) -> Result<Vec<Priced>, SourceError> {
    #[derive(Deserialize)]
    struct Ticker<'a> {
        #[serde(borrow)]
        c: Vec<&'a RawValue>,
    }
    let read = |(name, ticker): (String, &RawValue)| {
        let ticker: Ticker<'_> = serde_json::from_str(ticker.get()).ok()?;
        Some(Priced {
            id: pairs.get(&name)?.clone(),
            price: number::price(ticker.c.first().copied())?,
            change_24h_pct: None,
            as_of: None,
            quoted_in: Currency::Usd,
        })
    };
    Ok(result(answer)?.into_iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, told};
    use super::*;

    #[test]
    fn pairs_are_told_by_the_table() {
        let table = r#"{"error":[],"result":{
            "XXBTZUSD":{"wsname":"XBT/USD","status":"online"},"XDGUSD":{"wsname":"XDG/USD","status":"online"},
            "AIOUSD":{"wsname":"AIO/USD","status":"online"},"AIOZUSD":{"wsname":"AIOZ/USD","status":"online"},
            "OLDUSD":{"wsname":"OLD/USD","status":"cancel_only"},"XXBTZEUR":{"wsname":"XBT/EUR","status":"online"}}}"#;
        let pairs = parse_pairs(&answer(200, table)).unwrap();
        let ticker = r#"{"error":[],"result":{"XXBTZUSD":{"c":["74600.50000","1"],"o":"70000"},
            "XDGUSD":{"c":["0.1","1"]},"AIOUSD":{"c":["1","1"]},"AIOZUSD":{"c":["2","1"]},
            "OLDUSD":{"c":["3","1"]},"XXBTZUSD:BTNL":{"c":["4","1"]},"XXBTZEUR":{"c":["5","1"]}}}"#;
        let expected = ["AIO 1 -", "AIOZ 2 -", "BTC 74600.50000 -", "DOGE 0.1 -"];
        assert_eq!(told(parse(&answer(200, ticker), &pairs)), expected);
    }

    #[test]
    fn an_error_under_200_is_an_error() {
        let rows = [
            (r#"{"error":["EQuery:Unknown asset pair"]}"#, SourceError::malformed("answered with an error")),
            (r#"{"error":["EAPI:Rate limit exceeded"]}"#, SourceError::RateLimited { retry_after: None }),
            (r#"{"error":["EService:Unavailable"]}"#, SourceError::Passing(PassingFault::Status(503))),
            (r#"{"error":[]}"#, UNREADABLE),
            ("<html>", UNREADABLE),
        ];
        for (body, expected) in rows {
            assert_eq!(parse(&answer(200, body), &HashMap::new()), Err(expected), "{body}");
        }
    }
}
