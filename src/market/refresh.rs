//! The refresh loop: one per source, at the source's own pace.
//!
//! The only writer of the book. A slow or failing source delays nobody but itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use tokio::sync::{Notify, watch};

use super::book::QuoteBook;
use super::clock::Clock;
use super::error::SourceError;
use super::info::SourceState;
use super::ledger::{Ledger, Moment, Outcome};
use super::links::{self, Links};
use super::pace::chance;
use super::plan::{Candidate, choose};
use super::quote::Quote;
use super::sources::{Configured, Coverage, Haste, Priced};
use crate::catalog::{Catalog, TokenIndex};

/// Asks that come within this are gathered into one call.
const GATHER: Duration = Duration::from_millis(50);

/// A passing fault is tried again so often, at once; other faults never.
const RETRIES: u32 = 2;
const RETRY_AFTER: Duration = Duration::from_millis(150);

/// What the loops and the [`super::Markets`] share.
pub(super) struct Shared {
    pub(super) catalog: Arc<Catalog>,
    pub(super) clock: Clock,
    pub(super) book: QuoteBook,
    pub(super) sources: Vec<Enabled>,
    pub(super) books: Mutex<Books>,
    /// Tokens that callers asked for lately.
    pub(super) wanted: moka::sync::Cache<TokenIndex, ()>,
    /// Counts the calls that ended.
    pub(super) rounds: watch::Sender<u64>,
    pub(super) first_round_ended: watch::Sender<bool>,
}

/// Everything that only the writers touch.
pub(super) struct Books {
    pub(super) ledger: Ledger,
    pub(super) links: Links,
    /// Prices of listings that have to prove themselves: (place of the source, token).
    held: HashMap<(usize, TokenIndex), Quote>,
    warned_of_links: bool,
}

impl Books {
    pub(super) fn new(ledger: Ledger, links: Links) -> Self {
        Self { ledger, links, held: HashMap::new(), warned_of_links: false }
    }
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

/// What a loop does next.
enum Turn {
    /// Nothing, ever again.
    Never,
    Wait(Duration),
    Ask(Vec<TokenIndex>, Haste),
}

/// Asks one source for as long as it is of use.
pub(super) async fn run(shared: Arc<Shared>, place: usize) {
    loop {
        match shared.next_turn(place) {
            Turn::Never => return shared.note_first_round(),
            Turn::Ask(tokens, haste) => shared.ask(place, tokens, haste).await,
            Turn::Wait(until) => tokio::select! {
                () = shared.clock.sleep_until(until) => {}
                () = shared.sources[place].wake.notified() => tokio::time::sleep(GATHER).await,
            },
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
        let account = &mut books.ledger.accounts[place];
        if account.lists_nothing() {
            account.state = SourceState::Ok;
            account.ended = 1;
            return Turn::Never;
        }
        if account.state == SourceState::Disabled {
            return Turn::Never;
        }
        let (regular, on_demand) = (account.pace.regular_at(), account.pace.on_demand_at());
        let (every, ids_max) = (account.pace.every(), account.ids_max);
        let overdue = account.pace.is_regular_overdue(now);
        let demanded = books.ledger.demanded(place, now, |token| snapshot.is_fresh(token, time));
        if regular <= now || overdue && on_demand <= now && !demanded.is_empty() {
            let tokens = self.regular_batch(place, &books.ledger, now);
            return if tokens.is_empty() {
                Turn::Wait(now + every)
            } else {
                Turn::Ask(tokens, Haste::Regular)
            };
        }
        if demanded.is_empty() {
            return Turn::Wait(regular);
        }
        if on_demand > now {
            return Turn::Wait(on_demand.min(regular));
        }
        match self.sources[place].configured.entry.coverage {
            Coverage::Everything => Turn::Ask(self.listed(place), Haste::Awaited),
            Coverage::Chosen { chars_max, .. } => {
                let candidates =
                    demanded.into_iter().map(|token| self.candidate(place, token, &books.ledger));
                Turn::Ask(choose(candidates.flatten().collect(), ids_max, chars_max, now), Haste::Awaited)
            }
        }
    }

    fn regular_batch(&self, place: usize, ledger: &Ledger, now: Duration) -> Vec<TokenIndex> {
        match self.sources[place].configured.entry.coverage {
            Coverage::Everything => self.listed(place),
            Coverage::Chosen { chars_max, .. } => {
                let listed = self.listed(place).into_iter();
                let candidates = listed.filter_map(|token| self.candidate(place, token, ledger)).collect();
                choose(candidates, ledger.accounts[place].ids_max, chars_max, now)
            }
        }
    }

    fn listed(&self, place: usize) -> Vec<TokenIndex> {
        let ids = &self.sources[place].ids;
        self.catalog.indices().filter(|token| ids[token.at()].is_some()).collect()
    }

    fn candidate(&self, place: usize, token: TokenIndex, ledger: &Ledger) -> Option<Candidate<'_>> {
        let listing = self.sources[place].ids[token.at()].as_ref()?;
        let covered = self.sources.iter().enumerate().any(|(other, source)| {
            other != place
                && source.configured.entry.coverage == Coverage::Everything
                && ledger.accounts[other].fault.is_none()
                && ledger
                    .tries(other, token)
                    .is_some_and(|tries| matches!(tries.outcome, Outcome::Priced | Outcome::Untried))
        });
        Some(Candidate {
            token,
            id: &listing.id,
            rank: self.catalog.asset(token).rank,
            asked: ledger.tries(place, token).and_then(|tries| tries.asked),
            demanded: ledger.is_demanded(token),
            wanted: self.wanted.contains_key(&token),
            covered,
        })
    }

    async fn ask(&self, place: usize, mut tokens: Vec<TokenIndex>, haste: Haste) {
        loop {
            let tick = self.clock.tick();
            let begun = {
                let mut books = self.lock();
                if haste == Haste::Regular {
                    books.ledger.accounts[place].pace.began_regular(tick);
                }
                books.ledger.begin(place, &tokens, tick)
            };
            let result = self.fetch(place, &tokens, haste).await;
            let chosen = matches!(self.sources[place].configured.entry.coverage, Coverage::Chosen { .. });
            if matches!(result, Err(SourceError::TooLong)) && chosen && tokens.len() > 1 {
                self.lock().ledger.halve(place, &tokens);
                // The other half is the most urgent of the next call.
                tokens.truncate(tokens.len() / 2);
                continue;
            }
            return self.settle(place, &tokens, begun, result).await;
        }
    }

    /// One call, and at most two more if the fault may be gone in a moment.
    async fn fetch(
        &self,
        place: usize,
        tokens: &[TokenIndex],
        haste: Haste,
    ) -> Result<Vec<Priced>, SourceError> {
        let source = &self.sources[place];
        let listings = tokens.iter().filter_map(|token| source.ids[token.at()].as_ref());
        let ids: Vec<&str> = listings.map(|listing| listing.id.as_str()).collect();
        let mut retries = 0;
        loop {
            let result = source.configured.source.fetch(&ids, haste).await;
            if !matches!(result, Err(SourceError::Passing(_))) || retries == RETRIES {
                return result;
            }
            retries += 1;
            tokio::time::sleep((RETRY_AFTER * retries).mul_f64(0.5 + chance())).await;
            self.lock().ledger.accounts[place].call(self.clock.tick());
        }
    }

    /// Writes down how a call ended and publishes what it brought.
    async fn settle(
        &self,
        place: usize,
        tokens: &[TokenIndex],
        begun: Moment,
        result: Result<Vec<Priced>, SourceError>,
    ) {
        let (tick, time) = (self.clock.tick(), self.clock.now());
        let to_save = {
            let mut books = self.lock();
            let before = books.ledger.accounts[place].fault.clone();
            let mut offers = Vec::new();
            match &result {
                Ok(priced) => {
                    offers = self.quotes(place, priced, time);
                    let trusted = self.sort_out(place, &mut offers, &mut books);
                    books.ledger.end_well(place, tokens, begun, time, |token| match trusted.get(&token) {
                        Some(true) => Outcome::Priced,
                        Some(false) => Outcome::Unverified,
                        None => Outcome::NoPrice,
                    });
                }
                Err(error) => {
                    books.ledger.end_badly(place, tokens, begun, error, (tick, time), chance());
                }
            }
            self.report(place, &books.ledger, before.as_deref(), &result);
            self.publish(place, offers, time, &mut books)
        };
        if let Some((path, text)) = to_save {
            self.save_links(path, text).await;
        }
        self.note_first_round();
        self.rounds.send_modify(|rounds| *rounds += 1);
        // What this source could not price may be another's to price now.
        self.wake_all();
    }

    /// Quotes from what was read: in our tokens, in one token each, not later than now.
    fn quotes(&self, place: usize, priced: &[Priced], received: Timestamp) -> Vec<Quote> {
        let source = &self.sources[place];
        let quote = |priced: &Priced| {
            let token = *source.by_id.get(&priced.id)?;
            let per = source.ids[token.at()].as_ref()?.per;
            Some(Quote {
                token,
                price: priced.price.checked_div(Decimal::from(per)).filter(|price| !price.is_zero())?,
                change_24h_pct: priced.change_24h_pct,
                as_of: priced.as_of.map_or(received, |as_of| as_of.min(received)),
                as_of_received: priced.as_of.is_none(),
                source: source.configured.entry.name,
            })
        };
        priced.iter().filter_map(quote).collect()
    }

    /// Sets aside the quotes of listings that have to prove themselves; tells for each token priced whether
    /// its listing is trusted.
    fn sort_out(
        &self,
        place: usize,
        quotes: &mut Vec<Quote>,
        books: &mut Books,
    ) -> HashMap<TokenIndex, bool> {
        let trusted = |token: TokenIndex, links: &Links| {
            self.sources[place].ids[token.at()].as_ref().is_some_and(|listing| {
                let id = &self.catalog.asset(token).id;
                let source = self.sources[place].configured.entry.name;
                !listing.unverified || links.is_proved(source, id, &listing.id)
            })
        };
        let verdicts: HashMap<_, _> =
            quotes.iter().map(|quote| (quote.token, trusted(quote.token, &books.links))).collect();
        quotes.retain(|quote| {
            let trusted = verdicts[&quote.token];
            if !trusted {
                books.held.insert((place, quote.token), quote.clone());
            }
            trusted
        });
        verdicts
    }

    /// Publishes the quotes and why the others have none; returns what to write if a listing proved itself.
    fn publish(
        &self,
        place: usize,
        offers: Vec<Quote>,
        time: Timestamp,
        books: &mut Books,
    ) -> Option<(std::path::PathBuf, Vec<u8>)> {
        let Books { ledger, links, held, .. } = books;
        let mut proved = false;
        self.book.publish(|snapshot| {
            for quote in offers {
                snapshot.offer(quote, place, time);
            }
            held.retain(|(place, token), quote| {
                let listing = self.sources[*place].ids[token.at()].as_ref();
                let other = snapshot.quote(*token).filter(|other| other.source != quote.source);
                let agrees = snapshot.is_fresh(*token, time)
                    && other.is_some_and(|other| links::agree(quote.price, other.price));
                let (Some(listing), true) = (listing, agrees) else { return true };
                links.prove(quote.source, &self.catalog.asset(*token).id, &listing.id);
                ledger.trust(*place, *token);
                snapshot.offer(quote.clone(), *place, time);
                proved = true;
                false
            });
            for token in self.catalog.indices() {
                snapshot.set_standing(token, ledger.standing(token));
            }
            ledger.settle_demand(|token| snapshot.is_fresh(token, time));
        });
        if proved { links.to_save() } else { None }
    }

    async fn save_links(&self, path: std::path::PathBuf, text: Vec<u8>) {
        let shown = path.display().to_string();
        let saved = tokio::task::spawn_blocking(move || links::save(&path, &text)).await;
        if let Ok(Err(error)) = saved
            && !std::mem::replace(&mut self.lock().warned_of_links, true)
        {
            tracing::warn!(path = shown, %error, "cannot remember verified listings; they prove themselves again after a restart");
        }
    }

    /// Says in the log when a source starts or stops failing, once each.
    fn report(
        &self,
        place: usize,
        ledger: &Ledger,
        before: Option<&str>,
        result: &Result<Vec<Priced>, SourceError>,
    ) {
        let account = &ledger.accounts[place];
        let market = self.sources[place].configured.entry.name;
        match result {
            Ok(priced) => {
                tracing::debug!(market, quotes = priced.len(), "market `{market}` answered");
                if before.is_some() {
                    tracing::info!(market, "market `{market}` answers again");
                }
            }
            Err(error) if account.state == SourceState::Disabled => {
                tracing::error!(
                    market,
                    %error,
                    "market `{market}` is disabled until the configuration [market.{market}] changes: {error}"
                );
            }
            Err(error) if before != account.fault.as_deref() => {
                let retry_in = account.pace.regular_at().saturating_sub(self.clock.tick());
                tracing::warn!(market, %error, retry_in_s = retry_in.as_secs(), "market `{market}` gave no quotes");
            }
            Err(error) => tracing::debug!(market, %error, "market `{market}` still gives no quotes"),
        }
    }

    /// The first round has ended when every source was tried, well or badly.
    fn note_first_round(&self) {
        let ended = self.lock().ledger.accounts.iter().all(|account| account.ended > 0);
        if ended {
            self.first_round_ended.send_replace(true);
        }
    }
}
