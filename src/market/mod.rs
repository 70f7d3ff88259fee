//! STAND-IN of branch `faces`; the real module comes from branch `market`.
#![allow(missing_docs, clippy::allow_attributes_without_reason)]

pub mod book;
pub mod quote;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, TokenIndex};
use book::Snapshot;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarketConfig {
    pub sources: Vec<String>,
    pub coingecko: SourceConfig,
    pub coinpaprika: SourceConfig,
    pub file: FileConfig,
}
impl Default for MarketConfig {
    fn default() -> Self {
        Self {
            sources: vec!["coingecko".into(), "coinpaprika".into()],
            coingecko: SourceConfig::default(),
            coinpaprika: SourceConfig::default(),
            file: FileConfig::default(),
        }
    }
}
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceConfig {
    pub base_url: Option<String>,
    pub api_key: Option<Secret>,
    pub calls_per_minute: Option<u32>,
}
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileConfig {
    pub path: Option<PathBuf>,
}
#[derive(Clone, Deserialize)]
pub struct Secret(#[allow(dead_code)] String);
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str("***")
    }
}
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotesConfig {
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub fresh_for: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub expire_after: Duration,
}
impl Default for QuotesConfig {
    fn default() -> Self {
        Self { fresh_for: Duration::from_secs(600), expire_after: Duration::from_secs(86400) }
    }
}
#[derive(Debug, thiserror::Error)]
#[error("market")]
pub struct MarketError;

#[derive(Clone)]
pub struct Clock;
impl Clock {
    pub fn system() -> Self {
        Self
    }
}
#[derive(Debug)]
pub struct SourceInfo {
    pub name: &'static str,
    pub title: &'static str,
    pub credit: &'static str,
    pub link: &'static str,
    pub terms: &'static str,
    pub plan: String,
    pub has_key: bool,
    pub state: String,
    pub reason: Option<String>,
    pub last_success: Option<Timestamp>,
    pub last_failure: Option<Timestamp>,
    pub calls_total: u32,
    pub calls_per_minute: Option<u32>,
    pub calls_per_month: Option<u32>,
}
#[derive(Clone)]
pub struct Markets {
    snapshot: Arc<Snapshot>,
}
impl Markets {
    pub fn new(
        _catalog: Arc<Catalog>,
        _market: &MarketConfig,
        _quotes: &QuotesConfig,
        _state_dir: Option<&Path>,
        _clock: Clock,
    ) -> Result<Self, MarketError> {
        Ok(Self { snapshot: Arc::new(Snapshot {}) })
    }
    pub fn spawn(&self, stop: tokio_util::sync::CancellationToken) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move { stop.cancelled().await })
    }
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }
    pub fn first_round_ended(&self) -> bool {
        true
    }
    pub async fn first_round(&self) {}
    pub fn want(&self, _tokens: &[TokenIndex]) {}
    pub async fn wait_for(&self, _tokens: &[TokenIndex], _time: Duration) {}
    pub fn sources(&self) -> Vec<SourceInfo> {
        Vec::new()
    }
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
