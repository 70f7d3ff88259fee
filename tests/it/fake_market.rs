//! A market over real HTTP that speaks every route we use, in good moods and bad ones.
//!
//! Bodies are written here from the vendors' published contracts. Moods change at run time, per route; every
//! call is counted and its headers are kept.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use axum::routing::get;
use cointag::market::{MarketConfig, SourceConfig};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_stream::StreamExt;

use crate::fake_bodies::good;

/// A route of one of the markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Route {
    /// CoinGecko `/coins/markets`.
    Markets,
    /// CoinGecko `/simple/price`.
    SimplePrice,
    /// CoinPaprika `/tickers`.
    Tickers,
    /// CoinMarketCap `/v2/simple/price`, with and without key.
    CmcPrice,
    /// DefiLlama `/prices/current`.
    LlamaNow,
    /// DefiLlama `/prices/historical`.
    LlamaThen,
    /// Binance `/exchangeInfo`.
    BinanceInfo,
    /// Binance `/ticker/24hr`.
    BinanceTicker,
    /// Coinbase `/products`.
    CoinbaseProducts,
    /// Coinbase `/products/stats`.
    CoinbaseStats,
    /// OKX `/market/tickers`.
    OkxTickers,
    /// Kraken `/AssetPairs`.
    KrakenPairs,
    /// Kraken `/Ticker`.
    KrakenTicker,
    /// DefiLlama `/batchHistorical`.
    BatchHistorical,
    /// Binance `/api/v3/klines`.
    Klines,
    /// CoinGecko `/coins/{id}/market_chart/range`.
    ChartRange,
    /// CoinGecko `/coins/list`; empty unless a mood says otherwise.
    CoinsList,
    /// CoinPaprika `/contracts/{platform}`; the same.
    Contracts,
    /// CoinMarketCap `/v3/cryptocurrency/listings/latest`; the same.
    Listings,
}

/// Where each route lives, below the market's own root.
const ROUTES: &[(&str, Route)] = &[
    ("/coingecko/api/v3/coins/markets", Route::Markets),
    ("/coingecko/api/v3/simple/price", Route::SimplePrice),
    ("/coinpaprika/v1/tickers", Route::Tickers),
    ("/coinmarketcap/v2/simple/price", Route::CmcPrice),
    ("/coinmarketcap/public-api/v2/simple/price", Route::CmcPrice),
    ("/defillama/prices/current/{coins}", Route::LlamaNow),
    ("/defillama/prices/historical/{time}/{coins}", Route::LlamaThen),
    ("/binance/api/v3/exchangeInfo", Route::BinanceInfo),
    ("/binance/api/v3/ticker/24hr", Route::BinanceTicker),
    ("/coinbase/products", Route::CoinbaseProducts),
    ("/coinbase/products/stats", Route::CoinbaseStats),
    ("/okx/api/v5/market/tickers", Route::OkxTickers),
    ("/kraken/0/public/AssetPairs", Route::KrakenPairs),
    ("/kraken/0/public/Ticker", Route::KrakenTicker),
    ("/defillama/batchHistorical", Route::BatchHistorical),
    ("/binance/api/v3/klines", Route::Klines),
    ("/coingecko/api/v3/coins/{id}/market_chart/range", Route::ChartRange),
    ("/coingecko/api/v3/coins/list", Route::CoinsList),
    ("/coinpaprika/v1/contracts/{platform}", Route::Contracts),
    ("/coinmarketcap/public-api/v3/cryptocurrency/listings/latest", Route::Listings),
];

/// How a route behaves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mood {
    /// Answers.
    Good,
    /// 429, with this `Retry-After`.
    TooFast(Option<&'static str>),
    /// This status and body.
    Says(u16, &'static str),
    /// 200 and this body.
    Body(&'static str),
    /// Takes the call and never answers.
    Hangs,
    /// Breaks off in the middle of the answer.
    CutsOff,
    /// 200 and a page for people.
    Html,
    /// 300 MB of white space.
    Huge,
    /// 414 when asked for more ids than this.
    TooLongAbove(usize),
    /// Redirects to another host.
    Redirects,
}

/// What CoinGecko's five error forms look like, for one code.
pub(crate) const ERROR_FORMS: [&str; 5] = [
    r#"{"status":{"error_code":10010,"error_message":"use the other root URL"}}"#,
    r#"{"error":{"status":{"error_code":10010,"error_message":"use the other root URL"}}}"#,
    r#"{"timestamp":"2026-05-17T01:39:44Z","error_code":10010,"status":{"error_message":"use the other root URL"}}"#,
    r#"{"error":"something was wrong"}"#,
    "Throttled",
];

/// One call as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) route: Route,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
}

impl Call {
    /// A parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> String {
        let url = reqwest::Url::parse(&format!("http://market/?{}", self.query)).unwrap();
        url.query_pairs().find_map(|(key, value)| (key == name).then(|| value.into_owned())).unwrap()
    }

    /// The ids asked for, wherever they stand.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let find = |name: &str| self.query.split('&').find_map(|pair| pair.strip_prefix(name));
        let ids = find("ids=").or_else(|| find("id=")).or_else(|| {
            let last = self.path.rsplit('/').next()?;
            last.starts_with("coingecko:").then_some(last)
        });
        let ids = ids.into_iter().flat_map(|ids| ids.split(','));
        ids.map(|id| id.strip_prefix("coingecko:").unwrap_or(id)).collect()
    }
}

/// A running market; it stops when dropped.
pub(crate) struct FakeMarket {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

pub(crate) struct Shared {
    moods: Mutex<HashMap<Route, Mood>>,
    coins: Mutex<BTreeMap<String, Coin>>,
    past: Mutex<BTreeMap<String, BTreeMap<Timestamp, String>>>,
    time: Mutex<Option<Timestamp>>,
    calls: Mutex<Vec<Call>>,
    count: watch::Sender<usize>,
    huge_bytes_sent: Arc<AtomicU64>,
}

/// JSON texts, so that a test can write whatever a market might.
#[derive(Clone)]
pub(crate) struct Coin {
    pub(crate) price: String,
    pub(crate) change: String,
    as_of: Option<Timestamp>,
}

impl FakeMarket {
    /// On a free port, in a good mood, without coins.
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared {
            moods: Mutex::default(),
            coins: Mutex::default(),
            past: Mutex::default(),
            time: Mutex::default(),
            calls: Mutex::default(),
            count: watch::Sender::new(0),
            huge_bytes_sent: Arc::default(),
        });
        let mut app = Router::new();
        for (path, route) in ROUTES {
            let answer = async |State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap| {
                let query = uri.query().unwrap_or_default().to_owned();
                shared.answer(Call { route: *route, path: uri.path().to_owned(), query, headers }).await
            };
            app = app.route(path, get(answer));
        }
        let app = app.with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, shared, server }
    }

    /// The root below which both markets live.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `market.coingecko.base_url`.
    pub(crate) fn coingecko_url(&self) -> String {
        format!("{}/coingecko/api/v3", self.base_url())
    }

    /// `market.coinpaprika.base_url`.
    pub(crate) fn coinpaprika_url(&self) -> String {
        format!("{}/coinpaprika/v1", self.base_url())
    }

    /// A configuration that asks this market alone, through these sources.
    pub(crate) fn config(&self, sources: &[&str]) -> MarketConfig {
        let source = |base_url| SourceConfig {
            base_url: Some(base_url),
            // Long enough for a busy machine, short enough for a test that waits for it.
            timeout: Some(Duration::from_secs(5)),
            ..SourceConfig::default()
        };
        MarketConfig {
            sources: sources.iter().map(ToString::to_string).collect(),
            coingecko: source(self.coingecko_url()),
            coinpaprika: source(self.coinpaprika_url()),
            coinmarketcap: source(format!("{}/coinmarketcap", self.base_url())),
            defillama: source(format!("{}/defillama", self.base_url())),
            binance: source(format!("{}/binance", self.base_url())),
            coinbase: source(format!("{}/coinbase", self.base_url())),
            okx: source(format!("{}/okx", self.base_url())),
            kraken: source(format!("{}/kraken/0/public", self.base_url())),
            ..MarketConfig::default()
        }
    }

    pub(crate) fn set_mood(&self, route: Route, mood: Mood) {
        lock(&self.shared.moods).insert(route, mood);
    }

    /// Sets the price of a coin under the id that the route's market has for it, as JSON text: `74603.12`,
    /// `"74603.12"`, `null`, `7.82e-11`. The change is -1.8 %.
    pub(crate) fn set_price(&self, id: &str, price: &str) {
        let coin = Coin { price: price.to_owned(), change: "-1.8".to_owned(), as_of: None };
        lock(&self.shared.coins).insert(id.to_owned(), coin);
    }

    /// Sets the 24 h change of a coin that has a price, as JSON text.
    pub(crate) fn set_change(&self, id: &str, change: &str) {
        lock(&self.shared.coins).get_mut(id).unwrap().change = change.to_owned();
    }

    /// Sets the time of one coin's price.
    pub(crate) fn set_as_of(&self, id: &str, as_of: Timestamp) {
        lock(&self.shared.coins).get_mut(id).unwrap().as_of = Some(as_of);
    }

    /// Records a price of the past of a coin under the id that the route's market has for it.
    pub(crate) fn set_past(&self, id: &str, at: &str, price: &str) {
        let mut past = lock(&self.shared.past);
        past.entry(id.to_owned()).or_default().insert(at.parse().unwrap(), price.to_owned());
    }

    pub(crate) fn remove(&self, id: &str) {
        lock(&self.shared.coins).remove(id);
    }

    /// The time of all prices without one of their own; the system's, unless set.
    pub(crate) fn set_time(&self, time: Timestamp) {
        *lock(&self.shared.time) = Some(time);
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    pub(crate) fn calls_of(&self, route: Route) -> usize {
        lock(&self.shared.calls).iter().filter(|call| call.route == route).count()
    }

    /// Returns when so many calls of a route have come in.
    pub(crate) async fn called(&self, route: Route, times: usize) {
        let mut count = self.shared.count.subscribe();
        let enough = count.wait_for(|_| self.calls_of(route) >= times);
        tokio::time::timeout(Duration::from_secs(20), enough).await.expect("the call comes").unwrap();
    }

    /// How much of its 300 MB it got rid of.
    pub(crate) fn huge_bytes_sent(&self) -> u64 {
        self.shared.huge_bytes_sent.load(Ordering::Relaxed)
    }
}

impl Drop for FakeMarket {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    async fn answer(&self, call: Call) -> Response<Body> {
        let mood = lock(&self.moods).get(&call.route).cloned().unwrap_or(Mood::Good);
        let has_name = call.headers.contains_key(header::USER_AGENT);
        lock(&self.calls).push(call.clone());
        self.count.send_modify(|count| *count += 1);
        if !has_name {
            let body =
                r#"{"status":{"error_code":403,"error_message":"Please add a descriptive User-Agent"}}"#;
            return say(403, "application/json", body);
        }
        match mood {
            Mood::Good => say(200, "application/json", good(self, &call)),
            Mood::TooFast(retry_after) => {
                let mut response = say(429, "text/plain", "Throttled");
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert(header::RETRY_AFTER, seconds.parse().unwrap());
                }
                response
            }
            Mood::Says(status, body) => say(status, "application/json", body),
            Mood::Body(body) => say(200, "application/json", body),
            Mood::Hangs => std::future::pending().await,
            Mood::CutsOff => {
                let half = good(self, &call);
                let half = half[..half.len() / 2].to_owned();
                let pieces = [Ok(half), Err(std::io::Error::other("cut off"))];
                // The first half has to be under way before the connection breaks.
                stream(tokio_stream::iter(pieces).then(async |piece| {
                    tokio::task::yield_now().await;
                    piece
                }))
            }
            Mood::Html => say(200, "text/html", "<!doctype html><title>One moment, please</title>"),
            Mood::Huge => {
                let megabyte = bytes::Bytes::from(vec![b' '; 1 << 20]);
                let sent = Arc::clone(&self.huge_bytes_sent);
                stream(tokio_stream::iter((0..300).map(move |_| {
                    sent.fetch_add(1 << 20, Ordering::Relaxed);
                    Ok(megabyte.clone())
                })))
            }
            Mood::TooLongAbove(most) if call.ids().len() > most => say(414, "text/plain", "URI Too Long"),
            Mood::TooLongAbove(_) => say(200, "application/json", good(self, &call)),
            Mood::Redirects => {
                let mut response = say(302, "text/plain", "");
                response
                    .headers_mut()
                    .insert(header::LOCATION, "http://localhost:1/elsewhere".parse().unwrap());
                response
            }
        }
    }

    /// Every price of the past of a coin, in order.
    pub(crate) fn past(&self, id: &str) -> BTreeMap<Timestamp, String> {
        lock(&self.past).get(id).cloned().unwrap_or_default()
    }

    /// The ids of all coins.
    pub(crate) fn ids(&self) -> Vec<String> {
        lock(&self.coins).keys().cloned().collect()
    }

    pub(crate) fn coin(&self, id: &str) -> Option<(Coin, Timestamp)> {
        let coin = lock(&self.coins).get(id).cloned()?;
        let as_of = coin.as_of.or(*lock(&self.time)).unwrap_or_else(Timestamp::now);
        Some((coin, as_of))
    }
}

fn say(status: u16, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    response.header(header::CONTENT_TYPE, content_type).body(body.into()).unwrap()
}

fn stream<T: Into<bytes::Bytes> + Send + 'static>(
    pieces: impl tokio_stream::Stream<Item = std::io::Result<T>> + Send + 'static,
) -> Response<Body> {
    Response::new(Body::from_stream(pieces))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
