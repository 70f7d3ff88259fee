//! The markets' whole lists of coins, for `catalog sync`. Fetches and reads; decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::config::MarketConfig;
use super::error::{MarketError, SourceError};
use super::http::{Answer, Http, status_fault};
use super::number;
use super::sources::SourceEntry;
use super::sources::coinmarketcap;
use super::sources::connect::Connected;
use crate::catalog::{Listed, Other};

const COINPAPRIKA: &str = "coinpaprika";
const COINMARKETCAP: &str = "coinmarketcap";
/// Coins on one page of CoinGecko's `/coins/markets`.
const PAGE: usize = 250;
/// Coins on one page of CoinMarketCap's listings.
const LISTINGS: usize = 200;
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

/// What the markets list.
#[derive(Debug)]
pub struct Lists {
    /// CoinGecko's coins, which decide what there is.
    pub listed: Vec<Listed>,
    /// Other markets' coins, for their ids.
    pub others: Vec<Other>,
    /// Why a market's ids are missing.
    pub notes: Vec<String>,
}

/// Asks CoinGecko for its list and its first `pages` pages of 250 by rank, and those of CoinPaprika and CoinMarketCap
/// that are among `market.sources` for as many, at the pace of their plans.
///
/// # Errors
/// A call to CoinGecko fails: half a list would look like coins that vanished.
pub async fn fetch(config: &MarketConfig, pages: u32) -> Result<Lists, ListsError> {
    let http = Http::new()?;
    let listed = coingecko(config, &http, pages).await?;
    let (mut others, mut notes) = (Vec::new(), Vec::new());
    let mut take = |market: &str, result: Result<Vec<Other>, ListsError>| match result {
        Ok(coins) => others.extend(coins),
        Err(error) => notes.push(format!("no ids of {market} were added: {error}")),
    };
    let is_used = |market: &str| config.sources.iter().any(|source| source == market);
    if is_used(COINPAPRIKA) {
        take(COINPAPRIKA, coinpaprika(config, &http).await);
    }
    if is_used(COINMARKETCAP) {
        let wanted = usize::try_from(pages).unwrap_or(usize::MAX).saturating_mul(PAGE);
        take(COINMARKETCAP, coinmarketcap(config, &http, wanted).await);
    }
    Ok(Lists { listed, others, notes })
}

async fn coingecko(config: &MarketConfig, http: &Http, pages: u32) -> Result<Vec<Listed>, ListsError> {
    let mut market = Caller::new("coingecko", config, http)?;
    let mut listed = market.call("/coins/list", "include_platform=true", parse_list).await?;
    let places: HashMap<String, usize> =
        listed.iter().enumerate().map(|(place, coin)| (coin.id.clone(), place)).collect();
    for page in 1..=pages {
        let query = format!(
            "vs_currency=usd&order=market_cap_desc&per_page={PAGE}&page={page}&sparkline=false&precision=full"
        );
        let ranked = market.call("/coins/markets", &query, parse_page).await?;
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
    Ok(listed)
}

/// Everything that it prices, with the contracts on Ethereum.
async fn coinpaprika(config: &MarketConfig, http: &Http) -> Result<Vec<Other>, ListsError> {
    let mut market = Caller::new(COINPAPRIKA, config, http)?;
    let mut coins = market.call("/tickers", "quotes=USD", parse_tickers).await?;
    let contracts = market.call("/contracts/eth-ethereum", "", parse_contracts).await?;
    for coin in &mut coins {
        coin.addresses = contracts.get(&coin.id).cloned().unwrap_or_default();
    }
    Ok(coins)
}

async fn coinmarketcap(config: &MarketConfig, http: &Http, wanted: usize) -> Result<Vec<Other>, ListsError> {
    let mut market = Caller::new(COINMARKETCAP, config, http)?;
    let prefix = if market.connected.endpoint.has_key() { "" } else { "/public-api" };
    let path = format!("{prefix}/v3/cryptocurrency/listings/latest");
    let mut coins = Vec::new();
    while coins.len() < wanted {
        // So many cost one credit.
        let query = format!("start={}&limit={LISTINGS}&convert=USD", coins.len() + 1);
        let page = market.call(&path, &query, parse_listings).await?;
        let last = page.len() < LISTINGS;
        coins.extend(page);
        if last {
            break;
        }
    }
    Ok(coins)
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

fn parse_tickers(answer: &Answer) -> Result<Vec<Other>, SourceError> {
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
    let coin = |row: Row<'_>| Other {
        market: COINPAPRIKA,
        price: number::price(row.quotes.get("USD").and_then(|quote| quote.price)),
        id: row.id,
        symbol: row.symbol,
        name: row.name,
        addresses: Vec::new(),
    };
    Ok(rows(answer)?.into_iter().map(coin).collect())
}

/// Addresses by id.
fn parse_contracts(answer: &Answer) -> Result<HashMap<String, Vec<String>>, SourceError> {
    #[derive(Deserialize)]
    struct Row {
        id: String,
        address: String,
        #[serde(default)]
        active: Option<bool>,
    }
    let mut contracts: HashMap<String, Vec<String>> = HashMap::new();
    for Row { id, address, active } in rows::<Row>(answer)? {
        if active != Some(false) {
            contracts.entry(id).or_default().push(address);
        }
    }
    Ok(contracts)
}

fn parse_listings(answer: &Answer) -> Result<Vec<Other>, SourceError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Row {
        id: u64,
        symbol: String,
        name: String,
        #[serde(default)]
        platform: Option<Platform>,
    }
    #[derive(Deserialize)]
    struct Platform {
        #[serde(default)]
        token_address: Option<String>,
    }
    // Looks at the errors, too.
    let priced = coinmarketcap::parse(answer)?;
    let prices: HashMap<String, Decimal> = priced.into_iter().map(|coin| (coin.id, coin.price)).collect();
    let body: Body<'_> = serde_json::from_slice(&answer.body).map_err(|_| UNREADABLE)?;
    let rows = body.data.iter().filter_map(|row| serde_json::from_str::<Row>(row.get()).ok());
    let coin = |row: Row| Other {
        market: COINMARKETCAP,
        price: prices.get(&row.id.to_string()).copied(),
        id: row.id.to_string(),
        symbol: row.symbol,
        name: row.name,
        addresses: row.platform.and_then(|platform| platform.token_address).into_iter().collect(),
    };
    Ok(rows.map(coin).collect())
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
        let contracts = good(
            r#"[{"address":"0xa","id":"a-a","type":"ERC20","active":true},{"address":"0xb","id":"a-a","active":false},{}]"#,
        );
        assert_eq!(parse_contracts(&contracts).unwrap()["a-a"], ["0xa"]);
        let listings = good(
            r#"{"data":[{"id":1,"name":"A","symbol":"A","platform":null,"quote":[{"symbol":"USD","price":2.5}]},
            {"id":2,"name":"B","symbol":"B","platform":{"token_address":"0xb"},"quote":[{"symbol":"USD","price":null}]},7],
            "status":{"error_code":0}}"#,
        );
        let coins = parse_listings(&listings).unwrap();
        assert_eq!((coins[0].price, &coins[1].addresses[..]), ("2.5".parse().ok(), &["0xb".to_owned()][..]));
        assert_eq!((coins[1].price, coins.len()), (None, 2));
    }
}
