//! Binance `/api/v3/klines`: 1,000 hours of one pair in one call, since it was listed. Prices are in USDT.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{Asked, Asking, PastSource, Reading, UNREADABLE};
use crate::market::error::SourceError;
use crate::market::http::{Answer, Endpoint, joined_ids, status_fault};
use crate::market::number;

pub(super) const WINDOW_HOURS: u32 = 1000;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

pub(super) struct Binance {
    pub(super) endpoint: Endpoint,
}

impl PastSource for Binance {
    fn fetch<'a>(&'a self, asked: &'a [Asked<'a>]) -> Asking<'a> {
        Box::pin(async move {
            let (Some(first), Some(last)) = (asked.first(), asked.last()) else { return Ok(Vec::new()) };
            // The price at an hour is the close of the hour before it.
            let start = (first.hour.second() - 3600) * 1000;
            let end = last.hour.second() * 1000 - 1;
            let pair = format!("{}USDT", joined_ids(&[first.id]));
            let query = format!("symbol={pair}&interval=1h&startTime={start}&endTime={end}&limit=1000");
            parse(&self.endpoint.get("/api/v3/klines", &query).await?, first.id)
        })
    }
}

/// Reads candles; hours without a trade are left out. A pair that is not known has none.
fn parse(answer: &Answer, id: &str) -> Result<Vec<Reading>, SourceError> {
    if answer.status == 400 && error_code(answer) == Some(-1121) {
        return Ok(Vec::new());
    }
    match answer.status {
        418 => return Err(SourceError::RateLimited { retry_after: answer.retry_after }),
        _ => status_fault(answer).map_or(Ok(()), Err)?,
    }
    let rows: Vec<Vec<&RawValue>> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let read = |row: &Vec<&RawValue>| {
        let open_ms: i64 = row.first()?.get().parse().ok()?;
        let trades = number::float(row.get(8).copied())?;
        let price = number::price(row.get(4).copied())?;
        let as_of = Timestamp::from_millisecond(open_ms.checked_add(HOUR_MS)?).ok()?;
        (trades > 0.0).then(|| Reading { id: id.to_owned(), price, as_of })
    };
    Ok(rows.iter().filter_map(read).collect())
}

fn error_code(answer: &Answer) -> Option<i64> {
    serde_json::from_slice::<serde_json::Value>(&answer.body).ok()?.get("code")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candles_are_read_and_those_without_trades_left_out() {
        let read = |status, body: &str| {
            let answer = Answer { status, retry_after: None, body: body.as_bytes().to_vec() };
            parse(&answer, "BTC")
        };
        let body = r#"[[1709636400000,"66000.1","67000","65000","66921.50","9",1709639999999,"1",308,"1","2","0"],
            [1709640000000,"1","1","1","1","0",1709643599999,"0",0,"0","0","0"],
            [1709643600000,"0","0","0","0.00000000","0",1709647199999,"0",3,"0","0","0"],["odd"]]"#;
        let told: Vec<_> =
            read(200, body).into_iter().flatten().map(|r| format!("{} {}", r.as_of, r.price)).collect();
        assert_eq!(told, ["2024-03-05T12:00:00Z 66921.50"]);
        assert_eq!(read(400, r#"{"code":-1121,"msg":"Invalid symbol."}"#), Ok(Vec::new()));
        assert!(read(400, r#"{"code":-1100,"msg":"Illegal characters"}"#).is_err());
        assert_eq!(read(418, "{}"), Err(SourceError::RateLimited { retry_after: None }));
        assert_eq!(read(451, "{}"), Err(SourceError::Permanent("not available from this place (451)")));
    }
}
