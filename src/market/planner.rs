//! Decides which source is asked next, by which of its routes and for which tokens.
//!
//! Pure: budget, book, demand and time come in. The refresh loop and the simulated month run this same code.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::book::Snapshot;
use super::info::SourceState;
use super::ledger::{Ledger, Outcome};
use super::plan::{Candidate, choose};
use super::sources::{Coverage, Haste};
use crate::catalog::TokenIndex;

/// An ask counts half after so long.
const ASKS_HALVE: Duration = Duration::from_secs(10 * 60);
/// A lesser source is asked for what a better one prices only when that price is older than this part of
/// `fresh_for`: early enough that it never goes stale, late enough to save the call otherwise.
const BETTER_SERVES: f64 = 0.8;

/// What a source does next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Turn {
    /// Nothing, ever again.
    Never,
    /// Nothing until then.
    Wait(Duration),
    /// One call, for these tokens, by the route for this haste.
    Ask(Vec<TokenIndex>, Haste),
}

/// What one source lists and how it is asked.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) coverage: Coverage,
    /// One per token of the catalog.
    pub(super) listed: Vec<Option<Listed>>,
}

/// A token at one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    /// Length of its id.
    pub(super) chars: usize,
    /// It has to prove itself by another source's price.
    pub(super) unverified: bool,
}

/// Everything that the decision is made from, but for the book and the time.
#[derive(Debug)]
pub(super) struct Planner {
    pub(super) ledger: Ledger,
    lanes: Vec<Lane>,
    ranks: Vec<Option<u32>>,
    /// How often callers asked for each token, older asks for less.
    asks: Vec<f32>,
    asks_at: Duration,
    /// Tokens whose prices contradict each other: their second look comes first.
    doubted: HashSet<TokenIndex>,
}

impl Planner {
    /// `lanes` are in the order of the ledger's accounts, `ranks` in that of the catalog.
    pub(super) fn new(ledger: Ledger, lanes: Vec<Lane>, ranks: Vec<Option<u32>>) -> Self {
        let asks = vec![0.0; ranks.len()];
        Self { ledger, lanes, ranks, asks, asks_at: Duration::ZERO, doubted: HashSet::new() }
    }

    /// Takes in how often callers asked for each token since the last time.
    pub(super) fn count_asks(&mut self, asks: impl Iterator<Item = u32>, now: Duration) {
        let passed = now.saturating_sub(self.asks_at).as_secs_f32();
        let faded = 0.5_f32.powf(passed / ASKS_HALVE.as_secs_f32());
        self.asks_at = now;
        for (sum, new) in self.asks.iter_mut().zip(asks) {
            #[expect(clippy::cast_precision_loss, reason = "a weight, not a count")]
            let new = new as f32;
            *sum = *sum * faded + new;
        }
    }

    /// Says which tokens need a second look.
    pub(super) fn doubt(&mut self, tokens: HashSet<TokenIndex>) {
        self.doubted = tokens;
    }

    /// What the source at `place` does next.
    pub(super) fn next(&mut self, place: usize, now: Duration, time: Timestamp, book: &Snapshot) -> Turn {
        let account = &mut self.ledger.accounts[place];
        if account.lists_nothing() {
            account.state = SourceState::Ok;
            account.ended = account.ended.max(1);
            return Turn::Never;
        }
        if account.state == SourceState::Disabled {
            return Turn::Never;
        }
        let (regular, on_demand) = (account.pace.regular_at(), account.pace.on_demand_at());
        let (every, overdue) = (account.pace.every(), account.pace.is_regular_overdue(now));
        let demanded = self.ledger.demanded(place, now, |token| book.is_fresh(token, time));
        if regular <= now || overdue && on_demand <= now && !demanded.is_empty() {
            let tokens = self.regular_batch(place, now, time, book);
            if !tokens.is_empty() {
                return Turn::Ask(tokens, Haste::Regular);
            }
            // Better sources serve everything: as good as a round.
            let account = &mut self.ledger.accounts[place];
            account.ended = account.ended.max(1);
            if demanded.is_empty() {
                return Turn::Wait(now + every);
            }
        }
        if demanded.is_empty() {
            return Turn::Wait(regular);
        }
        if on_demand > now {
            return Turn::Wait(if regular > now { on_demand.min(regular) } else { on_demand });
        }
        let tokens = match self.lanes[place].coverage {
            Coverage::Everything => self.listed(place).collect(),
            Coverage::Chosen { .. } => self.batch(place, demanded.into_iter(), now),
        };
        Turn::Ask(tokens, Haste::Awaited)
    }

    fn regular_batch(
        &self,
        place: usize,
        now: Duration,
        time: Timestamp,
        book: &Snapshot,
    ) -> Vec<TokenIndex> {
        match self.lanes[place].coverage {
            Coverage::Everything => self.listed(place).collect(),
            Coverage::Chosen { .. } => {
                let needed = self.listed(place).filter(|token| self.is_needed(place, *token, time, book));
                self.batch(place, needed, now)
            }
        }
    }

    fn batch(
        &self,
        place: usize,
        tokens: impl Iterator<Item = TokenIndex>,
        now: Duration,
    ) -> Vec<TokenIndex> {
        let Coverage::Chosen { chars_max, .. } = self.lanes[place].coverage else { return Vec::new() };
        let candidates = tokens.filter_map(|token| self.candidate(place, token)).collect();
        choose(candidates, self.ledger.accounts[place].ids_max, chars_max, now)
    }

    fn listed(&self, place: usize) -> impl Iterator<Item = TokenIndex> {
        let listed = self.lanes[place].listed.iter();
        (0..).zip(listed).filter(|(_, listed)| listed.is_some()).map(|(at, _)| TokenIndex(at))
    }

    /// Whether a regular call of this source has a use for `token`.
    fn is_needed(&self, place: usize, token: TokenIndex, time: Timestamp, book: &Snapshot) -> bool {
        let better = book.place(token).is_some_and(|held| held < place);
        let serves = better && book.is_younger(token, time, BETTER_SERVES);
        let proves_itself = || {
            let unverified = self.lanes[place].listed[token.at()].is_some_and(|listed| listed.unverified);
            let outcome = self.ledger.tries(place, token).map(|tries| tries.outcome);
            unverified && outcome == Some(Outcome::Untried)
        };
        !serves || self.doubted.contains(&token) || proves_itself()
    }

    fn candidate(&self, place: usize, token: TokenIndex) -> Option<Candidate> {
        let listed = self.lanes[place].listed[token.at()]?;
        let covered = self.lanes.iter().enumerate().any(|(other, lane)| {
            other != place
                && lane.coverage == Coverage::Everything
                && self.ledger.accounts[other].fault.is_none()
                && self
                    .ledger
                    .tries(other, token)
                    .is_some_and(|tries| matches!(tries.outcome, Outcome::Priced | Outcome::Untried))
        });
        Some(Candidate {
            token,
            chars: listed.chars,
            rank: self.ranks[token.at()],
            asked: self.ledger.tries(place, token).and_then(|tries| tries.asked),
            demanded: self.ledger.is_demanded(token) || self.doubted.contains(&token),
            asks: self.asks[token.at()],
            covered,
        })
    }
}
