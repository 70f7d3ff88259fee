//! What was asked of which source, how it went, and what somebody waits for.
//!
//! Plain bookkeeping: never calls a source, never asks the clock, holds no prices.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::book::Standing;
use super::error::SourceError;
use super::info::SourceState;
use super::pace::Pace;
use crate::catalog::TokenIndex;

/// A source is not asked for the same token again within this, whoever waits: its answers are cached.
const FLOOR: Duration = Duration::from_secs(60);

/// A better source that can be asked within this is waited for.
const SOON: Duration = Duration::from_secs(3);

/// So long a source that has no price for a token is not asked for it on demand.
const MISSING_FOR: Duration = Duration::from_secs(60 * 60);

/// The books of all sources, most preferred first.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) accounts: Vec<Account>,
    /// What somebody waits for, and since which moment.
    demand: HashMap<TokenIndex, Moment>,
    moment: Moment,
    missing: moka::sync::Cache<(usize, TokenIndex), ()>,
}

/// Orders asks and calls; unlike a time, no two are equal.
pub(super) type Moment = u64;

/// The books of one source.
#[derive(Debug)]
pub(super) struct Account {
    name: &'static str,
    /// The source prices what its file holds: what it lacks is not listed there.
    lists_what_it_prices: bool,
    /// It never prices alone: nobody waits for it, and it says nothing of why a token has no price.
    cross_check: bool,
    pub(super) pace: Pace,
    pub(super) state: SourceState,
    /// Why the last call failed.
    pub(super) fault: Option<Arc<str>>,
    pub(super) last_success: Option<Timestamp>,
    pub(super) last_failure: Option<Timestamp>,
    pub(super) calls_total: u64,
    /// Calls that have ended, retries not counted.
    pub(super) ended: u64,
    /// Ids in one call; halved when a call was too long.
    pub(super) ids_max: usize,
    /// One per token of the catalog. `None`: the source has no id for it.
    tokens: Vec<Option<Tries>>,
}

/// What is known of asking one source for one token.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tries {
    pub(super) asked: Option<Duration>,
    begun: Moment,
    ended: Moment,
    in_flight: bool,
    pub(super) outcome: Outcome,
}

/// How the last ask for one token ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not asked yet.
    #[default]
    Untried,
    /// It has a price.
    Priced,
    /// It has a price that is not believed yet.
    Unverified,
    /// It has none.
    NoPrice,
    /// The call failed.
    Failed,
}

impl Ledger {
    pub(super) fn new(accounts: Vec<Account>) -> Self {
        let missing = moka::sync::Cache::builder().max_capacity(200_000).time_to_live(MISSING_FOR).build();
        Self { accounts, demand: HashMap::new(), moment: 0, missing }
    }

    /// Notes that somebody waits for `tokens`. The moment tells which calls begin after the ask.
    pub(super) fn demand(&mut self, tokens: impl Iterator<Item = TokenIndex>) -> Moment {
        let moment = self.next_moment();
        self.demand.extend(tokens.map(|token| (token, moment)));
        moment
    }

    /// The tokens that the source at `place` should be asked for because somebody waits: no better source
    /// can be asked soon, and this one has not been asked since.
    pub(super) fn demanded(
        &self,
        place: usize,
        now: Duration,
        is_fresh: impl Fn(TokenIndex) -> bool,
    ) -> Vec<TokenIndex> {
        let mut tokens: Vec<_> = self
            .demand
            .iter()
            .filter(|(token, since)| {
                self.can_answer(place, **token, **since)
                    && self.tries(place, **token).is_some_and(|tries| tries.floor() <= now)
                    && !is_fresh(**token)
                    && !(0..place).any(|better| {
                        self.can_answer(better, **token, **since)
                            && self.earliest(better, **token).is_some_and(|at| at <= now + SOON)
                    })
            })
            .map(|(token, _)| *token)
            .collect();
        tokens.sort_unstable();
        tokens
    }

    /// Forgets the demand that is met: fresh, or every source has been asked since.
    pub(super) fn settle_demand(&mut self, is_fresh: impl Fn(TokenIndex) -> bool) {
        let mut demand = std::mem::take(&mut self.demand);
        demand.retain(|token, since| {
            !is_fresh(*token) && (0..self.accounts.len()).any(|place| self.can_answer(place, *token, *since))
        });
        self.demand = demand;
    }

    /// Whether no source can bring a price of `token` before `deadline` to somebody who asked at `since`.
    pub(super) fn nothing_to_wait_for(&self, token: TokenIndex, since: Moment, deadline: Duration) -> bool {
        (0..self.accounts.len()).all(|place| {
            !self.can_answer(place, token, since)
                || self.earliest(place, token).is_none_or(|at| at > deadline)
        })
    }

    /// A call for `tokens` goes out.
    pub(super) fn begin(
        &mut self,
        place: usize,
        tokens: &[TokenIndex],
        (now, time): (Duration, Timestamp),
    ) -> Moment {
        let moment = self.next_moment();
        let account = &mut self.accounts[place];
        account.call(now, time);
        for token in tokens {
            if let Some(tries) = &mut account.tokens[token.at()] {
                tries.begun = moment;
                tries.asked = Some(now);
                tries.in_flight = true;
            }
        }
        moment
    }

    /// The call was too long: these tokens were not asked for after all.
    pub(super) fn halve(&mut self, place: usize, tokens: &[TokenIndex]) {
        let account = &mut self.accounts[place];
        account.ids_max = (tokens.len() / 2).max(1);
        for token in tokens {
            if let Some(tries) = &mut account.tokens[token.at()] {
                tries.in_flight = false;
                tries.asked = None;
            }
        }
    }

    /// The call that began at `begun` ended with an answer; `outcome` tells for each token what it said.
    pub(super) fn end_well(
        &mut self,
        place: usize,
        tokens: &[TokenIndex],
        begun: Moment,
        time: Timestamp,
        outcome: impl Fn(TokenIndex) -> Outcome,
    ) {
        let account = &mut self.accounts[place];
        account.ended += 1;
        account.state = SourceState::Ok;
        account.fault = None;
        account.last_success = Some(time);
        account.pace.succeeded();
        for token in tokens {
            if let Some(tries) = &mut account.tokens[token.at()] {
                tries.end(begun, outcome(*token));
                if tries.outcome == Outcome::NoPrice {
                    self.missing.insert((place, *token), ());
                } else {
                    self.missing.invalidate(&(place, *token));
                }
            }
        }
    }

    /// The call that began at `begun` failed. `now` is the tick, `time` the time of day.
    pub(super) fn end_badly(
        &mut self,
        place: usize,
        tokens: &[TokenIndex],
        begun: Moment,
        error: &SourceError,
        (now, time): (Duration, Timestamp),
        chance: f64,
    ) {
        let account = &mut self.accounts[place];
        account.ended += 1;
        account.fault = Some(error.to_string().into());
        account.last_failure = Some(time);
        account.state = SourceState::BackingOff;
        match error {
            SourceError::RateLimited { retry_after } => account.pace.rate_limited(now, *retry_after, chance),
            SourceError::OutOfCredits { month } => account.pace.out_of_credits(now, time, *month),
            SourceError::Refused { .. } => account.pace.refused(now),
            SourceError::Permanent(_) | SourceError::PlanLacksRoute => account.state = SourceState::Disabled,
            SourceError::Passing(_) | SourceError::TooLong | SourceError::Malformed(_) => {
                account.pace.failed(now, chance);
            }
        }
        if account.state == SourceState::BackingOff && account.pace.is_tripped() {
            account.state = SourceState::Tripped;
        }
        for token in tokens {
            if let Some(tries) = &mut account.tokens[token.at()] {
                tries.end(begun, Outcome::Failed);
            }
        }
    }

    /// The listing has proved itself.
    pub(super) fn trust(&mut self, place: usize, token: TokenIndex) {
        if let Some(tries) = &mut self.accounts[place].tokens[token.at()] {
            tries.outcome = Outcome::Priced;
        }
    }

    /// Why `token` has no price, if it has none.
    pub(super) fn standing(&self, token: TokenIndex) -> Standing {
        if self.accounts.is_empty() {
            return Standing::Unavailable("no market source is enabled".into());
        }
        let mut reasons = Vec::new();
        for account in self.accounts.iter().filter(|account| !account.cross_check) {
            let Some(tries) = account.tokens.get(token.at()).and_then(Option::as_ref) else { continue };
            let reason = match (&account.fault, tries.outcome) {
                (Some(fault), _) => fault,
                (None, Outcome::Unverified) => "unverified listing",
                (None, Outcome::NoPrice | Outcome::Priced) if account.lists_what_it_prices => continue,
                (None, Outcome::NoPrice) => "no price",
                (None, Outcome::Priced) => "no newer price",
                // The source has recovered since; the token's turn comes.
                (None, Outcome::Untried | Outcome::Failed) => return Standing::Pending,
            };
            reasons.push(format!("{}: {reason}", account.name));
        }
        if reasons.is_empty() {
            let names: Vec<_> = self.accounts.iter().map(|account| account.name).collect();
            Standing::Unlisted(format!("no enabled source lists it ({})", names.join(", ")).into())
        } else {
            Standing::Unavailable(reasons.join("; ").into())
        }
    }

    pub(super) fn tries(&self, place: usize, token: TokenIndex) -> Option<&Tries> {
        self.accounts[place].tokens.get(token.at())?.as_ref()
    }

    pub(super) fn is_demanded(&self, token: TokenIndex) -> bool {
        self.demand.contains_key(&token)
    }

    /// Whether the source at `place` may still bring something new to somebody who asked at `since`.
    fn can_answer(&self, place: usize, token: TokenIndex, since: Moment) -> bool {
        self.accounts[place].state != SourceState::Disabled
            && !self.accounts[place].cross_check
            && self.tries(place, token).is_some_and(|tries| tries.ended < since)
            && !self.missing.contains_key(&(place, token))
    }

    /// When the source can be asked for `token`; at once, where a call for it is under way.
    fn earliest(&self, place: usize, token: TokenIndex) -> Option<Duration> {
        let tries = self.tries(place, token)?;
        if tries.in_flight {
            return Some(Duration::ZERO);
        }
        let pace = &self.accounts[place].pace;
        Some(pace.on_demand_at().min(pace.regular_at()).max(tries.floor()))
    }

    fn next_moment(&mut self) -> Moment {
        self.moment += 1;
        self.moment
    }
}

impl Account {
    /// `listed` has one place per token of the catalog.
    pub(super) fn new(
        name: &'static str,
        (lists_what_it_prices, cross_check): (bool, bool),
        pace: Pace,
        ids_max: usize,
        listed: impl Iterator<Item = bool>,
    ) -> Self {
        Self {
            name,
            lists_what_it_prices,
            cross_check,
            pace,
            state: SourceState::Starting,
            fault: None,
            last_success: None,
            last_failure: None,
            calls_total: 0,
            ended: 0,
            ids_max,
            tokens: listed.map(|listed| listed.then(Tries::default)).collect(),
        }
    }

    /// One call over the wire, retries included.
    pub(super) fn call(&mut self, now: Duration, time: Timestamp) {
        self.calls_total += 1;
        self.pace.began(now, time);
    }

    /// One call over the wire for something else than prices of now: the past, or rates.
    pub(super) fn call_beside(&mut self, now: Duration, time: Timestamp) {
        self.calls_total += 1;
        self.pace.began_beside(now, time);
    }

    /// Whether the source has nothing to be asked for.
    pub(super) fn lists_nothing(&self) -> bool {
        self.tokens.iter().all(Option::is_none)
    }
}

impl Tries {
    fn floor(&self) -> Duration {
        self.asked.map_or(Duration::ZERO, |asked| asked + FLOOR)
    }

    fn end(&mut self, begun: Moment, outcome: Outcome) {
        self.in_flight = false;
        self.ended = begun;
        self.outcome = outcome;
    }
}
