//! When a source may be asked again: its own pace, its month, and what a failure asks for.
//!
//! Pure: time comes in as the tick of a clock that only runs forward, chance as a number from 0 to 1.

use std::time::Duration;

/// A calendar month has at most 31 days.
const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Of the month's calls one in ten is kept back, for retries and restarts (counts are not kept over them yet).
const RESERVE: u32 = 10;

/// Calls that may run ahead of the month's even spread, when somebody waits for a price.
const AHEAD: u32 = 5;

const BACK_OFF_MIN: Duration = Duration::from_secs(10);
/// One strange header must not switch a source off for good.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// What a refusal at the edge asks for.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(10 * 60);

/// After being told "too fast" a source is asked at half the pace, down to an eighth.
const SLOWEST: u32 = 3;
/// So many good calls in a row undo one halving.
const GOOD_CALLS: u32 = 10;

/// When one source may be asked.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    gap: Duration,
    spread: Duration,
    last: Option<Duration>,
    last_regular: Option<Duration>,
    /// Up to when the month's even spread is used up.
    spent_until: Duration,
    blocked_until: Duration,
    back_off_max: Duration,
    failures: u32,
    halvings: u32,
    good: u32,
}

impl Pace {
    /// `every`: the regular round. The limits: the plan's, or the operator's.
    pub(super) fn new(
        every: Duration,
        calls_per_minute: u32,
        calls_per_month: Option<u32>,
        back_off_max: Duration,
    ) -> Self {
        let gap = Duration::from_secs(60) / calls_per_minute.max(1);
        let spread = calls_per_month.map_or(Duration::ZERO, |calls| {
            let usable = calls - calls / RESERVE;
            MONTH / usable.max(1)
        });
        Self {
            every: every.max(gap).max(spread),
            gap,
            spread,
            last: None,
            last_regular: None,
            spent_until: Duration::ZERO,
            blocked_until: Duration::ZERO,
            back_off_max,
            failures: 0,
            halvings: 0,
            good: 0,
        }
    }

    /// When the next regular call is due.
    pub(super) fn regular_at(&self) -> Duration {
        if self.failures > 0 {
            return self.on_demand_at();
        }
        let next = self.last.map_or(Duration::ZERO, |last| last + self.slowed(self.every));
        next.max(self.blocked_until).max(self.spent_until)
    }

    /// When a call may go out at the earliest, because somebody waits for it.
    pub(super) fn on_demand_at(&self) -> Duration {
        let next = self.last.map_or(Duration::ZERO, |last| last + self.slowed(self.gap));
        next.max(self.blocked_until).max(self.spent_until.saturating_sub(self.spread * AHEAD))
    }

    /// The regular round.
    pub(super) fn every(&self) -> Duration {
        self.slowed(self.every)
    }

    /// Whether so much time has passed since the last regular call that the next one should be a regular one,
    /// whatever it is made for: otherwise calls on demand could use up the month and leave none for the rest.
    pub(super) fn is_regular_overdue(&self, now: Duration) -> bool {
        self.last_regular.is_none_or(|last| last + self.every() <= now)
    }

    /// The call that goes out now is a regular one.
    pub(super) fn began_regular(&mut self, now: Duration) {
        self.last_regular = Some(now);
    }

    /// A call goes out.
    pub(super) fn began(&mut self, now: Duration) {
        self.last = Some(now);
        self.spent_until = self.spent_until.max(now) + self.spread;
    }

    /// A call went well.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.good += 1;
        if self.good >= GOOD_CALLS {
            self.good = 0;
            self.halvings = self.halvings.saturating_sub(1);
        }
    }

    /// A call failed: back off, longer each time.
    pub(super) fn failed(&mut self, now: Duration, chance: f64) {
        self.good = 0;
        self.failures += 1;
        self.block(now + back_off(self.failures, chance).min(self.back_off_max));
    }

    /// The market says we are too fast.
    pub(super) fn rate_limited(&mut self, now: Duration, retry_after: Option<Duration>, chance: f64) {
        self.failed(now, chance);
        if let Some(retry_after) = retry_after.filter(|after| !after.is_zero()) {
            self.blocked_until = now + retry_after.min(RETRY_AFTER_MAX);
        }
        self.halvings = (self.halvings + 1).min(SLOWEST);
    }

    /// The market refuses us for a while.
    pub(super) fn refused(&mut self, now: Duration) {
        self.failed(now, 0.0);
        self.block(now + REFUSED_FOR);
    }

    fn block(&mut self, until: Duration) {
        self.blocked_until = self.blocked_until.max(until);
    }

    fn slowed(&self, pace: Duration) -> Duration {
        pace * 2u32.pow(self.halvings)
    }
}

/// From 10 s, doubled each time, half as much again by chance.
fn back_off(failures: u32, chance: f64) -> Duration {
    let doubled = BACK_OFF_MIN * 2u32.pow(failures.saturating_sub(1).min(10));
    doubled.mul_f64(1.0 + chance.clamp(0.0, 1.0) / 2.0)
}

/// A number from 0 to 1 that differs from call to call and from process to process; not for secrets.
pub(super) fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let drawn = RandomState::new().build_hasher().finish() >> 32;
    u32::try_from(drawn).map_or(0.5, |drawn| f64::from(drawn) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_month_of_regular_calls_stays_within_its_budget() {
        for (every, per_minute, per_month) in [(60, 30, 10_000), (300, 60, 20_000), (1, 1000, 500)] {
            let mut pace = Pace::new(Duration::from_secs(every), per_minute, Some(per_month), MINUTE * 15);
            let (mut now, mut calls) = (Duration::ZERO, 0);
            while now < MONTH {
                pace.began(now);
                pace.succeeded();
                calls += 1;
                now = pace.regular_at();
            }
            assert!(calls <= per_month, "{calls} of {per_month}");
        }
    }

    #[test]
    fn demand_cannot_overspend_a_month_either() {
        let mut pace = Pace::new(MINUTE, 30, Some(10_000), MINUTE * 15);
        let (mut now, mut calls) = (Duration::ZERO, 0);
        while now < MONTH {
            pace.began(now);
            calls += 1;
            now = pace.on_demand_at();
        }
        assert!(calls <= 10_000, "{calls}");
    }

    #[test]
    fn too_fast_means_a_wait_of_10_s_at_least_and_an_hour_at_most() {
        let rows = [
            (None, 10, 15),
            (Some(Duration::ZERO), 10, 15),
            (Some(Duration::from_secs(119)), 119, 119),
            (Some(Duration::from_secs(1_000_000)), 3600, 3600),
        ];
        for (retry_after, least, most) in rows {
            for chance in [0.0, 0.5, 1.0] {
                let mut pace = Pace::new(Duration::from_secs(1), 600, None, MINUTE * 15);
                pace.began(Duration::ZERO);
                pace.rate_limited(Duration::ZERO, retry_after, chance);
                let wait = pace.regular_at();
                assert!(wait >= Duration::from_secs(least) && wait <= Duration::from_secs(most), "{wait:?}");
                assert_eq!(wait, pace.on_demand_at());
            }
        }
    }

    #[test]
    fn repeated_failures_wait_longer_up_to_15_min() {
        let mut pace = Pace::new(Duration::from_secs(1), 60, None, MINUTE * 15);
        let mut now = Duration::ZERO;
        for expected in [10, 20, 40, 80, 160, 320, 640, 900, 900] {
            pace.began(now);
            pace.failed(now, 0.0);
            let next = pace.regular_at();
            assert_eq!(next - now, Duration::from_secs(expected));
            now = next;
        }
        pace.began(now);
        pace.succeeded();
        assert_eq!(pace.regular_at() - now, Duration::from_secs(1));
    }

    #[test]
    fn a_limit_halves_the_pace_and_good_calls_bring_it_back() {
        let mut pace = Pace::new(MINUTE, 60, None, MINUTE * 15);
        pace.began(Duration::ZERO);
        pace.rate_limited(Duration::ZERO, None, 0.0);
        pace.succeeded();
        assert_eq!(pace.every(), MINUTE * 2);
        for _ in 0..GOOD_CALLS {
            pace.succeeded();
        }
        assert_eq!(pace.every(), MINUTE);
    }
}
