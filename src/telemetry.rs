//! Logs on stderr: for people, or JSON for machines.
//!
//! Article text and keys never come here; see the callers. Colours only on terminals.

mod export;

use std::io::IsTerminal;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, reload};

pub use export::{Config as TraceConfig, flush};

/// Section `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `human` or `json`.
    pub format: Format,
    /// Least level, such as `info`, or by module, such as `info,cointag::market=debug`. Unset: `info` for
    /// `serve`, `warn` for the other commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Whether the level can be read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), ParseError> {
        self.filter("info").map(drop)
    }

    fn filter(&self, default: &str) -> Result<EnvFilter, ParseError> {
        EnvFilter::builder().parse(self.level.as_deref().unwrap_or(default))
    }
}

type Level = Box<dyn Fn(EnvFilter) + Send + Sync>;

/// The level in force; empty until logging has started.
static LEVEL: OnceLock<Level> = OnceLock::new();

/// Starts logging for the whole process, once; a second call changes nothing. With `trace` spans are sent too, which
/// wants a tokio runtime around the call.
pub fn init(config: &Config, default_level: &str, trace: Option<&TraceConfig>) {
    // A level that cannot be read was refused with the configuration.
    let filter = config.filter(default_level).unwrap_or_else(|_| EnvFilter::new(default_level));
    let (filter, level) = reload::Layer::new(filter);
    let logs = tracing_subscriber::registry().with(trace.and_then(export::layer));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match config.format {
        Format::Human => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            logs.with(lines.with_ansi(colours).with_target(false).with_filter(filter)).try_init()
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            logs.with(lines.with_filter(filter)).try_init()
        }
    };
    if started.is_ok() {
        // Fails only if logging is over.
        let _already = LEVEL.set(Box::new(move |filter| drop(level.reload(filter))));
    }
}

/// Changes the level while running.
///
/// # Errors
/// The level cannot be read; the one in force stays.
pub fn set_level(level: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(level)?;
    if let Some(put_in_force) = LEVEL.get() {
        put_in_force(filter);
    }
    Ok(())
}
