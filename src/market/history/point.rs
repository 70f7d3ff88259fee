//! The grain of the past: whole hours. Pure; the time of day comes in.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::catalog::TokenIndex;

const HOUR_S: i64 = 3600;

/// A whole hour, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Hour(pub(super) u32);

impl Hour {
    /// The hour nearest to `at` that has begun by `now`. `None`: before 1970, or later than `now`.
    pub(super) fn nearest(at: Timestamp, now: Timestamp) -> Option<Self> {
        if at > now || at < Timestamp::UNIX_EPOCH {
            return None;
        }
        let nearest = (at.as_second() + HOUR_S / 2).div_euclid(HOUR_S);
        let begun = now.as_second().div_euclid(HOUR_S);
        u32::try_from(nearest.min(begun)).ok().map(Self)
    }

    /// Its first second.
    pub(super) fn second(self) -> i64 {
        i64::from(self.0) * HOUR_S
    }

    /// Its first moment.
    pub(super) fn start(self) -> Timestamp {
        Timestamp::from_second(self.second()).unwrap_or(Timestamp::MAX)
    }

    /// 24 hours earlier.
    pub(super) fn day_before(self) -> Self {
        Self(self.0.saturating_sub(24))
    }
}

/// A token at an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Point {
    pub(super) token: TokenIndex,
    pub(super) hour: Hour,
}

/// A price that a market recorded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Past {
    /// Above 0, in the unit of the source.
    pub(super) price: Decimal,
    /// The market's own time.
    pub(super) as_of: Timestamp,
}

/// How far two instants lie apart, in seconds.
pub(super) fn distance_s(one: Timestamp, other: Timestamp) -> f64 {
    one.duration_since(other).abs().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_snap_to_the_nearest_hour_that_has_begun() {
        let now: Timestamp = "2026-05-18T12:50:00Z".parse().unwrap();
        for (at, hour) in [
            ("2024-03-05T12:00:00Z", Some("2024-03-05T12:00:00Z")),
            ("2024-03-05T12:29:59Z", Some("2024-03-05T12:00:00Z")),
            ("2024-03-05T12:30:00Z", Some("2024-03-05T13:00:00Z")),
            ("2024-02-28T23:45:00Z", Some("2024-02-29T00:00:00Z")),
            ("2026-05-18T12:45:00Z", Some("2026-05-18T12:00:00Z")),
            ("2026-05-18T12:50:01Z", None),
            ("1969-12-31T23:59:59Z", None),
        ] {
            let hour = hour.map(|hour| hour.parse::<Timestamp>().unwrap());
            assert_eq!(Hour::nearest(at.parse().unwrap(), now).map(Hour::start), hour, "{at}");
        }
    }
}
