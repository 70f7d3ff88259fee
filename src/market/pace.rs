//! When a source may be asked again: its own pace, its month, and what a failure asks for.
//!
//! Pure: time comes in as the tick of a clock that only runs forward, chance as a number from 0 to 1.
//!
//! A month's calls are spread evenly over it by that tick: whatever a stepped clock, a late start or a lost
//! state directory make of the calendar, calls never come faster than the plan pays for. The calendar's own
//! count is a second, hard limit.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::month::{self, MonthCount};

/// A calendar month has at most 31 days.
const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Of the month's calls one in ten is kept back: for commands that run beside the server and count apart, and
/// for a state directory that got lost.
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
/// So many failures in a row open the breaker: one call, the probe, then decides, and is not retried.
const TRIPS: u32 = 3;
const MINUTE: Duration = Duration::from_secs(60);

/// When one source may be asked.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    gap: Duration,
    spread: Duration,
    last: Option<Duration>,
    last_regular: Option<Duration>,
    /// The last call for something else than prices of now: the past, or rates.
    last_beside: Option<Duration>,
    /// Up to when the month's even spread is used up.
    spent_until: Duration,
    blocked_until: Duration,
    back_off_max: Duration,
    failures: u32,
    halvings: u32,
    good: u32,
    calls_per_minute: usize,
    calls_per_month: Option<u32>,
    /// When the calls of the last minute went out.
    minute: VecDeque<Duration>,
    month: MonthCount,
    /// The month's calls are used up until then.
    month_over_until: Duration,
}

/// What of a [`Pace`] outlives a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The plan that the calls were made under: another one has its own month.
    plan: String,
    month: MonthCount,
    /// When this was kept.
    at: Timestamp,
    /// How long from then the even spread was used up.
    spent_for_s: f64,
    /// How long from then the market did not want to be asked.
    blocked_for_s: f64,
    halvings: u32,
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
            last_beside: None,
            spent_until: Duration::ZERO,
            blocked_until: Duration::ZERO,
            back_off_max,
            failures: 0,
            halvings: 0,
            good: 0,
            calls_per_minute: usize::try_from(calls_per_minute.max(1)).unwrap_or(usize::MAX),
            calls_per_month,
            minute: VecDeque::new(),
            month: MonthCount::default(),
            month_over_until: Duration::ZERO,
        }
    }

    /// What to keep over a restart.
    pub(super) fn keep(&self, plan: &str, now: Duration, time: Timestamp) -> Kept {
        Kept {
            plan: plan.to_owned(),
            month: self.month.clone(),
            at: time,
            spent_for_s: self.spent_until.saturating_sub(now).as_secs_f64(),
            blocked_for_s: self.blocked_until.saturating_sub(now).as_secs_f64(),
            halvings: self.halvings,
        }
    }

    /// Goes on from what was kept. A clock that stands before then makes no time pass.
    pub(super) fn restore(&mut self, kept: &Kept, plan: &str, now: Duration, time: Timestamp) {
        if kept.plan != plan {
            return;
        }
        let passed = Duration::try_from(time.duration_since(kept.at)).unwrap_or_default();
        let left = |seconds: f64, most: Duration| {
            Duration::try_from_secs_f64(seconds).unwrap_or_default().saturating_sub(passed).min(most)
        };
        self.spent_until = now + left(kept.spent_for_s, self.spread * (AHEAD + 1));
        self.blocked_until = now + left(kept.blocked_for_s, RETRY_AFTER_MAX);
        self.halvings = kept.halvings.min(SLOWEST);
        self.month = kept.month.clone();
        self.close_month(now, time);
    }

    /// When the next regular call is due.
    pub(super) fn regular_at(&self) -> Duration {
        if self.failures > 0 {
            return self.on_demand_at();
        }
        // The first call after a start may run ahead: everybody waits for it.
        let Some(last) = self.last else { return self.on_demand_at() };
        let next = (last + self.slowed(self.every)).max(self.gap_over_at());
        next.max(self.spent_until).max(self.held_until())
    }

    /// When a call may go out at the earliest, because somebody waits for it.
    pub(super) fn on_demand_at(&self) -> Duration {
        let ahead = self.spent_until.saturating_sub(self.spread * AHEAD);
        self.gap_over_at().max(ahead).max(self.held_until())
    }

    /// When a call for something else than prices of now may go out: at most every second one of a month that
    /// is spread, so that those are never starved.
    pub(super) fn beside_at(&self) -> Duration {
        let shared = self.last_beside.map_or(Duration::ZERO, |last| last + self.spread * 2);
        self.on_demand_at().max(shared)
    }

    /// Whether a call that just failed may be tried again at once.
    pub(super) fn may_retry(&self, now: Duration) -> bool {
        !self.is_tripped() && self.minute_free_at() <= now && self.month_over_until <= now
    }

    /// Whether the source does not want to be asked now, or the month's calls are used up.
    pub(super) fn is_blocked(&self, now: Duration) -> bool {
        self.blocked_until.max(self.month_over_until) > now
    }

    /// Whether failures in a row have opened the breaker.
    pub(super) fn is_tripped(&self) -> bool {
        self.failures >= TRIPS
    }

    /// Calls in the last 60 s.
    pub(super) fn calls_this_minute(&self, now: Duration) -> usize {
        self.minute.iter().filter(|call| **call + MINUTE > now).count()
    }

    /// Calls in this calendar month, kept over restarts.
    pub(super) fn calls_this_month(&self, time: Timestamp) -> u32 {
        self.month.calls(time)
    }

    /// Calls that this calendar month still allows; `None`: it allows any number.
    pub(super) fn left_this_month(&self, time: Timestamp) -> Option<u32> {
        Some(self.calls_per_month?.saturating_sub(self.month.calls(time)))
    }

    /// Time between two calls in the long run, if there are no others.
    pub(super) fn interval(&self) -> Duration {
        self.slowed(self.gap).max(self.spread)
    }

    /// Time between two calls for something else than prices of now, in the long run.
    pub(super) fn interval_beside(&self) -> Duration {
        self.slowed(self.gap).max(self.spread * 2)
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
    pub(super) fn began(&mut self, now: Duration, time: Timestamp) {
        self.last = Some(now);
        self.count(now, time);
    }

    /// A call goes out for something else than prices of now: it costs the same and delays no regular one.
    pub(super) fn began_beside(&mut self, now: Duration, time: Timestamp) {
        self.last_beside = Some(now);
        self.count(now, time);
    }

    fn count(&mut self, now: Duration, time: Timestamp) {
        self.spent_until = self.spent_until.max(now) + self.spread;
        while self.minute.front().is_some_and(|call| *call + MINUTE <= now) {
            self.minute.pop_front();
        }
        self.minute.push_back(now);
        self.month.add(time);
        self.close_month(now, time);
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

    /// The day's credits are used up at the market, or the month's.
    pub(super) fn out_of_credits(&mut self, now: Duration, time: Timestamp, month: bool) {
        self.good = 0;
        let left = if month { self.month.left(time) } else { month::day_left(time) };
        self.block(now.saturating_add(left));
    }

    /// The market refuses us for a while.
    pub(super) fn refused(&mut self, now: Duration) {
        self.failed(now, 0.0);
        self.block(now + REFUSED_FOR);
    }

    /// When the last call, whatever it was for, lies far enough back.
    fn gap_over_at(&self) -> Duration {
        self.last.max(self.last_beside).map_or(Duration::ZERO, |last| last + self.slowed(self.gap))
    }

    /// Whatever is due: not before the market wants to be asked, the minute has room and the month has.
    fn held_until(&self) -> Duration {
        self.blocked_until.max(self.minute_free_at()).max(self.month_over_until)
    }

    /// When the last minute holds fewer calls than allowed.
    fn minute_free_at(&self) -> Duration {
        let oldest = self.minute.len().checked_sub(self.calls_per_minute);
        oldest.and_then(|at| self.minute.get(at)).map_or(Duration::ZERO, |call| *call + MINUTE)
    }

    fn close_month(&mut self, now: Duration, time: Timestamp) {
        if self.calls_per_month.is_some_and(|most| self.month.calls(time) >= most) {
            self.month_over_until = now.saturating_add(self.month.left(time));
        }
    }

    fn block(&mut self, until: Duration) {
        self.blocked_until = self.blocked_until.max(until);
    }

    fn slowed(&self, pace: Duration) -> Duration {
        pace * 2u32.pow(self.halvings)
    }
}

/// From 10 s, doubled each time, half as much again by chance.
pub(super) fn back_off(failures: u32, chance: f64) -> Duration {
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
mod tests;
