//! When a source of the past may be called again: its pace, and what a failure asks for. Pure.

use std::time::Duration;

use crate::market::error::SourceError;

const BACK_OFF_MIN: Duration = Duration::from_secs(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(15 * 60);
/// One strange header must not switch a source off for good.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// What a refusal at the edge asks for.
const REFUSED_FOR: Duration = Duration::from_secs(10 * 60);
/// After being told "too fast" a source is asked at half the pace, down to an eighth.
const SLOWEST: u32 = 3;

/// How one source stands.
#[derive(Debug)]
pub(super) struct Turn {
    gap: Duration,
    halvings: u32,
    last: Option<Duration>,
    failures: u32,
    blocked_until: Duration,
    /// What its last call failed of; `None`: it went well, or none was made.
    pub(super) fault: Option<String>,
    /// It will not change by itself.
    pub(super) disabled: bool,
    /// Calls made.
    pub(super) calls: u64,
}

impl Turn {
    pub(super) fn new(calls_per_minute: u32) -> Self {
        Self {
            gap: Duration::from_secs(60) / calls_per_minute.max(1),
            halvings: 0,
            last: None,
            failures: 0,
            blocked_until: Duration::ZERO,
            fault: None,
            disabled: false,
            calls: 0,
        }
    }

    /// When the next call may go out at the earliest.
    pub(super) fn earliest(&self) -> Duration {
        let next = self.last.map_or(Duration::ZERO, |last| last + self.gap * 2u32.pow(self.halvings));
        next.max(self.blocked_until)
    }

    /// Why nobody should wait for this source now.
    pub(super) fn unusable(&self, now: Duration) -> Option<&str> {
        let unusable = self.disabled || self.blocked_until > now;
        unusable.then_some(self.fault.as_deref().unwrap_or("not available"))
    }

    pub(super) fn began(&mut self, now: Duration) {
        self.last = Some(now);
        self.calls += 1;
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.fault = None;
    }

    /// `chance`: from 0 to 1.
    pub(super) fn failed(&mut self, now: Duration, error: &SourceError, chance: f64) {
        self.failures += 1;
        self.fault = Some(error.to_string());
        let doubled = BACK_OFF_MIN * 2u32.pow((self.failures - 1).min(10));
        let mut wait = doubled.mul_f64(1.0 + chance.clamp(0.0, 1.0) / 2.0).min(BACK_OFF_MAX);
        match error {
            SourceError::RateLimited { retry_after } => {
                wait = retry_after.filter(|after| !after.is_zero()).unwrap_or(wait).min(RETRY_AFTER_MAX);
                self.halvings = (self.halvings + 1).min(SLOWEST);
            }
            SourceError::Refused { .. } => wait = wait.max(REFUSED_FOR),
            SourceError::Permanent(_) | SourceError::PlanLacksRoute => self.disabled = true,
            SourceError::Passing(_) | SourceError::TooLong | SourceError::Malformed(_) => {}
        }
        self.blocked_until = now + wait;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_pace_is_kept_and_halved_when_told_too_fast() {
        let mut turn = Turn::new(60);
        assert_eq!(turn.earliest(), Duration::ZERO);
        turn.began(SECOND);
        assert_eq!(turn.earliest(), SECOND * 2);
        let limited = |after| SourceError::RateLimited { retry_after: after };
        turn.failed(SECOND, &limited(Some(SECOND * 30)), 0.0);
        assert_eq!(turn.earliest(), SECOND * 31);
        assert_eq!((turn.unusable(SECOND * 30), turn.unusable(SECOND * 31)), (Some("rate limited"), None));
        turn.began(SECOND * 31);
        turn.succeeded();
        assert_eq!(turn.earliest(), SECOND * 33, "half the pace");
        turn.failed(SECOND * 33, &limited(Some(Duration::from_secs(1_000_000))), 0.0);
        assert_eq!(turn.earliest(), SECOND * 33 + RETRY_AFTER_MAX);
    }

    #[test]
    fn repeated_failures_wait_longer_and_a_refused_key_ends_it() {
        let mut turn = Turn::new(60);
        for expected in [10, 20, 40, 80, 160, 320, 640, 900, 900] {
            turn.failed(Duration::ZERO, &SourceError::Malformed("m".into()), 0.0);
            assert_eq!(turn.earliest(), SECOND * expected);
        }
        turn.failed(Duration::ZERO, &SourceError::Permanent("the API key was refused"), 0.0);
        assert_eq!(turn.unusable(Duration::MAX), Some("the API key was refused"));
    }
}
