//! What an operator may know of a source: who to credit, and how it stands. Never holds a key.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

/// How a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Not asked yet.
    Starting,
    /// Its last call went well.
    Ok,
    /// Its last call failed; it will be asked again.
    BackingOff,
    /// Several calls in a row failed: it is left alone until one call, the probe, goes well.
    Tripped,
    /// Not asked again until the configuration changes.
    Disabled,
}

impl SourceState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Starting, Self::Ok, Self::BackingOff, Self::Tripped, Self::Disabled];
}

impl fmt::Display for SourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Ok => "ok",
            Self::BackingOff => "backing_off",
            Self::Tripped => "tripped",
            Self::Disabled => "disabled",
        })
    }
}

/// What an operator may know of a source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceInfo {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The line to show beside its prices.
    pub credit: &'static str,
    /// Where that line links to.
    pub link: &'static str,
    /// What its terms ask for.
    pub terms: &'static str,
    /// The plan in use.
    pub plan: &'static str,
    /// Whether it is asked with a key.
    pub has_key: bool,
    /// How it stands.
    pub state: SourceState,
    /// Why it does not stand well.
    pub reason: Option<String>,
    /// When a call last went well.
    pub last_success: Option<Timestamp>,
    /// When a call last failed.
    pub last_failure: Option<Timestamp>,
    /// Calls since the start, retries included.
    pub calls_total: u64,
    /// The most calls a minute.
    pub calls_per_minute: u32,
    /// The most calls a month; `None`: no budget.
    pub calls_per_month: Option<u32>,
    /// Calls in the last 60 s.
    pub calls_this_minute: u32,
    /// Calls in this calendar month (UTC), kept over restarts.
    pub calls_this_month: u32,
    /// What is left of the month's budget; `None`: no budget.
    pub calls_left_this_month: Option<u32>,
    /// How often it is asked when nobody waits and nothing forbids it.
    pub every_s: f64,
    /// When it may be asked next; `None`: never, until the configuration changes.
    pub next_call: Option<Timestamp>,
}
