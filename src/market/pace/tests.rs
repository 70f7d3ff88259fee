//! The budget over days and months, as a clock that is set tells it.

use super::*;

fn noon() -> Timestamp {
    "2026-05-18T12:00:00Z".parse().unwrap()
}

fn at(now: Duration) -> Timestamp {
    noon().checked_add(now).unwrap()
}

#[test]
fn a_month_of_regular_calls_stays_within_its_budget() {
    for (every, per_minute, per_month) in [(60, 30, 10_000), (300, 60, 20_000), (1, 1000, 500)] {
        let mut pace = Pace::new(Duration::from_secs(every), per_minute, Some(per_month), MINUTE * 15);
        let (mut now, mut calls) = (Duration::ZERO, 0);
        while now < MONTH {
            pace.began(now, at(now));
            pace.succeeded();
            calls += 1;
            now = pace.regular_at();
        }
        assert!(calls <= per_month, "{calls} of {per_month}");
    }
}

#[test]
fn what_runs_beside_takes_every_second_call_of_a_month_at_most() {
    let mut pace = Pace::new(MINUTE, 30, Some(10_000), MINUTE * 15);
    let (mut now, mut regular, mut beside) = (Duration::ZERO, 0, 0);
    while now < MONTH {
        if pace.regular_at() <= now {
            pace.began(now, at(now));
            regular += 1;
        } else if pace.beside_at() <= now {
            pace.began_beside(now, at(now));
            beside += 1;
        }
        now += Duration::from_secs(1);
    }
    assert!(regular + beside <= 10_000 && regular > 4_000, "{regular} and {beside}");
    let mut free = Pace::new(MINUTE, 60, None, MINUTE * 15);
    free.began(Duration::ZERO, noon());
    free.began_beside(Duration::from_secs(1), noon());
    assert_eq!(free.beside_at(), Duration::from_secs(2));
    assert_eq!(free.regular_at(), MINUTE, "the regular round is not put off");
}

#[test]
fn demand_cannot_overspend_a_month_either() {
    let mut pace = Pace::new(MINUTE, 30, Some(10_000), MINUTE * 15);
    let (mut now, mut calls) = (Duration::ZERO, 0);
    while now < MONTH {
        pace.began(now, at(now));
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
            pace.began(Duration::ZERO, noon());
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
        pace.began(now, at(now));
        pace.failed(now, 0.0);
        let next = pace.regular_at();
        assert_eq!(next - now, Duration::from_secs(expected));
        now = next;
    }
    pace.began(now, at(now));
    pace.succeeded();
    assert_eq!(pace.regular_at() - now, Duration::from_secs(1));
}

#[test]
fn a_limit_halves_the_pace_and_good_calls_bring_it_back() {
    let mut pace = Pace::new(MINUTE, 60, None, MINUTE * 15);
    pace.began(Duration::ZERO, noon());
    pace.rate_limited(Duration::ZERO, None, 0.0);
    pace.succeeded();
    assert_eq!(pace.every(), MINUTE * 2);
    for _ in 0..GOOD_CALLS {
        pace.succeeded();
    }
    assert_eq!(pace.every(), MINUTE);
}

#[test]
fn a_minute_never_holds_more_calls_than_allowed_retries_included() {
    let mut pace = Pace::new(Duration::from_secs(1), 4, None, MINUTE);
    let (mut now, mut calls) = (Duration::ZERO, Vec::new());
    while now < MINUTE * 10 {
        pace.began(now, at(now));
        calls.push(now);
        if pace.may_retry(now) {
            pace.began(now, at(now));
            calls.push(now);
        }
        pace.succeeded();
        now = pace.on_demand_at();
    }
    for start in &calls {
        let within = calls.iter().filter(|call| *call >= start && **call < *start + MINUTE).count();
        assert!(within <= 4, "{within} calls in the minute from {start:?}");
    }
}

#[test]
fn a_restart_goes_on_from_what_was_kept() {
    let new = || Pace::new(MINUTE, 30, Some(1_000), MINUTE * 15);
    let mut pace = new();
    for _ in 0..3 {
        pace.began(Duration::ZERO, noon());
    }
    pace.rate_limited(Duration::ZERO, Some(MINUTE * 30), 0.0);
    let kept = pace.keep("demo", Duration::ZERO, noon());
    let text = serde_json::to_string(&kept).unwrap();
    let kept: Kept = serde_json::from_str(&text).unwrap();

    let mut again = new();
    again.restore(&kept, "demo", Duration::ZERO, at(MINUTE * 10));
    assert_eq!(again.calls_this_month(noon()), 3);
    assert_eq!(again.on_demand_at(), MINUTE * 20, "the market wanted 30 minutes, 10 have passed");
    assert_eq!(again.spent_until.as_secs(), (pace.spread * 3 - MINUTE * 10).as_secs());
    let mut earlier = new();
    earlier.restore(&kept, "demo", Duration::ZERO, at(Duration::ZERO) - MINUTE * 60);
    assert_eq!(earlier.on_demand_at(), MINUTE * 30, "a clock set back makes no time pass");
    let mut other = new();
    other.restore(&kept, "pro", Duration::ZERO, noon());
    assert_eq!(other.calls_this_month(noon()), 0, "another plan has its own month");
}

#[test]
fn a_month_that_is_used_up_waits_for_the_next_one() {
    let mut used = Pace::new(MINUTE, 30, None, MINUTE * 15);
    for call in 0..100 {
        used.began(MINUTE * call, noon());
    }
    let kept = used.keep("demo", MINUTE * 200, noon());
    let mut pace = Pace::new(MINUTE, 30, Some(100), MINUTE * 15);
    pace.restore(&kept, "demo", Duration::ZERO, noon());
    let left = "2026-06-01T00:00:00Z".parse::<Timestamp>().unwrap().duration_since(noon());
    assert_eq!(pace.on_demand_at(), Duration::try_from(left).unwrap());
}

#[test]
fn three_failures_open_the_breaker_and_one_good_call_closes_it() {
    let mut pace = Pace::new(MINUTE, 30, None, MINUTE * 15);
    for failures in 1..=4 {
        pace.failed(MINUTE * failures, 0.0);
        assert_eq!(pace.is_tripped(), failures >= 3);
    }
    assert!(!pace.may_retry(MINUTE * 100), "the probe is not retried");
    pace.succeeded();
    assert!(!pace.is_tripped());
}
