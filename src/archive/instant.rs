//! Times of publication as archives write them.
//!
//! Owns their reading. Never asks the clock.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Larger numbers are milliseconds: as seconds they would lie beyond the year 5100.
const SECONDS_MAX: i64 = 100_000_000_000;

/// RFC 3339, a plain date (its first moment, UTC), unix seconds or milliseconds. `None`: none of them.
pub(super) fn of_text(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return of_number(number);
    }
    text.parse().ok().or_else(|| {
        let date: Date = text.parse().ok().filter(|_| text.len() == "2026-01-12".len())?;
        TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
    })
}

/// As [`of_text`], of a JSON value as it was written.
pub(super) fn of_json(json: &str) -> Option<Timestamp> {
    match json.as_bytes().first()? {
        b'"' => of_text(&serde_json::from_str::<String>(json).ok()?),
        b'-' | b'0'..=b'9' => match json.parse::<i64>() {
            Ok(number) => of_number(number),
            // Python's time.time() has a fraction.
            Err(_) => json.split_once('.').and_then(|(whole, _)| of_number(whole.parse().ok()?)),
        },
        _ => None,
    }
}

fn of_number(number: i64) -> Option<Timestamp> {
    if number.abs() < SECONDS_MAX {
        Timestamp::from_second(number).ok()
    } else {
        Timestamp::from_millisecond(number).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_archives_write_them() {
        for (json, instant) in [
            (r#""2026-01-12T08:30:00Z""#, Some("2026-01-12T08:30:00Z")),
            (r#""2026-01-12T08:30:00+01:00""#, Some("2026-01-12T07:30:00Z")),
            (r#""2026-01-12""#, Some("2026-01-12T00:00:00Z")),
            (r#""1768206600""#, Some("2026-01-12T08:30:00Z")),
            ("1768206600", Some("2026-01-12T08:30:00Z")),
            ("1768206600.25", Some("2026-01-12T08:30:00Z")),
            ("1768206600000", Some("2026-01-12T08:30:00Z")),
            (r#""2026-01-12T08:30:00""#, None),
            (r#""last week""#, None),
            ("true", None),
            ("{}", None),
        ] {
            let expected = instant.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(of_json(json), expected, "{json}");
        }
    }
}
