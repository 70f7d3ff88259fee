//! When a source of the past may be called again, and what a failure of it asks for. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::market::error::SourceError;
use crate::market::pace::Pace;

const BACK_OFF_MAX: Duration = Duration::from_secs(15 * 60);

/// How one source stands.
#[derive(Debug)]
pub(super) struct Turn {
    pace: Pace,
    /// What its last call failed of; `None`: it went well, or none was made.
    pub(super) fault: Option<String>,
    /// It will not change by itself.
    pub(super) disabled: bool,
    /// Calls made.
    pub(super) calls: u64,
}

impl Turn {
    /// `calls_per_month`: `None` also where the prices of now come from the same market, which counts for both.
    pub(super) fn new(calls_per_minute: u32, calls_per_month: Option<u32>) -> Self {
        let pace = Pace::new(Duration::ZERO, calls_per_minute, calls_per_month, BACK_OFF_MAX);
        Self { pace, fault: None, disabled: false, calls: 0 }
    }

    /// When the next call may go out at the earliest.
    pub(super) fn earliest(&self) -> Duration {
        self.pace.on_demand_at()
    }

    /// Time between two calls, in the long run.
    pub(super) fn interval(&self) -> Duration {
        self.pace.interval()
    }

    /// Calls that the month still allows; `None`: not counted.
    pub(super) fn left_this_month(&self, time: Timestamp) -> Option<u32> {
        self.pace.left_this_month(time)
    }

    /// Whether it failed several times in a row: an archive does not wait for it any longer.
    pub(super) fn is_tripped(&self) -> bool {
        self.pace.is_tripped()
    }

    /// Why nobody should wait for this source now.
    pub(super) fn unusable(&self, now: Duration) -> Option<&str> {
        let unusable = self.disabled || self.pace.is_blocked(now);
        unusable.then_some(self.fault.as_deref().unwrap_or("its calls of this month are used up"))
    }

    pub(super) fn began(&mut self, now: Duration, time: Timestamp) {
        self.calls += 1;
        self.pace.began(now, time);
    }

    pub(super) fn succeeded(&mut self) {
        self.pace.succeeded();
        self.fault = None;
    }

    /// `chance`: from 0 to 1.
    pub(super) fn failed(&mut self, (now, time): (Duration, Timestamp), error: &SourceError, chance: f64) {
        self.fault = Some(error.to_string());
        match error {
            SourceError::RateLimited { retry_after } => self.pace.rate_limited(now, *retry_after, chance),
            SourceError::OutOfCredits { month } => self.pace.out_of_credits(now, time, *month),
            SourceError::Refused { .. } => self.pace.refused(now),
            SourceError::Permanent(_) | SourceError::PlanLacksRoute => self.disabled = true,
            SourceError::Passing(_) | SourceError::TooLong | SourceError::Malformed(_) => {
                self.pace.failed(now, chance);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn noon() -> Timestamp {
        "2026-05-18T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_pace_is_kept_and_what_a_source_asks_for_is_heeded() {
        let mut turn = Turn::new(60, None);
        assert_eq!(turn.earliest(), Duration::ZERO);
        turn.began(SECOND, noon());
        assert_eq!(turn.earliest(), SECOND * 2);
        let limited = SourceError::RateLimited { retry_after: Some(SECOND * 30) };
        turn.failed((SECOND, noon()), &limited, 0.0);
        assert_eq!(turn.earliest(), SECOND * 31);
        assert_eq!((turn.unusable(SECOND * 30), turn.unusable(SECOND * 31)), (Some("rate limited"), None));
        turn.failed((SECOND * 31, noon()), &SourceError::OutOfCredits { month: false }, 0.0);
        assert_eq!(turn.unusable(SECOND * 1000), Some("out of credits for this day"));
        turn.failed((SECOND * 31, noon()), &SourceError::Permanent("the API key was refused"), 0.0);
        assert_eq!(turn.unusable(Duration::MAX), Some("the API key was refused"));
    }
}
