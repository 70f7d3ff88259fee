//! The host, key and pace of a market for other routes than its prices of today.

use std::sync::Arc;

use super::SourceEntry;
use crate::market::config::{MarketConfig, SourceConfig};
use crate::market::error::MarketError;
use crate::market::http::{Endpoint, Http};

/// A market that can be asked.
pub(in crate::market) struct Connected {
    pub(in crate::market) endpoint: Endpoint,
    pub(in crate::market) plan: &'static str,
    pub(in crate::market) calls_per_minute: u32,
    pub(in crate::market) calls_per_month: Option<u32>,
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
                Arc::default(),
            ),
            plan: plan.name,
            calls_per_minute: options.calls_per_minute.unwrap_or(plan.calls_per_minute),
            calls_per_month: options.calls_per_month.or(plan.calls_per_month),
        })
    }
}
