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
    fn archive() -> Vec<[Point; 2]> {
        let mut state = 1u64;
        let mut below = |bound: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from((state >> 33) % u64::from(bound)).unwrap()
        };
        let article = |_| {
            let most = below(300) + 1;
            let (token, hour) = (TokenIndex(below(most)), Hour(450_000 + below(5 * YEAR)));
            // Its change needs the day before.
            [Point { token, hour }, Point { token, hour: hour.day_before() }]
        };
        (0..100_000).map(article).collect()
    }

    /// Calls for an archive that is read so many articles at a time, as the command line does; each brings its
    /// points, a window all of its hours.
    fn calls(shape: Shape, articles: &[[Point; 2]], ahead: usize) -> usize {
        // What one call brings of a token: an hour, or all of a window.
        let brought = |point: &Point| match shape {
            Shape::Batch(_) => *point,
            Shape::Window(hours) => Point { hour: window(hours, point.hour).0, ..*point },
        };
        let (mut known, mut calls) = (BTreeSet::new(), 0);
        for articles in articles.chunks(ahead) {
            let points = articles.iter().flatten().filter(|point| !known.contains(&brought(point)));
            let mut wanted: BTreeSet<Point> = points.copied().collect();
            while !wanted.is_empty() {
                let call = next_call(shape, &wanted);
                assert!(!call.is_empty());
                calls += 1;
                for point in call {
                    assert!(wanted.remove(&point));
                    known.insert(brought(&point));
                }
            }
        }
        calls
    }

    /// Prints the figures: `cargo test --lib an_archive_costs -- --nocapture`.
    #[test]
    #[expect(clippy::print_stdout, reason = "the figures of the documentation")]
    fn an_archive_costs_its_distinct_points_or_windows_and_no_more() {
        let archive = archive();
        let points: BTreeSet<Point> = archive.iter().flatten().copied().collect();
        assert!(points.len() > 150_000, "{}", points.len());
        let hours = 90 * 24;
        let windows: BTreeSet<_> = points.iter().map(|point| (point.token, point.hour.0 / hours)).collect();
        let (least_batches, least_windows) = (points.len().div_ceil(50), windows.len());
        println!("{} articles, {} distinct points", archive.len(), points.len());
        println!("{least_windows} windows of 90 days touched");
        for (ahead, name) in [(usize::MAX, "all at once"), (2000, "2,000 articles at a time")] {
            let batches = calls(Shape::Batch(50), &archive, ahead);
            let window_calls = calls(Shape::Window(hours), &archive, ahead);
            println!("{name}: {batches} calls for 50 points each, {window_calls} for 90 days each");
            assert!(batches * 10 <= least_batches * 11, "{batches} of {least_batches}");
            assert!(window_calls * 10 <= least_windows * 11, "{window_calls} of {least_windows}");
        }
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
