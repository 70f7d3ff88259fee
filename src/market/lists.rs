//! The markets' whole lists of coins, for `catalog sync`. Fetches and reads; decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::config::MarketConfig;
use super::error::{MarketError, SourceError};
use super::http::{Answer, Http, status_fault};
use super::number;
use super::sources::SourceEntry;
use super::sources::connect::Connected;
use crate::catalog::{Listed, Paprika};

/// Coins on one page of `/coins/markets`.
const PAGE: usize = 250;
const UNREADABLE: SourceError = SourceError::malformed("unreadable answer");

/// Why there are no lists.
#[derive(Debug, thiserror::Error)]
pub enum ListsError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] MarketError),
    /// A market.
    #[error("{market}: {error}")]
    Market {
        /// Which one.
        market: &'static str,
        /// Why.
        error: SourceError,
    },
}

/// Asks CoinGecko for its list and its first `pages` pages by rank, and CoinPaprika for everything it prices, at
/// the pace of their plans.
///
/// # Errors
/// Any call fails: half a list would look like coins that vanished.
pub async fn fetch(config: &MarketConfig, pages: u32) -> Result<(Vec<Listed>, Vec<Paprika>), ListsError> {
    let http = Http::new()?;
    let mut gecko = Caller::new("coingecko", config, &http)?;
    let mut listed = gecko.call("/coins/list", "include_platform=true", parse_list).await?;
    let places: HashMap<String, usize> =
        listed.iter().enumerate().map(|(place, coin)| (coin.id.clone(), place)).collect();
    for page in 1..=pages {
        let query = format!(
            "vs_currency=usd&order=market_cap_desc&per_page={PAGE}&page={page}&sparkline=false&precision=full"
        );
        let ranked = gecko.call("/coins/markets", &query, parse_page).await?;
        let last = ranked.len() < PAGE;
        for coin in ranked {
            if let Some(place) = places.get(&coin.id) {
                listed[*place].rank = coin.rank;
                listed[*place].price = coin.price;
            }
        }
        if last {
            break;
        }
    }
    let mut paprika = Caller::new("coinpaprika", config, &http)?;
    Ok((listed, paprika.call("/tickers", "quotes=USD", parse_tickers).await?))
}

struct Caller {
    market: &'static str,
    connected: Connected,
    called: bool,
}

impl Caller {
    fn new(market: &'static str, config: &MarketConfig, http: &Http) -> Result<Self, ListsError> {
        let unknown = || MarketError::option(market, "base_url", "this build does not know the market");
        let connected = SourceEntry::find(market).ok_or_else(unknown)?.connect(config, http)?;
        Ok(Self { market, connected, called: false })
    }

    async fn call<T>(
        &mut self,
        path: &str,
        query: &str,
        parse: fn(&Answer) -> Result<T, SourceError>,
    ) -> Result<T, ListsError> {
        if std::mem::replace(&mut self.called, true) {
            tokio::time::sleep(Duration::from_secs(60) / self.connected.calls_per_minute.max(1)).await;
        }
        let answer = self.connected.endpoint.get(path, query).await;
        answer
            .and_then(|answer| parse(&answer))
            .map_err(|error| ListsError::Market { market: self.market, error })
    }
}

/// Rows that cannot be read are left out; a list without any that can is none.
fn rows<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<Vec<T>, SourceError> {
    if let Some(fault) = status_fault(answer) {
        return Err(fault);
    }
    let rows: Vec<&RawValue> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let readable: Vec<T> = rows.iter().filter_map(|row| serde_json::from_str(row.get()).ok()).collect();
    if readable.is_empty() && !rows.is_empty() { Err(UNREADABLE) } else { Ok(readable) }
}

fn parse_list(answer: &Answer) -> Result<Vec<Listed>, SourceError> {
    #[derive(Deserialize)]
    struct Row {
        id: String,
        symbol: String,
        name: String,
        #[serde(default)]
        platforms: BTreeMap<String, Option<String>>,
    }
    let listed = |Row { id, symbol, name, platforms }| {
        let address = |(chain, address): (String, Option<String>)| {
            // An address may be empty or null, and so may the chain.
            Some((chain, address?)).filter(|(chain, address)| !chain.is_empty() && !address.is_empty())
        };
        let platforms = platforms.into_iter().filter_map(address).collect();
        Listed { id, symbol, name, platforms, rank: None, price: None }
    };
    let listed: Vec<Listed> = rows(answer)?.into_iter().map(listed).collect();
    if listed.is_empty() { Err(UNREADABLE) } else { Ok(listed) }
}

fn parse_page(answer: &Answer) -> Result<Vec<Listed>, SourceError> {
    #[derive(Deserialize)]
    struct Row<'a> {
        id: String,
        #[serde(default)]
        market_cap_rank: Option<u32>,
        #[serde(borrow, default)]
        current_price: Option<&'a RawValue>,
    }
    let listed = |row: Row<'_>| Listed {
        id: row.id,
        rank: row.market_cap_rank,
        price: number::price(row.current_price),
        ..Listed::default()
    };
    Ok(rows(answer)?.into_iter().map(listed).collect())
}

fn parse_tickers(answer: &Answer) -> Result<Vec<Paprika>, SourceError> {
    #[derive(Deserialize)]
    struct Row<'a> {
        id: String,
        symbol: String,
        name: String,
        #[serde(borrow)]
        quotes: BTreeMap<String, Quote<'a>>,
    }
    #[derive(Deserialize)]
    struct Quote<'a> {
        #[serde(borrow, default)]
        price: Option<&'a RawValue>,
    }
    let paprika = |row: Row<'_>| Paprika {
        price: number::price(row.quotes.get("USD").and_then(|quote| quote.price)),
        id: row.id,
        symbol: row.symbol,
        name: row.name,
    };
    Ok(rows(answer)?.into_iter().map(paprika).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_with_all_their_gaps() {
        let good = |body: &str| Answer { status: 200, retry_after: None, body: body.as_bytes().to_vec() };
        let list = good(
            r#"[{"id":"a","symbol":"a","name":"A","platforms":{"ethereum":"0xa","x":"","y":null,"":"z"}},
                {"id":"b","symbol":"b","name":"B"},{"id":7}]"#,
        );
        let listed = parse_list(&list).unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0].platforms, BTreeMap::from([("ethereum".to_owned(), "0xa".to_owned())]));
        assert_eq!(parse_list(&good("[]")), Err(UNREADABLE));
        let page = parse_page(&good(r#"[{"id":"a","market_cap_rank":null,"current_price":2.5}]"#)).unwrap();
        assert_eq!((page[0].rank, page[0].price), (None, "2.5".parse().ok()));
        assert_eq!(parse_page(&good("[]")), Ok(Vec::new()), "past the last page");
        let tickers =
            good(r#"[{"id":"a-a","symbol":"A","name":"A","quotes":{"USD":{"price":2.5}}},{"id":"x"}]"#);
        assert_eq!(parse_tickers(&tickers).unwrap()[0].price, "2.5".parse().ok());
    }
}
