//! `cointag tag --quotes published`: an archive at the prices of its time, which cost their calls once. And
//! `--currency`.

use std::path::Path;

use super::{code, cointag, stderr, stdout};
use crate::fake_market::{FakeMarket, Mood, Route};
use crate::schema::valid_line;

/// Runs on another thread, so that the market can answer meanwhile.
async fn tag(fake: &FakeMarket, state: &Path, more: &[&str]) -> std::process::Output {
    let set = [
        format!("market.coingecko.base_url={}", fake.coingecko_url()),
        format!("market.defillama.base_url={}/defillama", fake.base_url()),
        "market.coingecko.calls_per_minute=60000".to_owned(),
        "market.defillama.calls_per_minute=60000".to_owned(),
        "market.history.sources=defillama".to_owned(),
        "market.sources=coingecko".to_owned(),
    ];
    let mut command = cointag(&["tag"]);
    command.args(more).arg("--state-dir").arg(state);
    command.args(set.iter().flat_map(|set| ["--set", set]));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn an_archive_is_priced_at_its_time_and_the_second_run_asks_nobody() {
    let fake = FakeMarket::start().await;
    fake.set_price("bitcoin", "74603.12");
    fake.set_past("bitcoin", "2024-03-05T12:00:12Z", "66000");
    fake.set_past("bitcoin", "2024-03-04T12:00:03Z", "60000");
    fake.set_past("solana", "2021-05-18T00:00:40Z", "0.0000123");
    let dir = tempfile::tempdir().unwrap();
    let (file, state) = (dir.path().join("archive.jsonl"), dir.path().join("state"));
    let archive = r#"{"id":"a","title":"Bitcoin climbs","published_at":"2024-03-05T12:10:00Z"}
{"id":"b","title":"Bitcoin climbs on","published_at":"2024-03-05T12:20:00Z"}
{"id":"c","title":"Solana wakes","published_at":"2021-05-18"}
{"id":"d","title":"Bitcoin without a date"}
{"id":"e","title":"Bitcoin in 2030","published_at":"2130-01-01T00:00:00Z"}
"#;
    std::fs::write(&file, archive).unwrap();
    let published = [file.to_str().unwrap(), "--quotes", "published"];
    let first = tag(&fake, &state, &published).await;
    assert_eq!(code(&first), 0, "{}", stderr(&first));
    let records: Vec<serde_json::Value> =
        stdout(&first).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    records.iter().for_each(valid_line);
    let quote = |place: usize| &records[place]["mentions"][0]["quote"];
    for (place, distance_s) in [(0, 588.0), (1, 1188.0)] {
        let quote = quote(place);
        assert_eq!((&quote["state"], &quote["price"]), (&"historical".into(), &"66000".into()));
        assert_eq!((&quote["change_24h_pct"], &quote["distance_s"]), (&10.0.into(), &distance_s.into()));
        assert_eq!(quote["change_since_pct"], 13.035);
    }
    let solana = quote(2);
    assert_eq!((&solana["price"], solana.get("change_24h_pct")), (&"0.0000123".into(), None));
    for (place, reason) in [(3, "published_at"), (4, "future")] {
        assert_eq!(quote(place).get("price"), None);
        assert!(quote(place)["reason"].as_str().unwrap().contains(reason), "{}", quote(place));
    }
    assert_eq!(fake.calls_of(Route::BatchHistorical), 1, "four points");

    let second = tag(&fake, &state, &published).await;
    assert_eq!(fake.calls_of(Route::BatchHistorical), 1, "the second run costs nothing");
    let prices = |output: &std::process::Output| {
        let text = stdout(output);
        text.lines().filter(|line| line.contains(r#""state":"historical""#)).count()
    };
    assert_eq!((prices(&first), prices(&second)), (3, 3));
    let mut export = cointag(&["history", "export", "--state-dir"]);
    let export = export.arg(&state).output().unwrap();
    assert_eq!(stdout(&export).lines().filter(|line| line.contains("price")).count(), 3);
}

#[tokio::test]
async fn words_are_priced_in_any_currency() {
    let fake = FakeMarket::start().await;
    fake.set_price("bitcoin", "74603.12");
    let rates = r#"{"bitcoin":{"usd":100000,"eur":88000,"chf":80000}}"#;
    fake.set_mood(Route::SimplePrice, Mood::Body(rates));
    let dir = tempfile::tempdir().unwrap();
    let mut shown = Vec::new();
    for currency in ["eur", "CHF", "USD"] {
        let output = tag(&fake, dir.path(), &["--text", "Bitcoin slips", "--currency", currency]).await;
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        shown.push(stdout(&output).lines().next().unwrap().to_owned());
    }
    // No change: the rates of a day earlier are not known.
    assert_eq!(shown[0], "Mentioned tokens  $BTC €65,651");
    assert_eq!(shown[1], "Mentioned tokens  $BTC 59,682 CHF");
    assert_eq!(shown[2], "Mentioned tokens  $BTC $74,603 -1.8%");
    let refused = tag(&fake, dir.path(), &["--text", "Bitcoin", "--currency", "XXX"]).await;
    assert_eq!(code(&refused), 2);
    assert!(stderr(&refused).contains("no such currency"), "{}", stderr(&refused));
}
