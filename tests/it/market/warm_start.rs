//! What outlives a restart: counters and quotes, with their true ages, in a directory that one process owns.

use super::log::Log;
use super::*;
use crate::fake_market::Mood;

/// Waits until the minute's save has been written.
async fn saved(desk: &Desk, dir: &Path) {
    desk.advance(minutes(1));
    let whole =
        || std::fs::read_to_string(dir.join("quotes.json")).is_ok_and(|text| text.contains("bitcoin"));
    within(async {
        while !whole() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn killed(dir: &Path) -> tempfile::TempDir {
    // What a killed process leaves is what stands on the disk at that moment; its lock dies with it.
    let copy = tempfile::tempdir().unwrap();
    for name in ["budget.json", "quotes.json"] {
        std::fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[tokio::test]
async fn after_a_kill_the_first_answer_is_old_with_its_true_age_and_no_call_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(fake_market().await, COINPAPRIKA, Some(dir.path()), |_| {}).await;
    desk.first_round().await;
    saved(&desk, dir.path()).await;
    let calls = desk.source("coinpaprika").calls_this_month;
    let left = killed(dir.path());

    let fake = fake_market().await;
    fake.set_mood(Route::Tickers, Mood::Hangs);
    let clock = Clock::manual(noon().checked_add(minutes(30)).unwrap());
    let desk = Desk::open_at(fake, COINPAPRIKA, Some(left.path()), clock, |_| {});
    let answer = desk.answer("bitcoin");
    assert_eq!((answer.state, answer.price.as_deref()), (QuoteState::Stale, Some("74600")));
    assert_eq!((answer.age_s, answer.source.as_deref()), (Some(1_800.0), Some("coinpaprika")));
    assert_eq!(answer.change_24h_pct, Some(-1.8));
    desk.fake.called(Route::Tickers, 1).await;
    let source = desk.source("coinpaprika");
    assert_eq!(source.calls_this_month, calls + 1);
    assert_eq!(source.calls_left_this_month, Some(20_000 - calls - 1));
    // The call was counted before it went out.
    let text = std::fs::read_to_string(left.path().join("budget.json")).unwrap();
    assert!(text.contains(&format!("\"calls\":{}", calls + 1)), "{text}");
}

#[tokio::test]
async fn a_stop_keeps_the_newest_quotes() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(fake_market().await, COINGECKO, Some(dir.path()), |_| {}).await;
    desk.first_round().await;
    within(desk.stop()).await;
    let text = std::fs::read_to_string(dir.path().join("quotes.json")).unwrap();
    assert!(text.contains("74603.12") && text.contains("0.0000000000782"), "{text}");
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_give_the_month_anew() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(fake_market().await, COINPAPRIKA, Some(dir.path()), |_| {}).await;
    desk.first_round().await;
    saved(&desk, dir.path()).await;
    let left = killed(dir.path());
    let earlier = Clock::manual("2026-03-01T00:00:00Z".parse().unwrap());
    let desk = Desk::open_at(fake_market().await, COINPAPRIKA, Some(left.path()), earlier, |_| {});
    desk.fake.called(Route::Tickers, 1).await;
    assert_eq!(desk.source("coinpaprika").calls_this_month, 2);
}

#[tokio::test]
async fn a_second_process_reads_writes_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let first = Desk::open_with(fake_market().await, COINPAPRIKA, Some(dir.path()), |_| {}).await;
    first.first_round().await;
    within(first.stop()).await;
    // The first process is still there.
    let lock = std::fs::File::options().write(true).open(dir.path().join("lock")).unwrap();
    lock.try_lock().unwrap();
    let log = Log::start();
    let before = std::fs::read_to_string(dir.path().join("budget.json")).unwrap();
    let second = Desk::open_with(fake_market().await, COINPAPRIKA, Some(dir.path()), |_| {}).await;
    assert_eq!(second.price("bitcoin").0.as_deref(), Some("74600"), "read before anything was asked");
    second.first_round().await;
    within(second.stop()).await;
    assert_eq!(std::fs::read_to_string(dir.path().join("budget.json")).unwrap(), before);
    let told = log.text().matches("another process owns the state directory").count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_ruined_file_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["budget.json", "quotes.json"] {
        std::fs::write(dir.path().join(name), "{\"half\":").unwrap();
    }
    let desk = Desk::open_with(fake_market().await, COINPAPRIKA, Some(dir.path()), |_| {}).await;
    desk.first_round().await;
    assert_eq!(desk.state("bitcoin"), QuoteState::Fresh);
    within(desk.stop()).await;
    assert!(std::fs::read_to_string(dir.path().join("budget.json")).unwrap().starts_with("{\"coinpaprika\""));
}
