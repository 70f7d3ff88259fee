//! OKX: every spot pair against USDT in one call.

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
    name: "okx",
    title: "OKX",
    credit: "Price data by OKX",
    link: "https://www.okx.com",
    terms: "Public market data; the EEA and the US have hosts of their own (base_url).",
    ids: Ids::MarketOrBinance("okx"),
    coverage: Coverage::Everything,
    cross_check: false,
    plans: &[Plan {
        name: "public",
        base_url: "https://www.okx.com",
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
/// A pair that was last heard of this much before the newest is dead.
const STALE_MS: i64 = 60 * 60 * 1000;

struct Okx {
    endpoint: Endpoint,
}

fn build(setup: Setup<'_>) -> Result<Box<dyn QuoteSource>, MarketError> {
    let endpoint = setup.endpoint.ok_or_else(|| MarketError::option("okx", "base_url", "is missing"))?;
    Ok(Box::new(Okx { endpoint }))
}

impl QuoteSource for Okx {
    fn fetch<'a>(&'a self, _ids: &'a [&'a str], _haste: Haste) -> Fetching<'a> {
        Box::pin(async move { parse(&self.endpoint.get("/api/v5/market/tickers", "instType=SPOT").await?) })
    }
}

/// Reads an answer of `/market/tickers`. `code` is text, and not `"0"` under 200 when something is wrong.
fn parse(answer: &Answer) -> Result<Vec<Priced>, SourceError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        code: &'a RawValue,
        #[serde(borrow, default)]
        data: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row<'a> {
        inst_id: String,
        #[serde(borrow, default)]
        last: Option<&'a RawValue>,
        #[serde(borrow, default)]
        open24h: Option<&'a RawValue>,
        #[serde(borrow, default)]
        ts: Option<&'a RawValue>,
    }
    let body: Option<Body<'_>> = serde_json::from_slice(&answer.body).ok();
    match body.as_ref().map(|body| body.code.get().trim_matches('"')) {
        Some("50011" | "50061") => return Err(SourceError::RateLimited { retry_after: answer.retry_after }),
        Some("0") | None => {}
        Some(_) if answer.status == 200 => return Err(SourceError::malformed("answered with an error")),
        Some(_) => {}
    }
    if let Some(fault) = status_fault(answer) {
        return Err(fault);
    }
    let body = body.ok_or(UNREADABLE)?;
    let rows: Vec<Row<'_>> =
        body.data.iter().filter_map(|row| serde_json::from_str(row.get()).ok()).collect();
    let newest = rows.iter().filter_map(|row| number::unix_millis(row.ts)).max().ok_or(UNREADABLE)?;
    let read = |row: &Row<'_>| {
        // OKX names a pair by its two assets with a dash between: that is its form, not a guess.
        let (base, quote) = row.inst_id.split_once('-')?;
        let as_of = number::unix_millis(row.ts)?;
        let dead = newest.as_millisecond() - as_of.as_millisecond() > STALE_MS;
        let price = number::price(row.last).filter(|_| quote == "USDT" && !dead)?;
        Some(Priced {
            id: base.to_owned(),
            price,
            change_24h_pct: number::price(row.open24h).and_then(|open| number::change_pct(open, price)),
            as_of: Some(as_of),
            quoted_in: Currency::Token("tether"),
        })
    };
    Ok(rows.iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, told};
    use super::*;

    #[test]
    fn pairs_against_usdt_are_read_with_all_their_gaps() {
        let body = r#"{"code":"0","msg":"","data":[
            {"instId":"BTC-USDT","last":"74600.5","open24h":"80000","ts":"1779105600000"},
            {"instId":"BTC-USDC","last":"1","open24h":"1","ts":"1779105600000"},
            {"instId":"NEW-USDT","last":"","open24h":"","ts":"1779105600000"},
            {"instId":"GAP-USDT","last":"2","open24h":"","ts":"1779105600000"},
            {"instId":"OLD-USDT","last":"2","open24h":"2","ts":"1779001600000"},{}]}"#;
        let read = parse(&answer(200, body)).unwrap();
        assert!(read.iter().all(|priced| priced.quoted_in == Currency::Token("tether")));
        assert_eq!(told(Ok(read)), ["BTC 74600.5 -6.749375", "GAP 2 -"]);
    }

    #[test]
    fn an_error_under_200_is_an_error() {
        let limited = SourceError::RateLimited { retry_after: None };
        let error = SourceError::malformed("answered with an error");
        let rows = [
            (200, r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#, limited.clone()),
            (429, r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#, limited),
            (200, r#"{"code":"51000","msg":"Parameter instType error","data":[]}"#, error),
            (200, r#"{"code":"0","data":[]}"#, UNREADABLE),
            (200, "<html>", UNREADABLE),
        ];
        for (status, body, expected) in rows {
            assert_eq!(parse(&answer(status, body)), Err(expected), "{body}");
        }
    }
}
