//! The markets as the rest of the program sees them: a book to read, and a loop to start.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::book::{Freshness, QuoteBook, Snapshot};
use super::clock::Clock;
use super::config::{MarketConfig, QuotesConfig};
use super::error::MarketError;
use super::heartbeat::Heartbeat;
use super::history::History;
use super::http::Http;
use super::info::{SourceInfo, SourceState};
use super::jumps::Jumps;
use super::ledger::{Account, Ledger, Moment};
use super::links::Links;
use super::pace::Pace;
use super::planner::{Lane, Listed, Planner};
use super::rates::Rates;
use super::refresh::{self, Books, Enabled, Listing, Shared};
use super::sources::{ALL, Configured, Coverage, Ids, SourceEntry};
use super::state_dir::StateDir;
use super::stream::Stream;
use crate::catalog::{AssetRecord, Catalog, TokenIndex};

/// A token without a fresh price is put on the list of the awaited at most this often, however many callers
/// ask, so that requests do not queue for the list.
const NOTED_FOR: Duration = Duration::from_secs(5);

/// All enabled sources and the book they fill. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Markets {
    shared: Arc<Shared>,
    noted: moka::sync::Cache<TokenIndex, ()>,
    state_dir: Option<Arc<Path>>,
    history: History,
    rates: Rates,
    stream: Option<Arc<Stream>>,
}

impl Markets {
    /// Checks the configuration and makes the sources ready. Does not touch the network; reads key files, the
    /// `file` source and what `state_dir` remembers.
    ///
    /// # Errors
    /// Names the option to change.
    pub fn new(
        catalog: Arc<Catalog>,
        market: &MarketConfig,
        quotes: &QuotesConfig,
        state_dir: Option<&Path>,
        clock: Clock,
    ) -> Result<Self, MarketError> {
        if quotes.expire_after < quotes.fresh_for {
            return Err(MarketError::Freshness);
        }
        if market.file.path.is_some() && !market.sources.iter().any(|name| name == "file") {
            let problem = "is set, but market.sources does not name `file`; add it or remove the path";
            return Err(MarketError::option("file", "path", problem));
        }
        if !(quotes.jump_pct > 0.0 && quotes.jump_pct.is_finite()) {
            return Err(MarketError::Jump);
        }
        let http = Http::new()?;
        let mut sources = Vec::new();
        for (place, name) in market.sources.iter().enumerate() {
            if market.sources[..place].contains(name) {
                return Err(MarketError::TwiceNamed(name.clone()));
            }
            let entry = SourceEntry::find(name).ok_or_else(|| MarketError::UnknownSource {
                name: name.clone(),
                known: ALL.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
            })?;
            sources.push(enable(&catalog, entry.configure(&catalog, market, &http)?));
        }
        let freshness = Freshness { fresh_for: quotes.fresh_for, expire_after: quotes.expire_after };
        let jumps = Jumps::new(sources.len(), quotes.jump_pct, freshness.fresh_for);
        let links = Links::load(state_dir);
        let shared = Self::share(catalog, sources, (freshness, jumps), links, clock);
        let history = History::new(&shared, market, &http, state_dir)?;
        let rates = Rates::new(&shared, market, &http, &history)?;
        let stream = Stream::new(&market.stream, &shared.catalog, quotes.jump_pct)?.map(Arc::new);
        let state_dir = state_dir.map(Arc::from);
        Ok(Self { stream, shared, noted: remembered(NOTED_FOR), state_dir, history, rates })
    }

    /// No source at all: every token is unavailable, because none is enabled.
    pub fn disabled(catalog: Arc<Catalog>) -> Self {
        let quotes = QuotesConfig::default();
        let jumps = Jumps::new(0, quotes.jump_pct, quotes.fresh_for);
        let parts = (Freshness::default(), jumps);
        let shared = Self::share(catalog, Vec::new(), parts, Links::default(), Clock::system());
        let rates = Rates::disabled(shared.clock.clone());
        Self {
            history: History::disabled(&shared),
            rates,
            shared,
            noted: remembered(NOTED_FOR),
            state_dir: None,
            stream: None,
        }
    }

    fn share(
        catalog: Arc<Catalog>,
        sources: Vec<Enabled>,
        (freshness, jumps): (Freshness, Jumps),
        links: Links,
        clock: Clock,
    ) -> Arc<Shared> {
        let ledger = Ledger::new(sources.iter().map(account).collect());
        let standings = catalog.indices().map(|token| ledger.standing(token)).collect();
        let ranks = catalog.assets().iter().map(|asset| asset.rank).collect();
        let planner = Planner::new(ledger, sources.iter().map(lane).collect(), ranks);
        let shared = Shared {
            book: QuoteBook::new(freshness, standings),
            first_round_ended: watch::Sender::new(sources.is_empty()),
            asks: catalog.indices().map(|_| AtomicU32::new(0)).collect(),
            state: OnceLock::new(),
            catalog,
            heartbeat: Heartbeat::new(sources.len() + 1),
            clock,
            sources,
            books: Mutex::new(Books { planner, links, jumps, unproved: HashMap::new() }),
            rounds: watch::Sender::new(0),
        };
        Arc::new(shared)
    }

    /// Takes the state directory, goes on from what it holds, and starts the refresh loops; call it once. They
    /// end soon after `stop`, also while a market hangs; the last thing is to keep what was learned.
    pub fn spawn(&self, stop: CancellationToken) -> JoinHandle<()> {
        let (shared, history, rates) = (Arc::clone(&self.shared), self.history.clone(), self.rates.clone());
        let stream = self.stream.clone();
        self.recall();
        self.rates.reserve();
        tokio::spawn(async move {
            let mut loops = JoinSet::new();
            history.spawn(&mut loops);
            loops.spawn(rates.run());
            if let Some(stream) = stream {
                loops.spawn(stream.run(Arc::clone(&shared)));
            }
            for place in 0..shared.sources.len() {
                loops.spawn(refresh::run(Arc::clone(&shared), place));
            }
            loops.spawn(refresh::keep(Arc::clone(&shared)));
            tokio::select! {
                () = stop.cancelled() => loops.shutdown().await,
                () = async { while loops.join_next().await.is_some() {} } => {}
            }
            shared.save_all().await;
        })
    }

    /// Takes the state directory and goes on from what it holds, without asking anybody.
    pub fn recall(&self) {
        if let Some(path) = &self.state_dir
            && self.shared.state.set(StateDir::open(path)).is_ok()
        {
            self.restore();
        }
    }

    /// The newest book; read it once per article. Never waits.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.book.snapshot()
    }

    /// Whether the refresh loops still move, whatever the markets answer. Never waits.
    pub fn is_moving(&self) -> bool {
        self.shared.heartbeat.is_moving(self.shared.clock.tick())
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether every source was tried, well or badly.
    pub fn first_round_ended(&self) -> bool {
        *self.shared.first_round_ended.borrow()
    }

    /// Returns when every source was tried, well or badly.
    pub async fn first_round(&self) {
        // Cannot fail: this value keeps the sender.
        let _ = self.shared.first_round_ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Says that callers ask for these tokens: they move up, and those without a fresh price are asked for
    /// as soon as a source allows. Never waits.
    pub fn want(&self, tokens: &[TokenIndex]) {
        let (snapshot, now) = (self.snapshot(), self.now());
        let mut cold = Vec::new();
        for token in tokens {
            if let Some(asks) = self.shared.asks.get(token.at()) {
                asks.fetch_add(1, Ordering::Relaxed);
            }
            if !snapshot.is_fresh(*token, now) && !self.noted.contains_key(token) {
                self.noted.insert(*token, ());
                cold.push(*token);
            }
        }
        if !cold.is_empty() {
            self.demand(&cold);
        }
    }

    /// Returns when each token has a fresh quote or was tried since, when nothing can come before then, or
    /// after `at_most`. Many waiters for one token cause one call.
    pub async fn wait_for(&self, tokens: &[TokenIndex], at_most: Duration) {
        let mut rounds = self.shared.rounds.subscribe();
        self.want(tokens);
        let (snapshot, now) = (self.snapshot(), self.now());
        let cold: Vec<_> = tokens.iter().copied().filter(|token| !snapshot.is_fresh(*token, now)).collect();
        if cold.is_empty() {
            return;
        }
        let since = self.demand(&cold);
        let deadline = self.shared.clock.tick() + at_most;
        let settled = async {
            loop {
                rounds.borrow_and_update();
                if self.is_settled(&cold, since, deadline) || rounds.changed().await.is_err() {
                    return;
                }
            }
        };
        let _over = tokio::time::timeout(at_most, settled).await;
    }

    /// Changes whenever a call to a source has ended and the book was written.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.rounds.subscribe()
    }

    /// Prices of the past.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Rates of other currencies than USD.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Every enabled source, most preferred first; then the stream, if there is one.
    pub fn sources(&self) -> Vec<SourceInfo> {
        let (tick, time) = (self.shared.clock.tick(), self.now());
        let books = self.shared.lock();
        let accounts = self.shared.sources.iter().zip(&books.planner.ledger.accounts);
        let asked = accounts.map(|(source, account)| info(source, account, tick, time));
        asked.chain(self.stream.iter().map(|stream| stream.info())).collect()
    }

    /// The time by which ages are told.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn restore(&self) {
        let shared = &*self.shared;
        let Some(dir) = shared.state.get() else { return };
        let (tick, time) = (shared.clock.tick(), self.now());
        let budgets = dir.budgets();
        for (source, account) in shared.sources.iter().zip(&mut shared.lock().planner.ledger.accounts) {
            let Configured { entry, plan, .. } = &source.configured;
            if let Some(kept) = budgets.get(entry.name) {
                account.pace.restore(kept, plan.name, tick, time);
            }
        }
        let place = |name: &str| {
            let place = shared.sources.iter().position(|source| source.configured.entry.name == name);
            // Whoever is enabled now is preferred to one that no longer is.
            place.unwrap_or(shared.sources.len())
        };
        shared.book.publish(|snapshot| {
            for quote in dir.quotes().iter().filter_map(|saved| saved.quote(&shared.catalog, time)) {
                let place = place(quote.source);
                snapshot.offer(quote, place, time);
            }
        });
    }

    fn demand(&self, tokens: &[TokenIndex]) -> Moment {
        let moment = self.shared.lock().planner.ledger.demand(tokens.iter().copied());
        self.shared.wake_all();
        moment
    }

    fn is_settled(&self, tokens: &[TokenIndex], since: Moment, deadline: Duration) -> bool {
        let (snapshot, now) = (self.snapshot(), self.now());
        let books = self.shared.lock();
        tokens.iter().all(|token| {
            snapshot.is_fresh(*token, now)
                || books.planner.ledger.nothing_to_wait_for(*token, since, deadline)
        })
    }
}

impl fmt::Debug for Markets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.shared.sources.iter().map(|source| source.configured.entry.name).collect();
        f.debug_struct("Markets").field("sources", &names).finish_non_exhaustive()
    }
}

fn remembered(time: Duration) -> moka::sync::Cache<TokenIndex, ()> {
    moka::sync::Cache::builder().max_capacity(100_000).time_to_live(time).build()
}

fn info(source: &Enabled, account: &Account, tick: Duration, time: Timestamp) -> SourceInfo {
    let Configured { entry, plan, has_key, calls_per_minute, calls_per_month, .. } = source.configured;
    let calls_this_month = account.pace.calls_this_month(time);
    let wait = account.pace.regular_at().saturating_sub(tick);
    let disabled = account.state == SourceState::Disabled;
    SourceInfo {
        name: entry.name,
        title: entry.title,
        credit: entry.credit,
        link: entry.link,
        terms: entry.terms,
        plan: plan.name,
        has_key,
        state: account.state,
        reason: account.fault.as_deref().map(str::to_owned),
        last_success: account.last_success,
        last_failure: account.last_failure,
        calls_total: account.calls_total,
        calls_per_minute,
        calls_per_month,
        calls_this_minute: u32::try_from(account.pace.calls_this_minute(tick)).unwrap_or(u32::MAX),
        calls_this_month,
        calls_left_this_month: calls_per_month.map(|most| most.saturating_sub(calls_this_month)),
        every_s: account.pace.every().as_secs_f64(),
        next_call: if disabled || account.lists_nothing() { None } else { time.checked_add(wait).ok() },
    }
}

/// Joins a source with the catalog's ids for it.
fn enable(catalog: &Catalog, configured: Configured) -> Enabled {
    let at = |asset: &AssetRecord, market: &str, like: bool| {
        let per = asset.per.get(market).copied().unwrap_or(1);
        let unverified = like || asset.unverified.iter().any(|unverified| unverified == market);
        let id = asset.markets.get(market).filter(|_| !like || per == 1)?;
        Some(Listing { id: id.clone(), per, unverified })
    };
    let listing = |asset: &AssetRecord| match configured.entry.ids {
        Ids::Own => Some(Listing { id: asset.id.clone(), per: 1, unverified: false }),
        Ids::Market(market) => at(asset, market, false),
        Ids::MarketOrBinance(market) => at(asset, market, false).or_else(|| at(asset, "binance", true)),
    };
    let ids: Vec<_> = catalog.assets().iter().map(listing).collect();
    let by_id = catalog.indices().zip(&ids);
    let by_id = by_id.filter_map(|(token, listing)| Some((listing.as_ref()?.id.clone(), token))).collect();
    Enabled { configured, ids, by_id, wake: Notify::new() }
}

fn account(source: &Enabled) -> Account {
    let Configured { entry, plan, calls_per_minute, calls_per_month, .. } = source.configured;
    let ids_max = match entry.coverage {
        Coverage::Everything => usize::MAX,
        Coverage::Chosen { ids_max, .. } => ids_max,
    };
    let pace = Pace::new(plan.every, calls_per_minute, calls_per_month, plan.back_off_max);
    let listed = source.ids.iter().map(Option::is_some);
    Account::new(entry.name, (entry.ids == Ids::Own, entry.cross_check), pace, ids_max, listed)
}

fn lane(source: &Enabled) -> Lane {
    let listed = |listing: &Listing| Listed { chars: listing.id.len(), unverified: listing.unverified };
    Lane {
        coverage: source.configured.entry.coverage,
        listed: source.ids.iter().map(|listing| listing.as_ref().map(listed)).collect(),
    }
}
