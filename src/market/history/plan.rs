//! Which points the next call of a source asks for. Pure: the cost of an archive follows its distinct points.

use std::collections::BTreeSet;

use super::point::{Hour, Point};

/// What one call of a source can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Any points, at most so many.
    Batch(usize),
    /// One token's hours within one window of this length; windows do not overlap.
    Window(u32),
}

/// The points of the next call: as many of `wanted` as fit, from its beginning. Empty only if nothing is wanted.
pub(super) fn next_call(shape: Shape, wanted: &BTreeSet<Point>) -> Vec<Point> {
    match shape {
        Shape::Batch(most) => wanted.iter().copied().take(most.max(1)).collect(),
        Shape::Window(hours) => {
            let Some(first) = wanted.first() else { return Vec::new() };
            let (_, last) = window(hours, first.hour);
            let end = Point { token: first.token, hour: last };
            wanted.range(*first..=end).copied().collect()
        }
    }
}

/// First and last hour of the window that holds `hour`.
pub(super) fn window(hours: u32, hour: Hour) -> (Hour, Hour) {
    let hours = hours.max(1);
    let first = hour.0 - hour.0 % hours;
    (Hour(first), Hour(first.saturating_add(hours - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::TokenIndex;

    const YEAR: u32 = 365 * 24;

    /// 100,000 articles over 5 years, one of 300 tokens each, the better known ones more often.
    fn archive() -> BTreeSet<Point> {
        let mut state = 1u64;
        let mut below = |bound: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from((state >> 33) % u64::from(bound)).unwrap()
        };
        let mut points = BTreeSet::new();
        for _ in 0..100_000 {
            let most = below(300) + 1;
            let (token, hour) = (TokenIndex(below(most)), Hour(450_000 + below(5 * YEAR)));
            points.insert(Point { token, hour });
            points.insert(Point { token, hour: hour.day_before() });
        }
        points
    }

    fn calls(shape: Shape, mut wanted: BTreeSet<Point>) -> usize {
        let mut calls = 0;
        while !wanted.is_empty() {
            let call = next_call(shape, &wanted);
            assert!(!call.is_empty());
            call.iter().for_each(|point| assert!(wanted.remove(point)));
            calls += 1;
        }
        calls
    }

    #[test]
    fn an_archive_costs_its_distinct_points_or_windows_and_no_more() {
        let archive = archive();
        assert!(archive.len() > 150_000, "{}", archive.len());
        assert_eq!(calls(Shape::Batch(50), archive.clone()), archive.len().div_ceil(50));
        let hours = 90 * 24;
        let windows: BTreeSet<_> = archive.iter().map(|point| (point.token, point.hour.0 / hours)).collect();
        assert_eq!(calls(Shape::Window(hours), archive), windows.len());
    }

    #[test]
    fn a_window_call_never_leaves_its_window_or_its_token() {
        let point = |token, hour| Point { token: TokenIndex(token), hour: Hour(hour) };
        let wanted = BTreeSet::from([point(0, 15), point(0, 19), point(0, 20), point(1, 16)]);
        assert_eq!(next_call(Shape::Window(10), &wanted), [point(0, 15), point(0, 19)]);
        assert_eq!(next_call(Shape::Batch(3), &wanted), [point(0, 15), point(0, 19), point(0, 20)]);
        assert_eq!(next_call(Shape::Batch(3), &BTreeSet::new()), []);
    }
}
