//! The newest quote for each token.
//!
//! Written by the refresh loop, read by every request. Reading never waits for the network: a token
//! without a quote is answered without one, with the reason. Never asks the clock: callers say what time it is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};

use super::quote::{Quote, QuoteAnswer, QuoteState};
use crate::catalog::TokenIndex;

/// The only currency that markets are asked for.
const CURRENCY: &str = "USD";

/// How old a price may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Up to this age a price is fresh.
    pub fresh_for: Duration,
    /// Up to this age it is told, as stale; an older one is withheld.
    pub expire_after: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self { fresh_for: Duration::from_secs(10 * 60), expire_after: Duration::from_secs(24 * 60 * 60) }
    }
}

/// Why a token has no price, for as long as it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The first ask has not ended yet.
    Pending,
    /// No enabled source has an id for the token; the text says so to people.
    Unlisted(Arc<str>),
    /// Every source that has an id failed, or none is enabled; the text names each source's fault.
    Unavailable(Arc<str>),
}

/// The book at one moment; read it once per article.
///
/// ```
/// use cointag::catalog::TokenIndex;
/// use cointag::market::{Freshness, QuoteState, Snapshot, Standing};
///
/// let book = Snapshot::new(Freshness::default(), vec![Standing::Pending]);
/// let answer = book.answer(TokenIndex(0), "2026-05-18T12:00:00Z".parse()?);
/// assert_eq!((answer.state, answer.price), (QuoteState::Pending, None));
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    freshness: Freshness,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    held: Option<Held>,
    standing: Standing,
}

#[derive(Clone, Debug)]
struct Held {
    quote: Quote,
    /// Place of the quote's source in the order of preference, 0 first.
    place: usize,
}

impl Snapshot {
    /// A book without prices; `standings` has one place per token of the catalog.
    pub fn new(freshness: Freshness, standings: Vec<Standing>) -> Self {
        let entries = standings.into_iter().map(|standing| Entry { held: None, standing }).collect();
        Self { freshness, entries }
    }

    /// What is known of `token` as of `now`. Never waits.
    pub fn answer(&self, token: TokenIndex, now: Timestamp) -> QuoteAnswer {
        match self.entries.get(token.at()) {
            None => QuoteAnswer::without_price(QuoteState::Unlisted, "the token is not in this catalog"),
            Some(Entry { held: Some(held), standing }) => self.held_answer(&held.quote, standing, now),
            Some(Entry { held: None, standing }) => match standing {
                Standing::Pending => {
                    QuoteAnswer::without_price(QuoteState::Pending, "the first ask is under way")
                }
                Standing::Unlisted(reason) => QuoteAnswer::without_price(QuoteState::Unlisted, &**reason),
                Standing::Unavailable(reason) => {
                    QuoteAnswer::without_price(QuoteState::Unavailable, &**reason)
                }
            },
        }
    }

    /// The quote held for `token`, whatever its age.
    pub fn quote(&self, token: TokenIndex) -> Option<&Quote> {
        Some(&self.entries.get(token.at())?.held.as_ref()?.quote)
    }

    /// Whether `token` has a price that is fresh as of `now`.
    pub fn is_fresh(&self, token: TokenIndex, now: Timestamp) -> bool {
        self.quote(token).is_some_and(|quote| age(quote, now) <= self.freshness.fresh_for)
    }

    /// Whether the price of `token` is younger than this part of the time for which prices are fresh.
    #[cfg(feature = "serve")]
    pub(super) fn is_younger(&self, token: TokenIndex, now: Timestamp, part: f64) -> bool {
        let limit = self.freshness.fresh_for.mul_f64(part);
        self.quote(token).is_some_and(|quote| age(quote, now) <= limit)
    }

    /// The place in the order of preference of the source whose quote is held.
    pub fn place(&self, token: TokenIndex) -> Option<usize> {
        Some(self.entries.get(token.at())?.held.as_ref()?.place)
    }

    /// Takes a quote of the source at `place` in the order of preference, unless what is held is better;
    /// tells whether it was taken.
    ///
    /// An older quote never replaces a newer one. A token keeps its source while its quote is fresh, so that
    /// two markets' prices do not alternate; only a more preferred source takes it over earlier.
    pub fn offer(&mut self, quote: Quote, place: usize, now: Timestamp) -> bool {
        let fresh_for = self.freshness.fresh_for;
        let Some(entry) = self.entries.get_mut(quote.token.at()) else { return false };
        let keeps = entry.held.as_ref().is_some_and(|held| {
            quote.as_of < held.quote.as_of || place > held.place && age(&held.quote, now) <= fresh_for
        });
        if !keeps {
            entry.held = Some(Held { quote, place });
        }
        !keeps
    }

    /// Says why `token` has no price, for as long as it has none that can be told.
    pub fn set_standing(&mut self, token: TokenIndex, standing: Standing) {
        if let Some(entry) = self.entries.get_mut(token.at()) {
            entry.standing = standing;
        }
    }

    fn held_answer(&self, quote: &Quote, standing: &Standing, now: Timestamp) -> QuoteAnswer {
        let age = age(quote, now);
        let expired = age > self.freshness.expire_after;
        let state = match age {
            age if age <= self.freshness.fresh_for => QuoteState::Fresh,
            _ if !expired => QuoteState::Stale,
            _ => QuoteState::Expired,
        };
        let told = !expired;
        QuoteAnswer {
            state,
            reason: expired.then(|| {
                let older =
                    format!("the last known price is older than {}", human(self.freshness.expire_after));
                match standing {
                    Standing::Unavailable(reason) => format!("{older}; {reason}"),
                    Standing::Pending | Standing::Unlisted(_) => older,
                }
            }),
            price: told.then(|| quote.price.normalize().to_string()),
            currency: told.then(|| CURRENCY.to_owned()),
            change_24h_pct: quote.change_24h_pct.filter(|_| told),
            as_of: Some(quote.as_of),
            as_of_received: quote.as_of_received,
            age_s: Some((age.as_secs_f64() * 10.0).round() / 10.0),
            source: Some(quote.source.to_owned()),
            asked_at: None,
            distance_s: None,
            change_since_pct: None,
            rate_as_of: None,
        }
    }
}

/// The place where the newest [`Snapshot`] stands.
#[derive(Debug)]
pub struct QuoteBook {
    newest: ArcSwap<Snapshot>,
    // Several sources publish; each must build on what the one before it wrote.
    writing: Mutex<()>,
}

impl QuoteBook {
    /// A book without prices; `standings` has one place per token of the catalog.
    pub fn new(freshness: Freshness, standings: Vec<Standing>) -> Self {
        let newest = ArcSwap::from_pointee(Snapshot::new(freshness, standings));
        Self { newest, writing: Mutex::new(()) }
    }

    /// The newest snapshot. Never waits.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.newest.load_full()
    }

    /// Publishes a changed copy of the newest snapshot; readers see all of the change or none.
    pub fn publish<T>(&self, change: impl FnOnce(&mut Snapshot) -> T) -> T {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Snapshot::clone(&self.newest.load());
        let outcome = change(&mut next);
        self.newest.store(Arc::new(next));
        outcome
    }
}

/// How old a quote is; one from the future is as old as one from now.
fn age(quote: &Quote, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(quote.as_of)).unwrap_or_default()
}

fn human(duration: Duration) -> String {
    SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{duration:?}"), |duration| format!("{duration:#}"))
}
