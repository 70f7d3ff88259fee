//! A quote as it is kept over a restart, with its true age.
//!
//! Tokens stand under their ids and sources under their names, so that another catalog or another
//! configuration reads the same file. Never touches a file itself.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::book::Snapshot;
use super::quote::Quote;
use super::sources::SourceEntry;
use crate::catalog::Catalog;

/// One quote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedQuote {
    token: String,
    /// Plain decimal text: no digit is lost.
    price: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change_24h_pct: Option<f64>,
    as_of: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    as_of_received: bool,
    source: String,
}

impl SavedQuote {
    /// Every quote of the book.
    pub(super) fn all(snapshot: &Snapshot, catalog: &Catalog) -> Vec<Self> {
        let saved = |quote: &Quote| Self {
            token: catalog.asset(quote.token).id.clone(),
            price: quote.price.to_string(),
            change_24h_pct: quote.change_24h_pct,
            as_of: quote.as_of,
            as_of_received: quote.as_of_received,
            source: quote.source.to_owned(),
        };
        catalog.indices().filter_map(|token| snapshot.quote(token)).map(saved).collect()
    }

    /// The quote, if the catalog still knows the token, the build the source, and the price is one. A time
    /// in the future would bar every newer price: it counts as now.
    pub(super) fn quote(&self, catalog: &Catalog, now: Timestamp) -> Option<Quote> {
        Some(Quote {
            token: catalog.find(&self.token)?,
            price: self.price.parse().ok().filter(|price| *price > Decimal::ZERO)?,
            change_24h_pct: self.change_24h_pct.filter(|change| change.is_finite()),
            as_of: self.as_of.min(now),
            as_of_received: self.as_of_received,
            source: SourceEntry::find(&self.source)?.name,
        })
    }
}
