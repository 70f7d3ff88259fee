//! Binance's `!miniTicker@arr`: the prices of all pairs that traded in the last second, laid over the book.
//!
//! An overlay: it costs no call, changes no budget, and what it says holds for some seconds only. A silent or broken
//! stream leaves the sources' own prices as they are. Never asks for anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::config::StreamConfig;
use super::error::MarketError;
use super::info::{SourceInfo, SourceState};
use super::number;
use super::pace::{back_off, chance};
use super::quote::Quote;
use super::refresh::Shared;
use super::settle::in_usd;
use super::sources::Currency;
use crate::catalog::{Catalog, TokenIndex};

/// Its name in answers.
const NAME: &str = "binance_stream";
const MARKET: &str = "binance";
/// What its pairs are quoted in.
const QUOTED_IN: Currency = Currency::Token("tether");
/// A whole market is about half a megabyte.
const MESSAGE_BYTES_MAX: usize = 8 << 20;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// It speaks every second: one that is silent for so long is dead, whatever the connection says.
const SILENT_MAX: Duration = Duration::from_secs(30);
const BACK_OFF_MAX: Duration = Duration::from_secs(5 * 60);

/// The stream and how it stands.
pub(super) struct Stream {
    url: String,
    /// Pair → token, and how many of it one unit of the listing holds.
    pairs: HashMap<String, (TokenIndex, u32)>,
    /// A price this many percent from a fresh one is not believed.
    jump_pct: f64,
    status: Mutex<Status>,
}

struct Status {
    state: SourceState,
    reason: Option<String>,
    last_success: Option<Timestamp>,
    last_failure: Option<Timestamp>,
    connects: u64,
}

/// One row of a message.
struct Ticker {
    pair: String,
    price: Decimal,
    change_24h_pct: Option<f64>,
    as_of: Timestamp,
}

impl Stream {
    /// `None`: it is off.
    pub(super) fn new(
        config: &StreamConfig,
        catalog: &Catalog,
        jump_pct: f64,
    ) -> Result<Option<Self>, MarketError> {
        if !config.enabled {
            return Ok(None);
        }
        let scheme = reqwest::Url::parse(&config.url).map(|url| url.scheme().to_owned());
        if !matches!(scheme.as_deref(), Ok("ws" | "wss")) {
            return Err(MarketError::option("stream", "url", "must be ws(s)://host/path"));
        }
        let pair = |token: TokenIndex| {
            let asset = catalog.asset(token);
            let base = asset.markets.get(MARKET)?;
            // There is no pair of USDT with itself, and nobody proves a link of the stream.
            let usable = base != "USDT" && !asset.unverified.iter().any(|market| market == MARKET);
            let per = asset.per.get(MARKET).copied().unwrap_or(1);
            usable.then(|| (format!("{base}USDT"), (token, per)))
        };
        let status = Status {
            state: SourceState::Starting,
            reason: None,
            last_success: None,
            last_failure: None,
            connects: 0,
        };
        Ok(Some(Self {
            url: config.url.clone(),
            pairs: catalog.indices().filter_map(pair).collect(),
            jump_pct,
            status: Mutex::new(status),
        }))
    }

    /// Listens for as long as the process lives.
    pub(super) async fn run(self: Arc<Self>, shared: Arc<Shared>) {
        let mut failures = 0;
        loop {
            let heard = self.listen(&shared, &mut failures).await;
            failures += 1;
            let reason = heard.unwrap_or_else(|error| error);
            let wait = back_off(failures, chance()).min(BACK_OFF_MAX);
            self.ended(&reason, shared.clock.now(), failures);
            shared.rounds.send_modify(|rounds| *rounds += 1);
            shared.clock.sleep_until(shared.clock.tick() + wait).await;
        }
    }

    /// One connection, until it ends; says why it did.
    async fn listen(&self, shared: &Shared, failures: &mut u32) -> Result<String, String> {
        self.lock().connects += 1;
        let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX));
        let connecting = tokio_tungstenite::connect_async_with_config(&self.url, Some(config), true);
        let connected = tokio::time::timeout(CONNECT_WITHIN, connecting).await;
        let (mut socket, _) =
            connected.map_err(|_| "timed out".to_owned())?.map_err(|error| words(&error))?;
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                () = shared.clock.sleep_until(shared.clock.tick() + SILENT_MAX) => return Ok("fell silent".to_owned()),
            };
            match message {
                None | Some(Ok(Message::Close(_))) => return Ok("was closed".to_owned()),
                Some(Err(error)) => return Err(words(&error)),
                Some(Ok(Message::Text(text))) => {
                    let Some(tickers) = parse(&text) else { return Err("unreadable message".to_owned()) };
                    *failures = 0;
                    self.heard(shared, &tickers);
                }
                // Pings are answered by the library.
                Some(Ok(_)) => {}
            }
        }
    }

    fn heard(&self, shared: &Shared, tickers: &[Ticker]) {
        let now = shared.clock.now();
        let snapshot = shared.book.snapshot();
        let rate = shared.rate(QUOTED_IN, &snapshot, now);
        let quotes: Vec<Quote> = rate.map_or_else(Vec::new, |(rate, rate_change)| {
            let quote = |ticker: &Ticker| {
                let (token, per) = *self.pairs.get(&ticker.pair)?;
                let price = ticker.price.checked_mul(rate)?.checked_div(Decimal::from(per))?.normalize();
                let held = snapshot.quote(token).filter(|_| snapshot.is_younger(token, now, 1.0));
                let believed = held.is_none_or(|held| !self.contradicts(price, held.price));
                (price > Decimal::ZERO && believed).then(|| Quote {
                    token,
                    price,
                    change_24h_pct: ticker.change_24h_pct.and_then(|change| in_usd(change, rate_change?)),
                    as_of: ticker.as_of.min(now),
                    as_of_received: false,
                    source: NAME,
                })
            };
            tickers.iter().filter_map(quote).collect()
        });
        shared.book.publish(|snapshot| quotes.into_iter().for_each(|quote| snapshot.set_live(quote)));
        self.answered(now, rate.is_some());
        shared.rounds.send_modify(|rounds| *rounds += 1);
    }

    fn contradicts(&self, live: Decimal, held: Decimal) -> bool {
        let ratio = live.checked_div(held).and_then(|ratio| ratio.to_f64());
        ratio.is_none_or(|ratio| (ratio - 1.0).abs() * 100.0 > self.jump_pct)
    }

    fn answered(&self, now: Timestamp, is_of_use: bool) {
        let mut status = self.lock();
        if status.state != SourceState::Ok {
            tracing::info!(market = NAME, "the stream speaks");
        }
        status.state = SourceState::Ok;
        status.reason =
            (!is_of_use).then(|| "no source tells a fresh price of USDT, which it quotes in".to_owned());
        status.last_success = Some(now);
    }

    fn ended(&self, reason: &str, now: Timestamp, failures: u32) {
        let mut status = self.lock();
        if failures <= 1 {
            tracing::warn!(market = NAME, reason, "the stream ended; it is connected again");
        }
        status.state = SourceState::BackingOff;
        status.reason = Some(reason.to_owned());
        status.last_failure = Some(now);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn info(&self) -> SourceInfo {
        let status = self.lock();
        SourceInfo {
            name: NAME,
            title: "Binance (stream)",
            credit: "Price data by Binance",
            link: "https://www.binance.com",
            terms: "Public market data; not offered in some countries.",
            plan: "stream",
            has_key: false,
            state: status.state,
            reason: status.reason.clone(),
            last_success: status.last_success,
            last_failure: status.last_failure,
            calls_total: status.connects,
            calls_per_minute: 0,
            calls_per_month: None,
            calls_this_minute: 0,
            calls_this_month: 0,
            calls_left_this_month: None,
            every_s: 1.0,
            next_call: None,
        }
    }
}

/// In our own words: an error of the library may hold the URL.
fn words(error: &WsError) -> String {
    match error {
        WsError::Http(response) => format!("answered {}", response.status().as_u16()),
        WsError::Tls(_) => "no TLS".to_owned(),
        WsError::Io(_) => "cannot connect, or was cut off".to_owned(),
        WsError::ConnectionClosed | WsError::AlreadyClosed => "was closed".to_owned(),
        WsError::Capacity(_) => "sent a message that is too long".to_owned(),
        _ => "broke the protocol".to_owned(),
    }
}

/// Reads a message. `None`: it is no list. A strange row does not spoil the others.
fn parse(text: &str) -> Option<Vec<Ticker>> {
    #[derive(Deserialize)]
    struct Row<'a> {
        s: String,
        #[serde(borrow, rename = "E")]
        time: &'a RawValue,
        #[serde(borrow, rename = "c")]
        last: &'a RawValue,
        #[serde(borrow, default, rename = "o")]
        open: Option<&'a RawValue>,
    }
    let rows: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let read = |row: &&RawValue| {
        let row: Row<'_> = serde_json::from_str(row.get()).ok()?;
        let price = number::price(Some(row.last))?;
        Some(Ticker {
            pair: row.s,
            price,
            change_24h_pct: number::price(row.open).and_then(|open| number::change_pct(open, price)),
            as_of: number::unix_millis(Some(row.time))?,
        })
    };
    Some(rows.iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_by_themselves_and_zeros_left_out() {
        let text = r#"[{"e":"24hrMiniTicker","E":1779105600136,"s":"BTCUSDT","c":"74600.50000000","o":"80000.00000000","v":"1"},
            {"E":1779105600138,"s":"DAIUSDT","c":"0.00000000","o":"1"},{"E":1779105600138,"s":"PEPEUSDT","c":"0.00000391","o":""},
            {"E":null,"s":"AUSDT","c":"1"},{"s":7},5,{"E":1779105600138,"s":"币USDT","c":"2","o":"0"}]"#;
        let told = |ticker: &Ticker| {
            let change = ticker.change_24h_pct.map_or_else(|| "-".to_owned(), |change| change.to_string());
            format!("{} {} {change}", ticker.pair, ticker.price.normalize())
        };
        let told: Vec<_> = parse(text).unwrap().iter().map(told).collect();
        assert_eq!(told, ["BTCUSDT 74600.5 -6.749375", "PEPEUSDT 0.00000391 -", "币USDT 2 -"]);
        for text in ["", "{}", r#"{"result":null,"id":1}"#, "<html>"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
