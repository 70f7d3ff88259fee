//! Which tokens the next call asks for. Pure: everything it decides from comes in.
//!
//! Every token has a share of the calls by how much it matters; the one that is the most overdue by its share
//! goes first. When the market allows few calls, all wait longer in the same proportion.

use std::cmp::Reverse;
use std::time::Duration;

use crate::catalog::TokenIndex;

/// So many tokens by rank are refreshed most often.
const HEAD: u32 = 250;

/// How much longer than the head others may wait.
const UNCOVERED_WAITS: u32 = 4;
/// A whole-market source keeps these fresh; asking here too is only a better second opinion.
const COVERED_WAITS: u32 = 30;

/// A token that one source could be asked for.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) token: TokenIndex,
    /// Its id at the source.
    pub(super) id: &'a str,
    pub(super) rank: Option<u32>,
    /// When the source was last asked for it.
    pub(super) asked: Option<Duration>,
    /// Somebody waits for it now.
    pub(super) demanded: bool,
    /// Callers asked for it lately.
    pub(super) wanted: bool,
    /// A source that answers everything prices it.
    pub(super) covered: bool,
}

/// The tokens of the next call, most urgent first, within both bounds of the source.
pub(super) fn choose(
    mut candidates: Vec<Candidate<'_>>,
    ids_max: usize,
    chars_max: usize,
    now: Duration,
) -> Vec<TokenIndex> {
    candidates.sort_by_key(|candidate| {
        let rank = candidate.rank.unwrap_or(u32::MAX);
        (Reverse(candidate.demanded), Reverse(overdue(candidate, now)), rank, candidate.token)
    });
    let mut chars = 0;
    let mut chosen = Vec::new();
    for candidate in candidates {
        // One more for the comma.
        let longer = chars + candidate.id.len() + 1;
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
fn overdue(candidate: &Candidate<'_>, now: Duration) -> Duration {
    let head = candidate.wanted || candidate.rank.is_some_and(|rank| rank <= HEAD);
    let (share, never) = match (head, candidate.covered) {
        (true, _) => (1, Duration::MAX),
        (false, false) => (UNCOVERED_WAITS, Duration::MAX / 2),
        // Not worth the first calls after a start.
        (false, true) => (COVERED_WAITS, now / COVERED_WAITS),
    };
    candidate.asked.map_or(never, |asked| now.saturating_sub(asked) / share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn candidate(index: u32, asked: Option<Duration>) -> Candidate<'static> {
        Candidate {
            token: TokenIndex(index),
            id: "some-coin",
            rank: Some(index + 1),
            asked,
            demanded: false,
            wanted: false,
            covered: index >= 250,
        }
    }

    #[test]
    fn the_head_comes_first_and_what_somebody_waits_for_before_it() {
        let mut candidates: Vec<_> = (0..2000).map(|index| candidate(index, None)).collect();
        candidates[1999].demanded = true;
        candidates[1500].wanted = true;
        let chosen = choose(candidates, 250, 5_000, Duration::ZERO);
        assert_eq!(chosen.len(), 250);
        assert_eq!(chosen[..2], [TokenIndex(1999), TokenIndex(0)]);
        assert_eq!(chosen[249], TokenIndex(248));
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
