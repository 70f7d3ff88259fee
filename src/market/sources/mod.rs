//! The sources of prices: one file each.
//!
//! To add a market API, write its file (`fetch`, which asks, and `parse`, which only reads), add its row to
//! [`ALL`] and its section to [`super::MarketConfig`]. `fetch` gets ids of that market, never symbols.

mod binance;
mod coinbase;
mod coingecko;
pub(super) mod coinmarketcap;
mod coinpaprika;
pub(super) mod connect;
mod defillama;
mod file;
mod kraken;
mod okx;
mod pairs;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use rust_decimal::Decimal;

use super::config::{MarketConfig, Secret, SourceConfig};
use super::error::{MarketError, SourceError};
use super::http::{Endpoint, Http};
use crate::catalog::Catalog;
use pairs::Pairs;

/// Every source that this build knows, the better ones first.
pub const ALL: &[SourceEntry] = &[
    coingecko::ENTRY,
    coinpaprika::ENTRY,
    coinmarketcap::ENTRY,
    defillama::ENTRY,
    binance::ENTRY,
    coinbase::ENTRY,
    okx::ENTRY,
    kraken::ENTRY,
    file::ENTRY,
];

/// What is known of a source before it is asked.
#[derive(Debug)]
pub struct SourceEntry {
    /// Its name in the configuration and in answers.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The line to show beside its prices.
    pub credit: &'static str,
    /// Where that line links to.
    pub link: &'static str,
    /// What its terms ask for, in a sentence.
    pub terms: &'static str,
    /// By which ids it is asked.
    pub ids: Ids,
    /// How many tokens one call prices.
    pub coverage: Coverage,
    /// Its prices only check others': on its own it prices nothing.
    pub cross_check: bool,
    /// Its plans; the first is for calls without a key.
    pub plans: &'static [Plan],
    pub(super) build: fn(Setup<'_>) -> Result<Box<dyn QuoteSource>, MarketError>,
}

/// By which ids a source is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// By the ids that the catalog keeps under this market's name.
    Market(&'static str),
    /// As before, else by the asset that Binance trades under. Exchanges mostly agree on those names; such a
    /// listing has to prove itself by another source's price before it is believed.
    MarketOrBinance(&'static str),
    /// By our own.
    Own,
}

/// How many tokens one call prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Everything that the source has.
    Everything,
    /// The ids asked for.
    Chosen {
        /// At most so many.
        ids_max: usize,
        /// And, joined by commas, not longer than this: longer URLs are refused.
        chars_max: usize,
    },
}

/// What a market sells or gives: its host, how the key travels, its limits.
#[derive(Debug)]
pub struct Plan {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Host and version path. Empty: nothing is called.
    pub base_url: &'static str,
    /// The header that carries the key. `None`: the plan takes no key.
    pub key_header: Option<&'static str>,
    /// How often it is asked when nothing forbids it.
    pub every: Duration,
    /// Calls a minute, unless the operator says otherwise.
    pub calls_per_minute: u32,
    /// Calls a month, unless the operator says otherwise. `None`: no published budget.
    pub calls_per_month: Option<u32>,
    /// Failures in a row make it wait longer, up to this.
    pub back_off_max: Duration,
    /// How long one call may take, unless the operator says otherwise.
    pub timeout: Duration,
}

/// What is asked of most markets after failures in a row.
const BACK_OFF_MAX: Duration = Duration::from_secs(15 * 60);

/// A source that can be asked for prices.
pub(super) trait QuoteSource: Send + Sync {
    /// One call. Prices what the market has of `ids`; what it has not is absent, which is not an error.
    /// A source that answers everything ignores `ids`.
    fn fetch<'a>(&'a self, ids: &'a [&'a str], haste: Haste) -> Fetching<'a>;
}

pub(super) type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Vec<Priced>, SourceError>> + Send + 'a>>;

/// Why a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// It is time.
    Regular,
    /// Somebody waits: the lightest route.
    Awaited,
}

/// One price as read from an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Priced {
    /// The id asked by.
    pub(super) id: String,
    /// Above 0.
    pub(super) price: Decimal,
    /// In percent.
    pub(super) change_24h_pct: Option<f64>,
    /// The market's time. `None`: it gave none.
    pub(super) as_of: Option<Timestamp>,
    /// What the price is in, and the change against.
    pub(super) quoted_in: Currency,
}

/// What a price is quoted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Currency {
    /// US dollars.
    Usd,
    /// The token of our catalog with this id, such as `tether`: a stable coin is not the dollar.
    Token(&'static str),
}

/// What a source is built from.
pub(super) struct Setup<'a> {
    pub(super) catalog: &'a Arc<Catalog>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) file: Option<&'a Path>,
}

/// A source as configured: its row, its plan and what it calls.
pub(super) struct Configured {
    pub(super) entry: &'static SourceEntry,
    pub(super) plan: &'static Plan,
    pub(super) has_key: bool,
    pub(super) calls_per_minute: u32,
    pub(super) calls_per_month: Option<u32>,
    /// Calls over the wire since this was last set to 0.
    pub(super) calls: Arc<AtomicU32>,
    pub(super) source: Box<dyn QuoteSource>,
}

impl SourceEntry {
    /// The row of this name.
    pub fn find(name: &str) -> Option<&'static SourceEntry> {
        ALL.iter().find(|entry| entry.name == name)
    }

    /// Checks the configuration and makes the source ready. Does not touch the network.
    pub(super) fn configure(
        &'static self,
        catalog: &Arc<Catalog>,
        config: &MarketConfig,
        http: &Http,
    ) -> Result<Configured, MarketError> {
        let unset = SourceConfig::default();
        let options = config.source(self.name).unwrap_or(&unset);
        let key = self.key(options)?;
        let plan = self.plan(options, key.is_some())?;
        let calls = Arc::new(AtomicU32::new(0));
        let endpoint = match plan.base_url {
            "" => None,
            base_url => Some(Endpoint::new(
                http.clone(),
                self.base_url(options.base_url.as_deref().unwrap_or(base_url))?,
                self.key_header(plan, key.as_ref())?,
                self.timeout(options, plan)?,
                Arc::clone(&calls),
            )),
        };
        for (option, value) in
            [("calls_per_minute", options.calls_per_minute), ("calls_per_month", options.calls_per_month)]
        {
            if value == Some(0) {
                let problem =
                    format!("must be above 0; to switch it off take `{}` out of market.sources", self.name);
                return Err(MarketError::option(self.name, option, problem));
            }
        }
        Ok(Configured {
            entry: self,
            plan,
            has_key: key.is_some(),
            calls_per_minute: options.calls_per_minute.unwrap_or(plan.calls_per_minute),
            calls_per_month: options.calls_per_month.or(plan.calls_per_month),
            calls,
            source: (self.build)(Setup { catalog, endpoint, file: config.file.path.as_deref() })?,
        })
    }

    fn plan(&self, options: &SourceConfig, has_key: bool) -> Result<&'static Plan, MarketError> {
        let Some(name) = &options.plan else {
            let plan = self.plans.iter().find(|plan| plan.key_header.is_some() == has_key);
            return plan.ok_or_else(|| MarketError::option(self.name, "api_key", "this source takes no key"));
        };
        let Some(plan) = self.plans.iter().find(|plan| plan.name == name) else {
            let known = self.plans.iter().map(|plan| plan.name).collect::<Vec<_>>().join(", ");
            let problem = format!("there is no plan `{name}`; known are {known}");
            return Err(MarketError::option(self.name, "plan", problem));
        };
        match (plan.key_header, has_key) {
            (Some(_), false) => {
                let problem = format!("plan `{name}` needs a key; set api_key or api_key_file");
                Err(MarketError::option(self.name, "api_key", problem))
            }
            (None, true) => {
                let problem = format!("plan `{name}` takes no key; name the key's plan or remove the key");
                Err(MarketError::option(self.name, "plan", problem))
            }
            _ => Ok(plan),
        }
    }

    fn key(&self, options: &SourceConfig) -> Result<Option<Secret>, MarketError> {
        let key = match (&options.api_key, &options.api_key_file) {
            (Some(_), Some(_)) => {
                let problem = "set this or api_key, not both";
                return Err(MarketError::option(self.name, "api_key_file", problem));
            }
            (Some(key), None) => Some((key.reveal().trim().to_owned(), "api_key")),
            (None, Some(path)) => {
                let key = std::fs::read_to_string(path).map_err(|error| {
                    let problem = format!("cannot read {}: {error}", path.display());
                    MarketError::option(self.name, "api_key_file", problem)
                })?;
                Some((key.trim().to_owned(), "api_key_file"))
            }
            (None, None) => None,
        };
        match key {
            Some((key, option)) if key.is_empty() => Err(MarketError::option(
                self.name,
                option,
                "the key is empty; leave the option out for no key",
            )),
            key => Ok(key.map(|(key, _)| Secret::new(key))),
        }
    }

    fn key_header(
        &self,
        plan: &Plan,
        key: Option<&Secret>,
    ) -> Result<Option<(HeaderName, HeaderValue)>, MarketError> {
        let (Some(name), Some(key)) = (plan.key_header, key) else { return Ok(None) };
        let value = HeaderValue::from_str(key.reveal()).map_err(|_| {
            MarketError::option(
                self.name,
                "api_key",
                "the key holds characters that no key has, such as a line break",
            )
        })?;
        Ok(Some((HeaderName::from_static(name), value)))
    }

    fn base_url(&self, text: &str) -> Result<Url, MarketError> {
        let url =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // The text is not repeated: somebody may have put a key into it.
        url.filter(|url| url.username().is_empty() && url.password().is_none() && url.query().is_none())
            .ok_or_else(|| {
                MarketError::option(self.name, "base_url", "must be http(s)://host[/path] without query")
            })
    }

    fn timeout(&self, options: &SourceConfig, plan: &Plan) -> Result<Duration, MarketError> {
        match options.timeout {
            Some(timeout) if timeout.is_zero() => {
                Err(MarketError::option(self.name, "timeout", "must be above 0, such as \"10s\""))
            }
            timeout => Ok(timeout.unwrap_or(plan.timeout)),
        }
    }
}
