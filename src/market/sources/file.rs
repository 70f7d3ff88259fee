//! `file`: the operator's own prices, for a service without network and for tests.
//!
//! ```json
//! {"as_of": "2026-05-18T12:00:00Z",
//!  "prices": {"bitcoin": {"price": "74603.12", "change_24h_pct": -1.8, "as_of": "2026-05-18T12:00:00Z"}}}
//! ```
//! Keys are the catalog's own token ids. A price is a number or a string; everything but `price` may be left
//! out. A price without a time, its own or the file's, holds whenever the file is read, so it stays fresh for
//! as long as the file is there. The file is read again when it changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Coverage, Currency, Fetching, Haste, Ids, Plan, Priced, QuoteSource, Setup, SourceEntry};
use crate::catalog::Catalog;
use crate::market::error::{MarketError, SourceError};
use crate::market::number;

pub(super) const ENTRY: SourceEntry = SourceEntry {
    name: "file",
    title: "The operator's file",
    credit: "Prices set by the operator of this service",
    link: "",
    terms: "None: the prices are the operator's own.",
    ids: Ids::Own,
    coverage: Coverage::Everything,
    cross_check: false,
    plans: &[Plan {
        name: "file",
        base_url: "",
        key_header: None,
        every: Duration::from_secs(15),
        calls_per_minute: 60,
        calls_per_month: None,
        // A mended file is to be seen soon.
        back_off_max: Duration::from_secs(15),
        timeout: Duration::from_secs(10),
    }],
    build,
};

/// A price for each of 20,000 tokens takes 2 MB.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

struct PriceFile {
    path: PathBuf,
    catalog: Arc<Catalog>,
    read: Mutex<Option<Read>>,
}

struct Read {
    seen: Seen,
    prices: Vec<Priced>,
}

/// What changes when a file changes.
#[derive(PartialEq)]
struct Seen {
    modified: Option<SystemTime>,
    length: u64,
}

fn build(setup: Setup<'_>) -> Result<Box<dyn QuoteSource>, MarketError> {
    let path = setup.file.ok_or_else(|| {
        MarketError::option("file", "path", "is needed because market.sources names `file`")
    })?;
    let file =
        PriceFile { path: path.to_owned(), catalog: Arc::clone(setup.catalog), read: Mutex::new(None) };
    file.prices().map_err(|problem| MarketError::File { path: path.to_owned(), problem })?;
    Ok(Box::new(file))
}

impl QuoteSource for PriceFile {
    fn fetch<'a>(&'a self, _ids: &'a [&'a str], _haste: Haste) -> Fetching<'a> {
        Box::pin(async move {
            // Small, local and rare: not worth a thread of its own.
            self.prices().map_err(|problem| SourceError::Malformed(problem.into()))
        })
    }
}

impl PriceFile {
    fn prices(&self) -> Result<Vec<Priced>, String> {
        let about = std::fs::metadata(&self.path).map_err(|error| error.to_string())?;
        let seen = Seen { modified: about.modified().ok(), length: about.len() };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = read.as_ref().filter(|read| read.seen == seen) {
            return Ok(read.prices.clone());
        }
        let prices = parse(&contents(&self.path, seen.length)?)?;
        self.report_strangers(&prices);
        *read = Some(Read { seen, prices: prices.clone() });
        Ok(prices)
    }
}

impl PriceFile {
    /// Prices of tokens that the catalog does not know are of no use; a slip of the pen is the likely cause.
    fn report_strangers(&self, prices: &[Priced]) {
        let strangers: Vec<_> =
            prices.iter().map(|priced| &*priced.id).filter(|id| self.catalog.find(id).is_none()).collect();
        if let Some(first) = strangers.first() {
            let count = strangers.len();
            tracing::warn!(count, first, "market.file.path holds {count} ids that the catalog does not know");
        }
    }
}

fn contents(path: &Path, length: u64) -> Result<String, String> {
    if length > BYTES_MAX {
        return Err("longer than 32 MiB".to_owned());
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Reads the file's text. Unlike a market's answer, a bad price here is an error: its author can mend it.
fn parse(text: &str) -> Result<Vec<Priced>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File<'a> {
        #[serde(default)]
        as_of: Option<Timestamp>,
        #[serde(borrow)]
        prices: BTreeMap<String, Record<'a>>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Record<'a> {
        #[serde(borrow)]
        price: &'a RawValue,
        #[serde(default)]
        change_24h_pct: Option<f64>,
        #[serde(default)]
        as_of: Option<Timestamp>,
    }
    let file: File<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let read = |(id, record): (String, Record<'_>)| {
        let price = number::price(Some(record.price))
            .ok_or_else(|| format!("the price of `{id}` is not a number above 0"))?;
        Ok(Priced {
            id,
            price,
            change_24h_pct: record.change_24h_pct,
            as_of: record.as_of.or(file.as_of),
            quoted_in: Currency::Usd,
        })
    };
    file.prices.into_iter().map(read).collect()
}
