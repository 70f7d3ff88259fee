//! Each bad mood of a market against each source: the named reaction, the next source's price, no loop, and
//! neither key nor body in the log.

use cointag::market::{Secret, SourceState};

use super::log::Log;
use super::*;
use crate::fake_market::{ERROR_FORMS, Mood};

const KEY: &str = "CG-very-secret-key";

/// A mood, the reason told, how the source then stands, and how many calls that takes.
fn moods() -> Vec<(Mood, &'static str, SourceState, u64)> {
    use SourceState::{BackingOff, Disabled};
    vec![
        (Mood::TooFast(None), "rate limited", BackingOff, 1),
        (Mood::TooFast(Some("119")), "rate limited", BackingOff, 1),
        (Mood::TooFast(Some("0")), "rate limited", BackingOff, 1),
        (Mood::Says(500, "{}"), "answered 500", BackingOff, 3),
        (Mood::Says(503, "<html>"), "answered 503", BackingOff, 3),
        (Mood::Says(408, ""), "answered 408", BackingOff, 3),
        (Mood::Says(401, "{}"), "the API key was refused", Disabled, 1),
        (Mood::Says(402, "{}"), "the plan does not include this route", Disabled, 1),
        (Mood::Says(403, "<html>blocked"), "refused the call (403)", BackingOff, 1),
        (Mood::Says(404, r#"{"error":"id not found"}"#), "answered 404", BackingOff, 1),
        (Mood::Says(451, "{}"), "not available from this place (451)", Disabled, 1),
        (Mood::Hangs, "timed out", BackingOff, 3),
        (Mood::CutsOff, "answer cut off", BackingOff, 3),
        (Mood::Html, "unreadable answer", BackingOff, 1),
        (Mood::Huge, "answer longer than 32 MiB", BackingOff, 1),
        (Mood::Body(r#"{"what":["is","this"]}"#), "unreadable answer", BackingOff, 1),
        (Mood::Body(""), "unreadable answer", BackingOff, 1),
        (Mood::Redirects, "redirects to another host", BackingOff, 1),
    ]
}

#[tokio::test]
async fn each_mood_of_coingecko_has_its_reaction() {
    for (mood, reason, state, calls) in moods() {
        check_coingecko(mood, reason, state, calls).await;
    }
}

#[tokio::test]
async fn each_error_form_of_coingecko_is_read() {
    use SourceState::{BackingOff, Disabled};
    let wrong_host = "the API key is for another host; check its plan";
    for form in &ERROR_FORMS[..3] {
        check_coingecko(Mood::Says(400, form), wrong_host, Disabled, 1).await;
        check_coingecko(Mood::Body(form), wrong_host, Disabled, 1).await;
    }
    check_coingecko(Mood::Says(400, ERROR_FORMS[3]), "answered with an error", BackingOff, 1).await;
    check_coingecko(Mood::Body(ERROR_FORMS[3]), "answered with an error", BackingOff, 1).await;
    check_coingecko(Mood::Says(429, ERROR_FORMS[4]), "rate limited", BackingOff, 1).await;
    let limited = r#"{"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit"}}"#;
    check_coingecko(Mood::Body(limited), "rate limited", BackingOff, 1).await;
    let plan = r#"{"status":{"error_code":10005,"error_message":"for paid plans"}}"#;
    check_coingecko(Mood::Says(401, plan), "the plan does not include this route", Disabled, 1).await;
    let range = r#"{"error":{"status":{"error_code":10012,"error_message":"exceeds the time range"}}}"#;
    check_coingecko(Mood::Says(401, range), "refused the parameters", BackingOff, 1).await;
    let nameless = r#"{"status":{"error_code":403,"error_message":"add a descriptive User-Agent"}}"#;
    check_coingecko(Mood::Says(403, nameless), "refuses our User-Agent", Disabled, 1).await;
    let edge = r#"{"status":{"error_code":1020,"error_message":"Access denied"}}"#;
    check_coingecko(Mood::Says(403, edge), "refused the call (403)", BackingOff, 1).await;
}

#[tokio::test]
async fn each_mood_of_coinpaprika_has_its_reaction() {
    let mut moods = moods();
    moods.push((Mood::Body("[]"), "unreadable answer", SourceState::BackingOff, 1));
    moods.push((Mood::Says(413, ""), "too many tokens in one call", SourceState::BackingOff, 1));
    moods.push((Mood::Says(429, r#"{"error":"maximum"}"#), "rate limited", SourceState::BackingOff, 1));
    for (mood, reason, state, calls) in moods {
        let log = Log::start();
        let desk = moody(Route::Tickers, mood.clone()).await;
        let source = desk.source("coinpaprika");
        assert_eq!((source.reason.as_deref(), source.state), (Some(reason), state), "{mood:?}");
        assert_eq!(source.calls_total, calls, "{mood:?}");
        assert_eq!(desk.price("bitcoin").1.as_deref(), Some("coingecko"), "{mood:?}");
        assert_eq!(desk.reason("paper"), (QuoteState::Unavailable, format!("coinpaprika: {reason}")));
        log.check(&mood, KEY, reason);
    }
}

async fn check_coingecko(mood: Mood, reason: &str, state: SourceState, calls: u64) {
    let log = Log::start();
    let desk = moody(Route::Markets, mood.clone()).await;
    let source = desk.source("coingecko");
    assert_eq!((source.reason.as_deref(), source.state), (Some(reason), state), "{mood:?}");
    assert_eq!(source.calls_total, calls, "{mood:?}");
    assert_eq!(source.calls_total, u64::try_from(desk.fake.calls_of(Route::Markets)).unwrap(), "{mood:?}");
    assert_eq!(desk.price("bitcoin").1.as_deref(), Some("coinpaprika"), "{mood:?}");
    assert_eq!(desk.reason("lonely"), (QuoteState::Unavailable, format!("coingecko: {reason}")));
    log.check(&mood, KEY, reason);
    if state == SourceState::Disabled {
        // Whoever wants it and however long one waits: it is not asked again.
        desk.advance_to_call(minutes(60), Route::Tickers).await;
        within(desk.markets.wait_for(&[desk.token("lonely")], minutes(1))).await;
        assert_eq!(desk.source("coingecko").calls_total, calls, "{mood:?}");
    }
}

/// Both sources after their first round, with one route in a mood.
async fn moody(route: Route, mood: Mood) -> Desk {
    let fake = fake_market().await;
    let hangs = mood == Mood::Hangs;
    fake.set_mood(route, mood);
    let desk = Desk::open_with(fake, BOTH, None, |config| {
        config.coingecko.api_key = Some(Secret::new(KEY));
        if hangs {
            let source =
                if route == Route::Tickers { &mut config.coinpaprika } else { &mut config.coingecko };
            source.timeout = Some(Duration::from_millis(50));
        }
    })
    .await;
    desk.first_round().await;
    desk
}

#[tokio::test]
async fn a_huge_answer_is_cut_off() {
    let fake = fake_market().await;
    fake.set_mood(Route::Tickers, Mood::Huge);
    let desk = Desk::open_with(fake, COINPAPRIKA, None, |_| {}).await;
    desk.first_round().await;
    assert!(desk.fake.huge_bytes_sent() < 100 << 20, "{}", desk.fake.huge_bytes_sent());
}

#[tokio::test]
async fn no_network_is_said_so() {
    let desk = Desk::open_with(fake_market().await, COINGECKO, None, |config| {
        config.coingecko.base_url = Some("http://127.0.0.1:1/api/v3".to_owned());
    })
    .await;
    desk.first_round().await;
    assert_eq!(desk.reason("bitcoin"), (QuoteState::Unavailable, "coingecko: cannot connect".to_owned()));
}

#[tokio::test]
async fn a_retry_after_is_honoured_and_capped() {
    for (header, wait) in [("119", 119), ("999999", 3_600)] {
        let fake = fake_market().await;
        fake.set_mood(Route::Markets, Mood::TooFast(Some(header)));
        let desk = Desk::open_with(fake, COINGECKO, None, |_| {}).await;
        desk.first_round().await;
        desk.fake.set_mood(Route::Markets, Mood::Good);
        desk.advance(Duration::from_secs(wait - 1));
        within(desk.markets.wait_for(&[desk.token("bitcoin")], Duration::ZERO)).await;
        assert_eq!(desk.fake.calls().len(), 1);
        desk.advance_to_call(Duration::from_secs(if wait == 119 { 1 + 1 } else { 1 }), Route::Markets).await;
        assert_eq!(desk.state("bitcoin"), QuoteState::Fresh);
    }
}

#[tokio::test]
async fn a_url_that_is_too_long_is_halved_until_it_fits() {
    let fake = fake_market().await;
    fake.set_mood(Route::Markets, Mood::TooLongAbove(1));
    let desk = Desk::open_with(fake, COINGECKO, None, |_| {}).await;
    desk.first_round().await;
    let asked: Vec<usize> = desk.fake.calls().iter().map(|call| call.ids().len()).collect();
    assert_eq!(asked, [4, 2, 1]);
    assert_eq!((desk.state("bitcoin"), desk.state("status")), (QuoteState::Fresh, QuoteState::Pending));
    desk.advance_to_call(minutes(2), Route::Markets).await;
    assert_eq!(desk.state("status"), QuoteState::Fresh);
}

#[tokio::test]
async fn who_we_are_and_the_key_travel_in_headers_alone() {
    let rows = [("demo", "x-cg-demo-api-key"), ("pro", "x-cg-pro-api-key")];
    for (plan, name) in rows {
        let desk = Desk::open_with(fake_market().await, BOTH, None, |config| {
            config.coingecko.api_key = Some(Secret::new(KEY));
            config.coingecko.plan = Some(plan.to_owned());
            config.coinpaprika.api_key = Some(Secret::new("cp-key"));
        })
        .await;
        desk.first_round().await;
        for call in desk.fake.calls() {
            assert!(call.headers["user-agent"].to_str().unwrap().starts_with("cointag/"));
            assert!(!call.query.contains(KEY));
            if call.route == Route::Tickers {
                assert_eq!(call.headers["authorization"], "cp-key", "no Bearer");
            } else {
                assert_eq!(call.headers[name], KEY);
            }
        }
    }
}
