//! A market over real HTTP that speaks every route we use, in good moods and bad ones.
//!
//! Bodies are written here from the vendors' published contracts. Moods change at run time, per route; every
//! call is counted and its headers are kept.

mod past;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::get;
use cointag::market::{MarketConfig, SourceConfig};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_stream::StreamExt;

/// A route of one of the markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Route {
    /// CoinGecko `/coins/markets`.
    Markets,
    /// CoinGecko `/simple/price`.
    SimplePrice,
    /// CoinPaprika `/tickers`.
    Tickers,
    /// DefiLlama `/batchHistorical`.
    BatchHistorical,
    /// Binance `/api/v3/klines`.
    Klines,
    /// CoinGecko `/coins/{id}/market_chart/range`.
    ChartRange,
}

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
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
}

impl Call {
    /// The ids asked for.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let ids = self.query.split('&').find_map(|pair| pair.strip_prefix("ids="));
        ids.map(|ids| ids.split(',').collect()).unwrap_or_default()
    }
}

/// A running market; it stops when dropped.
pub(crate) struct FakeMarket {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
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
struct Coin {
    price: String,
    change: String,
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
        let app = Router::new()
            .route("/coingecko/api/v3/coins/markets", get(markets))
            .route("/coingecko/api/v3/simple/price", get(simple_price))
            .route("/coinpaprika/v1/tickers", get(tickers))
            .route("/defillama/batchHistorical", get(past::batch_historical))
            .route("/binance/api/v3/klines", get(past::klines))
            .route("/coingecko/api/v3/coins/{id}/market_chart/range", get(past::chart_range))
            .with_state(Arc::clone(&shared));
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
            defillama: source(format!("{}/defillama", self.base_url())),
            binance: source(format!("{}/binance", self.base_url())),
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

async fn markets(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let call = Call { route: Route::Markets, query: query.unwrap_or_default(), headers };
    shared
        .answer(call, |shared, call| {
            let rows = call.ids().into_iter().filter_map(|id| {
                let (coin, as_of) = shared.coin(id)?;
                let Coin { price, change, .. } = coin;
                // The default is 100 rows; a client that forgets it loses coins in silence.
                Some(format!(
                    r#"{{"id":"{id}","symbol":"x","name":"X","current_price":{price},"market_cap":1e9,
                    "market_cap_rank":null,"price_change_percentage_24h":{change},"roi":null,
                    "last_updated":"{as_of}","price_change_percentage_24h_in_currency":{change}}}"#
                ))
            });
            let page = if call.query.contains("per_page=250") { 250 } else { 100 };
            format!("[{}]", rows.take(page).collect::<Vec<_>>().join(","))
        })
        .await
}

async fn simple_price(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let call = Call { route: Route::SimplePrice, query: query.unwrap_or_default(), headers };
    shared
        .answer(call, |shared, call| {
            let entries = call.ids().into_iter().filter_map(|id| {
                let (Coin { price, change, .. }, as_of) = shared.coin(id)?;
                let second = as_of.as_second();
                Some(format!(
                    r#""{id}":{{"usd":{price},"usd_24h_change":{change},"last_updated_at":{second}}}"#
                ))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        })
        .await
}

async fn tickers(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let call = Call { route: Route::Tickers, query: query.unwrap_or_default(), headers };
    shared
        .answer(call, |shared, _| {
            let ids: Vec<String> = lock(&shared.coins).keys().cloned().collect();
            let rows = ids.iter().filter_map(|id| {
            let (Coin { price, change, .. }, as_of) = shared.coin(id)?;
            Some(format!(
                r#"{{"id":"{id}","name":"X","symbol":"X","rank":1,"last_updated":"{as_of}","quotes":{{"USD":{{
                    "price":{price},"market_cap":0,"percent_change_24h":{change},"ath_price":null}}}}}}"#
            ))
        });
            format!("[{}]", rows.collect::<Vec<_>>().join(","))
        })
        .await
}

impl Shared {
    async fn answer(&self, call: Call, good: impl Fn(&Self, &Call) -> String) -> Response<Body> {
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

    fn coin(&self, id: &str) -> Option<(Coin, Timestamp)> {
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
