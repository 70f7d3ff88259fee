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
        assert_eq!(quote.get("change_since_pct"), None, "it differs from day to day");
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

fn article(at: usize) -> String {
    let token = ["Bitcoin", "Solana token", "Dogecoin"][at % 3];
    let day = at % 9 + 1;
    format!("{{\"id\":{at},\"title\":\"{token} climbs\",\"published_at\":\"2024-03-0{day}T12:10:00Z\"}}\n")
}

/// A market that has a price of each token on each day, and the day before the first.
async fn past_market() -> FakeMarket {
    let fake = FakeMarket::start().await;
    for id in ["bitcoin", "solana", "dogecoin"] {
        fake.set_past(id, "2024-02-29T12:00:12Z", "60000");
        (1..=9).for_each(|day| fake.set_past(id, &format!("2024-03-0{day}T12:00:12Z"), &format!("6{day}")));
    }
    fake
}

#[tokio::test]
async fn what_could_not_be_had_is_pending_and_filled_in_by_resume_byte_for_byte() {
    let (good, fake) = (past_market().await, past_market().await);
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.jsonl");
    std::fs::write(&input, (0..60).map(article).collect::<String>() + "oops\n").unwrap();
    for name in
        ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst", "out.csv", "out.parquet", "out.html", "out.txt"]
    {
        let run = async |fake: &FakeMarket, folder: &str| {
            let folder = dir.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            let output = folder.join(name);
            let mut args = vec![input.to_str().unwrap(), "--quotes", "published", "--resume"];
            if name.ends_with(".txt") {
                args.extend(["--format", "table"]);
            }
            args.extend(["-o", output.to_str().unwrap()]);
            let done = tag(fake, &folder.join(format!("state-{name}")), &args).await;
            let files = ["", ".checkpoint", ".part", ".rejected"];
            let there = files.map(|more| std::fs::read(format!("{}{more}", output.display())).ok());
            (code(&done), stderr(&done), there)
        };
        let (whole_code, told, whole) = run(&good, "whole").await;
        assert_eq!((whole_code, whole[1].is_none()), (1, true), "{told}");
        assert!(!told.contains("wait for prices"), "{told}");

        fake.set_mood(Route::BatchHistorical, Mood::Says(401, "{}"));
        let (pending_code, told, pending) = run(&fake, "filled").await;
        assert_eq!(pending_code, 1);
        assert!(told.contains("  60 articles wait for prices\n"), "{told}");
        assert!(
            told.contains(
                "prices of 60 of 61 records could not be had yet; run the same again with --resume"
            )
        );
        assert!(
            pending[0].is_some() && pending[1].is_some() && pending[2].is_none(),
            "whole, but to be filled"
        );
        assert_ne!(pending[0], whole[0]);
        if name == "out.jsonl" {
            // Still not: the same again.
            let (_, _, again) = run(&fake, "filled").await;
            assert_eq!(again, pending);
        }
        fake.set_mood(Route::BatchHistorical, Mood::Good);
        let (filled_code, told, filled) = run(&fake, "filled").await;
        assert_eq!(filled_code, 1, "{told}");
        assert_eq!(filled, whole, "{name}");
    }
}

#[tokio::test]
async fn a_pending_article_says_why_and_a_filling_that_knows_less_changes_nothing() {
    let fake = past_market().await;
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    std::fs::write(&input, (0..3).map(article).collect::<String>()).unwrap();
    let args = [input.to_str().unwrap(), "--quotes", "published", "--resume", "-o", output.to_str().unwrap()];
    // The day of the last article is known from another run.
    let state = dir.path().join("state");
    let last = dir.path().join("last.jsonl");
    std::fs::write(&last, article(2)).unwrap();
    let one = tag(&fake, &state, &[last.to_str().unwrap(), "--quotes", "published"]).await;
    assert_eq!(code(&one), 0, "{}", stderr(&one));
    fake.set_mood(Route::BatchHistorical, Mood::Says(402, "{}"));
    assert_eq!(code(&tag(&fake, &state, &args).await), 0);
    let before = std::fs::read_to_string(&output).unwrap();
    let records: Vec<serde_json::Value> =
        before.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    records.iter().for_each(valid_line);
    let quote = &records[0]["mentions"][0]["quote"];
    let reason = "no price yet at 2024-03-01T12:00:00Z: defillama: the plan does not include this route";
    assert_eq!((&quote["state"], &quote["reason"]), (&"pending".into(), &reason.into()));
    assert_eq!(records[2]["mentions"][0]["quote"]["price"], "63");
    // A state directory that knows nothing: the output keeps the price that it has.
    let done = tag(&fake, &dir.path().join("other"), &args).await;
    assert_eq!(code(&done), 2);
    let told = stderr(&done);
    assert!(told.contains("is left as it was: 2 of its articles wait for prices, and 3 would"), "{told}");
    assert_eq!(std::fs::read_to_string(&output).unwrap(), before);
    // Nothing is lost by that.
    fake.set_mood(Route::BatchHistorical, Mood::Good);
    let done = tag(&fake, &state, &args).await;
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert!(!std::fs::read_to_string(&output).unwrap().contains("pending"));
}

#[tokio::test]
async fn a_plan_tells_what_prices_cost_and_asks_nobody() {
    let fake = past_market().await;
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.jsonl");
    std::fs::write(&input, (0..900).map(article).collect::<String>()).unwrap();
    let published = [input.to_str().unwrap(), "--quotes", "published"];
    let planned = tag(&fake, dir.path(), &[&published[..], &["--plan", "-q"]].concat()).await;
    assert_eq!(code(&planned), 0, "{}", stderr(&planned));
    // 3 tokens on 3 days each, with the days before.
    let told = stdout(&planned);
    assert!(told.starts_with("prices at publication: 9 wanted, each of a token at an hour\n"), "{told}");
    assert!(told.contains("  defillama      18      1 "), "{told}");
    assert!(fake.calls().is_empty(), "{told}");
    let run = tag(&fake, dir.path(), &published).await;
    assert!(stderr(&run).contains(&told), "{}", stderr(&run));
    assert_eq!(fake.calls_of(Route::BatchHistorical), 1);
    let planned = tag(&fake, dir.path(), &[&published[..], &["--plan", "-q"]].concat()).await;
    let known =
        "prices at publication: 9 wanted, each of a token at an hour, 9 known already; no calls to make\n";
    assert_eq!(stdout(&planned), known);
    for (args, why) in [
        (vec!["--text", "Bitcoin", "--plan"], "--quotes published"),
        (vec![published[0], "--plan"], "--quotes published"),
    ] {
        let refused = tag(&fake, dir.path(), &args).await;
        assert_eq!(code(&refused), 2);
        assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    }
}

/// Without a key CoinGecko may be called once a minute: that call is the rates', and another market prices.
#[tokio::test]
async fn rates_come_at_once_also_without_a_key() {
    let fake = FakeMarket::start().await;
    fake.set_price("btc-bitcoin", "74603.12");
    fake.set_mood(Route::SimplePrice, Mood::Body(r#"{"bitcoin":{"usd":100000,"eur":88000}}"#));
    let dir = tempfile::tempdir().unwrap();
    let set = [
        format!("market.coingecko.base_url={}", fake.coingecko_url()),
        format!("market.coinpaprika.base_url={}", fake.coinpaprika_url()),
        "market.sources=coingecko,coinpaprika".to_owned(),
    ];
    for (words, shown) in [
        (&["tag", "--text", "Bitcoin slips", "--currency", "EUR"][..], "$BTC €65,651"),
        (&["quote", "BTC", "--currency", "eur"][..], "65,650.7456"),
    ] {
        let mut command = cointag(words);
        command
            .args(set.iter().flat_map(|set| ["--set", set]))
            .arg("--state-dir")
            .arg(dir.path().join(words[0]));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(stdout(&output).contains(shown), "{}{}", stdout(&output), stderr(&output));
    }
    assert_eq!((fake.calls_of(Route::SimplePrice), fake.calls_of(Route::Markets)), (2, 0));
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

/// The output of a server is that of this process, and what its market cannot give yet is filled in the same way.
#[tokio::test]
async fn a_running_server_prices_at_publication_too() {
    let fake = past_market().await;
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.jsonl");
    std::fs::write(&input, (0..60).map(article).collect::<String>()).unwrap();
    let output = |name: &str| dir.path().join(name).display().to_string();
    let (here, there) = (output("here.jsonl"), output("there.jsonl"));
    let published = |output: &str, more: &[&str]| {
        let args = [input.to_str().unwrap(), "--quotes", "published", "--resume", "-o", output];
        args.iter().chain(more).map(ToString::to_string).collect::<Vec<_>>()
    };
    let args = published(&here, &[]);
    let done =
        tag(&fake, &dir.path().join("mine"), &args.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(code(&done), 0, "{}", stderr(&done));

    let set = [
        format!("market.defillama.base_url={}/defillama", fake.base_url()),
        "market.defillama.calls_per_minute=60000".to_owned(),
        "market.history.sources=defillama".to_owned(),
    ];
    let start = async |state: &str| {
        let state = output(state);
        let set = set.clone();
        let start = move || {
            let set = set.iter().flat_map(|set| ["--set", set]);
            super::serve::Running::start(&["--state-dir", &state].into_iter().chain(set).collect::<Vec<_>>())
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    };
    let through = async |server: &super::serve::Running| {
        let mut command = cointag(&["tag", "--server", &server.grpc]);
        command.args(published(&there, &["--jobs", "2"]));
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    fake.set_mood(Route::BatchHistorical, Mood::Says(401, "{}"));
    let server = start("theirs").await;
    let done = through(&server).await;
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert!(stderr(&done).contains("prices of 60 of 60 records could not be had yet"), "{}", stderr(&done));
    assert_eq!(read(&there).matches(r#""state":"pending","reason":"no price yet at "#).count(), 60);
    drop(server);

    fake.set_mood(Route::BatchHistorical, Mood::Good);
    let calls = fake.calls_of(Route::BatchHistorical);
    let server = start("theirs").await;
    let done = through(&server).await;
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert_eq!(read(&there), read(&here));
    assert!((1..=2).contains(&(fake.calls_of(Route::BatchHistorical) - calls)), "18 prices");
}
