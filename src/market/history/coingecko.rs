//! CoinGecko `/coins/{id}/market_chart/range`: 90 days of one coin by the hour; without a paid plan only the
//! last 365 days.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Asked, Asking, PastSource, Reading, UNREADABLE};
use crate::market::error::SourceError;
use crate::market::http::{Answer, Endpoint, joined_ids, status_fault};
use crate::market::number;

/// Above 90 days the grain is a day.
pub(super) const WINDOW_HOURS: u32 = 90 * 24;
/// How far back the plans without payment reach, less an hour for two clocks that differ.
pub(super) const FREE_REACH_HOURS: u32 = 365 * 24 - 1;

/// Points do not lie on the hour: this much on both sides of it.
const AROUND_S: i64 = 1800;

pub(super) struct CoinGecko {
    pub(super) endpoint: Endpoint,
}

impl PastSource for CoinGecko {
    fn fetch<'a>(&'a self, asked: &'a [Asked<'a>]) -> Asking<'a> {
        Box::pin(async move {
            let (Some(first), Some(last)) = (asked.first(), asked.last()) else { return Ok(Vec::new()) };
            let (from, to) = (first.hour.second() - AROUND_S, last.hour.second() + AROUND_S - 1);
            let path = format!("/coins/{}/market_chart/range", joined_ids(&[first.id]));
            let query = format!("vs_currency=usd&from={from}&to={to}&precision=full");
            parse(&self.endpoint.get(&path, &query).await?, first.id)
        })
    }
}

fn parse(answer: &Answer, id: &str) -> Result<Vec<Reading>, SourceError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        prices: Vec<(&'a RawValue, &'a RawValue)>,
    }
    match (answer.status, error_code(answer)) {
        (404, _) => return Ok(Vec::new()),
        // The key is good, the time is too old for its plan.
        (_, Some(10012)) => return Err(SourceError::malformed("the plan does not reach back so far")),
        (_, Some(10005)) => return Err(SourceError::PlanLacksRoute),
        _ => status_fault(answer).map_or(Ok(()), Err)?,
    }
    let body: Body<'_> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let read = |(time, price): &(&RawValue, &RawValue)| {
        let as_of = Timestamp::from_millisecond(time.get().parse().ok()?).ok()?;
        Some(Reading { id: id.to_owned(), price: number::price(Some(price))?, as_of })
    };
    Ok(body.prices.iter().filter_map(read).collect())
}

/// In any of the forms known; 200 holds none.
fn error_code(answer: &Answer) -> Option<i64> {
    if answer.status == 200 {
        return None;
    }
    let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let places = ["/error/status/error_code", "/status/error_code", "/error_code", "/error/error_code"];
    places.iter().find_map(|place| body.pointer(place)?.as_i64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_and_too_old_is_no_fault_of_the_key() {
        let read = |status, body: &str| {
            let answer = Answer { status, retry_after: None, body: body.as_bytes().to_vec() };
            parse(&answer, "bitcoin")
        };
        let body = r#"{"prices":[[1709640012041,66921.50382507],[1709643611661,null],[1709647200000,0]],"market_caps":[]}"#;
        let told: Vec<_> =
            read(200, body).into_iter().flatten().map(|r| format!("{} {}", r.as_of, r.price)).collect();
        assert_eq!(told, ["2024-03-05T12:00:12.041Z 66921.50382507"]);
        assert_eq!(read(200, r#"{"prices":[]}"#), Ok(Vec::new()));
        assert_eq!(read(404, r#"{"error":"coin not found"}"#), Ok(Vec::new()));
        let old =
            r#"{"error":{"status":{"error_code":10012,"error_message":"exceeds the allowed time range"}}}"#;
        assert_eq!(read(401, old), Err(SourceError::malformed("the plan does not reach back so far")));
        assert_eq!(read(401, "{}"), Err(SourceError::Permanent("the API key was refused")));
    }
}
