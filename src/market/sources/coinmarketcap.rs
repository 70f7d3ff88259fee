//! CoinMarketCap: chosen coins by `/v2/simple/price`, with a key or by the keyless `/public-api`.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    BACK_OFF_MAX, Coverage, Currency, Fetching, Haste, Ids, Plan, Priced, QuoteSource, Setup, SourceEntry,
};
use crate::market::error::{MarketError, SourceError};
use crate::market::http::{Answer, Endpoint, joined_ids, status_fault};
use crate::market::number;

pub(super) const ENTRY: SourceEntry = SourceEntry {
    name: "coinmarketcap",
    title: "CoinMarketCap",
    credit: "Price data by CoinMarketCap",
    link: "https://coinmarketcap.com",
    terms: "The keyless routes are meant for prototypes; a business brings its own key.",
    ids: Ids::Market("coinmarketcap"),
    // 100 ids in one call are known to be safe.
    coverage: Coverage::Chosen { ids_max: 100, chars_max: 5_000 },
    cross_check: false,
    plans: &[
        Plan {
            name: "keyless",
            base_url: HOST,
            key_header: None,
            every: EDGE_CACHE,
            // No number is published; one call in 6 s is known to pass.
            calls_per_minute: 10,
            calls_per_month: None,
            back_off_max: BACK_OFF_MAX,
            timeout: TIMEOUT,
        },
        Plan {
            name: "basic",
            base_url: HOST,
            key_header: Some("x-cmc_pro_api_key"),
            every: EDGE_CACHE,
            calls_per_minute: 30,
            // Credits; a call for up to 250 coins costs one.
            calls_per_month: Some(15_000),
            back_off_max: BACK_OFF_MAX,
            timeout: TIMEOUT,
        },
    ],
    build,
};

const HOST: &str = "https://pro-api.coinmarketcap.com";
/// Answers are cached for so long.
const EDGE_CACHE: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);
const UNREADABLE: SourceError = SourceError::malformed("unreadable answer");

struct CoinMarketCap {
    endpoint: Endpoint,
    path: &'static str,
}

fn build(setup: Setup<'_>) -> Result<Box<dyn QuoteSource>, MarketError> {
    let endpoint =
        setup.endpoint.ok_or_else(|| MarketError::option("coinmarketcap", "base_url", "is missing"))?;
    let path = if endpoint.has_key() { "/v2/simple/price" } else { "/public-api/v2/simple/price" };
    Ok(Box::new(CoinMarketCap { endpoint, path }))
}

impl QuoteSource for CoinMarketCap {
    fn fetch<'a>(&'a self, ids: &'a [&'a str], _haste: Haste) -> Fetching<'a> {
        let ids = joined_ids(ids);
        Box::pin(async move {
            let query = format!("id={ids}&convert=USD&include_all=true&skip_invalid=true");
            parse(&self.endpoint.get(self.path, &query).await?)
        })
    }
}

#[derive(Deserialize)]
struct Quoted {
    symbol: Option<String>,
    price: Option<Box<RawValue>>,
    percent_change_24h: Option<Box<RawValue>>,
    last_updated: Option<Box<RawValue>>,
}

/// What stands under `data` or `quote`: a list, or an object with a name for each. (An untagged enum could
/// not keep the numbers' text.)
fn many<T: serde::de::DeserializeOwned>(json: &RawValue) -> Option<Vec<(Option<String>, T)>> {
    if json.get().trim_start().starts_with('[') {
        let list: Vec<T> = serde_json::from_str(json.get()).ok()?;
        return Some(list.into_iter().map(|item| (None, item)).collect());
    }
    let named: BTreeMap<String, T> = serde_json::from_str(json.get()).ok()?;
    Some(named.into_iter().map(|(name, item)| (Some(name), item)).collect())
}

/// Reads an answer of `/v2/simple/price`, also in the forms of the other routes that hold prices.
pub(in crate::market) fn parse(answer: &Answer) -> Result<Vec<Priced>, SourceError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    if let Some(fault) = fault(answer) {
        return Err(fault);
    }
    let body: Body<'_> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let rows: Vec<(Option<String>, Box<RawValue>)> = many(body.data).ok_or(UNREADABLE)?;
    Ok(rows.iter().filter_map(|(_, row)| read(row)).collect())
}

/// One coin. What it lacks is unknown; a strange row does not spoil the others.
fn read(row: &RawValue) -> Option<Priced> {
    #[derive(Deserialize)]
    struct Row {
        id: Box<RawValue>,
        #[serde(alias = "quotes")]
        quote: Box<RawValue>,
        last_updated: Option<Box<RawValue>>,
    }
    let row: Row = serde_json::from_str(row.get()).ok()?;
    let quotes: Vec<(Option<String>, Quoted)> = many(&row.quote)?;
    let is_usd =
        |name: &Option<String>, quoted: &Quoted| name.as_deref().or(quoted.symbol.as_deref()) == Some("USD");
    let (_, usd) = quotes.into_iter().find(|(name, quoted)| is_usd(name, quoted))?;
    Some(Priced {
        id: row.id.get().trim_matches('"').to_owned(),
        price: number::price(usd.price.as_deref())?,
        change_24h_pct: number::float(usd.percent_change_24h.as_deref()),
        as_of: number::rfc3339(usd.last_updated.as_deref())
            .or_else(|| number::rfc3339(row.last_updated.as_deref())),
        quoted_in: Currency::Usd,
    })
}

/// The code inside is the market's true word, also under 200. `None`: a good answer.
fn fault(answer: &Answer) -> Option<SourceError> {
    let body: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let code = body.as_ref().and_then(|body| body.get("status")?.get("error_code"));
    let code = code.and_then(|code| code.as_i64().or_else(|| code.as_str()?.parse().ok())).unwrap_or(0);
    Some(match code {
        0 => return status_fault(answer),
        1001 | 1005 | 1007 => SourceError::Permanent("the API key was refused"),
        1002 => SourceError::Permanent("the API key is missing"),
        1003 | 1004 | 1006 => SourceError::PlanLacksRoute,
        // Limits of the minute reset with it.
        1008 => {
            SourceError::RateLimited { retry_after: answer.retry_after.or(Some(Duration::from_secs(60))) }
        }
        1009 => SourceError::OutOfCredits { month: false },
        1010 => SourceError::OutOfCredits { month: true },
        1011 => SourceError::RateLimited { retry_after: answer.retry_after },
        _ => status_fault(answer).unwrap_or(SourceError::malformed("answered with an error")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, told};
    use super::*;

    #[test]
    fn every_form_of_a_good_answer_is_read() {
        let usd = r#"{"symbol":"USD","price":74603.12,"percent_change_24h":-1.8,"last_updated":"2026-05-18T12:00:00Z"}"#;
        let forms = [
            format!(r#"{{"data":[{{"id":1,"quotes":[{usd}]}}],"status":{{"error_code":0}}}}"#),
            format!(
                r#"{{"data":[{{"id":1,"quote":[{{"symbol":"EUR","price":1}},{usd}]}}],"status":{{"error_code":"0"}}}}"#
            ),
            format!(
                r#"{{"data":{{"1":{{"id":1,"quote":{{"USD":{usd}}}}}}},"status":{{"error_code":0,"error_message":""}}}}"#
            ),
        ];
        for form in forms {
            let read = parse(&answer(200, &form)).unwrap();
            assert_eq!(read[0].as_of, "2026-05-18T12:00:00Z".parse().ok(), "{form}");
            assert_eq!(told(Ok(read)), ["1 74603.12 -1.8"], "{form}");
        }
    }

    #[test]
    fn gaps_are_unknown_and_strange_rows_are_left_out() {
        let body = r#"{"data":[7,{"id":2},{"id":3,"quotes":[]},{"id":4,"quotes":[{"symbol":"USD","price":null}]},
            {"id":5,"quotes":[{"symbol":"USD","price":3.911e-06,"percent_change_24h":null,"last_updated":null}]}],
            "status":{"error_code":0}}"#;
        assert_eq!(told(parse(&answer(200, body))), ["5 0.000003911 -"]);
        assert_eq!(parse(&answer(200, r#"{"data":[],"status":{}}"#)), Ok(Vec::new()));
    }

    #[test]
    fn each_code_has_its_reaction_whatever_the_status() {
        let minute = Some(Duration::from_secs(60));
        let refused = SourceError::Permanent("the API key was refused");
        let rows = [
            ("1001", refused.clone()),
            ("\"1001\"", refused),
            ("1002", SourceError::Permanent("the API key is missing")),
            ("1006", SourceError::PlanLacksRoute),
            ("1008", SourceError::RateLimited { retry_after: minute }),
            ("1009", SourceError::OutOfCredits { month: false }),
            ("1010", SourceError::OutOfCredits { month: true }),
            ("1011", SourceError::RateLimited { retry_after: None }),
        ];
        for (code, expected) in rows {
            let body = format!(r#"{{"status":{{"error_code":{code},"error_message":"m"}}}}"#);
            for status in [200, 401, 429] {
                assert_eq!(parse(&answer(status, &body)), Err(expected.clone()), "{status} {code}");
            }
        }
        for body in ["", "<html>", "[]", r#"{"data":7}"#] {
            assert_eq!(parse(&answer(200, body)), Err(UNREADABLE), "{body}");
        }
    }
}
