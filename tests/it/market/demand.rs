//! What callers ask for moves up, and many asks make one call.

use super::*;
use crate::fake_market::Mood;
use cointag::market::Snapshot;

#[tokio::test]
async fn ten_thousand_waiters_for_one_cold_token_make_one_call() {
    let fake = fake_market().await;
    let clock = Clock::manual(noon());
    let catalog = Arc::new(Catalog::parse(CATALOG).unwrap());
    let config = fake.config(COINGECKO);
    let quotes = QuotesConfig::default();
    let markets = Markets::new(Arc::clone(&catalog), &config, &quotes, None, clock).unwrap();
    let token = catalog.find("lonely").unwrap();
    let mut waiters = tokio::task::JoinSet::new();
    for _ in 0..10_000 {
        let markets = markets.clone();
        waiters.spawn(async move {
            markets.wait_for(&[token], minutes(1)).await;
            markets.snapshot().answer(token, markets.now()).price
        });
    }
    let stop = CancellationToken::new();
    markets.spawn(stop.clone());
    let _stop = stop.drop_guard();
    let prices = within(waiters.join_all()).await;
    assert!(prices.iter().all(|price| price.as_deref() == Some("0.0000000000782")));
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn a_token_that_went_cold_is_asked_for_alone_by_the_light_route_once() {
    let fake = fake_market().await;
    fake.remove("lonely");
    let desk = Desk::open_with(fake, COINGECKO, None, |config| {
        config.coingecko.calls_per_minute = Some(30);
        config.coingecko.calls_per_month = Some(4_000);
    })
    .await;
    desk.first_round().await;
    assert_eq!(desk.reason("lonely").1, "coingecko: no price");
    // The month allows a regular call every 12 minutes; in between the rest goes stale.
    desk.advance(minutes(11));
    assert_eq!(desk.state("bitcoin"), QuoteState::Stale);
    let token = desk.token("bitcoin");
    let waiters = (0..100).map(|_| {
        let markets = desk.markets.clone();
        tokio::spawn(async move { markets.wait_for(&[token], minutes(1)).await })
    });
    for waiter in waiters.collect::<Vec<_>>() {
        within(waiter).await.unwrap();
    }
    assert_eq!(desk.state("bitcoin"), QuoteState::Fresh);
    let calls = desk.fake.calls();
    assert_eq!((calls.len(), calls[1].route), (2, Route::SimplePrice));
    assert_eq!(calls[1].ids(), ["bitcoin"]);
}

#[tokio::test]
async fn a_token_that_never_gets_fresh_cannot_use_up_the_calls_of_the_others() {
    let fake = fake_market().await;
    fake.set_as_of("lonely", "2026-05-18T09:00:00Z".parse().unwrap());
    let desk = Desk::open_with(fake, COINGECKO, None, |config| {
        config.coingecko.calls_per_minute = Some(30);
        config.coingecko.calls_per_month = Some(4_000);
    })
    .await;
    desk.first_round().await;
    // Twice as often as the month allows.
    let regular = Duration::from_secs(31 * 24 * 60 * 60 / 3_600);
    for _ in 0..40 {
        desk.advance(regular / 2);
        within(desk.markets.wait_for(&[desk.token("lonely")], minutes(1))).await;
    }
    let (pages, all) = (desk.fake.calls_of(Route::Markets), desk.fake.calls().len());
    assert!(pages >= 12, "{pages} of {all}");
    assert!(all <= 20 + 1 + 5, "{all}");
}

#[tokio::test]
async fn a_token_that_the_market_lacks_is_not_asked_for_again() {
    let fake = fake_market().await;
    fake.remove("lonely");
    let desk = Desk::open_with(fake, COINGECKO, None, |config| {
        config.coingecko.calls_per_minute = Some(30);
        config.coingecko.calls_per_month = Some(4_000);
    })
    .await;
    desk.first_round().await;
    desk.advance(minutes(5));
    within(desk.markets.wait_for(&[desk.token("lonely")], minutes(60))).await;
    assert_eq!(desk.fake.calls().len(), 1);
}

#[tokio::test]
async fn when_the_first_source_cannot_be_asked_the_next_one_is() {
    let fake = fake_market().await;
    fake.set_mood(Route::Markets, Mood::TooFast(Some("600")));
    let desk = Desk::open_with(fake, BOTH, None, |_| {}).await;
    desk.first_round().await;
    assert_eq!(desk.price("bitcoin").1.as_deref(), Some("coinpaprika"));
    within(desk.markets.wait_for(&[desk.token("bitcoin")], minutes(1))).await;
    // Fresh already: nobody is asked.
    assert_eq!(desk.fake.calls().len(), 2);
    // CoinGecko alone has it and is silent for longer than the caller waits: no use waiting.
    within(desk.markets.wait_for(&[desk.token("lonely")], minutes(1))).await;
    assert_eq!(desk.reason("lonely").1, "coingecko: rate limited");
}

#[tokio::test]
async fn a_waiter_gives_up_when_its_time_is_over() {
    let fake = fake_market().await;
    fake.set_mood(Route::Markets, Mood::Hangs);
    let desk = Desk::open_with(fake, COINGECKO, None, |_| {}).await;
    within(desk.markets.wait_for(&[desk.token("bitcoin")], Duration::from_millis(20))).await;
    assert_eq!(desk.state("bitcoin"), QuoteState::Pending);
}

#[tokio::test]
async fn each_source_keeps_its_own_pace() {
    let desk = Desk::open(BOTH).await;
    desk.first_round().await;
    for minute in 1..=11 {
        desk.advance_to_call(minutes(1), Route::Markets).await;
        assert_eq!(desk.fake.calls_of(Route::Markets), 1 + minute);
    }
    desk.fake.called(Route::Tickers, 3).await;
    assert_eq!(desk.fake.calls_of(Route::Tickers), 3);
}

#[tokio::test]
async fn the_loop_stops_when_told_also_while_a_market_hangs() {
    let fake = fake_market().await;
    fake.set_mood(Route::Markets, Mood::Hangs);
    let catalog = Arc::new(Catalog::parse(CATALOG).unwrap());
    let (config, quotes) = (fake.config(COINGECKO), QuotesConfig::default());
    let markets = Markets::new(catalog, &config, &quotes, None, Clock::system()).unwrap();
    let stop = CancellationToken::new();
    let running = markets.spawn(stop.clone());
    fake.called(Route::Markets, 1).await;
    stop.cancel();
    within(running).await.unwrap();
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn reading_and_wanting_never_wait_whatever_the_markets_do() {
    // By their types neither can: there is no future to wait for.
    let _read: fn(&Snapshot, TokenIndex, Timestamp) -> QuoteAnswer = Snapshot::answer;
    let _newest: fn(&Markets) -> Arc<Snapshot> = Markets::snapshot;
    let _want: fn(&Markets, &[TokenIndex]) = Markets::want;

    let desk = Desk::open(BOTH).await;
    desk.first_round().await;
    for route in [Route::Markets, Route::SimplePrice, Route::Tickers] {
        desk.fake.set_mood(route, Mood::Hangs);
    }
    let calls = desk.fake.calls().len();
    desk.advance(minutes(20));
    desk.fake.called(Route::Tickers, 2).await;
    assert!(desk.fake.calls().len() > calls, "they hang now");
    // No await stands between the asks and the answers.
    for _ in 0..1_000 {
        desk.markets.want(&[desk.token("bitcoin"), desk.token("lonely")]);
        let answer = desk.answer("bitcoin");
        assert_eq!((answer.state, answer.age_s), (QuoteState::Stale, Some(1_200.0)));
    }
}
