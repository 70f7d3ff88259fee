//! Prices of the past: each asked for once ever, never one of today, refused rather than approximated.

use std::time::Duration;

use cointag::catalog::Catalog;
use cointag::market::history::{History, export, import};
use cointag::market::{Clock, MarketConfig, Markets, QuoteAnswer, QuoteState, QuotesConfig};
use jiff::Timestamp;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::within;
use crate::fake_market::{FakeMarket, Mood, Route};

const THEN: &str = "2024-03-05T12:10:00Z";

struct Setup {
    fake: FakeMarket,
    markets: Markets,
    clock: Clock,
    _stop: DropGuard,
}

impl Setup {
    /// The built-in catalog, and these sources of the past.
    async fn start(sources: &[&str], state_dir: Option<&std::path::Path>) -> Self {
        Self::start_with(FakeMarket::start().await, sources, state_dir, |_| {})
    }

    fn start_with(
        fake: FakeMarket,
        sources: &[&str],
        state_dir: Option<&std::path::Path>,
        change: impl FnOnce(&mut MarketConfig),
    ) -> Self {
        let mut config = fake.config(&[]);
        config.history.sources = sources.iter().map(ToString::to_string).collect();
        change(&mut config);
        let clock = Clock::manual("2026-05-18T12:00:00Z".parse().unwrap());
        let quotes = QuotesConfig::default();
        let markets = Markets::new(Catalog::builtin(), &config, &quotes, state_dir, clock.clone()).unwrap();
        let stop = CancellationToken::new();
        markets.spawn(stop.clone());
        Self { fake, markets, clock, _stop: stop.drop_guard() }
    }

    fn history(&self) -> &History {
        self.markets.history()
    }

    fn now(&self, id: &str, at: &str) -> QuoteAnswer {
        let (token, at): (_, Timestamp) = (Catalog::builtin().find(id).unwrap(), at.parse().unwrap());
        self.history().answer(token, at, &self.markets.snapshot())
    }

    /// Waits until nothing more can come; the clock runs on meanwhile, so that the pace holds nobody up.
    async fn ask(&self, id: &str, at: &str) -> QuoteAnswer {
        self.ask_all(&[(id, at)]).await;
        self.now(id, at)
    }

    async fn ask_all(&self, asked: &[(&str, &str)]) {
        let asked: Vec<_> = asked
            .iter()
            .map(|(id, at)| (Catalog::builtin().find(id).unwrap(), at.parse::<Timestamp>().unwrap()))
            .collect();
        let ticking = async {
            loop {
                self.clock.advance(Duration::from_millis(100));
                tokio::task::yield_now().await;
            }
        };
        within(async {
            tokio::select! {
                () = self.history().wait_for(&asked, Duration::from_secs(60)) => {}
                () = ticking => {}
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_past_price_has_its_change_its_distance_and_never_a_price_of_today() {
    let setup = Setup::start(&["defillama"], None).await;
    setup.fake.set_past("bitcoin", "2024-03-05T12:00:12Z", "66000");
    setup.fake.set_past("bitcoin", "2024-03-04T12:00:03Z", "60000");
    setup.history().want(&[(Catalog::builtin().find("bitcoin").unwrap(), THEN.parse().unwrap())]);
    let pending = setup.now("bitcoin", THEN);
    assert_eq!((pending.state, pending.price), (QuoteState::Pending, None));
    let answer = setup.ask("bitcoin", THEN).await;
    assert_eq!(answer.state, QuoteState::Historical);
    assert_eq!(answer.price.as_deref(), Some("66000"));
    assert_eq!(answer.change_24h_pct, Some(10.0));
    assert_eq!(answer.as_of, "2024-03-05T12:00:12Z".parse().ok());
    assert_eq!((answer.asked_at, answer.distance_s), (THEN.parse().ok(), Some(588.0)));
    assert_eq!((answer.age_s, answer.change_since_pct, answer.reason), (None, None, None));
    assert_eq!(answer.source.as_deref(), Some("defillama"));
    assert_eq!(setup.fake.calls_of(Route::BatchHistorical), 1, "both points in one call");
    setup.ask("bitcoin", "2024-03-05T11:35:00Z").await;
    assert_eq!(setup.fake.calls_of(Route::BatchHistorical), 1, "the same hour");
}

#[tokio::test]
async fn what_no_record_supports_is_refused_with_the_reason() {
    let setup = Setup::start(&["defillama"], None).await;
    setup.fake.set_past("bitcoin", "2024-03-05T14:30:00Z", "66000");
    setup.fake.set_past("ethereum", "2024-03-05T13:50:00Z", "3000");
    let refused = |answer: QuoteAnswer| {
        assert_eq!((answer.state, answer.price), (QuoteState::Unavailable, None));
        answer.reason.unwrap()
    };
    let none = "no price at 2024-03-05T12:00:00Z: defillama: no record within 2h";
    assert_eq!(refused(setup.ask("bitcoin", THEN).await), none);
    // Within 2 h of the hour, not of the moment.
    let far = refused(setup.ask("ethereum", "2024-03-05T11:40:00Z").await);
    assert_eq!(far, "defillama: the nearest record lies 2h 10m away, at 2024-03-05T13:50:00Z");
    assert_eq!(setup.ask("ethereum", "2024-03-05T12:20:00Z").await.price.as_deref(), Some("3000"));
    assert_eq!(
        refused(setup.now("bitcoin", "2026-05-18T13:00:00Z")),
        "the moment asked for lies in the future"
    );
    assert_eq!(
        refused(setup.now("bitcoin", "1960-01-01T00:00:00Z")),
        "the moment asked for lies before 1970"
    );
    let calls = setup.fake.calls_of(Route::BatchHistorical);
    setup.ask("bitcoin", THEN).await;
    assert_eq!(
        setup.fake.calls_of(Route::BatchHistorical),
        calls,
        "what was asked for in vain is remembered"
    );
}

#[tokio::test]
async fn binance_is_converted_by_the_price_of_usdt_or_not_used() {
    let setup = Setup::start(&["defillama", "binance"], None).await;
    setup.fake.set_past("BTCUSDT", "2024-03-05T12:00:00Z", "66000.50");
    setup.fake.set_past("BTCUSDT", "2024-03-04T12:00:00Z", "60000");
    let without = setup.ask("bitcoin", THEN).await;
    assert_eq!((without.state, without.price), (QuoteState::Unavailable, None));
    assert!(
        without.reason.unwrap().ends_with("binance: quotes in USDT, whose price of that hour is not known")
    );

    let setup = Setup::start(&["defillama", "binance"], None).await;
    setup.fake.set_past("BTCUSDT", "2024-03-05T12:00:00Z", "66000.50");
    setup.fake.set_past("BTCUSDT", "2024-03-04T12:00:00Z", "60000");
    setup.fake.set_past("tether", "2024-03-05T12:00:00Z", "0.999");
    setup.fake.set_past("tether", "2024-03-04T12:00:00Z", "1.001");
    let answer = setup.ask("bitcoin", THEN).await;
    assert_eq!((answer.price.as_deref(), answer.source.as_deref()), (Some("65934.4995"), Some("binance")));
    assert!((answer.change_24h_pct.unwrap() - 9.7811).abs() < 1e-3, "{:?}", answer.change_24h_pct);
    assert_eq!(setup.fake.calls_of(Route::Klines), 1);
    // LUNA was another coin's ticker then.
    let luna = setup.ask("terra-luna-2", "2021-12-01T00:00:00Z").await;
    assert!(!luna.reason.unwrap().contains("binance"));
}

#[tokio::test]
async fn coingecko_brings_90_days_in_one_call_and_says_what_its_plan_does_not_reach() {
    let setup = Setup::start(&["coingecko"], None).await;
    for day in 1..=28 {
        setup.fake.set_past("bitcoin", &format!("2026-02-{day:02}T06:00:41Z"), "90000");
    }
    assert_eq!(setup.ask("bitcoin", "2026-02-10T06:00:00Z").await.change_24h_pct, Some(0.0));
    assert_eq!(setup.ask("bitcoin", "2026-02-27T06:05:00Z").await.price.as_deref(), Some("90000"));
    assert_eq!(setup.fake.calls_of(Route::ChartRange), 1);
    let old = setup.ask("bitcoin", THEN).await;
    let reason = "no price at 2024-03-05T12:00:00Z: coingecko: reaches back 365 days without a paid plan";
    assert_eq!((old.state, old.reason.as_deref()), (QuoteState::Unavailable, Some(reason)));
    assert_eq!(setup.fake.calls_of(Route::ChartRange), 1);
}

#[tokio::test]
async fn while_one_source_fails_the_next_one_answers_and_a_key_fault_ends_it() {
    for mood in
        [Mood::TooFast(Some("60")), Mood::Html, Mood::Says(451, "{}"), Mood::Says(502, "{}"), Mood::CutsOff]
    {
        let setup = Setup::start(&["defillama", "coingecko"], None).await;
        setup.fake.set_mood(Route::BatchHistorical, mood.clone());
        setup.fake.set_past("bitcoin", "2026-02-10T06:00:41Z", "90000");
        let answer = setup.ask("bitcoin", "2026-02-10T06:00:00Z").await;
        assert_eq!(answer.source.as_deref(), Some("coingecko"), "{mood:?}");
        let lone = setup.now("terra-luna", THEN);
        assert!(lone.price.is_none());
    }
}

#[tokio::test]
async fn a_call_that_is_too_long_is_halved() {
    let setup = Setup::start(&["defillama"], None).await;
    setup.fake.set_mood(Route::BatchHistorical, Mood::Says(414, "URI Too Long"));
    let asked = [("bitcoin", THEN), ("ethereum", THEN)];
    setup.ask_all(&asked).await;
    // 4 points, then 2, then 1: that is as short as it gets.
    assert_eq!(setup.fake.calls_of(Route::BatchHistorical), 3);
    assert!(setup.now("bitcoin", THEN).reason.unwrap().contains("too many tokens in one call"));
}

#[tokio::test]
async fn an_archive_costs_a_call_for_50_points_and_nothing_the_second_time() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::builtin();
    let ids: Vec<&str> = catalog.assets()[..30].iter().map(|asset| asset.id.as_str()).collect();
    let times: Vec<String> = (1..=20).map(|day| format!("2023-06-{day:02}T08:00:00Z")).collect();
    let asked: Vec<_> = ids.iter().flat_map(|id| times.iter().map(|at| (*id, at.as_str()))).collect();
    let fake = FakeMarket::start().await;
    ids.iter().for_each(|id| times.iter().for_each(|at| fake.set_past(id, at, "2.5")));
    let setup = Setup::start_with(fake, &["defillama"], Some(dir.path()), |_| {});
    setup.ask_all(&asked).await;
    // 30 tokens at 21 hours: the 20 days and the day before the first.
    let calls = setup.fake.calls_of(Route::BatchHistorical);
    assert_eq!(calls, (30 * 21_usize).div_ceil(50));
    assert_eq!(setup.now("bitcoin", &times[7]).change_24h_pct, Some(0.0));
    let Setup { fake, markets, clock: _, _stop } = setup;
    drop((markets, _stop));
    // The loops end soon after they are told; then the store is free.
    let mut text = Vec::new();
    let exported = within(async {
        loop {
            text.clear();
            match export(dir.path(), &mut text) {
                Ok(done) => return done,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert_eq!(exported.lines, 30 * 21);
    let second = Setup::start_with(fake, &["defillama"], Some(dir.path()), |_| {});
    second.ask_all(&asked).await;
    assert_eq!(second.fake.calls_of(Route::BatchHistorical), calls, "the second run costs nothing");
    let other = tempfile::tempdir().unwrap();
    assert_eq!(import(other.path(), &mut text.as_slice()).unwrap().new, 30 * 21);
}
