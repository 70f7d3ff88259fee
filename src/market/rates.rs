//! What a US dollar is in other currencies: one table from one call, with its own age.
//!
//! Fetched only once somebody asks for another currency than USD; kept by the hour, because a change over 24 h
//! needs the rate of then. Never guesses: without a rate the price is withheld, without the earlier one the change is absent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};

use super::clock::Clock;
use super::config::MarketConfig;
use super::error::{MarketError, SourceError};
use super::history::History;
use super::http::{Answer, Endpoint, Http, status_fault};
use super::number;
use super::quote::{QuoteAnswer, QuoteState};
use super::refresh;
use super::sources::SourceEntry;

/// Every currency that can be asked for beside USD, by its ISO code, and BTC and ETH.
pub const CURRENCIES: [&str; 47] = [
    "AED", "ARS", "AUD", "BDT", "BHD", "BMD", "BRL", "BTC", "CAD", "CHF", "CLP", "CNY", "CZK", "DKK", "ETH",
    "EUR", "GBP", "GEL", "HKD", "HUF", "IDR", "ILS", "INR", "JPY", "KRW", "KWD", "LKR", "MMK", "MXN", "MYR",
    "NGN", "NOK", "NZD", "PHP", "PKR", "PLN", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "VEF",
    "VND", "ZAR",
];

const MARKET: &str = "coingecko";

/// A table younger than this is not fetched again. Of a demo key's month that is a seventh at most.
const EVERY: Duration = Duration::from_secs(30 * 60);
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// An older table converts nothing.
const EXPIRES_AFTER: Duration = Duration::from_secs(24 * 3600);
/// The rate of 24 h ago is the one of that hour or of the hour beside it.
const DAY_HOURS: i64 = 24;

/// Units of each currency for one US dollar.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    pub(super) per_usd: BTreeMap<String, Decimal>,
    /// The time of receipt: the market gives none.
    pub(super) as_of: Timestamp,
}

/// The rates, and the loop that fetches them when they are wanted. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Rates(Arc<Shared>);

struct Shared {
    clock: Clock,
    endpoint: Option<Endpoint>,
    newest: ArcSwapOption<Table>,
    /// Tables by the hour, newest last.
    hourly: std::sync::Mutex<BTreeMap<i64, Table>>,
    fault: ArcSwapOption<String>,
    /// The market counts our calls together; the store keeps the hours over restarts.
    kept: Option<(Arc<refresh::Shared>, History)>,
    wanted: Notify,
    ended: watch::Sender<u64>,
}

impl Rates {
    /// From CoinGecko, where that is among the sources of prices; else there is no other currency than USD.
    pub(super) fn new(
        live: &Arc<refresh::Shared>,
        config: &MarketConfig,
        http: &Http,
        history: &History,
    ) -> Result<Self, MarketError> {
        let entry =
            SourceEntry::find(MARKET).filter(|entry| config.sources.iter().any(|name| name == entry.name));
        let endpoint = entry.map(|entry| entry.connect(config, http)).transpose()?;
        let endpoint = endpoint.map(|connected| connected.endpoint);
        Ok(Self::from_parts(endpoint, live.clock.clone(), Some((Arc::clone(live), history.clone()))))
    }

    /// No other currency than USD.
    pub(super) fn disabled(clock: Clock) -> Self {
        Self::from_parts(None, clock, None)
    }

    fn from_parts(
        endpoint: Option<Endpoint>,
        clock: Clock,
        kept: Option<(Arc<refresh::Shared>, History)>,
    ) -> Self {
        Self(Arc::new(Shared {
            clock,
            endpoint,
            newest: ArcSwapOption::empty(),
            hourly: std::sync::Mutex::default(),
            fault: ArcSwapOption::empty(),
            kept,
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        }))
    }

    /// Says that somebody needs them. Never waits.
    pub fn want(&self) {
        if !self.is_young() {
            self.0.wanted.notify_one();
        }
    }

    /// As [`Self::want`]; returns when there is a table, when it could not be had, or after `at_most`.
    pub async fn wait_for(&self, at_most: Duration) {
        let mut ended = self.0.ended.subscribe();
        if self.newest().is_some() || self.0.endpoint.is_none() {
            return self.want();
        }
        self.want();
        let _over = tokio::time::timeout(at_most, ended.changed()).await;
    }

    /// The same answer in `currency`: converted, or without its price and with the reason.
    pub fn convert(&self, quote: QuoteAnswer, currency: &str) -> QuoteAnswer {
        if currency == "USD" || quote.price.is_none() {
            return quote;
        }
        let table = if quote.state == QuoteState::Historical {
            quote.as_of.and_then(|as_of| self.at(as_of))
        } else {
            self.newest()
        };
        let (Some(table), Some(price)) = (table, quote.price.as_deref().and_then(|price| price.parse().ok()))
        else {
            return self.without_rate(quote, currency);
        };
        let Some(converted) = times(price, table.per_usd.get(currency).copied()) else {
            return self.without_rate(quote, currency);
        };
        let since = quote
            .change_since_pct
            .zip(self.newest())
            .and_then(|(change, now)| moved(change, currency, &table, &now));
        let day_before = quote.as_of.and_then(|as_of| self.at(hours_before(as_of, DAY_HOURS)?));
        let change = quote
            .change_24h_pct
            .zip(day_before)
            .and_then(|(change, then)| moved(change, currency, &then, &table));
        QuoteAnswer {
            price: Some(converted.normalize().to_string()),
            currency: Some(currency.to_owned()),
            change_24h_pct: change,
            change_since_pct: since,
            rate_as_of: Some(table.as_of),
            ..quote
        }
    }

    /// Fetches when wanted, for as long as the process lives.
    pub(super) async fn run(self) {
        let Some(endpoint) = &self.0.endpoint else { return };
        loop {
            self.0.wanted.notified().await;
            if self.is_young() {
                continue;
            }
            self.take_turn().await;
            match fetch(endpoint, self.0.clock.now()).await {
                Ok(table) => {
                    self.0.fault.store(None);
                    let hour = hour(table.as_of);
                    if let Some((_, history)) = &self.0.kept {
                        history.keep_rates(&table).await;
                    }
                    if let Ok(mut hourly) = self.0.hourly.lock() {
                        hourly.insert(hour, table.clone());
                        hourly.retain(|at, _| *at >= hour - 2 * DAY_HOURS);
                    }
                    self.0.newest.store(Some(Arc::new(table)));
                }
                Err(error) => {
                    tracing::warn!(market = MARKET, %error, "no rates of other currencies");
                    self.0.fault.store(Some(Arc::new(error.to_string())));
                }
            }
            self.0.ended.send_modify(|ended| *ended += 1);
            let failed = self.0.fault.load().is_some();
            let next = self.0.clock.tick() + if failed { AFTER_FAILURE } else { EVERY };
            self.0.clock.sleep_until(next).await;
        }
    }

    /// Waits until CoinGecko may be called, and counts the call there.
    async fn take_turn(&self) {
        let Some((live, _)) = &self.0.kept else { return };
        while let Err(earliest) = live.call_beside(MARKET) {
            self.0.clock.sleep_until(earliest).await;
        }
        live.save_budgets().await;
    }

    fn is_young(&self) -> bool {
        self.0.newest.load().as_ref().is_some_and(|table| age(table, self.0.clock.now()) < EVERY)
    }

    fn newest(&self) -> Option<Table> {
        let table = self.0.newest.load_full()?;
        (age(&table, self.0.clock.now()) <= EXPIRES_AFTER).then(|| Table::clone(&table))
    }

    /// The table of the hour of `at`, or of one beside it.
    fn at(&self, at: Timestamp) -> Option<Table> {
        let hour = hour(at);
        let near = [hour, hour - 1, hour + 1];
        let held = self.0.hourly.lock().ok()?;
        let held = near.iter().find_map(|hour| held.get(hour)).cloned();
        held.or_else(|| {
            let (_, history) = self.0.kept.as_ref()?;
            near.iter().find_map(|hour| history.rates_at(*hour))
        })
    }

    fn without_rate(&self, quote: QuoteAnswer, currency: &str) -> QuoteAnswer {
        let past = quote.state == QuoteState::Historical;
        let (state, reason) = match (past, &self.0.endpoint, &*self.0.fault.load()) {
            (true, ..) => (QuoteState::Unavailable, format!("no rate of {currency} at that hour is known")),
            (_, None, _) => (QuoteState::Unavailable, "no rates without CoinGecko; ask for USD".to_owned()),
            (_, _, Some(fault)) => {
                (QuoteState::Unavailable, format!("no rate of {currency}: coingecko: {fault}"))
            }
            (_, _, None) => (QuoteState::Pending, format!("the rate of {currency} is being asked for")),
        };
        let (asked_at, as_of) = (quote.asked_at, quote.as_of);
        QuoteAnswer { asked_at, as_of, ..QuoteAnswer::without_price(state, reason) }
    }
}

async fn fetch(endpoint: &Endpoint, received: Timestamp) -> Result<Table, SourceError> {
    let currencies = CURRENCIES.join(",").to_lowercase();
    let query = format!("ids=bitcoin&vs_currencies=usd,{currencies}&precision=full");
    parse(&endpoint.get("/simple/price", &query).await?, received)
}

/// What a bitcoin costs in each, over what it costs in USD.
fn parse(answer: &Answer, received: Timestamp) -> Result<Table, SourceError> {
    const UNREADABLE: SourceError = SourceError::malformed("unreadable answer");
    if let Some(fault) = status_fault(answer) {
        return Err(fault);
    }
    let coins: BTreeMap<String, BTreeMap<String, &RawValue>> =
        serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let prices = coins.get("bitcoin").ok_or(UNREADABLE)?;
    let price = |currency: &str| number::price(prices.get(currency).copied());
    let usd = price("usd").ok_or(UNREADABLE)?;
    let rate = |currency: &&str| {
        let per_usd = price(&currency.to_lowercase())?.checked_div(usd)?;
        Some(((*currency).to_owned(), per_usd))
    };
    Ok(Table { per_usd: CURRENCIES.iter().filter_map(rate).collect(), as_of: received })
}

/// A change in USD seen in another currency, whose rate moved too; four decimals.
fn moved(change_pct: f64, currency: &str, then: &Table, now: &Table) -> Option<f64> {
    let ratio = now.per_usd.get(currency)?.checked_div(*then.per_usd.get(currency)?)?.to_f64()?;
    Some((((1.0 + change_pct / 100.0) * ratio - 1.0) * 1_000_000.0).round() / 10_000.0)
}

fn times(price: Decimal, rate: Option<Decimal>) -> Option<Decimal> {
    price.checked_mul(rate?).filter(|price| *price > Decimal::ZERO)
}

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

fn hours_before(at: Timestamp, hours: i64) -> Option<Timestamp> {
    at.checked_sub(jiff::SignedDuration::from_hours(hours)).ok()
}

fn age(table: &Table, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(table.as_of)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(at: &str, eur: &str) -> Table {
        let body = format!(r#"{{"bitcoin":{{"usd":100000,"eur":{eur},"btc":1.0,"jpy":null}}}}"#);
        parse(&Answer { status: 200, retry_after: None, body: body.into_bytes() }, at.parse().unwrap())
            .unwrap()
    }

    fn quote() -> QuoteAnswer {
        QuoteAnswer {
            reason: None,
            price: Some("74603.12".to_owned()),
            change_24h_pct: Some(10.0),
            as_of: "2026-05-18T12:00:00Z".parse().ok(),
            ..QuoteAnswer::without_price(QuoteState::Fresh, "")
        }
    }

    #[test]
    fn prices_are_converted_exactly_and_changes_only_with_the_rate_of_then() {
        let rates = Rates::disabled(Clock::manual("2026-05-18T12:00:00Z".parse().unwrap()));
        assert_eq!(rates.convert(quote(), "EUR").state, QuoteState::Unavailable);
        let now = table("2026-05-18T12:00:00Z", "88000");
        rates.0.newest.store(Some(Arc::new(now.clone())));
        let euro = rates.convert(quote(), "EUR");
        assert_eq!((euro.price.as_deref(), euro.currency.as_deref()), (Some("65650.7456"), Some("EUR")));
        assert_eq!((euro.change_24h_pct, euro.rate_as_of), (None, Some(now.as_of)));
        rates.0.hourly.lock().unwrap().insert(hour(now.as_of) - 24, table("2026-05-17T12:00:00Z", "80000"));
        assert_eq!(rates.convert(quote(), "EUR").change_24h_pct, Some(21.0));
        assert_eq!(rates.convert(quote(), "BTC").price.as_deref(), Some("0.7460312"));
        assert_eq!(rates.convert(quote(), "JPY").price, None, "a currency without a rate");
        assert_eq!(rates.convert(quote(), "USD"), quote());
        let past = QuoteAnswer {
            state: QuoteState::Historical,
            as_of: "2024-01-01T00:00:00Z".parse().ok(),
            ..quote()
        };
        let past = rates.convert(past, "EUR");
        assert_eq!(
            (past.price, past.reason.as_deref()),
            (None, Some("no rate of EUR at that hour is known"))
        );
        rates.0.clock.advance(EXPIRES_AFTER + Duration::from_secs(1));
        assert_eq!(rates.convert(quote(), "EUR").price, None, "an old table converts nothing");
    }
}
