//! The markets as the rest of the program sees them: a book to read, and a loop to start.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::book::{Freshness, QuoteBook, Snapshot};
use super::clock::Clock;
use super::config::{MarketConfig, QuotesConfig};
use super::error::MarketError;
use super::history::History;
use super::http::Http;
use super::info::SourceInfo;
use super::ledger::{Account, Ledger, Moment};
use super::links::Links;
use super::pace::Pace;
use super::rates::Rates;
use super::refresh::{self, Books, Enabled, Listing, Shared};
use super::sources::{ALL, Configured, Coverage, Ids, SourceEntry};
use crate::catalog::{Catalog, TokenIndex};

/// How long a token that a caller asked for counts as wanted.
const WANTED_FOR: Duration = Duration::from_secs(10 * 60);
/// A token without a fresh price is put on the list of the awaited at most this often, however many callers
/// ask, so that requests do not queue for the list.
const NOTED_FOR: Duration = Duration::from_secs(5);

/// All enabled sources and the book they fill. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Markets {
    shared: Arc<Shared>,
    noted: moka::sync::Cache<TokenIndex, ()>,
    history: History,
    rates: Rates,
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
        let shared = Self::shared(catalog, sources, freshness, Links::load(state_dir), clock);
        let history = History::new(&shared, market, &http, state_dir)?;
        let coingecko = SourceEntry::find("coingecko")
            .filter(|entry| market.sources.iter().any(|name| name == entry.name));
        let connected = coingecko.map(|entry| entry.connect(market, &http)).transpose()?;
        let kept = Some((Arc::clone(&shared), history.clone()));
        let rates = Rates::new(connected.map(|connected| connected.endpoint), shared.clock.clone(), kept);
        Ok(Self { shared, noted: remembered(NOTED_FOR), history, rates })
    }

    /// No source at all: every token is unavailable, because none is enabled.
    pub fn disabled(catalog: Arc<Catalog>) -> Self {
        let freshness = Freshness::default();
        let shared = Self::shared(catalog, Vec::new(), freshness, Links::default(), Clock::system());
        let rates = Rates::new(None, shared.clock.clone(), None);
        Self { history: History::disabled(&shared), rates, shared, noted: remembered(NOTED_FOR) }
    }

    fn shared(
        catalog: Arc<Catalog>,
        sources: Vec<Enabled>,
        freshness: Freshness,
        links: Links,
        clock: Clock,
    ) -> Arc<Shared> {
        let ledger = Ledger::new(sources.iter().map(account).collect());
        let standings = catalog.indices().map(|token| ledger.standing(token)).collect();
        let shared = Shared {
            book: QuoteBook::new(freshness, standings),
            first_round_ended: watch::Sender::new(sources.is_empty()),
            catalog,
            clock,
            sources,
            books: Mutex::new(Books::new(ledger, links)),
            wanted: remembered(WANTED_FOR),
            rounds: watch::Sender::new(0),
        };
        Arc::new(shared)
    }

    /// Starts the refresh loop; call it once. It ends soon after `stop`, also while a market hangs.
    pub fn spawn(&self, stop: CancellationToken) -> JoinHandle<()> {
        let (shared, history, rates) = (Arc::clone(&self.shared), self.history.clone(), self.rates.clone());
        tokio::spawn(async move {
            let mut loops = JoinSet::new();
            history.spawn(&mut loops);
            loops.spawn(rates.run());
            for place in 0..shared.sources.len() {
                loops.spawn(refresh::run(Arc::clone(&shared), place));
            }
            tokio::select! {
                () = stop.cancelled() => loops.shutdown().await,
                () = async { while loops.join_next().await.is_some() {} } => {}
            }
        })
    }

    /// The newest book; read it once per article. Never waits.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.book.snapshot()
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
            if !self.shared.wanted.contains_key(token) {
                self.shared.wanted.insert(*token, ());
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

    /// Every enabled source, most preferred first.
    pub fn sources(&self) -> Vec<SourceInfo> {
        let books = self.shared.lock();
        let info = |(source, account): (&Enabled, &Account)| {
            let Configured { entry, plan, has_key, calls_per_minute, calls_per_month, .. } =
                source.configured;
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
            }
        };
        self.shared.sources.iter().zip(&books.ledger.accounts).map(info).collect()
    }

    /// The time by which ages are told.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn demand(&self, tokens: &[TokenIndex]) -> Moment {
        let moment = self.shared.lock().ledger.demand(tokens.iter().copied());
        self.shared.wake_all();
        moment
    }

    fn is_settled(&self, tokens: &[TokenIndex], since: Moment, deadline: Duration) -> bool {
        let (snapshot, now) = (self.snapshot(), self.now());
        let books = self.shared.lock();
        tokens.iter().all(|token| {
            snapshot.is_fresh(*token, now) || books.ledger.nothing_to_wait_for(*token, since, deadline)
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

/// Joins a source with the catalog's ids for it.
fn enable(catalog: &Catalog, configured: Configured) -> Enabled {
    let listing = |asset: &crate::catalog::AssetRecord| match configured.entry.ids {
        Ids::Own => Some(Listing { id: asset.id.clone(), per: 1, unverified: false }),
        Ids::Market(market) => asset.markets.get(market).map(|id| Listing {
            id: id.clone(),
            per: asset.per.get(market).copied().unwrap_or(1),
            unverified: asset.unverified.iter().any(|unverified| unverified == market),
        }),
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
    Account::new(entry.name, entry.ids == Ids::Own, pace, ids_max, listed)
}
