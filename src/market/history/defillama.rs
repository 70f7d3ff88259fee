//! DefiLlama `/batchHistorical`: any 50 points in one call, as far back as it has records.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Asked, Asking, PastSource, Reading, UNREADABLE};
use crate::market::error::SourceError;
use crate::market::http::{Answer, Endpoint, joined_ids, status_fault};
use crate::market::number;

/// More make a URL that is refused.
pub(super) const POINTS_MAX: usize = 50;

/// Records of less confidence are not used.
const CONFIDENCE_MIN: f64 = 0.5;

pub(super) struct DefiLlama {
    pub(super) endpoint: Endpoint,
    /// How far from the moment asked a record may lie.
    pub(super) within_s: u64,
}

impl PastSource for DefiLlama {
    fn fetch<'a>(&'a self, asked: &'a [Asked<'a>]) -> Asking<'a> {
        Box::pin(async move {
            let query = format!("coins={}&searchWidth={}", coins(asked), self.within_s);
            parse(&self.endpoint.get("/batchHistorical", &query).await?)
        })
    }
}

/// The JSON object from coin to seconds, encoded for a query.
fn coins(asked: &[Asked<'_>]) -> String {
    let mut seconds: Vec<(&str, Vec<String>)> = Vec::new();
    for Asked { id, hour } in asked {
        match seconds.iter_mut().find(|(known, _)| known == id) {
            Some((_, list)) => list.push(hour.second().to_string()),
            None => seconds.push((id, vec![hour.second().to_string()])),
        }
    }
    let entries: Vec<_> =
        seconds.iter().map(|(id, list)| format!("\"coingecko:{id}\":[{}]", list.join(","))).collect();
    joined_ids(&[&format!("{{{}}}", entries.join(","))])
}

/// Reads an answer; a coin that is not known is absent, which is not an error.
fn parse(answer: &Answer) -> Result<Vec<Reading>, SourceError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        coins: HashMap<String, &'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Coin<'a> {
        #[serde(borrow)]
        prices: Vec<Record<'a>>,
    }
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(borrow, default)]
        timestamp: Option<&'a RawValue>,
        #[serde(borrow, default)]
        price: Option<&'a RawValue>,
        #[serde(borrow, default)]
        confidence: Option<&'a RawValue>,
    }
    if let Some(fault) = status_fault(answer) {
        return Err(fault);
    }
    let body: Body<'_> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let mut readings = Vec::new();
    for (coin, value) in &body.coins {
        let (Some(id), Ok(coin)) =
            (coin.strip_prefix("coingecko:"), serde_json::from_str::<Coin<'_>>(value.get()))
        else {
            continue;
        };
        for record in &coin.prices {
            let sure = number::float(record.confidence).is_none_or(|confidence| confidence >= CONFIDENCE_MIN);
            let read = (number::price(record.price), number::unix_seconds(record.timestamp));
            if let (Some(price), Some(as_of), true) = (read.0, read.1, sure) {
                readings.push(Reading { id: id.to_owned(), price, as_of });
            }
        }
    }
    Ok(readings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::history::point::Hour;

    #[test]
    fn points_are_grouped_by_coin_and_encoded() {
        let asked = |id, hour| Asked { id, hour: Hour(hour) };
        assert_eq!(
            coins(&[asked("bitcoin", 1), asked("bitcoin", 25), asked("tether", 2)]),
            "%7B%22coingecko%3Abitcoin%22%3A%5B3600%2C90000%5D%2C%22coingecko%3Atether%22%3A%5B7200%5D%7D"
        );
    }

    #[test]
    fn records_are_read_and_doubtful_ones_left_out() {
        let read =
            |body: &str| parse(&Answer { status: 200, retry_after: None, body: body.as_bytes().to_vec() });
        let body = r#"{"coins":{
            "coingecko:bitcoin":{"symbol":"BTC","prices":[
                {"timestamp":1709640012,"price":66921.5,"confidence":0.99},
                {"timestamp":1709643600,"price":66900,"confidence":0.4},
                {"timestamp":1709647200,"price":0,"confidence":0.99},{"timestamp":null,"price":1}]},
            "coingecko:dead":{"prices":[]},"ethereum:0x00":{"prices":[{"timestamp":1709640012,"price":1}]},"coingecko:odd":7}}"#;
        let told: Vec<_> =
            read(body).into_iter().flatten().map(|r| format!("{} {}", r.id, r.price)).collect();
        assert_eq!(told, ["bitcoin 66921.5"]);
        assert!(read(r#"{"coins":{}}"#).is_ok_and(|readings| readings.is_empty()));
        assert!(matches!(read("<html>"), Err(SourceError::Malformed(_))));
    }
}
