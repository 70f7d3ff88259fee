//! The routes of the past.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, Response};
use jiff::Timestamp;

use super::{Call, Route, Shared, lock};

type Parameters = Query<std::collections::HashMap<String, String>>;

const HOUR_MS: i64 = 3_600_000;

pub(super) async fn batch_historical(
    State(shared): State<Arc<Shared>>,
    Query(parameters): Parameters,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let call = Call { route: Route::BatchHistorical, query: query.unwrap_or_default(), headers };
    let coins: std::collections::BTreeMap<String, Vec<i64>> =
        serde_json::from_str(&parameters["coins"]).unwrap();
    let width: i64 = parameters["searchWidth"].parse().unwrap();
    shared
        .answer(call, |shared, _| {
            let past = lock(&shared.past);
            let coin = |(coin, seconds): (&String, &Vec<i64>)| {
                let records = past.get(coin.strip_prefix("coingecko:")?)?;
                let record = |second: &i64| {
                    let distance = |at: &Timestamp| (at.as_second() - second).abs();
                    let (at, price) = records.iter().min_by_key(|(at, _)| distance(at))?;
                    let text =
                        format!(r#"{{"timestamp":{},"price":{price},"confidence":0.99}}"#, at.as_second());
                    (distance(at) <= width).then_some(text)
                };
                let prices: Vec<_> = seconds.iter().filter_map(record).collect();
                Some(format!(r#""{coin}":{{"symbol":"X","prices":[{}]}}"#, prices.join(",")))
            };
            format!(r#"{{"coins":{{{}}}}}"#, coins.iter().filter_map(coin).collect::<Vec<_>>().join(","))
        })
        .await
}

/// One candle for each record on the hour: its close.
pub(super) async fn klines(
    State(shared): State<Arc<Shared>>,
    Query(parameters): Parameters,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let call = Call { route: Route::Klines, query: query.unwrap_or_default(), headers };
    let (start, end): (i64, i64) =
        (parameters["startTime"].parse().unwrap(), parameters["endTime"].parse().unwrap());
    assert_eq!((&*parameters["interval"], &*parameters["limit"]), ("1h", "1000"));
    shared
        .answer(call, |shared, _| {
            let past = lock(&shared.past);
            let rows = past.get(&parameters["symbol"]).into_iter().flatten().filter_map(|(at, price)| {
                let open = at.as_millisecond() - HOUR_MS;
                let row =
                    format!(r#"[{open},"1","1","1","{price}","1",{},"1",9,"1","1","0"]"#, open + HOUR_MS - 1);
                (start..=end).contains(&open).then_some(row)
            });
            format!("[{}]", rows.take(1000).collect::<Vec<_>>().join(","))
        })
        .await
}

pub(super) async fn chart_range(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(parameters): Parameters,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let call = Call { route: Route::ChartRange, query: query.unwrap_or_default(), headers };
    let (from, to): (i64, i64) = (parameters["from"].parse().unwrap(), parameters["to"].parse().unwrap());
    assert!(to - from <= 90 * 86_400, "above 90 days the grain is a day");
    shared
        .answer(call, |shared, _| {
            let past = lock(&shared.past);
            let points = past.get(&id).into_iter().flatten().filter_map(|(at, price)| {
                (from..=to).contains(&at.as_second()).then(|| format!("[{},{price}]", at.as_millisecond()))
            });
            format!(r#"{{"prices":[{}],"market_caps":[]}}"#, points.collect::<Vec<_>>().join(","))
        })
        .await
}
