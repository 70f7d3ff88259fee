//! From an answer to rows of the store. Pure.

use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::link::Link;
use super::plan::Shape;
use super::point::{Hour, Past};
use super::store::{Found, Row};
use super::{Asked, Reading};

/// An hour that nobody asked for is kept too where a window brought a record this near to it.
const NEAR_S: u64 = 1800;

/// One token's part of an answer.
pub(super) struct Part<'a> {
    pub(super) source: &'static str,
    pub(super) shape: Shape,
    pub(super) token: &'a str,
    pub(super) link: &'a Link,
    /// The hours that are wanted, and for a window its ends.
    pub(super) wanted: &'a [Hour],
    pub(super) span: (Hour, Hour),
}

/// For every hour wanted the nearest record within `within`, or that there is none.
pub(super) fn rows(part: &Part<'_>, readings: &[Reading], within: Duration, now: Timestamp) -> Vec<Row> {
    let per = Decimal::from(part.link.per);
    let own = readings.iter().filter(|reading| reading.id == part.link.id && reading.as_of <= now);
    let mut records: Vec<Past> = own
        .filter_map(|Reading { price, as_of, .. }| {
            let price = price.checked_div(per).filter(|price| *price > Decimal::ZERO)?;
            Some(Past { price, as_of: *as_of })
        })
        .collect();
    records.sort_by_key(|past| past.as_of);
    let row =
        |hour: Hour, found| Row { token: part.token.to_owned(), hour, source: part.source.to_owned(), found };
    let mut rows: Vec<Row> = part
        .wanted
        .iter()
        .map(|hour| {
            let near = nearest(&records, *hour, within);
            row(*hour, near.map_or(Found::Missing(now), Found::Known))
        })
        .collect();
    if matches!(part.shape, Shape::Window(_)) {
        let others = (part.span.0.0..=part.span.1.0).map(Hour).filter(|hour| !part.wanted.contains(hour));
        let near = within.min(Duration::from_secs(NEAR_S));
        rows.extend(others.filter_map(|hour| Some(row(hour, Found::Known(nearest(&records, hour, near)?)))));
    }
    rows
}

/// `records` are in order of time.
fn nearest(records: &[Past], hour: Hour, within: Duration) -> Option<Past> {
    let start = hour.start();
    let after = records.partition_point(|past| past.as_of < start);
    let around = [after.checked_sub(1).and_then(|before| records.get(before)), records.get(after)];
    let distance = |past: &&Past| past.as_of.duration_since(start).abs();
    let nearest = around.into_iter().flatten().min_by_key(distance)?;
    (distance(&nearest).unsigned_abs() <= within).then(|| nearest.clone())
}

/// So the arguments of a call are made: the points of a batch, or the ends of a window.
pub(super) fn asked<'a>(
    shape: Shape,
    points: impl Iterator<Item = (&'a str, Hour)>,
    span: (Hour, Hour),
) -> Vec<Asked<'a>> {
    let points = points.map(|(id, hour)| Asked { id, hour });
    match shape {
        Shape::Batch(_) => points.collect(),
        Shape::Window(_) => {
            let first = points.take(1).map(|asked| asked.id).next();
            first.map(|id| vec![Asked { id, hour: span.0 }, Asked { id, hour: span.1 }]).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hour_gets_its_nearest_record_or_none() {
        let hour = Hour(474_828);
        let reading = |minutes: i64, price: i64| Reading {
            id: "x".to_owned(),
            price: Decimal::from(price),
            as_of: Timestamp::from_second(hour.second() + minutes * 60).unwrap(),
        };
        let link = Link { id: "x".to_owned(), per: 1000, since: None };
        let wanted = [hour, Hour(hour.0 + 1), Hour(hour.0 + 9)];
        let part = |shape| Part {
            source: "s",
            shape,
            token: "t",
            link: &link,
            wanted: &wanted,
            span: (hour, Hour(hour.0 + 9)),
        };
        let readings = [reading(130, 4000), reading(-20, 1000), reading(10, 2000), reading(65, 3000)];
        let now = Timestamp::from_second(hour.second() + 100 * 3600).unwrap();
        let told = |shape| {
            let rows = rows(&part(shape), &readings, Duration::from_secs(7200), now);
            rows.into_iter()
                .map(|row| match row.found {
                    Found::Known(past) => format!("{} {}", row.hour.0 - hour.0, past.price.normalize()),
                    _ => format!("{} none", row.hour.0 - hour.0),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(told(Shape::Batch(50)), ["0 2", "1 3", "9 none"]);
        assert_eq!(told(Shape::Window(10)), ["0 2", "1 3", "9 none", "2 4"]);
    }
}
