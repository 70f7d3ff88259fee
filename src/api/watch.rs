//! Quotes as they change, for as long as somebody looks.
//!
//! Conflated: who looks seldom sees the newest state of each token, never a queue of old ones.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::quotes::{currency, resolve};
use super::{
    Api, Error, ItemError, Limits, PricedToken, QuoteItem, QuoteResult, Quotes, QuotesRequest, TokenRef,
};
use crate::catalog::{Catalog, TokenIndex};
use crate::market::{Markets, QuoteAnswer};

/// How long nothing may be said, unless the caller says otherwise.
const HEARTBEAT: Duration = Duration::from_secs(15);
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);

/// The asked tokens and what was last said of each.
pub struct Watch {
    catalog: Arc<Catalog>,
    markets: Markets,
    items: Vec<Item>,
    changes: watch::Receiver<u64>,
    heartbeat: Interval,
    currency: String,
}

struct Item {
    asked: String,
    token: Result<TokenIndex, ItemError>,
    /// Without its age, which always changes.
    told: Option<QuoteAnswer>,
    told_error: bool,
}

impl Watch {
    /// Looks at the tokens that `request` names; its other fields do not matter here. `heartbeat`: 0 = the default.
    ///
    /// # Errors
    /// The request breaks a limit.
    pub fn new(
        catalog: &Arc<Catalog>,
        markets: &Markets,
        limits: &Limits,
        request: QuotesRequest,
        heartbeat: Duration,
    ) -> Result<Self, Error> {
        let currency = currency(request.currency.as_deref(), "currency")?;
        let found = resolve(catalog, limits, request)?;
        let items =
            found.into_iter().map(|(token, asked)| Item { asked, token, told: None, told_error: false });
        let every = if heartbeat.is_zero() { HEARTBEAT } else { heartbeat.max(HEARTBEAT_MIN) };
        let mut heartbeat = tokio::time::interval_at(Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let changes = markets.changes();
        Ok(Self {
            catalog: Arc::clone(catalog),
            markets: markets.clone(),
            items: items.collect(),
            changes,
            heartbeat,
            currency,
        })
    }

    /// What has changed since this was last asked, in the order of the request; at first everything.
    pub fn changed(&mut self) -> Quotes {
        // Whoever looks also asks: the tokens stay wanted.
        let tokens: Vec<_> = self.items.iter().filter_map(|item| item.token.as_ref().ok().copied()).collect();
        self.markets.want(&tokens);
        if self.currency != "USD" {
            self.markets.rates().want();
        }
        let (snapshot, now) = (self.markets.snapshot(), self.markets.now());
        let mut quotes = Vec::new();
        let convert = |quote| self.markets.rates().convert(quote, &self.currency);
        for item in &mut self.items {
            let result = match &item.token {
                Err(_) if item.told_error => continue,
                Err(error) => {
                    item.told_error = true;
                    QuoteResult::Error(error.clone())
                }
                Ok(token) => {
                    let quote = convert(snapshot.answer(*token, now));
                    let ageless = QuoteAnswer { age_s: None, ..quote.clone() };
                    if item.told.as_ref() == Some(&ageless) {
                        continue;
                    }
                    item.told = Some(ageless);
                    let TokenRef { token_id, symbol, name, .. } = self.catalog.asset(*token).into();
                    QuoteResult::Priced(Box::new(PricedToken { token_id, symbol, name, quote }))
                }
            };
            quotes.push(QuoteItem { asked: item.asked.clone(), result });
        }
        Quotes { quotes }
    }

    /// Returns when something has changed, or when it is time for a sign of life. Dropping it loses nothing.
    pub async fn wait(&mut self) {
        loop {
            tokio::select! {
                changed = self.changes.changed() => {
                    if changed.is_err() || self.has_changed() {
                        return;
                    }
                }
                _ = self.heartbeat.tick() => return,
            }
        }
    }

    fn has_changed(&self) -> bool {
        let (snapshot, now) = (self.markets.snapshot(), self.markets.now());
        self.items.iter().any(|item| {
            let quote = item
                .token
                .as_ref()
                .ok()
                .map(|token| self.markets.rates().convert(snapshot.answer(*token, now), &self.currency));
            quote.is_some_and(|quote| item.told.as_ref() != Some(&QuoteAnswer { age_s: None, ..quote }))
        })
    }
}

impl Api {
    /// Looks at tokens; see [`Watch`].
    ///
    /// # Errors
    /// The request breaks a limit.
    pub fn watch(&self, request: QuotesRequest, heartbeat: Duration) -> Result<Watch, Error> {
        Watch::new(self.detector.catalog(), &self.markets, &self.limits, request, heartbeat)
    }
}
