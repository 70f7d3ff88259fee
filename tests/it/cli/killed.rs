//! `kill -9` and start again: the process itself, its counters and its prices.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::serve::Running;
use crate::fake_market::{FakeMarket, Mood, Route};

/// Starts on another thread, so that the market can answer meanwhile.
async fn start(fake: &FakeMarket, state: &Path) -> Running {
    let set = [
        "market.sources=coinpaprika,file".to_owned(),
        format!("market.coinpaprika.base_url={}", fake.coinpaprika_url()),
        "quotes.fresh_for=1ms".to_owned(),
        "health.first_quotes_wait=10ms".to_owned(),
    ];
    let state = state.display().to_string();
    let start = move || {
        let set = set.iter().flat_map(|set| ["--set", set]);
        Running::start(&["--state-dir", &state].into_iter().chain(set).collect::<Vec<_>>())
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}

async fn ethereum(server: &Running) -> Value {
    let url = format!("http://{}/v1/quotes", server.http);
    let body = json!({"token_ids": ["ethereum"]});
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["quotes"][0]["priced"]["quote"].clone()
}

async fn calls_this_month(server: &Running) -> u64 {
    let url = format!("http://{}/v1/server-info", server.http);
    let info: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    info["sources"][0]["calls_this_month"].as_u64().unwrap()
}

#[tokio::test]
async fn neither_the_month_nor_a_price_is_lost_and_each_price_has_its_true_age() {
    let fake = FakeMarket::start().await;
    fake.set_price("eth-ethereum", "2841.07");
    let dir = tempfile::tempdir().unwrap();
    let first = start(&fake, dir.path()).await;
    let kept = || {
        let text = std::fs::read_to_string(dir.path().join("quotes.json")).unwrap_or_default();
        text.contains("2841.07")
    };
    let keeping = async {
        while !kept() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), keeping).await.expect("the first round is kept");
    let (before, calls) = (ethereum(&first).await, calls_this_month(&first).await);
    assert_eq!((&before["price"], calls), (&"2841.07".into(), 1));
    // What it does when it is dropped: SIGKILL.
    drop(first);

    fake.set_mood(Route::Tickers, Mood::Hangs);
    let second = start(&fake, dir.path()).await;
    let after = ethereum(&second).await;
    assert_eq!((&after["state"], &after["price"]), (&"stale".into(), &"2841.07".into()));
    assert_eq!(after["as_of"], before["as_of"], "its age counts from the market's own time");
    assert!(after["age_s"].as_f64() > before["age_s"].as_f64(), "{before} {after}");
    assert_eq!(after["change_24h_pct"], -1.8);
    fake.called(Route::Tickers, 2).await;
    assert_eq!(calls_this_month(&second).await, calls + 1);
}
