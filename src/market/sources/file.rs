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
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Coverage, Fetching, Haste, Ids, Plan, Priced, QuoteSource, Setup, SourceEntry};
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
    plans: &[Plan {
        name: "file",
        base_url: "",
        key_header: None,
        every: Duration::from_secs(15),
        calls_per_minute: 60,
        calls_per_month: None,
        timeout: Duration::from_secs(10),
    }],
    build,
};

/// A price for each of 20,000 tokens takes 2 MB.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

struct PriceFile {
    path: PathBuf,
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
    let file = PriceFile { path: path.to_owned(), read: Mutex::new(None) };
    file.prices().map_err(|problem| MarketError::File { path: path.to_owned(), problem })?;
    Ok(Box::new(file))
}

impl QuoteSource for PriceFile {
    fn fetch<'a>(&'a self, _ids: &'a [&'a str], _haste: Haste) -> Fetching<'a> {
        Box::pin(async move {
            // Small, local and rare: not worth a thread of its own.
            self.prices().map_err(|problem| {
                tracing::warn!(path = %self.path.display(), problem, "market.file.path cannot be read");
                SourceError::Malformed("the file of prices cannot be read")
            })
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
        *read = Some(Read { seen, prices: prices.clone() });
        Ok(prices)
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
        Ok(Priced { id, price, change_24h_pct: record.change_24h_pct, as_of: record.as_of.or(file.as_of) })
    };
    file.prices.into_iter().map(read).collect()
}
