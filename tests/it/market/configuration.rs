//! The options: their forms, their defaults, and errors that name what to change.

use std::path::PathBuf;

use cointag::market::sources::ALL;
use cointag::market::{FileConfig, Secret, SourceConfig};

use super::file::refuse;
use super::*;

#[test]
fn a_configuration_is_read_and_written_without_its_keys() {
    let text = r#"
        sources = ["coinpaprika"]
        [coingecko]
        api_key = "CG-secret"
        plan = "demo"
        calls_per_minute = 100
        timeout = "2s 500ms"
    "#;
    let config: MarketConfig = toml::from_str(text).unwrap();
    assert_eq!(config.sources, ["coinpaprika"]);
    assert_eq!(config.coingecko.timeout, Some(Duration::from_millis(2_500)));
    let written = toml::to_string(&config).unwrap();
    assert!(written.contains("api_key = \"***\"") && written.contains("timeout = \"2s 500ms\""), "{written}");
    assert!(!format!("{config:?}").contains("secret"));

    let quotes: QuotesConfig = toml::from_str("fresh_for = \"5m\"").unwrap();
    assert_eq!((quotes.fresh_for, quotes.expire_after), (minutes(5), minutes(24 * 60)));
    assert!(toml::to_string(&quotes).unwrap().contains("fresh_for = \"5m\""));
}

#[test]
fn a_bad_option_is_refused_with_what_it_should_be() {
    let rows = [
        ("[coingecko]\ntimeout = 10", "a duration such as"),
        ("[coingecko]\ntimeout = \"-1s\"", "`-1s` is not a duration such as"),
        ("[coingeko]\n", "unknown field `coingeko`"),
        ("[coingecko]\nport = 1", "unknown field `port`"),
    ];
    for (text, problem) in rows {
        let error = toml::from_str::<MarketConfig>(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn what_cannot_work_is_refused_at_the_start_and_names_the_option() {
    let with = |source: SourceConfig| MarketConfig { coingecko: source, ..MarketConfig::default() };
    let none = SourceConfig::default;
    let named = |names: &[&str]| MarketConfig {
        sources: names.iter().map(ToString::to_string).collect(),
        ..MarketConfig::default()
    };
    let key = || Some(Secret::new("CG-secret"));
    let rows = [
        (
            named(&["coingeko"]),
            "market.sources: unknown source `coingeko`; known are coingecko, coinpaprika, coinmarketcap, defillama",
        ),
        (named(&["coingecko", "coingecko"]), "market.sources: `coingecko` stands twice"),
        (named(&["file"]), "market.file.path: is needed"),
        (
            with(SourceConfig { plan: Some("gold".to_owned()), ..none() }),
            "market.coingecko.plan: there is no plan `gold`",
        ),
        (
            with(SourceConfig { plan: Some("pro".to_owned()), ..none() }),
            "market.coingecko.api_key: plan `pro` needs a key",
        ),
        (
            with(SourceConfig { plan: Some("keyless".to_owned()), api_key: key(), ..none() }),
            "market.coingecko.plan: plan `keyless` takes no key",
        ),
        (
            with(SourceConfig { api_key: Some(Secret::new(" ")), ..none() }),
            "market.coingecko.api_key: the key is empty",
        ),
        (with(SourceConfig { api_key: Some(Secret::new("a\nb")), ..none() }), "market.coingecko.api_key: "),
        (
            with(SourceConfig { api_key_file: Some(PathBuf::from("/nowhere/key")), ..none() }),
            "market.coingecko.api_key_file: cannot read /nowhere/key",
        ),
        (
            with(SourceConfig { api_key: key(), api_key_file: Some(PathBuf::from("x")), ..none() }),
            "market.coingecko.api_key_file: set this or api_key",
        ),
        (
            with(SourceConfig { base_url: Some("example.org".to_owned()), ..none() }),
            "market.coingecko.base_url: ",
        ),
        (
            with(SourceConfig { calls_per_month: Some(0), ..none() }),
            "market.coingecko.calls_per_month: must be above 0",
        ),
        (with(SourceConfig { timeout: Some(Duration::ZERO), ..none() }), "market.coingecko.timeout: "),
        (
            MarketConfig { file: FileConfig { path: Some(PathBuf::from("x")) }, ..MarketConfig::default() },
            "market.file.path: is set, but market.sources does not name `file`",
        ),
    ];
    for (config, problem) in rows {
        let error = refuse(&config);
        assert!(error.starts_with(problem), "{error}");
        assert!(!error.contains("CG-secret"));
    }
}

#[test]
fn a_key_file_is_read_and_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "CG-secret\n").unwrap();
    let source = SourceConfig { api_key_file: Some(path), ..SourceConfig::default() };
    let config = MarketConfig { coingecko: source, ..MarketConfig::default() };
    let catalog = Arc::new(Catalog::parse(CATALOG).unwrap());
    let markets = Markets::new(catalog, &config, &QuotesConfig::default(), None, Clock::system()).unwrap();
    let source = &markets.sources()[0];
    assert_eq!((source.plan, source.has_key, source.calls_per_month), ("demo", true, Some(10_000)));
    assert_eq!(source.state.to_string(), "starting");
}

#[test]
fn every_source_has_its_credit_line_and_terms() {
    for entry in ALL {
        assert!(
            !entry.credit.is_empty() && !entry.terms.is_empty() && !entry.plans.is_empty(),
            "{}",
            entry.name
        );
        assert!(entry.plans.iter().all(|plan| plan.calls_per_minute > 0));
    }
}
