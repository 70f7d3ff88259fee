//! What the service accepts. Every limit is an option with a reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Section `[limits]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Longest document: bytes of all its texts together. The longest real articles are a hundredth of
    /// the default; what is beyond it is a mistake or an attack.
    pub document_bytes_max: u32,
    /// Longest wait for quotes that a caller can ask for: it holds a stream open.
    #[serde(with = "crate::market::human_duration")]
    pub quote_wait_max: Duration,
    /// Most tokens of one request for quotes.
    pub quote_tokens_max: u32,
    /// Most tokens of one page of the list.
    pub page_size_max: u32,
}

/// The limits in force.
pub type Limits = Config;

impl Default for Config {
    fn default() -> Self {
        Self {
            document_bytes_max: 4 * 1024 * 1024,
            quote_wait_max: Duration::from_secs(3),
            quote_tokens_max: 1000,
            page_size_max: 1000,
        }
    }
}

impl Config {
    /// `quote_wait_max` in whole milliseconds.
    pub fn quote_wait_max_ms(&self) -> u32 {
        u32::try_from(self.quote_wait_max.as_millis()).unwrap_or(u32::MAX)
    }

    /// What a caller who asks to wait this long gets.
    pub(super) fn wait(&self, asked_ms: u32) -> Duration {
        Duration::from_millis(asked_ms.into()).min(self.quote_wait_max)
    }
}
