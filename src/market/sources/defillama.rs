//! DefiLlama: current prices by CoinGecko's ids; the change from its own record of 24 h earlier.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::{
    BACK_OFF_MAX, Coverage, Currency, Fetching, Haste, Ids, Plan, Priced, QuoteSource, Setup, SourceEntry,
};
use crate::market::error::{MarketError, SourceError};
use crate::market::http::{Answer, Endpoint, status_fault};
use crate::market::number;

pub(super) const ENTRY: SourceEntry = SourceEntry {
    name: "defillama",
    title: "DefiLlama",
    credit: "Price data by DefiLlama",
    link: "https://defillama.com",
    terms: "Free to use; no limits are published, so it is asked modestly.",
    // It takes CoinGecko's ids as they are.
    ids: Ids::Market("coingecko"),
    // The ids stand in the path; near 250 of them a call fails.
    coverage: Coverage::Chosen { ids_max: 100, chars_max: 2_500 },
    cross_check: false,
    plans: &[Plan {
        name: "free",
        base_url: "https://coins.llama.fi",
        key_header: None,
        every: Duration::from_secs(60),
        calls_per_minute: 60,
        calls_per_month: None,
        back_off_max: BACK_OFF_MAX,
        timeout: Duration::from_secs(15),
    }],
    build,
};

const UNREADABLE: SourceError = SourceError::malformed("unreadable answer");
const DAY_S: i64 = 24 * 60 * 60;
/// A record may lie so far from the moment exactly 24 h earlier.
const DAY_WITHIN_S: i64 = 30 * 60;
/// What it believes less is no price for us.
const CONFIDENCE_LEAST: f64 = 0.5;

struct DefiLlama {
    endpoint: Endpoint,
}

/// One record of a coin.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    price: Decimal,
    time: Timestamp,
}

fn build(setup: Setup<'_>) -> Result<Box<dyn QuoteSource>, MarketError> {
    let endpoint =
        setup.endpoint.ok_or_else(|| MarketError::option("defillama", "base_url", "is missing"))?;
    Ok(Box::new(DefiLlama { endpoint }))
}

impl QuoteSource for DefiLlama {
    fn fetch<'a>(&'a self, ids: &'a [&'a str], _haste: Haste) -> Fetching<'a> {
        let coins = coins(ids);
        Box::pin(async move {
            let path = format!("/prices/current/{coins}");
            let now = parse(&self.endpoint.get(&path, "searchWidth=4h").await?)?;
            let Some(newest) = now.values().map(|record| record.time.as_second()).max() else {
                return Ok(Vec::new());
            };
            let path = format!("/prices/historical/{}/{coins}", newest - DAY_S);
            // Without it the changes are unknown, which is no reason to lose the prices.
            let before = self.endpoint.get(&path, "searchWidth=1h").await.and_then(|answer| parse(&answer));
            Ok(join(now, &before.unwrap_or_default()))
        })
    }
}

fn coins(ids: &[&str]) -> String {
    let mut coins = String::new();
    for id in ids {
        if !coins.is_empty() {
            coins.push(',');
        }
        coins.push_str("coingecko:");
        coins.push_str(id);
    }
    coins
}

/// Reads an answer of `/prices/current` or `/prices/historical`: a record for each CoinGecko id.
fn parse(answer: &Answer) -> Result<HashMap<String, Record>, SourceError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        coins: HashMap<String, &'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Coin<'a> {
        #[serde(borrow, default)]
        price: Option<&'a RawValue>,
        #[serde(borrow, default)]
        timestamp: Option<&'a RawValue>,
        #[serde(borrow, default)]
        confidence: Option<&'a RawValue>,
    }
    if let Some(fault) = status_fault(answer) {
        return Err(fault);
    }
    let body: Body<'_> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let read = |(id, coin): (String, &RawValue)| {
        let coin: Coin<'_> = serde_json::from_str(coin.get()).ok()?;
        let believed = number::float(coin.confidence).is_none_or(|confidence| confidence >= CONFIDENCE_LEAST);
        let record =
            Record { price: number::price(coin.price)?, time: number::unix_seconds(coin.timestamp)? };
        believed.then(|| Some((id.strip_prefix("coingecko:")?.to_owned(), record)))?
    };
    Ok(body.coins.into_iter().filter_map(read).collect())
}

/// Each coin's price now, with its change where a record of 24 h earlier is near enough.
fn join(now: HashMap<String, Record>, before: &HashMap<String, Record>) -> Vec<Priced> {
    let change = |id: &str, record: &Record| {
        let earlier = before.get(id)?;
        let apart = record.time.as_second() - earlier.time.as_second();
        ((apart - DAY_S).abs() <= DAY_WITHIN_S).then(|| number::change_pct(earlier.price, record.price))?
    };
    now.into_iter()
        .map(|(id, record)| Priced {
            change_24h_pct: change(&id, &record),
            id,
            price: record.price,
            as_of: Some(record.time),
            quoted_in: Currency::Usd,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, told};
    use super::*;

    #[test]
    fn the_change_comes_from_its_own_record_of_a_day_earlier_or_is_unknown() {
        let now = r#"{"coins":{"coingecko:bitcoin":{"price":99,"symbol":"BTC","timestamp":1779105600,"confidence":0.99},
            "coingecko:far":{"price":3.9e-06,"timestamp":1779105600},
            "coingecko:new":{"price":"2","timestamp":1779105600},
            "coingecko:doubtful":{"price":1,"timestamp":1779105600,"confidence":0.3},
            "coingecko:zero":{"price":0,"timestamp":1779105600},"coingecko:odd":[],"ethereum:0xab":{"price":1,"timestamp":1}}}"#;
        let before = r#"{"coins":{"coingecko:bitcoin":{"price":90,"timestamp":1779019900},
            "coingecko:far":{"price":1,"timestamp":1779016000}}}"#;
        let (now, before) = (parse(&answer(200, now)).unwrap(), parse(&answer(200, before)).unwrap());
        assert_eq!(told(Ok(join(now, &before))), ["bitcoin 99 10", "far 0.0000039 -", "new 2 -"]);
    }

    #[test]
    fn no_coin_is_no_error_and_no_list_is_unreadable() {
        assert_eq!(parse(&answer(200, r#"{"coins":{}}"#)), Ok(HashMap::new()));
        for body in ["", "[]", "{}", "<html>", r#"{"coins":[]}"#] {
            assert_eq!(parse(&answer(200, body)), Err(UNREADABLE), "{body}");
        }
        assert_eq!(parse(&answer(414, "")), Err(SourceError::TooLong));
    }

    #[test]
    fn ids_go_into_the_path_under_coingecko() {
        assert_eq!(coins(&["bitcoin", "pepe"]), "coingecko:bitcoin,coingecko:pepe");
    }
}
