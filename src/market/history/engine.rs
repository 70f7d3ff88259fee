//! Fetches what is wanted of the past: decides which source to ask for which point, and calls it at its pace.
//!
//! The only writer of the store. A point goes to the first source that may have it; what one has not, or while
//! one fails, goes to the next. Never asked twice for what is known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use super::PastSource;
use super::link::Link;
use super::plan::{Shape, next_call, window};
use super::point::{Hour, Point};
use super::route::Route;
use super::rows::{Part, asked, rows};
use super::store::{Row, Store};
use super::turn::Turn;
use crate::catalog::TokenIndex;
use crate::market::error::SourceError;
use crate::market::pace::chance;
use crate::market::refresh::Shared;

/// Asks that come within this are gathered into one call.
const GATHER: Duration = Duration::from_millis(50);
/// A passing fault is tried again so often, at once.
const RETRIES: u32 = 2;
const RETRY_AFTER: Duration = Duration::from_millis(150);
/// More points than an archive asks for at a time; what is beyond it stays pending until there is room.
const WAITING_MAX: usize = 500_000;
/// The token that `in_usdt` sources quote in.
const USDT: &str = "tether";

pub(super) struct Engine {
    pub(super) live: Arc<Shared>,
    pub(super) sources: Vec<Source>,
    pub(super) within: Duration,
    /// Counts the calls that ended.
    pub(super) changes: watch::Sender<u64>,
    state_dir: Option<PathBuf>,
    store: OnceLock<Option<Arc<Store>>>,
    pub(super) usdt: Option<TokenIndex>,
    state: Mutex<State>,
}

/// A source in use.
pub(super) struct Source {
    pub(super) name: &'static str,
    /// Its id for each token of the catalog.
    pub(super) links: Vec<Option<Link>>,
    pub(super) shape: Shape,
    pub(super) client: Box<dyn PastSource>,
    /// How many hours back its plan reaches.
    pub(super) reach_hours: Option<u32>,
    /// Its prices have to be multiplied by that of USDT.
    pub(super) in_usdt: bool,
    pub(super) calls_per_minute: u32,
    /// `None`: no budget.
    pub(super) calls_per_month: Option<u32>,
    pub(super) wake: Notify,
}

pub(super) struct State {
    /// Points that somebody asked for and that more may come of.
    waiting: BTreeSet<(Hour, TokenIndex)>,
    /// For each source what it is to be asked for.
    queues: Vec<BTreeSet<Point>>,
    pub(super) turns: Vec<Turn>,
    batch_max: Vec<usize>,
}

impl State {
    /// Points of one call at most, as far as the source at `place` has told.
    pub(super) fn batch_max(&self, place: usize) -> usize {
        self.batch_max[place]
    }
}

impl Source {
    pub(super) fn reaches(&self, hour: Hour, now: Timestamp) -> bool {
        self.reach_hours.is_none_or(|hours| hour >= Self::earliest(hours, now))
    }

    fn earliest(hours: u32, now: Timestamp) -> Hour {
        let now = u32::try_from(now.as_second().div_euclid(3600)).unwrap_or(u32::MAX);
        // The hour that `now` is in has begun already.
        Hour(now.saturating_sub(hours).saturating_add(1))
    }
}

/// Asks one source for as long as the process lives.
pub(super) async fn run(engine: Arc<Engine>, place: usize) {
    loop {
        let wake = engine.sources[place].wake.notified();
        match engine.next(place) {
            Ok(points) => engine.call(place, points).await,
            Err(None) => {
                wake.await;
                tokio::time::sleep(GATHER).await;
            }
            Err(Some(tick)) => tokio::select! {
                () = engine.live.clock.sleep_until(tick) => {}
                () = wake => {}
            },
        }
    }
}

impl Engine {
    pub(super) fn new(
        live: &Arc<Shared>,
        sources: Vec<Source>,
        within: Duration,
        state_dir: Option<&Path>,
    ) -> Self {
        let turn = |source: &Source| {
            // Where the prices of now come from the same market, they get half, and its month counts for both.
            let shared = live.sources.iter().any(|live| live.configured.entry.name == source.name);
            match shared {
                true => Turn::new(source.calls_per_minute.div_ceil(2), None),
                false => Turn::new(source.calls_per_minute, source.calls_per_month),
            }
        };
        let state = State {
            waiting: BTreeSet::new(),
            queues: vec![BTreeSet::new(); sources.len()],
            turns: sources.iter().map(turn).collect(),
            batch_max: vec![usize::MAX; sources.len()],
        };
        Self {
            usdt: live.catalog.find(USDT),
            live: Arc::clone(live),
            sources,
            within,
            changes: watch::Sender::new(0),
            state_dir: state_dir.map(Path::to_owned),
            store: OnceLock::new(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn want(&self, points: &[Point]) {
        let mut state = self.lock();
        for point in points {
            self.place(&mut state, *point);
        }
    }

    pub(super) fn waits_for_any(&self, points: &[Point]) -> bool {
        let state = self.lock();
        points.iter().any(|point| state.waiting.contains(&(point.hour, point.token)))
    }

    /// When the first of the sources that some of these points failed of may be asked again.
    pub(super) fn passes_at(&self, points: &[Point]) -> Option<Duration> {
        let state = self.lock();
        let again = points.iter().filter_map(|point| match self.route(&state, *point) {
            Route::Known(rest) | Route::Refused(_, rest) => rest?.until,
            _ => None,
        });
        again.min()
    }

    pub(super) fn calls(&self) -> Vec<(&'static str, u64)> {
        let state = self.lock();
        self.sources.iter().zip(&state.turns).map(|(source, turn)| (source.name, turn.calls)).collect()
    }

    /// Opened at the first ask: most commands never look at the past.
    pub(super) fn store(&self) -> Option<&Store> {
        let open = || {
            let kept = self.state_dir.as_deref().map(Store::open).transpose().unwrap_or_else(|error| {
                tracing::warn!(%error, "past prices fetched now are forgotten at the end");
                None
            });
            let store = kept.map_or_else(Store::in_memory, Ok);
            store.inspect_err(|error| tracing::error!(%error, "no past prices")).ok()
        };
        self.store.get_or_init(open).as_deref()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a point where it has to wait, if it has to.
    fn place(&self, state: &mut State, point: Point) {
        let key = (point.hour, point.token);
        let room = state.waiting.len() < WAITING_MAX || state.waiting.contains(&key);
        match self.route(state, point) {
            Route::Fetch(place, points) if room => {
                state.waiting.insert(key);
                state.queues[place].extend(points);
                self.sources[place].wake.notify_one();
            }
            _ => {
                state.waiting.remove(&key);
            }
        }
    }

    /// The points of the next call, or when to look again; `None`: when woken.
    fn next(&self, place: usize) -> Result<Vec<Point>, Option<Duration>> {
        let (source, now) = (&self.sources[place], self.live.clock.tick());
        let mut state = self.lock();
        if state.queues[place].is_empty() {
            return Err(None);
        }
        let earliest = state.turns[place].earliest();
        if earliest > now {
            // Its month is used up, or the market wants to be left alone.
            if state.turns[place].unusable(now).is_some() {
                self.pass_on(state, place);
            }
            return Err(Some(earliest));
        }
        // The market counts its calls together.
        if let Err(earliest) = self.live.call_beside(source.name) {
            if self.live.rests(source.name).is_some() {
                self.pass_on(state, place);
            }
            return Err(Some(earliest));
        }
        let shape = match source.shape {
            Shape::Batch(most) => Shape::Batch(most.min(state.batch_max[place])),
            window => window,
        };
        let points = next_call(shape, &state.queues[place]);
        for point in &points {
            state.queues[place].remove(point);
        }
        state.turns[place].began(now, self.live.clock.now());
        Ok(points)
    }

    /// What waits for a source that rests may be another's to answer.
    fn pass_on(&self, mut state: MutexGuard<'_, State>, place: usize) {
        let points = std::mem::take(&mut state.queues[place]);
        self.place_again(&mut state, points.into_iter().collect());
        drop(state);
        self.changes.send_modify(|calls| *calls += 1);
    }

    async fn call(self: &Arc<Self>, place: usize, points: Vec<Point>) {
        let source = &self.sources[place];
        let span = self.span(source, &points);
        let ids = points.iter().filter_map(|point| Some((self.link(place, *point)?.id.as_str(), point.hour)));
        let asked = asked(source.shape, ids, span);
        let mut retries = 0;
        let result = loop {
            self.live.save_budgets().await;
            let result = source.client.fetch(&asked).await;
            if !matches!(result, Err(SourceError::Passing(_))) || retries == RETRIES {
                break result;
            }
            retries += 1;
            tokio::time::sleep((RETRY_AFTER * retries).mul_f64(0.5 + chance())).await;
            if self.live.call_beside(source.name).is_err() {
                break result;
            }
            self.lock().turns[place].began(self.live.clock.tick(), self.live.clock.now());
        };
        let result = result.map(|readings| {
            let mut wanted: BTreeMap<TokenIndex, Vec<Hour>> = BTreeMap::new();
            points.iter().for_each(|point| wanted.entry(point.token).or_default().push(point.hour));
            let part = |(token, hours): (&TokenIndex, &Vec<Hour>)| {
                let token_id = &self.live.catalog.asset(*token).id;
                let link = source.links[token.at()].as_ref()?;
                let part = Part {
                    source: source.name,
                    shape: source.shape,
                    token: token_id,
                    link,
                    wanted: hours,
                    span,
                };
                Some(rows(&part, &readings, self.within, self.live.clock.now()))
            };
            wanted.iter().filter_map(part).flatten().collect::<Vec<Row>>()
        });
        let result = match result {
            Ok(rows) => self.write(rows).await,
            Err(error) => Err(error),
        };
        self.settle(place, points, result);
        self.changes.send_modify(|calls| *calls += 1);
    }

    /// First and last hour that a call for `points` covers.
    fn span(&self, source: &Source, points: &[Point]) -> (Hour, Hour) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return (Hour(0), Hour(0)) };
        let Shape::Window(hours) = source.shape else { return (first.hour, last.hour) };
        let now = self.live.clock.now();
        let (start, end) = window(hours, first.hour);
        let earliest = source.reach_hours.map_or(Hour(0), |hours| Source::earliest(hours, now));
        let begun = Hour::nearest(now, now).unwrap_or(end);
        (start.max(earliest).min(first.hour), end.min(begun).max(last.hour))
    }

    /// Keeps rows for good; waits for the disk on another thread.
    pub(super) async fn write(self: &Arc<Self>, rows: Vec<Row>) -> Result<(), SourceError> {
        let engine = Arc::clone(self);
        let put = move || engine.store().map_or(Ok(0), |store| store.put(&rows));
        match tokio::task::spawn_blocking(put).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(%error, "past prices cannot be kept");
                Err(SourceError::malformed("its prices cannot be kept"))
            }
            // The runtime ends.
            Err(_) => Ok(()),
        }
    }

    /// Notes how a call ended and finds out what the points still need.
    fn settle(&self, place: usize, mut points: Vec<Point>, result: Result<(), SourceError>) {
        let mut state = self.lock();
        match result {
            Ok(()) => state.turns[place].succeeded(),
            Err(SourceError::TooLong) if points.len() > 1 => state.batch_max[place] = points.len() / 2,
            Err(error) => {
                let market = self.sources[place].name;
                tracing::warn!(market, %error, "market `{market}` gave no past prices");
                let now = (self.live.clock.tick(), self.live.clock.now());
                state.turns[place].failed(now, &error, chance());
                // What waits for it may be another's to answer.
                points.extend(std::mem::take(&mut state.queues[place]));
            }
        }
        self.place_again(&mut state, points);
    }

    /// Finds out what everything that waits for these points still needs.
    fn place_again(&self, state: &mut State, points: Vec<Point>) {
        let mut waiting = BTreeSet::new();
        for point in points {
            for hour in [point.hour, Hour(point.hour.0.saturating_add(24))] {
                if Some(point.token) == self.usdt {
                    let all = (hour, TokenIndex(0))..=(hour, TokenIndex(u32::MAX));
                    waiting.extend(state.waiting.range(all).copied());
                } else if state.waiting.contains(&(hour, point.token)) {
                    waiting.insert((hour, point.token));
                }
            }
        }
        for (hour, token) in waiting {
            self.place(state, Point { token, hour });
        }
    }
}
