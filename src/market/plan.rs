//! Which tokens the next call asks for. Pure: everything it decides from comes in.
//!
//! Every token has a share of the calls by how much it matters; the one that is the most overdue by its share
//! goes first. When the market allows few calls, all wait longer in the same proportion.

use std::time::Duration;

use crate::catalog::TokenIndex;

/// So many tokens by rank are refreshed most often.
const HEAD: u32 = 250;

/// How much longer than the head others may wait.
const UNCOVERED_WAITS: f64 = 4.0;
/// A whole-market source keeps these fresh; asking here too is only a better second opinion.
const COVERED_WAITS: f64 = 30.0;

/// A token that one source could be asked for.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) token: TokenIndex,
    /// Length of its id at the source.
    pub(super) chars: usize,
    pub(super) rank: Option<u32>,
    /// When the source was last asked for it.
    pub(super) asked: Option<Duration>,
    /// Somebody waits for it now, or two sources contradict each other about it.
    pub(super) demanded: bool,
    /// How often callers asked for it lately.
    pub(super) asks: f32,
    /// A source that answers everything prices it.
    pub(super) covered: bool,
}

/// The tokens of the next call, most urgent first, within both bounds of the source.
pub(super) fn choose(
    mut candidates: Vec<Candidate>,
    ids_max: usize,
    chars_max: usize,
    now: Duration,
) -> Vec<TokenIndex> {
    // Worked out once for each: comparing is what takes the time.
    let mut ordered: Vec<_> =
        candidates.drain(..).map(|candidate| (overdue(&candidate, now), candidate)).collect();
    ordered.sort_by(|(a_overdue, a), (b_overdue, b)| {
        let key = |candidate: &Candidate| (candidate.rank.unwrap_or(u32::MAX), candidate.token);
        let demanded = b.demanded.cmp(&a.demanded);
        demanded.then_with(|| b_overdue.total_cmp(a_overdue)).then_with(|| key(a).cmp(&key(b)))
    });
    let mut chars = 0;
    let mut chosen = Vec::new();
    for (_, candidate) in ordered {
        // One more for the comma.
        let longer = chars + candidate.chars + 1;
        if chosen.len() == ids_max {
            break;
        }
        if longer <= chars_max + 1 {
            chars = longer;
            chosen.push(candidate.token);
        }
    }
    chosen
}

/// How long it has waited, in shares of its own.
///
/// A token's share shrinks with the square root of how often it is asked for: that division of a fixed number
/// of calls makes the prices served, each counted as often as it is served, the youngest on average.
fn overdue(candidate: &Candidate, now: Duration) -> f64 {
    let head = candidate.rank.is_some_and(|rank| rank <= HEAD);
    let wanted = candidate.asks > 0.5;
    let waits = match (head, candidate.covered) {
        (true, _) => 1.0,
        (false, false) => UNCOVERED_WAITS,
        (false, true) => COVERED_WAITS,
    };
    let share = waits / f64::from(1.0 + candidate.asks).sqrt();
    let never = match (head || wanted && !candidate.covered, candidate.covered) {
        (true, _) => f64::MAX,
        (false, false) => f64::MAX / 2.0,
        // Not worth the first calls after a start.
        (false, true) => now.as_secs_f64() / share,
    };
    candidate.asked.map_or(never, |asked| now.saturating_sub(asked).as_secs_f64() / share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn candidate(index: u32, asked: Option<Duration>) -> Candidate {
        Candidate {
            token: TokenIndex(index),
            chars: "some-coin".len(),
            rank: Some(index + 1),
            asked,
            demanded: false,
            asks: 0.0,
            covered: index >= 250,
        }
    }

    #[test]
    fn the_head_comes_first_and_what_somebody_waits_for_before_it() {
        let mut candidates: Vec<_> = (0..2000).map(|index| candidate(index, None)).collect();
        candidates[1999].demanded = true;
        candidates[1500].asks = 40.0;
        let chosen = choose(candidates, 250, 5_000, Duration::ZERO);
        assert_eq!(chosen.len(), 250);
        assert_eq!(chosen[..2], [TokenIndex(1999), TokenIndex(0)]);
        assert_eq!(chosen[249], TokenIndex(248));
    }

    #[test]
    fn what_callers_ask_for_moves_up() {
        let mut candidates: Vec<_> = (0..2000).map(|index| candidate(index, Some(Duration::ZERO))).collect();
        candidates[1500].asks = 2_000.0;
        let chosen = choose(candidates, 250, 5_000, MINUTE);
        assert_eq!(chosen[..2], [TokenIndex(1500), TokenIndex(0)]);
    }

    #[test]
    fn a_call_keeps_both_bounds() {
        let candidates: Vec<_> = (0..600).map(|index| candidate(index, None)).collect();
        // 9 letters and a comma each, none after the last.
        assert_eq!(choose(candidates.clone(), 600, 5_000, Duration::ZERO).len(), 500);
        assert_eq!(choose(candidates.clone(), 600, 9, Duration::ZERO).len(), 1);
        assert_eq!(choose(candidates, 250, 5_000, Duration::ZERO).len(), 250);
    }

    #[test]
    fn with_one_page_a_minute_the_head_stays_fresh_and_nobody_starves() {
        let mut candidates: Vec<_> = (0..2000).map(|index| candidate(index, None)).collect();
        for orphan in &mut candidates[1600..] {
            orphan.covered = false;
        }
        let mut longest = vec![Duration::ZERO; 2000];
        for minute in 0..240 {
            let now = MINUTE * minute;
            for token in choose(candidates.clone(), 250, 5_000, now) {
                let candidate = &mut candidates[token.at()];
                let waited = now - candidate.asked.unwrap_or_default();
                longest[token.at()] = longest[token.at()].max(waited);
                candidate.asked = Some(now);
            }
        }
        assert!(
            longest[..250].iter().all(|waited| *waited <= MINUTE * 5),
            "{:?}",
            longest[..250].iter().max()
        );
        assert!(
            longest[1600..].iter().all(|waited| *waited <= MINUTE * 12),
            "{:?}",
            longest[1600..].iter().max()
        );
        assert!(candidates.iter().all(|candidate| candidate.asked.is_some()));
    }
}
