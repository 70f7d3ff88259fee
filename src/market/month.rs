//! How many calls a calendar month has seen. Pure: the time of day comes in.
//!
//! Months only move forward, by the latest time ever seen: a clock that is set back, and forward again, never
//! starts a month anew. Lives on in the state directory, so that a restart does not either.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Calls of the month in which the latest time seen lies (UTC).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MonthCount {
    /// The latest time seen.
    latest: Timestamp,
    calls: u32,
}

impl MonthCount {
    /// Calls of the month that `time`, or the latest time seen, lies in.
    pub(super) fn calls(&self, time: Timestamp) -> u32 {
        if first_day(time) > first_day(self.latest) { 0 } else { self.calls }
    }

    /// One more call.
    pub(super) fn add(&mut self, time: Timestamp) {
        self.calls = self.calls(time).saturating_add(1);
        self.latest = self.latest.max(time);
    }

    /// How long it is until the month turns.
    pub(super) fn left(&self, time: Timestamp) -> Duration {
        let latest = self.latest.max(time);
        // Only at the end of all time is there no next month.
        let next = first_day(latest).checked_add(jiff::Span::new().months(1));
        next.map_or(Duration::MAX, |next| until(time, next))
    }
}

/// How long it is until the next day begins (UTC).
pub(super) fn day_left(time: Timestamp) -> Duration {
    TimeZone::UTC.to_datetime(time).date().tomorrow().map_or(Duration::MAX, |next| until(time, next))
}

fn first_day(time: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(time).date().first_of_month()
}

fn until(time: Timestamp, day: Date) -> Duration {
    let begins = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0));
    begins.map_or(Duration::MAX, |begins| Duration::try_from(begins.duration_since(time)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_month_ends_at_its_end_in_utc() {
        let mut count = MonthCount::default();
        count.add(at("2026-02-28T23:59:59Z"));
        count.add(at("2026-02-28T23:59:59.5Z"));
        assert_eq!(count.calls(at("2026-02-28T23:59:59.9Z")), 2);
        assert_eq!(count.left(at("2026-02-28T23:59:00Z")), Duration::from_secs(60));
        assert_eq!(count.calls(at("2026-03-01T00:00:00Z")), 0);
        count.add(at("2026-03-01T00:00:00Z"));
        assert_eq!(count.calls(at("2026-03-01T00:00:00Z")), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_starts_no_month_anew() {
        let mut count = MonthCount::default();
        count.add(at("2026-03-10T00:00:00Z"));
        count.add(at("2026-01-10T00:00:00Z"));
        count.add(at("2026-03-10T00:00:00Z"));
        assert_eq!(count.calls(at("2026-01-31T00:00:00Z")), 3);
        assert_eq!(count.calls(at("2026-03-31T00:00:00Z")), 3);
    }

    #[test]
    fn a_day_ends_at_midnight_in_utc() {
        assert_eq!(day_left(at("2026-03-10T23:00:00Z")), Duration::from_secs(3600));
    }
}
