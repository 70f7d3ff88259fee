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
    /// Its price is known. What that of the day before waits for, if it does.
    Known(Option<Rest>),
    /// Ask this source for these.
    Fetch(usize, Vec<Point>),
    /// No source has an id for it.
    Unlisted,
    /// No source has it, for these reasons; with what rests of those that may have it.
    Refused(String, Option<Rest>),
}

/// Why what may be had cannot be had now.
pub(super) struct Rest {
    pub(super) fault: String,
    /// The tick at which it may be asked for again; `None`: nobody should wait for that.
    pub(super) until: Option<Duration>,
}

/// What becomes of the price of the day before one that is known.
pub(super) enum Before {
    /// It is known, or there is none.
    Settled,
    /// Ask this source for these.
    Fetch(usize, Vec<Point>),
    /// It waits.
    Rests(Rest),
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
        for place in 0..self.sources.len() {
            if self.in_usd(place, point).is_some() {
                return match self.before(state, place, point) {
                    Before::Settled => Route::Known(None),
                    Before::Fetch(place, points) => Route::Fetch(place, points),
                    Before::Rests(rest) => Route::Known(Some(rest)),
                };
            }
        }
        let (mut reasons, mut rest, mut listed) = (Vec::new(), None::<Rest>, false);
        let mut rests = |fault: String, until: Option<Duration>| {
            let before = rest.take().and_then(|rest| rest.until);
            let until = before.into_iter().chain(until).min();
            rest = Some(Rest { fault, until });
        };
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
                        route => {
                            if let Route::Refused(_, Some(usdt)) = route {
                                rests(usdt.fault, usdt.until);
                            }
                            reasons.push(format!(
                                "{name}: quotes in USDT, whose price of that hour is not known"
                            ));
                        }
                    },
                    _ => reasons.push(format!("{name}: quotes in USDT, which the catalog lacks")),
                },
                (Found::Missing(_), _) => {
                    reasons.push(format!("{name}: no record within {:#}", human(self.within)))
                }
                (Found::Unknown, Some((fault, until))) => {
                    reasons.push(format!("{name}: {fault}"));
                    rests(fault, until);
                }
                (Found::Unknown, None) => {
                    let before = day_before(point);
                    let before = self.is_unasked(place, before).then_some(before);
                    return Route::Fetch(place, std::iter::once(point).chain(before).collect());
                }
            }
        }
        if listed { Route::Refused(reasons.join("; "), rest) } else { Route::Unlisted }
    }

    /// What becomes of the day before `point`, whose price the source at `place` has.
    pub(super) fn before(&self, state: &State, place: usize, point: Point) -> Before {
        let before = day_before(point);
        if self.is_unasked(place, before) {
            return match self.rests(state, place, self.live.clock.tick()) {
                None => Before::Fetch(place, vec![before]),
                Some((fault, until)) => {
                    let fault = format!("{}: {fault}", self.sources[place].name);
                    Before::Rests(Rest { fault, until })
                }
            };
        }
        // Its price is in USDT, whose price of that hour may still come.
        let known = matches!(self.found(place, before), Found::Known(_));
        let usdt = self.usdt.filter(|_| self.sources[place].in_usdt && known);
        let Some(usdt) = usdt.filter(|_| self.in_usd(place, before).is_none()) else {
            return Before::Settled;
        };
        match self.route(state, Point { token: usdt, hour: before.hour }) {
            Route::Fetch(place, points) => Before::Fetch(place, points),
            Route::Refused(_, Some(rest)) => Before::Rests(rest),
            _ => Before::Settled,
        }
    }

    /// Whether the source at `place` may have it and was never asked for it.
    fn is_unasked(&self, place: usize, point: Point) -> bool {
        self.link(place, point).is_some()
            && self.sources[place].reaches(point.hour, self.live.clock.now())
            && self.found(place, point) == Found::Unknown
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

fn day_before(point: Point) -> Point {
    Point { hour: point.hour.day_before(), ..point }
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
