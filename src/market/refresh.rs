//! The refresh loops: one per source, at the source's own pace, and one that keeps what was learned.
//!
//! They and [`super::settle`] alone write the book. A slow or failing source delays nobody but itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::book::QuoteBook;
use super::clock::Clock;
use super::error::SourceError;
use super::heartbeat::Heartbeat;
use super::jumps::Jumps;
use super::links::Links;
use super::pace::chance;
use super::planner::{Planner, Turn};
use super::quote::Quote;
use super::saved::SavedQuote;
use super::sources::{Configured, Coverage, Haste, Priced};
use super::state_dir::{Budgets, StateDir};
use crate::catalog::{Catalog, TokenIndex};

/// Asks that come within this are gathered into one call.
const GATHER: Duration = Duration::from_millis(50);

/// A passing fault is tried again so often, at once; other faults never.
const RETRIES: u32 = 2;
const RETRY_AFTER: Duration = Duration::from_millis(150);

/// How often the newest quotes are kept.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// What the loops and the [`super::Markets`] share.
pub(super) struct Shared {
    pub(super) catalog: Arc<Catalog>,
    pub(super) clock: Clock,
    pub(super) book: QuoteBook,
    pub(super) sources: Vec<Enabled>,
    pub(super) books: Mutex<Books>,
    /// How often callers asked for each token since the planner last looked.
    pub(super) asks: Box<[AtomicU32]>,
    /// Taken when the loops start. Empty: nothing is kept.
    pub(super) state: OnceLock<Arc<StateDir>>,
    /// One place for each source, and one for what keeps.
    pub(super) heartbeat: Heartbeat,
    /// Counts the calls that ended.
    pub(super) rounds: watch::Sender<u64>,
    pub(super) first_round_ended: watch::Sender<bool>,
}

/// Everything that only the writers touch.
pub(super) struct Books {
    pub(super) planner: Planner,
    pub(super) links: Links,
    pub(super) jumps: Jumps,
    /// Prices of listings that have to prove themselves: (place of the source, token).
    pub(super) unproved: HashMap<(usize, TokenIndex), Quote>,
}

/// A source in use.
pub(super) struct Enabled {
    pub(super) configured: Configured,
    /// Its id for each token of the catalog.
    pub(super) ids: Vec<Option<Listing>>,
    pub(super) by_id: HashMap<String, TokenIndex>,
    pub(super) wake: Notify,
}

/// A token as one source lists it.
pub(super) struct Listing {
    pub(super) id: String,
    /// Tokens in one unit of the listing.
    pub(super) per: u32,
    pub(super) unverified: bool,
}

/// Asks one source for as long as it is of use.
pub(super) async fn run(shared: Arc<Shared>, place: usize) {
    loop {
        shared.heartbeat.expect_at(place, shared.clock.tick());
        match shared.next_turn(place) {
            Turn::Never => {
                shared.heartbeat.expect_nothing(place);
                return shared.note_first_round();
            }
            Turn::Ask(tokens, haste) => shared.ask(place, tokens, haste).await,
            Turn::Wait(until) => {
                shared.heartbeat.expect_at(place, until);
                tokio::select! {
                    () = shared.clock.sleep_until(until) => {}
                    () = shared.sources[place].wake.notified() => tokio::time::sleep(GATHER).await,
                }
            }
        }
    }
}

/// Keeps the newest quotes after the first round and then every minute, and shows what was held back for long
/// enough.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut rounds = shared.rounds.subscribe();
    let (mut next_save, mut saved) = (shared.clock.tick() + SAVE_EVERY, *rounds.borrow());
    let mut is_first = true;
    loop {
        shared.heartbeat.expect_at(shared.sources.len(), shared.clock.tick());
        if is_first && *shared.first_round_ended.borrow() {
            is_first = false;
            shared.save_all().await;
        }
        let release = shared.lock().jumps.next_release();
        let until = release.map_or(next_save, |release| release.min(next_save));
        shared.heartbeat.expect_at(shared.sources.len(), until);
        tokio::select! {
            () = shared.clock.sleep_until(until) => {}
            // Something may be held back since.
            changed = rounds.changed() => if changed.is_err() { return },
        }
        let now = shared.clock.tick();
        if release.is_some_and(|release| release <= now) {
            shared.release();
        }
        if next_save <= now {
            next_save = now + SAVE_EVERY;
            let round = *rounds.borrow_and_update();
            if std::mem::replace(&mut saved, round) != round {
                shared.save_all().await;
            }
        }
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake_all(&self) {
        for source in &self.sources {
            source.wake.notify_one();
        }
    }

    fn next_turn(&self, place: usize) -> Turn {
        let (now, time, snapshot) = (self.clock.tick(), self.clock.now(), self.book.snapshot());
        let mut books = self.lock();
        books.planner.count_asks(self.asks.iter().map(|asks| asks.swap(0, Ordering::Relaxed)), now);
        books.planner.next(place, now, time, &snapshot)
    }

    async fn ask(self: &Arc<Self>, place: usize, mut tokens: Vec<TokenIndex>, haste: Haste) {
        loop {
            let (tick, time) = (self.clock.tick(), self.clock.now());
            let begun = {
                let ledger = &mut self.lock().planner.ledger;
                if haste == Haste::Regular {
                    ledger.accounts[place].pace.began_regular(tick);
                }
                ledger.begin(place, &tokens, (tick, time))
            };
            self.save_budgets().await;
            let result = self.fetch(place, &tokens, haste).await;
            let chosen = matches!(self.sources[place].configured.entry.coverage, Coverage::Chosen { .. });
            if matches!(result, Err(SourceError::TooLong)) && chosen && tokens.len() > 1 {
                self.lock().planner.ledger.halve(place, &tokens);
                // The other half is the most urgent of the next call.
                tokens.truncate(tokens.len() / 2);
                continue;
            }
            return self.settle(place, &tokens, begun, result).await;
        }
    }

    /// One call, and at most two more if the fault may be gone in a moment and the minute has room.
    async fn fetch(
        self: &Arc<Self>,
        place: usize,
        tokens: &[TokenIndex],
        haste: Haste,
    ) -> Result<Vec<Priced>, SourceError> {
        let source = &self.sources[place];
        let listings = tokens.iter().filter_map(|token| source.ids[token.at()].as_ref());
        let ids: Vec<&str> = listings.map(|listing| listing.id.as_str()).collect();
        let mut retries = 0;
        loop {
            self.heartbeat.expect_nothing(place);
            let result = source.configured.source.fetch(&ids, haste).await;
            self.heartbeat.expect_at(place, self.clock.tick());
            let again = matches!(result, Err(SourceError::Passing(_))) && retries < RETRIES;
            let (tick, time) = (self.clock.tick(), self.clock.now());
            let may = {
                let account = &mut self.lock().planner.ledger.accounts[place];
                // Some sources need several calls for one answer; the first of them is counted already.
                for _ in 1..source.configured.calls.swap(0, Ordering::Relaxed) {
                    account.call(tick, time);
                }
                account.pace.may_retry(tick)
            };
            if !again || !may {
                return result;
            }
            retries += 1;
            tokio::time::sleep((RETRY_AFTER * retries).mul_f64(0.5 + chance())).await;
            self.lock().planner.ledger.accounts[place].call(self.clock.tick(), self.clock.now());
            self.save_budgets().await;
        }
    }

    /// Counts a call to `market` for something else than prices of now, if it may go out; else tells when. A
    /// market that prices nothing now has no account here.
    pub(super) fn call_beside(&self, market: &str) -> Result<(), Duration> {
        let Some(place) = self.sources.iter().position(|source| source.configured.entry.name == market)
        else {
            return Ok(());
        };
        let (now, time) = (self.clock.tick(), self.clock.now());
        let account = &mut self.lock().planner.ledger.accounts[place];
        let earliest = account.pace.beside_at();
        if earliest > now {
            return Err(earliest);
        }
        account.call_beside(now, time);
        Ok(())
    }

    /// Time between two calls to `market` for something else than prices of now, and how many its month still allows.
    /// `None`: it prices nothing now.
    pub(super) fn budget_beside(&self, market: &str) -> Option<(Duration, Option<u32>)> {
        let place = self.sources.iter().position(|source| source.configured.entry.name == market)?;
        let pace = &self.lock().planner.ledger.accounts[place].pace;
        Some((pace.interval_beside(), pace.left_this_month(self.clock.now())))
    }

    /// Why `market` cannot be called for something else than prices of now, if it is resting from what its calls for
    /// those came to, and until when; `None` as a time: it failed several times in a row, do not wait for it.
    pub(super) fn rests(&self, market: &str) -> Option<(String, Option<Duration>)> {
        let place = self.sources.iter().position(|source| source.configured.entry.name == market)?;
        let account = &self.lock().planner.ledger.accounts[place];
        let why = || account.fault.as_deref().unwrap_or("its calls of this month are used up").to_owned();
        let until = || (!account.pace.is_tripped()).then(|| account.pace.beside_at());
        account.pace.is_blocked(self.clock.tick()).then(|| (why(), until()))
    }

    /// Keeps the counters before the call that they count goes out: a crash loses none.
    pub(super) async fn save_budgets(self: &Arc<Self>) {
        self.in_state_dir(|shared, dir| dir.save_budgets(|| shared.budgets())).await;
    }

    /// Keeps counters and quotes.
    pub(super) async fn save_all(self: &Arc<Self>) {
        self.in_state_dir(|shared, dir| {
            dir.save_budgets(|| shared.budgets());
            dir.save_quotes(|| SavedQuote::all(&shared.book.snapshot(), &shared.catalog));
        })
        .await;
    }

    /// Disks may be slow; requests must not wait behind them.
    pub(super) async fn in_state_dir(self: &Arc<Self>, work: impl FnOnce(&Self, &StateDir) + Send + 'static) {
        let shared = Arc::clone(self);
        let work = move || {
            if let Some(dir) = shared.state.get().filter(|dir| dir.is_ours()) {
                work(&shared, dir);
            }
        };
        if self.state.get().is_some_and(|dir| dir.is_ours()) {
            // What fails there is said there.
            let _ = tokio::task::spawn_blocking(work).await;
        }
    }

    fn budgets(&self) -> Budgets {
        let (tick, time) = (self.clock.tick(), self.clock.now());
        let books = self.lock();
        let accounts = self.sources.iter().zip(&books.planner.ledger.accounts);
        let keep = accounts.map(|(source, account)| {
            let Configured { entry, plan, .. } = &source.configured;
            (entry.name.to_owned(), account.pace.keep(plan.name, tick, time))
        });
        keep.collect()
    }

    /// The first round has ended when every source was tried, well or badly.
    pub(super) fn note_first_round(&self) {
        let ended = self.lock().planner.ledger.accounts.iter().all(|account| account.ended > 0);
        if ended {
            self.first_round_ended.send_replace(true);
        }
    }
}
