//! How a point stands: known, to be asked of whom, or refused and why. Never calls, never writes.

use std::time::Duration;

use jiff::Timestamp;

use super::engine::{Engine, State};
use super::link::Link;
use super::point::{Hour, Past, Point};
use super::store::Found;

/// A record may still come for an hour this young.
const YOUNG: Duration = Duration::from_secs(48 * 3600);
const YOUNG_MISSING_FOR: Duration = Duration::from_secs(15 * 60);
const MISSING_FOR: Duration = Duration::from_secs(90 * 24 * 3600);

/// How a point stands.
pub(super) enum Route {
    /// The source at this place has its price, and nothing more is to come.
    Known,
    /// Ask this source for these.
    Fetch(usize, Vec<Point>),
    /// No source has an id for it.
    Unlisted,
    /// No source has it, for these reasons; with the tick at which one may be asked again.
    Refused(String, Option<Duration>),
}

impl Engine {
    /// How `point` stands now.
    pub(super) fn standing(&self, point: Point) -> Route {
        self.route(&self.lock(), point)
    }

    /// The price of `point` in US dollars as the source at `place` recorded it.
    pub(super) fn in_usd(&self, place: usize, point: Point) -> Option<Past> {
        let Found::Known(past) = self.found(place, point) else { return None };
        if !self.sources[place].in_usdt {
            return Some(past);
        }
        let usdt = Point { token: self.usdt?, hour: point.hour };
        let sources = (0..self.sources.len()).filter(|place| !self.sources[*place].in_usdt);
        let usdt = sources.filter_map(|place| self.in_usd(place, usdt)).next()?;
        Some(Past { price: past.price.checked_mul(usdt.price)?, as_of: past.as_of })
    }

    fn found(&self, place: usize, point: Point) -> Found {
        let Some(store) = self.store() else { return Found::Unknown };
        let found = store.get(&self.live.catalog.asset(point.token).id, point.hour, self.sources[place].name);
        match found.unwrap_or(Found::Unknown) {
            Found::Missing(tried) if !missing_holds(point.hour, tried, self.live.clock.now()) => {
                Found::Unknown
            }
            found => found,
        }
    }

    pub(super) fn link(&self, place: usize, point: Point) -> Option<&Link> {
        let link = self.sources[place].links.get(point.token.at())?.as_ref()?;
        link.since.is_none_or(|since| point.hour.start() >= since).then_some(link)
    }

    pub(super) fn route(&self, state: &State, point: Point) -> Route {
        let (now, tick) = (self.live.clock.now(), self.live.clock.tick());
        let day_before = Point { hour: point.hour.day_before(), ..point };
        let missing = |place: usize, point: Point| {
            self.link(place, point).is_some()
                && self.sources[place].reaches(point.hour, now)
                && self.found(place, point) == Found::Unknown
        };
        for place in 0..self.sources.len() {
            if self.in_usd(place, point).is_some() {
                let fetch = missing(place, day_before) && self.rests(state, place, tick).is_none();
                return if fetch { Route::Fetch(place, vec![day_before]) } else { Route::Known };
            }
        }
        let (mut reasons, mut again, mut listed) = (Vec::new(), None::<Duration>, false);
        for (place, source) in self.sources.iter().enumerate() {
            if self.link(place, point).is_none() {
                continue;
            }
            listed = true;
            let name = source.name;
            if !source.reaches(point.hour, now) {
                reasons.push(format!("{name}: reaches back 365 days without a paid plan"));
                continue;
            }
            match (self.found(place, point), self.rests(state, place, tick)) {
                // Its price is in USDT, and that one's is not known.
                (Found::Known(_), _) => match self.usdt.map(|usdt| Point { token: usdt, hour: point.hour }) {
                    Some(usdt) if usdt.token != point.token => match self.route(state, usdt) {
                        fetch @ Route::Fetch(..) => return fetch,
                        _ => reasons
                            .push(format!("{name}: quotes in USDT, whose price of that hour is not known")),
                    },
                    _ => reasons.push(format!("{name}: quotes in USDT, which the catalog lacks")),
                },
                (Found::Missing(_), _) => {
                    reasons.push(format!("{name}: no record within {:#}", human(self.within)))
                }
                (Found::Unknown, Some((fault, until))) => {
                    reasons.push(format!("{name}: {fault}"));
                    again = match (again, until) {
                        (Some(again), Some(until)) => Some(again.min(until)),
                        (again, until) => again.or(until),
                    };
                }
                (Found::Unknown, None) => {
                    let before = missing(place, day_before).then_some(day_before);
                    return Route::Fetch(place, std::iter::once(point).chain(before).collect());
                }
            }
        }
        if listed { Route::Refused(reasons.join("; "), again) } else { Route::Unlisted }
    }

    /// Why a source cannot be asked now, and until when; `None` as a time: nobody should wait for that.
    pub(super) fn rests(
        &self,
        state: &State,
        place: usize,
        tick: Duration,
    ) -> Option<(String, Option<Duration>)> {
        let turn = &state.turns[place];
        if let Some(fault) = turn.unusable(tick) {
            let may_pass = !turn.disabled && !turn.is_tripped();
            return Some((fault.to_owned(), may_pass.then(|| turn.earliest())));
        }
        self.live.rests(self.sources[place].name)
    }
}

/// Whether it is not worth asking again for what was asked for in vain.
fn missing_holds(hour: Hour, tried: Timestamp, now: Timestamp) -> bool {
    let young = Duration::try_from(tried.duration_since(hour.start())).is_ok_and(|age| age < YOUNG);
    let holds_for = if young { YOUNG_MISSING_FOR } else { MISSING_FOR };
    Duration::try_from(now.duration_since(tried)).unwrap_or_default() < holds_for
}

pub(super) fn human(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}
