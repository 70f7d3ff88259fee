//! The host, key and pace of a market for other routes than its prices of today.

use std::time::Duration;

use super::SourceEntry;
use crate::market::config::{MarketConfig, SourceConfig};
use crate::market::error::MarketError;
use crate::market::http::{Endpoint, Http};

/// How long a call may take, unless the operator says otherwise.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A market that can be asked.
pub(in crate::market) struct Connected {
    pub(in crate::market) endpoint: Endpoint,
    pub(in crate::market) plan: &'static str,
    pub(in crate::market) calls_per_minute: u32,
}

impl SourceEntry {
    /// The market of this row under its `[market.<name>]`, as its own plan has it.
    pub(in crate::market) fn connect(
        &'static self,
        config: &MarketConfig,
        http: &Http,
    ) -> Result<Connected, MarketError> {
        let unset = SourceConfig::default();
        let options = config.source(self.name).unwrap_or(&unset);
        let key = self.key(options)?;
        let plan = self.plan(options, key.is_some())?;
        Ok(Connected {
            endpoint: Endpoint::new(
                http.clone(),
                self.base_url(options.base_url.as_deref().unwrap_or(plan.base_url))?,
                self.key_header(plan, key.as_ref())?,
                self.timeout(options, plan)?,
            ),
            plan: plan.name,
            calls_per_minute: options.calls_per_minute.unwrap_or(plan.calls_per_minute),
        })
    }
}

/// A market without keys, at `base_url` unless `[market.<name>]` says otherwise.
pub(in crate::market) fn keyless(
    name: &'static str,
    base_url: &str,
    calls_per_minute: u32,
    config: &MarketConfig,
    http: &Http,
) -> Result<Connected, MarketError> {
    let unset = SourceConfig::default();
    let options = config.source(name).unwrap_or(&unset);
    let url = options.base_url.as_deref().unwrap_or(base_url);
    let url = reqwest::Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    // The text is not repeated: somebody may have put a key into it.
    let url = url.ok_or_else(|| {
        MarketError::option(name, "base_url", "must be http(s)://host[/path] without query")
    })?;
    Ok(Connected {
        endpoint: Endpoint::new(http.clone(), url, None, options.timeout.unwrap_or(TIMEOUT)),
        plan: "keyless",
        calls_per_minute: options.calls_per_minute.unwrap_or(calls_per_minute),
    })
}
