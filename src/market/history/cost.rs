//! What an archive asks of the past and what that costs: distinct tokens at distinct hours, and the calls for those
//! that are not known.
//!
//! Owns the plan of a run. Holds about two bytes a point, however large the archive. Never calls.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use roaring::RoaringTreemap;

use super::History;
use super::engine::{Engine, State};
use super::plan::{Shape, next_call};
use super::point::{Hour, Point};
use super::route::Route;
use crate::catalog::TokenIndex;

/// Distinct tokens at distinct hours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted(RoaringTreemap);

/// What it costs to have all that is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// Distinct tokens at distinct hours.
    pub wanted: u64,
    /// Of these, how many are known already.
    pub known: u64,
    /// How many no market has, as far as that is known.
    pub refused: u64,
    /// How many wait for a market that cannot be asked now.
    pub waiting: u64,
    /// What is to be asked of whom. What one turns out not to have goes to the next, and is not counted here.
    pub markets: Vec<MarketCost>,
}

/// What is to be asked of one market.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketCost {
    /// Its name.
    pub name: &'static str,
    /// Prices, those of the days before included.
    pub prices: u64,
    /// Calls.
    pub calls: u64,
    /// Time between two calls, in the long run.
    pub interval: Duration,
    /// Calls that its month still allows; `None`: not counted by the month.
    pub left: Option<u32>,
}

impl Wanted {
    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what another one holds.
    pub fn add(&mut self, other: &Self) {
        self.0 |= &other.0;
    }

    /// By token, then by hour.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        self.0.iter().map(move |bits| Point { token: TokenIndex(half(bits >> 32)), hour: Hour(half(bits)) })
    }
}

impl MarketCost {
    /// How long its calls take.
    pub fn takes(&self) -> Duration {
        self.interval.saturating_mul(u32::try_from(self.calls.saturating_sub(1)).unwrap_or(u32::MAX))
    }
}

impl Cost {
    /// Calls of all markets.
    pub fn calls(&self) -> u64 {
        self.markets.iter().map(|market| market.calls).sum()
    }

    /// How long it takes: markets are asked side by side.
    pub fn takes(&self) -> Duration {
        self.markets.iter().map(MarketCost::takes).max().unwrap_or_default()
    }
}

impl History {
    /// Notes what will be asked for. Moments in the future or before 1970 have no price and are left out.
    pub fn note(&self, wanted: &mut Wanted, asked: &[(TokenIndex, Timestamp)]) {
        let key = |point: Point| u64::from(point.token.0) << 32 | u64::from(point.hour.0);
        wanted.0.extend(self.points(asked).into_iter().map(key));
    }

    /// What it costs to have all of `wanted`, from what is known and how the sources stand now.
    pub fn cost(&self, wanted: &Wanted) -> Cost {
        self.0.cost(wanted)
    }
}

/// What is to be asked of one source.
#[derive(Default)]
struct Asked {
    prices: u64,
    window_calls: u64,
    /// Of the token that is being looked at.
    own: BTreeSet<Point>,
    /// Of USDT, which other tokens need.
    usdt: BTreeSet<Point>,
}

impl Asked {
    fn close(&mut self, shape: Shape, points: BTreeSet<Point>) {
        self.prices += points.len() as u64;
        if let Shape::Window(_) = shape {
            let mut left = points;
            while !left.is_empty() {
                for point in next_call(shape, &left) {
                    left.remove(&point);
                }
                self.window_calls += 1;
            }
        }
    }
}

impl Engine {
    fn cost(&self, wanted: &Wanted) -> Cost {
        let mut cost = Cost { wanted: wanted.len(), ..Cost::default() };
        let mut asked: BTreeMap<usize, Asked> = BTreeMap::new();
        let mut token = None;
        for point in wanted.points() {
            if token.replace(point.token) != Some(point.token) {
                self.close(&mut asked);
            }
            match self.standing(point) {
                Route::Known(None) => cost.known += 1,
                Route::Known(Some(_)) | Route::Refused(_, Some(_)) => cost.waiting += 1,
                Route::Unlisted | Route::Refused(_, None) => cost.refused += 1,
                Route::Fetch(place, points) => {
                    let asked = asked.entry(place).or_default();
                    for fetched in points {
                        let foreign = fetched.token != point.token || Some(fetched.token) == self.usdt;
                        if foreign { &mut asked.usdt } else { &mut asked.own }.insert(fetched);
                    }
                }
            }
        }
        self.close(&mut asked);
        cost.markets = asked.into_iter().map(|(place, asked)| self.market_cost(place, asked)).collect();
        cost
    }

    fn close(&self, asked: &mut BTreeMap<usize, Asked>) {
        for (place, asked) in asked {
            let own = std::mem::take(&mut asked.own);
            asked.close(self.sources[*place].shape, own);
        }
    }

    fn market_cost(&self, place: usize, mut asked: Asked) -> MarketCost {
        let source = &self.sources[place];
        let usdt = std::mem::take(&mut asked.usdt);
        asked.close(source.shape, usdt);
        let state = self.lock();
        let calls = match source.shape {
            Shape::Batch(most) => asked.prices.div_ceil(most.min(state.batch_max(place)).max(1) as u64),
            Shape::Window(_) => asked.window_calls,
        };
        let (interval, left) = self.budget(&state, place);
        MarketCost { name: source.name, prices: asked.prices, calls, interval, left }
    }

    /// Time between two calls in the long run, and how many the month still allows.
    fn budget(&self, state: &State, place: usize) -> (Duration, Option<u32>) {
        let own = state.turns[place].interval();
        // Where the prices of now come from the same market, its month counts for both.
        match self.live.budget_beside(self.sources[place].name) {
            Some((interval, left)) => (own.max(interval), left),
            None => (own, state.turns[place].left_this_month(self.live.clock.now())),
        }
    }
}
