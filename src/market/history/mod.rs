//! What tokens were worth: prices of past hours, each fetched once ever and kept in the state directory.
//!
//! Asking never waits; a background loop per source fetches what is wanted, at the source's pace, in as few
//! calls as its route allows. Never gives today's price for a past one: what no record supports is refused.

mod answer;
mod binance;
mod coingecko;
mod cost;
mod defillama;
mod engine;
mod link;
mod plan;
mod point;
mod rates;
mod route;
mod rows;
mod store;
mod transfer;
mod turn;

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub use cost::{Cost, MarketCost, Wanted};
pub use store::StoreError;
pub use transfer::{TransferError, Transferred, export, import};

use self::engine::{Engine, Source};
use self::plan::Shape;
use self::point::{Hour, Point};
use super::config::MarketConfig;
use super::error::{MarketError, SourceError};
use super::http::Http;
use super::refresh::Shared;
use super::sources::SourceEntry;
use super::sources::connect::Connected;
use crate::catalog::TokenIndex;

/// So often an archive waits for sources that may come back; for one that failed three times in a row not at all.
const PATIENCE: u32 = 8;
/// It does not wait for one that comes back later than this: what that one has stays pending.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// So many points are asked for together: calls are full, and the list of what is waited for stays short.
const TOGETHER: usize = 20_000;

/// A source that records the past.
pub(super) trait PastSource: Send + Sync {
    /// One call, as its [`Shape`] allows: any points, or all hours from the first to the last one asked, of one
    /// token. What the market has not is absent, which is not an error.
    fn fetch<'a>(&'a self, asked: &'a [Asked<'a>]) -> Asking<'a>;
}

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Vec<Reading>, SourceError>> + Send + 'a>>;

/// One point as a source is asked for it.
pub(super) struct Asked<'a> {
    id: &'a str,
    hour: Hour,
}

/// One record as read from an answer.
#[derive(Debug, PartialEq)]
pub(super) struct Reading {
    id: String,
    price: Decimal,
    as_of: Timestamp,
}

const UNREADABLE: SourceError = SourceError::malformed("unreadable answer");

/// The sources of the past in their order of bargain.
const KNOWN: [&str; 3] = ["defillama", "binance", "coingecko"];

/// Prices of the past. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct History(Arc<Engine>);

impl History {
    pub(super) fn new(
        live: &Arc<Shared>,
        config: &MarketConfig,
        http: &Http,
        state_dir: Option<&Path>,
    ) -> Result<Self, MarketError> {
        let mut sources = Vec::new();
        for (place, name) in config.history.sources.iter().enumerate() {
            if config.history.sources[..place].contains(name) {
                return Err(MarketError::option("history", "sources", format!("`{name}` stands twice")));
            }
            sources.push(source(name, live, config, http)?);
        }
        Ok(Self(Arc::new(Engine::new(live, sources, config.history.within, state_dir))))
    }

    pub(super) fn disabled(live: &Arc<Shared>) -> Self {
        Self(Arc::new(Engine::new(live, Vec::new(), Duration::ZERO, None)))
    }

    pub(super) fn spawn(&self, loops: &mut JoinSet<()>) {
        for place in 0..self.0.sources.len() {
            loops.spawn(engine::run(Arc::clone(&self.0), place));
        }
    }

    /// Says that callers ask for these tokens at these moments; what is not known is fetched in the background.
    /// Never waits.
    pub fn want(&self, asked: &[(TokenIndex, Timestamp)]) {
        self.0.want(&self.points(asked));
    }

    /// As [`Self::want`]; returns when nothing more can come, or after `at_most`.
    pub async fn wait_for(&self, asked: &[(TokenIndex, Timestamp)], at_most: Duration) {
        let points = self.points(asked);
        let mut changes = self.0.changes.subscribe();
        self.0.want(&points);
        // The engine keeps the sender.
        let settled = changes.wait_for(|_| !self.0.waits_for_any(&points));
        let _over = tokio::time::timeout(at_most, settled).await;
    }

    /// As [`Self::wait_for`] without an end, and through failures that may pass: for archives.
    pub async fn settle(&self, asked: &[(TokenIndex, Timestamp)]) {
        self.settle_points(&self.points(asked)).await;
    }

    /// As [`Self::settle`] for all of `wanted`, in its order.
    pub async fn settle_all(&self, wanted: &Wanted) {
        let mut points = wanted.points().peekable();
        while points.peek().is_some() {
            let together: Vec<Point> = points.by_ref().take(TOGETHER).collect();
            self.settle_points(&together).await;
        }
    }

    async fn settle_points(&self, points: &[Point]) {
        for attempt in 1..=PATIENCE {
            let mut changes = self.0.changes.subscribe();
            self.0.want(points);
            // The engine keeps the sender.
            let _ = changes.wait_for(|_| !self.0.waits_for_any(points)).await;
            let clock = &self.0.live.clock;
            let soon = self.0.passes_at(points).filter(|tick| *tick <= clock.tick() + LONGEST_WAIT);
            match soon {
                Some(tick) if attempt < PATIENCE => clock.sleep_until(tick).await,
                _ => return,
            }
        }
    }

    /// Calls made since the start, by source.
    pub fn calls(&self) -> Vec<(&'static str, u64)> {
        self.0.calls()
    }

    fn points(&self, asked: &[(TokenIndex, Timestamp)]) -> Vec<Point> {
        let now = self.0.live.clock.now();
        let point = |(token, at): &(TokenIndex, Timestamp)| {
            Some(Point { token: *token, hour: Hour::nearest(*at, now)? })
        };
        asked.iter().filter_map(point).collect()
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.sources.iter().map(|source| source.name).collect();
        f.debug_struct("History").field("sources", &names).finish_non_exhaustive()
    }
}

/// One row for each source of the past: whom to call, by which ids, how far back.
fn source(name: &str, live: &Arc<Shared>, config: &MarketConfig, http: &Http) -> Result<Source, MarketError> {
    let known = KNOWN.iter().find(|known| **known == name);
    let Some(entry) = known.and_then(|known| SourceEntry::find(known)) else { return Err(unknown(name)) };
    let (catalog, Connected { endpoint, plan, calls_per_minute, calls_per_month }) =
        (&live.catalog, entry.connect(config, http)?);
    let within_s = config.history.within.as_secs();
    let (links, shape, client): (_, _, Box<dyn PastSource>) = match entry.name {
        "defillama" => (
            link::of_market(catalog, "coingecko"),
            Shape::Batch(defillama::POINTS_MAX),
            Box::new(defillama::DefiLlama { endpoint, within_s }),
        ),
        "binance" => (
            link::of_binance(catalog),
            Shape::Window(binance::WINDOW_HOURS),
            Box::new(binance::Binance { endpoint }),
        ),
        _ => (
            link::of_market(catalog, "coingecko"),
            Shape::Window(coingecko::WINDOW_HOURS),
            Box::new(coingecko::CoinGecko { endpoint }),
        ),
    };
    Ok(Source {
        name: entry.name,
        links,
        shape,
        client,
        reach_hours: (entry.name == "coingecko" && plan != "pro").then_some(coingecko::FREE_REACH_HOURS),
        in_usdt: entry.name == "binance",
        calls_per_minute,
        calls_per_month,
        wake: Notify::new(),
    })
}

fn unknown(name: &str) -> MarketError {
    MarketError::option(
        "history",
        "sources",
        format!("unknown source `{name}`; known are {}", KNOWN.join(", ")),
    )
}
