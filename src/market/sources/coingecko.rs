//! CoinGecko: whole pages from `/coins/markets`, a few tokens that somebody waits for from `/simple/price`.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::Duration;

use super::{
    BACK_OFF_MAX, Coverage, Currency, Fetching, Haste, Ids, Plan, Priced, QuoteSource, Setup, SourceEntry,
};
use crate::market::error::{MarketError, SourceError};
use crate::market::http::{Answer, Endpoint, joined_ids, status_fault};
use crate::market::number;

pub(super) const ENTRY: SourceEntry = SourceEntry {
    name: "coingecko",
    title: "CoinGecko",
    credit: "Price data by CoinGecko",
    link: "https://www.coingecko.com/en/api",
    terms: "The free plans ask that CoinGecko is named beside its prices, with a link.",
    ids: Ids::Market("coingecko"),
    // 250 is a page of `/coins/markets`; longer lists of ids than 5,000 characters are known to fail.
    coverage: Coverage::Chosen { ids_max: PAGE, chars_max: 5_000 },
    cross_check: false,
    plans: &[
        Plan {
            name: "keyless",
            base_url: PUBLIC,
            key_header: None,
            every: EDGE_CACHE,
            // "About 5, not stable" is shared by everybody behind one address: one page a minute is modest.
            calls_per_minute: 1,
            calls_per_month: None,
            back_off_max: BACK_OFF_MAX,
            timeout: TIMEOUT,
        },
        Plan {
            name: "demo",
            base_url: PUBLIC,
            key_header: Some("x-cg-demo-api-key"),
            every: EDGE_CACHE,
            // The limits page says 100, other pages of theirs 30.
            calls_per_minute: 30,
            calls_per_month: Some(10_000),
            back_off_max: BACK_OFF_MAX,
            timeout: TIMEOUT,
        },
        Plan {
            name: "pro",
            base_url: "https://pro-api.coingecko.com/api/v3",
            key_header: Some("x-cg-pro-api-key"),
            every: EDGE_CACHE,
            calls_per_minute: 250,
            // The smallest paid plan.
            calls_per_month: Some(100_000),
            back_off_max: BACK_OFF_MAX,
            timeout: TIMEOUT,
        },
    ],
    build,
};

const PUBLIC: &str = "https://api.coingecko.com/api/v3";
const PAGE: usize = 250;
/// Answers are cached at the edge for so long: asking more often brings nothing.
const EDGE_CACHE: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);

struct CoinGecko {
    endpoint: Endpoint,
}

fn build(setup: Setup<'_>) -> Result<Box<dyn QuoteSource>, MarketError> {
    let endpoint =
        setup.endpoint.ok_or_else(|| MarketError::option("coingecko", "base_url", "is missing"))?;
    Ok(Box::new(CoinGecko { endpoint }))
}

impl QuoteSource for CoinGecko {
    fn fetch<'a>(&'a self, ids: &'a [&'a str], haste: Haste) -> Fetching<'a> {
        let ids = joined_ids(ids);
        Box::pin(async move {
            match haste {
                Haste::Regular => {
                    let query = format!(
                        "vs_currency=usd&ids={ids}&order=market_cap_desc&per_page={PAGE}&page=1\
                         &sparkline=false&price_change_percentage=24h&precision=full"
                    );
                    parse_markets(&self.endpoint.get("/coins/markets", &query).await?)
                }
                Haste::Awaited => {
                    let query = format!(
                        "ids={ids}&vs_currencies=usd&include_24hr_change=true\
                         &include_last_updated_at=true&precision=full"
                    );
                    parse_simple(&self.endpoint.get("/simple/price", &query).await?)
                }
            }
        })
    }
}

/// Reads an answer of `/coins/markets`.
fn parse_markets(answer: &Answer) -> Result<Vec<Priced>, SourceError> {
    #[derive(Deserialize)]
    struct Row<'a> {
        id: String,
        #[serde(borrow, default)]
        current_price: Option<&'a RawValue>,
        #[serde(borrow, default)]
        price_change_percentage_24h: Option<&'a RawValue>,
        #[serde(borrow, default)]
        price_change_percentage_24h_in_currency: Option<&'a RawValue>,
        #[serde(borrow, default)]
        last_updated: Option<&'a RawValue>,
    }
    let body = good_body(answer)?;
    let Ok(rows) = serde_json::from_str::<Vec<&RawValue>>(body) else {
        return Err(error_inside(answer).unwrap_or(UNREADABLE));
    };
    let read = |row: &Row<'_>| {
        Some(Priced {
            id: row.id.clone(),
            price: number::price(row.current_price)?,
            // The one in the currency has all its digits, but comes only because it was asked for.
            change_24h_pct: number::float(row.price_change_percentage_24h_in_currency)
                .or_else(|| number::float(row.price_change_percentage_24h)),
            as_of: number::rfc3339(row.last_updated),
            quoted_in: Currency::Usd,
        })
    };
    let readable: Vec<Row<'_>> = rows.iter().filter_map(|row| serde_json::from_str(row.get()).ok()).collect();
    if readable.is_empty() && !rows.is_empty() {
        return Err(UNREADABLE);
    }
    Ok(readable.iter().filter_map(read).collect())
}

/// Reads an answer of `/simple/price`.
fn parse_simple(answer: &Answer) -> Result<Vec<Priced>, SourceError> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow, default)]
        usd: Option<&'a RawValue>,
        #[serde(borrow, default)]
        usd_24h_change: Option<&'a RawValue>,
        #[serde(borrow, default)]
        last_updated_at: Option<&'a RawValue>,
    }
    let body = good_body(answer)?;
    let entries: HashMap<String, &RawValue> = serde_json::from_str(body).map_err(|_| UNREADABLE)?;
    // The key alone decides nothing: `status` is also the id of a coin.
    if let Some(fault) = error_inside(answer) {
        return Err(fault);
    }
    let read = |(id, entry): (String, &RawValue)| {
        let entry: Entry<'_> = serde_json::from_str(entry.get()).ok()?;
        Some(Priced {
            id,
            price: number::price(entry.usd)?,
            change_24h_pct: number::float(entry.usd_24h_change),
            as_of: number::unix_seconds(entry.last_updated_at),
            quoted_in: Currency::Usd,
        })
    };
    Ok(entries.into_iter().filter_map(read).collect())
}

const UNREADABLE: SourceError = SourceError::malformed("unreadable answer");

/// Status first, then content.
fn good_body(answer: &Answer) -> Result<&str, SourceError> {
    if let Some(general) = status_fault(answer) {
        // A status that is clear by itself is not overruled by a body.
        let clear = !matches!(answer.status, 400..=403 | 404 | 422);
        return Err(if clear { general } else { error_inside(answer).unwrap_or(general) });
    }
    std::str::from_utf8(&answer.body).map_err(|_| UNREADABLE)
}

/// The reaction to an error that a body holds, in any of the forms that are known:
/// `{"status":{"error_code","error_message"}}`, the same under `error`,
/// `{"error_code","status":{"error_message"}}`, `{"error":"text"}`. Text and HTML hold none.
fn error_inside(answer: &Answer) -> Option<SourceError> {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let (code, message) = error_code(&body)?;
    Some(match code {
        Some(429) => SourceError::RateLimited { retry_after: answer.retry_after },
        Some(10002) => SourceError::Permanent("the API key is missing"),
        Some(10010 | 10011) => SourceError::Permanent("the API key is for another host; check its plan"),
        Some(10005) => SourceError::PlanLacksRoute,
        // Two meanings: reaches back too far, or too many addresses. Neither is the key's fault.
        Some(10012) => SourceError::malformed("refused the parameters"),
        Some(401) => SourceError::Permanent("the API key was refused"),
        _ if message.contains("User-Agent") => SourceError::Permanent("refuses our User-Agent"),
        Some(1020 | 403) => SourceError::Refused { status: 403 },
        Some(408 | 500..=599) if answer.status == 200 => SourceError::malformed("answered with an error"),
        _ => status_fault(answer).unwrap_or(SourceError::malformed("answered with an error")),
    })
}

/// Code and message of an error body; `None` where the body is none.
fn error_code(body: &serde_json::Value) -> Option<(Option<i64>, &str)> {
    let text = |value: &serde_json::Value| value.as_str().map(|_| ());
    if let Some(error) = body.get("error") {
        if text(error).is_some() {
            return Some((None, error.as_str().unwrap_or_default()));
        }
        return error_code(error);
    }
    let status = body.get("status").unwrap_or(&serde_json::Value::Null);
    let find = |name: &str| body.get(name).or_else(|| status.get(name)).filter(|value| !value.is_object());
    let (code, message) = (find("error_code"), find("error_message"));
    if code.is_none() && message.is_none() {
        return None;
    }
    let code = code.and_then(|code| code.as_i64().or_else(|| code.as_str()?.parse().ok()));
    Some((code, message.and_then(serde_json::Value::as_str).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: None, body: body.as_bytes().to_vec() }
    }

    /// Id, price and change of each coin, by id.
    fn told(result: Result<Vec<Priced>, SourceError>) -> Vec<(String, String, Option<f64>)> {
        let mut told: Vec<_> = result
            .into_iter()
            .flatten()
            .map(|priced| (priced.id, priced.price.to_string(), priced.change_24h_pct))
            .collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told
    }

    fn row(id: &str, price: &str, change: Option<f64>) -> (String, String, Option<f64>) {
        (id.to_owned(), price.to_owned(), change)
    }

    #[test]
    fn a_page_of_markets_is_read_with_all_its_gaps() {
        let body = r#"[
            {"id":"bitcoin","current_price":74603,"price_change_percentage_24h":-1.8,"market_cap_rank":null,
             "last_updated":"2026-05-18T12:00:00.599Z","price_change_percentage_24h_in_currency":-1.8016474},
            {"id":"pepe","current_price":3.91e-06,"price_change_percentage_24h":-4.1},
            {"id":"no-change","current_price":"2.50","price_change_percentage_24h":null},
            {"id":"no-price","current_price":null},
            {"id":"zero","current_price":0.0},
            {"current_price":1},
            {"id":"absent"}
        ]"#;
        let read = parse_markets(&answer(200, body));
        let bitcoin = read.iter().flatten().find(|priced| priced.id == "bitcoin");
        assert_eq!(bitcoin.and_then(|bitcoin| bitcoin.as_of), "2026-05-18T12:00:00.599Z".parse().ok());
        let expected = [
            row("bitcoin", "74603", Some(-1.8016474)),
            row("no-change", "2.50", None),
            row("pepe", "0.00000391", Some(-4.1)),
        ];
        assert_eq!(told(read), expected);
        assert_eq!(parse_markets(&answer(200, "[]")), Ok(Vec::new()));
        assert_eq!(parse_markets(&answer(200, "[{},7]")), Err(UNREADABLE));
    }

    #[test]
    fn a_simple_price_is_read_with_all_its_gaps() {
        let body = r#"{"bitcoin":{"usd":74603.12,"usd_24h_change":-1.8,"last_updated_at":1779105600},
            "dead":{"usd":7.82e-11,"usd_24h_change":null,"last_updated_at":null},
            "no-price":{"usd":null},"empty":{},"odd":[]}"#;
        let read = parse_simple(&answer(200, body));
        let as_of: Vec<_> = read.iter().flatten().filter_map(|priced| priced.as_of).collect();
        assert_eq!(as_of, ["2026-05-18T12:00:00Z".parse().ok()].into_iter().flatten().collect::<Vec<_>>());
        let expected = [row("bitcoin", "74603.12", Some(-1.8)), row("dead", "0.0000000000782", None)];
        assert_eq!(told(read), expected);
        assert_eq!(parse_simple(&answer(200, "{}")), Ok(Vec::new()), "no coin known is no error");
    }

    #[test]
    fn a_coin_named_status_is_no_error() {
        let body = r#"{"status":{"usd":0.021874,"usd_24h_change":-1.9,"last_updated_at":1779105600}}"#;
        assert_eq!(told(parse_simple(&answer(200, body))), [row("status", "0.021874", Some(-1.9))]);
        let error = r#"{"status":{"error_code":429,"error_message":"too fast"}}"#;
        let limited = Err(SourceError::RateLimited { retry_after: None });
        assert_eq!(parse_simple(&answer(200, error)), limited);
    }

    #[test]
    fn errors_are_read_in_every_form() {
        let other_host = SourceError::Permanent("the API key is for another host; check its plan");
        let missing = SourceError::Permanent("the API key is missing");
        let rows = [
            (400, r#"{"error_code":10010,"status":{"error_message":"m"}}"#, other_host.clone()),
            (400, r#"{"status":{"error_code":"10011","error_message":"m"}}"#, other_host),
            (401, r#"{"error":{"status":{"error_code":10002,"error_message":"m"}}}"#, missing.clone()),
            (401, r#"{"error":{"error_code":10002,"error_message":"m"}}"#, missing),
            (422, r#"{"error":"Missing parameter"}"#, SourceError::malformed("answered with an error")),
            (404, r#"{"error":"coin not found"}"#, SourceError::malformed("answered 404")),
            (429, "Throttled", SourceError::RateLimited { retry_after: None }),
            (401, "<html>", SourceError::Permanent("the API key was refused")),
            (401, r#"{"status":{"error_code":10005}}"#, SourceError::PlanLacksRoute),
            (414, "<html>", SourceError::TooLong),
            (200, "<html>", UNREADABLE),
            (200, r#"[{"id":"#, UNREADABLE),
        ];
        for (status, body, expected) in rows {
            assert_eq!(parse_markets(&answer(status, body)), Err(expected.clone()), "{status} {body}");
            assert_eq!(parse_simple(&answer(status, body)), Err(expected), "{status} {body}");
        }
    }
}
