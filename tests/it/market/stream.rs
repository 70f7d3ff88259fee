//! Binance's stream as an overlay, against a server that speaks the protocol on a port of its own.

use cointag::market::SourceState;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;

/// What Binance lists; nobody has proved its link to `paper`.
const AT_BINANCE: &str = r#"
[[asset]]
id = "bitcoin"
markets = { coingecko = "bitcoin", binance = "BTC" }
[[asset]]
id = "tether"
symbol = "USDT"
name = "Tether"
symbol_class = "a"
name_class = "b"
markets = { coingecko = "tether", binance = "USDT" }
[[asset]]
id = "mini"
markets = { binance = "1000MINI" }
per = { binance = 1000 }
[[asset]]
id = "paper"
markets = { binance = "PAPR" }
unverified = ["binance"]
"#;

struct Live {
    desk: Desk,
    listener: TcpListener,
}

impl Live {
    /// Bitcoin at 74,603.12 and USDT at 0.999 by CoinGecko, and the stream switched on.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws/!miniTicker@arr", listener.local_addr().unwrap());
        let fake = fake_market().await;
        fake.set_price("tether", "0.999");
        fake.set_change("tether", "0");
        let catalog = Arc::new(Catalog::parse(CATALOG).unwrap().with_overlay(AT_BINANCE).unwrap());
        let desk = Desk::open_catalog(catalog, fake, COINGECKO, None, Clock::manual(noon()), |config| {
            config.stream.enabled = true;
            config.stream.url = url;
        });
        desk.first_round().await;
        Self { desk, listener }
    }

    async fn accept(&self) -> WebSocketStream<TcpStream> {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        within(accept_async(stream)).await.unwrap()
    }

    /// Says one second's prices at this many seconds after noon.
    async fn say(&self, socket: &mut WebSocketStream<TcpStream>, at_s: i64, rows: &[(&str, &str, &str)]) {
        let ms = noon().as_millisecond() + at_s * 1000;
        let row = |(pair, open, last): &(&str, &str, &str)| {
            format!(r#"{{"e":"24hrMiniTicker","E":{ms},"s":"{pair}","c":"{last}","o":"{open}"}}"#)
        };
        let text = format!("[{}]", rows.iter().map(row).collect::<Vec<_>>().join(","));
        socket.send(Message::text(text)).await.unwrap();
    }

    async fn shows(&self, id: &str, price: &str) {
        self.desk.until(|desk| desk.answer(id).price.as_deref() == Some(price)).await;
    }

    fn info(&self) -> SourceInfo {
        self.desk.source("binance_stream")
    }
}

#[tokio::test]
async fn what_the_stream_says_lies_over_the_book_for_some_seconds() {
    let live = Live::start().await;
    let mut socket = live.accept().await;
    let calls = live.desk.fake.calls().len();
    live.desk.advance(Duration::from_secs(1));
    let rows = [
        ("BTCUSDT", "75000", "75500"),
        ("1000MINIUSDT", "2", "2"),
        ("PAPRUSDT", "1", "1"),
        ("XUSDT", "1", "1"),
    ];
    live.say(&mut socket, 1, &rows).await;
    // Multiplied by what USDT is worth.
    live.shows("bitcoin", "75424.5").await;
    let answer = live.desk.answer("bitcoin");
    assert_eq!((answer.state, answer.source.as_deref()), (QuoteState::Fresh, Some("binance_stream")));
    assert!((answer.change_24h_pct.unwrap() - 2.0 / 3.0).abs() < 1e-4, "{answer:?}");
    assert_eq!((answer.age_s, answer.as_of_received), (Some(0.0), false));
    assert_eq!(live.desk.answer("mini").price.as_deref(), Some("0.001998"));
    assert_eq!(live.desk.answer("paper").price, None, "nobody has proved that link");
    live.desk.advance(Duration::from_secs(1));
    live.say(&mut socket, 2, &[("BTCUSDT", "75000", "75510")]).await;
    live.shows("bitcoin", "75434.49").await;
    // It falls silent: after 15 s the market's own price is told again, with its age.
    live.desk.advance(Duration::from_secs(16));
    let answer = live.desk.answer("bitcoin");
    assert_eq!((answer.price.as_deref(), answer.age_s), (Some("74603.12"), Some(18.0)));
    assert_eq!(answer.source.as_deref(), Some("coingecko"));
    assert_eq!(live.desk.answer("mini").price.as_deref(), Some("0.001998"), "nobody else prices it");
    assert_eq!(live.desk.fake.calls().len(), calls, "no call was spent");
}

#[tokio::test]
async fn a_price_that_a_fresh_one_contradicts_is_not_shown() {
    let live = Live::start().await;
    let mut socket = live.accept().await;
    live.say(&mut socket, 0, &[("BTCUSDT", "1", "7")]).await;
    live.desk.until(|desk| desk.source("binance_stream").state == SourceState::Ok).await;
    assert_eq!(live.desk.answer("bitcoin").price.as_deref(), Some("74603.12"));
    live.say(&mut socket, 0, &[("BTCUSDT", "0", "75000")]).await;
    live.shows("bitcoin", "74925").await;
    assert_eq!(live.desk.answer("bitcoin").change_24h_pct, None, "without an open there is no change");
}

#[tokio::test]
async fn a_stream_that_ends_falls_silent_or_speaks_nonsense_is_connected_again() {
    let live = Live::start().await;
    let again = async |ends: &str| {
        live.desk.until(|desk| desk.source("binance_stream").reason.as_deref() == Some(ends)).await;
        assert_eq!(live.info().state, SourceState::BackingOff);
        // Ten seconds, half as much again by chance, doubled for each failure in a row.
        live.desk.advance(Duration::from_secs(45));
        live.accept().await
    };
    let mut socket = live.accept().await;
    // A ping is answered.
    socket.send(Message::Ping(b"20s".to_vec().into())).await.unwrap();
    let pong = within(socket.next()).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(b"20s".to_vec().into()));
    socket.close(None).await.unwrap();
    let mut socket = again("was closed").await;
    socket.send(Message::text("<html>")).await.unwrap();
    let mut socket = again("unreadable message").await;
    live.say(&mut socket, 100_000, &[("BTCUSDT", "75000", "75500")]).await;
    live.shows("bitcoin", "75424.5").await;
    // It stays open and says nothing any more.
    live.desk.advance(Duration::from_secs(31));
    let mut socket = again("fell silent").await;
    live.say(&mut socket, 100_000, &[("BTCUSDT", "75000", "76000")]).await;
    live.shows("bitcoin", "75924").await;
    assert_eq!((live.info().state, live.info().calls_total), (SourceState::Ok, 4));
}

#[tokio::test]
async fn a_stream_that_cannot_be_had_hinders_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fake = fake_market().await;
    // Whoever answers there speaks no TLS.
    let url = format!("wss://{}/ws", listener.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            drop(stream);
        }
    });
    let desk = Desk::open_with(fake, COINGECKO, None, |config| {
        config.stream.enabled = true;
        config.stream.url = url;
    })
    .await;
    desk.first_round().await;
    desk.until(|desk| desk.source("binance_stream").state == SourceState::BackingOff).await;
    let stream = desk.source("binance_stream");
    assert!(stream.reason.is_some_and(|reason| !reason.contains("127.0.0.1")));
    assert_eq!(desk.answer("bitcoin").price.as_deref(), Some("74603.12"));
    answering.abort();
    let mut config = desk.fake.config(COINGECKO);
    assert!(!config.stream.enabled, "it is off unless switched on");
    config.stream.enabled = true;
    config.stream.url = "https://example.org".to_owned();
    let quotes = QuotesConfig::default();
    let refused =
        Markets::new(Catalog::builtin(), &config, &quotes, None, Clock::manual(noon())).unwrap_err();
    assert_eq!(refused.to_string(), "market.stream.url: must be ws(s)://host/path");
}
