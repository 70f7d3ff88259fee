//! The options of the markets: `[market]` and `[quotes]` of the configuration, with their defaults.
//!
//! Never reads the environment or the file itself; whoever assembles the configuration does.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::book::Freshness;

/// `[market]`: which markets are asked, in which order, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarketConfig {
    /// Names of the sources to ask, most preferred first. Empty: no prices at all.
    pub sources: Vec<String>,
    /// `[market.coingecko]`.
    pub coingecko: SourceConfig,
    /// `[market.coinpaprika]`.
    pub coinpaprika: SourceConfig,
    /// `[market.coinmarketcap]`.
    pub coinmarketcap: SourceConfig,
    /// `[market.defillama]`.
    pub defillama: SourceConfig,
    /// `[market.binance]`.
    pub binance: SourceConfig,
    /// `[market.coinbase]`.
    pub coinbase: SourceConfig,
    /// `[market.okx]`.
    pub okx: SourceConfig,
    /// `[market.kraken]`.
    pub kraken: SourceConfig,
    /// `[market.file]`.
    pub file: FileConfig,
    /// `[market.history]`.
    pub history: HistoryConfig,
}

impl Default for MarketConfig {
    fn default() -> Self {
        Self {
            sources: ["coingecko", "coinpaprika", "coinmarketcap", "defillama"].map(String::from).into(),
            coingecko: SourceConfig::default(),
            coinpaprika: SourceConfig::default(),
            coinmarketcap: SourceConfig::default(),
            defillama: SourceConfig::default(),
            binance: SourceConfig::default(),
            coinbase: SourceConfig::default(),
            okx: SourceConfig::default(),
            kraken: SourceConfig::default(),
            file: FileConfig::default(),
            history: HistoryConfig::default(),
        }
    }
}

impl MarketConfig {
    /// The section of a market API. `None`: the source has none, such as `file`.
    pub(super) fn source(&self, name: &str) -> Option<&SourceConfig> {
        match name {
            "coingecko" => Some(&self.coingecko),
            "coinpaprika" => Some(&self.coinpaprika),
            "coinmarketcap" => Some(&self.coinmarketcap),
            "defillama" => Some(&self.defillama),
            "binance" => Some(&self.binance),
            "coinbase" => Some(&self.coinbase),
            "okx" => Some(&self.okx),
            "kraken" => Some(&self.kraken),
            _ => None,
        }
    }
}

/// One market API. What is left out comes from the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceConfig {
    /// Where the API is, with its version path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The key. Better kept in a file: see `api_key_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// A file that holds the key and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// The plan that the key belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Never more calls a minute than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_minute: Option<u32>,
    /// Calls are spread so that a month stays within this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_month: Option<u32>,
    /// How long one call may take, answer included.
    #[serde(with = "super::human_duration::option", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// `[market.file]`: the operator's own prices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileConfig {
    /// The JSON file; its form is that of `examples/quotes.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// `[market.history]`: prices of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// Names of the sources to ask, the best bargain first. Empty: no past prices.
    pub sources: Vec<String>,
    /// How far from the moment asked a record may lie; what is farther is refused.
    #[serde(with = "super::human_duration")]
    pub within: Duration,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        let sources = ["defillama", "binance", "coingecko"].map(str::to_owned).to_vec();
        Self { sources, within: Duration::from_secs(2 * 3600) }
    }
}

/// `[quotes]`: how old a price may be, and when one is doubted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotesConfig {
    /// Up to this age a price is fresh.
    #[serde(with = "super::human_duration")]
    pub fresh_for: Duration,
    /// Up to this age it is told, as stale; an older one is withheld.
    #[serde(with = "super::human_duration")]
    pub expire_after: Duration,
    /// A price that jumps by more than this percent while another source says otherwise is held back until a
    /// second look, for 5 minutes at most.
    pub jump_pct: f64,
}

impl Default for QuotesConfig {
    fn default() -> Self {
        let Freshness { fresh_for, expire_after } = Freshness::default();
        Self { fresh_for, expire_after, jump_pct: 25.0 }
    }
}

/// A key. Shows itself to nobody: printing and serialising give `***`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key itself, for the header that carries it and nothing else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}
