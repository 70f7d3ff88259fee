//! Rates of other currencies, kept by the hour beside the prices: a change over 24 h needs the rate of then.

use super::History;
use super::point::{Hour, Past};
use super::store::{Found, Row};
use crate::market::rates::{CURRENCIES, Table};

const SOURCE: &str = "coingecko";

impl History {
    /// Keeps a table for its hour; one that is there stays.
    pub(in crate::market) async fn keep_rates(&self, table: &Table) {
        let Some(hour) = hour(table.as_of.as_second().div_euclid(3600)) else { return };
        let row = |(currency, rate): (&String, &rust_decimal::Decimal)| Row {
            token: key(currency),
            hour,
            source: SOURCE.to_owned(),
            found: Found::Known(Past { price: *rate, as_of: table.as_of }),
        };
        // A failure is in the log; the rates of now do not depend on it.
        let _ = self.0.write(table.per_usd.iter().map(row).collect()).await;
    }

    /// The table of an hour counted from 1970.
    pub(in crate::market) fn rates_at(&self, at: i64) -> Option<Table> {
        let (store, hour) = (self.0.store()?, hour(at)?);
        let mut as_of = None;
        let rate = |currency: &&str| match store.get(&key(currency), hour, SOURCE) {
            Ok(Found::Known(past)) => {
                as_of = Some(past.as_of);
                Some(((*currency).to_owned(), past.price))
            }
            _ => None,
        };
        let per_usd = CURRENCIES.iter().filter_map(rate).collect();
        Some(Table { per_usd, as_of: as_of? })
    }
}

/// No token's id holds a colon.
fn key(currency: &str) -> String {
    format!("currency:{currency}")
}

fn hour(at: i64) -> Option<Hour> {
    u32::try_from(at).ok().map(Hour)
}
