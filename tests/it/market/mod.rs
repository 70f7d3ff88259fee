//! Quotes against a fake market over real HTTP. No test sleeps: time is a clock that the test advances, and
//! whatever takes real time is waited for by its effect.

mod configuration;
mod demand;
mod exchanges;
mod file;
mod history;
mod jumps;
mod links;
mod log;
mod moods;
mod rates;
mod states;
mod warm_start;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cointag::catalog::{Catalog, TokenIndex};
use cointag::market::{Clock, MarketConfig, Markets, QuoteAnswer, QuoteState, QuotesConfig, SourceInfo};
use jiff::Timestamp;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fake_market::{FakeMarket, Route};

const COINGECKO: &[&str] = &["coingecko"];
const COINPAPRIKA: &[&str] = &["coinpaprika"];
const BOTH: &[&str] = &["coingecko", "coinpaprika"];

/// `lonely` is at CoinGecko alone, `paper` at CoinPaprika alone, `stranger` nowhere; `doubtful`'s link to
/// CoinPaprika was matched by name only; CoinPaprika lists `mini` by the thousand.
const CATALOG: &str = r#"
as_of = "2026-05-18"
[[asset]]
id = "bitcoin"
symbol = "BTC"
name = "Bitcoin"
rank = 1
symbol_class = "a"
name_class = "a"
markets = { coingecko = "bitcoin", coinpaprika = "btc-bitcoin" }
[[asset]]
id = "status"
symbol = "SNT"
name = "Status"
rank = 400
symbol_class = "a"
name_class = "c"
name_why = "English word"
markets = { coingecko = "status", coinpaprika = "snt-status" }
[[asset]]
id = "lonely"
symbol = "LONE"
name = "Lonely Coin"
rank = 900
symbol_class = "a"
name_class = "a"
markets = { coingecko = "lonely" }
[[asset]]
id = "paper"
symbol = "PAPR"
name = "Paper Coin"
rank = 901
symbol_class = "a"
name_class = "a"
markets = { coinpaprika = "papr-paper" }
[[asset]]
id = "doubtful"
symbol = "DBT"
name = "Doubtful Coin"
rank = 902
symbol_class = "a"
name_class = "a"
markets = { coingecko = "doubtful", coinpaprika = "dbt-doubtful" }
unverified = ["coinpaprika"]
[[asset]]
id = "mini"
symbol = "MINI"
name = "Mini Coin"
rank = 903
symbol_class = "a"
name_class = "a"
markets = { coinpaprika = "1000mini-mini" }
per = { coinpaprika = 1000 }
[[asset]]
id = "stranger"
symbol = "STRG"
name = "Stranger Coin"
symbol_class = "a"
name_class = "a"
"#;

/// Running markets, the fake market that they ask, and the clock of both.
struct Desk {
    fake: FakeMarket,
    markets: Markets,
    catalog: Arc<Catalog>,
    clock: Clock,
    running: tokio::task::JoinHandle<()>,
    stop: DropGuard,
}

fn noon() -> Timestamp {
    "2026-05-18T12:00:00Z".parse().unwrap()
}

/// A fake market with a price for everything: bitcoin 74,603.12 at CoinGecko and 74,600 at CoinPaprika.
async fn fake_market() -> FakeMarket {
    let fake = FakeMarket::start().await;
    fake.set_time(noon());
    for (id, price) in [
        ("bitcoin", "74603.12"),
        ("status", "0.021874"),
        ("lonely", "7.82e-11"),
        ("doubtful", "2.0"),
        ("btc-bitcoin", "74600"),
        ("snt-status", "0.0219"),
        ("papr-paper", "0.5"),
        ("dbt-doubtful", "2.05"),
        ("1000mini-mini", "0.00391"),
    ] {
        fake.set_price(id, price);
    }
    fake
}

impl Desk {
    async fn open(sources: &[&str]) -> Self {
        Self::open_with(fake_market().await, sources, None, |_| {}).await
    }

    async fn open_with(
        fake: FakeMarket,
        sources: &[&str],
        state_dir: Option<&Path>,
        change: impl FnOnce(&mut MarketConfig),
    ) -> Self {
        Self::open_at(fake, sources, state_dir, Clock::manual(noon()), change)
    }

    fn open_at(
        fake: FakeMarket,
        sources: &[&str],
        state_dir: Option<&Path>,
        clock: Clock,
        change: impl FnOnce(&mut MarketConfig),
    ) -> Self {
        let catalog = Arc::new(Catalog::parse(CATALOG).unwrap());
        Self::open_catalog(catalog, fake, sources, state_dir, clock, change)
    }

    fn open_catalog(
        catalog: Arc<Catalog>,
        fake: FakeMarket,
        sources: &[&str],
        state_dir: Option<&Path>,
        clock: Clock,
        change: impl FnOnce(&mut MarketConfig),
    ) -> Self {
        let mut config = fake.config(sources);
        change(&mut config);
        let quotes = QuotesConfig::default();
        let markets = Markets::new(Arc::clone(&catalog), &config, &quotes, state_dir, clock.clone()).unwrap();
        let stop = CancellationToken::new();
        let running = markets.spawn(stop.clone());
        Self { fake, markets, catalog, clock, running, stop: stop.drop_guard() }
    }

    /// Stops as a server does: what was learned is kept when this returns.
    async fn stop(self) {
        drop(self.stop);
        self.running.await.unwrap();
    }

    fn token(&self, id: &str) -> TokenIndex {
        self.catalog.find(id).unwrap()
    }

    fn answer(&self, id: &str) -> QuoteAnswer {
        self.markets.snapshot().answer(self.token(id), self.markets.now())
    }

    fn state(&self, id: &str) -> QuoteState {
        self.answer(id).state
    }

    fn price(&self, id: &str) -> (Option<String>, Option<String>) {
        let answer = self.answer(id);
        (answer.price, answer.source)
    }

    /// State and reason of a token without a price.
    fn reason(&self, id: &str) -> (QuoteState, String) {
        let answer = self.answer(id);
        assert_eq!(answer.price, None);
        (answer.state, answer.reason.expect("a reason is set whenever there is no price"))
    }

    fn source(&self, name: &str) -> SourceInfo {
        self.markets.sources().into_iter().find(|source| source.name == name).unwrap()
    }

    /// Moves the clock and the market's times on.
    fn advance(&self, by: Duration) {
        self.fake.set_time(self.clock.now().checked_add(by).unwrap());
        self.clock.advance(by);
    }

    async fn first_round(&self) {
        within(self.markets.first_round()).await;
    }

    /// Returns when the book has come to satisfy `condition`.
    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let mut changes = self.markets.changes();
        within(changes.wait_for(|_| condition(self))).await.unwrap();
    }

    /// Moves on by `by`, over and over, until the book satisfies `condition` after so many calls of `route`.
    async fn advance_to_call(&self, by: Duration, route: Route) {
        let calls = self.fake.calls_of(route);
        let ended = *self.markets.changes().borrow();
        self.advance(by);
        self.fake.called(route, calls + 1).await;
        within(self.markets.changes().wait_for(|now| *now > ended)).await.unwrap();
    }
}

/// Fails instead of hanging.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("happens in time")
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}
