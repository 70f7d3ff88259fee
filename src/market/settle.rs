//! What one call brought: written down, checked and published.
//!
//! Prices become quotes in our tokens and in US dollars here; those that cannot be believed yet wait. Never
//! decides what is asked next: [`super::planner`] does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::book::Snapshot;
use super::error::SourceError;
use super::info::SourceState;
use super::ledger::{Ledger, Moment, Outcome};
use super::links::{self, Links};
use super::pace::chance;
use super::quote::Quote;
use super::refresh::{Books, Shared};
use super::sources::{Currency, Priced};
use crate::catalog::TokenIndex;

impl Shared {
    /// Writes down how a call ended and publishes what it brought.
    pub(super) async fn settle(
        self: &Arc<Self>,
        place: usize,
        tokens: &[TokenIndex],
        begun: Moment,
        result: Result<Vec<Priced>, SourceError>,
    ) {
        let (tick, time) = (self.clock.tick(), self.clock.now());
        let proved = {
            let mut books = self.lock();
            let before = books.planner.ledger.accounts[place].fault.clone();
            let mut offers = Vec::new();
            match &result {
                Ok(priced) => {
                    offers = self.quotes(place, priced, time);
                    let trusted = self.sort_out(place, &mut offers, &mut books);
                    books.planner.ledger.end_well(place, tokens, begun, time, |token| {
                        match trusted.get(&token) {
                            Some(true) => Outcome::Priced,
                            Some(false) => Outcome::Unverified,
                            None => Outcome::NoPrice,
                        }
                    });
                }
                Err(error) => {
                    books.planner.ledger.end_badly(place, tokens, begun, error, (tick, time), chance());
                }
            }
            self.report(place, &books.planner.ledger, before.as_deref(), &result);
            self.publish(place, offers, (tick, time), &mut books)
        };
        if proved {
            self.in_state_dir(|shared, dir| {
                dir.save_links(|| shared.lock().links.to_save());
            })
            .await;
        }
        self.note_first_round();
        self.rounds.send_modify(|rounds| *rounds += 1);
        // What this source could not price may be another's to price now.
        self.wake_all();
    }

    /// Quotes from what was read: in our tokens, in one token each, not later than now.
    fn quotes(&self, place: usize, priced: &[Priced], received: Timestamp) -> Vec<Quote> {
        let source = &self.sources[place];
        let snapshot = self.book.snapshot();
        let quote = |priced: &Priced| {
            let token = *source.by_id.get(&priced.id)?;
            let per = source.ids[token.at()].as_ref()?.per;
            let (rate, rate_change) = self.rate(priced.quoted_in, &snapshot, received)?;
            let price = priced.price.checked_mul(rate)?.checked_div(Decimal::from(per))?;
            Some(Quote {
                token,
                price: (price > Decimal::ZERO).then(|| price.normalize())?,
                change_24h_pct: priced.change_24h_pct.and_then(|change| in_usd(change, rate_change?)),
                as_of: priced.as_of.map_or(received, |as_of| as_of.min(received)),
                as_of_received: priced.as_of.is_none(),
                source: source.configured.entry.name,
            })
        };
        priced.iter().filter_map(quote).collect()
    }

    /// US dollars for one unit of what a price is quoted in, and their 24 h change in percent. `None`: a
    /// stable coin whose own price is not known, so that the pair cannot be used.
    pub(super) fn rate(
        &self,
        quoted_in: Currency,
        snapshot: &Snapshot,
        time: Timestamp,
    ) -> Option<(Decimal, Option<f64>)> {
        let Currency::Token(id) = quoted_in else { return Some((Decimal::ONE, Some(0.0))) };
        let token = self.catalog.find(id).filter(|token| snapshot.is_fresh(*token, time))?;
        let quote = snapshot.quote(token)?;
        Some((quote.price, quote.change_24h_pct))
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
                books.unproved.insert((place, quote.token), quote.clone());
            }
            trusted
        });
        verdicts
    }

    /// Publishes the quotes and why the others have none; tells whether a listing proved itself.
    fn publish(
        &self,
        place: usize,
        mut offers: Vec<Quote>,
        (tick, time): (Duration, Timestamp),
        books: &mut Books,
    ) -> bool {
        let Books { planner, links, unproved, jumps } = books;
        let ledger = &mut planner.ledger;
        let shown = self.book.snapshot();
        offers.retain(|quote| jumps.admits(quote, place, shown.quote(quote.token), (tick, time)));
        let mut proved = false;
        self.book.publish(|snapshot| {
            for quote in offers {
                self.offer(snapshot, quote, place, time);
            }
            unproved.retain(|(place, token), quote| {
                let listing = self.sources[*place].ids[token.at()].as_ref();
                let other = snapshot.quote(*token).filter(|other| other.source != quote.source);
                let agrees = snapshot.is_fresh(*token, time)
                    && other.is_some_and(|other| links::agree(quote.price, other.price));
                let (Some(listing), true) = (listing, agrees) else { return true };
                links.prove(quote.source, &self.catalog.asset(*token).id, &listing.id);
                ledger.trust(*place, *token);
                self.offer(snapshot, quote.clone(), *place, time);
                proved = true;
                false
            });
            for token in self.catalog.indices() {
                snapshot.set_standing(token, ledger.standing(token));
            }
            ledger.settle_demand(|token| snapshot.is_fresh(token, time));
        });
        planner.doubt(jumps.doubted().collect());
        proved
    }

    /// A source that only checks others never prices alone.
    fn offer(&self, snapshot: &mut Snapshot, quote: Quote, place: usize, time: Timestamp) {
        if !self.sources[place].configured.entry.cross_check {
            snapshot.offer(quote, place, time);
        }
    }

    /// Shows the prices that were held back for long enough.
    pub(super) fn release(&self) {
        let (tick, time) = (self.clock.tick(), self.clock.now());
        let mut books = self.lock();
        let released = books.jumps.released(tick);
        self.book.publish(|snapshot| {
            for (place, quote) in released {
                self.offer(snapshot, quote, place, time);
            }
        });
        let doubted = books.jumps.doubted().collect();
        books.planner.doubt(doubted);
        drop(books);
        self.rounds.send_modify(|rounds| *rounds += 1);
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
}

/// A change against a currency that itself changed, in percent.
pub(super) fn in_usd(change: f64, rate_change: f64) -> Option<f64> {
    if rate_change == 0.0 {
        return Some(change);
    }
    let changed = ((1.0 + change / 100.0) * (1.0 + rate_change / 100.0) - 1.0) * 100.0;
    changed.is_finite().then_some(changed)
}
