//! The configuration: flags over `COINTAG_*` over a TOML file over defaults, and where each value came from.
//!
//! Each section is the `Config` of a component and lives beside it. Never reads the environment itself:
//! `main` hands it in once.

mod keys;
mod layers;
mod print;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use keys::{Key, ValueKind, keys};
pub use layers::{ConfigError, Layers, Loaded, Origin};
pub use print::changed;

use crate::catalog::Catalog;
use crate::market::{MarketConfig, QuotesConfig};
use crate::{api, grpc, guard, http, net, telemetry};

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where learned facts are kept between runs. Unset: nothing is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// `[catalog]`.
    pub catalog: CatalogConfig,
    /// `[grpc]`.
    pub grpc: grpc::Config,
    /// `[http]`.
    pub http: http::Config,
    /// `[market]`.
    pub market: MarketConfig,
    /// `[quotes]`.
    pub quotes: QuotesConfig,
    /// `[health]`.
    pub health: HealthConfig,
    /// `[serve]`.
    pub serve: ServeConfig,
    /// `[limits]`.
    pub limits: api::Limits,
    /// `[tls]`.
    pub tls: net::TlsConfig,
    /// `[auth]`.
    pub auth: guard::Config,
    /// `[security]`.
    pub security: SecurityConfig,
    /// `[log]`.
    pub log: telemetry::Config,
    /// `[trace]`.
    pub trace: telemetry::TraceConfig,
}

/// `[catalog]`: what is known. The catalog itself never reads files, so its section lives here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogConfig {
    /// A catalog to use in place of the built-in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Additions and changes laid over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<PathBuf>,
}

/// `[health]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// A server calls itself ready after this long, even if its first refresh round has not ended.
    #[serde(with = "crate::market::human_duration")]
    pub first_quotes_wait: Duration,
    /// Another address for the probes alone (gRPC health, `/livez`, `/readyz`), in plain text and without a key:
    /// an orchestrator's own probes know neither client certificates nor keys. Unset: only beside the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { first_quotes_wait: Duration::from_secs(2), listen: None }
    }
}

/// `[serve]`: how a server stops.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeConfig {
    /// After SIGTERM the server goes on answering for this long, so that load balancers see NOT_SERVING first.
    #[serde(with = "crate::market::human_duration")]
    pub drain_delay: Duration,
    /// After that, calls in flight have this long to end; then they are cut off.
    #[serde(with = "crate::market::human_duration")]
    pub drain_timeout: Duration,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self { drain_delay: Duration::from_secs(5), drain_timeout: Duration::from_secs(20) }
    }
}

/// `[security]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityConfig {
    /// Whether to listen beyond this machine without TLS and keys.
    pub allow_plaintext: bool,
    /// How often to look whether the files of `[tls]` and `[auth]` have changed.
    #[serde(with = "crate::market::human_duration")]
    pub reload_every: Duration,
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self { allow_plaintext: false, reload_every: Duration::from_secs(5) }
    }
}

impl CatalogConfig {
    /// The catalog in force: built in or from the file, with the overlay laid over it.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub fn load(&self) -> Result<Arc<Catalog>, ConfigError> {
        let read = |key: &'static str, path: &Path| {
            std::fs::read_to_string(path).map_err(|error| ConfigError::catalog(key, path, error))
        };
        let catalog = match &self.file {
            Some(path) => {
                let text = read("catalog.file", path)?;
                Arc::new(
                    Catalog::parse(&text)
                        .map_err(|error| ConfigError::catalog("catalog.file", path, error))?,
                )
            }
            None => Catalog::builtin(),
        };
        let Some(path) = &self.overlay else { return Ok(catalog) };
        let text = read("catalog.overlay", path)?;
        let overlaid = catalog.with_overlay(&text);
        overlaid.map(Arc::new).map_err(|error| ConfigError::catalog("catalog.overlay", path, error))
    }
}

impl Config {
    /// What the values of several sections must keep between them.
    ///
    /// # Errors
    /// Names the option to change.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (key, listen) in [("grpc.listen", self.grpc.listen), ("http.listen", self.http.listen)] {
            let is_guarded = self.tls.cert.is_some() || self.auth.keys_file.is_some();
            if !listen.ip().is_loopback() && !is_guarded && !self.security.allow_plaintext {
                return Err(ConfigError::Plaintext { key, listen });
            }
        }
        if self.grpc.listen == self.http.listen && self.grpc.listen.port() != 0 {
            return Err(ConfigError::SameAddress(self.grpc.listen));
        }
        self.limits.check().map_err(ConfigError::Limits)?;
        self.trace.check().map_err(ConfigError::Trace)?;
        self.log.check().map_err(|problem| ConfigError::Log(problem.to_string()))
    }
}

/// For messages: an address as a person would type it in a browser.
pub fn reachable(addr: SocketAddr) -> SocketAddr {
    let mut addr = addr;
    if addr.ip().is_unspecified() {
        addr.set_ip(if addr.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    addr
}
