//! `cointag catalog sync` and `catalog diff`, against the markets' lists over HTTP.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::{code, cointag, run, stderr, stdout};
use crate::fake_market::{FakeMarket, Mood, Route};

/// Twenty-four plain assets, of which `coin-0` has no id but CoinGecko's.
fn catalog() -> String {
    let asset = |place: usize| {
        let paprika = if place == 0 { "" } else { ", coinpaprika = \"reviewed\"" };
        let paprika = paprika.replace("reviewed", &format!("reviewed-{place}"));
        format!(
            "[[asset]]\nid = \"coin-{place}\"\nsymbol = \"SYM{place}\"\nname = \"Coin Nr {place}\"\nrank = {}\n\
             symbol_class = \"b\"\nname_class = \"a\"\nmarkets = {{ coingecko = \"coin-{place}\"{paprika} }}\n",
            place + 1
        )
    };
    format!("as_of = \"2026-01-01\"\n{}", (0..24).map(asset).collect::<String>())
}

fn coin(place: usize) -> Value {
    json!({"id": format!("coin-{place}"), "symbol": format!("sym{place}"), "name": format!("Coin Nr {place}"),
           "platforms": {"ethereum": format!("0x{:0>40}", format!("aa{place:02}")), "other": null, "": ""}})
}

/// What CoinGecko lists: the same, but `coin-1` has a new ticker, `coin-23` is gone and two are new.
fn listed() -> Vec<Value> {
    let mut listed: Vec<Value> = (0..23).map(coin).collect();
    listed[1]["symbol"] = json!("fresh1");
    listed.push(json!({"id": "newcomer", "symbol": "newc", "name": "Newcomer Coin", "platforms": {}}));
    listed.push(json!({"id": "unranked", "symbol": "unr", "name": "Unranked Coin", "platforms": {}}));
    listed
}

fn set(fake: &FakeMarket, route: Route, body: &Value) {
    fake.set_mood(route, Mood::Body(body.to_string().leak()));
}

async fn market() -> FakeMarket {
    let fake = FakeMarket::start().await;
    set(&fake, Route::CoinsList, &json!(listed()));
    let page = |(id, price): (&str, f64)| json!({"id": id, "market_cap_rank": 9, "current_price": price});
    let pages = [("coin-0", 2.0), ("coin-1", 3.0), ("coin-2", 4.0), ("newcomer", 5.0)].map(page);
    set(&fake, Route::Markets, &json!(pages));
    let ticker = |id: &str, symbol: &str, name: &str, price: f64| json!({"id": id, "symbol": symbol, "name": name, "quotes": {"USD": {"price": price}}});
    let tickers = [
        // The same name and ticker at another price is another coin.
        ticker("sym0-impostor", "SYM0", "Coin Nr 0", 2.1),
        ticker("sym0-coin", "SYM0", "coin nr 0", 2.03),
        ticker("sym2-other", "SYM2", "Coin Nr 2", 4.0),
        ticker("newc-newcomer", "NEWC", "Newcomer Coin", 5.0),
    ];
    set(&fake, Route::Tickers, &json!(tickers));
    let listing = |id: u32, symbol: &str, name: &str, address: Option<&str>| {
        json!({"id": id, "symbol": symbol, "name": name, "quote": [{"symbol": "USD", "price": 77}],
               "platform": address.map(|address| json!({"token_address": address}))})
    };
    let listings = [
        listing(101, "SYM0", "Coin Number Zero", Some(&format!("0x{:0>40}", "AA00"))),
        listing(102, "SYM2", "Coin Nr 2", None),
    ];
    set(&fake, Route::Listings, &json!({"data": listings, "status": {"error_code": 0}}));
    fake
}

struct Sync {
    dir: tempfile::TempDir,
    fake: FakeMarket,
}

impl Sync {
    async fn new() -> Self {
        let sync = Self { dir: tempfile::tempdir().unwrap(), fake: market().await };
        std::fs::write(sync.file("before.toml"), catalog()).unwrap();
        sync
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    async fn run(&self, more: &[&str]) -> Output {
        let mut command =
            cointag(&["--catalog", &self.file("before.toml"), "--state-dir", &self.file("state")]);
        command.args(["catalog", "sync"]).args(more);
        for (market, url) in [
            ("coingecko", self.fake.coingecko_url()),
            ("coinpaprika", self.fake.coinpaprika_url()),
            ("coinmarketcap", format!("{}/coinmarketcap", self.fake.base_url())),
        ] {
            command.args(["--set", &format!("market.{market}.base_url={url}")]);
            command.args(["--set", &format!("market.{market}.calls_per_minute=60000")]);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    fn diff(&self, before: &str, after: &str) -> Vec<String> {
        let output = run(&["catalog", "diff", before, after]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output).lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_sync_adds_what_is_sure_and_changes_nothing_reviewed() {
    let sync = Sync::new().await;
    let output = sync.run(&[]).await;
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let after = sync.file("state/catalog.toml");
    assert!(stdout(&output).starts_with(&format!("{after}: 25 assets, ")), "{}", stdout(&output));
    assert!(stderr(&output).contains("coin-23: no longer listed by CoinGecko; kept as it is"));
    assert_eq!(std::fs::read_to_string(sync.file("before.toml")).unwrap(), catalog(), "it writes beside it");
    assert_eq!(code(&run(&["catalog", "check", &after])), 0);

    let today = jiff::Timestamp::now().strftime("%F").to_string();
    let told = sync.diff(&sync.file("before.toml"), &after);
    let other = told.iter().filter(|change| !change.contains(" addresses.ethereum: + 0x"));
    let mut other: Vec<_> = other.map(|change| change.replace(&today, "TODAY")).collect();
    other.sort();
    let former = r#"~ asset coin-1 formerly: + {"symbol":"SYM1","until":"TODAY","class":"b"}"#;
    let why = "~ asset coin-1 symbol_why: + new from the markets' lists, not reviewed";
    assert_eq!(
        other,
        [
            "+ asset newcomer (NEWC, Newcomer Coin)",
            "~ asset coin-0 markets.coinmarketcap: + 101",
            "~ asset coin-0 markets.coinpaprika: + sym0-coin",
            "~ asset coin-0 unverified: + coinmarketcap",
            "~ asset coin-0 unverified: + coinpaprika",
            former,
            "~ asset coin-1 symbol: SYM1 -> FRESH1",
            "~ asset coin-1 symbol_class: b -> c",
            why,
        ]
    );
    assert_eq!(told.len() - other.len(), 23, "an address each");
    let newcomer = stdout(&run(&["--catalog", &after, "catalog", "show", "newcomer"]));
    for line in
        ["symbol_class = \"d\"", "name_class = \"d\"", "coinpaprika = \"newc-newcomer\"", "unverified"]
    {
        assert!(newcomer.contains(line), "{line} in {newcomer}");
    }
    // 1 list, 1 page by rank, 1 of tickers, 1 of contracts, 1 of listings.
    assert_eq!(sync.fake.calls().len(), 5);
    // What a second sync brings is nothing.
    std::fs::copy(&after, sync.file("before.toml")).unwrap();
    assert_eq!(code(&sync.run(&["-o", &sync.file("again.toml")]).await), 0);
    assert_eq!(sync.diff(&after, &sync.file("again.toml")), Vec::<String>::new());
}

#[tokio::test]
async fn a_sync_that_loses_too_much_or_fails_writes_nothing() {
    let sync = Sync::new().await;
    set(&sync.fake, Route::CoinsList, &json!(listed()[..22]));
    let output = sync.run(&[]).await;
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("2 of 24 assets are missing from CoinGecko's list"),
        "{}",
        stderr(&output)
    );
    for mood in [Mood::TooFast(Some("60")), Mood::Html, Mood::Says(500, "{}"), Mood::Body("[]")] {
        sync.fake.set_mood(Route::CoinsList, mood);
        let output = sync.run(&[]).await;
        assert_eq!(code(&output), 2);
        assert!(stderr(&output).starts_with("error: coingecko: "), "{}", stderr(&output));
    }
    assert!(!Path::new(&sync.file("state/catalog.toml")).exists());
    // The ids of another market can wait.
    set(&sync.fake, Route::CoinsList, &json!(listed()));
    sync.fake.set_mood(Route::Tickers, Mood::Says(503, "{}"));
    let output = sync.run(&[]).await;
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).contains("no ids of coinpaprika were added: coinpaprika: answered 503"));
    assert!(sync.diff(&sync.file("before.toml"), &sync.file("state/catalog.toml")).len() > 23);
}
